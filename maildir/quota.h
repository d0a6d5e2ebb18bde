/*
 * Quota: what an account's mail counts, and whether more of it fits.
 *
 * The count is in the state (T_META), changed by rec_put in the transaction that changes
 * the mailbox's record: it is right whatever dies when. Mailboxes that are accounts of
 * their own (alone.h) are counted there; their sum is noted here by each look.
 *
 * For whoever adds mail (APPEND, COPY, MOVE, delivery): open the account with
 * account_place.quota (worker/quota.h makes it), and
 *
 *	quota_fits(acc, storage, size, 1)	before the message is read
 *	change_append(...)			ERR_QUOTA: not any more, nothing was added
 *
 * account_place.delivers is for LMTP and the LDA: the message that fills the quota may go
 * over it by the grace.
 */
#ifndef MAILDIR_QUOTA_H
#define MAILDIR_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/db.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/state.h"

struct account;
struct folder;

/*
 * Whether `messages` more of `bytes` together (0, 1: is there room for any?) fit into a
 * mailbox, a storage name. Before it says no all mailboxes are looked at: others may
 * have made room. No mail of that size at all: ERR_LIMIT (quota_mail_size).
 * Errors: ERR_QUOTA they do not; ERR_LIMIT; as quota_look
 */
enum err quota_fits(struct account *acc, struct span storage, uint64_t bytes,
    uint64_t messages);

/* Usage and limits (0: none) of the account of whose quota acc's mail is part. */
struct quota_status {
	struct usage used, limits;
};

/*
 * After a look at all mailboxes. Errors: ERR_NOTFOUND no quota (somebody else's folder,
 * or none is configured); as quota_look
 */
enum err quota_get(struct account *acc, struct quota_status *out);

/*
 * Looks at all mailboxes: those that the state has not met are counted, those that other
 * programs changed are scanned, those that they removed are forgotten.
 * Errors: ERR_UNAVAIL, ERR_IO, ERR_BUSY
 */
enum err quota_look(struct account *acc);

/*
 * Counts anew: every mailbox is listed, and the sum made from the records. Where it
 * differs from what was kept (it must not), that is logged. Errors: as quota_look
 */
enum err quota_recalculate(struct account *acc);

/* Late work (account.h): what others read of our count is made to agree. */
void quota_tell(struct account *acc);

/* Whether mail that moves from one to the other counts for another user then. */
bool quota_is_foreign(const struct account *from, const struct account *to);

/* ---- for maildir/ only ---- */

/*
 * In a transaction of the account's own environment: what counts, without mailboxes
 * that a rule takes out. Errors: as db_get
 */
enum err quota_usage(struct db_txn *t, const struct account *acc,
    struct usage *out);

/* The limits of all mailboxes: those that are set, or those of maildirsize. */
struct usage quota_limits_of_all(const struct account *acc);

/*
 * Before and after messages were added to `to` in a transaction: whether that may be.
 * What makes nothing more (MOVE) may. Errors: ERR_QUOTA (logged); as db_get
 */
enum err quota_before(struct db_txn *t, const struct folder *to,
    struct usage *before_out);
enum err quota_allow(struct db_txn *t, const struct folder *to,
    struct usage before);

/* Something was committed in acc: the file maildirsize is to follow. */
void quota_changed(struct account *acc);

#endif
