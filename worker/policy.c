/* The policy of a mailbox for several clients: today the same for all. */
#include "worker/policy.h"

#include "maildir/account.h"
#include "maildir/folder.h"
#include "worker/session.h"

struct policy
policy_of(const struct session *s, struct span storage)
{
	const struct config *cfg = s->cfg;

	(void)storage;

	return (struct policy){
		.deletion = (enum multi_delete)cfg->multiaccess_delete,
		.renaming = (enum multi_rename)cfg->multiaccess_rename,
		.expunging = (enum multi_expunge)cfg->multiaccess_expunge,
		.storing = (enum multi_store)cfg->multiaccess_store,
		.copying = (enum multi_copy)cfg->multiaccess_copy,
	};
}

struct policy
policy_get(const struct session *s)
{
	return policy_of(s, span_of(s->folder->name));
}

enum others_how
policy_delete(const struct policy *p)
{
	static const enum others_how how[] = {
		[DELETE_REFUSE] = OTHERS_REFUSE, [DELETE_GHOST] = OTHERS_KEEP,
		[DELETE_DISCONNECT] = OTHERS_END,
	};

	return how[p->deletion];
}

enum others_how
policy_rename(const struct policy *p)
{
	static const enum others_how how[] = {
		[RENAME_REFUSE] = OTHERS_REFUSE,
		[RENAME_DISCONNECT] = OTHERS_END,
		[RENAME_FOLLOW] = OTHERS_KEEP,
	};

	return how[p->renaming];
}

bool
policy_keeps_messages(const struct policy *p)
{
	return p->expunging == EXPUNGE_REFUSE;
}

void
policy_limits(const struct config *cfg, struct account_place *place)
{
	place->ghost_max_age_ms = cfg->multiaccess_ghost_max_age;
	place->ghost_max_bytes = cfg->multiaccess_ghost_max_size;
}
