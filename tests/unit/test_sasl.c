/* SASL mechanisms, with the examples of their standards. */
#include "daemon/sasl.h"

#include "common/base64.h"
#include "daemon/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct sasl s;
static struct span challenge;
static struct sasl_binding binding;

static enum sasl_result
begin(const char *mechanism, const char *initial, size_t n)
{
	return sasl_begin(&s, "plain login scram-sha-1 scram-sha-256 "
	    "scram-sha-256-plus cram-md5", span_of(mechanism), &binding,
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
	assert_int_equal(begin("DIGEST-MD5", NULL, 0), SASL_UNKNOWN);
	assert_int_equal(begin("", NULL, 0), SASL_UNKNOWN);
	assert_int_equal(sasl_begin(&s, "plain", SPAN("LOGIN"), &binding,
	    SPAN_NONE, &challenge), SASL_UNKNOWN);
	assert_int_equal(sasl_begin(&s, "gssapi plain", SPAN("GSSAPI"),
	    &binding, SPAN_NONE, &challenge), SASL_UNKNOWN);
}

/* ---- SCRAM ---- */

/* The examples of RFC 5802 5 and RFC 7677 3: password "pencil". */
static const struct example {
	const char *mechanism, *md, *first, *nonce, *salt, *proof, *signature;
} examples[] = {
	{ "SCRAM-SHA-1", "SHA1", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	    "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92",
	    "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
	{ "SCRAM-SHA-256", "SHA256", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	    "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	    "W22ZaJ0SNY7soEsUEjb6gQ==",
	    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
};

/* Up to the server's first message; as_stored: its keys are what is stored. */
static void
until_challenge(const struct example *x, const char *clear_text,
    bool as_stored)
{
	struct buf salt = { 0 }, stored = { 0 }, clear_out = { 0 };
	struct scram_keys k;

	assert_int_equal(begin(x->mechanism, x->first, strlen(x->first)),
	    SASL_LOOKUP);
	assert_true(span_eq(buf_span(&s.user), SPAN("user")));
	buf_reset(&s.nonce);
	buf_adds(&s.nonce, x->nonce);
	assert_int_equal(base64_decode(span_of(x->salt), &salt), ERR_OK);
	assert_int_equal(scram_derive(x->md, span_of(clear_text),
	    buf_span(&salt), 4096, &k), ERR_OK);
	buf_addf(&stored, "{%s}4096,%s,", x->mechanism, x->salt);
	base64_encode((struct span){ (char *)k.stored, k.n }, &stored);
	buf_addc(&stored, ',');
	base64_encode((struct span){ (char *)k.server, k.n }, &stored);
	assert_int_equal(sasl_stored(&s, as_stored ? buf_span(&stored) :
	    clear_text[0] == '\0' ? SPAN_NONE : SPAN("{PLAIN.b64}cGVuY2ls"),
	    &clear_out), SASL_DERIVE);
	assert_string_equal(buf_cstr(&clear_out), as_stored ? "" : clear_text);
	if (!as_stored) {
		assert_int_equal(s.salt.n, 16);
		buf_reset(&s.salt);
		buf_add_span(&s.salt, buf_span(&salt));
	}
	assert_int_equal(sasl_derived(&s, &k, &challenge), SASL_CHALLENGE);
	buf_reset(&salt);
	buf_addf(&salt, "r=%s,s=%s,i=4096", x->nonce, x->salt);
	assert_true(span_eq(challenge, buf_span(&salt)));
	buf_clear(&salt);
	buf_clear(&stored);
	buf_clear(&clear_out);
}

static enum sasl_result
prove(const struct example *x, const char *c)
{
	char last[300];

	snprintf(last, sizeof(last), "c=%s,r=%s,p=%s", c, x->nonce, x->proof);
	return sasl_answer(&s, span_of(last), &challenge);
}

static void
scram_speaks_the_examples_of_the_standards(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		const struct example *x = &examples[i / 2];

		until_challenge(x, "pencil", i % 2 == 0);
		assert_int_equal(prove(x, "biws"), SASL_CHALLENGE);
		assert_true(span_eq(challenge, span_of(x->signature)));
		assert_int_equal(sasl_answer(&s, SPAN(""), &challenge),
		    SASL_PROVEN);
	}
}

static void
scram_refuses_what_is_not_so(void **state)
{
	const struct example *x = &examples[1];

	(void)state;
	until_challenge(x, "pencils", true);
	assert_int_equal(prove(x, "biws"), SASL_REFUSED);
	/* another header than before, the proof would be another, too */
	until_challenge(x, "pencil", true);
	assert_int_equal(prove(x, "eSws"), SASL_REFUSED);
	/* nobody has this name, and whoever knows his keys does not get in */
	until_challenge(x, "", false);
	assert_true(s.is_nobody);
	assert_int_equal(prove(x, "biws"), SASL_REFUSED);
	until_challenge(x, "pencil", true);
	assert_int_equal(prove(x, "biws"), SASL_CHALLENGE);
	assert_int_equal(sasl_answer(&s, SPAN("x"), &challenge),
	    SASL_MALFORMED);
}

static void
salts_of_nobody_stay(void **state)
{
	struct buf clear_out = { 0 };
	char salt[2][16];

	(void)state;
	sasl_use_secret(SPAN("secret"));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(begin("SCRAM-SHA-1", "n,,n=x,r=a", 10),
		    SASL_LOOKUP);
		assert_int_equal(sasl_stored(&s, SPAN_NONE, &clear_out),
		    SASL_DERIVE);
		memcpy(salt[i], s.salt.p, 16);
	}
	assert_memory_equal(salt[0], salt[1], 16);
	assert_int_equal(begin("SCRAM-SHA-1", "n,,n=y,r=a", 10), SASL_LOOKUP);
	assert_int_equal(sasl_stored(&s, SPAN_NONE, &clear_out), SASL_DERIVE);
	assert_memory_not_equal(s.salt.p, salt[0], 16);
	/* and a hash that serves no SCRAM may not be told from nobody */
	assert_int_equal(sasl_stored(&s, SPAN("{SHA512-CRYPT}$6$x"),
	    &clear_out), SASL_UNFIT);
	assert_true(s.looks_up);
}

static void
malformed_scram_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "n", "n,", "n,,", "n,,n=", "n,,n=u", "n,,n=u,", "n,,n=u,r",
		"n,,n=u,r=", "n,,n=u,r=\x01", "n,,m=x,n=u,r=a", "x,,n=u,r=a",
		"n,b=x,n=u,r=a", "n,a=,n=u,r=a", "n,,n=u=2,r=a",
		"n,,n=u=2D,r=a", "p,,n=u,r=a", "p=,,n=u,r=a", "nn,,n=u,r=a",
		"p=tls-exporter,,n=u,r=a",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (begin("SCRAM-SHA-1", bad[i], strlen(bad[i])) !=
		    SASL_MALFORMED)
			fail_msg("%s", bad[i]);
	assert_int_equal(begin("SCRAM-SHA-1", "n,a=b=2Cc,n=u=3D,r=a,x=y", 24),
	    SASL_LOOKUP);
	assert_true(span_eq(buf_span(&s.user), SPAN("u=")));
	assert_true(span_eq(buf_span(&s.authzid), SPAN("b,c")));
}

