/*
 * SEARCH: keys are read as RFC 3501 6.4.4 has them, and match what they should.
 */
#include "worker/search.h"

#include "common/base64.h"
#include "common/date.h"
#include "maildir/message.h"
#include "worker/cursor.h"
#include "worker/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 5 };

static const char *const texts[N] = {
	/* 1: nothing special */
	"Date: Mon, 7 Feb 1994 21:52:25 -0800\n"
	"From: Fred Foobar <foobar@blurdybloop.example>\n"
	"To: mooch@owatagu.example\nCc: \"Minor, M.\" <minor@cc.example>\n"
	"Subject: afternoon meeting\nMessage-ID: <b1@x>\n"
	"X-Empty:\n\nHello Joe, do you think\nwe can meet at 3:30?\n",
	/* 2: encoded words, quoted-printable, another charset */
	"Date: Tue, 1 Mar 2022 00:10:00 +0900\n"
	"From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <jm@example.org>\n"
	"Subject: =?iso-8859-1?Q?Gr=FC=DFe_aus_K=F6ln?=\n"
	"Content-Type: text/plain; charset=iso-8859-1\n"
	"Content-Transfer-Encoding: quoted-printable\n\n"
	"Sch=F6ne Fahrr=E4der wer=\nden verkauft.\n",
	/* 3: multipart: base64 text, an attachment, a forwarded message */
	"From: a@b.example\nSubject: parts\nMIME-Version: 1.0\n"
	"Content-Type: multipart/mixed; boundary=x\n\npreamble zebra\n"
	"--x\nContent-Type: text/plain; charset=utf-8\n"
	"Content-Transfer-Encoding: base64\n\n"
	"0JTQvtCx0YDRi9C5INC00LXQvdGM\n"
	"--x\nContent-Type: application/octet-stream; name=invoice.bin\n"
	"Content-Transfer-Encoding: base64\n\nc2VjcmV0d29yZA==\n"
	"--x\nContent-Type: message/rfc822\n\n"
	"Subject: inner =?utf-8?q?s=C3=BCbject?=\n\ninner body text\n"
	"--x--\n",
	/* 4: no header at all that matters, 8-bit without a charset */
	"Subject: raw\n\nfa\xe7" "ade and na\xc3\xafve\n",
	/* 5: duplicates of a field */
	"Received: from one\nReceived: from two\nSubject: last\n"
	"Bcc: hidden@example.org\n\nx\n",
};

struct world {
	struct view view;
	struct keywords keywords;
	struct message_info info[N];
	struct arena arena, slice;
	unsigned opened;
	enum err fail;
};

static enum err
open_text(struct search_message *m, int *fd_out)
{
	struct world *w = m->ctx;
	const char *text = texts[m->info->uid / 10 - 1];

	*fd_out = -1;
	w->opened++;
	if (w->fail != ERR_OK)
		return w->fail;
	*fd_out = memfd_create("message", MFD_CLOEXEC);
	assert_true(*fd_out >= 0);
	assert_int_equal(write(*fd_out, text, strlen(text)), strlen(text));
	return ERR_OK;
}

/* Messages 1 to 5 have UIDs 10 to 50. */
static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	setenv("TZ", "UTC", 1);
	date_init();
	view_clear(&w->view);
	for (uint32_t i = 0; i < N; i++)
		view_add(&w->view, (i + 1) * 10);
	view_add_recent(&w->view, 40, 51);
	w->keywords.name[2] = SPAN("work");
	w->keywords.n = 3;
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	view_clear(&w->view);
	arena_free(&w->arena);
	arena_free(&w->slice);
	free(w);
	return 0;
}

/* Facts as the index has them; nothing cached. */
static void
fresh(struct world *w)
{
	static const uint32_t flags[N] = { FLAG_SEEN, FLAG_SEEN | FLAG_ANSWERED,
	    FLAG_FLAGGED, FLAG_DELETED | FLAG_DRAFT, 0 };

	for (uint32_t i = 0; i < N; i++)
		w->info[i] = (struct message_info){
			.uid = (i + 1) * 10, .flags = flags[i],
			.keywords = i == 1 ? 4 : 0,
			.size = strlen(texts[i]), .wire_size = 100 * (i + 1),
			.internal_date = 86400 * 100 * (int64_t)(i + 1) + 3600,
		};
}

/*
 * Runs keys and gives the matching numbers, "1 3", or "BAD", "BADCHARSET",
 * "LIMIT", "NO" (a message could not be read).
 */
