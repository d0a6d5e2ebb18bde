/* Commands are collected whole, within limits, and what is too much is skipped. */
#include "worker/input.h"

#include "common/config.h"
#include "worker/conn.h"
#include "worker/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct config cfg;
static struct session *s;
static int peer;
static struct span tag, name, rest;

static int
begin(void **state)
{
	int fd[2];

	(void)state;
	cfg.max_line = 20000;
	cfg.max_message = 1000;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	s = session_new(conn_new(fd[0], fd[0]), &cfg);
	s->state = ST_AUTH;
	conn_set_timeouts(s->conn, 50, 1000);
	peer = fd[1];
	return 0;
}

static int
end(void **state)
{
	(void)state;
	session_free(&s);
	close(peer);
	return 0;
}

static void
say_n(const char *p, size_t n)
{
	assert_int_equal(write(peer, p, n), n);
}

static void
say(const char *text)
{
	say_n(text, strlen(text));
}

static void
say_many(char ch, size_t n)
{
	char *p = malloc(n);

	memset(p, ch, n);
	say_n(p, n);
	free(p);
}

static void
hears(const char *text)
{
	char got[256] = "";
	ssize_t n;

	conn_flush(s->conn);
	n = recv(peer, got, sizeof(got) - 1, MSG_DONTWAIT);
	got[n < 0 ? 0 : n] = '\0';
	assert_string_equal(got, text);
}

static void
gets(enum err expected, const char *t, const char *n, const char *r)
{
	assert_int_equal(input_command(s, &tag, &name, &rest), expected);
	assert_true(span_eq(tag, span_of(t)));
	assert_true(span_eq(name, span_of(n)));
	assert_true(span_eq(rest, span_of(r)));
	if (expected != ERR_OK)
		return;
	assert_true(s->input.unfinished == s->input.has_literal);
}

static void
a_line_is_cut_into_three(void **state)
{
	(void)state;
	say("a1 NOOP\r\na2 LIST \"\" *\r\nA.3-x]  \r\nb noop\n");
	gets(ERR_OK, "a1", "NOOP", "");
	gets(ERR_OK, "a2", "LIST", "\"\" *");
	gets(ERR_SYNTAX, "A.3-x]", "", "");
	gets(ERR_OK, "b", "noop", "");
}

static void
a_command_without_tag_has_no_tag(void **state)
{
	(void)state;
	say("\r\n NOOP\r\n+ NOOP\r\na*b NOOP\r\nalone\r\n\xc3\xa4 NOOP\r\n");
	gets(ERR_SYNTAX, "", "", "");
	gets(ERR_SYNTAX, "", "", "");
	gets(ERR_SYNTAX, "", "", "");
	gets(ERR_SYNTAX, "", "", "");
	gets(ERR_SYNTAX, "alone", "", "");
	gets(ERR_SYNTAX, "", "", "");
}

static void
literals_stand_in_the_text(void **state)
{
	(void)state;
	say("a LOGIN {3}\r\n");
	say("x\r\n {2+}\nyz\r\n");
	gets(ERR_OK, "a", "LOGIN", "{3}\r\nx\r\n {2+}\r\nyz");
	hears("+ OK\r\n");
	say("b X {0}\r\n{1}\r\na{1}\r\nb\r\n");
	gets(ERR_OK, "b", "X", "{0}\r\n{1}\r\na{1}\r\nb");
	hears("+ OK\r\n+ OK\r\n+ OK\r\n");
	say("c X \"{5}\" {x} {5-} }\r\n");
	gets(ERR_OK, "c", "X", "\"{5}\" {x} {5-} }");
	hears("");
}

