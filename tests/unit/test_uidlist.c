/* dovecot-uidlist and the counter of UIDVALIDITYs. */
#include "maildir/uidlist.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/fsutil.h"

#define HEAD "3 V1700000000 N10 G0123456789abcdef0123456789abcdef"

static int dir;
static char dir_name[] = "/tmp/test_uidlist.XXXXXX";

static struct uidlist
parsed(const char *text)
{
	struct uidlist l;

	assert_int_equal(uidlist_parse(span_of(text), &l), ERR_OK);
	return l;
}

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

	assert_int_equal(fs_read(dir, "dovecot-uidlist", 1 << 20, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), text);
	buf_clear(&b);
}

static void
a_list_of_dovecot_is_read(void **state)
{
	struct uidlist l = parsed(HEAD "\n1 :a\n3 S12 W14 :b,x\n4 Gxy z :c\n");

	(void)state;
	assert_int_equal(l.version, 3);
	assert_int_equal(l.uidvalidity, 1700000000);
	assert_int_equal(l.next_uid, 10);
	assert_string_equal(l.guid, "0123456789abcdef0123456789abcdef");
	assert_int_equal(l.n, 3);
	assert_int_equal(l.dead, 0);
	assert_int_equal(l.entry[1].uid, 3);
	assert_int_equal(l.entry[1].size, 12);
	assert_int_equal(l.entry[1].vsize, 14);
	assert_true(span_eq(l.entry[1].base, SPAN("b,x")));
	assert_true(span_eq(l.entry[1].keys, SPAN("S12 W14")));
	assert_true(span_eq(l.entry[2].keys, SPAN("Gxy z")));
	assert_int_equal(l.entry[0].keys.n, 0);
	uidlist_clear(&l);
}

static void
header_fields_come_in_any_order_and_unknown_ones_stay(void **state)
{
	struct uidlist l = parsed("3 Q7 N5 Pxx V9 L1234567890123 Zabc\n");

	(void)state;
	assert_int_equal(l.uidvalidity, 9);
	assert_int_equal(l.next_uid, 5);
	assert_int_equal(l.modseq_floor, 1234567890123);
	assert_string_equal(l.guid, "");
	assert_true(span_eq(l.other, SPAN("Q7 Pxx Zabc")));
	assert_int_equal(l.n, 0);
	uidlist_clear(&l);
}

static void
a_damaged_header_is_corrupt(void **state)
{
	static const char *const bad[] = { "", "\n", "3\n", "3 V1\n", "3 N1\n",
		"3 V0 N1\n", "3 V1 N0\n", "3 V1 N4294967296\n", "3 V-1 N1\n",
		"2 V1 N1\n", "V1 N1\n", "3 V1 N1", "3 V1x N1\n", "1 5\n",
		"1 0 5\n", "1 x 5\n", "garbage\n1 :a\n" };
	struct uidlist l;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (uidlist_parse(span_of(bad[i]), &l) != ERR_CORRUPT)
			fail_msg("%zu was accepted", i);
	assert_null(l.entry);
}

static void
damaged_lines_are_skipped(void **state)
{
	struct uidlist l = parsed(HEAD "\n"
	    "0 :zero\n1 :a\nx :y\n1 :same\n2\n3 \n4 :\n5 no name\n\n"
	    "6 :in/dir\n7 :.dot\n-8 :minus\n8:tight\n9 :b\n"
	    "4294967295 :no such uid\n99999999999999999999 :huge\n12 :c\rd\n");

	(void)state;
	assert_int_equal(l.n, 2);
	assert_int_equal(l.entry[0].uid, 1);
	assert_int_equal(l.entry[1].uid, 9);
	assert_int_equal(l.next_uid, 10);
	uidlist_clear(&l);
}

/* Of a file that went through another system: Dovecot drops them, too. */
static void
a_cr_before_the_line_end_is_dropped(void **state)
{
	struct uidlist l = parsed(HEAD " N10\r\n1 :a\r\n2 S5 :b\n3 :c\r\n");

	(void)state;
	assert_int_equal(l.n, 3);
	assert_int_equal(l.next_uid, 10);
	assert_true(span_eq(l.entry[0].base, SPAN("a")));
	assert_true(span_eq(l.entry[2].base, SPAN("c")));
	uidlist_clear(&l);
	l = parsed("1 1000 5\r\n4 d\r\n");
	assert_int_equal(l.next_uid, 5);
	assert_true(span_eq(l.entry[0].base, SPAN("d")));
	uidlist_clear(&l);
}

