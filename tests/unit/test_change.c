/* The Maildir core on a real directory: one session's life, and the files after it. */
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
#include <unistd.h>

#include "maildir/change.h"
#include "tests/unit/account_fixture.h"

static const struct others_policy keep = { keep_others, NULL };

static int
set_up(void **state)
{
	struct fixture *x = fixture_new();

	fixture_open(x, fixture_place());
	*state = x;
	return 0;
}

static uint32_t
append(struct fixture *x, struct folder *f, const char *text, uint32_t flags)
{
	struct deliver *d;
	uint32_t uid;

	(void)x;
	assert_int_equal(deliver_begin(f, &d), ERR_OK);
	assert_int_equal(deliver_write(d, text, strlen(text)), ERR_OK);
	assert_int_equal(deliver_finish(d, flags, 0, 1000000000), ERR_OK);
	assert_int_equal(change_append(f, &d, 1), ERR_OK);
	uid = d->uid;
	deliver_free(&d);
	return uid;
}

static void
drop(struct fixture *x, const char *name)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", x->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "Subject: x\n\nhi\n", 15), 15);
	close(fd);
}

static struct folder *
select_inbox(struct fixture *x, struct folder_snapshot *snap)
{
	struct folder *f;

	assert_int_equal(folder_select(x->acc, SPAN("INBOX"), false, &f, snap),
	    ERR_OK);
	free(snap->uids);
	return f;
}

static void
appended_messages_get_ascending_uids(void **state)
{
	struct fixture *x = *state;
	struct folder_snapshot snap;
	struct folder *f = select_inbox(x, &snap);
	struct folder_changes c;
	struct message_info m[2];
	char buf[32];
	int fd;

	assert_int_equal(snap.n, 0);
	assert_int_equal(snap.uidnext, 1);
	assert_int_equal(append(x, f, "A: b\n\nx\n", FLAG_SEEN), 1);
	assert_int_equal(append(x, f, "A: b\r\n\r\ny\r\n", 0), 2);
	assert_int_equal(folder_look(f, snap.modseq, snap.modseq, 1, &x->a, &c),
	    ERR_OK);
	assert_int_equal(c.n_added, 2);
	assert_int_equal(c.n_changed, 0);
	assert_int_equal(c.uidnext, 3);
	assert_int_equal(c.recent_from, 1);
	assert_int_equal(folder_read(f, c.added, 2, WANT_STAT, &x->a, m),
	    ERR_OK);
	assert_int_equal(m[0].flags, FLAG_SEEN);
	assert_int_equal(m[0].size, 8);
	assert_int_equal(m[0].wire_size, 11);
	assert_int_equal(m[0].internal_date, 1000000000);
	assert_int_equal(m[1].wire_size, m[1].size);
	assert_int_equal(folder_open_message(f, 2, &fd), ERR_OK);
	assert_int_equal(read(fd, buf, sizeof(buf)), 11);
	close(fd);
	folder_close(&f);
}

static void
store_changes_names_and_expunge_removes(void **state)
{
	struct fixture *x = *state;
	struct folder_snapshot snap;
	struct folder *f = select_inbox(x, &snap);
	uint32_t uids[] = { 1, 2, 3, 4, 9 };
	struct expunge_result gone;
	struct store_result r;
	struct folder_changes c;
	struct message_info m[5];

	for (int i = 0; i < 4; i++)
		append(x, f, "A: b\n\nx\n", 0);
	/* All of them or none: there is no 9. */
	assert_int_equal(change_store(f, uids, 5, STORE_ADD, FLAG_DELETED, 0,
	    0, true, &x->a, &r), ERR_GONE);
	assert_int_equal(change_expunge(f, NULL, 0, false, &x->a, &gone),
	    ERR_OK);
	assert_int_equal(gone.n_done, 0);
	/* More than the batch of three: through `dirty`. */
	assert_int_equal(change_store(f, uids, 5, STORE_ADD, FLAG_DELETED, 0,
	    0, false, &x->a, &r), ERR_OK);
	assert_int_equal(r.n_done, 4);
	assert_int_equal(r.n_gone, 1);
	assert_int_equal(r.gone[0], 9);
	while (account_late_work(x->acc))
		continue;
	/* Two: at once. */
	assert_int_equal(change_store(f, uids, 2, STORE_REMOVE, FLAG_DELETED,
	    0, 0, false, &x->a, &r), ERR_OK);
	assert_int_equal(r.done[1].flags, 0);
	assert_int_equal(change_expunge(f, NULL, 0, false, &x->a, &gone),
	    ERR_OK);
	assert_int_equal(gone.n_done, 2);
	assert_int_equal(gone.done[0], 3);
	assert_int_equal(folder_look(f, snap.modseq, snap.modseq, 5, &x->a,
	    &c), ERR_OK);
	assert_int_equal(c.n_expunged, 2);
	assert_int_equal(c.expunged[1], 4);
	assert_int_equal(folder_read(f, uids, 5, 0, &x->a, m), ERR_OK);
	assert_false(m[1].gone);
	assert_true(m[2].gone);
	folder_close(&f);
}

