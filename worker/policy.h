/* What happens when several clients have a mailbox open (RFC 2180). */
#ifndef WORKER_POLICY_H
#define WORKER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/folder.h"

struct session;

struct policy {
	enum multi_delete deletion;	/* 3: DELETE by another session */
	enum multi_rename renaming;	/* 3: RENAME */
	enum multi_expunge expunging;	/* 4.1: FETCH of what is expunged */
	enum multi_store storing;	/* 4.2: STORE */
	enum multi_copy copying;	/* 4.4: COPY */
};

struct account_place;

/*
 * The policy of the session's selected mailbox. The one place that knows where
 * it comes from.
 */
struct policy policy_get(const struct session *s);

/* That of a mailbox named in a command (storage name). */
struct policy policy_of(const struct session *s, struct span storage);

/* What it means for DELETE, for RENAME, and whether EXPUNGE and MOVE are refused. */
enum others_how policy_delete(const struct policy *p);
enum others_how policy_rename(const struct policy *p);
bool policy_keeps_messages(const struct policy *p);

/* The limits of what is kept for sessions that were not told: an account's. */
void policy_limits(const struct config *cfg, struct account_place *place);

#endif
