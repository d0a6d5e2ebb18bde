/* Header fields and addresses, as good mail and bad mail has them. */
#include "maildir/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;

static void
assert_span(struct span s, const char *want)
{
	struct buf b = { 0 };

	buf_add_span(&b, s);
	assert_string_equal(buf_cstr(&b), want);
	buf_clear(&b);
}

/* ---- headers ---- */

static void
fields_are_walked_up_to_the_empty_line(void **state)
{
	struct header_iter it;
	struct header_field f;

	(void)state;
	header_init(&it, SPAN("From: a\nSubject :  b\r\n c\r\nX:\n\nBody: x\n"));
	assert_true(header_next(&it, &f));
	assert_span(f.name, "From");
	assert_span(f.value, "a");
	assert_span(f.whole, "From: a\n");
	assert_true(header_next(&it, &f));
	assert_span(f.name, "Subject");
	assert_span(f.value, "b\r\n c");
	assert_span(f.whole, "Subject :  b\r\n c\r\n");
	assert_true(header_next(&it, &f));
	assert_span(f.name, "X");
	assert_int_equal(f.value.n, 0);
	assert_non_null(f.value.p);
	assert_false(header_next(&it, &f));
	assert_span(it.rest, "\nBody: x\n");
}

static void
a_line_without_a_colon_is_a_field_without_a_name(void **state)
{
	struct header_iter it;
	struct header_field f;

	(void)state;
	header_init(&it, SPAN("no colon\n goes: on\n:nothing\n lead: x\nend"));
	assert_true(header_next(&it, &f));
	assert_null(f.name.p);
	assert_span(f.value, "no colon\n goes: on");
	assert_true(header_next(&it, &f));
	assert_non_null(f.name.p);
	assert_int_equal(f.name.n, 0);
	assert_span(f.whole, ":nothing\n lead: x\n");
	assert_true(header_next(&it, &f));
	assert_span(f.whole, "end");
	assert_false(header_next(&it, &f));
}

static void
nothing_comes_out_of_nothing(void **state)
{
	struct header_iter it;
	struct header_field f;

	(void)state;
	header_init(&it, SPAN_NONE);
	assert_false(header_next(&it, &f));
	header_init(&it, SPAN("\r\nA: b\r\n"));
	assert_false(header_next(&it, &f));
	header_init(&it, SPAN("\r"));
	assert_true(header_next(&it, &f));
	assert_false(header_next(&it, &f));
}

static void
a_field_is_found_in_any_case(void **state)
{
	struct span h = SPAN("A: 1\nsUBJECT: first\nSubject: second\n\nB: 3\n");
	struct header_field f;

	(void)state;
	assert_true(header_find(h, SPAN("Subject"), &f));
	assert_span(f.value, "first");
	assert_false(header_find(h, SPAN("B"), &f));
	assert_false(header_find(h, SPAN("Subj"), &f));
	assert_null(f.name.p);
}

static void
unfolding_takes_line_ends_out_and_nothing_else(void **state)
{
	struct buf b = { 0 };

	(void)state;
	header_unfold(SPAN("a\r\n b\n\tc\rd"), &b);
	assert_string_equal(buf_cstr(&b), "a b\tc\rd");
	buf_clear(&b);
}

/* ---- addresses ---- */

static void
show(struct buf *b, struct span s)
{
	if (s.p == NULL)
		buf_adds(b, "NIL");
	else
		buf_add_span(b, s);
}

/* "name|route|mailbox|host" each, commas between. */
static const char *
shown(struct span value, struct buf *b)
{
	buf_reset(b);
	for (const struct address *a = address_parse(value, &arena); a != NULL;
	    a = a->next) {
		if (b->n > 0)
			buf_addc(b, ',');
		show(b, a->name);
		buf_addc(b, '|');
		show(b, a->route);
		buf_addc(b, '|');
		show(b, a->mailbox);
		buf_addc(b, '|');
		show(b, a->host);
	}
	arena_clear(&arena);
	return buf_cstr(b);
}

struct pair {
	const char *value, *want;
};

static void
check(const struct pair *p, size_t n)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < n; i++)
		assert_string_equal(shown(span_of(p[i].value), &b),
		    p[i].want);
	buf_clear(&b);
}

static void
addresses_of_the_standard_are_read(void **state)
{
	static const struct pair p[] = {
		{ "a@b", "NIL|NIL|a|b" },
		{ "a.b@c.d", "NIL|NIL|a.b|c.d" },
		{ "<a@b>", "NIL|NIL|a|b" },
		{ "N <a@b>", "N|NIL|a|b" },
		{ "A  B\r\n C <a@b>", "A B C|NIL|a|b" },
		{ "\"A, B\" <a@b>", "A, B|NIL|a|b" },
		{ "\"A \\\"x\\\" \\\\\" <a@b>", "A \"x\" \\|NIL|a|b" },
		{ "\"x y\"@b", "NIL|NIL|x y|b" },
		{ "X <\"a b\"@c>", "X|NIL|a b|c" },
		{ "a@[192.0.2.1]", "NIL|NIL|a|[192.0.2.1]" },
		{ "a@b (Name)", "Name|NIL|a|b" },
		{ "a@b (one) (two)", "two|NIL|a|b" },
		{ "(before) a@b", "NIL|NIL|a|b" },
		{ "N (c) <a@b> (d)", "N|NIL|a|b" },
		{ "a@b, c@d", "NIL|NIL|a|b,NIL|NIL|c|d" },
		{ "=?utf-8?q?a=2C?= =?utf-8?q?b?= <a@b>",
		    "=?utf-8?q?a=2C?= =?utf-8?q?b?=|NIL|a|b" },
		{ "g: a@b, N <c@d>;, e@f", "NIL|NIL|g|NIL,NIL|NIL|a|b,"
		    "N|NIL|c|d,NIL|NIL|NIL|NIL,NIL|NIL|e|f" },
		{ "undisclosed recipients:;",
		    "NIL|NIL|undisclosed recipients|NIL,NIL|NIL|NIL|NIL" },
	};

	(void)state;
	check(p, sizeof(p) / sizeof(p[0]));
}

