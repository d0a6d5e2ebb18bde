/* Folding and substring search. */
#include "common/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <utf8proc.h>

#include <cmocka.h>

static struct span
fold(const char *text, struct buf *b)
{
	buf_reset(b);
	fold_utf8(span_of(text), b);
	return buf_span(b);
}

static void
assert_same(const char *x, const char *y)
{
	struct buf a = { 0 }, b = { 0 };

	if (!span_eq(fold(x, &a), fold(y, &b)))
		fail_msg("%s is %s, but %s is %s", x, buf_cstr(&a), y,
		    buf_cstr(&b));
	buf_clear(&a);
	buf_clear(&b);
}

static void
case_does_not_matter(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_true(span_eq(fold("Hello, WORLD [@`{] 09 AZaz", &b),
	    SPAN("hello, world [@`{] 09 azaz")));
	buf_clear(&b);
	assert_same("\xc3\x84PFEL", "\xc3\xa4pfel");
	assert_same("STRASSE", "stra\xc3\x9f" "e");
	assert_same("\xd0\x9f\xd0\xa0\xd0\x98", "\xd0\xbf\xd1\x80\xd0\xb8");
	assert_same("\xce\xa3\xce\xa3", "\xcf\x83\xcf\x82");
	/* U+10400, U+10428 */
	assert_same("\xf0\x90\x90\x80", "\xf0\x90\x90\xa8");
}

static void
composed_and_decomposed_are_the_same(void **state)
{
	(void)state;
	assert_same("caf\xc3\xa9", "cafe\xcc\x81");
	assert_same("CAF\xc3\x89", "cafe\xcc\x81");
	/* Hangul */
	assert_same("\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab");
	/* Marks in another order: dot below, acute. */
	assert_same("\xc3\xa9\xcc\xa3", "e\xcc\xa3\xcc\x81");
	assert_same("e\xcc\x81\xcc\xa3", "\xe1\xba\xb9\xcc\x81");
	/* Of one class the order stays: acute, grave. */
	struct buf a = { 0 }, b = { 0 };
	assert_false(span_eq(fold("e\xcc\x81\xcc\x80", &a),
	    fold("e\xcc\x80\xcc\x81", &b)));
	buf_clear(&a);
	buf_clear(&b);
	/* Compatibility: fullwidth, ligature, no-break space. */
	assert_same("\xef\xbc\xa1\xef\xac\x81\xc2\xa0x", "afi x");
}

static void
invalid_bytes_stay(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_true(span_eq(fold("A\xff\xc3(\xe2\x82X\xed\xa0\x80", &b),
	    SPAN("a\xff\xc3(\xe2\x82x\xed\xa0\x80")));
	assert_true(span_eq(fold("A\xc3", &b), SPAN("a\xc3")));
	assert_int_equal(fold("", &b).n, 0);
	buf_clear(&b);
}

/* The shortcuts against utf8proc, for each character in five surroundings. */
static void
every_character_folds_as_utf8proc_says(void **state)
{
	static const char *const around[] = { "", "\xcc\x81", "\xcc\xa3",
		"\xcc\x81\xcc\xa3z", "\xe3\x82\x99" };
	struct buf mine = { 0 };

	(void)state;
	for (utf8proc_int32_t c = 1; c < 0x20000; c++) {
		/* Starters that decompose to marks: left in place. */
		if ((c >= 0xD800 && c <= 0xDFFF) || c == 0xF73 || c == 0xF75 ||
		    c == 0xF81)
			continue;
		for (size_t i = 0; i < 5; i++) {
			utf8proc_uint8_t text[16] = { 'E', 0 };
			utf8proc_uint8_t *want;
			utf8proc_ssize_t n = 1 +
			    utf8proc_encode_char(c, text + 1);

			memcpy(text + n, around[i], strlen(around[i]) + 1);
			n = utf8proc_map(text, 0, &want, UTF8PROC_NULLTERM |
			    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT |
			    UTF8PROC_CASEFOLD);
			assert_true(n > 0);
			fold((char *)text, &mine);
			if (!span_eq(buf_span(&mine),
			    span_of((char *)want)))
				fail_msg("U+%04X, %zu: %s, not %s",
				    (unsigned)c, i, buf_cstr(&mine), want);
			free(want);
		}
	}
	buf_clear(&mine);
}

static void
long_text_is_folded_whole(void **state)
{
	struct buf text = { 0 }, folded = { 0 }, cut = { .max = 777 };
	size_t cuts[] = { 4090, 4095, 4096, 4097, 9000 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		buf_reset(&text);
		buf_reset(&folded);
		while (text.n < cuts[i])
			buf_addc(&text, 'X');
		for (int k = 0; k < 5000; k++)
			buf_adds(&text, "\xc3\x84Y");
		fold_utf8(buf_span(&text), &folded);
		assert_int_equal(folded.n, cuts[i] + 5000 * 4);
		assert_memory_equal(folded.p + folded.n - 8,
		    "a\xcc\x88ya\xcc\x88y", 8);
	}
	fold_utf8(buf_span(&text), &cut);
	assert_true(cut.over);
	assert_int_equal(cut.n, 777);
	/* No end of marks: bounded, and nothing is lost. */
	buf_reset(&text);
	buf_reset(&folded);
	for (int k = 0; k < 10000; k++)
		buf_adds(&text, "\xcc\x81");
	fold_utf8(buf_span(&text), &folded);
	assert_int_equal(folded.n, 20000);
	buf_clear(&text);
	buf_clear(&folded);
	buf_clear(&cut);
}

static void
a_needle_is_found(void **state)
{
	(void)state;
	assert_true(fold_contains(SPAN("abc"), SPAN("")));
	assert_true(fold_contains(SPAN_NONE, SPAN("")));
	assert_true(fold_contains(SPAN("abc"), SPAN("bc")));
	assert_true(fold_contains(SPAN("abc"), SPAN("abc")));
	assert_false(fold_contains(SPAN("abc"), SPAN("abcd")));
	assert_false(fold_contains(SPAN("abc"), SPAN("ac")));
	assert_false(fold_contains(SPAN_NONE, SPAN("a")));
	assert_true(fold_contains((struct span){ "a\0b", 3 }, SPAN("b")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_does_not_matter),
		cmocka_unit_test(composed_and_decomposed_are_the_same),
		cmocka_unit_test(invalid_bytes_stay),
		cmocka_unit_test(every_character_folds_as_utf8proc_says),
		cmocka_unit_test(long_text_is_folded_whole),
		cmocka_unit_test(a_needle_is_found),
	};

	return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