static void
an_unfinished_last_line_is_not_there(void **state)
{
	const char *text = HEAD "\n1 :a\n20 :half of a na";
	struct uidlist l = parsed(text);

	(void)state;
	assert_int_equal(l.n, 1);
	assert_int_equal(l.next_uid, 10);
	assert_int_equal(l.whole, strlen(HEAD "\n1 :a\n"));
	uidlist_clear(&l);
}

static void
the_next_uid_follows_the_last_line(void **state)
{
	struct uidlist l = parsed(HEAD "\n1 :a\n40 :b\n");

	(void)state;
	assert_int_equal(l.next_uid, 41);
	uidlist_clear(&l);
	/* Even when that line is void. */
	l = parsed(HEAD "\n40 :b\n41 :b\n");
	assert_int_equal(l.next_uid, 42);
	uidlist_clear(&l);
	l = parsed("3 V1 N1\n4294967294 :last\n");
	assert_int_equal(l.next_uid, UINT32_MAX);
	uidlist_clear(&l);
}

static void
a_later_line_with_the_same_name_wins(void **state)
{
	struct uidlist l = parsed(HEAD
	    "\n1 :a\n2 :b\n3 :a\n4 S5 :a\n5 :c\n6 :b:2,S\n");

	(void)state;
	assert_int_equal(l.n, 3);
	assert_int_equal(l.dead, 3);
	assert_int_equal(l.entry[0].uid, 4);
	assert_true(span_eq(l.entry[0].base, SPAN("a")));
	assert_int_equal(l.entry[1].uid, 5);
	assert_int_equal(l.entry[2].uid, 6);
	assert_true(span_eq(l.entry[2].base, SPAN("b")));
	uidlist_clear(&l);
}

static void
version_1_is_read_and_the_next_write_makes_it_3(void **state)
{
	struct uidlist l;
	struct uidlist_entry more = { .uid = 8, .base = SPAN("new") };

	(void)state;
	put("courierimapuiddb", "1 1234 8\n2 a\n5 b:2,S\n");
	(void)unlinkat(dir, "dovecot-uidlist", 0);
	assert_int_equal(uidlist_read(dir, &l), ERR_OK);
	assert_int_equal(l.version, 1);
	assert_int_equal(l.uidvalidity, 1234);
	assert_int_equal(l.next_uid, 8);
	assert_int_equal(l.n, 2);
	assert_true(span_eq(l.entry[1].base, SPAN("b")));
	assert_true(uidlist_is_current(dir, &l));
	memcpy(l.guid, "0123456789abcdef0123456789abcdef", 33);
	assert_int_equal(uidlist_append(dir, &l, &more, 1, true), ERR_OK);
	file_is("3 V1234 N9 G0123456789abcdef0123456789abcdef\n"
	    "2 :a\n5 :b\n8 :new\n");
	assert_int_equal(l.version, 3);
	assert_true(uidlist_is_current(dir, &l));
	uidlist_clear(&l);
	assert_int_equal(unlinkat(dir, "courierimapuiddb", 0), 0);
}

static void
absent_is_not_found(void **state)
{
	struct uidlist l;

	(void)state;
	(void)unlinkat(dir, "dovecot-uidlist", 0);
	assert_int_equal(uidlist_read(dir, &l), ERR_NOTFOUND);
	assert_int_equal(symlinkat("/etc/passwd", dir, "dovecot-uidlist"), 0);
	assert_int_not_equal(uidlist_read(dir, &l), ERR_OK);
	assert_int_equal(unlinkat(dir, "dovecot-uidlist", 0), 0);
	assert_int_equal(mkdirat(dir, "dovecot-uidlist", 0700), 0);
	assert_int_not_equal(uidlist_read(dir, &l), ERR_OK);
	assert_int_equal(unlinkat(dir, "dovecot-uidlist", AT_REMOVEDIR), 0);
	assert_int_equal(mkfifoat(dir, "dovecot-uidlist", 0700), 0);
	assert_int_not_equal(uidlist_read(dir, &l), ERR_OK);
	assert_int_equal(unlinkat(dir, "dovecot-uidlist", 0), 0);
}

