/*
 * DATA and BDAT: the message into the spool, from there to every recipient, an answer
 * for each (RFC 2033 4.2). 250 means that it is on disk with its UID.
 */
#include "common/buf.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/date.h"
#include "worker/conn.h"
#include "worker/lmtp.h"

enum {
	BLOCK = 16384,
	AT_ONCE = 4,		/* deliveries of one message that run together */
};

/* ---- delivery ---- */

static void
add_received(struct lmtp *l, const struct recipient *r, struct buf *b)
{
	char date[48];

	date_format_mail(clock_s(), date);
	buf_addf(b, "Received: from %s",
	    *l->client == '\0' ? "unknown" : l->client);
	if (*l->ip != '\0')
		buf_addf(b, " ([%s])", l->ip);
	buf_addf(b, "\n\tby %s with LMTP%s\n\tid %s\n\t(envelope-from "
	    "<%.*s>)", l->host, conn_is_tls(l->conn) ? "S" : "",
	    recipient_session(l, r), (int)l->sender.n, l->sender.p);
	/* Who else got it is nobody's business. */
	if (l->n_recipients == 1)
		buf_addf(b, "\n\tfor <%.*s>", (int)r->address.n, r->address.p);
	buf_addf(b, "; %s\n", date);
}

static void
add_fields(struct lmtp *l, const struct recipient *r, struct buf *b)
{
	buf_addf(b, "Return-Path: <%.*s>\n", (int)l->sender.n, l->sender.p);
	if (l->cfg->delivered_to != DELIVERED_NONE)
		buf_addf(b, "Delivered-To: %.*s\n", (int)r->address.n,
		    r->address.p);
	if (l->cfg->add_received)
		add_received(l, r, b);
}

static void
begin(struct lmtp *l, struct recipient *r)
{
	struct buf header = { 0 };

	if (r->same != NULL)
		return;
	/* Who calls loft-lda has put them in. */
	if (!l->is_lda)
		add_fields(l, r, &header);
	recipient_begin(l, r, buf_span(&header));
	buf_clear(&header);
}

static void
tell(struct lmtp *l, const struct recipient *r)
{
	const struct recipient *of = r->same != NULL ? r->same : r;
	struct span a = r->address, u = r->user;

	switch (of->result) {
	case RECIPIENT_SAVED:
		lmtp_reply(l, "250 2.0.0 <%.*s> %s Saved", (int)a.n, a.p,
		    recipient_session(l, of));
		break;
	case RECIPIENT_UNKNOWN:
		lmtp_reply(l, "550 5.1.1 <%.*s> User doesn't exist: %.*s",
		    (int)a.n, a.p, (int)u.n, u.p);
		break;
	case RECIPIENT_FULL:
		lmtp_reply(l, "552 5.2.2 <%.*s> Quota exceeded (mailbox for "
		    "user is full)", (int)a.n, a.p);
		break;
	case RECIPIENT_FULL_NOW:
		lmtp_reply(l, "452 4.2.2 <%.*s> Quota exceeded (mailbox for "
		    "user is full)", (int)a.n, a.p);
		break;
	case RECIPIENT_LATER:
		lmtp_reply(l, "451 4.3.0 <%.*s> Temporary internal error",
		    (int)a.n, a.p);
		break;
	}
}

/* The next ones are under way while one is waited for; answers come in order. */
static void
deliver(struct lmtp *l)
{
	struct recipient *next = l->first;
	unsigned running = 0;

	for (struct recipient *r = l->first; r != NULL; r = r->next) {
		for (; next != NULL && running < AT_ONCE; next = next->next) {
			begin(l, next);
			running++;
		}
		recipient_end(l, r);
		running--;
		tell(l, r);
	}
}

static void
refuse(struct lmtp *l, const char *code, const char *text)
{
	for (struct recipient *r = l->first; r != NULL; r = r->next)
		lmtp_reply(l, "%s <%.*s> %s", code, (int)r->address.n,
		    r->address.p, text);
}

/* The message is here, whole or not at all. */
static void
finish(struct lmtp *l)
{
	enum err e = spool_finish(&l->spool);

	if (e == ERR_OK)
		deliver(l);
	else if (e == ERR_LIMIT)
		refuse(l, "552 5.3.4",
		    "Message size exceeds fixed maximum message size");
	else
		refuse(l, "451 4.3.0", "Temporary internal error");
	/* However many answers: one command. */
	l->n_bad = 0;
	lmtp_reset(l);
}

/* ---- DATA ---- */

void
lmtp_take_data(struct lmtp *l)
{
	struct lmtp_dots dots = { 0 };
	char block[BLOCK];
	struct span seen;

	spool_open(&l->spool, l->cfg->lmtp_max_message);
	while (dots.state != DOTS_END) {
		struct span piece;

		if (conn_peek(l->conn, false, &seen) != ERR_OK)
			return;
		piece = seen;
		while (piece.n > 0 && dots.state != DOTS_END) {
			size_t n = lmtp_dots_take(&dots, &piece, block,
			    sizeof(block));

			spool_add(&l->spool, (struct span){ block, n });
		}
		conn_take(l->conn, seen.n - piece.n);
	}
	finish(l);
}

void
lmtp_data(struct lmtp *l, struct span args)
{
	if (args.n > 0)
		lmtp_reply(l, "501 5.5.4 Invalid parameters");
	else if (l->chunking)
		lmtp_reply(l, "503 5.5.0 DATA after BDAT is not possible");
	else if (l->n_recipients == 0)
		lmtp_reply(l, "503 5.5.0 No valid recipients");
	else {
		lmtp_reply(l, "354 OK");
		l->in_data = true;
		lmtp_take_data(l);
	}
}

/* ---- BDAT ---- */

/* Reads it in any case: the client sends it without being asked. */
void
lmtp_take_chunk(struct lmtp *l, uint64_t n, bool last)
{
	bool wanted = l->n_recipients > 0 && !l->chunks_failed;
	struct span seen;

	if (wanted && !l->chunking)
		spool_open(&l->spool, l->cfg->lmtp_max_message);
	l->chunking = l->has_mail;
	while (n > 0) {
		if (conn_peek(l->conn, false, &seen) != ERR_OK)
			return;
		if (seen.n > n)
			seen.n = (size_t)n;
		if (wanted)
			spool_add(&l->spool, seen);
		conn_take(l->conn, seen.n);
		n -= seen.n;
	}
	l->chunks_failed = l->has_mail && !wanted;
	if (wanted && last)
		finish(l);
	else if (wanted)
		lmtp_reply(l, "250 2.0.0 OK");
	else
		lmtp_reply(l, !l->has_mail ? "503 5.5.0 MAIL needed first" :
		    l->n_recipients == 0 ? "503 5.5.0 No valid recipients" :
		    "503 5.5.0 Previous data chunk failed, issue RSET first");
}

void
lmtp_bdat(struct lmtp *l, struct span args)
{
	uint64_t n;
	bool last;

	if (lmtp_line_chunk(args, &n, &last) != ERR_OK) {
		/* Where the next command begins nobody knows now. */
		lmtp_reply(l, "501 5.5.4 Invalid chunk size parameter");
		conn_flush(l->conn);
		conn_kill(l->conn, "Invalid chunk size parameter");
		return;
	}
	l->in_data = true;
	lmtp_take_chunk(l, n, last);
	l->in_data = l->chunking && l->has_mail;
}
