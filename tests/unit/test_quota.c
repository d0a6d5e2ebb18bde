/* An account's count: exact after everything that is done, and in maildirsize. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/quota_rules.h"
#include "maildir/change.h"
#include "maildir/maildirsize.h"
#include "maildir/quota.h"
#include "tests/unit/account_fixture.h"

static struct quota_rule rules[] = {
	{ .mask = "Junk", .ignore = true },
	{ .mask = "Trash", .bytes = 1000 },
};
static struct quota quota;

static int
set_up(void **state)
{
	struct fixture *x = fixture_new();
	struct account_place p = fixture_place();

	quota = (struct quota){ .is_on = true, .name = "q", .enforce = true,
		.maildirsize = true, .bytes = 2000, .messages = 10,
		.rule = rules, .n_rules = 2, .ignores = true,
		.exceeded = "full", .grace_percent = 10 };
	p.quota = &quota;
	fixture_open(x, p);
	work_off(x);
	*state = x;
	return 0;
}

static enum err
append(struct folder *f, size_t size)
{
	struct deliver *d;
	char *text = calloc(1, size);
	enum err e;

	memset(text, 'x', size);
	assert_int_equal(deliver_begin(f, &d), ERR_OK);
	assert_int_equal(deliver_write(d, text, size), ERR_OK);
	assert_int_equal(deliver_finish(d, 0, 0, 1000000000), ERR_OK);
	e = change_append(f, &d, 1);
	deliver_free(&d);
	free(text);
	return e;
}

static enum err
append_to(struct fixture *x, const char *name, size_t size)
{
	struct folder *f;
	enum err e;

	assert_int_equal(folder_open(x->acc, span_of(name), &f), ERR_OK);
	e = append(f, size);
	folder_close(&f);
	return e;
}

static void
drop(struct fixture *x, const char *name, size_t size)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", x->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static void
check(struct fixture *x, uint64_t bytes, uint64_t messages)
{
	struct quota_status st;

	assert_int_equal(quota_get(x->acc, &st), ERR_OK);
	assert_int_equal(st.used.bytes, bytes);
	assert_int_equal(st.used.messages, messages);
}

static const char *
file(struct fixture *x)
{
	static char text[8000];
	char path[200];
	ssize_t n;
	int fd;

	work_off(x);
	snprintf(path, sizeof(path), "%s/maildirsize", x->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void
write_file(struct fixture *x, int flags, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/maildirsize", x->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
each_change_counts(void **state)
{
	struct fixture *x = *state;
	struct folder *inbox, *trash;
	struct folder_snapshot snap;
	struct store_result stored;
	struct expunge_result gone;
	struct copy_result copied;
	uint32_t one = 1, two = 2, id;

	assert_int_equal(folder_create(x->acc, SPAN("Trash")), ERR_OK);
	assert_int_equal(folder_select(x->acc, SPAN("INBOX"), false, &inbox,
	    &snap), ERR_OK);
	assert_int_equal(folder_open(x->acc, SPAN("Trash"), &trash), ERR_OK);
	assert_int_equal(append(inbox, 100), ERR_OK);
	assert_int_equal(append(inbox, 30), ERR_OK);
	check(x, 130, 2);
	assert_int_equal(change_copy(inbox, &one, 1, trash, false, &x->a,
	    &copied), ERR_OK);
	check(x, 230, 3);
	assert_int_equal(change_move(inbox, &two, 1, trash, false, false,
	    &x->a, &copied), ERR_OK);
	check(x, 230, 3);
	assert_int_equal(change_store(inbox, &one, 1, STORE_ADD, FLAG_DELETED,
	    0, 0, false, &x->a, &stored), ERR_OK);
	check(x, 230, 3);
	assert_int_equal(change_expunge(inbox, NULL, 0, false, &x->a, &gone),
	    ERR_OK);
	check(x, 130, 2);
	free(snap.uids);
	folder_close(&trash);
	folder_close(&inbox);
	assert_int_equal(folder_delete(x->acc, SPAN("Trash"), OTHERS_END,
	    &id), ERR_OK);
	check(x, 0, 0);
	work_off(x);
	check(x, 0, 0);
}

/* Sizes in names are believed, as Dovecot does; others are looked up. */
static void
others_mail_counts(void **state)
{
	struct fixture *x = *state;
	char path[200];

	check(x, 0, 0);
	drop(x, "new/1000.a.host", 40);
	drop(x, "new/1001.b.host,S=50", 10);
	drop(x, "cur/1002.c.host:2,S", 7);
	check(x, 97, 3);
	snprintf(path, sizeof(path), "%s/.Lists", x->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/new");
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/.Lists/cur", x->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	drop(x, ".Lists/new/1003.d.host", 3);
	check(x, 100, 4);
	snprintf(path, sizeof(path), "%s/.Lists", x->dir);
	assert_int_equal(fs_remove_tree(AT_FDCWD, path), ERR_OK);
	check(x, 97, 3);
}

static void
limits_are_kept(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(folder_create(x->acc, SPAN("Trash")), ERR_OK);
	assert_int_equal(folder_create(x->acc, SPAN("Junk")), ERR_OK);
	assert_int_equal(quota_fits(x->acc, SPAN("INBOX"), 2000, 1), ERR_OK);
	assert_int_equal(quota_fits(x->acc, SPAN("INBOX"), 2001, 1),
	    ERR_QUOTA);
	assert_int_equal(append_to(x, "INBOX", 1900), ERR_OK);
	assert_int_equal(append_to(x, "INBOX", 101), ERR_QUOTA);
	check(x, 1900, 1);
	assert_int_equal(append_to(x, "INBOX", 100), ERR_OK);
	assert_int_equal(append_to(x, "Trash", 1000), ERR_OK);
	assert_int_equal(append_to(x, "Trash", 1), ERR_QUOTA);
	assert_int_equal(append_to(x, "Junk", 5000), ERR_OK);
	check(x, 3000, 3);
	quota.bytes = 0;
	for (int i = 3; i < 10; i++)
		assert_int_equal(append_to(x, "INBOX", 1), ERR_OK);
	assert_int_equal(append_to(x, "INBOX", 1), ERR_QUOTA);
	quota.enforce = false;
	assert_int_equal(append_to(x, "INBOX", 1), ERR_OK);
	quota.max_mail_bytes = 100;
	quota.enforce = true;
	quota.messages = 0;
	assert_int_equal(quota_fits(x->acc, SPAN("INBOX"), 101, 1),
	    ERR_LIMIT);
}

/* The last message that is delivered may go over, by a tenth. */
static void
delivery_has_grace(void **state)
{
	struct fixture *x = *state;

	x->acc->how.delivers = true;
	assert_int_equal(append_to(x, "INBOX", 1900), ERR_OK);
	assert_int_equal(quota_fits(x->acc, SPAN("INBOX"), 301, 1),
	    ERR_QUOTA);
	assert_int_equal(append_to(x, "INBOX", 301), ERR_QUOTA);
	assert_int_equal(append_to(x, "INBOX", 300), ERR_OK);
	assert_int_equal(append_to(x, "INBOX", 1), ERR_QUOTA);
	check(x, 2200, 2);
}

/* ---- maildirsize ---- */

static void
lines_are_appended(void **state)
{
	struct fixture *x = *state;

	assert_string_equal(file(x), "2000S,10C\n0 0\n");
	assert_int_equal(append_to(x, "INBOX", 100), ERR_OK);
	assert_string_equal(file(x), "2000S,10C\n0 0\n100 1\n");
	assert_int_equal(append_to(x, "INBOX", 20), ERR_OK);
	assert_string_equal(file(x), "2000S,10C\n0 0\n100 1\n20 1\n");
	/* Another one's line for mail that is there: ours for it is not needed. */
	drop(x, "new/1000.a.host", 7);
	write_file(x, O_APPEND, "7 1\n");
	check(x, 127, 3);
	x->acc->late_quota = true;
	assert_string_equal(file(x), "2000S,10C\n0 0\n100 1\n20 1\n7 1\n");
	/* And for mail that is not there it is taken back. */
	write_file(x, O_APPEND, "1000 4\n");
	x->acc->late_quota = true;
	assert_string_equal(file(x),
	    "2000S,10C\n0 0\n100 1\n20 1\n7 1\n1000 4\n-1000 -4\n");
}

static void
file_is_replaced(void **state)
{
	struct fixture *x = *state;
	char path[200];
	struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	struct stat before, after;

	assert_int_equal(append_to(x, "INBOX", 100), ERR_OK);
	assert_string_equal(file(x), "2000S,10C\n0 0\n100 1\n");
	/* Other limits. */
	quota.bytes = 100;
	quota.messages = 0;
	x->acc->late_quota = true;
	assert_string_equal(file(x), "100S\n100 1\n");
	/* Over quota: one line, not older than a quarter of an hour. */
	quota.enforce = false;
	assert_int_equal(append_to(x, "INBOX", 1), ERR_OK);
	assert_string_equal(file(x), "100S\n101 2\n");
	snprintf(path, sizeof(path), "%s/maildirsize", x->dir);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(stat(path, &before), 0);
	x->acc->late_quota = true;
	assert_string_equal(file(x), "100S\n101 2\n");
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_mtime > before.st_mtime);
	/* Nonsense, no end, below nothing, nothing at all. */
	write_file(x, O_TRUNC, "100S\nhello\n");
	x->acc->late_quota = true;
	assert_string_equal(file(x), "100S\n101 2\n");
	write_file(x, O_TRUNC, "100S\n101 2\n5 ");
	x->acc->late_quota = true;
	assert_string_equal(file(x), "100S\n101 2\n");
	write_file(x, O_TRUNC, "100S\n-101 2\n");
	x->acc->late_quota = true;
	assert_string_equal(file(x), "100S\n101 2\n");
	assert_int_equal(unlink(path), 0);
	quota.bytes = 0;
	x->acc->late_quota = true;
	assert_string_equal(file(x), "0S\n101 2\n");
}

