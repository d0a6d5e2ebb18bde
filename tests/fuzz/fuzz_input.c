/*
 * What a client sends: collected into commands as after login, with message
 * literals read, left or skipped; or run by the dispatcher as before login. Input: a
 * byte that chooses, then the stream.
 */
#include "common/config.h"
#include "common/log.h"
#include "worker/conn.h"
#include "worker/dispatch.h"
#include "worker/input.h"
#include "worker/session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct config cfg = { .max_line = 9000, .max_message = 5000,
    .login_timeout = 1000, .idle_timeout = 1000, .write_timeout = 1000,
    .login_greeting = "", .auth_mechanisms = "plain login" };

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	log_open(open("/dev/null", O_WRONLY), false, NULL);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_inside(const struct session *s, struct span part)
{
	const struct buf *text = &s->input.text;

	check(part.n == 0 || (part.p >= text->p &&
	    part.p + part.n <= text->p + text->n));
}

/* What a handler may do with a message literal, by the bits of `how`. */
static void
take_literal(struct session *s, unsigned how)
{
	struct span piece;

	if ((how & 1) != 0 && input_literal_begin(s) != ERR_OK)
		return;
	if ((how & 2) != 0)
		do {
			if (input_literal_read(s, &piece) != ERR_OK)
				return;
		} while (s->input.has_literal);
	if ((how & 4) != 0)
		input_literal_skip(s);
	if ((how & 8) != 0 && !s->input.has_literal &&
	    input_continue(s, &piece) != ERR_OK)
		return;
}

static void
collect(struct session *s, unsigned how)
{
	struct span tag, name, rest;
	enum err e;

	s->state = ST_AUTH;
	while ((e = input_command(s, &tag, &name, &rest)) != ERR_IO) {
		check_inside(s, tag);
		check_inside(s, name);
		check_inside(s, rest);
		check(e != ERR_OK || (tag.n > 0 && name.n > 0));
		check(s->input.text.n <= cfg.max_line);
		if (e == ERR_OK && s->input.has_literal)
			take_literal(s, how);
		input_has_pipelined_numbers(s);
		input_finish(s);
		check(!s->input.has_literal && !s->input.unfinished);
		arena_clear(&s->command);
	}
	check(conn_is_dead(s->conn));
}

/* Answers are of no interest; a full socket must not stop the server. */
static void
drain(int fd)
{
	char block[4096];

	while (recv(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct session *s;
	int fd[2];

	if (n == 0 || n > 60000 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
		return 0;
	check(write(fd[1], data + 1, n - 1) == (ssize_t)n - 1);
	shutdown(fd[1], SHUT_WR);
	s = session_new(conn_new(fd[0], fd[0]), &cfg);
	conn_set_timeouts(s->conn, 1000, 1000);
	if ((data[0] & 16) != 0) {
		collect(s, data[0]);
	} else {
		while (dispatch_one(s))
			drain(fd[1]);
		check(s->user == NULL);
	}
	session_free(&s);
	close(fd[1]);
	return 0;
}