static void
the_literal_of_a_message_stays_in_the_stream(void **state)
{
	struct span piece;

	(void)state;
	say("a APPEND INBOX (\\Seen) {5}\r\nhello\r\nb NOOP\r\n");
	gets(ERR_OK, "a", "APPEND", "INBOX (\\Seen) ");
	assert_true(s->input.literal_sync);
	assert_false(s->input.literal_binary);
	assert_int_equal(s->input.literal_size, 5);
	hears("");
	assert_int_equal(input_literal_begin(s), ERR_OK);
	hears("+ OK\r\n");
	assert_int_equal(input_literal_read(s, &piece), ERR_OK);
	assert_true(span_eq(piece, SPAN("hello")));
	assert_int_equal(input_literal_read(s, &piece), ERR_OK);
	assert_int_equal(piece.n, 0);
	assert_true(s->input.unfinished);
	assert_int_equal(input_continue(s, &piece), ERR_OK);
	assert_int_equal(piece.n, 0);
	assert_false(s->input.unfinished);
	input_finish(s);
	gets(ERR_OK, "b", "NOOP", "");
}

static void
the_mailbox_of_an_append_may_be_a_literal(void **state)
{
	struct span piece;

	(void)state;
	say("a append {5}\r\nIN\r\nX ~{2+}\r\nhi (x) {3+}\r\nabc end\r\n"
	    "b NOOP\r\n");
	gets(ERR_OK, "a", "append", "{5}\r\nIN\r\nX ");
	hears("+ OK\r\n");
	assert_false(s->input.literal_sync);
	assert_true(s->input.literal_binary);
	assert_int_equal(input_literal_begin(s), ERR_OK);
	hears("");
	assert_int_equal(input_literal_read(s, &piece), ERR_OK);
	assert_true(span_eq(piece, SPAN("hi")));
	assert_int_equal(input_literal_read(s, &piece), ERR_OK);
	assert_int_equal(input_continue(s, &piece), ERR_OK);
	assert_true(span_eq(piece, SPAN(" (x) ")));
	assert_true(s->input.has_literal);
	assert_int_equal(s->input.literal_size, 3);
	input_literal_skip(s);
	assert_false(s->input.has_literal);
	assert_int_equal(input_continue(s, &piece), ERR_OK);
	assert_true(span_eq(piece, SPAN(" end")));
	assert_false(s->input.unfinished);
	gets(ERR_OK, "b", "NOOP", "");
}

static void
a_handler_may_return_at_any_point(void **state)
{
	struct span piece;

	(void)state;
	/* Refused before the client was asked: the literal never comes. */
	say("a APPEND x {5}\r\n");
	gets(ERR_OK, "a", "APPEND", "x ");
	input_finish(s);
	/* On its way already: read to its end, with what follows. */
	say("b APPEND x {5+}\r\nhello (x) {3+}\r\nabc\r\n");
	gets(ERR_OK, "b", "APPEND", "x ");
	input_finish(s);
	/* Asked for and not read to the end. */
	say("c APPEND x {9}\r\nhello");
	gets(ERR_OK, "c", "APPEND", "x ");
	assert_int_equal(input_literal_begin(s), ERR_OK);
	assert_int_equal(input_literal_read(s, &piece), ERR_OK);
	assert_true(span_eq(piece, SPAN("hello")));
	say("1234 {7}\r\n");
	input_finish(s);
	say("d NOOP\r\n");
	gets(ERR_OK, "d", "NOOP", "");
	hears("+ OK\r\n");
}

static void
a_literal_beyond_any_message_ends_the_session(void **state)
{
	(void)state;
	say("a APPEND x {1001+}\r\n");
	gets(ERR_OK, "a", "APPEND", "x ");
	input_finish(s);
	assert_true(conn_is_dead(s->conn));
	hears("* BYE [TOOBIG] Message is far too large.\r\n");
}

static void
too_long_a_line_is_skipped(void **state)
{
	(void)state;
	say("a X ");
	say_many('x', 30000);
	say(" {4+}\r\nb Y\n z\r\nc NOOP\r\n");
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_LIMIT);
	assert_true(span_eq(tag, SPAN("a")));
	gets(ERR_OK, "c", "NOOP", "");
	hears("");
}

static void
too_long_a_literal_is_not_asked_for(void **state)
{
	(void)state;
	say("a X {20001}\r\n");
	gets(ERR_LIMIT, "a", "X", "{20001}");
	say("b X {30000+}\r\n");
	say_many('x', 30000);
	say(" y {5}\r\n");
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_LIMIT);
	assert_true(span_eq(tag, SPAN("b")));
	say("c X {9999999999999999999}\r\n");
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_LIMIT);
	say("d NOOP\r\n");
	gets(ERR_OK, "d", "NOOP", "");
	hears("");
}

