/*
 * What the kernel keeps a process from doing: seccomp filters and Landlock. The
 * profiles' system calls are in common/syscalls.def.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

/* What is in force: bits, for `loftctl status` and the log. */
enum {
	CONFINED_UID = 1,	/* an identity of its own */
	CONFINED_CHROOT = 2,	/* an empty root directory */
	CONFINED_SECCOMP = 4,
	CONFINED_LANDLOCK = 8,	/* after login */
	CONFINED_MOUNTS = 16,	/* accounts are detached mounts */
	CONFINED_IDMAP = 32,	/* which can be id-mapped */
	CONFINED_NO_RIGHTS = 64, /* no capabilities, no new ones */
};

/* "uid chroot seccomp", for people. Static storage. */
const char *sandbox_words(unsigned confined);

enum sandbox_profile {
	SANDBOX_WORKER = 1,	/* from fork to the end; nothing that opens a way out */
	SANDBOX_POOL = 2,	/* what a pool needs beyond a worker */
	SANDBOX_AUTH = 4,
	SANDBOX_HELPER = 8,
	SANDBOX_HOME = 16,
	SANDBOX_NOTIFY = 32,
	SANDBOX_ALONE = 64,	/* what a worker without notify needs: inotify */
};

/*
 * From now on only the system calls of these profiles (bits), others fail with
 * EPERM. Costs a millisecond: once per process image. Sets no_new_privs.
 * Errors: ERR_UNAVAIL the kernel has no seccomp, or a build with sanitizers.
 */
enum err sandbox_allow(unsigned profiles);

/*
 * Takes the calls away that only `profile` lists, on top of sandbox_allow: cheap,
 * for every fork. Errors as above.
 */
enum err sandbox_drop(enum sandbox_profile profile);

/* The second filter of a session: no more filters, sockets, accepting. */
enum err sandbox_session(void);

/* The kernel's Landlock version, 0: none. */
int sandbox_landlock_version(void);

/*
 * From now on files only beneath these directories: reading, writing, making,
 * removing and renaming regular files and directories between them, nothing
 * executable, no devices, sockets, links that lead elsewhere. Negative descriptors
 * are skipped. With Linux 6.7 no network, with 6.12 no signals out either.
 * Errors: ERR_UNAVAIL the kernel has no Landlock with REFER (5.19); ERR_IO (logged)
 */
enum err sandbox_landlock(const int *dir_fds, size_t n);

#endif
