/* Content-Type and its relatives. */
#include "maildir/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

/* "text/plain; a=b; c=d", or "-" when there is none. */
static const char *
shown(const char *value, struct buf *b)
{
	struct span type, subtype;
	struct param *p;

	buf_reset(b);
	if (content_parse(span_of(value), &arena, &type, &subtype, &p) !=
	    ERR_OK) {
		assert_null(p);
		return "-";
	}
	buf_add_span(b, type);
	if (subtype.p != NULL) {
		buf_addc(b, '/');
		buf_add_span(b, subtype);
	}
	for (; p != NULL; p = p->next) {
		buf_adds(b, "; ");
		buf_add_span(b, p->name);
		buf_addc(b, '=');
		buf_add_span(b, p->value);
	}
	return buf_cstr(b);
}

static void
a_content_type_is_taken_apart(void **state)
{
	static const char *const p[][2] = {
		{ "text/plain", "text/plain" },
		{ " Text/HTML ;charset=\"utf-8\"", "Text/HTML; charset=utf-8" },
		{ "text (a(b)c) / (d) plain; (e) x (f) = (g) y (h)",
		    "text/plain; x=y" },
		{ "a/b; x=\"q \\\" \\\\ r\"", "a/b; x=q \" \\ r" },
		{ "a/b;\r\n\tx=\"one\r\n two\"", "a/b; x=one two" },
		{ "a/b; x=\"\"; y=2", "a/b; x=; y=2" },
		{ "attachment; filename=f", "attachment; filename=f" },
		/* forgiven */
		{ "text", "text" },
		{ "text/", "text/" },
		{ "a/b/c; x=y", "a/b; x=y" },
		{ "a/b;; ; x=y;", "a/b; x=y" },
		{ "a/b; x; y=; z=3", "a/b; z=3" },
		{ "a/b x=y", "a/b; x=y" },
		{ "a/b; x=a b c; y=2", "a/b; x=a; y=2" },
		{ "a/b; x==_a/b:c?; y=\"open", "a/b; x==_a/b:c?; y=open" },
		{ "a/b; x=\"junk\"k; y=2", "a/b; x=junk; y=2" },
		{ "\"a\"", "a" },
		/* nothing */
		{ "", "-" },
		{ "  (only a comment) ", "-" },
		{ "; charset=x", "-" },
		{ "/plain", "-" },
		{ "(open", "-" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++)
		assert_string_equal(shown(p[i][0], &b), p[i][1]);
	buf_clear(&b);
	arena_clear(&arena);
}

static void
a_type_has_at_most_1000_parameters(void **state)
{
	struct span type, subtype;
	struct buf b = { 0 };
	struct param *p;
	unsigned n = 0;

	(void)state;
	buf_adds(&b, "a/b");
	for (int i = 0; i < 3000; i++)
		buf_addf(&b, "; p%d=v", i);
	assert_int_equal(content_parse(buf_span(&b), &arena, &type, &subtype,
	    &p), ERR_OK);
	for (; p != NULL; p = p->next)
		n++;
	assert_int_equal(n, 1000);
	buf_clear(&b);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_content_type_is_taken_apart),
		cmocka_unit_test(a_type_has_at_most_1000_parameters),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
