/* COPY (RFC 3501 6.4.7) and MOVE (RFC 6851), with COPYUID (RFC 4315 3). */
#include "common/acl.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "maildir/quota.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/policy.h"
#include "worker/quota_user.h"
#include "worker/resp.h"
#include "worker/rights.h"
#include "worker/status.h"
#include "worker/target.h"

/* "COPYUID validity from to" in the command arena. */
static const char *
copyuid(struct session *s, const struct copy_result *r)
{
	struct buf text = { 0 };
	const char *code;

	buf_addf(&text, "COPYUID %u ", r->uidvalidity);
	set_write(r->from, r->n, &text);
	buf_addc(&text, ' ');
	set_write(r->to, r->n, &text);
	code = arena_cstr(&s->command, buf_span(&text));
	buf_clear(&text);
	return code;
}

static enum err
read_arguments(struct session *s, struct cursor *in, bool by_uid,
    uint32_t **uids, size_t *n, struct folder **to)
{
	struct target t;
	enum err e, bad;

	if ((e = view_read(&s->view, in, by_uid, uids, n)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK || (e = bad) != ERR_OK)
		return e;
	if ((e = target_enter(s, &t, ACL_INSERT)) == ERR_OK)
		e = folder_open(t.account, t.storage, to);
	if (e == ERR_OK)
		rights_apply(*to, t.rights);
	return e == ERR_NOTFOUND ? mailbox_missing(s, &t, "TRYCREATE") : e;
}

/* A target that was deleted meanwhile is one that is not there. */
static void
close_target(struct session *s, struct folder **to, enum err e)
{
	if (*to != NULL && e == ERR_NOTFOUND)
		status_set(s, "TRYCREATE", NULL);
	folder_close(to);
}

/*
 * An OK that did nothing would be a lie when messages were named; a NO after
 * some were copied would make the client copy them again.
 */
static enum err
verdict(struct session *s, const struct copy_result *r)
{
	if (r->n > 0 || r->n_gone == 0)
		return ERR_OK;
	status_set(s, NULL, "Messages have been expunged.");
	return ERR_GONE;
}

enum err
cmd_copy(struct session *s, struct cursor *in, bool by_uid)
{
	struct policy p = policy_get(s);
	struct copy_result r = { 0 };
	struct folder *to = NULL;
	uint32_t *uids;
	size_t n;
	enum err e;

	if ((e = read_arguments(s, in, by_uid, &uids, &n, &to)) != ERR_OK ||
	    n == 0 || (e = quota_user_fit(s, uids, n, to)) != ERR_OK)
		goto out;
	if ((e = change_copy(s->folder, uids, n, to, p.copying == COPY_REFUSE,
	    in->arena, &r)) != ERR_OK || (e = verdict(s, &r)) != ERR_OK) {
		e = quota_user_say(s, e);
		goto out;
	}
	if (r.n > 0)
		status_set(s, copyuid(s, &r), NULL);
out:
	close_target(s, &to, e);
	return e;
}

/*
 * COPYUID comes untagged, before the EXPUNGE lines of the sync (RFC 6851 4.3).
 */
enum err
cmd_move(struct session *s, struct cursor *in, bool by_uid)
{
	struct policy p = policy_get(s);
	struct copy_result r = { 0 };
	struct folder *to = NULL;
	uint32_t *uids;
	size_t n;
	enum err e;

	if ((e = read_arguments(s, in, by_uid, &uids, &n, &to)) != ERR_OK ||
	    n == 0)
		goto out;
	/* RFC 6851 4.4: as STORE of \Deleted and EXPUNGE would want. */
	if ((~s->folder_rights & (ACL_DELETED | ACL_EXPUNGE)) != 0) {
		e = ERR_PERM;
		goto out;
	}
	/* Within an account nothing becomes more. */
	if (quota_is_foreign(s->folder->acc, to->acc) &&
	    (e = quota_user_fit(s, uids, n, to)) != ERR_OK)
		goto out;
	e = quota_user_say(s, change_move(s->folder, uids, n, to,
	    policy_keeps_messages(&p), p.copying == COPY_REFUSE, in->arena,
	    &r));
	if (e == ERR_BUSY && policy_keeps_messages(&p))
		e = mailbox_selected_in_use(s);
	if (e != ERR_OK || (e = verdict(s, &r)) != ERR_OK)
		goto out;
	s->n_expunged += r.n;
	s->view.expunges_now = true;
	if (r.n > 0) {
		resp_put(s, "* OK [");
		resp_put(s, copyuid(s, &r));
		resp_put(s, "] Moved UIDs.\r\n");
	}
out:
	close_target(s, &to, e);
	return e;
}
