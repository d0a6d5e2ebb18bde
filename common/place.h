/* From configuration and user to the directories of his account. */
#ifndef COMMON_PLACE_H
#define COMMON_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/config.h"
#include "common/err.h"

/* Absolute paths, variables expanded; NULL: there is none. */
struct place_paths {
	const char *root;	/* mail root */
	const char *control;	/* CONTROL */
	const char *index;	/* VOLATILEDIR, else INDEX */
};

/*
 * Finds an account's paths. mail: the userdb's own location, NULL or "" when it has
 * none; then the inbox namespace's, then mail_location. Results live in `a`.
 * Errors: ERR_SYNTAX (logged): not a Maildir, unknown variable, a path that is not
 * absolute after expansion.
 */
enum err place_find(const struct config *cfg, const struct config_vars *vars,
    const char *mail, struct arena *a, struct place_paths *out);

/*
 * Opens a directory with the rights this process has now, for reading; missing
 * parts are made with mode 0700. Errors: ERR_NOTFOUND, ERR_PERM, ERR_QUOTA, ERR_IO
 * (logged).
 */
enum err place_open_dir(const char *path, int *fd_out);

/*
 * Who workers are when the server runs as root: the one owner that all mail has
 * (userdb static, mail_uid), else worker_user. fixed_out: the former.
 * Without root: the caller. Errors: ERR_NOTFOUND (logged) no such user.
 */
enum err place_worker(const struct config *cfg, uid_t *uid_out, gid_t *gid_out,
    bool *fixed_out);

/* A user or a group by name or number. Errors: ERR_NOTFOUND (not logged). */
enum err place_uid(const char *name, uid_t *uid_out, gid_t *primary_out);
enum err place_gid(const char *name, gid_t *gid_out);

#endif
