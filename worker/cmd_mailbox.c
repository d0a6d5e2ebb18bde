/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE. */
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/subs.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
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
	return is_inbox(name) ? ERR_EXISTS : folder_create(s->account, name);
}

enum err
cmd_delete(struct session *s, struct cursor *in, bool by_uid)
{
	struct span name;
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
	e = folder_delete(s->account, name);
	if (e == ERR_NOTFOUND)
		return mailbox_missing(s, name, NULL);
	if (e == ERR_OK && s->folder != NULL &&
	    span_eq(span_of(s->folder->name), name))
		session_unselect(s);
	return e;
}

enum err
cmd_rename(struct session *s, struct cursor *in, bool by_uid)
{
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
	e = folder_rename(s->account, from, to);
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
