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

/* What doveadm pw of Dovecot 2.3.19 made of "Grüße, 1!" for anna@example.org. */
static const char *const dovecots[] = {
	"{SHA1}qV/9LFjtcIJ3w7SDBCdgZuwyhWc=",
	"{SHA1.B64}qV/9LFjtcIJ3w7SDBCdgZuwyhWc=",
	"{SHA1.HEX}a95ffd2c58ed708277c3b48304276066ec328567",
	"{SHA}qV/9LFjtcIJ3w7SDBCdgZuwyhWc=",
	("{SSHA512}lde7N9tUoaZTgHtujNbxI1H9v0nextAtOcK/9QjZqhLZ/PxNK677E"
	"5lvRKYwx3XaGLGvVBoqMQUjLRJN4b2WeAl7RDc="),
	("{SSHA512.B64}/eJxWfVtjo+3/4P3JsyqscNytoDTSxGJ/NRgYoIbD/+h5gl8e"
	"FFd6EJcrddhdNkn/izJnjTx7SecedMrC5fFQH7jOZw="),
	("{SSHA512.HEX}d9972d82500568662a682191ca515ac77d7104f1cab42180d"
	"453f518a1349507dac79f90e94b6a33056f4ec874e49f7d4f9aa211e75fbb3"
	"58a08bfd983ec6514e601629e"),
	("{SCRAM-SHA-256}4096,7WVPqRajDePfcCGZM6pUrA==,E6dYejNPC9fzPU7Jl"
	"gDx3L5jhYzijCqc+YkZiAfnRgU=,AGYOvEJiYgSrOZMwoVmF0xHeNoT4OwYP0b"
	"6RWjGxKls="),
	("{SCRAM-SHA-256.B64}NDA5NixiM2Z1NkZMT1ZHNU5TeW40aVF6a1RnPT0sdlU"
	"2TnV3Vy9XV2tLcHdYVkNSNWF0L25OT3ptRGhUMjEyTUc5MUhSV0JTTT0sRFB0T"
	"Vc1K1g1OENQS2Z4bmQ3M0NzaFBmb0RmUTM4Uk8zRGdXMkFubFhiRT0="),
	("{SCRAM-SHA-1}4096,MKM7h7YiOMrmYwxtdt/egw==,ixN4WYPMLrpiS5IN1+/"
	"ZPhkwTYM=,PgOBdqVJwq2Z+O5OGlvN6sDC6Kc="),
	("{SCRAM-SHA-1.HEX}343039362c2b494a773355705542655a716f786855525"
	"9515133773d3d2c7658796d706e664d59413962346a313930527a753943525"
	"85159453d2c344875443343356e786348707146414a65395276614964384e6"
	"2733d"),
	("{BLF-CRYPT}$2y$05$4nmz.1m78P0wFxaxGg8NfOFGzRJsaw7EAcPyCJ9NHmS0"
	"SemgPBsYm"),
	("{BLF-CRYPT.B64}JDJ5JDA1JDdHbFQ1bFJPQ1Z3YTJYOFhPZTlrOXVpandOS1p"
	"1RkRjeHdMVVhndDlva0JIWW5WZVM5c0Zp"),
	"{PLAIN}Grüße, 1!",
	"{PLAIN.B64}R3LDvMOfZSwgMSE=",
	"{PLAIN.HEX}4772c3bcc39f652c203121",
	"{CLEAR}Grüße, 1!",
	"{CLEARTEXT}Grüße, 1!",
	"{PLAIN-TRUNC}Grüße, 1!",
	("{HMAC-MD5}f14cafe17a9e609bcc609f6a6fc2468371720427f00a9272d58f"
	"cd8aabaccce8"),
	"{HMAC-MD5.B64}8Uyv4XqeYJvMYJ9qb8JGg3FyBCfwCpJy1Y/NiquszOg=",
	("{CRAM-MD5}f14cafe17a9e609bcc609f6a6fc2468371720427f00a9272d58f"
	"cd8aabaccce8"),
	("{CRAM-MD5.HEX}f14cafe17a9e609bcc609f6a6fc2468371720427f00a9272"
	"d58fcd8aabaccce8"),
	"{OTP}sha1 1024 f6874f79a7f0e1a6 439ed5320b526697",
	("{OTP.B64}c2hhMSAxMDI0IGRjZTEzYjlkZWIzNWJkYjcgODliMjI4ZDRlN2I4Z"
	"GMyNg=="),
	("{SHA512}yIvZ7DZ89NbIkVgvnIe/Bjjx/RxlFzTeRNXGXJHwi7/nfXFDivBeCQ"
	"Zm7ZLpiflloIA966AuKmXKu2BNmKigUw=="),
	("{SHA512.HEX}c88bd9ec367cf4d6c891582f9c87bf0638f1fd1c651734de44"
	"d5c65c91f08bbfe77d71438af05e090666ed92e989f965a0803deba02e2a65"
	"cabb604d98a8a053"),
	"{DES-CRYPT}jHez1po99LsHo",
	"{DES-CRYPT.B64}bUVsLnJmV1I1VTVOUQ==",
	("{CRYPT}$2y$05$H2B8tMSWP2y.Y1NPPzG8Puo.ftsitgJoGc/FTJi/V.8Sf4jh"
	"IFW.y"),
	("{CRYPT.B64}JDJ5JDA1JDFzU25mQW0wLjRrVnd0cFpDTFg2a09BMzZXeTBQL1R"
	"NcUh6RWJlbXdoOHJBck94aW1hVmVP"),
	"{SSHA}HO3R5VpRrllpZMZ77ulJ7ydbaeZkOLtB",
	"{SSHA.HEX}09d28163b697eb17dd29ad02130ace64129b27bb0386bbf3",
	"{MD5-CRYPT}$1$Hrl.Fdw/$ujF49Ni9uJOhgiBChZ9vd/",
	"{MD5}$1$wJhZO25L$oV1XRcGx7HCa.0Fj.bvYO1",
	"{PLAIN-MD4}524ab7dc2fb27b3cb58b1080efa57a4a",
	"{PLAIN-MD4.B64}Ukq33C+yezy1ixCA76V6Sg==",
	"{PLAIN-MD5}fbe9e35b58024c5b9804ccef9fdb2cca",
	"{PLAIN-MD5.B64}++njW1gCTFuYBMzvn9ssyg==",
	"{LDAP-MD5}++njW1gCTFuYBMzvn9ssyg==",
	"{LDAP-MD5.HEX}fbe9e35b58024c5b9804ccef9fdb2cca",
	("{SHA512-CRYPT}$6$WIJmASwH3HshIS3q$eClqqPiT4WueIgx6lwpec5Olswwf"
	"UX0l4qE1EzYNQdCt/1glT0v6MJP3URCPVBd/hXiqGMSyRSJySLvvzUtMA0"),
	("{SHA512-CRYPT.B64}JDYkV0hucldvM3ZMdkdNMm01NyR3VE4wa0VoTHZpT2xK"
	"UzRZVVdhczlHUGFXcEp0RjB4VXJJL3Q0TzdLVG1aRS9zWHRvMHBqdVp1WktJTD"
	"VrTGpXVlNsVk55MVR6UHdZZUhvUG9SUnoyLg=="),
	("{SHA256-CRYPT}$5$/Jx5OKiCDdzujeOl$DGd8RaVkZxC2WKqEz3oF/YII9enz"
	"6sYhaNpRCYU8D80"),
	("{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$2U4W2q4GMyL1UWRclxa0CQ$"
	"bLx/cA6+Nkuv78cro4r40z7VGcqhdjU815Eo3AtXI4E"),
	("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$edfu7ju0dAHwkxRdrilt1"
	"Q$za78blDsVKrQdVnITGBOPiKXk5IBJQ2siULT8xCFI24"),
	("{ARGON2}$argon2id$v=19$m=65536,t=3,p=1$edfu7ju0dAHwkxRdrilt1Q$"
	"za78blDsVKrQdVnITGBOPiKXk5IBJQ2siULT8xCFI24"),
	"{SSHA256}duAdSL/ecPl94JkZZtpKBOOo2qvOpHiNLaaulsLDSPwejx9k",
	("{SSHA256.HEX}19d36917847c09f282e327cc92279635d4a359b5334e767b2"
	"9174b394011c2b39d35f604"),
	("{PBKDF2}$1$caWAG1IPPHNa0Z80$5000$e327fbbb0f346f7caf26afc3057ab"
	"6543c347976"),
	("{PBKDF2.B64}JDEkM2xsLkZsejk5NHIua0N6OCQ1MDAwJGFlMTE4NTZjMzNiOD"
	"VlMGExZjk1MmNlNjBkNWY5NjlkZmFlZmJlMGQ="),
	"{SHA256}OEgnOgXSjoHxaWWSdFWBDoPG/qWR4n/UbW6GSQfT8+o=",
	("{SHA256.HEX}3848273a05d28e81f16965927455810e83c6fea591e27fd46d"
	"6e864907d3f3ea"),
	"{SMD5}dGe0HQ22z5oD5ecSoBvsl4YSUnI=",
	"{SMD5.HEX}49bfce7e15a9acf3366dc028ab82c4f8fd8a3a05",
	"{DIGEST-MD5}a38068801dc016d53d0b81f48528fdf7",
	"{DIGEST-MD5.B64}o4BogB3AFtU9C4H0hSj99w==",
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
what_dovecot_made_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dovecots) / sizeof(*dovecots); i++)
		if (verify(dovecots[i], "Grüße, 1!") != ERR_OK ||
		    verify(dovecots[i], "Grüsse, 1!") != ERR_AUTH)
			fail_msg("%s", dovecots[i]);
}