static void
deliveries_and_foreign_flags_are_found(void **state)
{
	struct fixture *x = *state;
	struct folder_snapshot snap;
	struct folder *f = select_inbox(x, &snap);
	struct folder_changes c;
	struct message_info m;
	uint64_t told;
	char from[200], to[200];

	drop(x, "new/1000.M1P1.host");
	drop(x, "new/0999.M1P1.host");
	assert_int_equal(folder_look(f, snap.modseq, snap.modseq, 1, &x->a, &c),
	    ERR_OK);
	assert_int_equal(c.n_added, 2);
	told = c.modseq;
	snprintf(from, sizeof(from), "%s/cur/0999.M1P1.host:2,", x->dir);
	snprintf(to, sizeof(to), "%s/cur/0999.M1P1.host:2,FS", x->dir);
	assert_int_equal(rename(from, to), 0);
	snprintf(from, sizeof(from), "%s/cur/1000.M1P1.host:2,", x->dir);
	assert_int_equal(unlink(from), 0);
	/* A new SELECT verifies what looked like our own doing. */
	folder_close(&f);
	f = select_inbox(x, &snap);
	assert_int_equal(snap.n, 1);
	assert_true(snap.modseq > told);
	assert_int_equal(folder_look(f, told, told, 3, &x->a, &c), ERR_OK);
	assert_int_equal(c.n_changed, 1);
	assert_int_equal(c.changed[0].uid, 1);
	assert_int_equal(c.changed[0].flags, FLAG_FLAGGED | FLAG_SEEN);
	assert_int_equal(c.n_expunged, 1);
	assert_int_equal(c.expunged[0], 2);
	assert_int_equal(folder_read(f, &c.changed[0].uid, 1, 0, &x->a, &m),
	    ERR_OK);
	folder_close(&f);
}

static void
uids_survive_the_loss_of_the_state(void **state)
{
	struct fixture *x = *state;
	struct folder_snapshot snap;
	struct folder *f = select_inbox(x, &snap);
	uint32_t uid = 1, validity = f->uidvalidity;
	struct span work = SPAN("work");
	struct store_result r;
	struct message_info m;
	uint64_t bits, modseq;

	append(x, f, "A: b\n\nx\n", 0);
	append(x, f, "A: b\n\nx\n", FLAG_ANSWERED);
	assert_int_equal(folder_keywords(f, &work, 1, true, &bits), ERR_OK);
	assert_int_equal(change_store(f, &uid, 1, STORE_ADD, FLAG_SEEN, bits,
	    0, false, &x->a, &r), ERR_OK);
	modseq = r.modseq;
	folder_close(&f);
	account_close(&x->acc);
	assert_int_equal(fs_remove_tree(AT_FDCWD,
	    arena_printf(&x->a, "%s/loft", x->dir)), ERR_OK);
	fixture_open(x, fixture_place());
	f = select_inbox(x, &snap);
	assert_int_equal(f->uidvalidity, validity);
	assert_int_equal(snap.n, 2);
	assert_int_equal(snap.uidnext, 3);
	assert_true(snap.modseq > modseq);
	assert_int_equal(folder_read(f, &uid, 1, 0, &x->a, &m), ERR_OK);
	assert_int_equal(m.flags, FLAG_SEEN);
	assert_int_equal(m.keywords, bits);
	assert_true(span_eq(f->keywords.name[0], work));
	folder_close(&f);
}

