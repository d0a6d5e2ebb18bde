/* The byte stream: buffers, waiting, deadlines, the first error. */
#include "worker/conn.h"

#include "common/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	struct conn *c;
	int peer;
};

static int
open_pair(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p->c = conn_new(fd[0], fd[0]);
	p->peer = fd[1];
	conn_set_timeouts(p->c, 5000, 5000);
	conn_set_farewells(p->c, "* BYE stop\r\n", "* BYE late\r\n");
	*state = p;
	return 0;
}

static int
close_pair(void **state)
{
	struct pair *p = *state;

	conn_free(&p->c);
	assert_null(p->c);
	if (p->peer != -1)
		close(p->peer);
	free(p);
	return 0;
}

static void
peer_says(struct pair *p, const char *text)
{
	assert_int_equal(write(p->peer, text, strlen(text)), strlen(text));
}

static void
peer_hears(struct pair *p, const char *text)
{
	char got[256] = "";
	ssize_t n = recv(p->peer, got, sizeof(got) - 1, MSG_DONTWAIT);

	got[n < 0 ? 0 : n] = '\0';
	assert_string_equal(got, text);
}

static void
what_was_shown_is_taken_piece_by_piece(void **state)
{
	struct pair *p = *state;
	struct span s;

	assert_false(conn_has_input(p->c));
	peer_says(p, "hello");
	assert_true(conn_has_input(p->c));
	assert_int_equal(conn_peek(p->c, false, &s), ERR_OK);
	assert_true(span_eq(s, SPAN("hello")));
	conn_take(p->c, 2);
	peer_says(p, " you");
	assert_int_equal(conn_peek(p->c, false, &s), ERR_OK);
	assert_true(span_eq(s, SPAN("llo")));
	assert_int_equal(conn_peek(p->c, true, &s), ERR_OK);
	assert_true(span_eq(s, SPAN("llo you")));
	conn_take(p->c, s.n);
	assert_false(conn_has_input(p->c));
	assert_int_equal(conn_bytes_in(p->c), 9);
}

static void
a_full_buffer_says_so(void **state)
{
	struct pair *p = *state;
	char block[16 << 10];
	struct span s;

	memset(block, 'x', sizeof(block));
	assert_int_equal(write(p->peer, block, sizeof(block)), sizeof(block));
	peer_says(p, "y");
	while (conn_peek(p->c, false, &s) == ERR_OK && s.n < sizeof(block))
		assert_int_equal(conn_peek(p->c, true, &s), ERR_OK);
	assert_int_equal(conn_peek(p->c, true, &s), ERR_LIMIT);
	conn_take(p->c, 5);
	assert_int_equal(conn_peek(p->c, true, &s), ERR_OK);
	assert_int_equal(s.n, sizeof(block) - 4);
	assert_int_equal(s.p[s.n - 1], 'y');
}

static void
output_waits_for_a_flush_or_a_wait(void **state)
{
	struct pair *p = *state;
	struct span s;

	conn_write(p->c, "one ", 4);
	conn_write(p->c, "two", 3);
	peer_hears(p, "");
	conn_flush(p->c);
	peer_hears(p, "one two");
	conn_write(p->c, "three", 5);
	assert_int_equal(conn_wait(p->c, -1, 0), CONN_TIMEOUT);
	peer_hears(p, "three");
	/* With more of a pipeline at hand the answers are kept together. */
	peer_says(p, "a");
	assert_int_equal(conn_wait(p->c, -1, 1000), CONN_READABLE);
	conn_write(p->c, "four", 4);
	assert_int_equal(conn_wait(p->c, -1, 0), CONN_READABLE);
	assert_int_equal(conn_peek(p->c, false, &s), ERR_OK);
	peer_hears(p, "");
	conn_take(p->c, s.n);
	conn_set_timeouts(p->c, 0, 1000);
	assert_int_equal(conn_peek(p->c, false, &s), ERR_IO);
	peer_hears(p, "four* BYE late\r\n");
	assert_int_equal(conn_bytes_out(p->c), 28);
}

struct reader {
	int fd;
	size_t n;
	unsigned sum;
};

