/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE. */
#include "common/acl.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/subs.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/namespace.h"
#include "worker/policy.h"
#include "worker/share.h"
#include "worker/status.h"
#include "worker/target.h"

static bool
is_inbox(const struct target *t)
{
	return span_eq(t->storage, SPAN("INBOX"));
}

/* What takes the directory that the mailboxes of somebody else are in. */
static enum err
ask_owner(struct session *s, struct target *t, const char *what,
    struct target *to)
{
	struct span word[] = { span_of(what), t->storage,
		to == NULL ? SPAN_NONE : to->storage };
	struct buf answer = { 0 };
	enum err e = ERR_CANNOT;

	if (share_is_possible(s))
		e = share_ask(s, t, word, to == NULL ? 2 : 3, &answer);
	else
		status_set(s, NULL, "Mailboxes of others are out of reach "
		    "here.");
	(to != NULL ? to : t)->reserved = span_eq(buf_span(&answer),
	    SPAN("reserved"));
	buf_clear(&answer);
	return e;
}

enum err
cmd_create(struct session *s, struct cursor *in, bool by_uid)
{
	struct target t;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad == ERR_NOTFOUND) {
		status_set(s, NULL, "The name is outside every namespace.");
		return ERR_CANNOT;
	}
	if (bad != ERR_OK)
		return bad;
	if (is_inbox(&t))
		return target_is_foreign(&t) ? ERR_CANNOT : ERR_EXISTS;
	if (target_is_foreign(&t))
		e = ask_owner(s, &t, "create", NULL);
	else if ((e = target_enter_parent(s, &t, ACL_CREATE)) == ERR_OK)
		e = folder_create(s->account, t.storage);
	return e == ERR_BUSY ? mailbox_in_use(s, &t) : e;
}

/* Whether the selected mailbox is the one that was deleted. */
static bool
was_selected(const struct session *s, const struct target *t, uint32_t id)
{
	return s->folder != NULL && s->folder->acc == t->account &&
	    (t->account->alone != NULL || s->folder->id == id);
}

static enum err
delete(struct session *s, struct target *t, uint32_t *id_out)
{
	struct policy p;

	if (target_is_foreign(t))
		return ask_owner(s, t, "delete", NULL);
	p = policy_for(s->cfg, t->account, t->storage);
	return folder_delete(s->account, t->storage, policy_delete(&p),
	    id_out);
}

enum err
cmd_delete(struct session *s, struct cursor *in, bool by_uid)
{
	struct target t;
	uint32_t id = 0;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad != ERR_OK)
		return bad;
	if (is_inbox(&t)) {
		status_set(s, NULL, "INBOX cannot be deleted.");
		return ERR_CANNOT;
	}
	if ((e = target_enter(s, &t, ACL_DELETE)) == ERR_OK)
		e = delete(s, &t, &id);
	if (e == ERR_NOTFOUND)
		return mailbox_missing(s, &t, NULL);
	if (e == ERR_BUSY)
		return mailbox_in_use(s, &t);
	if (e == ERR_OK && was_selected(s, &t, id))
		session_unselect(s);
	/* Who waits for the last one to leave it waits for us, too. */
	if (e == ERR_OK)
		alone_trim(s->account);
	return e;
}

/* Ours are in one, whatever namespaces show of it. */
static bool
is_same_tree(const struct config_namespace *ns, struct span owner,
    const struct config_namespace *other, struct span other_owner)
{
	if (!namespace_is_foreign(ns) || !namespace_is_foreign(other))
		return namespace_is_foreign(ns) == namespace_is_foreign(other);
	return ns == other && span_eq(owner, other_owner);
}

/*
 * Who renames knows: only others are to hear of it (policy disconnect).
 */
static void
follow(struct session *s, const struct target *from, const struct target *to)
{
	struct folder *f = s->folder;
	struct span name = f == NULL ? SPAN_NONE : span_of(f->name);
	size_t n = from->storage.n;

	if (f == NULL || !is_same_tree(from->ns, from->owner, s->folder_ns,
	    span_of(s->folder_owner)) ||
	    !span_starts(name, from->storage) || is_inbox(from) ||
	    (name.n > n && name.p[n] != '.'))
		return;
	f->name = arena_printf(&f->arena, "%.*s%.*s", (int)to->storage.n,
	    to->storage.p, (int)(name.n - n), name.p + n);
}

/* RENAME INBOX moves messages: whoever may not lose them counts too. */
static enum others_how
rename_how(void *ctx, struct span name)
{
	struct session *s = ctx;
	struct policy p = policy_for(s->cfg, s->account, name);

	return span_eq(name, SPAN("INBOX")) && policy_keeps_messages(&p) ?
	    OTHERS_REFUSE : policy_rename(&p);
}

static enum err
rename_it(struct session *s, struct target *from, struct target *to)
{
	const struct others_policy policy = { rename_how, s };
	enum err e;

	if (target_is_foreign(from))
		return ask_owner(s, from, "rename", to);
	if ((e = target_enter_parent(s, to, ACL_CREATE)) != ERR_OK)
		return e;
	return folder_rename(s->account, from->storage, to->storage, &policy);
}

enum err
cmd_rename(struct session *s, struct cursor *in, bool by_uid)
{
	struct target from, to;
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
	if (!is_same_tree(from.ns, from.owner, to.ns, to.owner)) {
		status_set(s, NULL, "A mailbox cannot be moved to another "
		    "owner.");
		return ERR_CANNOT;
	}
	if (is_inbox(&to))
		return ERR_EXISTS;
	if ((e = target_enter(s, &from, is_inbox(&from) ? 0 : ACL_DELETE)) ==
	    ERR_OK)
		e = rename_it(s, &from, &to);
	if (e == ERR_BUSY)
		return mailbox_in_use(s, to.reserved || (!target_is_foreign(
		    &to) && folder_is_reserved(s->account, to.storage)) ?
		    &to : &from);
	if (e == ERR_OK)
		follow(s, &from, &to);
	return e == ERR_NOTFOUND ? mailbox_missing(s, &from, NULL) : e;
}

/* As the list of subscriptions has it. */
static struct span
subscribed(struct session *s, const struct target *t)
{
	struct buf name = { 0 };
	struct span out = t->storage;

	if (target_is_foreign(t)) {
		namespace_subscribed(t->ns, t->owner, t->storage, &name);
		out = arena_span(&s->command, buf_span(&name));
		buf_clear(&name);
	}
	return out;
}

enum err
cmd_subscribe(struct session *s, struct cursor *in, bool by_uid)
{
	struct target t;
	bool changed;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad != ERR_OK)
		return bad;
	if ((!target_is_foreign(&t) && !folder_exists(s->account, t.storage)) ||
	    target_enter(s, &t, ACL_LOOKUP) == ERR_NOTFOUND)
		return mailbox_missing(s, &t, NULL);
	return subs_set(s->account->control_fd, subscribed(s, &t), true,
	    s->account->sync, &changed);
}

/* A name that is not subscribed, or not there, is unsubscribed already. */
enum err
cmd_unsubscribe(struct session *s, struct cursor *in, bool by_uid)
{
	struct target t;
	bool changed;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad != ERR_OK)
		return ERR_OK;
	return subs_set(s->account->control_fd, subscribed(s, &t), false,
	    s->account->sync, &changed);
}
