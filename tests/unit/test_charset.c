/* Any charset to UTF-8. */
#include "common/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FFFD "\xef\xbf\xbd"

static void
assert_converts(const char *charset, struct span text, const char *want)
{
	struct buf b = { 0 };

	charset_to_utf8(span_of(charset), text, &b);
	if (!span_eq(buf_span(&b), span_of(want)))
		fail_msg("%s gave %s, not %s", charset, buf_cstr(&b), want);
	buf_clear(&b);
}

static void
single_bytes_are_looked_up(void **state)
{
	(void)state;
	assert_converts("iso-8859-1", SPAN("caf\xe9"), "caf\xc3\xa9");
	assert_converts("ISO-8859-15", SPAN("\xa4 5"), "\xe2\x82\xac 5");
	assert_converts("windows-1252", SPAN("\x80\x93x\x94"),
	    "\xe2\x82\xac\xe2\x80\x9cx\xe2\x80\x9d");
	assert_converts("windows-1252", SPAN("\x81"), FFFD);
	assert_converts("koi8-r", SPAN("\xf0\xd2\xc9"),
	    "\xd0\x9f\xd1\x80\xd0\xb8");
	assert_converts("windows-1251", SPAN("\xcf\xf0\xe8"),
	    "\xd0\x9f\xd1\x80\xd0\xb8");
	assert_converts("ibm866", SPAN("\x8f"), "\xd0\x9f");
	assert_converts("macintosh", SPAN("\x8a"), "\xc3\xa4");
	assert_converts("tis-620", SPAN("\xa1"), "\xe0\xb8\x81");
	/* Held back by iconv for an accent that may follow. */
	assert_converts("windows-1255", SPAN("\xe0\xe9"),
	    "\xd7\x90\xd7\x99");
	assert_converts("windows-1258", SPAN("A"), "A");
	/* Not ASCII below 128. */
	assert_converts("viscii", SPAN("\x02"), "\xe1\xba\xb2");
	assert_converts("iso-8859-1", SPAN_NONE, "");
}


static void
nul_bytes_stay(void **state)
{
	struct buf b = { 0 };

	(void)state;
	charset_to_utf8(SPAN("iso-8859-1"), (struct span){ "a\0\xe9", 3 }, &b);
	assert_int_equal(b.n, 4);
	assert_memory_equal(b.p, "a\0\xc3\xa9", 4);
	buf_clear(&b);
}

static void
many_bytes_are_converted(void **state)
{
	(void)state;
	assert_converts("utf-8", SPAN("\xc3\xa9 \xe2\x82\xac"),
	    "\xc3\xa9 \xe2\x82\xac");
	assert_converts("utf-8", SPAN("a\xc3(\xff\xc3"),
	    "a" FFFD "(" FFFD FFFD);
	assert_converts("utf-7", SPAN("Hi Mom +Jjo--!"),
	    "Hi Mom \xe2\x98\xba-!");
	assert_converts("gb2312", SPAN("\xc4\xe3\xba\xc3"),
	    "\xe4\xbd\xa0\xe5\xa5\xbd");
	assert_converts("gbk", SPAN("\x81\x40"), "\xe4\xb8\x82");
	assert_converts("gb18030", SPAN("\x94\x39\xfc\x36\xa8\xa6"),
	    "\xf0\x9f\x98\x80\xc3\xa9");
	assert_converts("big5", SPAN("\xa7\x41\xa6\x6e"),
	    "\xe4\xbd\xa0\xe5\xa5\xbd");
	assert_converts("euc-jp", SPAN("\xc6\xfc\xcb\xdc"),
	    "\xe6\x97\xa5\xe6\x9c\xac");
	assert_converts("iso-2022-jp", SPAN("\x1b$BF|K\\\x1b(B!"),
	    "\xe6\x97\xa5\xe6\x9c\xac!");
	assert_converts("shift_jis", SPAN("\x93\xfa\x96\x7b \x87\x40"),
	    "\xe6\x97\xa5\xe6\x9c\xac \xe2\x91\xa0");
	assert_converts("euc-kr", SPAN("\xc7\xd1"), "\xed\x95\x9c");
	assert_converts("ks_c_5601-1987", SPAN("\x8c\x63"), "\xeb\x98\xa0");
	assert_converts("iso-2022-kr", SPAN("\x1b$)C\x0eGQ\x0f!"),
	    "\xed\x95\x9c!");
}

/* What one text leaves behind must not reach the next. */
static void
shift_states_do_not_leak(void **state)
{
	(void)state;
	assert_converts("iso-2022-jp", SPAN("\x1b$BF|"), "\xe6\x97\xa5");
	assert_converts("iso-2022-jp", SPAN("F|"), "F|");
}

static void
broken_text_is_marked_and_goes_on(void **state)
{
	(void)state;
	assert_converts("gb2312", SPAN("a\xc4"), "a" FFFD);
	assert_converts("euc-jp", SPAN("\xff\xff ok"), FFFD FFFD " ok");
	assert_converts("big5", SPAN("\xff ok"), FFFD " ok");
	assert_converts("iso-8859-7", SPAN("\xff ok"), FFFD " ok");
}