static enum err
make(const char *scheme, const char *user, unsigned rounds, struct buf *out)
{
	return password_make(scheme, span_of(user), SPAN("pa ss"), rounds,
	    out);
}

static void
what_is_made_verifies(void **state)
{
	static const char *const encodings[] = { "", ".b64", ".HEX" };
	const char *name;

	(void)state;
	for (size_t i = 0; (name = password_scheme_at(i)) != NULL; i++) {
		struct buf out = { 0 }, scheme = { 0 };

		buf_addf(&scheme, "%s%s", name, encodings[i % 3]);
		if (strcmp(name, "ARGON2") == 0)
			assert_int_equal(make(name, "", 0, &out),
			    ERR_NOTFOUND);
		else if (make(buf_cstr(&scheme), "anna@example.org", 0, &out) !=
		    ERR_OK || verify(buf_cstr(&out), "pa ss") != ERR_OK ||
		    verify(buf_cstr(&out), "pass") != ERR_AUTH)
			fail_msg("%s: %s", buf_cstr(&scheme), buf_cstr(&out));
		buf_clear(&out);
		buf_clear(&scheme);
	}
}

static void
what_cannot_be_made_is_refused(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(make("nothing", "", 0, &out), ERR_NOTFOUND);
	assert_int_equal(make("SHA1.rot13", "", 0, &out), ERR_NOTFOUND);
	assert_int_equal(make("DIGEST-MD5", "", 0, &out), ERR_CANNOT);
	assert_int_equal(make("BLF-CRYPT", "", 99, &out), ERR_CANNOT);
	assert_int_equal(make("SCRAM-SHA-256", "", 9, &out), ERR_CANNOT);
	assert_int_equal(password_make("CRYPT", SPAN(""), SPAN("a\0b"), 0,
	    &out), ERR_CANNOT);
	assert_int_equal(out.n, 0);
	assert_int_equal(make("SHA512-CRYPT", "", 2000, &out), ERR_OK);
	assert_true(span_starts(buf_span(&out),
	    SPAN("{SHA512-CRYPT}$6$rounds=2000$")));
	buf_clear(&out);
}

