/* The users that a verb is for: one, those that match a mask, all, those of a file. */
#ifndef DAEMON_CTL_USERS_H
#define DAEMON_CTL_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct ctl_users {
	const char *user;	/* -u; with wildcards: a mask */
	bool all;		/* -A */
	const char *file;	/* -F: one name a line; "-": standard input */
	struct buf names;	/* each with a NUL */
	size_t n;
	bool many;		/* rows say whose they are */
};

/*
 * Finds them; without any option it is $USER. Returns 0 or an exit code, after saying
 * why.
 */
int ctl_users_find(struct ctl_users *u);

/* Gives the names back. */
void ctl_users_clear(struct ctl_users *u);

#endif
