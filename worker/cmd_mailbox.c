/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE. */
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/subs.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/policy.h"
#include "worker/status.h"

static bool
is_inbox(struct span storage)
{
	return span_eq(storage, SPAN("INBOX"));
}

enum err
cmd_create(struct session *s, struct cursor *in, bool by_uid)
{
	struct span name;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &name, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad == ERR_NOTFOUND) {
		status_set(s, NULL, "The name is outside every namespace.");
		return ERR_CANNOT;
	}
	if (bad != ERR_OK)
		return bad;
	if (is_inbox(name))
		return ERR_EXISTS;
	e = folder_create(s->account, name);
	return e == ERR_BUSY ? mailbox_in_use(s, name) : e;
}

enum err
cmd_delete(struct session *s, struct cursor *in, bool by_uid)
{
	struct policy p;
	struct span name;
	uint32_t id;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &name, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad != ERR_OK)
		return bad;
	if (is_inbox(name)) {
		status_set(s, NULL, "INBOX cannot be deleted.");
		return ERR_CANNOT;
	}
	p = policy_of(s, name);
	e = folder_delete(s->account, name, policy_delete(&p), &id);
	if (e == ERR_NOTFOUND)
		return mailbox_missing(s, name, NULL);
	if (e == ERR_BUSY)
		return mailbox_in_use(s, name);
	if (e == ERR_OK && s->folder != NULL && s->folder->id == id)
		session_unselect(s);
	return e;
}

/*
 * Who renames knows: only others are to hear of it (policy disconnect).
 */
static void
follow(struct session *s, struct span from, struct span to)
{
	struct folder *f = s->folder;
	struct span name = f == NULL ? SPAN_NONE : span_of(f->name);

	if (f == NULL || !span_starts(name, from) || is_inbox(from) ||
	    (name.n > from.n && name.p[from.n] != '.'))
		return;
	f->name = arena_printf(&f->arena, "%.*s%.*s", (int)to.n, to.p,
	    (int)(name.n - from.n), name.p + from.n);
}

/* RENAME INBOX moves messages: whoever may not lose them counts too. */
static enum others_how
rename_how(void *ctx, struct span name)
{
	struct policy p = policy_of(ctx, name);

	return is_inbox(name) && policy_keeps_messages(&p) ? OTHERS_REFUSE :
	    policy_rename(&p);
}

enum err
cmd_rename(struct session *s, struct cursor *in, bool by_uid)
{
	const struct others_policy policy = { rename_how, s };
	struct span from, to;
	enum err e, bad_from, bad_to;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &from, &bad_from)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = mailbox_argument(s, in, &to, &bad_to)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad_from != ERR_OK)
		return bad_from;
	if (bad_to != ERR_OK)
		return ERR_CANNOT;
	if (is_inbox(to))
		return ERR_EXISTS;
	e = folder_rename(s->account, from, to, &policy);
	if (e == ERR_BUSY)
		return mailbox_in_use(s, folder_is_reserved(s->account, to) ?
		    to : from);
	if (e == ERR_OK)
		follow(s, from, to);
	return e == ERR_NOTFOUND ? mailbox_missing(s, from, NULL) : e;
}

enum err
cmd_subscribe(struct session *s, struct cursor *in, bool by_uid)
{
	struct span name;
	bool changed;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &name, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad != ERR_OK)
		return bad;
	if (!mailbox_exists(s, name))
		return mailbox_missing(s, name, NULL);
	return subs_set(s->account->control_fd, name, true, s->account->sync,
	    &changed);
}

/* A name that is not subscribed, or not there, is unsubscribed already. */
enum err
cmd_unsubscribe(struct session *s, struct cursor *in, bool by_uid)
{
	struct span name;
	bool changed;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &name, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad != ERR_OK)
		return ERR_OK;
	return subs_set(s->account->control_fd, name, false, s->account->sync,
	    &changed);
}
