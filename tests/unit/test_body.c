/* BODY[...]: what is read, how it is echoed, which bytes come out. */
#include "worker/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fsutil.h"
#include "worker/conn.h"
#include "worker/cursor.h"
#include "worker/resp.h"
#include "worker/session.h"

static struct arena arena;
static struct buf out;
static const char *killed;

/* ---- the connection, stood in for ---- */

void
resp_span(struct session *s, struct span text)
{
	(void)s;
	buf_add_span(&out, text);
}

void
resp_put(struct session *s, const char *text)
{
	(void)s;
	buf_adds(&out, text);
}

void
resp_literal(struct session *s, uint64_t n)
{
	(void)s;
	buf_addf(&out, "{%llu}\r\n", (unsigned long long)n);
}

bool
conn_is_dead(const struct conn *c)
{
	(void)c;
	return killed != NULL;
}

void
conn_kill(struct conn *c, const char *why)
{
	(void)c;
	killed = why;
}

/* ---- reading ---- */

static enum err
parse(const char *text, struct body_section *b)
{
	struct cursor in = { .text = span_of(text), .arena = &arena };
	enum err e = body_parse(&in, true, b);

	if (e == ERR_OK && !cursor_is_end(&in))
		return ERR_SYNTAX;
	return e;
}

static void
sections_are_echoed_in_capitals(void **state)
{
	static const char *const p[][2] = {
		{ "[]", "BODY[]" },
		{ "[header]", "BODY[HEADER]" },
		{ "[Text]<0.1>", "BODY[TEXT]<0>" },
		{ "[1]", "BODY[1]" },
		{ "[1.22.3]<9223372036854775807.7>",
		    "BODY[1.22.3]<9223372036854775807>" },
		{ "[1.mime]", "BODY[1.MIME]" },
		{ "[4294967295.TEXT]", "BODY[4294967295.TEXT]" },
		{ "[header.fields (from x-Y)]", "BODY[HEADER.FIELDS (FROM X-Y)]" },
		{ "[header.fields.not (\"from\" To)]<5.9>",
		    "BODY[HEADER.FIELDS.NOT (\"FROM\" TO)]<5>" },
		{ "[1.2.HEADER.FIELDS ({4}\r\nfrom)]",
		    "BODY[1.2.HEADER.FIELDS (\"FROM\")]" },
		{ "[HEADER.FIELDS (\"a b\" \"q\\\"\" \"\")]",
		    "BODY[HEADER.FIELDS (\"A B\" \"Q\\\"\" \"\")]" },
		{ "[HEADER.FIELDS ({2}\r\n\xc3\xbc)]",
		    "BODY[HEADER.FIELDS ({2}\r\n\xc3\xbc)]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		struct body_section b;

		assert_int_equal(parse(p[i][0], &b), ERR_OK);
		assert_string_equal(arena_cstr(&arena, b.label), p[i][1]);
		assert_true(b.peek);
	}
	arena_clear(&arena);
}

static void
bad_sections_are_refused(void **state)
{
	static const char *const bad[] = { "", "[", "]", "[foo]", "[header",
		"[MIME]", "[1.]", "[.1]", "[0]", "[1.0]", "[4294967296]",
		"[1..2]", "[1.foo]", "[HEADER.FIELDS]", "[HEADER.FIELDS ()]",
		"[HEADER.FIELDS (a]", "[HEADER.FIELDS(a)]", "[HEADERS]",
		"[HEADER.FIELDS (a )]", "[HEADER.FIELDS (a  b)]", "[]<0>",
		"[]<0.0>", "[]<.1>", "[]<0.1", "[]<a.1>", "[] <0.1>", "[TEXT.1]",
		"[]<99999999999999999999.1>" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct body_section b;

		if (parse(bad[i], &b) != ERR_SYNTAX)
			fail_msg("%s was accepted", bad[i]);
	}
	arena_clear(&arena);
}

static void
numbers_and_names_are_bounded(void **state)
{
	struct body_section b;
	struct buf t = { 0 };

	(void)state;
	buf_adds(&t, "[1");
	for (int i = 0; i < 1000; i++)
		buf_adds(&t, ".1");
	buf_adds(&t, "]");
	assert_int_equal(parse(buf_cstr(&t), &b), ERR_SYNTAX);
	buf_reset(&t);
	buf_adds(&t, "[HEADER.FIELDS (a");
	for (int i = 0; i < 2000; i++)
		buf_adds(&t, " b");
	buf_adds(&t, ")]");
	assert_int_equal(parse(buf_cstr(&t), &b), ERR_SYNTAX);
	buf_clear(&t);
	arena_clear(&arena);
}

static void
only_headers_of_the_message_need_no_body(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} p[] = {
		{ "[HEADER]", true }, { "[HEADER.FIELDS (a)]", true },
		{ "[HEADER.FIELDS.NOT (a)]<0.5>", true }, { "[]", false },
		{ "[TEXT]", false }, { "[1]", false }, { "[1.MIME]", false },
		{ "[1.HEADER]", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		struct body_section b;

		assert_int_equal(parse(p[i].text, &b), ERR_OK);
		assert_int_equal(body_needs_header_only(&b), p[i].want);
	}
	arena_clear(&arena);
}

/* ---- writing ---- */

static struct message *
message_of(struct span text)
{
	int fd = memfd_create("message", MFD_CLOEXEC);
	struct message *m;

	assert_true(fd >= 0);
	assert_int_equal(fs_write(fd, text.p, text.n), ERR_OK);
	assert_int_equal(message_open(fd, &m), ERR_OK);
	return m;
}

/* What follows the label and its blank. */
static const char *
written(struct span text, const char *section, bool header_only)
{
	static struct session s;
	struct message *m = message_of(text);
	struct body_section b;

	assert_int_equal(parse(section, &b), ERR_OK);
	buf_reset(&out);
	if (header_only)
		body_write_header(&s, &b, message_header(m));
	else
		body_write(&s, &b, m);
	message_close(&m);
	assert_true(span_starts(buf_span(&out), b.label));
	buf_drop(&out, b.label.n);
	assert_true(out.n > 1 && out.p[0] == ' ');
	arena_clear(&arena);
	return buf_cstr(&out) + 1;
}

static const struct span multi = SPAN("Subject: s\n folded\nFrom : f\njunk\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n\none\n\n--b\n"
    "Content-Type: message/rfc822\n\nSubject: in\nA: b\n\ntwo\nlines\n--b\n"
    "--b--\n");

static void
sections_give_their_bytes(void **state)
{
	static const char *const p[][2] = {
		{ "[HEADER]", "{82}\r\nSubject: s\r\n folded\r\nFrom : f\r\njunk\r\n"
		    "Content-Type: multipart/mixed; boundary=b\r\n\r\n" },
		{ "[HEADER.FIELDS (from SUBJECT)]", "{33}\r\nSubject: s\r\n folded\r\n"
		    "From : f\r\n\r\n" },
		{ "[HEADER.FIELDS (none)]", "{2}\r\n\r\n" },
		{ "[HEADER.FIELDS.NOT (content-type subject)]",
		    "{18}\r\nFrom : f\r\njunk\r\n\r\n" },
		{ "[HEADER.FIELDS (from)]<0.6>", "{6}\r\nFrom :" },
		{ "[HEADER.FIELDS (from)]<6.100>", "{6}\r\n f\r\n\r\n" },
		{ "[HEADER.FIELDS (from)]<12.1>", "{0}\r\n" },
		{ "[HEADER]<11.9>", "{9}\r\n\n folded\r" },
		{ "[1]", "{5}\r\none\r\n" },
		{ "[1.MIME]", "{8}\r\nX: y\r\n\r\n" },
		{ "[1]<3.1>", "{1}\r\n\r" },
		{ "[1]<4.1>", "{1}\r\n\n" },
		{ "[1]<5.1>", "{0}\r\n" },
		{ "[2]", "{31}\r\nSubject: in\r\nA: b\r\n\r\ntwo\r\nlines" },
		{ "[2.MIME]", "{32}\r\nContent-Type: message/rfc822\r\n\r\n" },
		{ "[2.HEADER]", "{21}\r\nSubject: in\r\nA: b\r\n\r\n" },
		{ "[2.HEADER.FIELDS (a)]", "{8}\r\nA: b\r\n\r\n" },
		{ "[2.HEADER.FIELDS.NOT (a)]", "{15}\r\nSubject: in\r\n\r\n" },
		{ "[2.TEXT]", "{10}\r\ntwo\r\nlines" },
		{ "[2.1]", "{10}\r\ntwo\r\nlines" },
		{ "[2.1.MIME]", "{21}\r\nSubject: in\r\nA: b\r\n\r\n" },
		/* there, but empty */
		{ "[3]", "{0}\r\n" },
		{ "[3.MIME]", "{0}\r\n" },
		/* not there */
		{ "[4]", "NIL" }, { "[1.1]", "NIL" }, { "[1.TEXT]", "NIL" },
		{ "[1.HEADER]", "NIL" }, { "[1.HEADER.FIELDS (x)]", "NIL" },
		{ "[4.MIME]<0.5>", "NIL" }, { "[2.2]", "NIL" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++)
		assert_string_equal(written(multi, p[i][0], false), p[i][1]);
}

static void
a_header_alone_gives_the_same(void **state)
{
	static const char *const section[] = { "[HEADER]", "[HEADER]<3.50>",
		"[HEADER.FIELDS (from subject)]", "[HEADER.FIELDS (x)]",
		"[HEADER.FIELDS.NOT (from)]<1.9>", "[HEADER.FIELDS.NOT (x)]" };
	static const struct span text[] = { SPAN("A: b\nFrom: x\r\n\nbody\n"),
		SPAN(""), SPAN("\n"), SPAN("From: cut"), SPAN("From: \0nul\n\nx"),
		SPAN("x"), SPAN("A: b\n") };
	struct buf whole = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(section) / sizeof(section[0]); i++) {
		for (size_t k = 0; k < sizeof(text) / sizeof(text[0]); k++) {
			buf_reset(&whole);
			buf_adds(&whole, written(text[k], section[i], false));
			assert_string_equal(written(text[k], section[i], true),
			    buf_cstr(&whole));
		}
	}
	buf_clear(&whole);
}

static void
a_message_without_an_empty_line_has_one_in_fields_only(void **state)
{
	struct span text = SPAN("From: x\nTo: cut");

	(void)state;
	assert_string_equal(written(text, "[HEADER]", false),
	    "{16}\r\nFrom: x\r\nTo: cut");
	assert_string_equal(written(text, "[HEADER.FIELDS (to)]", false),
	    "{11}\r\nTo: cut\r\n\r\n");
	assert_string_equal(written(text, "[HEADER.FIELDS.NOT (from)]", false),
	    "{7}\r\nTo: cut");
	assert_string_equal(written(text, "[TEXT]", false), "{0}\r\n");
}

static void
whole_messages_and_texts_are_in_wire_form(void **state)
{
	struct span text = SPAN("A: b\n\none\r\ntwo\n\0end");

	(void)state;
	assert_string_equal(written(text, "[]", false),
	    "{22}\r\nA: b\r\n\r\none\r\ntwo\r\n\x80" "end");
	assert_string_equal(written(text, "[TEXT]", false),
	    "{14}\r\none\r\ntwo\r\n\x80" "end");
	assert_string_equal(written(text, "[1]", false),
	    "{14}\r\none\r\ntwo\r\n\x80" "end");
	assert_string_equal(written(text, "[]<4.3>", false), "{3}\r\n\r\n\r");
	assert_string_equal(written(SPAN(""), "[]", false), "{0}\r\n");
	assert_string_equal(written(SPAN(""), "[1]", false), "{0}\r\n");
}

static void
a_truncated_message_ends_the_connection(void **state)
{
	static struct session s;
	struct body_section b;
	struct buf text = { 0 };
	struct message *m;

	(void)state;
	buf_adds(&text, "A: b\n\n");
	while (text.n < 3 << 20)
		buf_adds(&text, "a line of the body\n");
	m = message_of(buf_span(&text));
	message_wire_size(m);
	assert_int_equal(ftruncate(m->fd, 1 << 20), 0);
	assert_int_equal(parse("[]", &b), ERR_OK);
	buf_reset(&out);
	assert_null(killed);
	body_write(&s, &b, m);
	assert_non_null(killed);
	killed = NULL;
	message_close(&m);
	buf_clear(&text);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_are_echoed_in_capitals),
		cmocka_unit_test(bad_sections_are_refused),
		cmocka_unit_test(numbers_and_names_are_bounded),
		cmocka_unit_test(only_headers_of_the_message_need_no_body),
		cmocka_unit_test(sections_give_their_bytes),
		cmocka_unit_test(a_header_alone_gives_the_same),
		cmocka_unit_test(
		    a_message_without_an_empty_line_has_one_in_fields_only),
		cmocka_unit_test(whole_messages_and_texts_are_in_wire_form),
		cmocka_unit_test(a_truncated_message_ends_the_connection),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	message_trim();
	arena_free(&arena);
	buf_clear(&out);
	return failed;
}
