/* The grammar of LMTP, and where a message ends. */
#include "worker/lmtp_dots.h"
#include "worker/lmtp_line.h"

#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* "local|domain|text|rest", or why not. */
static void
check_path(const char *line, const char *expected)
{
	struct span args = span_of(line);
	struct arena a = { 0 };
	struct buf got = { 0 };
	struct lmtp_path p;
	const char *why;

	if (lmtp_line_path(&args, SPAN("TO:"), &a, &p, &why) != ERR_OK)
		buf_adds(&got, why);
	else
		buf_addf(&got, "%.*s|%.*s|%.*s|%.*s", (int)p.local.n,
		    p.local.p, (int)p.domain.n, p.domain.p, (int)p.text.n,
		    p.text.p, (int)args.n, args.p);
	assert_string_equal(buf_cstr(&got), expected);
	buf_clear(&got);
	arena_free(&a);
}

static void
paths_are_read(void **state)
{
	(void)state;
	check_path("TO:<anna@example.org>",
	    "anna|example.org|anna@example.org|");
	check_path("to: <anna> X=1", "anna||anna| X=1");
	check_path("TO:<>", "|||");
	check_path("TO:<@a.b,@c:anna+box@[192.0.2.1]>",
	    "anna+box|[192.0.2.1]|anna+box@[192.0.2.1]|");
	check_path("TO:<\"a b\\\"c\"@x>", "a b\"c|x|\"a b\\\"c\"@x|");
	check_path("TO:<\"plain\"@x>", "plain|x|plain@x|");
}

static void
what_is_no_path_is_refused(void **state)
{
	char line[600] = "TO:<";

	(void)state;
	check_path("TO", "Invalid parameters");
	check_path("FROM:<a@b>", "Invalid parameters");
	check_path("TO:a@b", "Missing '<' at beginning of path");
	check_path("TO:", "Missing '<' at beginning of path");
	check_path("TO:<a@b", "Missing '>' at end of path");
	check_path("TO:<a b>", "Missing '>' at end of path");
	check_path("TO:<a@>", "Missing domain after '@'");
	check_path("TO:<a@b@c>", "Missing '>' at end of path");
	check_path("TO:<@b>", "Invalid source route");
	check_path("TO:<@b:>", "Missing local part");
	check_path("TO:<\"a>", "Invalid quoted local part");
	check_path("TO:<\"a\\", "Invalid quoted local part");
	check_path("TO:<\"a>b\"@x>", "Invalid quoted local part");
	check_path("TO:<\"\"@x>", "Missing local part");
	check_path("TO:<a@[]>", "Missing domain after '@'");
	memset(line + 4, 'a', 500);
	strcpy(line + 504, ">");
	check_path(line, "Path too long");
}

static void
words_and_parameters(void **state)
{
	struct span line = SPAN("MAIL FROM:<a>"), word, key, value;
	struct span args = SPAN("  BODY=8BITMIME SIZE= X");

	(void)state;
	assert_int_equal(lmtp_line_word(&line, &word), ERR_OK);
	assert_true(span_eq(word, SPAN("MAIL")));
	assert_true(span_eq(line, SPAN("FROM:<a>")));
	line = SPAN("");
	assert_int_equal(lmtp_line_word(&line, &word), ERR_SYNTAX);
	line = SPAN("NOOP \x01");
	assert_int_equal(lmtp_line_word(&line, &word), ERR_SYNTAX);
	line = SPAN("NOOP \xe4");
	assert_int_equal(lmtp_line_word(&line, &word), ERR_SYNTAX);

	assert_int_equal(lmtp_line_parameter(&args, &key, &value), ERR_OK);
	assert_true(span_eq(key, SPAN("BODY")));
	assert_true(span_eq(value, SPAN("8BITMIME")));
	assert_int_equal(lmtp_line_parameter(&args, &key, &value), ERR_OK);
	assert_true(span_eq(key, SPAN("SIZE")) && value.p != NULL);
	assert_int_equal(value.n, 0);
	assert_int_equal(lmtp_line_parameter(&args, &key, &value), ERR_OK);
	assert_true(span_eq(key, SPAN("X")) && value.p == NULL);
	assert_int_equal(lmtp_line_parameter(&args, &key, &value), ERR_OK);
	assert_int_equal(key.n, 0);
	args = SPAN(" =x");
	assert_int_equal(lmtp_line_parameter(&args, &key, &value), ERR_SYNTAX);
	args = SPAN("x");
	assert_int_equal(lmtp_line_parameter(&args, &key, &value), ERR_SYNTAX);
}

