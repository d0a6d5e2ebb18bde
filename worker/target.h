/* A mailbox that a command names: whose it is, where, and what may be done with it. */
#ifndef WORKER_TARGET_H
#define WORKER_TARGET_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct account;
struct config_namespace;
struct session;

struct target {
	const struct config_namespace *ns;
	struct span owner;		/* user; "": our own account, or a public one */
	struct span storage;		/* name in that account */
	/*
	 * What to open it in: the session's account, or that of the folder alone, which
	 * is where rights are kept (alone.h). NULL before target_enter.
	 */
	struct account *account;
	unsigned rights;		/* ACL_*, all where no rights are kept */
	/* Somebody else's: the name is that of a deleted mailbox that is open still. */
	bool reserved;
};

/*
 * Reaches the mailbox and looks whether we have these rights on it; of one that is
 * somebody else's auth and home are asked the first time. The account belongs to the
 * session and is good until the end of the command.
 * Errors: ERR_NOTFOUND not there, or not for us to see (RFC 4314 4); ERR_PERM;
 *         ERR_UNAVAIL
 */
enum err target_enter(struct session *s, struct target *t, unsigned need);

/*
 * The same of the nearest mailbox above it that is there, if any (RFC 4314 4: CREATE and
 * RENAME); of our own.
 */
enum err target_enter_parent(struct session *s, const struct target *t,
    unsigned need);

/* Whether it is somebody else's, or nobody's (public). */
bool target_is_foreign(const struct target *t);

/* Appends its name as the client writes it. */
void target_name(const struct target *t, struct buf *out);

/* The mailbox that is selected, by its name now. */
struct target target_selected(const struct session *s);

#endif