static const char *
found(struct world *w, const char *keys)
{
	static char out[64];
	struct cursor in = { .text = span_of(keys), .arena = &w->arena };
	struct search_program p;
	struct search_message m = { .view = &w->view, .open = open_text,
	    .ctx = w, .arena = &w->slice };
	enum err e = search_parse(&in, &w->view, &w->keywords, &p);
	size_t at = 0;

	out[0] = '\0';
	if (e != ERR_OK) {
		strcpy(out, e == ERR_SYNTAX ? "BAD" : e == ERR_CHARSET ?
		    "BADCHARSET" : "LIMIT");
		return out;
	}
	fresh(w);
	w->opened = 0;
	for (uint32_t i = 0; i < N; i++) {
		struct message_info *info = &w->info[i];
		bool named = !p.has_uids;

		for (size_t k = 0; p.has_uids && k < p.n_uids; k++)
			named |= p.uids[k] == info->uid;
		if (!named || p.never ||
		    ((info->flags ^ p.flag_want) & p.flag_mask) != 0)
			continue;
		search_begin(&m, info);
		if (search_matches(&p, &m))
			at += (size_t)snprintf(out + at, sizeof(out) - at,
			    "%s%u", at ? " " : "", i + 1);
		if (m.failed != ERR_OK)
			strcpy(out, "NO");
	}
	search_end(&m);
	return out;
}

#define FINDS(keys, numbers) assert_string_equal(found(*state, keys), numbers)

static void
flags_and_sets(void **state)
{
	FINDS("ALL", "1 2 3 4 5");
	FINDS("SEEN", "1 2");
	FINDS("unseen", "3 4 5");
	FINDS("NOT SEEN", "3 4 5");
	FINDS("NOT NOT SEEN", "1 2");
	FINDS("SEEN UNSEEN", "");
	FINDS("SEEN NOT ANSWERED", "1");
	FINDS("OR ANSWERED FLAGGED", "2 3");
	FINDS("OR ANSWERED OR FLAGGED DRAFT", "2 3 4");
	FINDS("NOT (OR SEEN FLAGGED)", "4 5");
	FINDS("(SEEN) (ANSWERED)", "2");
	FINDS("DELETED DRAFT", "4");
	FINDS("UNDELETED UNDRAFT UNFLAGGED UNANSWERED", "1 5");
	FINDS("RECENT", "4 5");
	FINDS("NEW", "4 5");
	FINDS("OLD", "1 2 3");
	FINDS("2:3", "2 3");
	FINDS("5,1", "1 5");
	FINDS("NOT 2:4", "1 5");
	FINDS("OR 1 2:3 UNSEEN", "3");
	FINDS("*", "5");
	FINDS("UID 20:30", "2 3");
	FINDS("1:3 UID 30:*", "3");
	FINDS("UID 99:*", "5");
	FINDS("UID 21:22", "");
	FINDS("KEYWORD Work", "2");
	FINDS("UNKEYWORD work", "1 3 4 5");
	FINDS("KEYWORD nothere", "");
	FINDS("UNKEYWORD nothere", "1 2 3 4 5");
}

static void
flags_need_no_file(void **state)
{
	struct world *w = *state;

	FINDS("OR SEEN (FLAGGED UID 1:100)", "1 2 3");
	assert_int_equal(w->opened, 0);
	/* What is cheap decides first, wherever it stands. */
	FINDS("BODY joe SEEN 1", "1");
	assert_int_equal(w->opened, 1);
	FINDS("OR BODY joe SEEN", "1 2");
	assert_int_equal(w->opened, 3);
}

static void
dates_and_sizes(void **state)
{
	/* Message n is of day 100 * n at 01:00. */
	FINDS("ON 11-Apr-1970", "1");
	FINDS("BEFORE 11-Apr-1970", "");
	FINDS("BEFORE 12-Apr-1970", "1");
	FINDS("SINCE 11-Apr-1970", "1 2 3 4 5");
	FINDS("SINCE \"12-Apr-1970\"", "2 3 4 5");
	FINDS("LARGER 300", "4 5");
	FINDS("SMALLER 300", "1 2");
	/* The day as written, whatever the zone. */
	FINDS("SENTON 7-Feb-1994", "1");
	FINDS("SENTON 1-Mar-2022", "2");
	FINDS("SENTBEFORE 1-Mar-2022", "1");
	FINDS("SENTSINCE 7-Feb-1994", "1 2");
	FINDS("SENTSINCE 8-Feb-1994", "2");
	FINDS("NOT SENTSINCE 8-Feb-1994", "1 3 4 5");
}

