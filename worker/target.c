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
#include "worker/namespace.h"
#include "worker/rights.h"
#include "worker/session.h"

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

enum err
target_enter(struct session *s, struct target *t, unsigned need)
{
	enum err e;

	t->rights = ACL_ALL;
	t->account = s->account;
	if (!alone_is(s->account, t->storage))
		return ERR_OK;
	if ((e = alone_get(s->account, t->storage, &t->account)) != ERR_OK)
		return e;
	t->rights = rights_of(t->account, s->user, true);
	if ((t->rights & ACL_LOOKUP) == 0)
		return ERR_NOTFOUND;
	return (t->rights & need) == need ? ERR_OK : ERR_PERM;
}

enum err
target_enter_parent(struct session *s, const struct target *t, unsigned need)
{
	struct target parent = *t;

	while (parent.storage.n > 0 &&
	    parent.storage.p[parent.storage.n - 1] != '.')
		parent.storage.n--;
	/* The top of the account is its owner's. */
	if (parent.storage.n == 0)
		return ERR_OK;
	parent.storage.n--;
	if (!alone_is(s->account, parent.storage))
		return ERR_OK;
	return target_enter(s, &parent, need);
}
