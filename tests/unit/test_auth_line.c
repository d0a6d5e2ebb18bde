/* Lines that MTAs send to the auth socket. */
#include "daemon/auth_line.h"

#include "common/tabtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;
static struct auth_line line;

static enum err
take(const char *text)
{
	return auth_line_read(span_of(text), &arena, &line);
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void
a_request_is_taken_apart(void **state)
{
	(void)state;
	assert_int_equal(take("AUTH\t7\tPLAIN\tservice=smtp\tsecured\tnologin"
	    "\tlip=192.0.2.1\trip=192.0.2.2\tsession=a\001tb\tunknown=x"
	    "\tresp=AGFubmEAc2VjcmV0"), ERR_OK);
	assert_int_equal(line.verb, AUTH_LINE_AUTH);
	assert_int_equal(line.number, 7);
	assert_string_equal(line.mechanism, "PLAIN");
	assert_string_equal(line.service, "smtp");
	assert_string_equal(line.remote, "192.0.2.2");
	assert_string_equal(line.local, "192.0.2.1");
	assert_string_equal(line.session, "a\tb");
	assert_true(line.secured);
	assert_true(span_eq(line.response, SPAN("\0anna\0secret")));
}

static void
no_response_is_none(void **state)
{
	(void)state;
	assert_int_equal(take("AUTH\t1\tLOGIN\trip=192.0.2.2"), ERR_OK);
	assert_null(line.response.p);
	assert_false(line.secured);
	assert_int_equal(take("AUTH\t1\tLOGIN\tresp="), ERR_OK);
	assert_null(line.response.p);
	/* To a challenge an empty one is an answer. */
	assert_int_equal(take("CONT\t1\t"), ERR_OK);
	assert_non_null(line.response.p);
	assert_int_equal(line.response.n, 0);
}

static void
others_are_known_or_passed_over(void **state)
{
	(void)state;
	assert_int_equal(take("VERSION\t1\t2"), ERR_OK);
	assert_int_equal(line.verb, AUTH_LINE_VERSION);
	assert_int_equal(line.number, 1);
	assert_int_equal(take("CPID\t4294967295"), ERR_OK);
	assert_int_equal(line.number, 4294967295U);
	assert_int_equal(take("CANCEL\t3"), ERR_OK);
	assert_int_equal(line.verb, AUTH_LINE_CANCEL);
	assert_int_equal(take("SOMETHING\tnew"), ERR_OK);
	assert_int_equal(line.verb, AUTH_LINE_OTHER);
}

static void
nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"AUTH", "AUTH\tx\tPLAIN", "AUTH\t1", "AUTH\t1\t",
		"AUTH\t4294967296\tPLAIN", "AUTH\t-1\tPLAIN",
		"AUTH\t1\tPLAIN\tresp=!", "AUTH\t1\tPLAIN\trip=\001",
		"AUTH\t1\tPLAIN\trip=\001x", "AUTH\t1\tPLAIN\trip=\0010",
		"CONT\t1\tx", "CONT", "VERSION\tone",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(take(bad[i]), ERR_SYNTAX);
}

static void
values_are_escaped(void **state)
{
	struct buf b = { 0 };

	(void)state;
	tabtext_escape(SPAN("a\tb\nc\rd\001e\0f"), &b);
	assert_string_equal(buf_cstr(&b),
	    "a\001tb\001nc\001rd\0011e\0010f");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_request_is_taken_apart, teardown),
		cmocka_unit_test_teardown(no_response_is_none, teardown),
		cmocka_unit_test_teardown(others_are_known_or_passed_over,
		    teardown),
		cmocka_unit_test_teardown(nonsense_is_refused, teardown),
		cmocka_unit_test(values_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
