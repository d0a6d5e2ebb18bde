/* Forks and executes one program with exactly its descriptors. */
#ifndef DAEMON_SPAWN_H
#define DAEMON_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

struct spawn_identity {
	uid_t uid;
	gid_t gid;
};

/*
 * Starts `path` with these arguments (NULL-terminated), a small environment and a
 * process group of its own. fds[i] becomes descriptor 3 + i (-1: closed),
 * in_fd (-1: /dev/null) 0 and 1, 2 and FD_INFO_LOG stay, all others are closed. who: the
 * identity to take before, NULL: ours.
 * Errors: ERR_IO (logged). That the program could not be executed shows in its exit
 * status, 127.
 */
enum err spawn(const char *path, const char *const *argv, const int *fds,
    size_t n_fds, int in_fd, const struct spawn_identity *who, pid_t *pid_out);

/* Where loft-worker is: beside us, else where it was installed. Static storage. */
const char *spawn_worker_path(void);

#endif
