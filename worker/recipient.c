/*
 * What LMTP asks of others about one recipient. It never holds an account: auth is asked
 * who the user is, and for a worker that home hands his account to (worker/admin.def,
 * "deliver"), which gets the message and answers with an exit code.
 */
#include "worker/recipient.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/fsutil.h"
#include "common/ipc.h"
#include "common/log.h"
#include "worker/lmtp.h"
#include "worker/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* A disk that is slow, and a sender that waits for ten minutes (RFC 5321 4.5.3.2.6). */
enum { LOOK_UP_MS = 60000, DELIVERY_MS = 300000 };

/* An auth that was started again is found at the same door. */
static enum err
ask(struct lmtp *l, enum ipc_kind kind, struct span tail, const int *fds,
    unsigned n)
{
	struct ipc_request r = { .which = l->only_uid ? IPC_ONLY_UID : 0,
		.result = (uint32_t)l->uid };

	if (l->auth_fd >= 0 && ipc_send(l->auth_fd, kind, &r, tail, fds, n) ==
	    ERR_OK)
		return ERR_OK;
	fs_close(&l->auth_fd);
	l->auth_fd = serve_connect_auth(l->door, 0);
	if (l->auth_fd >= 0 && ipc_send(l->auth_fd, kind, &r, tail, fds, n) ==
	    ERR_OK)
		return ERR_OK;
	log_error("auth is not there: mail is refused for now");
	return ERR_UNAVAIL;
}

static void
add_text(struct buf *b, struct span s)
{
	buf_add_span(b, s);
	buf_addc(b, '\0');
}

const char *
recipient_session(struct lmtp *l, const struct recipient *r)
{
	char mail[16] = "", number[16] = "";

	if (l->n_mails > 1)
		snprintf(mail, sizeof(mail), ":T%u", l->n_mails);
	if (r->number > 1)
		snprintf(number, sizeof(number), ":R%u", r->number);
	return arena_printf(&l->line, "%s%s%s", l->session_id, mail, number);
}

/* ---- RCPT ---- */

static enum recipient_result
hear(struct lmtp *l, struct ipc_message *m, struct span *user_out)
{
	struct pollfd p = { l->auth_fd, POLLIN, 0 };

	if (poll(&p, 1, LOOK_UP_MS) <= 0 || ipc_receive(l->auth_fd,
	    ROLE_AUTH, ROLE_WORKER, m) != ERR_OK) {
		/* What it says later must not answer another question. */
		fs_close(&l->auth_fd);
		log_error("no answer from auth: mail is refused for now");
		return RECIPIENT_LATER;
	}
	ipc_close_fds(m);
	if (m->kind == MSG_FOUND) {
		*user_out = arena_span(&l->line, m->tail);
		return RECIPIENT_SAVED;
	}
	return m->kind == MSG_AUTH_FAILED &&
	    m->body.sasl.result == FAILURE_PASSWORD ? RECIPIENT_UNKNOWN :
	    RECIPIENT_LATER;
}

enum recipient_result
recipient_look_up(struct lmtp *l, struct span user, struct span *user_out)
{
	enum recipient_result result = RECIPIENT_LATER;
	struct ipc_message *m;
	struct buf tail = { 0 };

	*user_out = SPAN("");
	add_text(&tail, span_of(l->session_id));
	buf_add_span(&tail, user);
	if (tail.n > 1024) {
		result = RECIPIENT_UNKNOWN;
	} else if (ask(l, MSG_LOOK_UP, buf_span(&tail), NULL, 0) == ERR_OK) {
		m = ipc_message_new();
		result = hear(l, m, user_out);
		ipc_message_free(&m);
	}
	buf_clear(&tail);
	return result;
}

/* ---- the delivery ---- */

void
recipient_begin(struct lmtp *l, struct recipient *r, struct span header)
{
	struct buf tail = { 0 };
	int pair[2], given[2];

	r->result = RECIPIENT_LATER;
	r->fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_errno("cannot make a pair of sockets");
		return;
	}
	add_text(&tail, span_of(l->session_id));
	add_text(&tail, r->user);
	add_text(&tail, SPAN("deliver"));
	add_text(&tail, span_of(recipient_session(l, r)));
	add_text(&tail, header);
	add_text(&tail, r->mailbox);
	add_text(&tail, span_of(arena_printf(&l->line, "%s%s%s",
	    l->is_lda ? "lda" : "lmtp", r->create ? " create" : "",
	    r->subscribe ? " subscribe" : "")));
	given[0] = pair[1];
	given[1] = l->spool.fd;
	if (ask(l, MSG_DELIVER, buf_span(&tail), given, 2) == ERR_OK)
		r->fd = pair[0];
	else
		close(pair[0]);
	close(pair[1]);
	buf_clear(&tail);
}

/* "+", or "-" and an exit code (admin.h), and what follows; "": who wrote it died. */
static enum recipient_result
read_result(struct span answer)
{
	struct span line = span_cut(&answer, '\n');
	/* Whole: it ended in LF. */
	bool whole = answer.p != NULL;

	if (whole && span_eq(line, SPAN("+")))
		return RECIPIENT_SAVED;
	if (whole && span_eq(line, SPAN("-67")))
		return RECIPIENT_UNKNOWN;
	if (whole && span_eq(line, SPAN("-77")))
		return RECIPIENT_FULL;
	if (whole && span_eq(line, SPAN("-73")))
		return RECIPIENT_FULL_NOW;
	return RECIPIENT_LATER;
}

void
recipient_end(struct lmtp *l, struct recipient *r)
{
	uint64_t end = clock_mono_ms() + DELIVERY_MS, now;
	char text[256];
	size_t n = 0;
	ssize_t got = -1;

	if (r->fd < 0)
		return;
	while (n < sizeof(text) && (now = clock_mono_ms()) < end) {
		struct pollfd p = { r->fd, POLLIN, 0 };

		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		got = recv(r->fd, text + n, sizeof(text) - n, MSG_DONTWAIT);
		if (got > 0)
			n += (size_t)got;
		else if (got == 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	r->result = read_result((struct span){ text, n });
	if (r->result == RECIPIENT_LATER)
		log_error("session %s: the message for user %s was not "
		    "delivered%s; its sender will try again",
		    recipient_session(l, r), log_text(r->user), got == 0 ?
		    "" : " in time");
	fs_close(&r->fd);
}