static void
before_login_a_command_is_short(void **state)
{
	(void)state;
	s->state = ST_NOAUTH;
	say("a X {8193}\r\n");
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_LIMIT);
	say("b X ");
	say_many('x', 8000);
	say("\r\n");
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_OK);
	assert_int_equal(rest.n, 8000);
	/* Also when it comes in one piece the answer has its tag. */
	say("c X ");
	say_many('x', 9000);
	say("\r\n");
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_LIMIT);
	assert_true(span_eq(tag, SPAN("c")));
	say("c X ");
	say_many('x', 80000);
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_IO);
	assert_true(conn_is_dead(s->conn));
}

static void
a_nul_spoils_its_command_only(void **state)
{
	(void)state;
	say_n("a X \0y\r\n", 8);
	gets(ERR_SYNTAX, "a", "X", "");
	say_n("b X {3+}\r\n\0\r\n {5}\r\n", 19);
	assert_int_equal(input_command(s, &tag, &name, &rest), ERR_SYNTAX);
	assert_true(span_eq(tag, SPAN("b")));
	say("c NOOP\r\n");
	gets(ERR_OK, "c", "NOOP", "");
	hears("");
}

static void
an_end_in_the_middle_is_an_end(void **state)
{
	(void)state;
	say("a X {5+}\r\nab");
	shutdown(peer, SHUT_WR);
	gets(ERR_IO, "", "", "");
	assert_string_equal(conn_death(s->conn), "Connection closed");
}

static void
half_a_command_times_out(void **state)
{
	(void)state;
	say("a NOO");
	gets(ERR_IO, "", "", "");
	assert_string_equal(conn_death(s->conn), "Inactivity");
}

static void
single_lines_are_bounded(void **state)
{
	struct buf line = { 0 };

	(void)state;
	say("DONE\r\n12345\r\n123456\r\nabc\n");
	assert_int_equal(input_line(s, 5, &line), ERR_OK);
	assert_string_equal(buf_cstr(&line), "DONE");
	buf_reset(&line);
	assert_int_equal(input_line(s, 5, &line), ERR_OK);
	assert_string_equal(buf_cstr(&line), "12345");
	buf_reset(&line);
	assert_int_equal(input_line(s, 5, &line), ERR_LIMIT);
	buf_reset(&line);
	assert_int_equal(input_line(s, 5, &line), ERR_OK);
	assert_string_equal(buf_cstr(&line), "abc");
	buf_clear(&line);
}

static void
numbers_in_the_pipeline_are_seen(void **state)
{
	static const struct {
		const char *text;
		bool numbers;
	} cases[] = {
		{ "a NOOP\r\n", false },
		{ "a UID FETCH 1 FLAGS\r\n", false },
		{ "a FETCH 1 FLAGS\r\n", true },
		{ "a NOOP\r\nb store 1 +FLAGS (x)\r\n", true },
		{ "a NOOP\r\nb FETCH", true },
		{ "a EXPUNGE\r\nb COPY 1", true },
		{ "a NOOP\r\nb SEAR", false },
		{ "FETCH 1\r\n", false },
	};

	assert_false(input_has_pipelined_numbers(s));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		say(cases[i].text);
		assert_true(input_has_pipelined_numbers(s) ==
		    cases[i].numbers);
		end(state);
		begin(state);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	static const struct CMUnitTest tests[] = {
		T(a_line_is_cut_into_three),
		T(a_command_without_tag_has_no_tag),
		T(literals_stand_in_the_text),
		T(the_literal_of_a_message_stays_in_the_stream),
		T(the_mailbox_of_an_append_may_be_a_literal),
		T(a_handler_may_return_at_any_point),
		T(a_literal_beyond_any_message_ends_the_session),
		T(too_long_a_line_is_skipped),
		T(too_long_a_literal_is_not_asked_for),
		T(before_login_a_command_is_short),
		T(a_nul_spoils_its_command_only),
		T(an_end_in_the_middle_is_an_end),
		T(half_a_command_times_out),
		T(single_lines_are_bounded),
		T(numbers_in_the_pipeline_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
