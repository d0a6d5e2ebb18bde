/* FETCH items: what is read, what it needs, how it is written. */
#include "worker/fetch_item.h"

#include "common/date.h"
#include "worker/cursor.h"
#include "worker/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static enum err
parse(const char *text, bool by_uid, struct fetch_program *p)
{
	struct cursor in = { .text = span_of(text), .arena = &arena };
	enum err e = fetch_parse(&in, by_uid, p);

	if (e == ERR_OK && cursor_end(&in) != ERR_OK)
		return ERR_SYNTAX;
	return e;
}

/* Names of the items, with the label of sections. */
static const char *
items(const char *text, bool by_uid)
{
	static char out[500];
	struct fetch_program p;
	enum err e = parse(text, by_uid, &p);

	out[0] = '\0';
	if (e != ERR_OK)
		return e == ERR_LIMIT ? "LIMIT" : "BAD";
	for (size_t i = 0; i < p.n; i++) {
		const struct fetch_item *item = &p.item[i];

		strcat(out, i > 0 ? " " : "");
		if (item->section.label.n > 0)
			strncat(out, item->section.label.p,
			    item->section.label.n);
		else
			strcat(out, item->row->name);
	}
	return out;
}

static unsigned
needs(const char *text)
{
	struct fetch_program p;

	assert_int_equal(parse(text, false, &p), ERR_OK);
	return p.needs;
}

static void
items_and_macros_are_read(void **state)
{
	(void)state;
#define READS(text, names) assert_string_equal(items(text, false), names)
	READS("FLAGS", "FLAGS");
	READS("fast", "FLAGS INTERNALDATE RFC822.SIZE");
	READS("ALL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE");
	READS("FULL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY");
	READS("(UID BODY BODYSTRUCTURE)", "UID BODY BODYSTRUCTURE");
	READS("(FLAGS flags UID)", "FLAGS UID");
	READS("BODY[]", "BODY[]");
	READS("BODY.PEEK[header]", "BODY[HEADER]");
	READS("(BODY[1]<0.5> BODY[1] UID)", "BODY[1]<0> BODY[1] UID");
	READS("(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
	    "RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE");
	assert_string_equal(items("FLAGS", true), "UID FLAGS");
	assert_string_equal(items("(FLAGS UID)", true), "UID FLAGS");
	assert_string_equal(items("FAST", true),
	    "UID FLAGS INTERNALDATE RFC822.SIZE");
}

static void
what_is_not_an_item_is_refused(void **state)
{
	char many[20000] = "(BODY[1]";

	(void)state;
	READS("", "BAD");
	READS("()", "BAD");
	READS("(FLAGS", "BAD");
	READS("FLAGS UID", "BAD");
	READS("(FLAGS  UID)", "BAD");
	READS("(ALL)", "BAD");
	READS("NOPE", "BAD");
	READS("FLAGS[]", "BAD");
	READS("BODY.PEEK", "BAD");
	READS("BODY[NOPE]", "BAD");
	READS("RFC822.HEADERS", "BAD");
	for (int i = 0; i < 1000; i++)
		strcat(many, " BODY[1]");
	strcat(many, ")");
	READS(many, "LIMIT");
}

static void
rows_say_where_data_comes_from(void **state)
{
	(void)state;
	assert_int_equal(needs("(FLAGS UID)"), 0);
	assert_int_equal(needs("FAST"), NEED_STAT | NEED_SIZE);
	assert_int_equal(needs("ALL"), NEED_STAT | NEED_SIZE | NEED_ENVELOPE);
	assert_int_equal(needs("BODY"), NEED_STRUCTURE);
	assert_int_equal(needs("BODY[]"), NEED_FILE | NEED_WHOLE | SETS_SEEN);
	assert_int_equal(needs("BODY.PEEK[]"), NEED_FILE | NEED_WHOLE);
	assert_int_equal(needs("BODY.PEEK[HEADER.FIELDS (A)]"), NEED_HEADER);
	assert_int_equal(needs("BODY[HEADER]"), NEED_HEADER | SETS_SEEN);
	assert_int_equal(needs("BODY.PEEK[1]"), NEED_FILE);
	/* RFC 3501 6.4.5: RFC822.HEADER is a PEEK, the others are not. */
	assert_int_equal(needs("RFC822.HEADER"), NEED_HEADER);
	assert_int_equal(needs("RFC822.TEXT"), NEED_FILE | SETS_SEEN);
	/* One that peeks does not keep another one from it. */
	assert_int_equal(needs("(BODY.PEEK[1] BODY[2])"),
	    NEED_FILE | SETS_SEEN);
}

