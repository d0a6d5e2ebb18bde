/* Both ends of a relayed session. */
#include "worker/relay.h"

#include "common/charset.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "maildir/account.h"
#include "worker/conn.h"
#include "worker/login.h"
#include "worker/resp.h"
#include "worker/serve.h"
#include "worker/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { START_MS = 20000, GREETING_MAX = 2048, PIECE = 16 << 10 };

/* Descriptors of the session's side. */
enum { FD_CONNECTION = 3, FD_ROOT = 5, FD_CONTROL_DIR = 6, FD_INDEX_DIR = 7 };

/* ---- the worker's side ---- */

/* "* PREAUTH [CAPABILITY ...] Logged in as anna" */
static enum err
read_greeting(int fd, char out[GREETING_MAX])
{
	uint64_t end = clock_mono_ms() + START_MS, now;
	size_t n = 0;

	while ((now = clock_mono_ms()) < end && n < GREETING_MAX - 1) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t r;

		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		/* Byte by byte: what follows belongs to the client. */
		if ((r = recv(fd, out + n, 1, 0)) <= 0)
			return ERR_UNAVAIL;
		if (out[n++] != '\n')
			continue;
		out[n] = '\0';
		return strncmp(out, "* PREAUTH ", 10) == 0 ? ERR_OK :
		    ERR_UNAVAIL;
	}
	return ERR_UNAVAIL;
}

/* The tagged OK, which the dispatcher would write had it got the session. */
static void
answer_login(struct session *s, const char *greeting)
{
	struct span text = buf_span(&s->input.text);
	struct span tag = span_cut(&text, ' ');
	const char *code = strchr(greeting, '['), *end = code == NULL ? NULL :
	    strchr(code, ']');

	resp_span(s, tag);
	resp_put(s, " OK ");
	if (end != NULL) {
		resp_span(s, (struct span){ code, (size_t)(end + 1 - code) });
		resp_put(s, " ");
	}
	resp_put(s, "Logged in.\r\n");
	conn_flush(s->conn);
}

/* What the session says now, to the client. False: it ended. */
static bool
pass_down(struct session *s, int fd)
{
	static char piece[PIECE];
	ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n > 0)
		conn_write(s->conn, piece, (size_t)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* What the client sent, to the session, which may be busy talking meanwhile. */
static bool
pass_up(struct session *s, int fd)
{
	struct span in;

	if (conn_peek(s->conn, false, &in) != ERR_OK)
		return false;
	while (in.n > 0 && !conn_is_dead(s->conn)) {
		struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
		ssize_t n = send(fd, in.p, in.n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			in.p += n;
			in.n -= (size_t)n;
			conn_take(s->conn, (size_t)n);
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return false;
		} else if (poll(&p, 1, -1) > 0 && (p.revents & POLLIN) != 0 &&
		    !pass_down(s, fd)) {
			return false;
		}
	}
	return true;
}

enum err
relay_run(struct session *s, const char *user, int fd)
{
	char greeting[GREETING_MAX];
	bool goes_on = true;

	if (read_greeting(fd, greeting) != ERR_OK) {
		close(fd);
		return ERR_UNAVAIL;
	}
	s->user = strdup(user);
	if (s->user == NULL)
		fatal("no memory for a name");
	conn_set_deadline(s->conn, 0);
	/* The session has the time limits; here it is only passed on. */
	conn_set_timeouts(s->conn, -1, (int)s->cfg->write_timeout);
	answer_login(s, greeting);
	while (goes_on && !conn_is_dead(s->conn)) {
		switch (conn_wait(s->conn, fd, -1)) {
		case CONN_READABLE:
			goes_on = pass_up(s, fd);
			break;
		case CONN_WOKEN:
			goes_on = pass_down(s, fd);
			break;
		case CONN_TIMEOUT:
		case CONN_CLOSED:
			goes_on = false;
			break;
		}
	}
	conn_flush(s->conn);
	conn_kill(s->conn, "Relayed session ended");
	close(fd);
	return ERR_OK;
}

/* ---- the session's side ---- */

static void
set_address(struct sockaddr_storage *ss, const char *text)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		ss->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		ss->ss_family = AF_INET6;
}

int
relay_main(int argc, char **argv)
{
	struct config *cfg;
	struct session *s;

	log_open(STDERR_FILENO, true, NULL);
	log_set_prefix("imap-login: ");
	if (argc != 8 || handover_config(FD_CONFIG, &cfg) != ERR_OK)
		return 78;
	close(FD_CONFIG);
	handover_log(cfg, "imap-login: ");
	serve_signals();
	charset_init();
	account_prepare();
	s = session_new(conn_new(FD_CONNECTION, FD_CONNECTION), cfg);
	s->is_tunnel = true;
	set_address(&s->remote, argv[2]);
	set_address(&s->local, argv[3]);
	snprintf(s->session_id, sizeof(s->session_id), "%s", argv[4]);
	snprintf(s->tried_method, sizeof(s->tried_method), "%s", argv[5]);
	s->is_tls_elsewhere = *argv[6] != '\0';
	if (login_with(s, argv[1], argv[2], argv[7], FD_ROOT, FD_CONTROL_DIR,
	    FD_INDEX_DIR) != ERR_OK) {
		session_free(&s);
		return 75;
	}
	session_run(s);
	session_free(&s);
	return 0;
}
