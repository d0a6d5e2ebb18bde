/* What workers count, and sums of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/metrics.h"

static const char *
name_of(size_t row)
{
	static const char *const names[] = { "NOOP", "FETCH" };

	return row < 2 ? names[row] : NULL;
}

static void
durations_fall_into_their_buckets(void **state)
{
	static struct metrics_slot slot;
	struct metrics_sum sum = { 0 };
	struct metrics_record *r;

	(void)state;
	metrics_command(1, 1, REPLY_OK);	/* nowhere yet */
	metrics_set_slot(&slot);
	metrics_command(1, 0, REPLY_OK);
	metrics_command(1, 100, REPLY_OK);	/* a bound is within */
	metrics_command(1, 101, REPLY_NO);
	metrics_command(1, 10000001, REPLY_BAD);
	metrics_command(METRICS_COMMANDS, 1, REPLY_OK);
	metrics_set_slot(NULL);
	metrics_add_slot(&sum, &slot, name_of);
	r = metrics_find(&sum, "FETCH");
	assert_int_equal(r->value[0], 2);
	assert_int_equal(r->value[1], 1);
	assert_int_equal(r->value[METRICS_BOUNDS], 1);
	assert_int_equal(r->value[METRICS_BOUNDS + 1 + REPLY_OK], 2);
	assert_int_equal(r->value[METRICS_BOUNDS + 1 + REPLY_NO], 1);
	assert_int_equal(r->value[METRICS_BOUNDS + 1 + REPLY_BAD], 1);
	assert_int_equal(r->value[METRICS_VALUES - 1], 10000202);
	/* what never ran is no line */
	assert_int_equal(sum.n, 2);
	for (size_t i = 1; i < METRICS_BOUNDS; i++)
		assert_true(metrics_bound_us[i - 1] < metrics_bound_us[i]);
}

static void
sums_add_up(void **state)
{
	static struct metrics_slot slot;
	struct metrics_sum a = { 0 }, b = { 0 };

	(void)state;
	metrics_set_slot(&slot);
	metrics_count(EVENT_STORED, 3);
	metrics_set_untold(7);
	metrics_set_untold(5);
	metrics_command(0, 1, REPLY_OK);
	metrics_set_slot(NULL);
	metrics_add_slot(&a, &slot, name_of);
	metrics_add_slot(&b, &slot, name_of);
	metrics_add(&a, &b);
	assert_int_equal(metrics_find(&a, METRICS_EVENTS)->value[EVENT_STORED],
	    6);
	assert_int_equal(metrics_find(&a, METRICS_EVENTS)->value[EVENT_UNTOLD],
	    10);
	assert_int_equal(metrics_find(&a, "NOOP")->value[0], 2);
}

static void
there_is_an_end_to_names(void **state)
{
	struct metrics_sum sum = { 0 };
	char name[20];

	(void)state;
	assert_null(metrics_find(&sum, "a-name-much-too-long"));
	for (int i = 0; i < METRICS_RECORDS; i++) {
		snprintf(name, sizeof(name), "C%d", i);
		assert_non_null(metrics_find(&sum, name));
	}
	assert_null(metrics_find(&sum, "another"));
	assert_non_null(metrics_find(&sum, "C0"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_fall_into_their_buckets),
		cmocka_unit_test(sums_add_up),
		cmocka_unit_test(there_is_an_end_to_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