/* Reads slowly at first, so that the writer must wait. */
static void *
read_all(void *arg)
{
	struct reader *r = arg;
	unsigned char block[1000];
	ssize_t n;

	while ((n = read(r->fd, block, sizeof(block))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			r->sum = r->sum * 31 + block[i];
		r->n += (size_t)n;
	}
	return NULL;
}

static void
large_and_small_blocks_keep_their_order(void **state)
{
	struct pair *p = *state;
	static char large[3 << 20];
	struct reader r = { .fd = p->peer };
	unsigned sum = 0;
	size_t n = 0;
	pthread_t t;

	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 7 + i / 1000);
	assert_int_equal(pthread_create(&t, NULL, read_all, &r), 0);
	for (size_t size = 1; size < sizeof(large); size = size * 3 + 1) {
		conn_write(p->c, large, size);
		conn_write(p->c, "small", 5);
		for (size_t i = 0; i < size; i++)
			sum = sum * 31 + (unsigned char)large[i];
		for (int i = 0; i < 5; i++)
			sum = sum * 31 + (unsigned char)"small"[i];
		n += size + 5;
	}
	conn_flush(p->c);
	assert_false(conn_is_dead(p->c));
	assert_int_equal(conn_bytes_out(p->c), n);
	conn_free(&p->c);
	pthread_join(t, NULL);
	assert_int_equal(r.n, n);
	assert_int_equal(r.sum, sum);
}

static void
a_client_that_does_not_read_is_given_up(void **state)
{
	struct pair *p = *state;
	static char large[8 << 20];
	uint64_t before = clock_mono_ms();

	conn_set_timeouts(p->c, 5000, 100);
	conn_write(p->c, large, sizeof(large));
	assert_true(conn_is_dead(p->c));
	assert_string_equal(conn_death(p->c), "Timeout while writing");
	assert_true(clock_mono_ms() - before < 4000);
	/* The first error is kept, and later writes do nothing. */
	conn_kill(p->c, "something else");
	conn_write(p->c, "x", 1);
	assert_string_equal(conn_death(p->c), "Timeout while writing");
}

static void
silence_ends_with_a_farewell(void **state)
{
	struct pair *p = *state;
	struct span s;

	conn_set_timeouts(p->c, 30, 1000);
	assert_int_equal(conn_wait(p->c, -1, 10), CONN_TIMEOUT);
	assert_false(conn_is_dead(p->c));
	assert_int_equal(conn_peek(p->c, false, &s), ERR_IO);
	assert_string_equal(conn_death(p->c), "Inactivity");
	peer_hears(p, "* BYE late\r\n");
}

static void
a_deadline_is_shorter_than_any_timeout(void **state)
{
	struct pair *p = *state;
	uint64_t before = clock_mono_ms();
	struct span s;

	conn_set_deadline(p->c, before + 50);
	peer_says(p, "a");
	assert_int_equal(conn_peek(p->c, false, &s), ERR_OK);
	assert_int_equal(conn_peek(p->c, true, &s), ERR_IO);
	assert_string_equal(conn_death(p->c), "Inactivity");
	assert_true(clock_mono_ms() - before >= 50);
	assert_int_equal(conn_wait(p->c, -1, 1000), CONN_CLOSED);
	peer_hears(p, "* BYE late\r\n");
}

static void
a_wake_up_is_told_from_input(void **state)
{
	struct pair *p = *state;
	int wake[2];

	assert_int_equal(pipe(wake), 0);
	assert_int_equal(conn_wait(p->c, wake[0], 10), CONN_TIMEOUT);
	assert_int_equal(write(wake[1], "x", 1), 1);
	assert_int_equal(conn_wait(p->c, wake[0], 1000), CONN_WOKEN);
	peer_says(p, "x");
	assert_int_equal(conn_wait(p->c, wake[0], 1000), CONN_READABLE);
	close(wake[0]);
	close(wake[1]);
}