static void
appended_lines_are_there_afterwards(void **state)
{
	struct uidlist l, again;
	struct uidlist_entry more[2] = {
		{ .uid = 10, .base = SPAN("x,S=5") },
		{ .uid = 12, .base = SPAN("y"), .keys = SPAN("S7 W8") },
	};

	(void)state;
	put("dovecot-uidlist", HEAD "\n1 :a\n");
	assert_int_equal(uidlist_read(dir, &l), ERR_OK);
	assert_true(uidlist_is_current(dir, &l));
	assert_int_equal(uidlist_append(dir, &l, more, 2, true), ERR_OK);
	file_is(HEAD "\n1 :a\n10 :x,S=5\n12 S7 W8 :y\n");
	assert_int_equal(l.next_uid, 13);
	assert_true(uidlist_is_current(dir, &l));
	/* And once more, from what the list knows now. */
	more[0].uid = 13;
	assert_int_equal(uidlist_append(dir, &l, more, 1, false), ERR_OK);
	assert_int_equal(uidlist_read(dir, &again), ERR_OK);
	assert_int_equal(again.n, 3);
	assert_int_equal(again.dead, 1);
	assert_int_equal(again.next_uid, 14);
	uidlist_clear(&again);
	uidlist_clear(&l);
}

static void
a_half_line_of_a_dead_writer_is_cut_off(void **state)
{
	struct uidlist l;
	struct uidlist_entry more = { .uid = 10, .base = SPAN("x") };

	(void)state;
	put("dovecot-uidlist", HEAD "\n1 :a\n2 :hal");
	assert_int_equal(uidlist_read(dir, &l), ERR_OK);
	assert_int_equal(uidlist_append(dir, &l, &more, 1, true), ERR_OK);
	file_is(HEAD "\n1 :a\n10 :x\n");
	uidlist_clear(&l);
}

static void
a_foreign_change_is_seen_and_not_written_over(void **state)
{
	struct uidlist l;
	struct uidlist_entry more = { .uid = 10, .base = SPAN("x") };

	(void)state;
	put("dovecot-uidlist", HEAD "\n1 :a\n");
	assert_int_equal(uidlist_read(dir, &l), ERR_OK);
	put("dovecot-uidlist", HEAD "\n1 :a\n2 :b\n");
	assert_false(uidlist_is_current(dir, &l));
	assert_int_equal(uidlist_append(dir, &l, &more, 1, true), ERR_IO);
	file_is(HEAD "\n1 :a\n2 :b\n");
	(void)unlinkat(dir, "dovecot-uidlist", 0);
	assert_false(uidlist_is_current(dir, &l));
	assert_int_equal(uidlist_append(dir, &l, &more, 1, true), ERR_IO);
	uidlist_clear(&l);
}

static void
a_full_disk_leaves_the_file_as_it_was(void **state)
{
	struct rlimit limit = { 60, RLIM_INFINITY }, old;
	struct uidlist l;
	struct uidlist_entry more = { .uid = 10,
		.base = SPAN("a name that is too long for the limit") };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)state;
	put("dovecot-uidlist", "3 V1 N9 G0123456789abcdef0123456789abcdef\n");
	assert_int_equal(uidlist_read(dir, &l), ERR_OK);
	sigaction(SIGXFSZ, &ignore, NULL);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_not_equal(uidlist_append(dir, &l, &more, 1, true), ERR_OK);
	assert_int_not_equal(uidlist_write(dir, &l, &more, 1, true), ERR_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	file_is("3 V1 N9 G0123456789abcdef0123456789abcdef\n");
	/* The same object goes on when there is room again. */
	l.next_uid = 10;
	assert_int_equal(uidlist_append(dir, &l, &more, 1, true), ERR_OK);
	uidlist_clear(&l);
}

static void
names_that_no_line_can_hold_are_refused(void **state)
{
	static const char *const bad[] = { "", "a\nb", "a:2,S", "a/b", ".a",
		"a\rb" };
	struct uidlist l;

	(void)state;
	put("dovecot-uidlist", HEAD "\n1 :a\n");
	assert_int_equal(uidlist_read(dir, &l), ERR_OK);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct uidlist_entry e = { .uid = 10, .base = span_of(bad[i]) };
		assert_int_equal(uidlist_append(dir, &l, &e, 1, false),
		    ERR_CANNOT);
		assert_int_equal(uidlist_write(dir, &l, &e, 1, false),
		    ERR_CANNOT);
	}
	file_is(HEAD "\n1 :a\n");
	uidlist_clear(&l);
}

