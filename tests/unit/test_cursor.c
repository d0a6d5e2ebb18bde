/* The grammar of commands, rule by rule. */
#include "worker/cursor.h"

#include "maildir/flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static struct cursor
on(const char *text)
{
	return (struct cursor){ .text = span_of(text), .arena = &arena };
}

static int
clear(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

typedef enum err (*rule)(struct cursor *c, struct span *out);

static void
assert_gives(rule r, const char *text, const char *value, const char *rest)
{
	struct cursor c = on(text);
	struct span out;

	assert_int_equal(r(&c, &out), ERR_OK);
	assert_true(span_eq(out, span_of(value)));
	assert_string_equal(c.text.p + c.at, rest);
}

static void
assert_refuses(rule r, const char *text)
{
	struct cursor c = on(text);
	struct span out;

	assert_int_equal(r(&c, &out), ERR_SYNTAX);
	assert_non_null(c.problem);
}

static void
an_atom_ends_at_a_special(void **state)
{
	(void)state;
	assert_gives(cursor_atom, "abc def", "abc", " def");
	assert_gives(cursor_atom, "BODY[1]", "BODY[1", "]");
	assert_gives(cursor_atom, "a{3}", "a", "{3}");
	assert_gives(cursor_atom, "a\x7f", "a", "\x7f");
	assert_gives(cursor_astring, "a]b c", "a]b", " c");
	assert_gives(cursor_list_mailbox, "a%*] c", "a%*]", " c");
	assert_refuses(cursor_atom, "");
	assert_refuses(cursor_atom, "*");
	assert_refuses(cursor_atom, "\xc3\xa4");
	assert_refuses(cursor_astring, "%");
	assert_refuses(cursor_astring, "(");
}

static void
a_quoted_string_loses_its_escapes(void **state)
{
	(void)state;
	assert_gives(cursor_string, "\"a b\" c", "a b", " c");
	assert_gives(cursor_string, "\"\"", "", "");
	assert_gives(cursor_string, "\"a\\\"\\\\b\"x", "a\"\\b", "x");
	assert_gives(cursor_string, "\"\xc3\xa4\"", "\xc3\xa4", "");
	assert_refuses(cursor_string, "\"a");
	assert_refuses(cursor_string, "\"a\\\"");
	assert_refuses(cursor_string, "\"a\\b\"");
	assert_refuses(cursor_string, "\"a\r\nb\"");
	assert_refuses(cursor_string, "\"");
	assert_refuses(cursor_string, "\"\\");
	assert_refuses(cursor_string, "a");
	assert_refuses(cursor_string, "NIL");
}

static void
a_literal_is_taken_by_its_count(void **state)
{
	(void)state;
	assert_gives(cursor_string, "{3}\r\na\rb c", "a\rb", " c");
	assert_gives(cursor_astring, "{3+}\r\nabcd", "abc", "d");
	assert_gives(cursor_string, "{0}\r\n", "", "");
	assert_gives(cursor_string, "{00000000000000000000001}\r\nx", "x", "");
	assert_refuses(cursor_string, "{4}\r\nabc");
	assert_refuses(cursor_string, "{}\r\n");
	assert_refuses(cursor_string, "{1}x");
	assert_refuses(cursor_string, "{1}\nx");
	assert_refuses(cursor_string, "{1-}\r\nx");
	assert_refuses(cursor_string, "{-1}\r\nx");
	assert_refuses(cursor_string, "{99999999999999999999}\r\nx");
	assert_refuses(cursor_string, "{1");
	assert_refuses(cursor_string, "{");
	assert_refuses(cursor_string, "~{1}\r\nx");
}

static void
nil_is_no_string_but_an_atom(void **state)
{
	struct cursor c = on("nil)");
	struct span out = SPAN("x");

	(void)state;
	assert_int_equal(cursor_nstring(&c, &out), ERR_OK);
	assert_null(out.p);
	assert_int_equal(cursor_peek(&c), ')');
	assert_gives(cursor_nstring, "\"NIL\"", "NIL", "");
	assert_gives(cursor_astring, "NIL", "NIL", "");
	assert_refuses(cursor_nstring, "NILS");
}

static void
inbox_has_one_spelling(void **state)
{
	(void)state;
	assert_gives(cursor_mailbox, "inBox x", "INBOX", " x");
	assert_gives(cursor_mailbox, "\"inbox\"", "INBOX", "");
	assert_gives(cursor_mailbox, "{5}\r\ninbox", "INBOX", "");
	assert_gives(cursor_mailbox, "inbox.a", "inbox.a", "");
}

static void
numbers_have_bounds(void **state)
{
	struct cursor c = on("4294967295");
	uint64_t v64;
	uint32_t v;

	(void)state;
	assert_int_equal(cursor_number(&c, &v), ERR_OK);
	assert_int_equal(v, UINT32_MAX);
	c = on("4294967296");
	assert_int_equal(cursor_number(&c, &v), ERR_SYNTAX);
	c = on("007x");
	assert_int_equal(cursor_number(&c, &v), ERR_OK);
	assert_int_equal(v, 7);
	assert_int_equal(cursor_peek(&c), 'x');
	c = on("0");
	assert_int_equal(cursor_nz_number(&c, &v), ERR_SYNTAX);
	c = on("x");
	assert_int_equal(cursor_number(&c, &v), ERR_SYNTAX);
	c = on("9223372036854775807");
	assert_int_equal(cursor_number64(&c, &v64), ERR_OK);
	assert_true(v64 == INT64_MAX);
	c = on("9223372036854775808");
	assert_int_equal(cursor_number64(&c, &v64), ERR_SYNTAX);
	c = on("99999999999999999999999999");
	assert_int_equal(cursor_number64(&c, &v64), ERR_SYNTAX);
}

static void
a_word_must_be_whole(void **state)
{
	struct cursor c = on("fetch");

	(void)state;
	assert_true(cursor_take_word(&c, "FETCH"));
	assert_true(cursor_is_end(&c));
	assert_int_equal(cursor_peek(&c), '\0');
	c = on("BODY[TEXT]");
	assert_true(cursor_take_word(&c, "BODY"));
	c = on("BODY.PEEK[]");
	assert_false(cursor_take_word(&c, "BODY"));
	assert_int_equal(c.at, 0);
	c = on("RFC822.SIZE)");
	assert_false(cursor_take_word(&c, "RFC822"));
	assert_true(cursor_take_word(&c, "RFC822.SIZE"));
	c = on("SEE");
	assert_false(cursor_take_word(&c, "SEEN"));
}

static void
a_set_is_a_word_of_its_own(void **state)
{
	struct cursor c = on("1:3,*) x");
	struct set s;

	(void)state;
	assert_int_equal(cursor_set(&c, &s), ERR_OK);
	assert_int_equal(s.n, 2);
	assert_int_equal(cursor_peek(&c), ')');
	c = on("1:0 x");
	assert_int_equal(cursor_set(&c, &s), ERR_SYNTAX);
	assert_int_equal(c.at, 0);
	c = on("x");
	assert_int_equal(cursor_set(&c, &s), ERR_SYNTAX);
}

static void
dates_are_read(void **state)
{
	struct cursor c = on("\"07-Feb-1994 21:52:25 -0800\" x");
	int64_t t;
	int32_t day;

	(void)state;
	assert_int_equal(cursor_date_time(&c, &t), ERR_OK);
	assert_true(t == 760686745);
	assert_int_equal(cursor_peek(&c), ' ');
	c = on("\" 7-Feb-1994 21:52:25 -0800\"");
	assert_int_equal(cursor_date_time(&c, &t), ERR_OK);
	c = on("07-Feb-1994");
	assert_int_equal(cursor_date_time(&c, &t), ERR_SYNTAX);
	c = on("\"tomorrow\"");
	assert_int_equal(cursor_date_time(&c, &t), ERR_SYNTAX);
	c = on("2-Jan-1970)");
	assert_int_equal(cursor_date(&c, &day), ERR_OK);
	assert_int_equal(day, 1);
	assert_int_equal(cursor_peek(&c), ')');
	c = on("\"1-Jan-1970\"");
	assert_int_equal(cursor_date(&c, &day), ERR_OK);
	assert_int_equal(day, 0);
	c = on("31-Feb-2000");
	assert_int_equal(cursor_date(&c, &day), ERR_SYNTAX);
}

static void
flags_are_bits_and_names(void **state)
{
	struct cursor c = on("(\\Seen work \\DELETED $Forwarded a b c d) x");
	struct flag_list l;

	(void)state;
	assert_int_equal(cursor_flags(&c, true, false, &l), ERR_OK);
	assert_int_equal(l.flags, FLAG_SEEN | FLAG_DELETED);
	assert_int_equal(l.n_keywords, 6);
	assert_true(span_eq(l.keyword[0], SPAN("work")));
	assert_true(span_eq(l.keyword[5], SPAN("d")));
	assert_int_equal(cursor_peek(&c), ' ');
	c = on("()");
	assert_int_equal(cursor_flags(&c, true, false, &l), ERR_OK);
	assert_int_equal(l.flags, 0);
	c = on("\\Seen work");
	assert_int_equal(cursor_flags(&c, false, false, &l), ERR_OK);
	assert_int_equal(l.n_keywords, 1);
	assert_true(cursor_is_end(&c));
	c = on("\\Seen");
	assert_int_equal(cursor_flags(&c, true, false, &l), ERR_SYNTAX);
	c = on("(\\Seen");
	assert_int_equal(cursor_flags(&c, false, false, &l), ERR_SYNTAX);
	c = on("( \\Seen)");
	assert_int_equal(cursor_flags(&c, false, false, &l), ERR_SYNTAX);
}

static void
recent_and_unknown_flags_are_refused_or_dropped(void **state)
{
	struct cursor c = on("(\\Recent)");
	struct flag_list l;

	(void)state;
	assert_int_equal(cursor_flags(&c, false, false, &l), ERR_SYNTAX);
	c = on("(\\Odd)");
	assert_int_equal(cursor_flags(&c, false, false, &l), ERR_SYNTAX);
	c = on("(\\Recent \\Seen \\Odd)");
	assert_int_equal(cursor_flags(&c, true, true, &l), ERR_OK);
	assert_int_equal(l.flags, FLAG_SEEN);
	assert_int_equal(l.n_keywords, 0);
	c = on("(\\)");
	assert_int_equal(cursor_flags(&c, true, true, &l), ERR_SYNTAX);
}

static void
too_many_keywords_are_refused(void **state)
{
	struct buf b = { 0 };
	struct flag_list l;
	struct cursor c;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "%sk%d", i == 0 ? "(" : " ", i);
	buf_addc(&b, ')');
	c = on(buf_cstr(&b));
	assert_int_equal(cursor_flags(&c, true, false, &l), ERR_OK);
	assert_int_equal(l.n_keywords, 1000);
	assert_true(span_eq(l.keyword[999], SPAN("k999")));
	b.n--;
	buf_adds(&b, " k)");
	c = on(buf_cstr(&b));
	assert_int_equal(cursor_flags(&c, true, false, &l), ERR_SYNTAX);
	buf_clear(&b);
}

