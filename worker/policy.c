/* The policy of a mailbox for several clients: today the same for all. */
#include "worker/policy.h"

#include "maildir/folder.h"
#include "worker/session.h"

enum { SLICE = 256 };

struct policy
policy_get(const struct session *s)
{
	const struct config *cfg = s->cfg;

	return (struct policy){
		.deletion = (enum multi_delete)cfg->multiaccess_delete,
		.renaming = (enum multi_rename)cfg->multiaccess_rename,
		.expunging = (enum multi_expunge)cfg->multiaccess_expunge,
		.storing = (enum multi_store)cfg->multiaccess_store,
		.copying = (enum multi_copy)cfg->multiaccess_copy,
	};
}

enum err
policy_any_gone(struct session *s, const uint32_t *uids, size_t n,
    bool *gone_out)
{
	struct message_info info[SLICE];
	enum err e;

	*gone_out = false;
	for (size_t i = 0; i < n; i += SLICE) {
		size_t k = n - i < SLICE ? n - i : SLICE;

		if ((e = folder_read(s->folder, uids + i, k, 0, &s->command,
		    info)) != ERR_OK)
			return e;
		for (size_t j = 0; j < k; j++)
			if (info[j].gone || info[j].ghost)
				*gone_out = true;
	}
	return ERR_OK;
}
