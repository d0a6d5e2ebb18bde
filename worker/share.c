/* Folders of somebody else: asked of auth, handed over by home. */
#include "worker/share.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/ipc.h"
#include "common/log.h"
#include "worker/login.h"
#include "worker/namespace.h"
#include "worker/session.h"
#include "worker/target.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MS = 20000, STEWARD_MS = 60000, ANSWER_MAX = 8 << 20 };

bool
share_is_possible(const struct session *s)
{
	return s->auth_fd >= 0 && s->is_detached &&
	    namespace_any_foreign(s->cfg);
}

/* What auth or home says; m is large and given back by the caller. */
static enum err
await(struct session *s, struct ipc_message *m, int fd[3])
{
	struct pollfd p = { s->auth_fd, POLLIN, 0 };

	if (poll(&p, 1, ANSWER_MS) <= 0 || ipc_receive(s->auth_fd,
	    ROLE_AUTH | ROLE_HOME, ROLE_WORKER, m) != ERR_OK) {
		log_error("no answer from auth: mailboxes of others are out of "
		    "reach for this session");
		return ERR_UNAVAIL;
	}
	if (m->kind == MSG_ACCOUNT && login_directories(m, fd))
		return ERR_OK;
	if (m->kind == MSG_AUTH_FAILED)
		return m->body.sasl.result == FAILURE_PASSWORD ?
		    ERR_NOTFOUND : ERR_UNAVAIL;
	ipc_close_fds(m);
	return ERR_UNAVAIL;
}

enum err
share_open(struct session *s, const struct target *t, int fd[3])
{
	struct ipc_request r = {
		.which = namespace_number(s->cfg, t->ns),
	};
	struct buf tail = { 0 };
	struct ipc_message *m;
	enum err e;

	buf_add_span(&tail, t->owner);
	buf_addc(&tail, '\0');
	buf_add_span(&tail, t->storage);
	e = tail.n > 2048 ? ERR_NOTFOUND : ipc_send(s->auth_fd, MSG_SHARE, &r,
	    buf_span(&tail), NULL, 0);
	buf_clear(&tail);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? e : ERR_UNAVAIL;
	m = ipc_message_new();
	e = await(s, m, fd);
	ipc_message_free(&m);
	return e;
}

enum err
share_owners(struct session *s, struct span **out, size_t *n_out)
{
	struct pollfd p = { s->auth_fd, POLLIN, 0 };
	struct ipc_request r = { 0 };
	struct ipc_message *m = ipc_message_new();
	enum err e = ERR_UNAVAIL;
	size_t n = 0;

	if (ipc_send(s->auth_fd, MSG_SHARERS, &r, SPAN_NONE, NULL, 0) ==
	    ERR_OK && poll(&p, 1, ANSWER_MS) > 0 && ipc_receive(s->auth_fd,
	    ROLE_AUTH, ROLE_WORKER, m) == ERR_OK && m->kind == MSG_SHARERS)
		e = m->body.request.result == ERR_OK ? ERR_OK : ERR_UNAVAIL;
	else
		log_error("no answer from auth: who shares mailboxes is not "
		    "known");
	*out = NULL;
	if (e == ERR_OK) {
		*out = arena_array(&s->command, m->tail.n / 2 + 1,
		    sizeof(**out));
		while (m->tail.n > 0)
			(*out)[n++] = arena_span(&s->command,
			    span_cut(&m->tail, '\0'));
	}
	*n_out = n;
	ipc_message_free(&m);
	return e;
}

void
share_note(struct session *s, struct span id)
{
	struct ipc_request r = { 0 };

	if (s->auth_fd >= 0 && *s->cfg->acl_shared_dict != '\0' &&
	    id.n < 1024 && ipc_send(s->auth_fd, MSG_SHARES, &r, id, NULL,
	    0) != ERR_OK)
		log_error("auth is gone: what was shared is not listed for "
		    "others");
}

/* ---- stewards ---- */

/* All that comes until the other end is closed. */
static enum err
read_answer(int fd, struct buf *out)
{
	uint64_t end_ms = clock_mono_ms() + STEWARD_MS, now;
	char piece[4096];
	ssize_t n;

	while ((now = clock_mono_ms()) < end_ms) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, (int)(end_ms - now)) <= 0)
			continue;
		n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
		if (n == 0)
			return ERR_OK;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			break;
		if (n > 0 && out->n + (size_t)n > ANSWER_MAX)
			return ERR_LIMIT;
		if (n > 0)
			buf_add(out, piece, (size_t)n);
	}
	return ERR_UNAVAIL;
}

/* "+", a line with an enum err, then text; or "-" and an exit code (admin.h). */
static enum err
take_answer(struct span text, struct buf *answer_out)
{
	struct span line = span_cut(&text, '\n');
	uint64_t number;

	if (span_eq(line, SPAN("-67")) || span_eq(line, SPAN("-69")))
		return ERR_NOTFOUND;
	if (span_eq(line, SPAN("+")) &&
	    span_to_u64(span_cut(&text, '\n'), ERR_IO, &number)) {
		buf_add_span(answer_out, text);
		return (enum err)number;
	}
	log_error("no answer about the account of somebody else: the log of "
	    "auth, home or the pool says why");
	return ERR_UNAVAIL;
}

enum err
share_ask(struct session *s, const struct target *t, const struct span *word,
    size_t n, struct buf *answer_out)
{
	struct ipc_request r = { .which = namespace_number(s->cfg, t->ns) };
	struct buf tail = { 0 }, text = { 0 };
	int pair[2];
	enum err e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_errno("cannot make a pair of sockets");
		return ERR_UNAVAIL;
	}
	buf_add_span(&tail, t->owner);
	buf_addc(&tail, '\0');
	for (size_t i = 0; i < n; i++) {
		buf_add_span(&tail, word[i]);
		buf_addc(&tail, '\0');
	}
	e = tail.n > 2048 ? ERR_CANNOT : ipc_send(s->auth_fd, MSG_ASK_OWNER,
	    &r, buf_span(&tail), &pair[1], 1);
	close(pair[1]);
	if (e == ERR_IO)
		e = ERR_UNAVAIL;
	if (e == ERR_OK && (e = read_answer(pair[0], &text)) == ERR_OK)
		e = take_answer(buf_span(&text), answer_out);
	close(pair[0]);
	buf_clear(&tail);
	buf_clear(&text);
	return e;
}
