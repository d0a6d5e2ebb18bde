/* doveadm's search query: read as doveadm does, asked of one mailbox after the other. */
#include "worker/mail_query.h"

#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 300 };

/* "a|b c|d" as three words. */
static enum err
read_words(const char *text, struct arena *a, const struct mail_query **q,
    const char **problem)
{
	struct span rest = span_of(text), word[WORDS_MAX];
	size_t n = 0;

	while (rest.p != NULL && n < WORDS_MAX)
		word[n++] = span_cut(&rest, '|');
	return mail_query_read(word, n, a, q, problem);
}

/* The keys for a mailbox, "-" where nothing can match. */
static void
becomes(const char *text, const char *mailbox, const char *keys)
{
	struct arena a = { 0 };
	struct buf out = { 0 };
	const struct mail_query *q;
	const char *problem = NULL;

	if (read_words(text, &a, &q, &problem) != ERR_OK)
		fail_msg("%s: %s", text, problem);
	if (mail_query_for(q, span_of(mailbox), SPAN("0a1b"), '/', &out) ==
	    MAIL_QUERY_NONE)
		assert_string_equal(keys, "-");
	else
		assert_string_equal(buf_cstr(&out), keys);
	buf_clear(&out);
	arena_free(&a);
}

static void
refused(const char *text, const char *says)
{
	struct arena a = { 0 };
	const struct mail_query *q;
	const char *problem = NULL;

	assert_int_equal(read_words(text, &a, &q, &problem), ERR_SYNTAX);
	assert_string_equal(problem, says);
	arena_free(&a);
}

static void
test_keys_and_strings(void **state)
{
	(void)state;
	becomes("all", "INBOX", "(ALL)");
	becomes("Flagged|unseen", "INBOX", "(FLAGGED UNSEEN)");
	becomes("subject|a \"b\"", "INBOX", "(SUBJECT {5}\r\na \"b\")");
	becomes("header|x-y|z", "INBOX", "(HEADER {3}\r\nx-y {1}\r\nz)");
	becomes("1:3,7|uid|4:*", "INBOX", "(1:3,7 UID 4:*)");
	becomes("keyword|$Work", "INBOX", "(KEYWORD $Work)");
	becomes("larger|2k|smaller|1M", "INBOX",
	    "(LARGER 2048 SMALLER 1048576)");
}

static void
test_words_that_join(void **state)
{
	(void)state;
	becomes("flagged|or|seen", "INBOX", "(NOT (NOT FLAGGED NOT SEEN))");
	becomes("(|flagged|OR|seen|)|not|deleted", "INBOX",
	    "((NOT (NOT FLAGGED NOT SEEN)) NOT DELETED)");
	becomes("not|(|seen|draft|)", "INBOX", "(NOT (SEEN DRAFT))");
}

static void
test_mailboxes_decide(void **state)
{
	(void)state;
	becomes("mailbox|Work|seen", "Work", "(SEEN)");
	becomes("mailbox|Work|seen", "INBOX", "-");
	becomes("mailbox|inbox", "INBOX", "ALL");
	becomes("mailbox|W*|seen", "Work/a", "(SEEN)");
	becomes("mailbox|W%|seen", "Work/a", "-");
	becomes("not|mailbox|Work|seen", "INBOX", "(SEEN)");
	becomes("mailbox|A|or|seen", "B", "(NOT (NOT SEEN))");
	becomes("mailbox|A|or|seen", "A", "ALL");
	becomes("mailbox|A|or|mailbox|B", "C", "-");
	becomes("mailbox-guid|0A1B|seen", "B", "(SEEN)");
	becomes("mailbox-guid|ffff|seen", "B", "-");
}

static void
test_dates(void **state)
{
	(void)state;
	clock_set(UINT64_C(1643709601) * 1000000);
	becomes("since|2022-01-31", "B", "(SINCE 31-Jan-2022)");
	becomes("before|1-Feb-2022", "B", "(BEFORE 1-Feb-2022)");
	/* Times are asked to the second. */
	becomes("savedbefore|2d", "B", "(SAVEDOLDER 172801)");
	becomes("since|1 week", "B", "(YOUNGER 604801)");
	becomes("before|1643709501", "B", "(OLDER 101)");
	becomes("savedsince|90mins", "B", "(SAVEDYOUNGER 5401)");
	becomes("sentsince|1d", "B", "(SENTSINCE 31-Jan-2022)");
	clock_set(0);
}

static void
test_what_is_wrong(void **state)
{
	(void)state;
	refused("bogus", "Unknown argument BOGUS");
	refused("from", "Missing parameter for search key (for search key: "
	    "FROM)");
	refused("(|seen", "Missing ')'");
	refused("seen|)", "Unexpected ')'");
	refused("seen|or|draft|deleted", "Use parenthesis when mixing ANDs and "
	    "ORs");
	refused("seen|draft|or|deleted", "Use parenthesis when mixing ANDs and "
	    "ORs");
	refused("before|yesterdayish", "Invalid search date parameter: "
	    "yesterdayish");
	refused("larger|0.1k", "Invalid size: 0.1k");
	refused("not", "Missing parameter for NOT");
	refused("seen|or", "Missing parameter for OR");
}

static void
test_depth_is_bounded(void **state)
{
	char text[4 * MAIL_QUERY_DEPTH_MAX + 8] = "";

	(void)state;
	for (size_t i = 0; i < MAIL_QUERY_DEPTH_MAX + 2; i++)
		memcpy(text + 2 * i, "(|", 3);
	strcat(text, "seen");
	refused(text, "Query is too deep");
}

static void
is(const char *text, bool bound, bool narrowed)
{
	struct arena a = { 0 };
	const struct mail_query *q;
	const char *problem = NULL;

	assert_int_equal(read_words(text, &a, &q, &problem), ERR_OK);
	assert_int_equal(mail_query_is_bound(q), bound);
	assert_int_equal(mail_query_is_narrowed(q), narrowed);
	arena_free(&a);
}

static void
test_accidents(void **state)
{
	(void)state;
	is("all", false, true);
	is("mailbox|A", true, false);
	is("mailbox|A|all", true, true);
	is("mailbox|A|or|seen", false, false);
	is("(|mailbox|A|seen|)|or|(|mailbox|B|draft|)", true, true);
	is("(|mailbox|A|seen|)|or|(|mailbox|B|)", true, false);
	is("not|mailbox|A|seen", false, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_and_strings),
		cmocka_unit_test(test_words_that_join),
		cmocka_unit_test(test_mailboxes_decide),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_accidents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
