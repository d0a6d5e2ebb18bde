/* flags add|remove|replace, copy, move, expunge: mail is changed as by any session. */
#include "common/acl.h"
#include "maildir/account.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "maildir/quota.h"
#include "worker/cursor.h"
#include "worker/mail.h"
#include "worker/mail_each.h"
#include "worker/mail_query.h"
#include "worker/mailbox.h"
#include "worker/policy.h"
#include "worker/quota_user.h"
#include "worker/rights.h"
#include "worker/session.h"

static void
search(struct mail *m, const struct mail_found *f, void *ctx)
{
	(void)ctx;
	for (size_t i = 0; i < f->n; i++) {
		mail_cell(m, span_of(f->guid));
		mail_cell_f(m, "%u", f->uids[i]);
		mail_row(m);
	}
}

void
mail_search(struct mail *m)
{
	const struct mail_query *q = mail_each_query(m, 0);

	if (q == NULL)
		return;
	mail_names(m, "=mailbox-guid =uid");
	mail_each(m, q, true, search, NULL);
}

/* ---- flags ---- */

struct flagging {
	enum store_op op;
	struct flag_list list;
};

/* "\\Seen $Work": as in the parentheses of STORE. */
static bool
read_flags(struct mail *m, struct flagging *f)
{
	struct span text = span_of(arena_printf(&m->arena, "(%.*s)",
	    (int)m->arg[0].n, m->arg[0].p));
	struct cursor in = { .text = text, .arena = &m->arena };

	if (cursor_flags(&in, true, false, &f->list) == ERR_OK &&
	    cursor_end(&in) == ERR_OK)
		return true;
	mail_fail(m, MAIL_TEMPFAIL, "Invalid system flag: %.*s",
	    (int)m->arg[0].n, m->arg[0].p);
	m->stopped = true;
	return false;
}

static enum err
store(struct mail *m, const struct mail_found *f, const struct flagging *g)
{
	struct session *s = m->s;
	struct store_result r = { 0 };
	uint64_t keywords = 0;
	enum err e = ERR_OK;

	if (g->list.n_keywords > 0 && !s->folder->keywords_locked)
		e = folder_keywords(s->folder, g->list.keyword,
		    g->list.n_keywords, g->op != STORE_REMOVE, &keywords);
	if (e != ERR_OK && !(e == ERR_NOTFOUND && g->op == STORE_REMOVE))
		return e;
	return change_store(s->folder, f->uids, f->n, g->op, g->list.flags,
	    keywords, s->view.told,
	    policy_get(s).storing == STORE_ATOMIC, &s->command, &r);
}

static void
flag(struct mail *m, const struct mail_found *f, void *ctx)
{
	mail_error(m, "Can't change flags in mailbox", f->name,
	    store(m, f, ctx));
}

static void
change_flags(struct mail *m, enum store_op op)
{
	struct flagging g = { .op = op };
	const struct mail_query *q = mail_each_query(m, 1);

	if (q != NULL && read_flags(m, &g))
		mail_each(m, q, false, flag, &g);
}

void
mail_flags_add(struct mail *m)
{
	change_flags(m, STORE_ADD);
}

void
mail_flags_remove(struct mail *m)
{
	change_flags(m, STORE_REMOVE);
}

void
mail_flags_replace(struct mail *m)
{
	change_flags(m, STORE_SET);
}

/* ---- copy, move ---- */

struct copying {
	struct span to;
	bool move;
};

static enum err
copy_to(struct mail *m, const struct mail_found *f, const struct copying *c,
    struct folder *to)
{
	struct session *s = m->s;
	struct policy p = policy_get(s);
	struct copy_result r = { 0 };
	bool whole = p.copying == COPY_REFUSE;
	enum err e;

	if ((!c->move || quota_is_foreign(s->folder->acc, to->acc)) &&
	    (e = quota_user_fit(s, f->uids, f->n, to)) != ERR_OK)
		return e;
	if (!c->move)
		return change_copy(s->folder, f->uids, f->n, to, whole,
		    &s->command, &r);
	if ((~s->folder_rights & (ACL_DELETED | ACL_EXPUNGE)) != 0)
		return ERR_PERM;
	e = change_move(s->folder, f->uids, f->n, to,
	    policy_keeps_messages(&p), whole, &s->command, &r);
	return e == ERR_BUSY ? mailbox_selected_in_use(s) : e;
}

