/*
 * Mailboxes that commands name. Ours are in the session's account; those with a list
 * of rights are accounts of their own (alone.h). A list is read again when its file
 * changed: a right that was taken away is gone with the next command.
 */
#include "worker/target.h"

#include "common/acl.h"
#include "common/config.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "worker/namespace.h"
#include "worker/policy.h"
#include "worker/rights.h"
#include "worker/session.h"
#include "worker/share.h"

void
target_name(const struct target *t, struct buf *out)
{
	namespace_name(t->ns, t->owner, t->storage, out);
}

struct target
target_selected(const struct session *s)
{
	return (struct target){ .ns = s->folder_ns,
		.owner = span_of(s->folder_owner),
		.storage = span_of(s->folder->name),
		.account = s->folder->acc, .rights = s->folder_rights };
}

bool
target_is_foreign(const struct target *t)
{
	return namespace_is_foreign(t->ns);
}

/* By namespace and owner it is known to alone.h: "1 anna". */
static enum err
reach_foreign(struct session *s, struct target *t)
{
	struct span key = span_of(arena_printf(&s->command, "%u %.*s",
	    namespace_number(s->cfg, t->ns), (int)t->owner.n, t->owner.p));
	int fd[3];
	enum err e;

	/* An INBOX lies above all other folders: nobody can be handed it alone. */
	if (!share_is_possible(s) || span_eq(t->storage, SPAN("INBOX")))
		return ERR_NOTFOUND;
	e = alone_find(s->account, key, t->storage, &t->account);
	if (e != ERR_NOTFOUND)
		return e;
	if ((e = share_open(s, t, fd)) != ERR_OK)
		return e;
	return alone_add(s->account, key, t->storage, fd, &t->account);
}

/* Counts from the next time that the mailbox is opened. */
static bool
is_seen_private(const struct session *s, const struct target *t)
{
	struct policy p = policy_for(s->cfg, t->account, t->storage);

	return p.seeing == SEEN_PRIVATE ||
	    (p.seeing == SEEN_AUTO && t->ns->private_seen);
}

enum err
target_enter(struct session *s, struct target *t, unsigned need)
{
	bool foreign = target_is_foreign(t);
	struct acl_who who = rights_who(s, !foreign);
	enum err e;

	t->rights = ACL_ALL;
	t->account = s->account;
	if (!foreign && !alone_is(s->account, t->storage))
		return ERR_OK;
	e = foreign ? reach_foreign(s, t) :
	    alone_get(s->account, t->storage, &t->account);
	if (e != ERR_OK)
		return e;
	t->rights = rights_of(t->account, &who);
	if ((t->rights & ACL_LOOKUP) == 0)
		return ERR_NOTFOUND;
	if (foreign)
		t->account->private_seen = is_seen_private(s, t);
	return (t->rights & need) == need ? ERR_OK : ERR_PERM;
}

enum err
target_enter_parent(struct session *s, const struct target *t, unsigned need)
{
	struct target parent = *t;

	while (name_up(&parent.storage))
		if (folder_exists(s->account, parent.storage))
			return target_enter(s, &parent, need);
	/* The top of the account is its owner's. */
	return ERR_OK;
}
