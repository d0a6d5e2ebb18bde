/* The commands of LMTP but for those that bring a message. */
#include "common/buf.h"
#include "common/config.h"
#include "worker/conn.h"
#include "worker/lmtp.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

void
lmtp_lhlo(struct lmtp *l, struct span args)
{
	struct span name = span_trim(args);

	if (name.n == 0) {
		lmtp_reply(l, "501 5.5.4 Missing hostname");
		return;
	}
	/* What it calls itself is for the Received field, and proves nothing. */
	snprintf(l->client, sizeof(l->client), "%.*s",
	    lmtp_line_is_domain(name) ? (int)name.n : 7,
	    lmtp_line_is_domain(name) ? name.p : "unknown");
	lmtp_reset(l);
	lmtp_reply(l, "250-%s\r\n250-8BITMIME\r\n250-CHUNKING\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n%s%s250-PIPELINING\r\n"
	    "250 SIZE %" PRIu64, l->host, l->is_lda ? "250-XLDA\r\n" : "",
	    l->tls != NULL && !conn_is_tls(l->conn) ?
	    "250-STARTTLS\r\n" : "", l->cfg->lmtp_max_message);
}

void
lmtp_starttls(struct lmtp *l, struct span args)
{
	if (l->tls == NULL || conn_is_tls(l->conn)) {
		lmtp_reply(l, "502 5.5.1 STARTTLS is not to be had here");
	} else if (args.n > 0) {
		lmtp_reply(l, "501 5.5.4 Invalid parameters");
	} else {
		lmtp_reply(l, "220 2.0.0 Begin TLS negotiation now");
		*l->client = '\0';
		if (conn_start_tls(l->conn, l->tls, l->cfg->lmtp_timeout >
		    INT_MAX ? INT_MAX : (int)l->cfg->lmtp_timeout) == ERR_OK)
			lmtp_reset(l);
	}
}

/* ---- MAIL ---- */

/* NULL, or the refusal. */
static const char *
sender_parameter(struct lmtp *l, struct span key, struct span value)
{
	uint64_t size;

	if (span_ieq(key, SPAN("BODY")))
		return span_ieq(value, SPAN("7BIT")) ||
		    span_ieq(value, SPAN("8BITMIME")) ? NULL :
		    "555 5.5.4 Unsupported mail BODY type";
	if (!span_ieq(key, SPAN("SIZE")))
		return "555 5.5.4 Unsupported parameters";
	if (value.n == 0 || value.n >= 20 ||
	    !span_to_u64(value, INT64_MAX, &size))
		return "501 5.5.4 Invalid SIZE parameter";
	return size <= l->cfg->lmtp_max_message ? NULL :
	    "552 5.3.4 Message size exceeds fixed maximum message size";
}

static const char *
sender_parameters(struct lmtp *l, struct span args)
{
	const char *refusal = NULL;
	struct span key, value;

	do {
		if (lmtp_line_parameter(&args, &key, &value) != ERR_OK)
			return "501 5.5.4 Invalid parameters";
		if (key.n > 0)
			refusal = sender_parameter(l, key, value);
	} while (key.n > 0 && refusal == NULL);
	return refusal;
}

void
lmtp_mail(struct lmtp *l, struct span args)
{
	struct lmtp_path path;
	const char *why;

	if (lmtp_line_path(&args, SPAN("FROM:"), &l->line, &path, &why) !=
	    ERR_OK) {
		lmtp_reply(l, "501 5.5.4 Invalid FROM: %s", why);
		return;
	}
	if ((why = sender_parameters(l, args)) != NULL) {
		lmtp_reply(l, "%s", why);
		return;
	}
	l->sender = arena_span(&l->arena, path.text);
	l->has_mail = true;
	l->n_mails++;
	lmtp_reply(l, "250 2.1.0 OK");
}

/* ---- RCPT ---- */

/* The user that the address names, and the detail behind the delimiter. */
static struct span
user_of(struct lmtp *l, const struct lmtp_path *path, struct span *detail)
{
	struct buf b = { 0 };
	struct span user;

	lmtp_line_detail(path->local, l->is_lda ? SPAN("") :
	    span_of(l->cfg->recipient_delimiter), &user, detail);
	buf_add_span(&b, user);
	if (path->domain.n > 0)
		buf_addc(&b, '@');
	buf_add_span(&b, path->domain);
	user = arena_span(&l->line, buf_span(&b));
	buf_clear(&b);
	return user;
}

/* Who was named before gets one copy in each mailbox, however he is spelled. */
static struct recipient *
find_same(const struct lmtp *l, const struct recipient *new)
{
	for (struct recipient *r = l->first; r != NULL; r = r->next)
		if (span_eq(r->user, new->user) &&
		    span_eq(r->mailbox, new->mailbox))
			return r->same != NULL ? r->same : r;
	return NULL;
}

