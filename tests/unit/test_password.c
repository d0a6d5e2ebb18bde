/* Stored passwords. The forms were computed apart from the code under test. */
#include "daemon/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static const char *const right[] = {
	"secret", "{PLAIN}secret", "{plain}secret", "{CLEARTEXT}secret",
	"{PLAIN.b64}c2VjcmV0", "{PLAIN.base64}c2VjcmV0",
	"{PLAIN.hex}736563726574", "{PLAIN-TRUNC}6-secret",
	"{PLAIN-TRUNC}3-sec",
	"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"{SHA1}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
	"{SHA1.hex}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4",
	"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
	"{SSHA}uJDd0BIdJ9Z7yDCZNWdgYeb33+cBAgME",
	"{SSHA256}pBFKVQdg8aaZi2INYzmnxxLtStvyMgIOC7TahNLLqCIBAgME",
	"{SSHA512}MKbQg3rPvz03V+1S0+/jlDdn0B0IiGGxl7kZMimdo1IHHWN6DtzxJMCchsX5"
	"U1lrRY7apW/oopOgERexYda1nAECAwQ=",
	"{SMD5}LF/f6q9WuGXFii+gm3ssYQECAwQ=",
	"{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69",
	"{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==",
	"{DIGEST-MD5}f5ebadda695a1caf0345e58b999aa203",
	"{CRAM-MD5}cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac39573"
	"1b56",
	"{PBKDF2}$1$AbCdEfGh$5000$803dbc564ddf8afea72d30d79c63e05b92710553",
	"{SCRAM-SHA-1}4096,c2FsdHNhbHQ=,RgEqzzKLKVeLA7GvEwcwrTiMvYA=,BGJ3kaHb4T"
	"scas0mjhXJHF+aw/s=",
	"{SCRAM-SHA-256}4096,c2FsdHNhbHQ=,v9cxy4WCDtc8UMxTg6KXCtlxIku1bUKTGuWEX"
	"FC1L54=,rwGpSn6lR97mSEImO0RA7JCZ4WnpCnnKddTt3G/t6II=",
	"{SHA512-CRYPT}$6$rounds=1000$u8GWaNfnKK0jBtre$V/It1CM9DT.XUQOzSQomA9vM"
	"oLt/6rQYuglyERvhdYpAFEejmFTroGb9W3dWj4a8wnac5ejCHBGiINRk4627u0",
	"{SHA256-CRYPT}$5$rounds=1000$ViQ6zkRVSrNO9PqJ$mEz3p3raIhJDO7k6tSVhdm3k"
	"AJ3bdbJ8v/qOHlNXF/C",
	"{MD5-CRYPT}$1$hD/ROibI$DbunGiHoE8aQPJLQRhzSW/",
	"{MD5}$1$hD/ROibI$DbunGiHoE8aQPJLQRhzSW/",
	"{CRYPT}H1bF0/lSCaQvs",
	"{CRYPT}$2b$04$bxdsXQ.WoNrE2n5qJnEEUe/6zMzqg5s4CUE5WDYOaMfaXG5woaPaq",
	"{BLF-CRYPT}$2b$04$bxdsXQ.WoNrE2n5qJnEEUe/6zMzqg5s4CUE5WDYOaMfaXG5woaPa"
	"q",
};

static const char *const malformed[] = {
	"{SHA256}xx", "{SHA256}", "{SSHA}AAAA",
	("{SSHA}uJDd0BIdJ9Z7yDCZNWdgYeb3"
	    "3+c="), "{SSHA}!", "{PLAIN-MD5}zz", "{CRAM-MD5}00", "{CRAM-MD5}",
	"{PBKDF2}$2$x", "{PBKDF2}$1$salt$x$00", "{PBKDF2}$1$salt$99999999999$00",
	"{SCRAM-SHA-1}", "{SCRAM-SHA-1}4096,AA", "{SCRAM-SHA-256}0,AA,AA,AA",
	"{SHA512-CRYPT}$5$x", "{SHA512-CRYPT}", "{CRYPT}", "{ARGON2ID}$6$x",
	"{PLAIN.hex}zz", "{PLAIN.b64}!", "{PLAIN-TRUNC}x-secret",
};

static enum err
verify(const char *stored, const char *clear)
{
	return password_verify(span_of(stored), "PLAIN",
	    SPAN("anna@example.org"), span_of(clear));
}

static void
the_right_password_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		if (verify(right[i], "secret") != ERR_OK)
			fail_msg("%s", right[i]);
}

static void
no_other_password_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		if (verify(right[i], "Secret") != ERR_AUTH ||
		    verify(right[i], "") != ERR_AUTH)
			fail_msg("%s", right[i]);
		if (strstr(right[i], "TRUNC") == NULL &&
		    strstr(right[i], "{CRYPT}H") == NULL &&
		    verify(right[i], "secret ") != ERR_AUTH)
			fail_msg("%s", right[i]);
		/* crypt would end at the NUL */
		assert_int_equal(password_verify(span_of(right[i]), "PLAIN",
		    SPAN("anna@example.org"), SPAN("secret\0x")), ERR_AUTH);
	}
}

static void
malformed_forms_are_said_to_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++)
		if (verify(malformed[i], "secret") != ERR_CORRUPT &&
		    verify(malformed[i], "secret") != ERR_AUTH)
			fail_msg("%s", malformed[i]);
	assert_int_equal(verify("{SHA256}xx", "secret"), ERR_CORRUPT);
	assert_int_equal(verify("{NTLM}xx", "secret"), ERR_NOTFOUND);
	assert_int_equal(verify("{PLAIN.rot13}xx", "secret"), ERR_NOTFOUND);
}

static void
the_default_scheme_is_for_what_has_none(void **state)
{
	(void)state;
	assert_int_equal(password_verify(SPAN("H1bF0/lSCaQvs"), "CRYPT",
	    SPAN(""), SPAN("secret")), ERR_OK);
	assert_true(password_is_slow(SPAN("H1bF0/lSCaQvs"), "CRYPT"));
	assert_true(password_is_slow(SPAN("{SHA512-CRYPT}x"), "PLAIN"));
	assert_true(password_is_slow(SPAN("{argon2id}x"), "PLAIN"));
	assert_false(password_is_slow(SPAN("{SHA256}x"), "CRYPT"));
	assert_false(password_is_slow(SPAN("x"), "PLAIN"));
}

static void
what_is_made_verifies(void **state)
{
	static const char *const names[] = {
		"PLAIN", "SHA256", "SSHA", "SSHA256", "SSHA512",
		"SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "CRYPT",
		"ARGON2ID", "sha512-crypt",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct buf out = { 0 };

		if (password_make(names[i], SPAN("pa ss"), &out) != ERR_OK ||
		    verify(buf_cstr(&out), "pa ss") != ERR_OK ||
		    verify(buf_cstr(&out), "pass") != ERR_AUTH)
			fail_msg("%s: %s", names[i], buf_cstr(&out));
		buf_clear(&out);
	}
	struct buf out = { 0 };
	assert_int_equal(password_make("MD5-CRYPT", SPAN("x"), &out),
	    ERR_NOTFOUND);
	assert_int_equal(password_make("nothing", SPAN("x"), &out),
	    ERR_NOTFOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_password_matches),
		cmocka_unit_test(no_other_password_matches),
		cmocka_unit_test(malformed_forms_are_said_to_be),
		cmocka_unit_test(the_default_scheme_is_for_what_has_none),
		cmocka_unit_test(what_is_made_verifies),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
