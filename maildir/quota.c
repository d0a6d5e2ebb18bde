#include "maildir/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/quota_rules.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/mailbox_names.h"
#include "maildir/maildirsize.h"
#include "maildir/name.h"
#include "maildir/scan.h"
#include "maildir/state.h"

/* The account whose quota it is; NULL: nobody's that we know of. */
static struct account *
owner_of(const struct account *acc)
{
	struct account *own = (struct account *)(uintptr_t)(acc->outer != NULL ?
	    acc->outer : acc);

	/* A folder of somebody else counts for him; what he has, we cannot see. */
	return acc->key != NULL || own->how.quota == NULL ||
	    !own->how.quota->is_on ? NULL : own;
}

bool
quota_is_foreign(const struct account *from, const struct account *to)
{
	return from != to && owner_of(from) != owner_of(to);
}

void
quota_changed(struct account *acc)
{
	struct account *own = owner_of(acc);

	if (own == NULL)
		return;
	own->late_quota = true;
	own->quota_inner |= own != acc;
}

struct usage
quota_limits_of_all(const struct account *acc)
{
	const struct quota *q = acc->how.quota;
	struct usage l = { q->bytes, q->messages };

	if (q->limits_from_file && (acc->file_limits.bytes != 0 ||
	    acc->file_limits.messages != 0))
		l = (struct usage){ acc->file_limits.bytes,
			acc->file_limits.messages };
	return l;
}

/* ---- usage ---- */