static void
long_file_is_replaced(void **state)
{
	struct fixture *x = *state;
	char text[6000] = "2000S,10C\n";

	while (strlen(text) < MAILDIRSIZE_MAX - 1)
		strcat(text, strlen(text) % 2 ? "10 1\n" : "-10 -1\n");
	write_file(x, O_TRUNC, text);
	assert_int_equal(append_to(x, "INBOX", 100), ERR_OK);
	assert_string_equal(file(x), "2000S,10C\n100 1\n");
}

/* Where none are set, others' are kept. */
static void
limits_of_the_file(void **state)
{
	struct fixture *x = *state;

	quota.bytes = quota.messages = 0;
	quota.limits_from_file = true;
	write_file(x, O_TRUNC, "500S\n0 0\n");
	x->acc->late_quota = true;
	assert_string_equal(file(x), "500S\n0 0\n");
	assert_int_equal(append_to(x, "INBOX", 501), ERR_QUOTA);
	assert_int_equal(append_to(x, "INBOX", 500), ERR_OK);
	assert_string_equal(file(x), "500S\n0 0\n500 1\n");
}

static void
text_is_taken_apart(void **state)
{
	static const struct {
		const char *text;
		bool good;
		struct maildirsize m;
	} cases[] = {
		{ "10S\n1 1\n", true, { 10, 0, 1, 1, 1 } },
		{ "10S,5C\n1 1\n-1 -1\n", true, { 10, 5, 0, 0, 2 } },
		{ "5C\n  12   3\n", true, { 0, 5, 12, 3, 1 } },
		{ "\n+7 +1 x\n", true, { 0, 0, 7, 1, 1 } },
		{ "what\n7 1\n", true, { 0, 0, 7, 1, 1 } },
		{ "10S\n", false, { 10, 0, 0, 0, 0 } },
		{ "10S", false, { 0, 0, 0, 0, 0 } },
		{ "", false, { 0, 0, 0, 0, 0 } },
		{ "10S\n7\n", false, { 10, 0, 0, 0, 0 } },
		{ "10S\n\n", false, { 10, 0, 0, 0, 0 } },
		{ "10S\n1 1", false, { 10, 0, 0, 0, 0 } },
		{ "10S\n9223372036854775807 1\n1 1\n", false,
		    { 10, 0, 0, 0, 1 } },
		{ "10S\n1 -1\n", false, { 10, 0, 0, 0, 1 } },
	};
	struct maildirsize m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(maildirsize_parse(span_of(cases[i].text), &m),
		    cases[i].good);
		assert_memory_equal(&m, &cases[i].m, sizeof(m));
	}
}