static void
channels_are_bound(void **state)
{
	const char *m = "p=tls-exporter,,n=u,r=a";

	(void)state;
	assert_int_equal(begin("SCRAM-SHA-256-PLUS", m, strlen(m)),
	    SASL_UNKNOWN);
	binding = (struct sasl_binding){ true, SPAN("secret"), SPAN("cert") };
	assert_int_equal(begin("SCRAM-SHA-256-PLUS", m, strlen(m)),
	    SASL_LOOKUP);
	assert_true(span_eq(buf_span(&s.gs2), SPAN("p=tls-exporter,,secret")));
	m = "p=tls-server-end-point,,n=u,r=a";
	assert_int_equal(begin("SCRAM-SHA-256-PLUS", m, strlen(m)),
	    SASL_LOOKUP);
	assert_true(span_eq(buf_span(&s.gs2),
	    SPAN("p=tls-server-end-point,,cert")));
	m = "p=tls-unique,,n=u,r=a";
	assert_int_equal(begin("SCRAM-SHA-256-PLUS", m, strlen(m)),
	    SASL_MALFORMED);
	assert_int_equal(begin("SCRAM-SHA-256-PLUS", "n,,n=u,r=a", 10),
	    SASL_MALFORMED);
	/* it was taken off the list; SHA-1 has no such form here */
	assert_int_equal(begin("SCRAM-SHA-256", "y,,n=u,r=a", 10),
	    SASL_MALFORMED);
	assert_int_equal(begin("SCRAM-SHA-1", "y,,n=u,r=a", 10), SASL_LOOKUP);
	binding = (struct sasl_binding){ 0 };
	assert_int_equal(begin("SCRAM-SHA-256", "y,,n=u,r=a", 10),
	    SASL_LOOKUP);
}

/* RFC 2195 3 */
static void
cram_md5_speaks_the_example_of_the_standard(void **state)
{
	static const char *const stored[] = {
		"{PLAIN}tanstaaftanstaaf",
		"{CRAM-MD5.b64}K0yDmYpeTpTXrI7QOfDRYN7XdscNZ9jFBcvFlfbvqwo=",
		"{SHA256}x", "{PLAIN}wrong",
	};
	static const enum sasl_result end[] = {
		SASL_PROVEN, SASL_REFUSED, SASL_UNFIT, SASL_REFUSED,
	};
	struct buf clear_out = { 0 }, made = { 0 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(begin("CRAM-MD5", NULL, 0), SASL_CHALLENGE);
		assert_true(challenge.n > 40);
		buf_reset(&s.nonce);
		buf_adds(&s.nonce,
		    "<1896.697170952@postoffice.reston.mci.net>");
		assert_int_equal(sasl_answer(&s, SPAN("tim "
		    "b913a602c7eda7a495b4e6e7334d3890"), &challenge),
		    SASL_LOOKUP);
		assert_true(span_eq(buf_span(&s.user), SPAN("tim")));
		if (i == 4) {
			assert_int_equal(password_make("CRAM-MD5", SPAN(""),
			    SPAN("tanstaaftanstaaf"), 0, &made), ERR_OK);
			assert_int_equal(sasl_stored(&s, buf_span(&made),
			    &clear_out), SASL_PROVEN);
		} else {
			assert_int_equal(sasl_stored(&s, span_of(stored[i]),
			    &clear_out), end[i]);
		}
	}
	buf_clear(&made);
	assert_int_equal(begin("CRAM-MD5", "x", 1), SASL_MALFORMED);
	assert_int_equal(begin("CRAM-MD5", NULL, 0), SASL_CHALLENGE);
	assert_int_equal(sasl_answer(&s, SPAN("tim b913"), &challenge),
	    SASL_MALFORMED);
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
		cmocka_unit_test(scram_speaks_the_examples_of_the_standards),
		cmocka_unit_test(scram_refuses_what_is_not_so),
		cmocka_unit_test(salts_of_nobody_stay),
		cmocka_unit_test(malformed_scram_is_refused),
		cmocka_unit_test(channels_are_bound),
		cmocka_unit_test(cram_md5_speaks_the_example_of_the_standard),
	};

	return cmocka_run_group_tests(tests, NULL, clear);
}