static void
chunks(void **state)
{
	uint64_t n;
	bool last;

	(void)state;
	assert_int_equal(lmtp_line_chunk(SPAN("12"), &n, &last), ERR_OK);
	assert_true(n == 12 && !last);
	assert_int_equal(lmtp_line_chunk(SPAN("0 last"), &n, &last), ERR_OK);
	assert_true(n == 0 && last);
	assert_int_equal(lmtp_line_chunk(SPAN(""), &n, &last), ERR_SYNTAX);
	assert_int_equal(lmtp_line_chunk(SPAN("1 FIRST"), &n, &last),
	    ERR_SYNTAX);
	assert_int_equal(lmtp_line_chunk(SPAN("99999999999999999999"), &n,
	    &last), ERR_SYNTAX);
}

static void
details(void **state)
{
	struct span user, detail;

	(void)state;
	lmtp_line_detail(SPAN("a+b+c"), SPAN("+"), &user, &detail);
	assert_true(span_eq(user, SPAN("a")) && span_eq(detail, SPAN("b+c")));
	lmtp_line_detail(SPAN("a-b+c"), SPAN("+-"), &user, &detail);
	assert_true(span_eq(user, SPAN("a")) && span_eq(detail, SPAN("b+c")));
	lmtp_line_detail(SPAN("+b"), SPAN("+"), &user, &detail);
	assert_true(span_eq(user, SPAN("+b")) && detail.n == 0);
	lmtp_line_detail(SPAN("a+b"), SPAN(""), &user, &detail);
	assert_true(span_eq(user, SPAN("a+b")) && detail.n == 0);
}

/* In pieces of every size the same comes out, and the end is found. */
static void
check_dots(struct span in, struct span expected, size_t rest)
{
	for (size_t step = 1; step <= in.n; step++) {
		struct lmtp_dots d = { 0 };
		struct buf out = { 0 };
		size_t at = 0;

		while (at < in.n && d.state != DOTS_END) {
			size_t size = in.n - at < step ? in.n - at : step;
			struct span piece = { in.p + at, size };

			while (piece.n > 0 && d.state != DOTS_END) {
				char room[3];
				size_t n = lmtp_dots_take(&d, &piece, room,
				    sizeof(room));

				buf_add(&out, room, n);
			}
			at += size - piece.n;
		}
		assert_int_equal(d.state, DOTS_END);
		assert_int_equal(in.n - at, rest);
		assert_true(span_eq(buf_span(&out), expected));
		buf_clear(&out);
	}
}

static void
messages_end_at_a_dot(void **state)
{
	(void)state;
	check_dots(SPAN("a\r\n.\r\nRSET\r\n"), SPAN("a\r\n"), 6);
	check_dots(SPAN(".\r\n"), SPAN(""), 0);
	check_dots(SPAN("..\r\n...x\r\n.y\r\n.\r\n"),
	    SPAN(".\r\n..x\r\ny\r\n"), 0);
	check_dots(SPAN(".\rx\r\n.\r\r\n.\r\n"), SPAN("\rx\r\n\r\r\n"), 0);
}

/* What only a careless reader takes for the end (mail smuggling). */
static void
bare_line_ends_end_nothing(void **state)
{
	(void)state;
	check_dots(SPAN("a\n.\nb\r.\rc\n.\r\nd\r\n.\ne\r\n.\r\n"),
	    SPAN("a\n.\nb\r.\rc\n.\r\nd\r\n\ne\r\n"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_read),
		cmocka_unit_test(what_is_no_path_is_refused),
		cmocka_unit_test(words_and_parameters),
		cmocka_unit_test(chunks),
		cmocka_unit_test(details),
		cmocka_unit_test(messages_end_at_a_dot),
		cmocka_unit_test(bare_line_ends_end_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