static void
a_rewritten_file_is_newer_and_keeps_all(void **state)
{
	struct timespec later[2] = { { .tv_sec = 4000000000 },
		{ .tv_sec = 4000000000 } };
	struct uidlist l, again;

	(void)state;
	put("dovecot-uidlist",
	    HEAD " Xkeep L77 Zall\n1 :a\n2 :b\n3 S4 Q :a\n");
	assert_int_equal(utimensat(dir, "dovecot-uidlist", later, 0), 0);
	assert_int_equal(uidlist_read(dir, &l), ERR_OK);
	l.modseq_floor = 78;
	assert_int_equal(uidlist_write(dir, &l, l.entry, l.n, true), ERR_OK);
	file_is(HEAD " L78 Xkeep Zall\n2 :b\n3 S4 Q :a\n");
	assert_int_equal(uidlist_read(dir, &again), ERR_OK);
	assert_true(again.mtime_ns > 4000000000 * INT64_C(1000000000));
	assert_true(uidlist_is_current(dir, &l));
	uidlist_clear(&again);
	uidlist_clear(&l);
}

static void
a_new_list_gets_a_guid(void **state)
{
	struct uidlist l = { .uidvalidity = 5 }, again;

	(void)state;
	(void)unlinkat(dir, "dovecot-uidlist", 0);
	assert_int_equal(uidlist_write(dir, &l, NULL, 0, true), ERR_OK);
	assert_int_equal(strlen(l.guid), 32);
	assert_int_equal(strspn(l.guid, "0123456789abcdef"), 32);
	assert_int_equal(uidlist_read(dir, &again), ERR_OK);
	assert_string_equal(again.guid, l.guid);
	assert_int_equal(again.next_uid, 1);
	uidlist_clear(&again);
	uidlist_clear(&l);
}

static void
the_lock_is_dovecots(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(uidlist_lock(dir), ERR_OK);
	assert_int_equal(fstatat(dir, "dovecot-uidlist.lock", &st, 0), 0);
	uidlist_unlock(dir);
	assert_int_equal(fstatat(dir, "dovecot-uidlist.lock", &st, 0), -1);
}

/* Bounds only a disaster; what it takes is printed. */
static void
a_hundred_thousand_lines_take_milliseconds(void **state)
{
	struct buf text = { 0 };
	struct uidlist l;
	uint64_t start, best = UINT64_MAX;

	(void)state;
	buf_adds(&text, HEAD "\n");
	for (unsigned i = 1; i <= 100000; i++)
		buf_addf(&text, "%u :%u.M%uP%u.mx1,S=%u,W=%u\n", i,
		    1577836800 + i * 77, i * 7919 % 1000000, i % 30000, i, i);
	for (int i = 0; i < 5; i++) {
		start = clock_us();
		assert_int_equal(uidlist_parse(buf_span(&text), &l), ERR_OK);
		if (clock_us() - start < best)
			best = clock_us() - start;
		assert_int_equal(l.n, 100000);
		assert_int_equal(l.dead, 0);
		uidlist_clear(&l);
	}
	print_message("100,000 lines: %.2f ms\n", (double)best / 1000);
	assert_true(best < 500000);
	buf_clear(&text);
}

static void
forget_counter(void)
{
	DIR *d = fdopendir(dup(dir));
	struct dirent *e;

	rewinddir(d);
	while ((e = readdir(d)) != NULL)
		if (strncmp(e->d_name, "dovecot-uidvalidity", 19) == 0)
			(void)unlinkat(dir, e->d_name, 0);
	closedir(d);
}

static void
uidvalidity_grows_from_dovecots_counter(void **state)
{
	struct stat st;
	uint32_t v;

	(void)state;
	forget_counter();
	put("dovecot-uidvalidity", "6553f100");
	put("dovecot-uidvalidity.6553f100", "");
	assert_int_equal(uidvalidity_next(dir, 0, &v), ERR_OK);
	assert_int_equal(v, 0x6553f101);
	assert_int_equal(fstatat(dir, "dovecot-uidvalidity.6553f101", &st, 0),
	    0);
	assert_int_equal(fstatat(dir, "dovecot-uidvalidity.6553f100", &st, 0),
	    -1);
	/* The file is only a hint: the name decides. */
	put("dovecot-uidvalidity", "00000001");
	assert_int_equal(uidvalidity_next(dir, 5, &v), ERR_OK);
	assert_int_equal(v, 0x6553f102);
	put("dovecot-uidvalidity", "nonsense");
	assert_int_equal(uidvalidity_next(dir, 0x70000000, &v), ERR_OK);
	assert_int_equal(v, 0x70000001);
}

