/* Private \Seen: the file of bits, and two sessions of one user. */
#include "maildir/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/account_fixture.h"
#include "maildir/flags.h"

static char name[] = "Team";
static struct folder folder = {
	.name = name, .uidvalidity = 7,
	.guid = "0123456789abcdef0123456789abcdef",
};

#define FILE_NAME "loft-seen/0123456789abcdef0123456789abcdef.7"

static int
setup(void **state)
{
	struct fixture *x = fixture_new();

	fixture_open(x, fixture_place());
	*state = x;
	return 0;
}

static struct seen *
opened(const struct fixture *x)
{
	struct seen *s;

	assert_int_equal(seen_open(x->acc, &folder, &s), ERR_OK);
	return s;
}

static void
set(struct seen *s, uint32_t uid, bool on)
{
	assert_int_equal(seen_set(s, &uid, 1, on, false), ERR_OK);
}

static bool
has(struct seen *s, uint32_t uid)
{
	uint32_t flags = seen_flags(s, uid, FLAG_SEEN | FLAG_DRAFT);

	assert_true(flags & FLAG_DRAFT);
	return (flags & FLAG_SEEN) != 0;
}

static void
bits_last_and_the_flag_does_not_count(void **state)
{
	static const uint32_t uids[] = { 1, 4090, 4096, 100000, 4294967294U };
	struct seen *s = opened(*state);

	for (size_t i = 0; i < 5; i++)
		assert_false(has(s, uids[i]));
	assert_int_equal(seen_set(s, uids, 5, true, true), ERR_OK);
	seen_close(&s);
	s = opened(*state);
	for (size_t i = 0; i < 5; i++) {
		assert_true(has(s, uids[i]));
		assert_false(has(s, uids[i] - 1));
	}
	set(s, 4096, false);
	seen_close(&s);
	s = opened(*state);
	assert_false(has(s, 4096));
	assert_true(has(s, 4090));
	seen_close(&s);
	assert_int_equal(seen_flags(NULL, 1, FLAG_SEEN), FLAG_SEEN);
}

static void
looks(struct fixture *x, struct seen *s, size_t n, uint32_t first)
{
	uint32_t *uids;
	size_t got;

	assert_int_equal(seen_look(s, &x->a, &uids, &got), ERR_OK);
	assert_int_equal(got, n);
	if (n > 0)
		assert_int_equal(uids[0], first);
}

static void
the_other_session_finds_what_changed(void **state)
{
	struct fixture *x = *state;
	struct seen *one = opened(x), *two = opened(x);

	looks(x, one, 0, 0);
	assert_false(has(one, 5));
	assert_false(has(one, 9000));
	set(two, 5, true);
	set(two, 9000, true);
	looks(x, two, 0, 0);
	looks(x, one, 2, 5);
	assert_true(has(one, 5));
	looks(x, one, 0, 0);
	/* Both change one byte: neither's is lost, each finds the other's. */
	set(one, 6, true);
	set(two, 7, true);
	assert_true(has(two, 7));
	looks(x, one, 1, 7);
	looks(x, two, 1, 6);
	looks(x, two, 0, 0);
	assert_true(has(two, 5) && has(two, 6) && has(two, 7));
	/* What was never asked for is nothing that anybody was told. */
	set(one, 50000, true);
	looks(x, two, 0, 0);
	assert_true(has(two, 50000));
	seen_close(&one);
	seen_close(&two);
}

static void
what_is_no_such_file_is_left_alone(void **state)
{
	struct fixture *x = *state;
	struct seen *s = opened(x);
	struct buf b = { 0 };

	set(s, 1, true);
	seen_close(&s);
	assert_int_equal(fs_replace(x->acc->control_fd, FILE_NAME,
	    SPAN("something else, and longer"), 0600, false), ERR_OK);
	assert_int_equal(seen_open(x->acc, &folder, &s), ERR_CORRUPT);
	assert_null(s);
	assert_int_equal(fs_read(x->acc->control_fd, FILE_NAME, 100, &b),
	    ERR_OK);
	assert_string_equal(buf_cstr(&b), "something else, and longer");
	buf_clear(&b);
	/* Its maker died at once. */
	assert_int_equal(fs_replace(x->acc->control_fd, FILE_NAME, SPAN(""),
	    0600, false), ERR_OK);
	s = opened(x);
	assert_false(has(s, 1));
	set(s, 1, true);
	seen_close(&s);
	s = opened(x);
	assert_true(has(s, 1));
	seen_close(&s);
}

static void
a_name_from_elsewhere_leads_nowhere(void **state)
{
	static const char *const guids[] = { "", "../../../../x",
		"0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcde/" };
	struct fixture *x = *state;
	struct folder f = folder;
	struct seen *s;

	for (size_t i = 0; i < 4; i++) {
		snprintf(f.guid, sizeof(f.guid), "%s", guids[i]);
		assert_int_equal(seen_open(x->acc, &f, &s), ERR_CANNOT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    bits_last_and_the_flag_does_not_count, setup, fixture_end),
		cmocka_unit_test_setup_teardown(
		    the_other_session_finds_what_changed, setup, fixture_end),
		cmocka_unit_test_setup_teardown(
		    what_is_no_such_file_is_left_alone, setup, fixture_end),
		cmocka_unit_test_setup_teardown(
		    a_name_from_elsewhere_leads_nowhere, setup, fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
