/* Rules of loft-policy: read, changed, kept. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/policy_file.h"

static struct account acc;
static char dir[64];

static void
put(const char *text)
{
	assert_int_equal(fs_replace(acc.control_fd, "loft-policy",
	    span_of(text), 0600, false), ERR_OK);
}

static void
is_text(const char *want)
{
	struct buf text = { 0 };

	assert_int_equal(fs_read(acc.control_fd, "loft-policy", 1 << 20, &text),
	    ERR_OK);
	assert_string_equal(buf_cstr(&text), want);
	buf_clear(&text);
}

static enum err
set(const char *pattern, const char *name, const char *value)
{
	struct policy_setting one = { span_of(name), value == NULL ?
	    SPAN_NONE : span_of(value) };

	return policy_file_set(&acc, span_of(pattern), &one, 1);
}

static void
rules_come_and_go(void **state)
{
	const struct policy_rule *rule;
	struct span value;
	size_t n;

	(void)state;
	policy_file_rules(&acc, &rule, &n);
	assert_int_equal(n, 0);
	assert_int_equal(set("Lists.*", "a", "1"), ERR_OK);
	assert_int_equal(set("Lists.*", "b", "2"), ERR_OK);
	assert_int_equal(set("INBOX", "a", "3"), ERR_OK);
	is_text("Lists.*\ta=1 b=2\nINBOX\ta=3\n");
	policy_file_rules(&acc, &rule, &n);
	assert_int_equal(n, 2);
	assert_true(span_eq(rule[0].pattern, SPAN("Lists.*")));
	assert_true(policy_rule_value(&rule[0], "b", &value));
	assert_true(span_eq(value, SPAN("2")));
	assert_false(policy_rule_value(&rule[1], "b", &value));
	assert_int_equal(set("Lists.*", "a", "4"), ERR_OK);
	is_text("Lists.*\tb=2 a=4\nINBOX\ta=3\n");
	assert_int_equal(set("INBOX", "a", NULL), ERR_OK);
	is_text("Lists.*\tb=2 a=4\n");
	policy_file_rules(&acc, &rule, &n);
	assert_int_equal(n, 1);
	assert_int_equal(unlinkat(acc.control_fd, "loft-policy", 0), 0);
	policy_file_rules(&acc, &rule, &n);
	assert_int_equal(n, 0);
}

static void
what_is_not_ours_says_nothing_and_stays(void **state)
{
	const struct policy_rule *rule;
	size_t n;

	(void)state;
	put("# by hand\nno tab\nx\t\ny\ta\nz\ta=1\n\nw\ta=b=c\n\tq=1\nlast\tb=2");
	policy_file_rules(&acc, &rule, &n);
	assert_int_equal(n, 2);
	assert_true(span_eq(rule[0].pattern, SPAN("z")));
	assert_true(span_eq(rule[1].pattern, SPAN("last")));
	assert_int_equal(set("z", "a", NULL), ERR_OK);
	is_text("# by hand\nno tab\nx\t\ny\ta\n\nw\ta=b=c\n\tq=1\nlast\tb=2\n");
}

static void
what_cannot_be_written_is_refused(void **state)
{
	struct buf big = { 0 };
	char pattern[32];

	(void)state;
	put("");
	assert_int_equal(set("", "a", "1"), ERR_SYNTAX);
	assert_int_equal(set("#x", "a", "1"), ERR_SYNTAX);
	assert_int_equal(set("x\ty", "a", "1"), ERR_SYNTAX);
	assert_int_equal(set("x", "a b", "1"), ERR_SYNTAX);
	assert_int_equal(set("x", "a", "1\n2"), ERR_SYNTAX);
	assert_int_equal(set("x", "a", ""), ERR_SYNTAX);
	is_text("");
	for (int i = 0; i < 1000; i++) {
		snprintf(pattern, sizeof(pattern), "box%d\ta=1\n", i);
		buf_adds(&big, pattern);
	}
	put(buf_cstr(&big));
	assert_int_equal(set("one more", "a", "1"), ERR_LIMIT);
	is_text(buf_cstr(&big));
	assert_int_equal(set("box7", "a", "2"), ERR_OK);
	buf_clear(&big);
}

static int
set_up(void **state)
{
	(void)state;
	log_open(2, false, NULL);
	log_set_level(LOG_L_ERROR);
	strcpy(dir, "/tmp/loft-test.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	acc.control_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return acc.control_fd < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	policy_file_free(&acc.policy);
	close(acc.control_fd);
	return fs_remove_tree(AT_FDCWD, dir) == ERR_OK ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_come_and_go),
		cmocka_unit_test(what_is_not_ours_says_nothing_and_stays),
		cmocka_unit_test(what_cannot_be_written_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