static void
items_are_written(void **state)
{
	struct folder f = { .keywords = { .name[1] = SPAN("work"),
	    .name[63] = SPAN("last"), .n = 64 } };
	struct session s = { .folder = &f };
	struct message_info m = { .uid = 70, .flags = FLAG_SEEN,
	    .keywords = UINT64_C(1) << 63 | 2, .wire_size = 4294967296,
	    .envelope = SPAN("(ENV)"), .body = SPAN("(B)"),
	    .bodystructure = SPAN("(BS)"), .internal_date = 0 };
	struct fetch_write w = { .s = &s, .info = &m };
	struct fetch_program p;

	(void)state;
	view_add_recent(&s.view, 70, 71);
	assert_int_equal(parse("(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE "
	    "BODY BODYSTRUCTURE)", false, &p), ERR_OK);
	fetch_write_message(&w, &p, 12345, false);
	assert_string_equal(buf_cstr(&w.out), "* 12345 FETCH (UID 70 FLAGS "
	    "(\\Seen \\Recent work last) INTERNALDATE "
	    "\"01-Jan-1970 00:00:00 +0000\" RFC822.SIZE 4294967296 "
	    "ENVELOPE (ENV) BODY (B) BODYSTRUCTURE (BS))\r\n");
	buf_reset(&w.out);
	m.flags = 0;
	m.keywords = 0;
	m.uid = 71;
	assert_int_equal(parse("UID", false, &p), ERR_OK);
	fetch_write_message(&w, &p, 1, true);
	assert_string_equal(buf_cstr(&w.out),
	    "* 1 FETCH (UID 71 FLAGS ())\r\n");
	fetch_write_clear(&w);
	view_clear(&s.view);
}

/* More combinations than are remembered: each is still right. */
static void
flags_are_remembered_rightly(void **state)
{
	struct folder f = { .keywords = { .n = 10 } };
	struct session s = { .folder = &f };
	struct message_info m = { .uid = 1 };
	struct fetch_write w = { .s = &s, .info = &m };
	struct fetch_program p;
	char names[10][4], want[200];

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		names[i][0] = 'k';
		names[i][1] = (char)('0' + i);
		names[i][2] = '\0';
		f.keywords.name[i] = span_of(names[i]);
	}
	assert_int_equal(parse("FLAGS", false, &p), ERR_OK);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned k = 0; k < 1024; k++) {
			m.keywords = k;
			m.flags = k % 3 == 0 ? FLAG_FLAGGED : 0;
			strcpy(want, "* 1 FETCH (FLAGS (");
			if (k % 3 == 0)
				strcat(want, "\\Flagged ");
			for (unsigned i = 0; i < 10; i++)
				if (k >> i & 1) {
					strcat(want, names[i]);
					strcat(want, " ");
				}
			if (want[strlen(want) - 1] == ' ')
				want[strlen(want) - 1] = '\0';
			strcat(want, "))\r\n");
			buf_reset(&w.out);
			fetch_write_message(&w, &p, 1, false);
			assert_string_equal(buf_cstr(&w.out), want);
		}
	fetch_write_clear(&w);
}

/* RFC 2180 4.1.3. */
static void
the_expunged_have_values_of_their_own(void **state)
{
	struct session s = { 0 };
	struct fetch_write w = { .s = &s };
	struct fetch_program p;

	(void)state;
	assert_int_equal(parse("(UID FLAGS RFC822.SIZE ENVELOPE BODY[1]<0.9> "
	    "RFC822)", false, &p), ERR_OK);
	fetch_write_nil(&w, &p, 3, 9);
	assert_string_equal(buf_cstr(&w.out), "* 3 FETCH (UID 9 FLAGS () "
	    "RFC822.SIZE 0 ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
	    "BODY[1]<0> \"\" RFC822 \"\")\r\n");
	fetch_write_clear(&w);
}

static int
forget(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_and_macros_are_read),
		cmocka_unit_test(what_is_not_an_item_is_refused),
		cmocka_unit_test(rows_say_where_data_comes_from),
		cmocka_unit_test(items_are_written),
		cmocka_unit_test(flags_are_remembered_rightly),
		cmocka_unit_test(the_expunged_have_values_of_their_own),
	};

	setenv("TZ", "UTC", 1);
	date_init();
	return cmocka_run_group_tests(tests, NULL, forget);
}
