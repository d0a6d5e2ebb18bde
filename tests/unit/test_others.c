/* What is kept for other sessions, and how long: ghosts, reserved names, old names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "maildir/change.h"
#include "maildir/presence.h"
#include "maildir/renamed.h"
#include "maildir/state.h"
#include "maildir/vanished.h"
#include "tests/unit/account_fixture.h"

enum { OTHER = 1000000, MAX_AGE_MS = 60000 };
static const uint64_t START_US = UINT64_C(2000000000000000);

static const struct others_policy keep = { keep_others, NULL };

static uint64_t
max_age(void *ctx, struct account *acc, struct span storage)
{
	(void)ctx;
	(void)acc;
	(void)storage;
	return MAX_AGE_MS;
}

static void
open_account(struct fixture *x)
{
	struct account_place p = fixture_place();

	p.ghost_max_age = max_age;
	fixture_open(x, p);
}

static int
set_up(void **state)
{
	struct fixture *x = fixture_new();

	clock_set(START_US);
	open_account(x);
	*state = x;
	return 0;
}

static int
tear_down(void **state)
{
	int r = fixture_end(state);

	clock_set(0);
	return r;
}

/* As if another session had the folder open, told of nothing; or not any more. */
static void
another(struct fixture *x, uint32_t folder_id, bool there)
{
	struct key k = key_u32_u64(folder_id, OTHER);
	struct ref_rec ref = { .cursor = 0 };
	struct db_txn *t;

	assert_int_equal(account_write(x->acc, &t), ERR_OK);
	assert_int_equal(there ? db_put(t, T_REFS, key_span(&k), (struct span){
	    (const char *)&ref, sizeof(ref) }) :
	    db_del(t, T_REFS, key_span(&k)), ERR_OK);
	assert_int_equal(db_commit(&t), ERR_OK);
}

static struct folder *
select_with_message(struct fixture *x, const char *name)
{
	struct folder_snapshot snap;
	struct folder *f;
	struct deliver *d;

	assert_int_equal(folder_select(x->acc, span_of(name), false, &f,
	    &snap), ERR_OK);
	free(snap.uids);
	assert_int_equal(deliver_begin(f, &d), ERR_OK);
	assert_int_equal(deliver_write(d, "A: b\n\nx\n", 8), ERR_OK);
	assert_int_equal(deliver_finish(d, FLAG_DELETED, 0, 1000000000),
	    ERR_OK);
	assert_int_equal(change_append(f, &d, 1), ERR_OK);
	deliver_free(&d);
	return f;
}

static size_t
count_files(const struct folder *f)
{
	char command[200];
	size_t n = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls /proc/%ld/fd/%d/", (long)getpid(),
	    f->tmp_fd);
	p = popen(command, "r");
	assert_non_null(p);
	for (int c; (c = getc(p)) != EOF;)
		n += c == '\n';
	pclose(p);
	return n;
}

static void
a_ghost_is_readable_until_it_is_too_old(void **state)
{
	struct fixture *x = *state;
	struct folder *f = select_with_message(x, "INBOX");
	struct expunge_result r;
	struct message_info m;
	uint32_t uid = 1;
	char tmp[80];
	int fd;

	another(x, f->id, true);
	assert_int_equal(change_expunge(f, NULL, 0, true, &x->a, &r),
	    ERR_BUSY);
	assert_int_equal(r.n_kept, 1);
	assert_int_equal(change_expunge(f, NULL, 0, false, &x->a, &r), ERR_OK);
	assert_int_equal(r.n_done, 1);
	work_off(x);
	clock_set(START_US + (MAX_AGE_MS - 1) * UINT64_C(1000));
	assert_int_equal(folder_read(f, &uid, 1, 0, &x->a, &m), ERR_OK);
	assert_true(m.ghost && !m.gone);
	assert_int_equal(folder_open_message(f, uid, &fd), ERR_OK);
	close(fd);
	/* Gone for readers at once, on disk with the next sweep. */
	clock_set(START_US + MAX_AGE_MS * UINT64_C(1000) + 1000000);
	assert_int_equal(folder_read(f, &uid, 1, 0, &x->a, &m), ERR_OK);
	assert_true(m.gone);
	assert_int_equal(folder_open_message(f, uid, &fd), ERR_GONE);
	assert_int_equal(count_files(f), 1);
	/* Somebody else sweeps: nobody waits for it. */
	snprintf(tmp, sizeof(tmp), "%s/tmp", x->dir);
	fd = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	x->acc->late_ghosts = f->id;
	work_off(x);
	assert_int_equal(count_files(f), 1);
	close(fd);
	x->acc->late_ghosts = f->id;
	work_off(x);
	assert_int_equal(count_files(f), 0);
	another(x, f->id, false);
	folder_close(&f);
}

