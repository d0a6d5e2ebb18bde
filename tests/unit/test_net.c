/* Addresses, networks, and the PROXY protocol's headers. */
#include "common/net.h"
#include "common/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
networks(void **state)
{
	static const struct {
		const char *list, *address;
		bool is_in;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "0.0.0.0/0", "198.51.100.1", true },
		{ "0.0.0.0/0", "::1", false },
		{ "10.0.0.0/8,  2001:db8::/32", "2001:db8:1::1", true },
		{ "10.0.0.0/8 2001:db8::/32", "2001:db9::", false },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "local", "", true }, { "local", "127.0.0.1", false },
		{ "", "127.0.0.1", false }, { "rubbish", "127.0.0.1", false },
		{ "127.0.0.0/", "127.0.0.1", false },
		{ "127.0.0.0/33", "127.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(net_list_contains(cases[i].list,
		    cases[i].address), cases[i].is_in);
	assert_true(net_is_valid(SPAN("::/0")));
	assert_false(net_is_valid(SPAN("::/129")));
	assert_false(net_is_valid(SPAN("")));
}

static void
texts(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1" }, { "2001:db8::1", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
	};
	struct sockaddr_storage ss = { 0 };
	char text[INET6_ADDRSTRLEN];

	(void)state;
	assert_string_equal(net_text(&ss, text), "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(net_parse(span_of(cases[i].in), 25, &ss));
		assert_string_equal(net_text(&ss, text), cases[i].out);
	}
	assert_false(net_parse(SPAN("192.0.2"), 25, &ss));
	assert_false(net_parse(SPAN("192.0.2.1\0"), 25, &ss));
	assert_string_equal(net_text(&ss, text), "192.0.2.1");
}

/* As it is read: what is asked for, until nothing is. */
static enum err
read_all(struct span s, size_t *used, struct proxy_header *out)
{
	struct span have = { s.p, 0 };
	size_t missing;
	enum err e;

	while ((e = proxy_missing(have, &missing)) == ERR_OK && missing > 0) {
		assert_true(have.n + missing <= s.n);
		have.n += missing;
	}
	*used = have.n;
	return e == ERR_OK ? proxy_parse(have, out) : e;
}

static void
headers(void **state)
{
	static const struct {
		struct span in;
		const char *remote, *local;	/* NULL: it speaks for itself */
		bool is_tls;
	} cases[] = {
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define PAIR "\300\0\2\7\313\0q\1\17\240\0\217"
		{ SPAN("PROXY TCP4 192.0.2.7 203.0.113.1 4000 143\r\n"),
		    "192.0.2.7", "203.0.113.1", false },
		{ SPAN("PROXY TCP6 2001:db8::7 ::1 4000 143\r\n"),
		    "2001:db8::7", "::1", false },
		{ SPAN("PROXY UNKNOWN\r\n"), NULL, NULL, false },
		{ SPAN("PROXY UNKNOWN a b\r\n"), NULL, NULL, false },
		{ SPAN(V2 "\x20\0\0\0"), NULL, NULL, false },
		{ SPAN(V2 "\x21\0\0\1x"), NULL, NULL, false },
		{ SPAN(V2 "\x21\x11\0\14" PAIR), "192.0.2.7", "203.0.113.1",
		    false },
		{ SPAN(V2 "\x21\x11\0\24" PAIR "\x20\0\5\1\0\0\0\0"),
		    "192.0.2.7", "203.0.113.1", true },
		{ SPAN(V2 "\x21\x11\0\24" PAIR "\x20\0\5\2\0\0\0\0"),
		    "192.0.2.7", "203.0.113.1", false },
	};
	struct proxy_header h;
	char whole[300], text[INET6_ADDRSTRLEN];
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* What follows is not touched, whatever it is. */
		memcpy(whole, cases[i].in.p, cases[i].in.n);
		memset(whole + cases[i].in.n, 'x', 100);
		assert_int_equal(read_all((struct span){ whole,
		    cases[i].in.n + 100 }, &used, &h), ERR_OK);
		assert_int_equal(used, cases[i].in.n);
		assert_int_equal(h.is_local, cases[i].remote == NULL);
		assert_int_equal(h.is_tls, cases[i].is_tls);
		if (cases[i].remote == NULL)
			continue;
		assert_string_equal(net_text(&h.remote, text),
		    cases[i].remote);
		assert_string_equal(net_text(&h.local, text), cases[i].local);
	}
}

static void
what_is_no_header(void **state)
{
	static const struct span cases[] = {
		SPAN("* OK hello, and some more"), SPAN("PROXY\tTCP4 ........"),
		SPAN("PROXY TCP4 192.0.2.7 203.0.113.1 4000\r\n"),
		SPAN("PROXY TCP4 192.0.2.7 203.0.113.1 4000 65536\r\n"),
		SPAN("PROXY TCP4 192.0.2.7 203.0.113.1 4000 -1\r\n"),
		SPAN("PROXY TCP4 192.0.2.7 203.0.113.1 4000 143 9\r\n"),
		SPAN("PROXY TCP4 2001:db8::7 ::1 4000 143\r\n"),
		SPAN("PROXY TCP5 192.0.2.7 203.0.113.1 4000 143\r\n"),
		SPAN(V2 "\x22\x11\0\14" PAIR), SPAN(V2 "\x21\x11\0\13" PAIR),
		SPAN(V2 "\x21\x21\0\14" PAIR),
		SPAN(V2 "\x21\x11\0\16" PAIR "\x20\0"),
		SPAN(V2 "\x21\x11\0\17" PAIR "\x20\0\5"),
	};
	struct proxy_header h;
	char line[200];
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(read_all(cases[i], &used, &h), ERR_SYNTAX);
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(read_all((struct span){ line, sizeof(line) }, &used,
	    &h), ERR_SYNTAX);
	assert_true(used <= 107);
	assert_int_equal(read_all(SPAN(V2 "\x21\x11\x10\0"), &used, &h),
	    ERR_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks), cmocka_unit_test(texts),
		cmocka_unit_test(headers), cmocka_unit_test(what_is_no_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