static void
the_end_is_the_end(void **state)
{
	struct cursor c = on(" )");

	(void)state;
	assert_int_equal(cursor_end(&c), ERR_SYNTAX);
	assert_int_equal(cursor_space(&c), ERR_OK);
	assert_int_equal(cursor_space(&c), ERR_SYNTAX);
	assert_string_equal(c.problem, "space expected");
	assert_int_equal(cursor_char(&c, '('), ERR_SYNTAX);
	assert_int_equal(cursor_char(&c, ')'), ERR_OK);
	assert_int_equal(cursor_end(&c), ERR_OK);
	assert_int_equal(cursor_char(&c, ')'), ERR_SYNTAX);
}

int
main(void)
{
#define T(f) cmocka_unit_test_teardown(f, clear)
	static const struct CMUnitTest tests[] = {
		T(an_atom_ends_at_a_special),
		T(a_quoted_string_loses_its_escapes),
		T(a_literal_is_taken_by_its_count),
		T(nil_is_no_string_but_an_atom),
		T(inbox_has_one_spelling),
		T(numbers_have_bounds),
		T(a_word_must_be_whole),
		T(a_set_is_a_word_of_its_own),
		T(dates_are_read),
		T(flags_are_bits_and_names),
		T(recent_and_unknown_flags_are_refused_or_dropped),
		T(too_many_keywords_are_refused),
		T(the_end_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