static void
what_came_before_the_end_is_answered(void **state)
{
	struct pair *p = *state;
	struct span s;

	peer_says(p, "last words");
	shutdown(p->peer, SHUT_WR);
	assert_int_equal(conn_wait(p->c, -1, 1000), CONN_READABLE);
	assert_int_equal(conn_peek(p->c, false, &s), ERR_OK);
	conn_take(p->c, s.n);
	conn_write(p->c, "answer", 6);
	/* Looking for more does not end it before the answer is complete. */
	assert_false(conn_has_input(p->c));
	assert_false(conn_is_dead(p->c));
	conn_write(p->c, "ed", 2);
	assert_int_equal(conn_peek(p->c, false, &s), ERR_IO);
	assert_string_equal(conn_death(p->c), "Connection closed");
	peer_hears(p, "answered");
	assert_int_equal(conn_wait(p->c, -1, 1000), CONN_CLOSED);
}

static void
a_client_that_left_is_noticed_while_writing(void **state)
{
	struct pair *p = *state;

	signal(SIGPIPE, SIG_IGN);
	close(p->peer);
	p->peer = -1;
	conn_write(p->c, "x", 1);
	conn_flush(p->c);
	assert_true(conn_is_dead(p->c));
	assert_string_equal(conn_death(p->c), "Connection closed");
}

static void
released_buffers_come_back(void **state)
{
	struct pair *p = *state;
	struct span s;

	conn_write(p->c, "a", 1);
	conn_release_buffers(p->c);
	conn_flush(p->c);
	peer_hears(p, "a");
	peer_says(p, "bc");
	assert_int_equal(conn_wait(p->c, -1, 1000), CONN_READABLE);
	conn_release_buffers(p->c);
	assert_int_equal(conn_peek(p->c, false, &s), ERR_OK);
	assert_true(span_eq(s, SPAN("bc")));
	conn_take(p->c, 2);
	conn_release_buffers(p->c);
	conn_write(p->c, "d", 1);
	conn_flush(p->c);
	peer_hears(p, "d");
	peer_says(p, "e");
	assert_int_equal(conn_peek(p->c, false, &s), ERR_OK);
	assert_true(span_eq(s, SPAN("e")));
}

static void
flags_of_the_descriptors_are_given_back(void **state)
{
	struct pair *p = *state;
	int fd[2], copy;

	assert_int_equal(pipe(fd), 0);
	copy = dup(fd[0]);
	conn_free(&p->c);
	p->c = conn_new(fd[0], fd[1]);
	assert_true((fcntl(copy, F_GETFL) & O_NONBLOCK) != 0);
	conn_free(&p->c);
	assert_true((fcntl(copy, F_GETFL) & O_NONBLOCK) == 0);
	close(copy);
}

static void
on_term(int sig)
{
	(void)sig;
	conn_request_stop();
}

/* Last: a stop cannot be taken back. */
static void
a_stop_is_noticed_while_waiting(void **state)
{
	struct pair *p = *state;
	struct sigaction term = { .sa_handler = on_term };
	sigset_t set;
	struct span s;

	sigaction(SIGTERM, &term, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Pending before the wait begins: the race that must not be lost. */
	kill(getpid(), SIGTERM);
	conn_write(p->c, "before ", 7);
	assert_false(conn_stop_requested());
	assert_int_equal(conn_peek(p->c, false, &s), ERR_IO);
	assert_true(conn_stop_requested());
	assert_string_equal(conn_death(p->c), "Server shutting down");
	peer_hears(p, "before * BYE stop\r\n");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)
	static const struct CMUnitTest tests[] = {
		T(what_was_shown_is_taken_piece_by_piece),
		T(a_full_buffer_says_so),
		T(output_waits_for_a_flush_or_a_wait),
		T(large_and_small_blocks_keep_their_order),
		T(a_client_that_does_not_read_is_given_up),
		T(silence_ends_with_a_farewell),
		T(a_deadline_is_shorter_than_any_timeout),
		T(a_wake_up_is_told_from_input),
		T(what_came_before_the_end_is_answered),
		T(a_client_that_left_is_noticed_while_writing),
		T(released_buffers_come_back),
		T(flags_of_the_descriptors_are_given_back),
		T(a_stop_is_noticed_while_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
