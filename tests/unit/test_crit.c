/* What the scoreboard is told about critical sections. */
#include "common/crit.h"
#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void
the_outermost_pair_counts_and_the_strictest_kind(void **state)
{
	struct crit_slot s = { 0 };
	uint64_t since;

	(void)state;
	crit_set_slot(&s);
	crit_enter(CRIT_LOCK);
	since = s.since_ms;
	assert_true(since != 0 && since <= clock_mono_ms());
	assert_int_equal(s.kind, CRIT_LOCK);
	assert_true(s.txn_since_ms == 0);
	crit_enter(CRIT_TXN);
	assert_true(s.txn_since_ms >= since);
	assert_int_equal(s.kind, CRIT_TXN);
	assert_true(s.since_ms == since);
	crit_enter(CRIT_LOCK);
	assert_int_equal(s.kind, CRIT_TXN);
	crit_leave(CRIT_TXN);
	assert_int_equal(s.kind, CRIT_LOCK);
	assert_true(s.txn_since_ms == 0);
	crit_leave(CRIT_LOCK);
	assert_true(s.since_ms == since);
	crit_leave(CRIT_LOCK);
	assert_int_equal(s.kind, CRIT_NONE);
	assert_true(s.since_ms == 0);
	crit_set_slot(NULL);
}

static void
without_a_slot_nothing_happens(void **state)
{
	(void)state;
	crit_enter(CRIT_TXN);
	crit_leave(CRIT_TXN);
}

static void
the_clock_can_be_set(void **state)
{
	uint64_t mono = clock_mono_ms();

	(void)state;
	clock_set(1234567890123456);
	assert_true(clock_us() == 1234567890123456);
	assert_int_equal(clock_s(), 1234567890);
	assert_true(clock_mono_ms() - mono < 10000);
	clock_set(0);
	assert_true(clock_us() > 1700000000000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_outermost_pair_counts_and_the_strictest_kind),
		cmocka_unit_test(without_a_slot_nothing_happens),
		cmocka_unit_test(the_clock_can_be_set),
	};

	return cmocka_run_group_tests_name("crit", tests, NULL, NULL);
}
