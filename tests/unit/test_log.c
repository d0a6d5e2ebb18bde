/* Log lines: shape, bounds, foreign text. */
#include "common/log.h"
#include "common/clock.h"
#include "common/date.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* 8 Feb 1994 05:52:25 UTC */
#define WHEN 760686745000000u

static int log_pipe[2];
static char said[3 * PIPE_BUF];

static int
setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1);
	date_init();
	clock_set(WHEN);
	log_set_prefix("");
	log_set_level(LOG_L_INFO);
	return pipe(log_pipe);
}

static int
teardown(void **state)
{
	(void)state;
	clock_set(0);
	log_open(STDERR_FILENO, false, NULL);
	close(log_pipe[0]);
	return log_pipe[1] == -1 ? 0 : close(log_pipe[1]);
}

/* What one read gives: one write, as the lines are. */
static const char *
heard(void)
{
	ssize_t n;

	fcntl(log_pipe[0], F_SETFL, O_NONBLOCK);
	n = read(log_pipe[0], said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = '\0';
	return said;
}

static void
lines_have_dovecots_shape(void **state)
{
	(void)state;
	log_open(log_pipe[1], true, NULL);
	assert_int_equal(log_fd(), log_pipe[1]);
	log_set_prefix("imap-login: ");
	log_info("Login: user=<%s>", "anna");
	assert_string_equal(heard(),
	    "Feb 08 05:52:25 imap-login: Info: Login: user=<anna>\n");
	log_set_prefix("imap(anna)<4711><Xf3q>: ");
	log_error("x");
	assert_string_equal(heard(),
	    "Feb 08 05:52:25 imap(anna)<4711><Xf3q>: Error: x\n");
	log_warn("y");
	assert_string_equal(heard(),
	    "Feb 08 05:52:25 imap(anna)<4711><Xf3q>: Warning: y\n");
	log_open(log_pipe[1], false, NULL);
	log_set_prefix("");
	errno = ENOENT;
	log_errno("opening %s", "f");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(heard(),
	    "Error: opening f: No such file or directory\n");
}

static void
levels_above_are_dropped(void **state)
{
	(void)state;
	log_open(log_pipe[1], false, NULL);
	log_debug("no");
	assert_string_equal(heard(), "");
	log_set_level(LOG_L_DEBUG);
	log_debug("yes");
	assert_string_equal(heard(), "Debug: yes\n");
	log_set_level(LOG_L_ERROR);
	log_warn("no");
	log_info("no");
	log_error("yes");
	assert_string_equal(heard(), "Error: yes\n");
}

static void
a_line_is_one_line_of_bounded_length(void **state)
{
	static char text[3 * PIPE_BUF];
	size_t n;

	(void)state;
	log_open(log_pipe[1], true, NULL);
	log_info("one\r\ntwo\x1b[31m\tthree");
	assert_string_equal(heard(),
	    "Feb 08 05:52:25 Info: one  two [31m three\n");
	memset(text, 'x', sizeof(text) - 1);
	log_set_prefix(text);
	log_info("%s", "after a prefix");
	assert_int_equal(strlen(heard()), strlen("Feb 08 05:52:25 ") + 200 +
	    strlen("Info: after a prefix\n"));
	errno = EIO;
	log_errno("%s", text);
	n = strlen(heard());
	assert_in_range(n, PIPE_BUF - 8, PIPE_BUF);
	assert_string_equal(said + n - 4, "...\n");
	assert_null(memchr(said, '\n', n - 1));
}

static void
foreign_text_is_made_safe(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain <text> \xc3\xa9", "plain <text> \xc3\xa9" },
		{ "a\nb\r\t\x1b\x7f", "a\\x0Ab\\x0D\\x09\\x1B\\x7F" },
		{ "\xff\xc3(\xe2\x82", "\\xFF\\xC3(\\xE2\\x82" },
		{ "\xc2\x85", "\\xC2\\x85" },
		{ "", "" },
	};
	char text[300];
	const char *four[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(log_text(span_of(cases[i].in)),
		    cases[i].out);
	assert_string_equal(log_text((struct span){ "a\0b", 3 }), "a\\x00b");
	memset(text, 'x', sizeof(text));
	assert_int_equal(strlen(log_text((struct span){ text, 200 })), 200);
	assert_int_equal(strlen(log_text((struct span){ text, 201 })), 203);
	/* Never a part of a character or of an escape. */
	memset(text, '\n', sizeof(text));
	assert_int_equal(strlen(log_text((struct span){ text, 300 })), 203);
	memcpy(text, "xx", 2);
	assert_int_equal(strlen(log_text((struct span){ text, 300 })), 201);
	for (int i = 0; i < 4; i++)
		four[i] = log_text((struct span){ &"abcd"[i], 1 });
	for (int i = 0; i < 4; i++)
		assert_int_equal(four[i][0], "abcd"[i]);
}

static int
status_of(void (*end)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		/* cmocka catches it otherwise. */
		signal(SIGABRT, SIG_DFL);
		end();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
end_fatal(void)
{
	fatal("no %s", "luck");
}

static void
end_fatal_errno(void)
{
	errno = ENOMEM;
	fatal_errno("no luck");
}

static void
end_panic(void)
{
	panic("lost");
}

static void
fatal_and_panic_end_the_process(void **state)
{
	int status;

	(void)state;
	log_open(log_pipe[1], false, NULL);
	log_set_level(LOG_L_ERROR);
	status = status_of(end_fatal);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 75);
	assert_string_equal(heard(), "Fatal: no luck\n");
	status = status_of(end_fatal_errno);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 75);
	assert_string_equal(heard(), "Fatal: no luck: Cannot allocate memory\n");
	status = status_of(end_panic);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_string_equal(heard(), "Panic: lost\n");
}

static void
a_log_that_cannot_be_written_harms_nobody(void **state)
{
	(void)state;
	log_open(12345, true, NULL);
	log_error("to nowhere");
	log_open(-1, true, "test");
	assert_int_equal(log_fd(), -1);
	errno = EINTR;
	log_debug("to syslog, if there is one");
	assert_int_equal(errno, EINTR);
}

static void
info_and_debug_have_a_place_of_their_own(void **state)
{
	int other[2];
	char text[100] = "";

	(void)state;
	assert_int_equal(pipe(other), 0);
	log_open(log_pipe[1], false, NULL);
	log_open_info(other[1]);
	log_set_level(LOG_L_DEBUG);
	log_error("one");
	log_warn("two");
	log_info("three");
	log_debug("four");
	log_open_info(LOG_SAME);
	log_info("five");
	assert_string_equal(heard(), "Error: one\nWarning: two\nInfo: five\n");
	assert_true(read(other[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "Info: three\nDebug: four\n");
	close(other[0]);
	close(other[1]);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_have_dovecots_shape),
		TEST(levels_above_are_dropped),
		TEST(a_line_is_one_line_of_bounded_length),
		TEST(foreign_text_is_made_safe),
		TEST(fatal_and_panic_end_the_process),
		TEST(a_log_that_cannot_be_written_harms_nobody),
		TEST(info_and_debug_have_a_place_of_their_own),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
