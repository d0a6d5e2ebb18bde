/*
 * A worker for loftctl, or for a message. It comes to the account as a session does
 * (auth finds the user, home opens the directories, the process is confined to them),
 * but is none: no limit counts it, nobody is told of it, it serves one command and ends.
 */
#include "worker/admin.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/ipc.h"
#include "common/log.h"
#include "maildir/account.h"
#include "worker/login.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* loftctl waits a little longer than both together. */
enum { ACCOUNT_MS = 20000, ANSWER_MS = 20000 };

static const struct row {
	const char *word;
	int (*run)(struct admin *a);
	size_t least, most;
	bool changes;
	const char *prefix;	/* of its log lines */
} rows[] = {
#define ADMIN(word, handler, least, most, changes, prefix) \
	{ word, handler, least, most, changes, prefix },
#include "worker/admin.def"
#undef ADMIN
};

void
admin_word(struct admin *a, struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		buf_addc(&a->out, (unsigned char)text.p[i] < ' ' ||
		    text.p[i] == 0x7f ? '?' : text.p[i]);
}

static int
refuse(struct admin *a, int code, const char *text)
{
	buf_reset(&a->out);
	buf_adds(&a->out, text);
	buf_addc(&a->out, '\n');
	return code;
}

/* The words behind the first one are arguments. */
static const struct row *
find(struct admin *a, struct span words)
{
	struct span word = span_cut(&words, '\0');
	size_t i = 0;

	while (words.n > 0 && a->n < ADMIN_ARGS_MAX)
		a->arg[a->n++] = span_cut(&words, '\0');
	while (i < sizeof(rows) / sizeof(*rows) &&
	    !span_eq(word, span_of(rows[i].word)))
		i++;
	return i == sizeof(rows) / sizeof(*rows) || words.n > 0 ||
	    a->n < rows[i].least || a->n > rows[i].most ? NULL : &rows[i];
}

/* Auth says that there is none, or home brings it. */
static int
take_account(struct admin *a, int fd, int notify_fd)
{
	static struct ipc_message m;
	struct pollfd p = { fd, POLLIN, 0 };
	enum err e;

	if (poll(&p, 1, ACCOUNT_MS) <= 0 || ipc_receive(fd,
	    ROLE_AUTH | ROLE_HOME, ROLE_WORKER, &m) != ERR_OK)
		return refuse(a, ADMIN_TEMPFAIL, "auth or home does not "
		    "answer");
	if (m.kind == MSG_AUTH_FAILED &&
	    m.body.sasl.result == FAILURE_PASSWORD)
		return refuse(a, ADMIN_NOUSER, "there is no such user");
	if (m.kind != MSG_ACCOUNT) {
		ipc_close_fds(&m);
		return refuse(a, ADMIN_TEMPFAIL, "the account cannot be "
		    "opened; the log says why");
	}
	e = login_take(a->cfg, &m, a->message_fd >= 0, notify_fd,
	    &a->account);
	if (e == ERR_CANNOT)
		return refuse(a, ADMIN_UNAVAILABLE, "not to be had for this "
		    "account: its owner's ids cannot be mapped here, and its "
		    "sessions have processes of their own");
	return e == ERR_OK ? ADMIN_OK : refuse(a, ADMIN_TEMPFAIL,
	    "the account cannot be opened; the log says why");
}

static void
answer(struct admin *a, int fd, int code)
{
	struct buf head = { 0 };
	uint64_t end_ms = clock_mono_ms() + ANSWER_MS;
	size_t at = 0;

	if (code == ADMIN_OK)
		buf_adds(&head, "+\n");
	else
		buf_addf(&head, "-%d\n", code);
	buf_add_span(&head, buf_span(&a->out));
	while (at < head.n && clock_mono_ms() < end_ms) {
		struct pollfd p = { fd, POLLOUT, 0 };
		ssize_t n = send(fd, head.p + at, head.n - at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			break;
		else if (errno == EAGAIN && poll(&p, 1, 1000) < 0)
			break;
	}
	buf_clear(&head);
}

static void
log_change(const struct admin *a, const struct row *row, int code)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < a->n; i++)
		buf_addf(&b, " %s", log_text(a->arg[i]));
	log_info("uid %u, user %s: %s%s: %s", a->uid, a->account->user,
	    row->word, b.n > 0 ? buf_cstr(&b) : "",
	    code == ADMIN_OK ? "done" : "refused");
	buf_clear(&b);
}

void
admin_run(const struct config *cfg, struct ipc_message *m, int notify_fd)
{
	struct admin a = { .cfg = cfg, .fd = m->fd[1], .message_fd = m->fd[2],
		.uid = m->body.request.which };
	const struct row *row = find(&a, m->tail);
	int code;

	log_set_prefix(row == NULL ? "loftctl: " : row->prefix);
	if (row == NULL)
		code = refuse(&a, ADMIN_USAGE, "no such command, or too few "
		    "or too many words");
	else
		code = take_account(&a, m->fd[0], notify_fd);
	if (code == ADMIN_OK && row->run == mail_run) {
		answer(&a, a.fd, ADMIN_OK);
		row->run(&a);
	} else if (code == ADMIN_OK) {
		code = row->run(&a);
		if (row->changes)
			log_change(&a, row, code);
		account_close(&a.account);
	}
	if (a.fd >= 0) {
		answer(&a, a.fd, code);
		close(a.fd);
	}
	buf_clear(&a.out);
	arena_free(&a.arena);
}