static void
weak_schemes_are_those_of_md_and_des(void **state)
{
	static const char *const weak[] = {
		"MD5", "MD5-CRYPT", "DES-CRYPT", "SMD5", "PLAIN-MD4",
		"PLAIN-MD5", "LDAP-MD5",
	};
	const char *name;

	(void)state;
	for (size_t i = 0; (name = password_scheme_at(i)) != NULL; i++) {
		bool is_weak = false;

		for (size_t k = 0; k < sizeof(weak) / sizeof(*weak); k++)
			is_weak |= strcmp(weak[k], name) == 0;
		if (password_is_weak(SPAN("x"), name) != is_weak)
			fail_msg("%s", name);
	}
	assert_true(password_is_weak(SPAN("{smd5.hex}00"), "CRYPT"));
	assert_false(password_is_weak(SPAN("{none}00"), "MD5"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_password_matches),
		cmocka_unit_test(no_other_password_matches),
		cmocka_unit_test(malformed_forms_are_said_to_be),
		cmocka_unit_test(the_default_scheme_is_for_what_has_none),
		cmocka_unit_test(what_dovecot_made_matches),
		cmocka_unit_test(what_is_made_verifies),
		cmocka_unit_test(what_cannot_be_made_is_refused),
		cmocka_unit_test(weak_schemes_are_those_of_md_and_des),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
