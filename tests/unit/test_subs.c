/* The subscriptions file. */
#include "maildir/subs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fsutil.h"

static int dir;
static char dir_name[] = "/tmp/test_subs.XXXXXX";
static struct arena arena;

static void
put(const char *name, const char *text)
{
	assert_int_equal(fs_replace(dir, name, span_of(text), 0600, false),
	    ERR_OK);
}

static void
file_is(const char *text)
{
	struct buf b = { 0 };

	assert_int_equal(fs_read(dir, "subscriptions", 1 << 20, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), text);
	buf_clear(&b);
}

/* All names, joined by "|". */
static const char *
names(void)
{
	static char out[1000];
	struct span *s;
	size_t n;

	assert_int_equal(subs_read(dir, &arena, &s, &n), ERR_OK);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		snprintf(out + strlen(out), sizeof out - strlen(out), "%s%.*s",
		    i > 0 ? "|" : "", (int)s[i].n, s[i].p);
	return out;
}

static bool
set(const char *name, bool on)
{
	bool changed;

	assert_int_equal(subs_set(dir, span_of(name), on, true, &changed),
	    ERR_OK);
	return changed;
}

static int
start_empty(void **state)
{
	(void)state;
	(void)unlinkat(dir, "subscriptions", 0);
	(void)unlinkat(dir, "courierimapsubscribed", 0);
	return 0;
}

static void
absent_is_empty(void **state)
{
	(void)state;
	assert_string_equal(names(), "");
	assert_false(set("a", false));
	assert_int_equal(faccessat(dir, "subscriptions", F_OK, 0), -1);
}

static void
a_new_file_is_version_2(void **state)
{
	struct stat st;

	(void)state;
	assert_true(set("INBOX", true));
	assert_true(set("a.b.c", true));
	assert_false(set("a.b.c", true));
	file_is("V\t2\n\nINBOX\na\tb\tc\n");
	assert_string_equal(names(), "INBOX|a.b.c");
	assert_true(set("INBOX", false));
	file_is("V\t2\n\na\tb\tc\n");
	assert_int_equal(fstatat(dir, "subscriptions", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(faccessat(dir, "subscriptions.lock", F_OK, 0), -1);
}

static void
an_address_is_one_level(void **state)
{
	(void)state;
	put("subscriptions", "V\t2\n\nshared\ta.b@example.org\tTeam\nx.y\n");
	assert_string_equal(names(), "shared.a/b@example/org.Team|x.y");
	assert_true(set("shared.c@example/org.Box.Sub", true));
	assert_true(set("shared.a/b@example/org.Team", false));
	file_is("V\t2\n\nx.y\nshared\tc@example.org\tBox\tSub\n");
}

static void
version_1_stays_version_1(void **state)
{
	(void)state;
	put("subscriptions", "a.b\nSent\ninbox");
	assert_string_equal(names(), "a.b|Sent|INBOX");
	assert_true(set("x.y", true));
	assert_true(set("Sent", false));
	assert_false(set("INBOX", true));
	file_is("a.b\ninbox\nx.y\n");
}

static void
escapes_are_undone_and_lines_of_others_kept(void **state)
{
	(void)state;
	put("subscriptions", "V\t2\n\na\tb\nbad\001x\nline\001nend\n/abs\n\nok\n");
	assert_string_equal(names(), "a.b|ok");
	assert_true(set("z", true));
	assert_true(set("a.b", false));
	file_is("V\t2\n\nbad\001x\nline\001nend\n/abs\n\nok\nz\n");
	put("subscriptions", "V\t2\n\nend\001");
	assert_string_equal(names(), "");
}

static void
couriers_file_counts_until_there_is_ours(void **state)
{
	(void)state;
	put("courierimapsubscribed", "INBOX\nINBOX.Sent\nINBOX.a.b\n");
	assert_string_equal(names(), "INBOX|Sent|a.b");
	assert_false(set("Sent", true));
	assert_true(set("new", true));
	file_is("V\t2\n\nINBOX\nSent\na\tb\nnew\n");
	assert_true(set("new", false));
	assert_true(set("Sent", false));
	assert_true(set("INBOX", false));
	assert_true(set("a.b", false));
	assert_string_equal(names(), "");
}

static void
what_cannot_be_read_is_not_taken_for_empty(void **state)
{
	struct span *s;
	size_t n;
	bool changed;

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", dir, "subscriptions"), 0);
	assert_int_equal(subs_read(dir, &arena, &s, &n), ERR_IO);
	assert_int_equal(subs_set(dir, SPAN("a"), true, true, &changed), ERR_IO);
	assert_false(changed);
	assert_int_equal(faccessat(dir, "subscriptions.lock", F_OK, 0), -1);
}

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(dir_name) == NULL)
		return -1;
	return (dir = open(dir_name, O_RDONLY | O_DIRECTORY)) < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	int parent = open("/tmp", O_RDONLY | O_DIRECTORY);

	(void)state;
	arena_free(&arena);
	close(dir);
	return fs_remove_tree(parent, dir_name + 5) == ERR_OK ?
	    close(parent) : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(absent_is_empty, start_empty),
		cmocka_unit_test_setup(a_new_file_is_version_2, start_empty),
		cmocka_unit_test_setup(an_address_is_one_level, start_empty),
		cmocka_unit_test_setup(version_1_stays_version_1, start_empty),
		cmocka_unit_test_setup(
		    escapes_are_undone_and_lines_of_others_kept, start_empty),
		cmocka_unit_test_setup(couriers_file_counts_until_there_is_ours,
		    start_empty),
		cmocka_unit_test_setup(
		    what_cannot_be_read_is_not_taken_for_empty, start_empty),
	};

	return cmocka_run_group_tests_name("subs", tests, set_up, tear_down);
}