static void
utf16_and_utf32(void **state)
{
	(void)state;
	assert_converts("utf-16le", SPAN("\xe9\0\x3d\xd8\xec\xdc"),
	    "\xc3\xa9\xf0\x9f\x93\xac");
	assert_converts("utf-16be", SPAN("\0\xe9\xd8\x3d\xdc\xec"),
	    "\xc3\xa9\xf0\x9f\x93\xac");
	assert_converts("utf-16", SPAN("\xff\xfe\xe9\0"), "\xc3\xa9");
	assert_converts("utf-16", SPAN("\xfe\xff\0\xe9"), "\xc3\xa9");
	assert_converts("utf-16", SPAN("\0\xe9"), "\xc3\xa9");
	assert_converts("utf-16be", SPAN("\xd8\x3d\0a"), FFFD "a");
	assert_converts("utf-16be", SPAN("\xdc\xec\0a\0"), FFFD "a" FFFD);
	assert_converts("utf-16le", SPAN("\x3d\xd8"), FFFD);
	assert_converts("utf-32", SPAN("\0\0\0\xe9"), "\xc3\xa9");
	assert_converts("utf-32le", SPAN("\xec\xf4\1\0"), "\xf0\x9f\x93\xac");
	assert_converts("utf-32be", SPAN("\0\x11\0\0\0\0\xd8\0"), FFFD FFFD);
	assert_converts("utf-32", SPAN("\xff"), FFFD);
}

static void
names_are_known_however_they_are_written(void **state)
{
	static const char *const known[] = { "latin1", "LATIN1", "cp1252",
		"Windows-1252", "win_1251", "ks_c_5601-1987", "x-sjis",
		"us-ascii", "ANSI_X3.4-1968", "UTF8", "utf-8", "ISO8859-1",
		"iso_8859-1", "ISO_8859-1:1987", "iso-8859-8-i", "x-gbk",
		"CP936", "windows-31j", "iso-8859-1*en", "KOI8_U", "TIS-620",
		"x-mac-cyrillic", "unicode-1-1-utf-7", "GB_2312-80", "Big5" };
	static const char *const unknown[] = { "", "-", "x-", "x-unknown",
		"iso-8859-99", "8bit", "*", "../../x",
		"utf-8-and-a-name-that-is-too-long-to-fit-in-any-table-of-ours",
		"UTF-8//TRANSLIT", "iso-8859-12" };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!charset_is_known(span_of(known[i])))
			fail_msg("%s is not known", known[i]);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		if (charset_is_known(span_of(unknown[i])))
			fail_msg("%s is known", unknown[i]);
}

static void
unknown_charsets_are_guessed(void **state)
{
	static const char *const names[] = { "x-unknown", "us-ascii", "" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_converts(names[i], SPAN("caf\xc3\xa9"), "caf\xc3\xa9");
		assert_converts(names[i], SPAN("caf\xe9 \x80"),
		    "caf\xc3\xa9 \xe2\x82\xac");
	}
}

static void
every_name_listed_is_known(void **state)
{
	size_t n = 0;

	(void)state;
	for (const char *name; (name = charset_name(n)) != NULL; n++)
		assert_true(charset_is_known(span_of(name)));
	assert_in_range(n, 60, 200);
	assert_null(charset_name(n + 1000));
}

/* Valid UTF-8 whatever goes in, the whole of it, and the bound is kept. */
static void
any_bytes_give_valid_utf8(void **state)
{
	unsigned char bytes[5000];
	uint32_t v = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		v = v * 1103515245 + 12345;
		bytes[i] = (unsigned char)(v >> 16);
	}
	for (size_t i = 0; charset_name(i) != NULL; i++) {
		struct span name = span_of(charset_name(i));
		struct span text = { (char *)bytes, sizeof(bytes) };
		struct buf b = { 0 }, cut = { .max = 1001 };

		charset_to_utf8(name, text, &b);
		for (struct span s = buf_span(&b); s.n > 0;) {
			size_t n = span_utf8(s);

			if (n == 0)
				fail_msg("%s made bad UTF-8", name.p);
			s.p += n;
			s.n -= n;
		}
		assert_in_range(b.n, 1200, 3 * sizeof(bytes) + 3);
		charset_to_utf8(name, text, &cut);
		assert_true(cut.over);
		assert_int_equal(cut.n, 1001);
		assert_memory_equal(cut.p, b.p, 1001);
		buf_clear(&b);
		buf_clear(&cut);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_bytes_are_looked_up),
		cmocka_unit_test(nul_bytes_stay),
		cmocka_unit_test(many_bytes_are_converted),
		cmocka_unit_test(shift_states_do_not_leak),
		cmocka_unit_test(broken_text_is_marked_and_goes_on),
		cmocka_unit_test(utf16_and_utf32),
		cmocka_unit_test(names_are_known_however_they_are_written),
		cmocka_unit_test(unknown_charsets_are_guessed),
		cmocka_unit_test(every_name_listed_is_known),
		cmocka_unit_test(any_bytes_give_valid_utf8),
	};

	charset_init();
	return cmocka_run_group_tests_name("charset", tests, NULL, NULL);
}
