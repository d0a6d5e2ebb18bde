/* passwd-files: "user:password:uid:gid:gecos:home:shell:extra". */
#ifndef DAEMON_AUTH_FILE_H
#define DAEMON_AUTH_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

/* A user's line; spans are good until the next lookup in the same file. */
struct auth_entry {
	struct span password, uid, gid, home;
	struct span extra;	/* "key=value key=value" */
};

/*
 * Finds a user. The file is read when it changed (its path is opened anew after a
 * second, or when `fresh`), through `open`, which gives a descriptor. Names are compared byte
 * by byte. Errors: ERR_NOTFOUND no such user; ERR_UNAVAIL (logged) the file cannot be
 * read.
 */
typedef enum err auth_open_fn(const char *path, const char *user, int *fd_out);
enum err auth_file_find(const char *path, const char *user, struct span key,
    bool fresh, auth_open_fn *open, struct auth_entry *out);

/* Forgets all files (a new configuration). */
void auth_file_forget(void);

/* The value of an extra field; true also for a bare "key" (value empty). */
bool auth_extra(struct span extra, const char *key, struct span *value_out);

#endif
