/* Mailbox names: what may exist, directories, LIST patterns. */
#include "maildir/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
a_name_that_can_exist_is_accepted(void **state)
{
	static const char *const good[] = { "INBOX", "a", "Sent", "a.b.c",
		"Lists.c", "with space", "a~b", "&-", "Entw&APw-rfe",
		"INBOX.x", "&U,BTFw-.&ZeVnLIqe-", "a\\b\"c", "x*y%z" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (name_check(span_of(good[i])) != ERR_OK)
			fail_msg("%s was refused", good[i]);
}

static void
a_name_that_cannot_exist_is_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", ".a", "a.", "a..b",
		"a/b", "/etc", "../x", "~root", "~", "a\nb", "a\x01", "\x7f",
		"Entw\xc3\xbcrfe", "a&b", "&", "&AA-", "&AAo-" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (name_check(span_of(bad[i])) != ERR_CANNOT)
			fail_msg("%zu: %s was accepted", i, bad[i]);
	assert_int_equal(name_check((struct span){ "a\0b", 3 }), ERR_CANNOT);
	assert_int_equal(name_check(SPAN_NONE), ERR_CANNOT);
}

static void
a_name_is_at_most_200_bytes(void **state)
{
	char name[201];

	(void)state;
	memset(name, 'n', sizeof name);
	assert_int_equal(name_check((struct span){ name, 200 }), ERR_OK);
	assert_int_equal(name_check((struct span){ name, 201 }), ERR_CANNOT);
}

static void
a_name_becomes_its_directory_and_back(void **state)
{
	char dir[256];
	struct span name;

	(void)state;
	name_to_dir(SPAN("INBOX"), dir);
	assert_string_equal(dir, ".");
	name_to_dir(SPAN("Lists.c"), dir);
	assert_string_equal(dir, ".Lists.c");
	assert_true(name_from_dir(dir, &name));
	assert_true(span_eq(name, SPAN("Lists.c")));
	name_to_dir(SPAN("INBOX.x"), dir);
	assert_string_equal(dir, ".INBOX.x");
}

static void
what_is_no_folder_is_not_listed(void **state)
{
	static const char *const other[] = { "cur", "new", "tmp", "loft", ".",
		"..", "..DOVECOT-TRASHED", ".INBOX", ".inbox", ".a..b", ".a.",
		"", ".x\ny" };
	struct span name;

	(void)state;
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		if (name_from_dir(other[i], &name))
			fail_msg("%s was taken for a folder", other[i]);
}

static void
below_is_by_levels(void **state)
{
	(void)state;
	assert_true(name_is_below(SPAN("a.b"), SPAN("a")));
	assert_true(name_is_below(SPAN("a.b.c"), SPAN("a")));
	assert_false(name_is_below(SPAN("ab"), SPAN("a")));
	assert_false(name_is_below(SPAN("a"), SPAN("a")));
	assert_false(name_is_below(SPAN("a."), SPAN("a")));
}

static void
patterns_match_as_list_wants(void **state)
{
	static const struct {
		const char *name, *pattern;
		bool is;
	} rows[] = {
		{ "INBOX", "*", true },
		{ "INBOX", "%", true },
		{ "INBOX", "inbox", true },
		{ "INBOX", "iNb%", true },
		{ "INBOX/x", "inbox/x", true },
		{ "INBOX/x", "inbox/X", false },
		{ "INBOXES", "inboxes", false },
		{ "a/b", "%", false },
		{ "a/b", "*", true },
		{ "a/b", "%/%", true },
		{ "a/b/c", "%/%", false },
		{ "a/b/c", "a*c", true },
		{ "a/b/c", "a%c", false },
		{ "a/b/c", "%*", true },
		{ "a/b/c", "*%", true },
		{ "a/b/c", "*b%", false },
		{ "a/b/c", "*/%", true },
		{ "a/b/c", "*/%/c", true },
		{ "a", "a*", true },
		{ "a", "a%", true },
		{ "a", "A", false },
		{ "", "", true },
		{ "", "*", true },
		{ "a", "", false },
		{ "Foo.Bar", "Foo.Bar", true },
		{ "aXbXc", "a%X%c", true },
		{ "abcabd", "%abd", true },
		{ "a*b", "a*b", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (name_matches(span_of(rows[i].name),
		    span_of(rows[i].pattern), '/') != rows[i].is)
			fail_msg("%s beside %s", rows[i].name,
			    rows[i].pattern);
}

static void
many_wildcards_cost_no_more_than_a_moment(void **state)
{
	static char name[1000], pattern[100000];

	(void)state;
	memset(name, 'a', sizeof name);
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = "*a%"[i % 3];
	/* Exponential matching would not come back. */
	assert_false(name_matches((struct span){ name, sizeof name },
	    (struct span){ pattern, sizeof pattern }, '/'));
	pattern[1500] = 'b';
	assert_false(name_matches((struct span){ name, sizeof name },
	    (struct span){ pattern, 1501 }, '/'));
	assert_true(name_matches((struct span){ name, sizeof name },
	    (struct span){ pattern, 1500 }, '/'));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_can_exist_is_accepted),
		cmocka_unit_test(a_name_that_cannot_exist_is_refused),
		cmocka_unit_test(a_name_is_at_most_200_bytes),
		cmocka_unit_test(a_name_becomes_its_directory_and_back),
		cmocka_unit_test(what_is_no_folder_is_not_listed),
		cmocka_unit_test(below_is_by_levels),
		cmocka_unit_test(patterns_match_as_list_wants),
		cmocka_unit_test(many_wildcards_cost_no_more_than_a_moment),
	};

	return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
