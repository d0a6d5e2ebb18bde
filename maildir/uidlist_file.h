/* What reading and writing dovecot-uidlist have in common. Internal to both. */
#ifndef MAILDIR_UIDLIST_FILE_H
#define MAILDIR_UIDLIST_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct stat;
struct uidlist;

#define UIDLIST_FILE "dovecot-uidlist"
#define UID_MAX (UINT32_MAX - 1)

enum { BASE_MAX = 255 };

/* A name that can be a message's; a line end or ":" is not looked for. */
bool uidlist_base_is_sound(struct span base);

/* Time of modification in nanoseconds since 1970. */
int64_t uidlist_mtime_ns(const struct stat *st);

/* Notes which file, in which state, *l was read from or written to. */
void uidlist_set_identity(struct uidlist *l, const struct stat *st);

/* Whether it is that file still. */
bool uidlist_has_identity(const struct uidlist *l, const struct stat *st);

/*
 * Opens a file of that kind, never through a symbolic link, never waiting.
 * Errors: ERR_NOTFOUND; ERR_PERM, ERR_IO (logged).
 */
enum err uidlist_open(int dir_fd, const char *name, int flags, int *fd_out);

#endif