static void
uidvalidity_starts_from_the_clock(void **state)
{
	uint32_t v, second;
	struct stat st;

	(void)state;
	forget_counter();
	clock_set(UINT64_C(1700000000) * 1000000);
	assert_int_equal(uidvalidity_next(dir, 0, &v), ERR_OK);
	assert_int_equal(v, 1700000000);
	assert_int_equal(fstatat(dir, "dovecot-uidvalidity.6553f100", &st, 0),
	    0);
	assert_int_equal(st.st_mode & 0777, 0444);
	assert_int_equal(uidvalidity_next(dir, 0, &second), ERR_OK);
	assert_int_equal(second, 1700000001);
	forget_counter();
	assert_int_equal(uidvalidity_next(dir, 1800000000, &v), ERR_OK);
	assert_int_equal(v, 1800000001);
	clock_set(0);
}

static void
a_value_that_exists_is_never_taken_over(void **state)
{
	uint32_t v;

	(void)state;
	forget_counter();
	put("dovecot-uidvalidity", "00000010");
	put("dovecot-uidvalidity.00000010", "");
	put("dovecot-uidvalidity.00000011", "");
	assert_int_equal(uidvalidity_next(dir, 0, &v), ERR_OK);
	assert_int_equal(v, 0x12);
	forget_counter();
	put("dovecot-uidvalidity.ffffffff", "");
	assert_int_equal(uidvalidity_next(dir, 0, &v), ERR_IO);
}

enum { RACERS = 8, EACH = 50 };

static void
racers_get_different_values(void **state)
{
	uint32_t got[RACERS * EACH], v;
	int p[2];

	(void)state;
	forget_counter();
	assert_int_equal(pipe(p), 0);
	for (int i = 0; i < RACERS; i++) {
		if (fork() != 0)
			continue;
		for (int k = 0; k < EACH; k++)
			if (uidvalidity_next(dir, 0, &v) != ERR_OK ||
			    write(p[1], &v, sizeof v) != sizeof v)
				_exit(1);
		_exit(0);
	}
	close(p[1]);
	for (int i = 0; i < RACERS * EACH; i++) {
		assert_int_equal(read(p[0], &got[i], sizeof v), sizeof v);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(got[k], got[i]);
	}
	close(p[0]);
	for (int i = 0, status; i < RACERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
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
	close(dir);
	return fs_remove_tree(parent, dir_name + 5) == ERR_OK ?
	    close(parent) : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_of_dovecot_is_read),
		cmocka_unit_test(
		    header_fields_come_in_any_order_and_unknown_ones_stay),
		cmocka_unit_test(a_damaged_header_is_corrupt),
		cmocka_unit_test(damaged_lines_are_skipped),
		cmocka_unit_test(a_cr_before_the_line_end_is_dropped),
		cmocka_unit_test(an_unfinished_last_line_is_not_there),
		cmocka_unit_test(the_next_uid_follows_the_last_line),
		cmocka_unit_test(a_later_line_with_the_same_name_wins),
		cmocka_unit_test(version_1_is_read_and_the_next_write_makes_it_3),
		cmocka_unit_test(absent_is_not_found),
		cmocka_unit_test(appended_lines_are_there_afterwards),
		cmocka_unit_test(a_half_line_of_a_dead_writer_is_cut_off),
		cmocka_unit_test(a_foreign_change_is_seen_and_not_written_over),
		cmocka_unit_test(a_full_disk_leaves_the_file_as_it_was),
		cmocka_unit_test(names_that_no_line_can_hold_are_refused),
		cmocka_unit_test(a_rewritten_file_is_newer_and_keeps_all),
		cmocka_unit_test(a_new_list_gets_a_guid),
		cmocka_unit_test(the_lock_is_dovecots),
		cmocka_unit_test(a_hundred_thousand_lines_take_milliseconds),
		cmocka_unit_test(uidvalidity_grows_from_dovecots_counter),
		cmocka_unit_test(uidvalidity_starts_from_the_clock),
		cmocka_unit_test(a_value_that_exists_is_never_taken_over),
		cmocka_unit_test(racers_get_different_values),
	};

	return cmocka_run_group_tests_name("uidlist", tests, set_up, tear_down);
}
