/*
 * A session before login, from greeting to log line: capabilities, refusals,
 * limits, and the lines that fail2ban reads.
 */
#include "worker/session.h"

#include "common/config.h"
#include "common/log.h"
#include "worker/conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct config cfg = {
	.max_line = 20000, .max_message = 1000, .login_timeout = 5000,
	.idle_timeout = 5000, .write_timeout = 5000, .login_greeting = "Hello.",
	.auth_mechanisms = "plain login", .disable_plaintext_auth = true,
};

static char answers[65536], lines[4096];

static void
set_address(struct sockaddr_storage *ss, const char *text)
{
	struct sockaddr_in *in4 = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1)
		ss->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		ss->ss_family = AF_INET6;
}

static void
read_to_end(int fd, char *out, size_t max)
{
	size_t n = 0;
	ssize_t r;

	while (n < max - 1 && (r = read(fd, out + n, max - 1 - n)) > 0)
		n += (size_t)r;
	out[n] = '\0';
	close(fd);
}

/* The whole session with a client that says `text` and shuts its half down. */
static void
talk(const char *remote, const char *local, const char *text)
{
	struct session *s;
	int fd[2], log[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(pipe(log), 0);
	log_open(log[1], false, NULL);
	assert_int_equal(write(fd[1], text, strlen(text)), strlen(text));
	shutdown(fd[1], SHUT_WR);
	s = session_new(conn_new(fd[0], fd[0]), &cfg);
	if (remote != NULL) {
		set_address(&s->remote, remote);
		set_address(&s->local, local);
	}
	session_run(s);
	session_free(&s);
	log_open(STDERR_FILENO, false, NULL);
	close(log[1]);
	read_to_end(fd[1], answers, sizeof(answers));
	read_to_end(log[0], lines, sizeof(lines));
}

static void
assert_matches(const char *text, const char *pattern)
{
	regex_t re;
	int bad;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bad = regexec(&re, text, 0, NULL, 0);
	regfree(&re);
	if (bad)
		print_error("%s\nis not like\n%s\n", text, pattern);
	assert_false(bad);
}

static void
passwords_in_the_clear_are_refused_from_afar(void **state)
{
	(void)state;
	talk("192.0.2.1", "192.0.2.2", "a LOGIN anna secret\r\n"
	    "b AUTHENTICATE PLAIN\r\nc AUTHENTICATE PLAIN AGEAYg==\r\n");
	assert_matches(answers, "^\\* OK \\[CAPABILITY IMAP4rev1 [^]]*"
	    "LOGINDISABLED[^]]*\\] Hello\\.\r\n");
	assert_null(strstr(answers, "AUTH=PLAIN"));
	assert_matches(answers, "\r\n\\* NO \\[ALERT\\] [^\r]*\r\n"
	    "a NO \\[PRIVACYREQUIRED\\] [^\r]*\r\n"
	    "b NO \\[PRIVACYREQUIRED\\] [^\r]*\r\n"
	    "\\* NO \\[ALERT\\] [^\r]*\r\nc NO \\[PRIVACYREQUIRED\\] ");
	assert_matches(lines, "imap-login: .*Disconnected \\(tried to use "
	    "disallowed plaintext auth\\): user=<>, method=PLAIN, "
	    "rip=192\\.0\\.2\\.1, lip=192\\.0\\.2\\.2, session=<[^>]{16}>");
}

static void
this_host_counts_as_secured(void **state)
{
	static const char *const pairs[][2] = {
		{ "127.0.0.1", "127.0.0.1" }, { "::1", "::1" },
		{ "192.0.2.7", "192.0.2.7" }, { "2001:db8::1", "2001:db8::1" },
		{ "::ffff:127.0.0.1", "::ffff:127.0.0.1" }, { NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		talk(pairs[i][0], pairs[i][1], "a NOOP\r\n");
		assert_non_null(strstr(answers, "AUTH=PLAIN"));
		assert_null(strstr(answers, "LOGINDISABLED"));
		assert_matches(lines, ", secured, session=");
	}
	talk("2001:db8::1", "2001:db8::2", "a NOOP\r\n");
	assert_non_null(strstr(answers, "LOGINDISABLED"));
}

static void
the_address_is_one_that_can_be_banned(void **state)
{
	(void)state;
	talk("::ffff:192.0.2.1", "::ffff:192.0.2.2", "");
	assert_matches(lines, "Disconnected \\(no auth attempts in 0 secs\\): "
	    "user=<>, rip=192\\.0\\.2\\.1, lip=192\\.0\\.2\\.2, ");
}

/* Without auth behind it a login fails for our own reasons. */
static void
a_failure_of_ours_is_no_guess(void **state)
{
	(void)state;
	talk(NULL, NULL, "a LOGIN an>na secret\r\nb LOGIN x y\r\n"
	    "c LOGIN x y\r\nd LOGIN x y\r\ne LOGOUT\r\n");
	assert_matches(answers, "a NO \\[UNAVAILABLE\\] .*d NO \\[UNAVAILABLE"
	    "\\] .*\r\n\\* BYE [^\r]*\r\ne OK LOGOUT completed\\.\r\n$");
	assert_matches(lines, "Aborted login \\(no auth attempts in 0 secs\\)"
	    ": user=<x>, method=PLAIN, secured, ");
}

static void
a_name_cannot_forge_a_field(void **state)
{
	(void)state;
	talk(NULL, NULL, "a LOGIN \"x>, rip=192.0.2.9\" y\r\n");
	assert_matches(lines, "user=<x\\?, rip=192\\.0\\.2\\.9>, method=");
}

static void
too_many_bad_commands_end_it(void **state)
{
	(void)state;
	talk("192.0.2.1", "192.0.2.2", "a X\r\nn NOOP\r\nb X\r\nc X\r\nd X\r\n"
	    "e NOOP\r\n");
	assert_matches(answers, "c BAD [^\r]*\r\nd BAD [^\r]*\r\n"
	    "\\* BYE Too many invalid commands\\.\r\n$");
	assert_matches(lines, "Disconnected: Too many invalid commands "
	    "\\(no auth attempts in 0 secs\\): user=<>, rip=192");
}

static void
what_comes_after_starttls_is_refused(void **state)
{
	(void)state;
	talk(NULL, NULL, "a STARTTLS\r\n");
	assert_matches(answers, "a BAD TLS is not offered");
	talk(NULL, NULL, "a STARTTLS\r\nb NOOP\r\n");
	assert_matches(answers, "a BAD [^\r]*\r\nb OK ");
}

static void
sasl_can_be_cancelled_and_is_strict(void **state)
{
	(void)state;
	talk(NULL, NULL, "a AUTHENTICATE PLAIN\r\n*\r\nb AUTHENTICATE X\r\n"
	    "c AUTHENTICATE PLAIN a=b\r\nd AUTHENTICATE\r\n");
	assert_matches(answers, "\r\na (BAD|NO) [^\r]*\r\n");
	assert_matches(answers, "\r\nb NO \\[CANNOT\\] [^\r]*\r\n"
	    "c BAD [^\r]*base64[^\r]*\r\nd BAD ");
}

static void
secrets_are_not_repeated(void **state)
{
	(void)state;
	talk(NULL, NULL, "a LOGIN anna \"topsecret\" more\r\n"
	    "n NOOP\r\nb AUTHENTICATE PLAIN topsecret\r\n"
	    "m NOOP\r\nc LOGIN topsecret\r\n");
	assert_null(strstr(answers, "topsecret"));
	assert_null(strstr(lines, "topsecret"));
}

static void
an_id_is_logged_once(void **state)
{
	char *first;

	(void)state;
	talk(NULL, NULL, "a ID (\"name\" \"mbsync\" \"os\" NIL)\r\n"
	    "b ID (\"name\" \"other\")\r\nc ID NIL\r\nd ID ()\r\n"
	    "e ID (\"name\" \"x\"\r\n");
	assert_matches(answers, "\\* ID \\(\"name\" \"Loft\"\\)\r\na OK .*"
	    "e BAD ");
	first = strstr(lines, "ID sent: name=mbsync");
	assert_non_null(first);
	assert_null(strstr(first + 1, "ID sent"));
}

/* Last: a stop cannot be taken back. */
static void
a_stop_says_bye(void **state)
{
	(void)state;
	session_request_stop();
	talk("192.0.2.1", "192.0.2.2", "");
	assert_matches(answers, "\r\n\\* BYE Server shutting down\\.\r\n$");
	assert_matches(lines, "Disconnected: Server shutting down \\(no auth");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_in_the_clear_are_refused_from_afar),
		cmocka_unit_test(this_host_counts_as_secured),
		cmocka_unit_test(the_address_is_one_that_can_be_banned),
		cmocka_unit_test(a_failure_of_ours_is_no_guess),
		cmocka_unit_test(a_name_cannot_forge_a_field),
		cmocka_unit_test(too_many_bad_commands_end_it),
		cmocka_unit_test(what_comes_after_starttls_is_refused),
		cmocka_unit_test(sasl_can_be_cancelled_and_is_strict),
		cmocka_unit_test(secrets_are_not_repeated),
		cmocka_unit_test(an_id_is_logged_once),
		cmocka_unit_test(a_stop_says_bye),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
