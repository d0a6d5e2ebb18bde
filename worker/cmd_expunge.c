/* EXPUNGE and UID EXPUNGE. The EXPUNGE lines come from sync, after it. */
#include "common/acl.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/policy.h"

enum err
cmd_expunge(struct session *s, struct cursor *in, bool by_uid)
{
	struct set set;
	struct policy p = policy_get(s);
	struct expunge_result r;
	uint32_t *uids = NULL;
	size_t n = 0;
	enum err e;

	if (by_uid && (e = cursor_set(in, &set)) != ERR_OK)
		return e;
	if ((e = cursor_end(in)) != ERR_OK)
		return e;
	if (by_uid) {
		if ((e = view_resolve(&s->view, &set, true, in->arena, &uids,
		    &n)) != ERR_OK || n == 0)
			return e;
	}
	if ((s->folder_rights & ACL_EXPUNGE) == 0)
		return ERR_PERM;
	e = change_expunge(s->folder, uids, n, policy_keeps_messages(&p),
	    in->arena, &r);
	s->n_expunged += r.n_done;
	s->view.expunges_now = true;
	return e == ERR_BUSY ? mailbox_selected_in_use(s) : e;
}
