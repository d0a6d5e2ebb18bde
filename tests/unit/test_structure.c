/* ENVELOPE, BODY and BODYSTRUCTURE, byte for byte. */
#include "maildir/structure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;

static void
strings_are_quoted_where_they_can_be(void **state)
{
	static const struct {
		struct span s;
		const char *want;
	} p[] = {
		{ { NULL, 0 }, "NIL" },
		{ { "", 0 }, "\"\"" },
		{ { "a b", 3 }, "\"a b\"" },
		{ { "a\"b\\c", 5 }, "\"a\\\"b\\\\c\"" },
		{ { "\"\"\"\"", 4 }, "\"\\\"\\\"\\\"\\\"\"" },
		{ { "\"\"\"\"\"", 5 }, "{5}\r\n\"\"\"\"\"" },
		{ { "\x01\x7f\t", 3 }, "\"\x01\x7f\t\"" },
		{ { "\xc3\xbc", 2 }, "{2}\r\n\xc3\xbc" },
		{ { "a\rb", 3 }, "{3}\r\na\rb" },
		{ { "a\nb", 3 }, "{3}\r\na\nb" },
		{ { "\0a\0\0b", 5 }, "{11}\r\n\xef\xbf\xbd" "a\xef\xbf\xbd"
		    "\xef\xbf\xbd" "b" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		buf_reset(&b);
		structure_nstring(p[i].s, &b);
		assert_string_equal(buf_cstr(&b), p[i].want);
	}
	buf_clear(&b);
}

static const char *
envelope(const char *header, struct buf *b)
{
	buf_reset(b);
	structure_envelope(span_of(header), &arena, b);
	arena_clear(&arena);
	return buf_cstr(b);
}

#define X "((NIL NIL \"x\" \"y\"))"

static void
an_envelope_has_ten_fields(void **state)
{
	static const char *const p[][2] = {
		{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Message-ID: <m>\nIn-Reply-To: <r>\nBcc: b@h\nCc: c@h\n"
		    "To: t@h\nReply-To: r@h\nSender: s@h\nFrom: F <f@h>\n"
		    "Subject: S\nDate: D\n\nDate: not this\n",
		    "(\"D\" \"S\" ((\"F\" NIL \"f\" \"h\")) "
		    "((NIL NIL \"s\" \"h\")) ((NIL NIL \"r\" \"h\")) "
		    "((NIL NIL \"t\" \"h\")) ((NIL NIL \"c\" \"h\")) "
		    "((NIL NIL \"b\" \"h\")) \"<r>\" \"<m>\")" },
		/* RFC 3501 7.4.2: Sender and Reply-To default to From */
		{ "From: x@y\nSender:\n",
		    "(NIL NIL " X " " X " " X " NIL NIL NIL NIL NIL)" },
		{ "Date:\nSubject: \nMessage-ID:\nIn-Reply-To:  \n",
		    "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")" },
		/* twice */
		{ "Subject: 1\nTo: a@b\nSubject: 2\nto: c@d\n",
		    "(NIL \"2\" NIL NIL NIL ((NIL NIL \"a\" \"b\")"
		    "(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)" },
		/* a group */
		{ "To: g: a@b;\n", "(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL)"
		    "(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)" },
		/* subjects and names are for people */
		{ "Subject: a\r\n\t b\n  c \n", "(NIL {5}\r\na b c NIL NIL NIL NIL "
		    "NIL NIL NIL NIL)" },
		{ "Subject: a \"b\"\n",
		    "(NIL {5}\r\na \"b\" NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "To: \" A  B\" <x@y>\n", "(NIL NIL NIL NIL NIL (({3}\r\nA B NIL "
		    "\"x\" \"y\")) NIL NIL NIL NIL)" },
		/* the others lose their folds only */
		{ "Message-ID:\r\n <a\n  b>\nDate: \"D\"  x\n",
		    "(\"\\\"D\\\"  x\" NIL NIL NIL NIL NIL NIL NIL NIL "
		    "\"<a  b>\")" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++)
		assert_string_equal(envelope(p[i][0], &b), p[i][1]);
	buf_clear(&b);
}

static void
a_header_of_many_lists_takes_linear_time(void **state)
{
	struct buf h = { 0 }, b = { 0 };

	(void)state;
	while (h.n < 1 << 20)
		buf_adds(&h, "To:a\n");
	alarm(60);
	(void)envelope(buf_cstr(&h), &b);
	alarm(0);
	assert_true(b.n > h.n);
	buf_clear(&h);
	buf_clear(&b);
}

static const char *
body(const char *text, bool extended, struct buf *b)
{
	struct part *root;

	buf_reset(b);
	mime_parse(span_of(text), &arena, &root);
	structure_body(span_of(text), root, extended, &arena, b);
	arena_clear(&arena);
	return buf_cstr(b);
}

#define NILS " NIL NIL NIL NIL"
#define PLAIN "\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "

static void
structures_are_as_dovecot_writes_them(void **state)
{
	static const char *const p[][2] = {
		{ "", "(" PLAIN "0 0" NILS ")" },
		{ "A: b\n\none\ntwo", "(" PLAIN "8 1" NILS ")" },
		{ "Content-Type: Text/HTML; Charset=x; name=\"a \\\"b\\\"\"\n"
		    "Content-ID: <i>\nContent-Description: d\n e\n"
		    "Content-Transfer-Encoding: Base64 (c)\nContent-MD5: m\n"
		    "Content-Disposition: attachment; filename=f\n"
		    "Content-Language: de, en\nContent-Location: l\n\nx\r\n",
		    "(\"Text\" \"HTML\" (\"Charset\" \"x\" \"name\" "
		    "\"a \\\"b\\\"\") \"<i>\" \"d e\" \"Base64\" 3 1 \"m\" "
		    "(\"attachment\" (\"filename\" \"f\")) (\"de\" \"en\") "
		    "\"l\")" },
		{ "Content-Type: image/png\nContent-Disposition: inline\n\nx\n",
		    "(\"image\" \"png\" NIL NIL NIL \"7bit\" 3 NIL "
		    "(\"inline\" NIL) NIL NIL)" },
		{ "Content-Type: a/b; n*1=y; n*0=x; z=1\n\n",
		    "(\"a\" \"b\" (\"z\" \"1\" \"n\" \"xy\") NIL NIL \"7bit\" 0"
		    NILS ")" },
		{ "Content-Type: multipart/mixed; boundary=b\n"
		    "Content-Language: x\n\n--b\n\n1\n--b\nContent-Type: a/b\n\n"
		    "--b--\n", "((" PLAIN "1 0" NILS ")(\"a\" \"b\" NIL NIL NIL "
		    "\"7bit\" 0" NILS ") \"mixed\" (\"boundary\" \"b\") NIL "
		    "(\"x\") NIL)" },
		{ "Content-Type: multipart/mixed\n\nx\n",
		    "((" PLAIN "0 0" NILS ") \"mixed\" NIL NIL NIL NIL)" },
		{ "Content-Type: message/rfc822\n\nSubject: i\n\nx\n",
		    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 "
		    "(NIL \"i\" NIL NIL NIL NIL NIL NIL NIL NIL) (" PLAIN
		    "3 1" NILS ") 3" NILS ")" },
		{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\n"
		    "Subject: i\n\nx\n--b--\n",
		    "((\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 "
		    "(NIL \"i\" NIL NIL NIL NIL NIL NIL NIL NIL) (" PLAIN
		    "1 0" NILS ") 2" NILS ") \"digest\" (\"boundary\" \"b\") "
		    "NIL NIL NIL)" },
		/* RFC 2045 5.2: what is no type is text/plain */
		{ "Content-Type: text\n\n", "(" PLAIN "0 0" NILS ")" },
		{ "Content-Type: ;\n\n", "(" PLAIN "0 0" NILS ")" },
		/* the first counts, of dispositions the last */
		{ "Content-Type: a/b\nContent-Type: c/d\nContent-ID: 1\n"
		    "Content-ID: 2\nContent-Disposition: x\n"
		    "Content-Disposition: y\n\n", "(\"a\" \"b\" NIL \"1\" NIL "
		    "\"7bit\" 0 NIL (\"y\" NIL) NIL NIL)" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++)
		assert_string_equal(body(p[i][0], true, &b), p[i][1]);
	buf_clear(&b);
}

static void
body_leaves_the_extension_out(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_string_equal(body("Content-Type: multipart/mixed; boundary=b\n\n"
	    "--b\nContent-MD5: x\n\n1\n--b\nContent-Type: message/rfc822\n\n"
	    "A: b\n\n2\n--b--\n", false, &b),
	    "((" PLAIN "1 0)(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 9 "
	    "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) (" PLAIN "1 0) 2) "
	    "\"mixed\")");
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_quoted_where_they_can_be),
		cmocka_unit_test(an_envelope_has_ten_fields),
		cmocka_unit_test(a_header_of_many_lists_takes_linear_time),
		cmocka_unit_test(structures_are_as_dovecot_writes_them),
		cmocka_unit_test(body_leaves_the_extension_out),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
