/* Who may do what, as dovecot-acl says it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/acl.h"

static unsigned
rights(const char *text, const char *user, const char *groups, bool owner)
{
	struct acl_who who = { span_of(user), span_of(groups), owner };
	struct acl_entry *entry;
	struct arena a = { 0 };
	size_t n;
	unsigned r;

	acl_read(span_of(text), &a, &entry, &n);
	r = acl_rights(entry, n, &who);
	arena_free(&a);
	return r;
}

static unsigned
of(const char *letters)
{
	unsigned r;

	assert_int_equal(acl_parse(span_of(letters), &r), ERR_OK);
	return r;
}

static void
changes(const char *text, const char *id, bool negative, const char *letters,
    const char *wanted)
{
	struct buf b = { 0 };

	assert_int_equal(acl_change(span_of(text), span_of(id), negative,
	    letters == NULL ? ACL_REMOVE : of(letters), &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), wanted);
	buf_clear(&b);
}

static void
letters_are_rights(void **state)
{
	struct buf b = { 0 };
	unsigned r;

	(void)state;
	assert_int_equal(of("lrswipkxtea"), ACL_ALL);
	assert_int_equal(of("c"), ACL_CREATE | ACL_DELETE);
	assert_int_equal(of("d"), ACL_EXPUNGE | ACL_DELETED | ACL_DELETE);
	assert_int_equal(of(""), 0);
	assert_int_equal(acl_parse(SPAN("lz"), &r), ERR_SYNTAX);
	assert_int_equal(acl_parse(SPAN("l\0r"), &r), ERR_SYNTAX);
	acl_letters(ACL_ALL, &b);
	assert_string_equal(buf_cstr(&b), "lrswipkxtea");
	buf_clear(&b);
}

static void
the_strongest_identifier_counts(void **state)
{
	static const char text[] = "anyone l\nauthenticated lr\ngroup=a lrs\n"
	    "group=b lrw\nuser=anna lrx\ngroup-override=off \n";

	(void)state;
	assert_int_equal(rights(text, "bob", "", false), of("lr"));
	assert_int_equal(rights(text, "bob", "a", false), of("lrs"));
	assert_int_equal(rights(text, "bob", "x, b,a", false), of("lrsw"));
	assert_int_equal(rights(text, "anna", "a", false), of("lrx"));
	assert_int_equal(rights(text, "anna", "off", false), 0);
	assert_int_equal(rights("anyone lr\n", "", "", false), of("lr"));
}

static void
an_owner_has_all_unless_something_is_said(void **state)
{
	(void)state;
	assert_int_equal(rights("", "anna", "", true), ACL_ALL);
	assert_int_equal(rights("", "anna", "", false), 0);
	assert_int_equal(rights("anyone l\nuser=bob lr\n", "anna", "", true),
	    ACL_ALL);
	assert_int_equal(rights("owner lra\n", "anna", "", true), of("lra"));
	assert_int_equal(rights("owner lra\nuser=anna lrs\n", "anna", "", true),
	    of("lrs"));
	assert_int_equal(rights("user=anna lrs\nowner lra\n", "anna", "", true),
	    of("lrs"));
	assert_int_equal(rights("owner lra\n", "anna", "", false), 0);
}

static void
negative_rights_are_taken_away(void **state)
{
	(void)state;
	assert_int_equal(rights("user=bob lrsw\n-anyone w\n", "bob", "", false),
	    of("lrs"));
	assert_int_equal(rights("-user=bob lr\nanyone lrs\n", "bob", "", false),
	    of("s"));
	assert_int_equal(rights("-owner e\n", "anna", "", true),
	    ACL_ALL & ~(unsigned)ACL_EXPUNGE);
}

static void
odd_lines_say_nothing(void **state)
{
	(void)state;
	assert_int_equal(rights("\n\n \n:::\nuser= lr\nnobody lr\nuser\tbob lr\n"
	    "\"user=bob lr\nuser=bob :named\n", "bob", "", false), 0);
	assert_int_equal(rights("user=bob lr :named\r\n", "bob", "", false),
	    of("lr"));
	assert_int_equal(rights("user=bob l?r", "bob", "", false), of("lr"));
	assert_int_equal(rights("\"user=a \\\"b\\\"\" lr\n", "a \"b\"", "",
	    false), of("lr"));
	assert_int_equal(rights("\"-user=a b\" lr\nanyone lrs", "a b", "",
	    false), of("s"));
}

static void
a_change_leaves_the_rest_alone(void **state)
{
	(void)state;
	changes("", "user=bob", false, "lr", "user=bob lr\n");
	changes("# mine\nanyone l\nuser=bob lr :named\n", "user=bob", false,
	    "lrs", "# mine\nanyone l\nuser=bob lrs :named\n");
	changes("anyone l\nuser=bob lr\nowner lra\n", "user=bob", false, NULL,
	    "anyone l\nowner lra\n");
	changes("anyone l\nuser=bob lr\n", "user=bob", false, "",
	    "anyone l\nuser=bob \n");
	changes("user=bob lr\n", "user=bob", true, "r",
	    "user=bob lr\n-user=bob r\n");
	changes("user=bob lr\nuser=bob s\n", "user=bob", false, "l",
	    "user=bob l\n");
	changes("anyone l", "user=a \"b", false, "l",
	    "anyone l\n\"user=a \\\"b\" l\n");
}

static void
nonsense_and_too_much_are_refused(void **state)
{
	struct buf b = { 0 }, many = { 0 };

	(void)state;
	assert_int_equal(acl_change(SPAN(""), SPAN("bob"), false, 1, &b),
	    ERR_SYNTAX);
	assert_int_equal(acl_change(SPAN(""), SPAN("user="), false, 1, &b),
	    ERR_SYNTAX);
	assert_int_equal(acl_change(SPAN(""), SPAN("user=a\nowner"), false, 1,
	    &b), ERR_SYNTAX);
	for (int i = 0; i < ACL_ENTRIES_MAX; i++)
		buf_addf(&many, "user=u%d l\n", i);
	assert_int_equal(acl_change(buf_span(&many), SPAN("owner"), false, 1,
	    &b), ERR_LIMIT);
	buf_clear(&many);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_are_rights),
		cmocka_unit_test(the_strongest_identifier_counts),
		cmocka_unit_test(an_owner_has_all_unless_something_is_said),
		cmocka_unit_test(negative_rights_are_taken_away),
		cmocka_unit_test(odd_lines_say_nothing),
		cmocka_unit_test(a_change_leaves_the_rest_alone),
		cmocka_unit_test(nonsense_and_too_much_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
