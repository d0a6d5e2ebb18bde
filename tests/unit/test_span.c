/* Text that owns nothing. */
#include "common/span.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
equal_is_by_bytes_or_by_letters(void **state)
{
	(void)state;
	assert_true(span_eq(SPAN("abc"), SPAN("abc")));
	assert_false(span_eq(SPAN("abc"), SPAN("abC")));
	assert_false(span_eq(SPAN("abc"), SPAN("ab")));
	assert_true(span_eq(SPAN_NONE, SPAN("")));
	assert_true(span_ieq(SPAN("InBox[@`{"), SPAN("iNBOX[@`{")));
	/* Not letters, though they differ in the bit of the case only. */
	assert_false(span_ieq(SPAN("@"), SPAN("`")));
	assert_false(span_ieq(SPAN("["), SPAN("{")));
	assert_false(span_ieq(SPAN("\xc4"), SPAN("\xe4")));
}

static void
order_is_of_unsigned_bytes_then_length(void **state)
{
	(void)state;
	assert_int_equal(span_cmp(SPAN("a"), SPAN("a")), 0);
	assert_true(span_cmp(SPAN("a"), SPAN("ab")) < 0);
	assert_true(span_cmp(SPAN("b"), SPAN("ab")) > 0);
	assert_true(span_cmp(SPAN("\xff"), SPAN("a")) > 0);
	assert_true(span_cmp(SPAN_NONE, SPAN("a")) < 0);
	assert_int_equal(span_cmp(SPAN_NONE, SPAN("")), 0);
}

static void
beginnings_and_ends(void **state)
{
	(void)state;
	assert_true(span_starts(SPAN("abc"), SPAN("ab")));
	assert_true(span_starts(SPAN("abc"), SPAN("")));
	assert_false(span_starts(SPAN("ab"), SPAN("abc")));
	assert_false(span_starts(SPAN("abc"), SPAN("AB")));
	assert_true(span_istarts(SPAN("abc"), SPAN("AB")));
	assert_true(span_ends(SPAN("abc"), SPAN("bc")));
	assert_true(span_ends(SPAN_NONE, SPAN("")));
	assert_false(span_ends(SPAN("abc"), SPAN("ab")));
	assert_false(span_ends(SPAN("c"), SPAN("bc")));
}

static void
trim_takes_blanks_at_both_ends_only(void **state)
{
	(void)state;
	assert_true(span_eq(span_trim(SPAN(" \t\r\na b\v \r\n")),
	    SPAN("a b\v")));
	assert_int_equal(span_trim(SPAN(" \r\n\t ")).n, 0);
	assert_int_equal(span_trim(SPAN_NONE).n, 0);
}

static void
cut_gives_each_word(void **state)
{
	struct span s = SPAN("a,,b,");
	const char *want[] = { "a", "", "b", "" };
	size_t n = 0;

	(void)state;
	while (s.p != NULL) {
		struct span w = span_cut(&s, ',');

		assert_true(n < 4);
		assert_true(span_eq(w, span_of(want[n++])));
	}
	assert_int_equal(n, 4);
	assert_int_equal(span_find(SPAN("abc"), 'c'), 2);
	assert_int_equal(span_find(SPAN("abc"), 'd'), 3);
	assert_int_equal(span_find(SPAN_NONE, 'd'), 0);
}

static void
numbers_fill_the_span_and_keep_to_the_bound(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "1a",
		"18446744073709551616", "99999999999999999999", "0x1", "/",
		":" };
	uint64_t v = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (span_to_u64(span_of(bad[i]), UINT64_MAX, &v))
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(v, 7);
	assert_true(span_to_u64(SPAN("18446744073709551615"), UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_true(span_to_u64(SPAN("0000000000000000000000009"), 9, &v));
	assert_int_equal(v, 9);
	assert_false(span_to_u64(SPAN("10"), 9, &v));
	assert_false(span_to_u64(SPAN("4294967296"), UINT32_MAX, &v));
	assert_true(span_to_u64(SPAN("0"), 0, &v));
	assert_int_equal(v, 0);
}

static void
signed_numbers_are_taken_off_the_front(void **state)
{
	static const struct {
		const char *text, *rest;
		int64_t number;
	} good[] = {
		{ "7", "", 7 }, { "-7 x", " x", -7 }, { "+7%", "%", 7 },
		{ "9223372036854775807", "", INT64_MAX },
		{ "-9223372036854775807-", "-", -INT64_MAX },
	};
	static const char *const bad[] = { "", "-", "+-1", " 1", "x",
		"9223372036854775808" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct span s = span_of(good[i].text);
		int64_t n = 0;

		assert_true(span_take_i64(&s, &n));
		assert_true(n == good[i].number);
		assert_true(span_eq(s, span_of(good[i].rest)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct span s = span_of(bad[i]);
		int64_t n = 5;

		assert_false(span_take_i64(&s, &n));
		assert_true(n == 5);
	}
}

static void
utf8_sequences_are_of_the_one_valid_form(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} cases[] = {
		{ "a", 1 }, { "\xc2\x80", 2 }, { "\xdf\xbf", 2 },
		{ "\xe0\xa0\x80", 3 }, { "\xed\x9f\xbf", 3 },
		{ "\xee\x80\x80", 3 }, { "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 }, { "\xc3\xa9tail", 2 },
		/* longer than needed, surrogates, too large, cut, no lead */
		{ "\xc0\x80", 0 }, { "\xc1\xbf", 0 }, { "\xe0\x9f\xbf", 0 },
		{ "\xf0\x8f\xbf\xbf", 0 }, { "\xed\xa0\x80", 0 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 },
		{ "\xe2\x82", 0 }, { "\xf0\x9f\x98", 0 }, { "\xc3", 0 },
		{ "\x80", 0 }, { "\xc3(", 0 }, { "\xff", 0 }, { "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (span_utf8(span_of(cases[i].text)) != cases[i].n)
			fail_msg("case %zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_is_by_bytes_or_by_letters),
		cmocka_unit_test(order_is_of_unsigned_bytes_then_length),
		cmocka_unit_test(beginnings_and_ends),
		cmocka_unit_test(trim_takes_blanks_at_both_ends_only),
		cmocka_unit_test(cut_gives_each_word),
		cmocka_unit_test(numbers_fill_the_span_and_keep_to_the_bound),
		cmocka_unit_test(signed_numbers_are_taken_off_the_front),
		cmocka_unit_test(utf8_sequences_are_of_the_one_valid_form),
	};

	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