static void
headers(void **state)
{
	FINDS("FROM foobar", "1");
	FINDS("FROM \"Fred Foobar <FOOBAR@\"", "1");
	FINDS("FROM \"J\xc3\x9cRGEN\"", "2");
	FINDS("FROM \"m\xc3\xbcller <jm@example.org>\"", "2");
	FINDS("TO mooch", "1");
	FINDS("CC \"minor, m\"", "1");
	FINDS("BCC hidden", "5");
	FINDS("SUBJECT meet", "1");
	FINDS("SUBJECT \"gr\xc3\xbc\xc3\x9f" "e aus k\xc3\xb6ln\"", "2");
	FINDS("SUBJECT \"GR\xc3\x9cSSE\"", "2");
	FINDS("CHARSET ISO-8859-1 SUBJECT \"k\xf6ln\"", "2");
	FINDS("CHARSET UTF-8 SUBJECT {5}\r\nk\xc3\xb6ln", "2");
	FINDS("SUBJECT \"s\xc3\xbc\"", "");
	FINDS("HEADER Subject \"\"", "1 2 3 4 5");
	FINDS("HEADER Message-ID \"<b1@\"", "1");
	FINDS("HEADER X-Empty \"\"", "1");
	FINDS("HEADER X-Empty x", "");
	FINDS("HEADER X-None \"\"", "");
	FINDS("HEADER received TWO", "5");
	FINDS("NOT HEADER Message-ID \"\"", "2 3 4 5");
	FINDS("HEADER Date \"\"", "1 2");
}

static void
bodies(void **state)
{
	FINDS("BODY \"hello joe\"", "1");
	/* Its own header does not count for BODY, but for TEXT. */
	FINDS("BODY afternoon", "");
	FINDS("TEXT afternoon", "1");
	FINDS("TEXT \"hello joe\"", "1");
	FINDS("BODY \"sch\xc3\xb6ne fahrr\xc3\xa4" "der werden\"", "2");
	FINDS("CHARSET KOI8-R BODY \"\xe4\xef\xe2\xf2\xf9\xea\"", "3");
	FINDS("BODY \"\xd0\xb4\xd0\xbe\xd0\xb1\xd1\x80\xd1\x8b\xd0\xb9 "
	    "\xd0\xb4\xd0\xb5\xd0\xbd\xd1\x8c\"", "3");
	/* An attachment's bytes are not text, its name is. */
	FINDS("BODY secretword", "");
	FINDS("BODY c2VjcmV0", "");
	FINDS("BODY invoice.bin", "3");
	FINDS("BODY \"inner body\"", "3");
	FINDS("BODY \"inner s\xc3\xbc" "bject\"", "3");
	/* Mislabelled text is taken as what it looks like. */
	FINDS("BODY \"na\xc3\xafve\"", "");
	FINDS("BODY \"fa\xc3\xa7" "ade\"", "4");
	FINDS("BODY \"\"", "1 2 3 4 5");
	FINDS("NOT BODY joe", "2 3 4 5");
	FINDS("OR BODY joe BODY inner", "1 3");
}

static void
what_cannot_be_read_is_no_match(void **state)
{
	struct world *w = *state;

	w->fail = ERR_IO;
	FINDS("BODY joe", "NO");
	FINDS("NOT BODY joe", "NO");
	FINDS("SEEN", "1 2");
	w->fail = ERR_OK;
}

static void
grammar(void **state)
{
	static char deep[3000];
	struct arena a = { 0 };

	FINDS("", "BAD");
	FINDS("NOPE", "BAD");
	FINDS("ALL ", "BAD");
	FINDS("SEEN)", "BAD");
	FINDS("(SEEN", "BAD");
	FINDS("()", "BAD");
	FINDS("NOT", "BAD");
	FINDS("OR SEEN", "BAD");
	FINDS("FROM", "BAD");
	FINDS("HEADER Subject", "BAD");
	FINDS("ON yesterday", "BAD");
	FINDS("LARGER x", "BAD");
	FINDS("LARGER -1", "BAD");
	FINDS("KEYWORD \\Seen", "BAD");
	FINDS("6", "BAD");
	FINDS("1:6", "BAD");
	FINDS("UID", "BAD");
	FINDS("CHARSET UTF-8", "BAD");
	FINDS("CHARSET X-NO-SUCH SUBJECT x", "BADCHARSET");
	assert_memory_equal(search_charsets(&a), "BADCHARSET (US-ASCII", 20);
	arena_free(&a);
	/* Deep, but not without end. */
	memset(deep, '(', 100);
	strcpy(deep + 100, "SEEN");
	memset(deep + 104, ')', 100);
	deep[204] = '\0';
	FINDS(deep, "1 2");
	memset(deep, '(', 1000);
	deep[1000] = '\0';
	FINDS(deep, "LIMIT");
	/* A chain is not deep. */
	deep[0] = '\0';
	for (int i = 0; i < 900; i++)
		memcpy(deep + i * 3, "OR ", 4);
	deep[0] = '\0';
	for (int i = 0; i < 300; i++)
		strcat(deep, "OR 1 ");
	strcat(deep, "5");
	FINDS(deep, "1 5");
}