static void
addresses_of_old_standards_are_read(void **state)
{
	static const struct pair p[] = {
		{ "N <@a,@b:c@d>", "N|@a,@b|c|d" },
		{ "<@a:c@d>", "NIL|@a|c|d" },
		{ "john . doe @ example . org", "NIL|NIL|john.doe|example.org" },
		{ ",, a@b ,,c@d,", "NIL|NIL|a|b,NIL|NIL|c|d" },
		{ "Mr. X. Y <a@b>", "Mr. X. Y|NIL|a|b" },
		{ "a(x)@(y)b.c(z)", "z|NIL|a|b.c" },
		{ "Pete(A \\) chap) <pete(his)@silly.test(host)>",
		    "Pete|NIL|pete|silly.test" },
		{ "a@b ((n) in \\( n)", "(n) in ( n|NIL|a|b" },
	};

	(void)state;
	check(p, sizeof(p) / sizeof(p[0]));
}

static void
broken_addresses_stay_visible_and_the_next_is_read(void **state)
{
	static const struct pair p[] = {
		{ "", "" },
		{ "   ", "" },
		{ "(only)", "" },
		{ "joe, a@b", "NIL|NIL|joe|MISSING_DOMAIN,NIL|NIL|a|b" },
		{ "a b c, d@e", "a b c|NIL|MISSING_MAILBOX|MISSING_DOMAIN,"
		    "NIL|NIL|d|e" },
		{ "\"q\"", "q|NIL|MISSING_MAILBOX|MISSING_DOMAIN" },
		{ "N <>", "N|NIL|MISSING_MAILBOX|MISSING_DOMAIN" },
		{ "N <a>", "N|NIL|a|MISSING_DOMAIN" },
		{ "@b", "NIL|NIL|MISSING_MAILBOX|b" },
		{ "a@, b@c", "NIL|NIL|a|MISSING_DOMAIN,NIL|NIL|b|c" },
		{ "<a@b, c@d>", "NIL|NIL|a|b,NIL|NIL|c|d" },
		{ "<@r,a@b>", "NIL|INVALID_ROUTE|a|b" },
		{ "a@b <c@d>, e@f", "a@b|NIL|c|d,NIL|NIL|e|f" },
		{ "N a@b", "N|NIL|a|b" },
		{ "a@b c@d", "NIL|NIL|a|b,NIL|NIL|c|d" },
		{ "N <a@b> junk, c@d", "N|NIL|a|b,NIL|NIL|c|d" },
		{ "a@b; c@d", "NIL|NIL|a|b,NIL|NIL|c|d" },
		{ "\"open <a@b>", "\"open|NIL|a|b" },
		{ "a@b (open", "open|NIL|a|b" },
		{ "N [x] <a@b>", "N [x]|NIL|a|b" },
		{ "<a@b><c@d>", "NIL|NIL|a|b,NIL|NIL|c|d" },
		{ "g: a@b", "NIL|NIL|g|NIL,NIL|NIL|a|b,NIL|NIL|NIL|NIL" },
		{ "\xfc@\xe9", "NIL|NIL|\xfc|\xe9" },
		{ "a@[un", "NIL|NIL|a|[un" },
	};

	(void)state;
	check(p, sizeof(p) / sizeof(p[0]));
}

static void
a_list_has_at_most_10000_addresses(void **state)
{
	struct buf b = { 0 };
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 12000; i++)
		buf_adds(&b, "a@b,");
	for (const struct address *a = address_parse(buf_span(&b), &arena);
	    a != NULL; a = a->next)
		n++;
	assert_int_equal(n, 10000);
	arena_clear(&arena);
	buf_clear(&b);
}

/* Each of these made a parser somewhere quadratic. */
static void
hostile_lists_take_linear_time(void **state)
{
	static const char *const unit[] = { "a@[", "(", "\"", "<", "a@", "\\\"",
		":", "<@a", "a b", ".", "<a@b c", "\"\\\"", ";", "x\"" };
	struct buf b = { 0 };

	(void)state;
	alarm(60);	/* a quadratic one takes hours */
	for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		buf_reset(&b);
		while (b.n < 1 << 20)
			buf_adds(&b, unit[i]);
		(void)address_parse(buf_span(&b), &arena);
		arena_clear(&arena);
	}
	alarm(0);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_walked_up_to_the_empty_line),
		cmocka_unit_test(
		    a_line_without_a_colon_is_a_field_without_a_name),
		cmocka_unit_test(nothing_comes_out_of_nothing),
		cmocka_unit_test(a_field_is_found_in_any_case),
		cmocka_unit_test(
		    unfolding_takes_line_ends_out_and_nothing_else),
		cmocka_unit_test(addresses_of_the_standard_are_read),
		cmocka_unit_test(addresses_of_old_standards_are_read),
		cmocka_unit_test(
		    broken_addresses_stay_visible_and_the_next_is_read),
		cmocka_unit_test(a_list_has_at_most_10000_addresses),
		cmocka_unit_test(hostile_lists_take_linear_time),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