static void
mailboxes_come_and_go(void **state)
{
	struct fixture *x = *state;
	struct folder_snapshot snap;
	struct folder *f = select_inbox(x, &snap), *bar;
	struct folder_entry *list;
	struct folder_status st;
	struct copy_result copied;
	struct span to;
	uint32_t uid = 1, with_gone[] = { 1, 9 }, first, id;
	size_t n;

	append(x, f, "A: b\n\nx\n", FLAG_FLAGGED);
	append(x, f, "A: b\n\nx\n", 0);
	assert_int_equal(folder_create(x->acc, SPAN("foo.child")), ERR_OK);
	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_OK);
	assert_int_equal(folder_create(x->acc, SPAN("foo")), ERR_EXISTS);
	assert_int_equal(folder_get_status(x->acc, SPAN("foo"), false, &st), ERR_OK);
	first = st.uidvalidity;
	assert_int_equal(folder_rename(x->acc, SPAN("foo"), SPAN("bar"),
	    &keep), ERR_OK);
	assert_int_equal(folder_renamed_to(x->acc, SPAN("foo.child"), &x->a,
	    &to), ERR_OK);
	assert_true(span_eq(to, SPAN("bar.child")));
	assert_int_equal(folder_renamed_to(x->acc, SPAN("foo"), &x->a, &to),
	    ERR_OK);
	assert_true(span_eq(to, SPAN("bar")));
	assert_int_equal(folder_list(x->acc, &x->a, &list, &n), ERR_OK);
	assert_int_equal(n, 3);
	assert_true(span_eq(list[1].name, SPAN("bar")));
	assert_true(list[1].has_children);
	assert_int_equal(folder_open(x->acc, SPAN("bar"), &bar), ERR_OK);
	/* All of them or none: there is no 9. */
	assert_int_equal(change_copy(f, with_gone, 2, bar, true, &x->a,
	    &copied), ERR_GONE);
	assert_int_equal(change_move(f, with_gone, 2, bar, false, true, &x->a,
	    &copied), ERR_GONE);
	assert_int_equal(change_copy(f, with_gone, 2, bar, false, &x->a,
	    &copied), ERR_OK);
	assert_int_equal(copied.n, 1);
	assert_int_equal(copied.n_gone, 1);
	assert_int_equal(copied.to[0], 1);
	uid = 2;
	assert_int_equal(change_move(f, &uid, 1, bar, false, true, &x->a,
	    &copied), ERR_OK);
	assert_int_equal(copied.n, 1);
	assert_int_equal(copied.to[0], 2);
	folder_close(&bar);
	assert_int_equal(folder_get_status(x->acc, SPAN("bar"), false, &st), ERR_OK);
	assert_int_equal(st.messages, 2);
	assert_int_equal(st.uidvalidity, first);
	assert_int_equal(folder_get_status(x->acc, SPAN("INBOX"), false, &st), ERR_OK);
	assert_int_equal(st.messages, 1);
	assert_int_equal(folder_delete(x->acc, SPAN("bar"), OTHERS_END, &id),
	    ERR_OK);
	while (account_late_work(x->acc))
		continue;
	assert_int_equal(folder_get_status(x->acc, SPAN("bar"), false, &st),
	    ERR_NOTFOUND);
	assert_int_equal(folder_create(x->acc, SPAN("bar")), ERR_OK);
	assert_int_equal(folder_get_status(x->acc, SPAN("bar"), false, &st), ERR_OK);
	assert_true(st.uidvalidity > first);
	assert_int_equal(folder_list(x->acc, &x->a, &list, &n), ERR_OK);
	assert_int_equal(n, 3);
	folder_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    appended_messages_get_ascending_uids, set_up, fixture_end),
		cmocka_unit_test_setup_teardown(
		    store_changes_names_and_expunge_removes, set_up, fixture_end),
		cmocka_unit_test_setup_teardown(
		    deliveries_and_foreign_flags_are_found, set_up, fixture_end),
		cmocka_unit_test_setup_teardown(
		    uids_survive_the_loss_of_the_state, set_up, fixture_end),
		cmocka_unit_test_setup_teardown(mailboxes_come_and_go, set_up,
		    fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