/* Adds `text` as an encoded body; lines of base64 end anywhere. */
static void
add_encoded(struct buf *b, const char *encoding, struct span text)
{
	struct buf raw = { 0 };

	buf_addf(b, "Content-Transfer-Encoding: %s\n\n", encoding);
	if (strcmp(encoding, "base64") == 0) {
		base64_encode(text, &raw);
		for (size_t i = 0; i < raw.n; i += 61) {
			buf_add(b, raw.p + i, raw.n - i < 61 ? raw.n - i : 61);
			buf_addc(b, '\n');
		}
	} else if (strcmp(encoding, "8bit") == 0) {
		buf_add_span(b, text);
	} else {
		for (size_t i = 0; i < text.n; i++) {
			buf_addf(b, "=%02X", (unsigned char)text.p[i]);
			if (i % 23 == 22)
				buf_adds(b, "=\n");
		}
	}
	buf_clear(&raw);
}

/*
 * A needle across the edge of a window, in each encoding; and without line
 * ends, where text is cut after 256 KiB.
 */
static void
large_parts_are_searched_in_windows(void **state)
{
	static const char *const encodings[] = { "8bit", "base64",
	    "quoted-printable" };
	enum { SIZE = 400000 };
	struct search_text t = { 0 };
	struct buf b = { 0 };
	char *text = malloc(SIZE);

	(void)state;
	for (unsigned round = 0; round < 180; round++) {
		static const size_t window[] = { 65536, 48357, 21229 },
		    cut[] = { 5, 6, 13 };
		const char *encoding = encodings[round % 3];
		size_t edge = window[round % 3] *
		    (round % 2 ? 1 : cut[round % 3]);
		int fd = memfd_create("large", MFD_CLOEXEC);
		struct message *m;

		memset(text, 'a', SIZE);
		for (size_t i = 70; round % 2 && i < SIZE; i += 71)
			text[i] = '\n';
		memcpy(text + edge - 90 + round, "N\xc3\x84" "edle", 7);
		buf_reset(&b);
		add_encoded(&b, encoding, (struct span){ text, SIZE });
		assert_int_equal(write(fd, b.p, b.n), b.n);
		assert_int_equal(message_open(fd, &m), ERR_OK);
		assert_true(search_text_in_body(&t, m,
		    SPAN("na\xcc\x88" "edle")));
		assert_false(search_text_in_body(&t, m,
		    SPAN("na\xcc\x88" "edlf")));
		message_close(&m);
	}
	assert_true(t.raw.cap < 1 << 20);
	search_text_clear(&t);
	buf_clear(&b);
	free(text);
}

static void
envelopes_are_taken_apart(void **state)
{
	static const char env[] = "(\"Mon, 7 Feb 1994\" {5}\r\na\"b\"c "
	    "((\"A \\\"B\\\"\" NIL \"a\" \"x.org\")(NIL NIL \"c\" \"y.org\")) "
	    "NIL NIL ((NIL NIL \"team\" NIL)(NIL NIL \"d\" \"z.org\")"
	    "(NIL NIL NIL NIL)) NIL NIL NIL \"<id@x>\")";
	struct buf b = { 0 };

	(void)state;
#define FIELD(f, text) \
	assert_true(search_text_envelope(SPAN(env), f, &b)); \
	assert_string_equal(buf_cstr(&b), text)
	FIELD(ENV_DATE, "Mon, 7 Feb 1994");
	FIELD(ENV_SUBJECT, "a\"b\"c");
	FIELD(ENV_FROM, "A \"B\" <a@x.org>, c@y.org");
	FIELD(ENV_TO, "team:, d@z.org, ;");
	FIELD(ENV_MESSAGE_ID, "<id@x>");
	assert_false(search_text_envelope(SPAN(env), ENV_CC, &b));
	/* Cut anywhere: no crash, no invention. */
	for (size_t n = 0; n < sizeof(env) - 2; n++)
		assert_false(search_text_envelope((struct span){ env, n },
		    ENV_MESSAGE_ID, &b));
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(flags_and_sets),
		TEST(flags_need_no_file),
		TEST(dates_and_sizes),
		TEST(headers),
		TEST(bodies),
		TEST(what_cannot_be_read_is_no_match),
		TEST(grammar),
		cmocka_unit_test(large_parts_are_searched_in_windows),
		cmocka_unit_test(envelopes_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
