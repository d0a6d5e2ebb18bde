/* Who shares with whom: the file of acl_shared_dict. */
#include "daemon/sharing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char file[] =
    "shared/shared-boxes/user/bert/anna\n1\n"
    "shared/shared-boxes/user/bert/anna\n1\n"
    "shared/shared-boxes/user/x\\|y\\\\z/carl\n1\n"
    "shared/shared-boxes/group/staff/dora\n1\n"
    "shared/shared-boxes/anyone/emil\n1\n"
    "other/thing\nshared/shared-boxes/anyone/value\n"
    "shared/shared-boxes/strange/fritz\n1\n"
    "shared/shared-boxes/user/bert/\n1\n"
    "shared/shared-boxes/user/bert\n1";

static void
owners_are(const char *user, const char *groups, const char *expected)
{
	struct buf out = { 0 };

	assert_true(sharing_owners(SPAN(file), span_of(user), span_of(groups),
	    &out));
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i] == '\0')
			out.p[i] = ' ';
	assert_string_equal(buf_cstr(&out), expected);
	buf_clear(&out);
}

static void
owners_are_found_once(void **state)
{
	(void)state;
	owners_are("bert", "", "anna emil ");
	owners_are("x/y\\z", "", "carl emil ");
	owners_are("nobody", "sales,staff", "dora emil ");
	owners_are("nobody", "staf", "emil ");
	owners_are("emil", "", "");
}

static void
key_is(const char *id, const char *expected)
{
	struct buf out = { 0 };
	bool is_key = sharing_key(SPAN("anna"), span_of(id), &out);

	assert_int_equal(is_key, expected != NULL);
	if (is_key)
		assert_string_equal(buf_cstr(&out), expected);
	buf_clear(&out);
}

static void
keys_are_as_dovecot_makes_them(void **state)
{
	(void)state;
	key_is("user=bert", "shared/shared-boxes/user/bert/anna");
	key_is("user=a/b\\c", "shared/shared-boxes/user/a\\|b\\\\c/anna");
	key_is("group=staff", "shared/shared-boxes/group/staff/anna");
	key_is("group-override=x", "shared/shared-boxes/group/x/anna");
	key_is("anyone", "shared/shared-boxes/anyone/anna");
	key_is("authenticated", "shared/shared-boxes/anyone/anna");
	key_is("owner", NULL);
	key_is("user=", NULL);
	key_is("user=a\nshared/shared-boxes/anyone/b", NULL);
}

static void
what_is_there_is_seen(void **state)
{
	(void)state;
	assert_true(sharing_has(SPAN(file),
	    SPAN("shared/shared-boxes/anyone/emil")));
	assert_false(sharing_has(SPAN(file),
	    SPAN("shared/shared-boxes/anyone/value")));
	assert_false(sharing_is_key(SPAN("shared/other")));
}

static void
more_than_fits_is_said(void **state)
{
	struct buf text = { 0 }, out = { 0 };

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		buf_addf(&text, "shared/shared-boxes/anyone/owner%06u\n1\n", i);
	assert_false(sharing_owners(buf_span(&text), SPAN("x"), SPAN(""),
	    &out));
	assert_in_range(out.n, 1, SHARING_OWNERS_MAX);
	buf_clear(&text);
	buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners_are_found_once),
		cmocka_unit_test(keys_are_as_dovecot_makes_them),
		cmocka_unit_test(what_is_there_is_seen),
		cmocka_unit_test(more_than_fits_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
