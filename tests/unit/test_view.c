/* Sequence numbers as the client knows them. */
#include "worker/view.h"

#include "worker/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
fill(struct view *v, const uint32_t *uids, size_t n)
{
	uint32_t *copy = malloc(n * sizeof(*copy) + 1);

	memcpy(copy, uids, n * sizeof(*copy));
	*v = (struct view){ 0 };
	view_set(v, copy, n);
}

static void
numbers_follow_uids(void **state)
{
	static const uint32_t uids[] = { 3, 5, 9, 4000000000 };
	struct view v;

	(void)state;
	fill(&v, uids, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(view_seq(&v, uids[i]), i + 1);
	assert_int_equal(view_seq(&v, 1), 0);
	assert_int_equal(view_seq(&v, 4), 0);
	assert_int_equal(view_seq(&v, UINT32_MAX), 0);
	view_add(&v, 4000000001);
	assert_int_equal(view_seq(&v, 4000000001), 5);
	view_remove(&v, 2);
	assert_int_equal(view_seq(&v, 5), 0);
	assert_int_equal(view_seq(&v, 9), 2);
	assert_int_equal(v.n, 4);
	view_clear(&v);
	assert_int_equal(view_seq(&v, 3), 0);
}

static void
added_uids_grow_the_view(void **state)
{
	struct view v = { 0 };

	(void)state;
	for (uint32_t uid = 1; uid <= 10000; uid++)
		view_add(&v, uid * 2);
	assert_int_equal(v.n, 10000);
	assert_int_equal(view_seq(&v, 20000), 10000);
	view_clear(&v);
}

/* What another session claimed in between is not recent to this one. */
static void
recent_is_what_was_claimed(void **state)
{
	static const uint32_t uids[] = { 3, 5, 9, 12, 13, 20 };
	struct view v;

	(void)state;
	fill(&v, uids, 6);
	assert_int_equal(view_count_recent(&v), 0);
	assert_false(view_is_recent(&v, 3));
	view_add_recent(&v, 21, 21);
	assert_int_equal(v.n_recent, 0);
	view_add_recent(&v, 5, 10);
	view_add_recent(&v, 13, 20);
	assert_int_equal(view_count_recent(&v), 3);
	view_add_recent(&v, 20, 22);
	assert_int_equal(v.n_recent, 2);
	assert_int_equal(view_count_recent(&v), 4);
	for (uint32_t uid = 1; uid < 25; uid++)
		assert_int_equal(view_is_recent(&v, uid),
		    (uid >= 5 && uid < 10) || (uid >= 13 && uid < 22));
	view_clear(&v);
}

/* RFC 2180 4.1.1: messages 4 to 7 go as "4 EXPUNGE", four times. */
static void
expunges_are_numbered_as_they_are_told(void **state)
{
	static const uint32_t uids[] = { 1, 2, 3, 4, 5, 6, 7 };
	static const uint32_t tail[] = { 4, 5, 6, 7, 8 }, mixed[] = { 1, 3, 7 };
	uint32_t told[5];
	struct view v;

	(void)state;
	fill(&v, uids, 7);
	assert_int_equal(view_remove_uids(&v, tail, 5, told), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(told[i], 4);
	assert_int_equal(v.n, 3);
	view_clear(&v);

	fill(&v, uids, 7);
	assert_int_equal(view_remove_uids(&v, mixed, 3, told), 3);
	assert_int_equal(told[0], 1);
	assert_int_equal(told[1], 2);
	assert_int_equal(told[2], 5);
	assert_int_equal(v.n, 4);
	assert_int_equal(v.uids[0], 2);
	assert_int_equal(v.uids[3], 6);
	/* What is not there any more is not told again. */
	assert_int_equal(view_remove_uids(&v, mixed, 3, told), 0);
	assert_int_equal(v.n, 4);
	view_clear(&v);
	assert_int_equal(view_remove_uids(&v, mixed, 3, told), 0);
}

static void
removal_agrees_with_one_by_one(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 200; seed++) {
		uint32_t uids[40], gone[40], told[40];
		struct view a, b;
		size_t n = 0, g = 0, k;

		srand(seed);
		for (uint32_t uid = 1; uid < 60 && n < 40; uid++) {
			if (rand() % 2)
				uids[n++] = uid;
			if (rand() % 3 == 0 && g < 40)
				gone[g++] = uid;
		}
		fill(&a, uids, n);
		fill(&b, uids, n);
		k = view_remove_uids(&a, gone, g, told);
		for (size_t i = 0; i < k; i++)
			view_remove(&b, told[i]);
		assert_int_equal(a.n, b.n);
		assert_memory_equal(a.uids, b.uids, a.n * sizeof(*a.uids));
		for (size_t i = 0; i < g; i++)
			assert_int_equal(view_seq(&a, gone[i]), 0);
		view_clear(&a);
		view_clear(&b);
	}
}

/* Reads "text" and gives the UIDs as "1,2,3", or "BAD". */
static const char *
named(const struct view *v, const char *text, bool by_uid)
{
	static char out[200];
	struct arena a = { 0 };
	struct cursor in = { .text = span_of(text), .arena = &a };
	uint32_t *uids;
	size_t n, at = 0;

	out[0] = '\0';
	if (view_read(v, &in, by_uid, &uids, &n) != ERR_OK) {
		assert_non_null(in.problem);
		strcpy(out, "BAD");
	} else {
		for (size_t i = 0; i < n; i++)
			at += (size_t)snprintf(out + at, sizeof(out) - at,
			    "%s%u", i ? "," : "", uids[i]);
	}
	arena_free(&a);
	return out;
}

static void
sets_name_messages(void **state)
{
	static const uint32_t uids[] = { 3, 5, 9, 20 };
	struct view v;

	(void)state;
	fill(&v, uids, 4);
	assert_string_equal(named(&v, "1", false), "3");
	assert_string_equal(named(&v, "2:3", false), "5,9");
	assert_string_equal(named(&v, "3:2", false), "5,9");
	assert_string_equal(named(&v, "*", false), "20");
	assert_string_equal(named(&v, "3:*,1", false), "3,9,20");
	assert_string_equal(named(&v, "1:2,2:3,1", false), "3,5,9");
	assert_string_equal(named(&v, "5", false), "BAD");
	assert_string_equal(named(&v, "1:5", false), "BAD");
	assert_string_equal(named(&v, "0", false), "BAD");
	assert_string_equal(named(&v, "1,", false), "BAD");
	/* By UID: what is not there is skipped (RFC 3501 6.4.8). */
	assert_string_equal(named(&v, "1:4", true), "3");
	assert_string_equal(named(&v, "5,9", true), "5,9");
	assert_string_equal(named(&v, "6:8,100", true), "");
	/* "*" is the last message even when the range begins above it. */
	assert_string_equal(named(&v, "559:*", true), "20");
	assert_string_equal(named(&v, "*:10", true), "20");
	assert_string_equal(named(&v, "1:4294967295", true), "3,5,9,20");
	view_clear(&v);
}

static void
an_empty_mailbox_has_no_numbers(void **state)
{
	struct view v = { 0 };

	(void)state;
	assert_string_equal(named(&v, "1", false), "BAD");
	assert_string_equal(named(&v, "1:3", false), "BAD");
	assert_string_equal(named(&v, "1:*", false), "");
	assert_string_equal(named(&v, "*", false), "");
	assert_string_equal(named(&v, "1:*", true), "");
	assert_string_equal(named(&v, "7", true), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_follow_uids),
		cmocka_unit_test(added_uids_grow_the_view),
		cmocka_unit_test(recent_is_what_was_claimed),
		cmocka_unit_test(expunges_are_numbered_as_they_are_told),
		cmocka_unit_test(removal_agrees_with_one_by_one),
		cmocka_unit_test(sets_name_messages),
		cmocka_unit_test(an_empty_mailbox_has_no_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
