/* Encoded words, and parameters in pieces (RFC 2231). */
#include "maildir/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/charset.h"

static struct arena arena;

struct pair {
	const char *value, *want;
};

static void
words_are_decoded_and_all_else_is_kept(void **state)
{
	static const struct pair p[] = {
		{ "", "" },
		{ "plain text", "plain text" },
		{ "=?utf-8?q?a_b=20c?=", "a b c" },
		{ "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=", "Gr\xc3\xbc\xc3\x9f" "e" },
		{ "=?utf-8?b?R3LDvMOfZQ==?=", "Gr\xc3\xbc\xc3\x9f" "e" },
		{ "=?iso-8859-1?q?Andr=E9?= P.", "Andr\xc3\xa9 P." },
		{ "x =?utf-8?q?a?= y", "x a y" },
		{ "x=?utf-8?q?a?=y", "xay" },
		/* RFC 2047 6.2: white space between words goes */
		{ "=?utf-8?q?a?= =?utf-8?q?b?=", "ab" },
		{ "=?utf-8?q?a?=\r\n\t=?iso-8859-1?q?b?=", "ab" },
		{ "=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b" },
		{ "=?utf-8?q?a_?= =?utf-8?q?b?=", "a b" },
		/* one character in two words */
		{ "=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "\xc3\xbc" },
		{ "=?utf-8?b?w7w=?= =?utf-8?b?w7w=?=", "\xc3\xbc\xc3\xbc" },
		{ "=?utf-8*de?q?=C3=BC?=", "\xc3\xbc" },
		{ "=?utf-8?q?" "?=x", "x" },
		/* not words */
		{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
		{ "=?utf-8?q?a", "=?utf-8?q?a" },
		{ "=?utf-8?q", "=?utf-8?q" },
		{ "=?", "=?" },
		{ "=??q?a?=", "=??q?a?=" },
		{ "a == b =? c ?=", "a == b =? c ?=" },
		{ "fold\r\n ed =?utf-8?q?x?=\n y", "fold ed x y" },
		/* raw bytes: UTF-8 where it is, else windows-1252 */
		{ "gr\xc3\xbcn", "gr\xc3\xbcn" },
		{ "gr\xfcn", "gr\xc3\xbcn" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		buf_reset(&b);
		rfc2047_decode(span_of(p[i].value), &b);
		assert_string_equal(buf_cstr(&b), p[i].want);
	}
	buf_clear(&b);
}

static struct param *
params(const char *text)
{
	struct span type, subtype;
	struct param *p;

	assert_int_equal(content_parse(span_of(text), &arena, &type, &subtype,
	    &p), ERR_OK);
	return p;
}

static void
parameters_are_found_and_decoded(void **state)
{
	static const struct pair p[] = {
		{ "x; name=a", "a" },
		{ "x; NAME=\"a b\"", "a b" },
		{ "x; name=1; name=2", "1" },
		{ "x; name*=utf-8''gr%C3%BCn", "gr\xc3\xbcn" },
		{ "x; name*=iso-8859-1'de'gr%FCn", "gr\xc3\xbcn" },
		/* the one that can say more wins */
		{ "x; name=gruen; name*=utf-8''gr%C3%BCn", "gr\xc3\xbcn" },
		{ "x; name*0=one; name*1=\" two\"; name*2=3", "one two3" },
		{ "x; name*1=b; name*0=a", "ab" },
		{ "x; name*0*=utf-8''%C3; name*1*=%BC; name*2=%41",
		    "\xc3\xbc%41" },
		{ "x; name*=%41%zz%4", "A%zz%4" },
		{ "x; name*=''a", "a" },
		{ "x; name=\"=?utf-8?q?gr=C3=BCn?=\"", "gr\xc3\xbcn" },
		{ "x; name=\"\"", "" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		struct span s = param_find(params(p[i].value), "name", &arena);

		assert_non_null(s.p);
		buf_reset(&b);
		buf_add_span(&b, s);
		assert_string_equal(buf_cstr(&b), p[i].want);
	}
	assert_null(param_find(params("x; names=a; nam=b"), "name", &arena).p);
	assert_null(param_find(NULL, "name", &arena).p);
	buf_clear(&b);
	arena_clear(&arena);
}

static const char *
joined(const char *text, struct buf *b)
{
	buf_reset(b);
	for (const struct param *p = param_join(params(text), &arena);
	    p != NULL; p = p->next) {
		if (b->n > 0)
			buf_addc(b, ' ');
		buf_add_span(b, p->name);
		buf_addc(b, '=');
		buf_add_span(b, p->value);
	}
	return buf_cstr(b);
}

static void
pieces_are_joined_for_bodystructure(void **state)
{
	static const struct pair p[] = {
		{ "x; a=1; b=2", "a=1 b=2" },
		{ "x; n*1=b; a=1; n*0=a", "a=1 n=ab" },
		{ "x; n*0*=utf-8''%C3; n*1=\"%x\"", "n*=utf-8''%C3%25x" },
		{ "x; n*0=a; n*1*=%20", "n*=''a%20" },
		{ "x; n*=utf-8''a; m*0=x", "m=x n*=utf-8''a" },
		/* a gap: as written */
		{ "x; n*0=a; n*2=c", "n*0=a n*2=c" },
		{ "x; n*1=only", "n*1=only" },
		{ "x; n*0=a; n*0=b", "n*0=a n*0=b" },
		{ "x; N*0=a; n*1=b", "N=ab" },
		{ "x; n*x=1; n**=2; n*9999999999=3",
		    "n*x=1 n**=2 n*9999999999=3" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++)
		assert_string_equal(joined(p[i].value, &b), p[i].want);
	buf_clear(&b);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_decoded_and_all_else_is_kept),
		cmocka_unit_test(parameters_are_found_and_decoded),
		cmocka_unit_test(pieces_are_joined_for_bodystructure),
	};
	int failed;

	charset_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(&arena);
	return failed;
}
