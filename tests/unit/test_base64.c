/* Base64 and quoted-printable. */
#include "common/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	const char *plain, *coded;
} pairs[] = {
	/* RFC 4648 10 */
	{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" },
};

static void
encoded_and_decoded_as_the_rfc_shows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct buf b = { 0 };

		base64_encode(span_of(pairs[i].plain), &b);
		assert_string_equal(buf_cstr(&b), pairs[i].coded);
		buf_reset(&b);
		assert_int_equal(base64_decode(span_of(pairs[i].coded), &b),
		    ERR_OK);
		assert_string_equal(buf_cstr(&b), pairs[i].plain);
		buf_reset(&b);
		base64_decode_mail(span_of(pairs[i].coded), &b);
		assert_string_equal(buf_cstr(&b), pairs[i].plain);
		buf_clear(&b);
	}
}

static void
strict_refuses_what_is_not_exactly_right(void **state)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zm8", "Zg===",
		"=", "====", "Z===", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm9v=",
		"Zm9v====", "Zm_v", "Zm-v", "Zg==\r\n", "Zm8==", "Z=g=",
		"Zm9vZ", "Zm9v Zm9v", "Zm9v*" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct buf b = { 0 };

		if (base64_decode(span_of(bad[i]), &b) != ERR_SYNTAX)
			fail_msg("%s was taken", bad[i]);
		buf_clear(&b);
	}
}

static void
long_data_comes_back(void **state)
{
	struct buf plain = { 0 }, coded = { 0 }, lines = { 0 }, back = { 0 };

	(void)state;
	for (uint32_t i = 0, v = 1; i < 100001; i++, v = v * 1103515245 + 12345)
		buf_addc(&plain, (char)(v >> 16));
	base64_encode(buf_span(&plain), &coded);
	assert_int_equal(base64_decode(buf_span(&coded), &back), ERR_OK);
	assert_true(span_eq(buf_span(&plain), buf_span(&back)));
	/* Lines of 75: no line ends with a group. */
	for (size_t i = 0; i < coded.n; i += 75) {
		buf_add(&lines, coded.p + i,
		    coded.n - i < 75 ? coded.n - i : 75);
		buf_adds(&lines, "\r\n");
	}
	buf_reset(&back);
	base64_decode_mail(buf_span(&lines), &back);
	assert_true(span_eq(buf_span(&plain), buf_span(&back)));
	buf_clear(&plain);
	buf_clear(&coded);
	buf_clear(&lines);
	buf_clear(&back);
}

static void
mail_is_decoded_whatever_is_between(void **state)
{
	static const struct {
		const char *coded, *plain;
	} cases[] = {
		{ "Zm9v\r\nYmFy\r\n", "foobar" }, { "Z m\t9-v", "foo" },
		{ "Zm8=\r\nZm9v", "fo" }, { "Zg", "f" }, { "Zm8", "fo" },
		{ "Z", "" }, { "=Zm9v", "foo" }, { "Zm9v====Zm9v", "foofoo" },
		{ "\xff\xfeZm9v\x01", "foo" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = { 0 };

		base64_decode_mail(span_of(cases[i].coded), &b);
		assert_string_equal(buf_cstr(&b), cases[i].plain);
		buf_clear(&b);
	}
}

static void
the_bound_is_met_exactly(void **state)
{
	for (size_t max = 1; max < 20; max++) {
		struct buf b = { .max = max }, q = { .max = max };

		(void)state;
		base64_decode_mail(SPAN("Zm9vYmFyZm9v\r\nYmFyZm9v"), &b);
		assert_int_equal(b.n, max < 15 ? max : 15);
		assert_int_equal(b.over, max < 15);
		assert_memory_equal(b.p, "foobarfoobarfoo", b.n);
		qp_decode(SPAN("foo=62ar foobarfoo"), false, &q);
		assert_int_equal(q.n, max < 16 ? max : 16);
		assert_int_equal(q.over, max < 16);
		buf_clear(&b);
		buf_clear(&q);
	}
}

static void
quoted_printable_bodies(void **state)
{
	static const struct {
		const char *coded, *plain;
	} cases[] = {
		{ "a=3Db=3dc", "a=b=c" }, { "=E4=f6", "\xe4\xf6" },
		{ "one=\r\ntwo", "onetwo" }, { "one=\ntwo", "onetwo" },
		{ "one= \t\r\ntwo", "onetwo" }, { "one=", "one" },
		{ "one= ", "one" }, { "a_b", "a_b" },
		{ "blanks  \t\r\nend \n", "blanks\r\nend\n" },
		{ "a b\tc", "a b\tc" }, { "last ", "last" },
		{ "=ZZ=4", "=ZZ=4" }, { "= x", "= x" }, { "==41", "=A" },
		{ "a\r\n\r\nb", "a\r\n\r\nb" }, { "a \rb", "a \rb" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = { 0 };

		qp_decode(span_of(cases[i].coded), false, &b);
		if (strcmp(buf_cstr(&b), cases[i].plain) != 0)
			fail_msg("case %zu: %s", i, b.p);
		buf_clear(&b);
	}
}

static void
quoted_printable_headers(void **state)
{
	struct buf b = { 0 };

	(void)state;
	qp_decode(SPAN("a_b=5Fc=20=3F d= =\r\n"), true, &b);
	assert_string_equal(buf_cstr(&b), "a b_c ? d= =\r\n");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded_and_decoded_as_the_rfc_shows),
		cmocka_unit_test(strict_refuses_what_is_not_exactly_right),
		cmocka_unit_test(long_data_comes_back),
		cmocka_unit_test(mail_is_decoded_whatever_is_between),
		cmocka_unit_test(the_bound_is_met_exactly),
		cmocka_unit_test(quoted_printable_bodies),
		cmocka_unit_test(quoted_printable_headers),
	};

	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