/* Writes n more records and tells how many there are. */
static size_t
vanish(struct fixture *x, uint32_t folder_id, uint64_t *modseq, size_t n,
    uint64_t *since_out)
{
	struct arena a = { 0 };
	struct folder_rec r;
	struct db_txn *t;
	uint32_t uid = 1;
	size_t count;

	assert_int_equal(account_write(x->acc, &t), ERR_OK);
	assert_int_equal(rec_get(t, folder_id, &a, &r), ERR_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(vanished_put(t, &r, ++*modseq, &uid, 1),
		    ERR_OK);
	assert_int_equal(rec_put(t, &r), ERR_OK);
	*since_out = r.vanished_since;
	assert_int_equal(db_count(t, T_VANISHED, &count), ERR_OK);
	assert_int_equal(db_commit(&t), ERR_OK);
	arena_free(&a);
	return count;
}

static void
of_what_vanished_the_latest_are_kept_and_what_is_to_be_told(void **state)
{
	struct fixture *x = *state;
	struct folder *f = select_with_message(x, "INBOX");
	uint64_t modseq = 0, since;
	uint32_t id = f->id;

	another(x, id, true);
	assert_int_equal(vanish(x, id, &modseq, VANISHED_MAX + 3 *
	    VANISHED_TRIM, &since), VANISHED_MAX + 3 * VANISHED_TRIM);
	folder_close(&f);
	/* Nobody is there any more who would have to be told. */
	another(x, id, false);
	assert_int_equal(vanish(x, id, &modseq, 3 * VANISHED_TRIM, &since),
	    VANISHED_MAX);
	assert_int_equal(since, modseq - VANISHED_MAX);
}

static void
what_the_dead_left_is_in_no_deletions_way(void **state)
{
	struct fixture *x = *state;
	uint32_t first, id;

	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_OK);
	assert_int_equal(folder_delete(x->acc, SPAN("foo"), OTHERS_END,
	    &first), ERR_OK);
	/* Two died after the rename and before the transaction. */
	for (uint32_t i = 1; i <= 2; i++) {
		char path[120];

		snprintf(path, sizeof(path), "%s/loft/deleted/%u", x->dir,
		    first + i);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_OK);
	assert_int_equal(folder_delete(x->acc, SPAN("foo"), OTHERS_END, &id),
	    ERR_OK);
	assert_int_equal(id, first + 3);
	assert_false(is_there(x, ".foo"));
}

static void
old_names_are_forgotten_after_thirty_days(void **state)
{
	struct fixture *x = *state;
	const uint64_t day = UINT64_C(86400000000);
	struct span to;

	assert_int_equal(folder_create(x->acc, SPAN("one")), ERR_OK);
	assert_int_equal(folder_rename(x->acc, SPAN("one"), SPAN("two"),
	    &keep), ERR_OK);
	clock_set(START_US + 29 * day);
	assert_int_equal(folder_renamed_to(x->acc, SPAN("one"), &x->a, &to),
	    ERR_OK);
	clock_set(START_US + 31 * day);
	assert_int_equal(folder_renamed_to(x->acc, SPAN("one"), &x->a, &to),
	    ERR_NOTFOUND);
}

static size_t
count_renames(struct fixture *x)
{
	struct db_cursor *c;
	struct db_txn *t;
	struct span k, v;
	size_t n = 0;

	assert_int_equal(db_begin(x->acc->db, false, &t), ERR_OK);
	assert_int_equal(db_cursor_open(t, T_RENAMES, &c), ERR_OK);
	for (enum err e = db_seek(c, SPAN("\0"), &k, &v); e == ERR_OK;
	    e = db_next(c, &k, &v))
		n++;
	db_cursor_close(&c);
	db_abort(&t);
	return n;
}

