/* SELECT EXAMINE UNSELECT CLOSE CHECK. */
#include "common/acl.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/mailbox.h"
#include "worker/policy.h"
#include "worker/resp.h"
#include "worker/select.h"
#include "worker/status.h"
#include "worker/target.h"

/* What SELECT reports (RFC 3501 6.3.1), in the order of its example. */
static void
write_mailbox(struct session *s, const struct folder_snapshot *snap)
{
	struct view *v = &s->view;
	uint32_t unseen = 0;

	if (snap->unseen_uid != 0)
		unseen = view_seq(v, snap->unseen_uid);
	sync_write_flag_lists(s);
	resp_f(s, "* %zu EXISTS\r\n* %u RECENT\r\n", v->n,
	    view_count_recent(v));
	if (unseen != 0)
		resp_f(s, "* OK [UNSEEN %u] First unseen.\r\n", unseen);
	resp_f(s, "* OK [UIDVALIDITY %u] UIDs valid\r\n"
	    "* OK [UIDNEXT %u] Predicted next UID\r\n",
	    s->folder->uidvalidity, snap->uidnext);
}

static enum err
select_mailbox(struct session *s, struct cursor *in, bool read_only)
{
	struct folder_snapshot snap = { 0 };
	struct target t;
	enum err e, bad;

	if ((e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	/* From here on nothing is selected unless it succeeds. */
	if (s->folder != NULL) {
		session_unselect(s);
		resp_put(s, "* OK [CLOSED] Previous mailbox closed.\r\n");
	}
	if (bad != ERR_OK)
		return bad;
	if ((e = select_target(s, &t, read_only, &snap)) == ERR_NOTFOUND)
		return mailbox_missing(s, &t, NULL);
	if (e != ERR_OK)
		return e;
	write_mailbox(s, &snap);
	status_set(s, s->folder->read_only ? "READ-ONLY" : "READ-WRITE", NULL);
	return ERR_OK;
}

enum err
cmd_select(struct session *s, struct cursor *in, bool by_uid)
{
	(void)by_uid;
	return select_mailbox(s, in, false);
}

enum err
cmd_examine(struct session *s, struct cursor *in, bool by_uid)
{
	(void)by_uid;
	return select_mailbox(s, in, true);
}

enum err
cmd_unselect(struct session *s, struct cursor *in, bool by_uid)
{
	enum err e = cursor_end(in);

	(void)by_uid;
	if (e == ERR_OK)
		session_unselect(s);
	return e;
}

/*
 * Expunges without saying so. What cannot be expunged stays, and the mailbox is
 * closed all the same: CLOSE has no NO (RFC 3501 6.4.2).
 */
enum err
cmd_close(struct session *s, struct cursor *in, bool by_uid)
{
	struct policy p = policy_get(s);
	struct expunge_result r;
	enum err e;

	(void)by_uid;
	if ((e = cursor_end(in)) != ERR_OK)
		return e;
	if (!s->folder->read_only && s->folder_rights & ACL_EXPUNGE) {
		e = change_expunge(s->folder, NULL, 0,
		    policy_keeps_messages(&p), &s->command, &r);
		s->n_expunged += r.n_done;
		if (e == ERR_BUSY && r.n_kept > 0)
			status_untagged(s, "NO", "INUSE", arena_printf(
			    &s->command, "%zu deleted message%s kept", r.n_kept,
			    r.n_kept == 1 ? "" : "s"));
		else if (e != ERR_OK)
			status_untagged(s, "NO", NULL,
			    "Not all deleted messages could be removed.");
	}
	session_unselect(s);
	return ERR_OK;
}

/*
 * Everything CHECK could do is done by each command and by the sync after it.
 */
enum err
cmd_check(struct session *s, struct cursor *in, bool by_uid)
{
	(void)s;
	(void)by_uid;
	return cursor_end(in);
}