/* What is known of him so far lives as long as the line. */
static void
accept_recipient(struct lmtp *l, const struct recipient *known)
{
	struct recipient *r = arena_dup(&l->arena, known, sizeof(*known));

	r->address = arena_span(&l->arena, known->address);
	r->user = arena_span(&l->arena, known->user);
	r->mailbox = arena_span(&l->arena, known->mailbox);
	r->number = ++l->n_recipients;
	r->same = find_same(l, r);
	if (l->last == NULL)
		l->first = r;
	else
		l->last->next = r;
	l->last = r;
	lmtp_reply(l, "250 2.1.5 OK");
}

static void
refuse_recipient(struct lmtp *l, const struct lmtp_path *path,
    struct span user, enum recipient_result why)
{
	if (why == RECIPIENT_UNKNOWN)
		lmtp_reply(l, "550 5.1.1 <%.*s> User doesn't exist: %.*s",
		    (int)path->text.n, path->text.p, (int)user.n, user.p);
	else
		lmtp_reply(l, "451 4.3.0 <%.*s> Temporary internal error",
		    (int)path->text.n, path->text.p);
	/* That is the sender's business, not a client that cannot speak. */
	l->n_bad = 0;
}

/* loft-lda says what to do with the mailbox; others have no parameters. */
static enum err
recipient_parameters(struct lmtp *l, struct span args, struct recipient *r)
{
	struct span key, value;
	enum err e;

	while ((e = lmtp_line_parameter(&args, &key, &value)) == ERR_OK &&
	    key.n > 0) {
		if (l->is_lda && span_ieq(key, SPAN("XMAILBOX")))
			e = lmtp_line_xtext(value, &l->line, &r->mailbox);
		else if (l->is_lda && span_ieq(key, SPAN("XCREATE")))
			r->create = true;
		else if (l->is_lda && span_ieq(key, SPAN("XSUBSCRIBE")))
			r->subscribe = true;
		else
			e = ERR_SYNTAX;
		if (e != ERR_OK)
			break;
	}
	return e;
}

/* NULL, or why there can be no more of them. */
static const char *
no_more_recipients(const struct lmtp *l)
{
	return l->chunking ? "503 5.5.0 The message is on its way already" :
	    l->n_recipients >= l->cfg->lmtp_max_recipients ?
	    "452 4.5.3 Too many recipients" : NULL;
}

void
lmtp_rcpt(struct lmtp *l, struct span args)
{
	struct recipient r = { .fd = -1, .mailbox = SPAN(""),
		.result = RECIPIENT_LATER };
	enum recipient_result result;
	struct span user, detail;
	struct lmtp_path path;
	const char *why;

	if (lmtp_line_path(&args, SPAN("TO:"), &l->line, &path, &why) !=
	    ERR_OK) {
		lmtp_reply(l, "501 5.5.4 Invalid TO: %s", why);
		return;
	}
	if (path.local.n == 0) {
		lmtp_reply(l, "501 5.5.4 Invalid TO: Null path not allowed");
		return;
	}
	user = user_of(l, &path, &detail);
	if (l->cfg->detail_mailbox)
		r.mailbox = detail;
	if (recipient_parameters(l, args, &r) != ERR_OK) {
		lmtp_reply(l, "555 5.5.4 Unsupported parameters");
		return;
	}
	if ((why = no_more_recipients(l)) != NULL) {
		lmtp_reply(l, "%s", why);
		return;
	}
	r.address = path.text;
	result = recipient_look_up(l, user, &r.user);
	if (result == RECIPIENT_SAVED)
		accept_recipient(l, &r);
	else
		refuse_recipient(l, &path, user, result);
}

/* ---- the rest ---- */

void
lmtp_rset(struct lmtp *l, struct span args)
{
	if (args.n > 0) {
		lmtp_reply(l, "501 5.5.4 Invalid parameters");
		return;
	}
	lmtp_reset(l);
	lmtp_reply(l, "250 2.0.0 OK");
}

void
lmtp_vrfy(struct lmtp *l, struct span args)
{
	(void)args;
	lmtp_reply(l, "252 2.3.3 Try RCPT instead");
}

void
lmtp_noop(struct lmtp *l, struct span args)
{
	(void)args;
	lmtp_reply(l, "250 2.0.0 OK");
}

void
lmtp_quit(struct lmtp *l, struct span args)
{
	(void)args;
	lmtp_reply(l, "221 2.0.0 Bye");
	l->closing = true;
}
