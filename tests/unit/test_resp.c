/* Response syntax, and what a client sees of an error. */
#include "worker/resp.h"

#include "common/config.h"
#include "maildir/flags.h"
#include "maildir/folder.h"
#include "worker/conn.h"
#include "worker/session.h"
#include "worker/status.h"
#include "worker/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct config cfg;
static struct session *s;
static int peer;

static int
begin(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	s = session_new(conn_new(fd[0], fd[0]), &cfg);
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
hears(const char *text)
{
	static char got[8192];
	ssize_t n;

	conn_flush(s->conn);
	n = recv(peer, got, sizeof(got) - 1, MSG_DONTWAIT);
	got[n < 0 ? 0 : n] = '\0';
	assert_string_equal(got, text);
}

static void
a_string_is_quoted_where_it_can_be(void **state)
{
	char longer[1100];

	(void)state;
	resp_nstring(s, SPAN_NONE);
	hears("NIL");
	resp_nstring(s, SPAN(""));
	hears("\"\"");
	resp_nstring(s, SPAN("a \"b\" \\c"));
	hears("\"a \\\"b\\\" \\\\c\"");
	resp_nstring(s, SPAN("a\tb"));
	hears("\"a\tb\"");
	resp_nstring(s, SPAN("a\r\nb"));
	hears("{4}\r\na\r\nb");
	resp_nstring(s, SPAN("\xc3\xa4"));
	hears("{2}\r\n\xc3\xa4");
	resp_nstring(s, (struct span){ "a\0b\0", 4 });
	hears("{4}\r\na\x80" "b\x80");
	memset(longer, 'x', sizeof(longer));
	resp_nstring(s, (struct span){ longer, sizeof(longer) });
	conn_flush(s->conn);
	assert_int_equal(recv(peer, longer, 8, MSG_DONTWAIT), 8);
	assert_memory_equal(longer, "{1100}\r\n", 8);
}

static void
an_astring_is_an_atom_where_it_can_be(void **state)
{
	(void)state;
	resp_astring(s, SPAN("a.b/c]&-"));
	hears("a.b/c]&-");
	resp_astring(s, SPAN("a b"));
	hears("\"a b\"");
	resp_astring(s, SPAN("nil"));
	hears("\"nil\"");
	resp_astring(s, SPAN(""));
	hears("\"\"");
	resp_astring(s, SPAN("a%"));
	hears("\"a%\"");
	resp_astring(s, SPAN("(a"));
	hears("\"(a\"");
}

static void
a_mailbox_has_its_prefix_and_separator(void **state)
{
	struct config_namespace ns = { .type = "private", .prefix = "My/",
	    .separator = '/', .inbox = true, .location = "" };
	struct target t = { .owner = SPAN("") };

	(void)state;
	t.ns = &ns;
	t.storage = SPAN("a.b");
	resp_mailbox(s, &t);
	hears("My/a/b");
	t.storage = SPAN("a.b c");
	resp_mailbox(s, &t);
	hears("\"My/a/b c\"");
	t.storage = SPAN("INBOX");
	resp_mailbox(s, &t);
	hears("INBOX");
}

static void
flags_have_their_wire_names(void **state)
{
	struct folder f = { 0 };

	(void)state;
	resp_flags(s, 0, 0, false);
	hears("");
	resp_flags(s, 0, 0, true);
	hears("\\Recent");
	resp_flags(s, FLAG_SEEN | FLAG_ANSWERED, 0, true);
	hears("\\Answered \\Seen \\Recent");
	f.keywords.name[1] = SPAN("work");
	f.keywords.name[63] = SPAN("last");
	s->folder = &f;
	resp_flags(s, FLAG_DELETED, UINT64_MAX, false);
	s->folder = NULL;
	hears("\\Deleted work last");
}

static void
numbers_and_literals(void **state)
{
	(void)state;
	resp_number(s, 0);
	resp_put(s, " ");
	resp_number(s, UINT64_MAX);
	hears("0 18446744073709551615");
	resp_literal(s, 5000000000);
	hears("{5000000000}\r\n");
	resp_f(s, "%s-%d", "a", 5);
	hears("a-5");
}

static void
each_error_has_its_answer(void **state)
{
	static const struct {
		enum err e;
		const char *begins;
	} cases[] = {
		{ ERR_OK, "a OK X completed.\r\n" },
		{ ERR_SYNTAX, "a BAD " },
		{ ERR_STATE, "a BAD " },
		{ ERR_AUTH, "a NO [AUTHENTICATIONFAILED] " },
		{ ERR_NOTFOUND, "a NO [NONEXISTENT] " },
		{ ERR_EXISTS, "a NO [ALREADYEXISTS] " },
		{ ERR_PERM, "a NO [NOPERM] " },
		{ ERR_LIMIT, "a NO [LIMIT] " },
		{ ERR_QUOTA, "a NO [OVERQUOTA] " },
		{ ERR_BUSY, "a NO [INUSE] " },
		{ ERR_GONE, "a NO [EXPUNGEISSUED] " },
		{ ERR_CHARSET, "a NO [BADCHARSET] " },
		{ ERR_CANNOT, "a NO [CANNOT] " },
		{ ERR_CORRUPT, "a NO [CORRUPTION] " },
		{ ERR_UNAVAIL, "a NO [UNAVAILABLE] " },
		{ ERR_IO, "a NO [UNAVAILABLE] " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char got[256] = "";
		ssize_t n;

		status_write(s, SPAN("a"), "X", cases[i].e);
		conn_flush(s->conn);
		n = recv(peer, got, sizeof(got) - 1, MSG_DONTWAIT);
		assert_true(n > 2 && got[n - 2] == '\r' && got[n - 1] == '\n');
		assert_memory_equal(got, cases[i].begins,
		    strlen(cases[i].begins));
	}
}

static void
a_command_may_say_otherwise(void **state)
{
	(void)state;
	status_set(s, "TRYCREATE", NULL);
	status_write(s, SPAN("a"), "X", ERR_NOTFOUND);
	hears("a NO [TRYCREATE] There is no such mailbox.\r\n");
	status_set(s, "", "Something.");
	status_write(s, SPAN_NONE, "X", ERR_NOTFOUND);
	hears("* NO Something.\r\n");
	status_untagged(s, "BYE", NULL, "Gone.");
	hears("* BYE Gone.\r\n");
	status_untagged(s, "OK", "ALERT", "Look.");
	hears("* OK [ALERT] Look.\r\n");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	static const struct CMUnitTest tests[] = {
		T(a_string_is_quoted_where_it_can_be),
		T(an_astring_is_an_atom_where_it_can_be),
		T(a_mailbox_has_its_prefix_and_separator),
		T(flags_have_their_wire_names),
		T(numbers_and_literals),
		T(each_error_has_its_answer),
		T(a_command_may_say_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
