/* SASL PLAIN and LOGIN. */
#include "daemon/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct sasl s;
static struct span challenge;

static enum sasl_result
begin(const char *mechanism, const char *initial, size_t n)
{
	return sasl_begin(&s, "plain login", span_of(mechanism),
	    (struct span){ initial, n }, &challenge);
}

static void
plain_has_three_parts(void **state)
{
	(void)state;
	assert_int_equal(begin("PLAIN", "\0anna\0secret", 12),
	    SASL_CREDENTIALS);
	assert_true(span_eq(buf_span(&s.user), SPAN("anna")));
	assert_true(span_eq(buf_span(&s.password), SPAN("secret")));
	assert_int_equal(s.authzid.n, 0);
	assert_int_equal(begin("plain", "bert\0anna\0", 10), SASL_CREDENTIALS);
	assert_true(span_eq(buf_span(&s.authzid), SPAN("bert")));
	assert_int_equal(s.password.n, 0);
}

static void
plain_without_initial_response_asks_for_it(void **state)
{
	(void)state;
	assert_int_equal(begin("PLAIN", NULL, 0), SASL_CHALLENGE);
	assert_int_equal(challenge.n, 0);
	assert_int_equal(sasl_answer(&s, (struct span){ "\0a\0b", 4 },
	    &challenge), SASL_CREDENTIALS);
}

static void
malformed_plain_is_refused(void **state)
{
	(void)state;
	assert_int_equal(begin("PLAIN", "", 0), SASL_MALFORMED);
	assert_int_equal(begin("PLAIN", "anna", 4), SASL_MALFORMED);
	assert_int_equal(begin("PLAIN", "\0anna", 5), SASL_MALFORMED);
	assert_int_equal(begin("PLAIN", "\0\0secret", 8), SASL_MALFORMED);
	assert_int_equal(begin("PLAIN", "\0a\0b\0c", 6), SASL_MALFORMED);
}

static void
login_asks_twice(void **state)
{
	(void)state;
	assert_int_equal(begin("LOGIN", NULL, 0), SASL_CHALLENGE);
	assert_true(span_eq(challenge, SPAN("Username:")));
	assert_int_equal(sasl_answer(&s, SPAN("anna"), &challenge),
	    SASL_CHALLENGE);
	assert_true(span_eq(challenge, SPAN("Password:")));
	assert_int_equal(sasl_answer(&s, SPAN("secret"), &challenge),
	    SASL_CREDENTIALS);
	assert_true(span_eq(buf_span(&s.user), SPAN("anna")));
	assert_true(span_eq(buf_span(&s.password), SPAN("secret")));
	/* the name as initial response */
	assert_int_equal(begin("LOGIN", "anna", 4), SASL_CHALLENGE);
	assert_true(span_eq(challenge, SPAN("Password:")));
	assert_int_equal(begin("LOGIN", "a\0b", 3), SASL_MALFORMED);
	assert_int_equal(begin("LOGIN", "", 0), SASL_MALFORMED);
}

static void
only_what_is_offered_begins(void **state)
{
	(void)state;
	assert_int_equal(begin("CRAM-MD5", NULL, 0), SASL_UNKNOWN);
	assert_int_equal(begin("", NULL, 0), SASL_UNKNOWN);
	assert_int_equal(sasl_begin(&s, "plain", SPAN("LOGIN"), SPAN_NONE,
	    &challenge), SASL_UNKNOWN);
	assert_int_equal(sasl_begin(&s, "gssapi plain", SPAN("GSSAPI"),
	    SPAN_NONE, &challenge), SASL_UNKNOWN);
}

static int
clear(void **state)
{
	(void)state;
	sasl_clear(&s);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_has_three_parts),
		cmocka_unit_test(plain_without_initial_response_asks_for_it),
		cmocka_unit_test(malformed_plain_is_refused),
		cmocka_unit_test(login_asks_twice),
		cmocka_unit_test(only_what_is_offered_begins),
	};

	return cmocka_run_group_tests(tests, NULL, clear);
}
