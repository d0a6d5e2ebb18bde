/* What happens when several clients have a mailbox open (RFC 2180). */
#ifndef WORKER_POLICY_H
#define WORKER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/config_multi.h"
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
	enum multi_seen seeing;		/* of mailboxes of others */
	uint64_t ghost_max_age_ms;
};

struct account;
struct account_place;

/*
 * The policy of a mailbox (storage name). The one place that knows where it comes
 * from. Looks at the account's rules each time (one fstatat), so that a change counts
 * from the next command on.
 */
struct policy policy_for(const struct config *cfg, struct account *acc,
    struct span storage);

/* That of a session's selected mailbox. */
struct policy policy_get(const struct session *s);

/*
 * Lines "setting TAB value TAB source TAB pattern": source is "run time", "mailbox
 * block" or "global" (then there is no pattern).
 */
void policy_describe(const struct config *cfg, struct account *acc,
    struct span storage, struct buf *out);

/* In place of a value: the rule says nothing of it any more. */
enum { POLICY_REMOVE = -2 };

/*
 * Changes what the account's rules say of the mailboxes that match a pattern (as
 * clients write names, with or without the prefix); MULTI_UNSET leaves a setting alone.
 * Errors: ERR_SYNTAX the pattern can match nothing, or the rule would contradict
 *         itself; ERR_NOTFOUND there is no such mailbox, or no such rule to take
 *         something out of: *problem_out is a sentence;
 *         others as policy_file_set.
 */
enum err policy_change(const struct config *cfg, struct account *acc,
    struct span pattern, const int64_t change[MULTI_COUNT], struct arena *a,
    const char **problem_out);

/* What it means for DELETE, for RENAME, and whether EXPUNGE and MOVE are refused. */
enum others_how policy_delete(const struct policy *p);
enum others_how policy_rename(const struct policy *p);
bool policy_keeps_messages(const struct policy *p);

/* The limits of what is kept for sessions that were not told: an account's. */
void policy_limits(const struct config *cfg, struct account_place *place);

#endif