static void
copy(struct mail *m, const struct mail_found *f, void *ctx)
{
	const struct copying *c = ctx;
	struct folder *to = NULL;
	struct target t;
	enum err e = mail_target(m, c->to, &t);

	if (e == ERR_OK && (e = target_enter(m->s, &t, ACL_INSERT)) == ERR_OK)
		e = folder_open(t.account, t.storage, &to);
	if (e == ERR_OK) {
		rights_apply(to, t.rights);
		mail_error(m, c->move ? "Can't move from mailbox" :
		    "Can't copy from mailbox", f->name, copy_to(m, f, c, to));
	} else {
		mail_error(m, "Can't open mailbox", c->to, e);
		m->stopped = true;
	}
	folder_close(&to);
}

static void
copy_or_move(struct mail *m, bool move)
{
	struct copying c = { m->arg[0], move };
	const struct mail_query *q;
	struct target t;

	if (m->n > 2 && span_ieq(m->arg[1], SPAN("user"))) {
		mail_fail(m, MAIL_UNAVAILABLE, "Messages of another user are "
		    "out of reach: this process is confined to one account");
		return;
	}
	if ((q = mail_each_query(m, 1)) == NULL)
		return;
	/* Before a message is looked for. */
	if (mail_target(m, c.to, &t) != ERR_OK || (!target_is_foreign(&t) &&
	    !folder_exists(m->s->account, t.storage))) {
		mail_error(m, "Can't open mailbox", c.to, ERR_NOTFOUND);
		return;
	}
	mail_each(m, q, !move, copy, &c);
}

void
mail_copy(struct mail *m)
{
	copy_or_move(m, false);
}

void
mail_move(struct mail *m)
{
	copy_or_move(m, true);
}

/* ---- expunge ---- */

/*
 * What is found is marked and expunged. What may not go (RFC 2180 4.1.4) does not keep
 * the mark, which would have the next EXPUNGE of somebody take it.
 */
static enum err
expunge_them(struct mail *m, const struct mail_found *f)
{
	struct session *s = m->s;
	struct policy p = policy_get(s);
	struct store_result marked = { 0 }, unmarked = { 0 };
	struct expunge_result r = { 0 };
	enum err e, undone;

	if ((~s->folder_rights & (ACL_DELETED | ACL_EXPUNGE)) != 0)
		return ERR_PERM;
	if ((e = change_store(s->folder, f->uids, f->n, STORE_ADD,
	    FLAG_DELETED, 0, s->view.told, false, &s->command,
	    &marked)) != ERR_OK)
		return e;
	e = change_expunge(s->folder, f->uids, f->n,
	    policy_keeps_messages(&p), &s->command, &r);
	if (e != ERR_BUSY)
		return e;
	undone = change_store(s->folder, f->uids, f->n, STORE_REMOVE,
	    FLAG_DELETED, 0, s->view.told, false, &s->command, &unmarked);
	return undone == ERR_OK ? mailbox_selected_in_use(s) : undone;
}

static void
expunge(struct mail *m, const struct mail_found *f, void *ctx)
{
	(void)ctx;
	mail_error(m, "Can't expunge in mailbox", f->name,
	    expunge_them(m, f));
}

void
mail_expunge(struct mail *m)
{
	const struct mail_query *q = mail_each_query(m, 0);

	if (q == NULL)
		return;
	if (!mail_query_is_bound(q))
		mail_fail(m, MAIL_USAGE, "expunge: To avoid accidents, search "
		    "query must contain MAILBOX in all search branches");
	else if (!mail_query_is_narrowed(q))
		mail_fail(m, MAIL_USAGE, "expunge: To avoid accidents, each "
		    "branch in search query must contain something else "
		    "besides MAILBOX (e.g. just add \"all\" if you want "
		    "everything)");
	else
		mail_each(m, q, false, expunge, NULL);
}
