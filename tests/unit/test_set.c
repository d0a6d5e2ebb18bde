/* Sequence sets: read, resolved, asked, written. */
#include "worker/set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static struct set
parsed(const char *text)
{
	struct set s;

	assert_int_equal(set_parse(span_of(text), &arena, &s), ERR_OK);
	return s;
}

static int
clear(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void
assert_ranges(const struct set *s, const char *expected)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < s->n; i++)
		buf_addf(&b, "%s%u:%u", i > 0 ? "," : "", s->range[i].first,
		    s->range[i].last);
	assert_string_equal(buf_cstr(&b), expected);
	buf_clear(&b);
}

static void
a_set_is_read_as_it_stands(void **state)
{
	struct set s = parsed("5,3:1,4294967295");

	(void)state;
	assert_false(s.has_star);
	assert_ranges(&s, "5:5,1:3,4294967295:4294967295");
	s = parsed("*:4");
	assert_true(s.has_star);
	assert_ranges(&s, "4:4294967295");
}

static void
what_is_no_set_is_refused(void **state)
{
	static const char *const bad[] = { "", "0", "01", "1,", ",1", "1:",
	    ":1", "1:2:3", "4294967296", "99999999999999999999", "1 2", "a",
	    "**", "1*", "-1", "1:0" };
	struct set s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(set_parse(span_of(bad[i]), &arena, &s),
		    ERR_SYNTAX);
}

static void
more_than_a_million_ranges_are_a_limit(void **state)
{
	size_t n = 2 * 1000000 + 1;
	char *text = malloc(n);
	struct set s;

	(void)state;
	for (size_t i = 0; i < n; i++)
		text[i] = i % 2 == 0 ? '7' : ',';
	assert_int_equal(set_parse((struct span){ text, n - 2 }, &arena, &s),
	    ERR_OK);
	assert_int_equal(s.n, 1000000);
	set_resolve(&s, 10);
	assert_ranges(&s, "7:7");
	assert_int_equal(set_parse((struct span){ text, n }, &arena, &s),
	    ERR_LIMIT);
	free(text);
}

static void
resolving_sorts_and_merges(void **state)
{
	static const struct {
		const char *text;
		uint32_t largest;
		const char *expected;
	} cases[] = {
		{ "9:*", 5, "5:9" },
		{ "*", 5, "5:5" },
		{ "*:*", 5, "5:5" },
		{ "2:*", 5, "2:5" },
		{ "1:4294967295", 5, "1:4294967295" },
		{ "5,3,4,1", 9, "1:1,3:5" },
		{ "1:10,2:3,11,20", 9, "1:11,20:20" },
		{ "4294967295,4294967294", 9, "4294967294:4294967295" },
		{ "1:4294967295,7", 9, "1:4294967295" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct set s = parsed(cases[i].text);

		set_resolve(&s, cases[i].largest);
		assert_false(s.has_star);
		assert_ranges(&s, cases[i].expected);
	}
}

static void
membership_is_found_at_the_edges(void **state)
{
	struct set s = parsed("10:20,30,40:50"), none = { 0 };

	(void)state;
	set_resolve(&s, 100);
	assert_true(set_has(&s, 10) && set_has(&s, 20) && set_has(&s, 30) &&
	    set_has(&s, 45) && set_has(&s, 50));
	assert_false(set_has(&s, 9) || set_has(&s, 21) || set_has(&s, 29) ||
	    set_has(&s, 31) || set_has(&s, 39) || set_has(&s, 51));
	assert_false(set_has(&none, 1));
}

static void
numbers_are_written_with_ranges(void **state)
{
	static const uint32_t some[] = { 1, 2, 3, 5, 7, 8, 4294967294,
	    4294967295 };
	struct buf b = { 0 };

	(void)state;
	set_write(some, sizeof(some) / sizeof(*some), &b);
	assert_string_equal(buf_cstr(&b), "1:3,5,7:8,4294967294:4294967295");
	buf_reset(&b);
	set_write(some, 0, &b);
	assert_int_equal(b.n, 0);
	buf_clear(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_set_is_read_as_it_stands, clear),
		cmocka_unit_test_teardown(what_is_no_set_is_refused, clear),
		cmocka_unit_test_teardown(
		    more_than_a_million_ranges_are_a_limit, clear),
		cmocka_unit_test_teardown(resolving_sorts_and_merges, clear),
		cmocka_unit_test_teardown(membership_is_found_at_the_edges,
		    clear),
		cmocka_unit_test_teardown(numbers_are_written_with_ranges,
		    clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
