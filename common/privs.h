/* Identity, root directory, rights and limits of a process. */
#ifndef COMMON_PRIVS_H
#define COMMON_PRIVS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

/*
 * For good: root directory (root_fd, -1: as it is), groups, gid, uid, no
 * capabilities, no new ones by exec, no core dumps of secrets. uid (uid_t)-1: the
 * identity stays. Returns what was reached (CONFINED_UID, _CHROOT, _NO_RIGHTS).
 * Errors: ERR_PERM (logged): a change of identity failed; go no further.
 * A chroot that the kernel refuses an ordinary user is no error.
 */
enum err privs_drop(int root_fd, uid_t uid, gid_t gid, unsigned *confined_out);

/*
 * An ordinary user: a user namespace of our own, where chroot is allowed. All
 * ids but our own are foreign in it, our own stay what they are.
 * Errors: ERR_UNAVAIL the kernel or the administrator does not want it.
 */
enum err privs_namespace(void);

/* Keeps only these capabilities (bits 1 << CAP_X); uid stays. Errors: ERR_PERM. */
enum err privs_keep(uint64_t capabilities);

/*
 * A user namespace that swaps worker and owner (uid and gid) and leaves all other
 * ids alone, for an id-mapped mount. Needs root. Errors: ERR_UNAVAIL (logged).
 */
enum err privs_swap_namespace(uid_t worker_uid, gid_t worker_gid,
    uid_t owner_uid, gid_t owner_gid, int *ns_fd_out);

/* Raises the limit of open descriptors as far as allowed, up to n. */
void privs_allow_files(uint64_t n);

/*
 * An empty directory without a name (made in `parent`, removed at once): nothing can
 * ever be made in it. For a root directory. Errors: ERR_IO (logged).
 */
enum err privs_open_empty(const char *parent, int *fd_out);

#endif
