/* File locks with a deadline and a name for the log. */
#ifndef COMMON_LOCK_H
#define COMMON_LOCK_H

#include <stdbool.h>

#include "common/err.h"

/*
 * flock(2) on fd. timeout_ms 0 only tries. `what` is for the log.
 * Errors: ERR_BUSY when the time is over (logged unless timeout_ms is 0), ERR_IO.
 */
enum err lock_file(int fd, bool exclusive, int timeout_ms, const char *what);
void lock_release(int fd);

/*
 * A dotlock as Dovecot takes it (dovecot-uidlist.lock, subscriptions.lock): a
 * file made with O_EXCL that holds "<pid>:<host>". A lock of this host whose
 * process is dead is broken at once, any other after stale_s seconds without a
 * change of the file. Waits with growing pauses, at most timeout_ms.
 * Errors: ERR_BUSY (logged with the holder), ERR_PERM, ERR_QUOTA, ERR_IO.
 */
enum err dotlock_take(int dir_fd, const char *name, int timeout_ms,
    int stale_s);

/* Removes a dotlock we hold. */
void dotlock_release(int dir_fd, const char *name);

#endif
