/* Who has mail on this host, as far as the configuration lets one list them. */
#ifndef WORKER_ADOPT_USERS_H
#define WORKER_ADOPT_USERS_H

#include "common/arena.h"
#include "common/config.h"

/* A user, as a passwd-file or the system has him; "": not given there. */
struct adopt_user {
	struct adopt_user *next;
	const char *name, *home, *mail;
	unsigned line;		/* of the file that he is from, 0: none */
	const char *file;
	bool broken;		/* the line is none */
};

/*
 * All users of passwd-files (those that depend on the domain, too) and, where system
 * users may log in, of the host. *unlisted_out: the first driver whose users cannot be
 * listed, or NULL. *unread_out: a file that cannot be read, or NULL. Memory is of `a`.
 */
struct adopt_user *adopt_users(const struct config *cfg, struct arena *a,
    const char **unlisted_out, const char **unread_out);

#endif
