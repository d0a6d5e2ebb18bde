/* A mailbox becomes the session's selected one. */
#include "worker/select.h"

#include "common/acl.h"
#include "maildir/folder.h"
#include "worker/rights.h"
#include "worker/session.h"
#include "worker/target.h"
#include "worker/wake.h"

/* Without any of these a mailbox is read-only (RFC 4314 5.2). */
enum {
	CHANGES = ACL_SEEN | ACL_WRITE | ACL_DELETED | ACL_EXPUNGE |
	    ACL_INSERT
};

enum err
select_target(struct session *s, struct target *t, bool read_only,
    struct folder_snapshot *snap)
{
	struct folder *f = NULL;
	enum err e;

	*snap = (struct folder_snapshot){ 0 };
	if ((e = target_enter(s, t, ACL_READ)) != ERR_OK ||
	    (e = folder_select(t->account, t->storage, read_only ||
	    (t->rights & CHANGES) == 0, &f, snap)) != ERR_OK)
		return e;
	view_set(&s->view, snap->uids, snap->n);
	s->view.uidnext = snap->uidnext;
	view_add_recent(&s->view, snap->recent_from, snap->uidnext);
	s->view.told = s->view.expunged_told = snap->modseq;
	s->folder = f;
	s->folder_ns = t->ns;
	s->folder_owner = arena_cstr(&f->arena, t->owner);
	s->folder_rights = t->rights;
	rights_apply(f, t->rights);
	s->state = ST_SELECTED;
	wake_select(s);
	return ERR_OK;
}