/* A state that is made anew counts anew. */
static void
count_survives_the_state(void **state)
{
	struct fixture *x = *state;
	struct account_place p = fixture_place();
	char path[200];

	assert_int_equal(append_to(x, "INBOX", 100), ERR_OK);
	account_close(&x->acc);
	snprintf(path, sizeof(path), "%s/loft", x->dir);
	assert_int_equal(fs_remove_tree(AT_FDCWD, path), ERR_OK);
	p.quota = &quota;
	fixture_open(x, p);
	assert_string_equal(file(x), "2000S,10C\n0 0\n100 1\n");
	check(x, 100, 1);
	assert_int_equal(quota_recalculate(x->acc), ERR_OK);
	check(x, 100, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_change_counts, set_up,
		    fixture_end),
		cmocka_unit_test_setup_teardown(others_mail_counts, set_up,
		    fixture_end),
		cmocka_unit_test_setup_teardown(limits_are_kept, set_up,
		    fixture_end),
		cmocka_unit_test_setup_teardown(delivery_has_grace, set_up,
		    fixture_end),
		cmocka_unit_test_setup_teardown(lines_are_appended, set_up,
		    fixture_end),
		cmocka_unit_test_setup_teardown(file_is_replaced, set_up,
		    fixture_end),
		cmocka_unit_test_setup_teardown(long_file_is_replaced, set_up,
		    fixture_end),
		cmocka_unit_test_setup_teardown(limits_of_the_file, set_up,
		    fixture_end),
		cmocka_unit_test(text_is_taken_apart),
		cmocka_unit_test_setup_teardown(count_survives_the_state,
		    set_up, fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
