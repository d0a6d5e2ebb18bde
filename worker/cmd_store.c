/*
 * STORE: changes flags (RFC 3501 6.4.6), with several clients (RFC 2180 4.2).
 */
#include "maildir/change.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/policy.h"
#include "worker/status.h"

struct store {
	uint32_t *uids;
	size_t n;
	enum store_op op;
	bool silent;
	struct flag_list list;
};

/* [+|-]FLAGS[.SILENT] */
static enum err
read_item(struct cursor *in, struct store *st)
{
	st->op = cursor_take(in, '+') ? STORE_ADD :
	    cursor_take(in, '-') ? STORE_REMOVE : STORE_SET;
	if (cursor_take_word(in, "FLAGS.SILENT"))
		st->silent = true;
	else if (!cursor_take_word(in, "FLAGS"))
		return cursor_fail(in, "FLAGS expected");
	return ERR_OK;
}

static enum err
read_store(struct session *s, struct cursor *in, bool by_uid,
    struct store *st)
{
	enum err e;

	if ((e = view_read(&s->view, in, by_uid, &st->uids,
	    &st->n)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = read_item(in, st)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_flags(in, false, false, &st->list)) != ERR_OK)
		return e;
	return cursor_end(in);
}

static bool
may_store(const struct session *s, const struct store *st)
{
	const struct folder *f = s->folder;

	if (f->locked_flags == 0 && !f->keywords_locked)
		return true;
	if (st->op == STORE_SET)
		return f->locked_flags != FLAG_ALL || !f->keywords_locked;
	return (st->list.flags & ~f->locked_flags) != 0 ||
	    (st->list.n_keywords > 0 && !f->keywords_locked);
}

/*
 * The bits of the keywords. New ones are made unless they are to be taken away;
 * the client hears of them before they appear in a FETCH response.
 */
static enum err
find_keywords(struct session *s, const struct store *st, uint64_t *bits)
{
	uint32_t before = s->folder->keywords_gen;
	enum err e;

	*bits = 0;
	if (st->list.n_keywords == 0 || s->folder->keywords_locked)
		return ERR_OK;
	e = folder_keywords(s->folder, st->list.keyword, st->list.n_keywords,
	    st->op != STORE_REMOVE, bits);
	if (s->folder->keywords_gen != before)
		sync_write_flag_lists(s);
	if (e == ERR_NOTFOUND && st->op == STORE_REMOVE)
		return ERR_OK;
	if (e == ERR_LIMIT)
		status_set(s, NULL, "Too many keywords in this mailbox.");
	return e;
}

/*
 * The new flags. Silence is only for what the client knows itself: where
 * somebody else changed flags too, it is told (RFC 3501 6.4.6, note).
 */
static void
report(struct session *s, const struct store *st, const struct store_result *r)
{
	for (size_t i = 0; i < r->n_done && !conn_is_dead(s->conn); i++) {
		const struct changed_message *m = &r->done[i];
		uint32_t seq;

		if (st->silent && !r->foreign[i])
			continue;
		if ((seq = view_seq(&s->view, m->uid)) != 0)
			sync_write_flags(s, seq, m->uid, m->flags, m->keywords);
	}
}

/* RFC 2180 4.2.1 to 4.2.3. */
static enum err
verdict(struct session *s, const struct store *st, const struct store_result *r)
{
	if (r->n_gone == 0 || (st->silent && r->n_done > 0))
		return ERR_OK;
	status_set(s, NULL, r->n_done > 0 ?
	    "Some of the messages no longer exist." :
	    "Messages have been expunged.");
	return ERR_GONE;
}

enum err
cmd_store(struct session *s, struct cursor *in, bool by_uid)
{
	struct store st = { 0 };
	struct store_result r = { 0 };
	uint64_t keywords;
	bool whole;
	enum err e;

	if ((e = read_store(s, in, by_uid, &st)) != ERR_OK || st.n == 0)
		return e;
	/* RFC 4314 4: some of what is asked for is enough. */
	if (!may_store(s, &st))
		return ERR_PERM;
	whole = !st.silent && policy_get(s).storing == STORE_ATOMIC;
	if ((e = find_keywords(s, &st, &keywords)) != ERR_OK ||
	    (e = change_store(s->folder, st.uids, st.n, st.op,
	    st.list.flags, keywords, s->view.told, whole, in->arena,
	    &r)) != ERR_OK)
		return e;
	if (st.op != STORE_REMOVE && st.list.flags & FLAG_DELETED)
		s->n_deleted += r.n_done;
	report(s, &st, &r);
	return verdict(s, &st, &r);
}
