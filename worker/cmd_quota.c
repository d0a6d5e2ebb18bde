/*
 * GETQUOTA GETQUOTAROOT SETQUOTA (RFC 9208, RFC 2087). There is one quota root, the
 * user's own; of the quota of others nothing is told, as with Dovecot.
 */
#include "common/acl.h"
#include "common/config.h"
#include "common/quota_rules.h"
#include "maildir/account.h"
#include "maildir/quota.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/resp.h"
#include "worker/status.h"
#include "worker/target.h"

enum { UNIT = 1024 };		/* octets of STORAGE (RFC 9208 5.1) */

/* BAD as to any unknown command, where clients are not to ask. */
static enum err
check_offered(struct session *s)
{
	if (s->cfg->quota_plugin == QUOTA_IMAP)
		return ERR_OK;
	status_set(s, NULL, "Unknown command: no quotas are served here "
	    "(imap_quota).");
	return ERR_SYNTAX;
}

/* NULL: this user has no quota, or is not to see it. */
static const struct quota *
own_quota(const struct session *s)
{
	const struct quota *q = s->account->how.quota;

	return q == NULL || q->hidden ? NULL : q;
}

/* * QUOTA root (STORAGE used limit MESSAGE used limit): what is limited. */
static enum err
write_quota(struct session *s, const struct quota *q)
{
	struct quota_status st;
	const char *gap = "";
	enum err e;

	if ((e = quota_get(s->account, &st)) != ERR_OK)
		return e;
	resp_put(s, "* QUOTA ");
	resp_astring(s, span_of(q->name));
	resp_put(s, " (");
	if (st.limits.bytes != 0) {
		/* What is begun is used; what is not whole is not had. */
		resp_f(s, "STORAGE %llu %llu", (unsigned long long)
		    (st.used.bytes / UNIT + (st.used.bytes % UNIT != 0)),
		    (unsigned long long)st.limits.bytes / UNIT);
		gap = " ";
	}
	if (st.limits.messages != 0)
		resp_f(s, "%sMESSAGE %llu %llu", gap,
		    (unsigned long long)st.used.messages,
		    (unsigned long long)st.limits.messages);
	resp_put(s, ")\r\n");
	return ERR_OK;
}

static enum err
check_root(struct session *s, struct span root, const struct quota **q_out)
{
	*q_out = own_quota(s);
	if (*q_out != NULL && span_eq(root, span_of((*q_out)->name)))
		return ERR_OK;
	status_set(s, "NONEXISTENT", "Quota root doesn't exist.");
	return ERR_NOTFOUND;
}

enum err
cmd_getquota(struct session *s, struct cursor *in, bool by_uid)
{
	const struct quota *q;
	struct span root;
	enum err e;

	(void)by_uid;
	if ((e = check_offered(s)) != ERR_OK ||
	    (e = cursor_astring(in, &root)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK ||
	    (e = check_root(s, root, &q)) != ERR_OK)
		return e;
	return write_quota(s, q);
}

/* The mailbox need not be there (RFC 9208 4.1.2). */
enum err
cmd_getquotaroot(struct session *s, struct cursor *in, bool by_uid)
{
	const struct quota *q = own_quota(s);
	struct target t;
	enum err e, bad;
	bool counted;

	(void)by_uid;
	if ((e = check_offered(s)) != ERR_OK ||
	    (e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK || (e = bad) != ERR_OK)
		return e;
	if (target_is_foreign(&t)) {
		status_set(s, "NOPERM", "Not showing other users' quota.");
		return ERR_PERM;
	}
	counted = q != NULL &&
	    !quota_rules_limits(q, 0, 0, t.storage).ignored;
	resp_put(s, "* QUOTAROOT ");
	resp_mailbox(s, &t);
	if (counted) {
		resp_put(s, " ");
		resp_astring(s, span_of(q->name));
	}
	resp_put(s, "\r\n");
	return counted ? write_quota(s, q) : ERR_OK;
}

/* Only an administrator may, and such a one has the configuration. */
enum err
cmd_setquota(struct session *s, struct cursor *in, bool by_uid)
{
	struct span root, name;
	uint64_t limit;
	enum err e;

	(void)by_uid;
	if ((e = check_offered(s)) != ERR_OK ||
	    (e = cursor_astring(in, &root)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_char(in, '(')) != ERR_OK)
		return e;
	for (bool first = true; cursor_peek(in) != ')'; first = false)
		if ((!first && (e = cursor_space(in)) != ERR_OK) ||
		    (e = cursor_atom(in, &name)) != ERR_OK ||
		    (e = cursor_space(in)) != ERR_OK ||
		    (e = cursor_number64(in, &limit)) != ERR_OK)
			return e;
	if ((e = cursor_char(in, ')')) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	status_set(s, "NOPERM", "Quota can be changed only by admin.");
	return ERR_PERM;
}
