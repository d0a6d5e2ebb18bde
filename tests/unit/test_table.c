/* Lists in doveadm's formats, however their bytes come. */
#include "daemon/table.h"

#include "common/buf.h"
#include "daemon/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char names[] = "=mailbox\tuid\t+text\tid:ID",
    rows[] = "A b\t1\tx\001ny\001n\tq\"\nW\xc3\xb6rk\t20\tz\n";

/* Fed in pieces of `step` bytes. */
static void
looks(const char *format, size_t step, const char *columns, const char *bytes,
    const char *want)
{
	struct span rest = span_of(bytes);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct table *t = table_open(out, format);

	table_names(t, span_of(columns));
	for (size_t n; rest.n > 0; rest.p += n, rest.n -= n) {
		n = rest.n < step ? rest.n : step;
		table_feed(t, (struct span){ rest.p, n });
	}
	table_close(&t);
	assert_null(t);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

static void
test_formats(void **state)
{
	(void)state;
	for (size_t step = 1; step < 40; step += 6) {
		looks("flow", step, names, rows,
		    "A b uid=1 text=x\ny\n ID=q\"\n"
		    "W\xc3\xb6rk uid=20 text=z ID=\n");
		looks("tab", step, names, rows, "mailbox\tuid\ttext\tID\n"
		    "A b\t1\tx\001ny\001n\tq\"\nW\xc3\xb6rk\t20\tz\t\n");
		looks("pager", step, names, rows,
		    "A b\nuid: 1\ntext:\nx\ny\nID: q\"\n\f\n"
		    "W\xc3\xb6rk\nuid: 20\ntext:\nz\nID: \n");
		looks("json", step, names, rows,
		    "[{\"mailbox\":\"A b\",\"uid\":\"1\",\"text\":\"x\\ny\\n\","
		    "\"id\":\"q\\\"\"},{\"mailbox\":\"W\xc3\xb6rk\","
		    "\"uid\":\"20\",\"text\":\"z\",\"id\":\"\"}]\n");
	}
	looks("table", 5, "=mailbox\tuid", "A b\t1\nW\xc3\xb6rk\t20\n",
	    "mailbox uid\nA b     1\nW\xc3\xb6rk    20\n");
	looks("table", 5, "=guid\t=uid", "a\t1\n", "a 1\n");
	looks("json", 5, "a", "\xff\001t\001\x30\n",
	    "[{\"a\":\"\\ufffd\\u0009\\u0000\"}]\n");
}

static void
test_lists_without_rows(void **state)
{
	(void)state;
	looks("json", 1, "a\tb", "", "[]\n");
	looks("json", 1, "", "", "[]\n");
	looks("flow", 1, "a\tb", "", "");
	looks("table", 1, "a\tb", "", "a b\n");
	looks("flow", 1, "a", "1\t2\t3\n", "a=1\n");
}

static void
shows(bool terminal, uint64_t ms, const char *want)
{
	struct progress p;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	progress_begin(&p, out, terminal, 1000);
	progress_show(&p, 1, 4, "anna", 5, 10, 1000 + ms);
	/* Not again at once. */
	progress_show(&p, 2, 4, "bert", 0, 0, 1001 + ms);
	progress_hide(&p);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

static void
test_progress(void **state)
{
	(void)state;
	shows(false, PROGRESS_LINE_MS - 2, "");
	shows(false, PROGRESS_LINE_MS,
	    " 37%  1 of 4 users, anna: 5 of 10 mailboxes\n");
	shows(true, PROGRESS_QUIET_MS - 2, "");
	shows(true, PROGRESS_QUIET_MS,
	    "\r\033[K[###############                         ]  37%  1 of 4 "
	    "users, anna: 5 of 10 mailboxes\r\033[K");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_lists_without_rows),
		cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