/* The mailboxes that a rule takes out of the sum. */
static enum err
subtract_ignored(struct db_txn *t, const struct quota *q, struct usage *sum)
{
	struct db_cursor *c = NULL;
	struct arena a = { 0 };
	struct span k, v;
	uint32_t id;
	enum err e;

	if ((e = db_cursor_open(t, T_NAMES, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, SPAN("\0"), &k, &v); e == ERR_OK;
	    e = db_next(c, &k, &v)) {
		struct folder_rec r;
		struct usage u;

		if (v.n != sizeof(id) ||
		    !quota_rules_limits(q, 0, 0, k).ignored)
			continue;
		memcpy(&id, v.p, sizeof(id));
		if (rec_get(t, id, &a, &r) != ERR_OK)
			continue;
		u = rec_usage(&r);
		sum->bytes -= u.bytes;
		sum->messages -= u.messages;
		arena_clear(&a);
	}
	db_cursor_close(&c);
	arena_free(&a);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Of one environment, an account's or that of a folder alone. */
static enum err
usage_in(struct db_txn *t, const struct quota *q, struct usage *out)
{
	*out = state_usage(t);
	return q->ignores ? subtract_ignored(t, q, out) : ERR_OK;
}

enum err
quota_usage(struct db_txn *t, const struct account *acc, struct usage *out)
{
	enum err e = usage_in(t, acc->how.quota, out);

	out->bytes += meta_get(t, "alone-bytes");
	out->messages += meta_get(t, "alone-messages");
	return e;
}

static enum err
read_usage(const struct account *own, struct usage *out)
{
	struct db_txn *t;
	enum err e;

	*out = (struct usage){ 0 };
	if ((e = db_begin(own->db, false, &t)) != ERR_OK)
		return e;
	e = quota_usage(t, own, out);
	db_abort(&t);
	return e;
}

/* ---- whether it fits ---- */

static struct quota_limits
limits_for(const struct account *own, struct span storage)
{
	struct usage all = quota_limits_of_all(own);

	return quota_rules_limits(own->how.quota, all.bytes, all.messages,
	    storage);
}

/* From `was` to `is`: with the grace, if it was not over before. */
static bool
is_over(const struct account *own, const struct quota_limits *l,
    struct usage was, struct usage is)
{
	const struct quota *q = own->how.quota;
	uint64_t grace = 0;

	if (own->how.delivers && was.bytes <= l->bytes)
		grace = q->grace_bytes + l->bytes / 100 * q->grace_percent;
	return (l->bytes != 0 && is.bytes > l->bytes &&
	    is.bytes - l->bytes > grace) ||
	    (l->messages != 0 && is.messages > l->messages);
}

static void
log_refusal(const struct account *own, struct span storage, struct usage is,
    const struct quota_limits *l)
{
	log_info("Quota exceeded: user=<%s> mailbox %s: %llu bytes of %llu, "
	    "%llu messages of %llu (0: no limit)", own->user,
	    log_text(storage), (unsigned long long)is.bytes,
	    (unsigned long long)l->bytes, (unsigned long long)is.messages,
	    (unsigned long long)l->messages);
}

/* Those of maildirsize, where none are set; and everything is counted once. */
static enum err
prepare(struct account *own)
{
	struct db_txn *t;
	bool counted;
	enum err e;

	if (own->how.quota->limits_from_file && !own->quota_prepared)
		maildirsize_read_limits(own);
	if (own->quota_prepared)
		return ERR_OK;
	if ((e = db_begin(own->db, false, &t)) != ERR_OK)
		return e;
	counted = meta_get(t, "counted") != 0;
	db_abort(&t);
	if (!counted && (e = quota_look(own)) != ERR_OK)
		return e;
	own->quota_prepared = true;
	return ERR_OK;
}

enum err
quota_fits(struct account *acc, struct span storage, uint64_t bytes,
    uint64_t messages)
{
	struct account *own = owner_of(acc);
	struct quota_limits l;
	struct usage was, is;
	enum err e;

	if (own == NULL || !own->how.quota->enforce)
		return ERR_OK;
	if (own->how.quota->max_mail_bytes != 0 &&
	    bytes > own->how.quota->max_mail_bytes)
		return ERR_LIMIT;
	if ((e = prepare(own)) != ERR_OK)
		return e;
	l = limits_for(own, storage);
	for (bool looked = false;; looked = true) {
		if ((e = read_usage(own, &was)) != ERR_OK)
			return e;
		is = (struct usage){ was.bytes + bytes,
			was.messages + messages };
		if (l.ignored || !is_over(own, &l, was, is))
			return ERR_OK;
		if (looked)
			break;
		if ((e = quota_look(own)) != ERR_OK)
			return e;
	}
	log_refusal(own, storage, is, &l);
	return ERR_QUOTA;
}

enum err
quota_before(struct db_txn *t, const struct folder *to,
    struct usage *before_out)
{
	const struct account *own = owner_of(to->acc);

	*before_out = (struct usage){ 0 };
	return own == NULL ? ERR_OK : usage_in(t, own->how.quota, before_out);
}

enum err
quota_allow(struct db_txn *t, const struct folder *to, struct usage before)
{
	const struct account *own = owner_of(to->acc);
	struct span storage = span_of(to->name);
	struct quota_limits l;
	struct usage was, is;
	enum err e;

	if (own == NULL || to->uncounted || !own->how.quota->enforce)
		return ERR_OK;
	if ((e = usage_in(t, own->how.quota, &is)) != ERR_OK)
		return e;
	if (is.bytes <= before.bytes && is.messages <= before.messages)
		return ERR_OK;
	/* All that the user has: in this environment, and in the others. */
	if (own == to->acc)
		was = (struct usage){ before.bytes + meta_get(t,
		    "alone-bytes"), before.messages + meta_get(t,
		    "alone-messages") };
	else if ((e = read_usage(own, &was)) != ERR_OK)
		return e;
	is.bytes += was.bytes - before.bytes;
	is.messages += was.messages - before.messages;
	l = limits_for(own, storage);
	if (!is_over(own, &l, was, is))
		return ERR_OK;
	log_refusal(own, storage, is, &l);
	return ERR_QUOTA;
}

/* ---- looking at all mailboxes ---- */

static bool
is_known(struct db_txn *t, const struct account *acc, struct span name,
    struct arena *a)
{
	struct folder_rec r;
	uint32_t id;
	bool known;

	known = names_get(t, name, &id) == ERR_OK &&
	    rec_get(t, id, a, &r) == ERR_OK && r.uidnext > 0 &&
	    !(r.flags & (REC_DELETED | REC_IMPORTING)) &&
	    scan_is_quiet(acc, name, &r);
	arena_clear(a);
	return known;
}

/* One that cannot be read now counts as it did; that was logged. */
static void
visit(struct account *acc, struct span name)
{
	struct folder *f;

	(void)!folder_open(acc, name, &f);
	folder_close(&f);
}

static enum err
visit_alone(struct account *acc, struct span name, struct usage *sum)
{
	struct account *in;
	struct db_txn *t;
	struct usage u;
	enum err e;

	if (quota_rules_limits(acc->how.quota, 0, 0, name).ignored)
		return ERR_OK;
	if ((e = alone_get(acc, name, &in)) != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	visit(in, name);
	if ((e = db_begin(in->db, false, &t)) != ERR_OK)
		return e;
	u = state_usage(t);
	db_abort(&t);
	sum->bytes += u.bytes;
	sum->messages += u.messages;
	return ERR_OK;
}

static enum err
note_look(struct account *acc, struct usage alone)
{
	struct db_txn *t;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if (meta_get(t, "counted") != 0 &&
	    meta_get(t, "alone-bytes") == alone.bytes &&
	    meta_get(t, "alone-messages") == alone.messages) {
		db_abort(&t);
		return ERR_OK;
	}
	db_abort(&t);
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = meta_put(t, "counted", 1)) == ERR_OK &&
	    (e = meta_put(t, "alone-bytes", alone.bytes)) == ERR_OK &&
	    (e = meta_put(t, "alone-messages", alone.messages)) == ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

/* ---- mailboxes that another program removed ---- */

static bool
is_missing(const struct account *acc, struct span name)
{
	char dir[256];

	if (name_check(name) != ERR_OK)
		return false;
	name_to_dir(name, dir);
	return faccessat(acc->root_fd, dir, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
	    errno == ENOENT;
}

/* Names without a directory, but not those that a DELETE keeps (REC_KEPT). */
static enum err
find_missing(struct db_txn *t, const struct account *acc, struct arena *a,
    uint32_t *id_out)
{
	struct db_cursor *c = NULL;
	struct folder_rec r;
	struct span k, v;
	uint32_t id;
	enum err e;

	*id_out = 0;
	if ((e = db_cursor_open(t, T_NAMES, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, SPAN("\0"), &k, &v); e == ERR_OK &&
	    *id_out == 0; e = db_next(c, &k, &v)) {
		if (v.n != sizeof(id) || !is_missing(acc, k))
			continue;
		memcpy(&id, v.p, sizeof(id));
		if (rec_get(t, id, a, &r) == ERR_OK &&
		    !(r.flags & REC_DELETED))
			*id_out = id;
		arena_clear(a);
	}
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
forget_one(struct account *acc, struct arena *a, uint32_t *id_out)
{
	struct folder_rec r;
	struct db_txn *t;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = find_missing(t, acc, a, id_out)) != ERR_OK || *id_out == 0) {
		db_abort(&t);
		return e;
	}
	if ((e = rec_get(t, *id_out, a, &r)) == ERR_OK) {
		r.flags |= REC_DELETED;
		r.modseq = rec_next_modseq(&r);
		log_info("Mailbox %s was removed by another program",
		    log_text(r.name));
		if ((e = rec_put(t, &r)) == ERR_OK)
			e = db_del(t, T_NAMES, r.name);
	}
	if (e == ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

/* Under the lock on names: a RENAME that is under way has directories elsewhere. */
static enum err
forget_missing(struct account *acc)
{
	struct arena a = { 0 };
	struct db_txn *t;
	uint32_t id;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = find_missing(t, acc, &a, &id);
	db_abort(&t);
	if (e == ERR_OK && id != 0 && (e = names_lock(acc)) == ERR_OK) {
		while ((e = forget_one(acc, &a, &id)) == ERR_OK && id != 0) {
			acc->late_deleted = id;
			account_folder_gone(acc, id);
		}
		names_unlock(acc);
	}
	arena_free(&a);
	return e;
}

static enum err
look(struct account *acc, bool at_all)
{
	struct arena a = { 0 }, scraps = { 0 };
	struct usage alone = { 0 };
	struct folder_entry *entry;
	struct db_txn *t;
	size_t n;
	bool known;
	enum err e = folder_list(acc, &a, &entry, &n);

	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		if (!entry[i].exists)
			continue;
		if (alone_is(acc, entry[i].name)) {
			e = visit_alone(acc, entry[i].name, &alone);
			continue;
		}
		if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
			break;
		known = !at_all && is_known(t, acc, entry[i].name, &scraps);
		db_abort(&t);
		if (!known)
			visit(acc, entry[i].name);
	}
	arena_free(&scraps);
	arena_free(&a);
	if (e == ERR_OK && (e = forget_missing(acc)) == ERR_OK)
		e = note_look(acc, alone);
	return e;
}

enum err
quota_look(struct account *acc)
{
	return look(acc, false);
}

enum err
quota_get(struct account *acc, struct quota_status *out)
{
	struct account *own = owner_of(acc);
	enum err e;

	*out = (struct quota_status){ 0 };
	if (own == NULL)
		return ERR_NOTFOUND;
	if ((e = prepare(own)) != ERR_OK || (e = quota_look(own)) != ERR_OK ||
	    (e = read_usage(own, &out->used)) != ERR_OK)
		return e;
	out->limits = quota_limits_of_all(own);
	return ERR_OK;
}

/* ---- counting anew ---- */

static enum err
sum_records(struct db_txn *t, struct arena *a, struct usage *out)
{
	struct db_cursor *c = NULL;
	struct folder_rec r;
	struct span k, v;
	enum err e;

	*out = (struct usage){ 0 };
	if ((e = db_cursor_open(t, T_FOLDERS, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, SPAN("\0"), &k, &v); e == ERR_OK;
	    e = db_next(c, &k, &v)) {
		struct usage u;
		uint32_t id;

		if (!key_get_u32(k, &id))
			continue;
		if ((e = rec_get(t, id, a, &r)) != ERR_OK)
			break;
		u = rec_usage(&r);
		out->bytes += u.bytes;
		out->messages += u.messages;
		arena_clear(a);
	}
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
correct(struct account *acc)
{
	struct arena a = { 0 };
	struct usage kept, sum;
	struct db_txn *t;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	kept = state_usage(t);
	e = sum_records(t, &a, &sum);
	arena_free(&a);
	if (e == ERR_OK && (kept.bytes != sum.bytes ||
	    kept.messages != sum.messages)) {
		log_error("quota of user %s: %llu bytes, %llu messages were "
		    "counted, there are %llu and %llu; corrected", acc->user,
		    (unsigned long long)kept.bytes,
		    (unsigned long long)kept.messages,
		    (unsigned long long)sum.bytes,
		    (unsigned long long)sum.messages);
		if ((e = meta_put(t, "usage-bytes", sum.bytes)) == ERR_OK)
			e = meta_put(t, "usage-messages", sum.messages);
	}
	if (e == ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

enum err
quota_recalculate(struct account *acc)
{
	enum err e;

	if ((e = look(acc, true)) != ERR_OK || (e = correct(acc)) != ERR_OK)
		return e;
	return acc->how.quota->maildirsize ? maildirsize_agree(acc) : ERR_OK;
}

/* ---- late ---- */

void
quota_tell(struct account *acc)
{
	acc->late_quota = false;
	if (prepare(acc) != ERR_OK)
		return;
	if (acc->quota_inner && quota_look(acc) != ERR_OK)
		return;
	acc->quota_inner = false;
	/* Logged; what is not written now is written with the next change. */
	if (acc->how.quota->maildirsize)
		(void)!maildirsize_agree(acc);
}
