/* Growable bytes with a bound. */
#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define assert_holds(b, text) \
	assert_true(span_eq(buf_span(b), span_of(text)))

static void
pieces_follow_each_other(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(buf_span(&b).n, 0);
	buf_add(&b, NULL, 0);
	buf_adds(&b, "ab");
	buf_addc(&b, 'c');
	buf_add_span(&b, SPAN("de"));
	buf_add_span(&b, SPAN_NONE);
	buf_addf(&b, "-%d-%s", 7, "x");
	assert_holds(&b, "abcde-7-x");
	assert_string_equal(buf_cstr(&b), "abcde-7-x");
	assert_int_equal(b.n, 9);
	buf_drop(&b, 5);
	assert_holds(&b, "-7-x");
	buf_drop(&b, 100);
	assert_holds(&b, "");
	assert_string_equal(buf_cstr(&b), "");
	buf_clear(&b);
	assert_null(b.p);
	assert_string_equal(buf_cstr(&b), "");
	buf_clear(&b);
}

static void
long_text_grows(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_addf(&b, "%05d", i);
	assert_int_equal(b.n, 500000);
	assert_memory_equal(b.p + 5 * 54321, "54321", 5);
	assert_true(b.cap < 4 * b.n);
	buf_clear(&b);
}

static void
the_bound_cuts_and_is_remembered(void **state)
{
	struct buf b = { .max = 5 };

	(void)state;
	buf_adds(&b, "abc");
	assert_false(b.over);
	buf_adds(&b, "def");
	assert_true(b.over);
	assert_holds(&b, "abcde");
	/* Nothing more, even what would fit. */
	buf_drop(&b, 3);
	buf_addc(&b, 'z');
	buf_addf(&b, "%d", 1);
	buf_add_u64(&b, 1);
	assert_holds(&b, "de");
	buf_reset(&b);
	assert_false(b.over);
	buf_addf(&b, "%s", "12345");
	assert_false(b.over);
	assert_string_equal(buf_cstr(&b), "12345");
	buf_reset(&b);
	buf_addf(&b, "%s", "1234567");
	assert_true(b.over);
	assert_holds(&b, "12345");
	buf_clear(&b);
}

static void
reserved_room_can_be_written(void **state)
{
	struct buf b = { .max = 1000 };
	char *p = buf_reserve(&b, 600);

	(void)state;
	assert_non_null(p);
	assert_int_equal(b.n, 0);
	memset(p, 'x', 600);
	b.n += 600;
	assert_null(buf_reserve(&b, 401));
	assert_true(b.over);
	buf_reset(&b);
	assert_non_null(buf_reserve(&b, 1000));
	assert_false(b.over);
	buf_clear(&b);
}

static void
numbers_are_as_printf_writes_them(void **state)
{
	static const uint64_t v[] = { 0, 1, 9, 10, 4294967295, 4294967296,
		UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		struct buf b = { 0 };
		char want[32];

		snprintf(want, sizeof(want), "%llu", (unsigned long long)v[i]);
		buf_add_u64(&b, v[i]);
		assert_string_equal(buf_cstr(&b), want);
		buf_clear(&b);
	}
}

static void
a_secret_is_wiped_by_reset(void **state)
{
	struct buf b = { .secret = true };

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_adds(&b, "hunter2");
	assert_int_equal(b.n, 700);
	assert_memory_equal(b.p + 693, "hunter2", 7);
	buf_reset(&b);
	for (size_t i = 0; i < b.cap; i++)
		assert_int_equal(b.p[i], 0);
	buf_clear(&b);
}

static void
line_ends_become_lf(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_drop_cr(&b);
	assert_int_equal(b.n, 0);
	buf_adds(&b, "\r\na\rb\r\r\n\n\r");
	buf_drop_cr(&b);
	assert_string_equal(buf_cstr(&b), "\na\rb\r\n\n\r");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_follow_each_other),
		cmocka_unit_test(long_text_grows),
		cmocka_unit_test(the_bound_cuts_and_is_remembered),
		cmocka_unit_test(reserved_room_can_be_written),
		cmocka_unit_test(numbers_are_as_printf_writes_them),
		cmocka_unit_test(line_ends_become_lf),
		cmocka_unit_test(a_secret_is_wiped_by_reset),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
