/* Modified UTF-7 and the validity of UTF-8. */
#include "common/utf7.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
names_have_one_form_both_ways(void **state)
{
	static const struct {
		const char *utf8, *utf7;
	} cases[] = {
		{ "", "" }, { "INBOX", "INBOX" }, { "&", "&-" },
		{ "a&b", "a&-b" }, { "&&", "&-&-" }, { "a+b~\\/", "a+b~\\/" },
		{ "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
		/* RFC 3501 5.1.3 */
		{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
		    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		    "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
		{ "\xc3\xa9&\xc3\xa9", "&AOk-&-&AOk-" },
		{ "\xf0\x9f\x93\xac", "&2D3c7A-" },
		{ "\xc3\xa9\xc3\xa9\xc3\xa9", "&AOkA6QDp-" },
		{ "\xf4\x8f\xbf\xbd", "&2,,f,Q-" },
		{ "\xc2\xa0", "&AKA-" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = { 0 };

		assert_int_equal(utf7_from_utf8(span_of(cases[i].utf8), &b),
		    ERR_OK);
		assert_string_equal(buf_cstr(&b), cases[i].utf7);
		buf_reset(&b);
		assert_int_equal(utf7_to_utf8(span_of(cases[i].utf7), &b),
		    ERR_OK);
		assert_string_equal(buf_cstr(&b), cases[i].utf8);
		buf_clear(&b);
	}
}

static void
other_forms_are_refused(void **state)
{
	static const char *const bad[] = {
		"&", "a&", "&AOk", "&AOk\xc3-", "&AO-", "&A-",
		"&AGE-",		/* "a", printable */
		"&ACY-",		/* "&", printable */
		"&AOk-&AOk-",		/* two runs for one */
		"&AOl-",		/* bits left over that are not zero */
		"&AOkA-",		/* a whole character left over */
		"&AAA-", "&AAk-", "&AH8-", "&AIU-",	/* controls */
		"&2D0-",		/* half a pair */
		"&3Kw-", "&3KzYPQ-",	/* low without high */
		"&2D0AYQ-",		/* high without low */
		"\xc3\xa9", "a\x7f", "a\n", "\x01", "&AO k-", "&AOk=-",
		"&U/BTFw-",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct buf b = { 0 };

		if (utf7_to_utf8(span_of(bad[i]), &b) != ERR_SYNTAX)
			fail_msg("%s was taken", bad[i]);
		buf_clear(&b);
	}
}

static void
bad_utf8_and_controls_are_refused(void **state)
{
	static const char *const bad[] = { "\xc3", "a\xff", "\xed\xa0\x80",
		"\xc0\xaf", "\n", "a\x7f", "\xc2\x85", "\x1f" };
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (utf7_from_utf8(span_of(bad[i]), &b) != ERR_SYNTAX)
			fail_msg("case %zu was taken", i);
	assert_int_equal(utf7_from_utf8((struct span){ "a\0b", 3 }, &b),
	    ERR_SYNTAX);
	buf_clear(&b);
}

static void
every_character_comes_back(void **state)
{
	(void)state;
	for (uint32_t c = 0xA0; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
		struct buf utf8 = { 0 }, utf7 = { 0 }, back = { 0 };

		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		buf_adds(&utf8, "x");
		if (c >= 0x10000)
			buf_addf(&utf8, "%c%c", 0xF0 | (int)(c >> 18),
			    0x80 | (int)(c >> 12 & 63));
		else if (c >= 0x800)
			buf_addc(&utf8, (char)(0xE0 | c >> 12));
		if (c >= 0x800)
			buf_addc(&utf8, (char)(0x80 | (c >> 6 & 63)));
		else
			buf_addc(&utf8, (char)(0xC0 | c >> 6));
		buf_addc(&utf8, (char)(0x80 | (c & 63)));
		assert_true(utf8_is_valid(buf_span(&utf8)));
		assert_int_equal(utf7_from_utf8(buf_span(&utf8), &utf7),
		    ERR_OK);
		assert_int_equal(utf7_to_utf8(buf_span(&utf7), &back), ERR_OK);
		assert_true(span_eq(buf_span(&utf8), buf_span(&back)));
		buf_clear(&utf8);
		buf_clear(&utf7);
		buf_clear(&back);
	}
}

static void
validity_is_seen_at_every_place(void **state)
{
	char text[40];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(utf8_is_valid(SPAN_NONE));
	for (size_t n = 0; n <= sizeof(text); n++)
		assert_true(utf8_is_valid((struct span){ text, n }));
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)0x80;
		assert_false(utf8_is_valid((struct span){ text,
		    sizeof(text) }));
		text[i] = 'a';
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_one_form_both_ways),
		cmocka_unit_test(other_forms_are_refused),
		cmocka_unit_test(bad_utf8_and_controls_are_refused),
		cmocka_unit_test(every_character_comes_back),
		cmocka_unit_test(validity_is_seen_at_every_place),
	};

	return cmocka_run_group_tests_name("utf7", tests, NULL, NULL);
}
