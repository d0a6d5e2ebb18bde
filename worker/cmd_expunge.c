/* EXPUNGE and UID EXPUNGE. The EXPUNGE lines come from sync, after it. */
#include "maildir/change.h"
#include "maildir/folder.h"
#include "worker/commands.h"

enum err
cmd_expunge(struct session *s, struct cursor *in, bool by_uid)
{
	struct set set;
	uint32_t *uids = NULL, *done;
	size_t n = 0, n_done = 0;
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
	e = change_expunge(s->folder, uids, n, in->arena, &done, &n_done);
	s->n_expunged += n_done;
	s->view.expunges_now = true;
	return e;
}