static void
of_old_names_the_latest_thousand_are_kept(void **state)
{
	struct fixture *x = *state;
	struct db_txn *t;
	struct span to;
	char name[32];

	assert_int_equal(account_write(x->acc, &t), ERR_OK);
	for (unsigned i = 0; i < RENAMED_KEPT + 50; i++) {
		snprintf(name, sizeof(name), "name%u", i);
		clock_set(START_US + i * UINT64_C(1000000));
		assert_int_equal(renamed_put(t, 0, span_of(name),
		    SPAN("there")), ERR_OK);
	}
	assert_int_equal(db_commit(&t), ERR_OK);
	clock_set(START_US + 2 * RENAMED_KEPT * UINT64_C(1000000));
	assert_int_equal(folder_create(x->acc, SPAN("one")), ERR_OK);
	assert_int_equal(folder_rename(x->acc, SPAN("one"), SPAN("two"),
	    &keep), ERR_OK);
	assert_int_equal(count_renames(x), RENAMED_KEPT);
	assert_int_equal(folder_renamed_to(x->acc, SPAN("one"), &x->a, &to),
	    ERR_OK);
	assert_int_equal(folder_renamed_to(x->acc, SPAN("name50"), &x->a, &to),
	    ERR_NOTFOUND);
	assert_int_equal(folder_renamed_to(x->acc, SPAN("name51"), &x->a, &to),
	    ERR_OK);
}

static void
a_kept_mailbox_reserves_its_name_until_the_last_leaves(void **state)
{
	struct fixture *x = *state;
	struct folder *f;
	uint32_t id, gone;

	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_OK);
	f = select_with_message(x, "foo");
	id = f->id;
	folder_close(&f);
	another(x, id, true);
	assert_int_equal(folder_delete(x->acc, SPAN("foo"), OTHERS_REFUSE,
	    &gone), ERR_BUSY);
	assert_true(is_there(x, ".foo"));
	assert_int_equal(folder_delete(x->acc, SPAN("foo"), OTHERS_KEEP,
	    &gone), ERR_OK);
	assert_int_equal(gone, id);
	work_off(x);
	assert_false(is_there(x, ".foo"));
	assert_true(is_there(x, "loft/deleted/1/cur"));
	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_BUSY);
	assert_true(folder_is_reserved(x->acc, SPAN("foo")));
	/* By its number it can be opened, for who works in it. */
	assert_int_equal(folder_open_id(x->acc, id, &f), ERR_OK);
	folder_close(&f);
	another(x, id, false);
	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_OK);
	/* A new one of that name is not touched when the old one goes. */
	f = select_with_message(x, "foo");
	assert_int_not_equal(f->id, id);
	x->acc->late_deleted = id;
	work_off(x);
	assert_false(is_there(x, "loft/deleted/1"));
	folder_close(&f);
	assert_int_equal(folder_open(x->acc, SPAN("foo"), &f), ERR_OK);
	folder_close(&f);
}

static void
without_the_state_no_name_is_reserved(void **state)
{
	struct fixture *x = *state;
	struct folder *f;
	uint32_t id, gone;
	char path[200];

	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_OK);
	f = select_with_message(x, "foo");
	id = f->id;
	folder_close(&f);
	another(x, id, true);
	assert_int_equal(folder_delete(x->acc, SPAN("foo"), OTHERS_KEEP,
	    &gone), ERR_OK);
	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_BUSY);
	account_close(&x->acc);
	snprintf(path, sizeof(path), "%s/loft/state", x->dir);
	assert_int_equal(fs_remove_tree(AT_FDCWD, path), ERR_OK);
	assert_int_equal(chdir("/"), 0);
	snprintf(path, sizeof(path), "%s/loft/sessions", x->dir);
	assert_int_equal(fs_remove_tree(AT_FDCWD, path), ERR_OK);
	open_account(x);
	assert_false(is_there(x, "loft/deleted/1"));
	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_OK);
	/* Its number is given again, and free below loft/deleted. */
	f = select_with_message(x, "foo");
	assert_int_equal(f->id, id);
	folder_close(&f);
	assert_int_equal(folder_delete(x->acc, SPAN("foo"), OTHERS_END, &gone),
	    ERR_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_the_dead_left_is_in_no_deletions_way, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    a_ghost_is_readable_until_it_is_too_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    of_what_vanished_the_latest_are_kept_and_what_is_to_be_told,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    old_names_are_forgotten_after_thirty_days, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    of_old_names_the_latest_thousand_are_kept, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    a_kept_mailbox_reserves_its_name_until_the_last_leaves,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    without_the_state_no_name_is_reserved, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
