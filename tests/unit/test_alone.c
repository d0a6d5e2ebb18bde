/* Folders that others may enter: accounts of their own inside their owner's. */
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

#include "maildir/alone.h"
#include "maildir/change.h"
#include "maildir/presence.h"
#include "maildir/state.h"
#include "tests/unit/account_fixture.h"

enum { OTHER = 1000000 };

static enum others_how
refuse_others(void *ctx, struct span name)
{
	(void)ctx;
	(void)name;
	return OTHERS_REFUSE;
}

static const struct others_policy keep = { keep_others, NULL };
static const struct others_policy refuse = { refuse_others, NULL };

static void
share(const struct fixture *x, const char *folder)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/dovecot-acl", x->dir, folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "user=bob lr\n", 12), 12);
	close(fd);
}

static int
set_up(void **state)
{
	struct fixture *x = fixture_new();
	struct account_place p = fixture_place();

	p.sync = p.shares = true;
	fixture_open(x, p);
	assert_int_equal(folder_create(x->acc, SPAN("Team")), ERR_OK);
	share(x, ".Team");
	*state = x;
	return 0;
}

static struct account *
team(struct fixture *x, const char *name)
{
	struct account *in;

	assert_true(alone_is(x->acc, span_of(name)));
	assert_int_equal(alone_get(x->acc, span_of(name), &in), ERR_OK);
	return in;
}

static struct folder *
enter(struct account *acc, const char *name)
{
	struct folder_snapshot snap;
	struct folder *f;

	assert_int_equal(folder_select(acc, span_of(name), false, &f, &snap),
	    ERR_OK);
	free(snap.uids);
	return f;
}

static uint32_t
append(struct folder *f, uint32_t flags, const char *keyword)
{
	struct span name = span_of(keyword);
	struct deliver *d;
	uint64_t bits = 0;
	uint32_t uid;

	if (name.n > 0)
		assert_int_equal(folder_keywords(f, &name, 1, true, &bits),
		    ERR_OK);
	assert_int_equal(deliver_begin(f, &d), ERR_OK);
	assert_int_equal(deliver_write(d, "A: b\r\n\r\nx\r\n", 11), ERR_OK);
	assert_int_equal(deliver_finish(d, flags, bits, 1000000000), ERR_OK);
	assert_int_equal(change_append(f, &d, 1), ERR_OK);
	uid = d->uid;
	deliver_free(&d);
	return uid;
}

static uint32_t
count(struct account *acc, const char *name)
{
	struct folder_status st = { 0 };

	assert_int_equal(folder_get_status(acc, span_of(name), false, &st), ERR_OK);
	return st.messages;
}

/* As if another session had the only folder of an account open. */
static void
another(struct account *in, uint32_t folder_id, bool there)
{
	struct key k = key_u32_u64(folder_id, OTHER);
	struct ref_rec ref = { .cursor = 0 };
	struct db_txn *t;

	assert_int_equal(account_write(in, &t), ERR_OK);
	assert_int_equal(there ? db_put(t, T_REFS, key_span(&k), (struct span){
	    (const char *)&ref, sizeof(ref) }) :
	    db_del(t, T_REFS, key_span(&k)), ERR_OK);
	assert_int_equal(db_commit(&t), ERR_OK);
}

/* ---- what it is ---- */

static void
only_a_folder_with_a_list_is_an_account(void **state)
{
	struct fixture *x = *state;

	share(x, ".");
	assert_int_equal(folder_create(x->acc, SPAN("Plain")), ERR_OK);
	assert_true(alone_is(x->acc, SPAN("Team")));
	assert_false(alone_is(x->acc, SPAN("Plain")));
	assert_false(alone_is(x->acc, SPAN("INBOX")));
	assert_false(alone_is(x->acc, SPAN("../Team")));
	x->acc->how.shares = false;
	assert_false(alone_is(x->acc, SPAN("Team")));
}

static void
its_state_lies_in_it_and_its_uids_stay(void **state)
{
	struct fixture *x = *state;
	struct folder *f;
	uint32_t uid, validity;

	/* Before it was shared: in the account's state. */
	f = enter(x->acc, "Team");
	uid = append(f, FLAG_SEEN, "");
	validity = f->uidvalidity;
	folder_close(&f);
	f = enter(team(x, "Team"), "Team");
	assert_true(is_there(x, ".Team/loft/state/data.mdb"));
	assert_int_equal(f->uidvalidity, validity);
	assert_int_equal(append(f, 0, ""), uid + 1);
	folder_close(&f);
	assert_int_equal(count(team(x, "Team"), "Team"), 2);
	/* And who has it open as before meets what was added. */
	assert_int_equal(count(x->acc, "Team"), 2);
}

static void
another_name_leads_to_nothing(void **state)
{
	struct fixture *x = *state;
	struct account *in = team(x, "Team");
	struct folder *f;

	assert_int_equal(folder_open(in, SPAN("INBOX"), &f), ERR_NOTFOUND);
	assert_int_equal(folder_open(in, SPAN("Plain"), &f), ERR_NOTFOUND);
	assert_int_equal(alone_get(x->acc, SPAN("Plain"), &in), ERR_NOTFOUND);
	assert_int_equal(alone_get(x->acc, SPAN("INBOX"), &in), ERR_NOTFOUND);
}

static void
few_stay_open(void **state)
{
	struct fixture *x = *state;
	struct account *held = team(x, "Team");
	struct folder *f = enter(held, "Team");
	unsigned n = 0;

	for (int i = 0; i < 20; i++) {
		char name[16], dir[17];

		snprintf(name, sizeof(name), "F%d", i);
		snprintf(dir, sizeof(dir), ".%s", name);
		assert_int_equal(folder_create(x->acc, span_of(name)), ERR_OK);
		share(x, dir);
		assert_int_equal(count(team(x, name), name), 0);
	}
	for (struct account *in = x->acc->inner; in != NULL; in = in->next)
		n++;
	assert_in_range(n, 2, 12);
	/* The one in use is among them. */
	assert_ptr_equal(team(x, "Team"), held);
	folder_close(&f);
}

/* ---- MOVE between accounts ---- */

static void
a_message_moves_with_all_it_has(void **state)
{
	struct fixture *x = *state;
	struct folder *inbox = enter(x->acc, "INBOX");
	struct folder *to = enter(team(x, "Team"), "Team");
	struct folder_changes c;
	struct copy_result r;
	struct message_info info;
	struct span name = SPAN("work");
	uint64_t bits;
	uint32_t uid = append(inbox, FLAG_FLAGGED, "work");

	assert_int_equal(append(to, 0, "other"), 1);
	assert_int_equal(change_move(inbox, &uid, 1, to, false, false, &x->a,
	    &r), ERR_OK);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.from[0], uid);
	assert_int_equal(r.to[0], 2);
	assert_int_equal(r.uidvalidity, to->uidvalidity);
	assert_int_equal(folder_read(to, r.to, 1, 0, &x->a, &info), ERR_OK);
	assert_false(info.gone);
	assert_int_equal(info.flags & FLAG_ALL, FLAG_FLAGGED);
	assert_int_equal(folder_keywords(to, &name, 1, false, &bits), ERR_OK);
	assert_int_equal(info.keywords, bits);
	assert_int_equal(count(x->acc, "INBOX"), 0);
	/* Kept until the destination is on disk and we were told, then gone. */
	work_off(x);
	assert_int_equal(rmdir(arena_printf(&x->a, "%s/tmp", x->dir)), -1);
	assert_int_equal(folder_look(inbox, 0, 0, 1, &x->a, &c), ERR_OK);
	assert_int_equal(c.n_expunged, 1);
	folder_told(inbox, c.modseq);
	work_off(x);
	assert_int_equal(rmdir(arena_printf(&x->a, "%s/tmp", x->dir)), 0);
	assert_int_equal(rmdir(arena_printf(&x->a, "%s/.Team/tmp", x->dir)),
	    0);
	folder_close(&to);
	folder_close(&inbox);
}

static void
who_lost_a_message_moves_the_others(void **state)
{
	struct fixture *x = *state;
	struct folder *inbox = enter(x->acc, "INBOX");
	struct folder *to = enter(team(x, "Team"), "Team");
	struct expunge_result gone;
	struct copy_result r;
	uint32_t uids[3];

	for (int i = 0; i < 3; i++)
		uids[i] = append(inbox, i == 1 ? FLAG_DELETED : 0, "");
	assert_int_equal(change_expunge(inbox, &uids[1], 1, false, &x->a,
	    &gone), ERR_OK);
	assert_int_equal(gone.n_done, 1);
	/* As a whole: nothing happens. */
	assert_int_equal(change_move(inbox, uids, 3, to, false, true, &x->a,
	    &r), ERR_GONE);
	assert_int_equal(count(team(x, "Team"), "Team"), 0);
	assert_int_equal(count(x->acc, "INBOX"), 2);
	assert_int_equal(change_move(inbox, uids, 3, to, false, false, &x->a,
	    &r), ERR_OK);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.n_gone, 1);
	assert_int_equal(count(x->acc, "INBOX"), 0);
	assert_int_equal(count(team(x, "Team"), "Team"), 2);
	folder_close(&to);
	folder_close(&inbox);
}

static void
a_moved_message_is_a_ghost_for_who_was_not_told(void **state)
{
	struct fixture *x = *state;
	struct folder *from = enter(team(x, "Team"), "Team");
	struct folder *to = enter(x->acc, "INBOX");
	struct message_info info;
	struct copy_result r;
	uint32_t uid = append(from, 0, "");
	int fd;

	another(from->acc, from->id, true);
	assert_int_equal(change_move(from, &uid, 1, to, true, false, &x->a,
	    &r), ERR_BUSY);
	assert_int_equal(count(x->acc, "INBOX"), 0);
	assert_int_equal(change_move(from, &uid, 1, to, false, false, &x->a,
	    &r), ERR_OK);
	work_off(x);
	assert_int_equal(folder_read(from, &uid, 1, 0, &x->a, &info), ERR_OK);
	assert_true(info.ghost);
	assert_int_equal(folder_open_message(from, uid, &fd), ERR_OK);
	close(fd);
	another(from->acc, from->id, false);
	folder_close(&to);
	folder_close(&from);
}

/* ---- DELETE and RENAME with sessions in it ---- */

static void
refused_while_another_has_it_open(void **state)
{
	struct fixture *x = *state;
	struct folder *f = enter(team(x, "Team"), "Team");
	uint32_t id;

	another(f->acc, f->id, true);
	assert_int_equal(folder_delete(x->acc, SPAN("Team"), OTHERS_REFUSE,
	    &id), ERR_BUSY);
	assert_int_equal(folder_rename(x->acc, SPAN("Team"), SPAN("New"),
	    &refuse), ERR_BUSY);
	assert_true(is_there(x, ".Team/cur"));
	another(f->acc, f->id, false);
	/* Only we have it open: no others. */
	assert_int_equal(folder_rename(x->acc, SPAN("Team"), SPAN("New"),
	    &refuse), ERR_OK);
	folder_close(&f);
}

static void
its_sessions_hear_that_it_is_deleted(void **state)
{
	struct fixture *x = *state;
	struct account *in = team(x, "Team");
	struct folder *f = enter(in, "Team");
	struct folder_changes c;
	uint32_t id;

	append(f, 0, "");
	another(in, f->id, true);
	assert_int_equal(folder_delete(x->acc, SPAN("Team"), OTHERS_END, &id),
	    ERR_OK);
	assert_false(is_there(x, ".Team"));
	assert_int_equal(folder_look(f, 0, 0, 1, &x->a, &c), ERR_OK);
	assert_true(c.deleted);
	another(in, f->id, false);
	folder_close(&f);
	alone_trim(x->acc);
	x->acc->late_deleted = id;
	work_off(x);
	assert_false(is_there(x, arena_printf(&x->a, "loft/deleted/%u", id)));
}

static void
kept_for_its_sessions_it_keeps_its_name(void **state)
{
	struct fixture *x = *state;
	struct account *in = team(x, "Team");
	struct folder *f = enter(in, "Team");
	struct folder_changes c;
	uint32_t id, uid = append(f, 0, "");
	int fd, gate;

	another(in, f->id, true);
	assert_int_equal(folder_delete(x->acc, SPAN("Team"), OTHERS_KEEP, &id),
	    ERR_OK);
	assert_int_equal(folder_look(f, 0, 0, 1, &x->a, &c), ERR_OK);
	assert_false(c.deleted);
	assert_int_equal(folder_open_message(f, uid, &fd), ERR_OK);
	close(fd);
	assert_int_equal(folder_create(x->acc, SPAN("Team")), ERR_BUSY);
	assert_int_equal(folder_rename(x->acc, SPAN("INBOX"), SPAN("Team"),
	    &keep), ERR_BUSY);
	/* Another process is in it: it holds the gate. */
	gate = open(arena_printf(&x->a, "%s/loft/deleted/%u/loft/gate", x->dir,
	    id), O_RDWR | O_CLOEXEC);
	assert_true(gate >= 0);
	assert_int_equal(flock(gate, LOCK_SH), 0);
	another(in, f->id, false);
	folder_close(&f);
	alone_trim(x->acc);
	x->acc->late_deleted = id;
	work_off(x);
	assert_int_equal(folder_create(x->acc, SPAN("Team")), ERR_BUSY);
	close(gate);
	x->acc->late_deleted = id;
	work_off(x);
	assert_int_equal(folder_create(x->acc, SPAN("Team")), ERR_OK);
	assert_false(is_there(x, arena_printf(&x->a, "loft/deleted/%u", id)));
}

static void
the_last_one_out_takes_the_mail_away(void **state)
{
	struct fixture *x = *state;
	struct account *in = team(x, "Team");
	struct folder *f = enter(in, "Team");
	uint32_t id;
	int held;

	append(f, 0, "");
	another(in, f->id, true);
	assert_int_equal(folder_delete(x->acc, SPAN("Team"), OTHERS_END, &id),
	    ERR_OK);
	work_off(x);
	assert_true(is_there(x, arena_printf(&x->a, "loft/deleted/%u/cur",
	    id)));
	/* One who has nothing but the folder leaves: its owner's way is not ours. */
	held = in->root_fd;
	another(in, f->id, false);
	folder_close(&f);
	while (account_late_work(in))
		continue;
	assert_int_equal(faccessat(held, "cur", F_OK, 0), -1);
}

static void
its_sessions_follow_a_rename(void **state)
{
	struct fixture *x = *state;
	struct account *in = team(x, "Team");
	struct folder *f = enter(in, "Team");
	struct folder_changes c;
	uint32_t uid = append(f, 0, "");
	struct span to;

	assert_int_equal(folder_create(x->acc, SPAN("Team.Sub")), ERR_OK);
	share(x, ".Team.Sub");
	assert_int_equal(folder_rename(x->acc, SPAN("Team"), SPAN("New"),
	    &keep), ERR_OK);
	assert_int_equal(folder_look(f, 0, 0, 1, &x->a, &c), ERR_OK);
	assert_non_null(c.renamed_to);
	assert_string_equal(c.renamed_to, "New");
	assert_int_equal(append(f, 0, ""), uid + 1);
	assert_ptr_equal(team(x, "New"), in);
	assert_int_equal(count(team(x, "New"), "New"), 2);
	assert_int_equal(count(team(x, "New.Sub"), "New.Sub"), 0);
	assert_int_equal(folder_renamed_to(x->acc, SPAN("Team"), &x->a, &to),
	    ERR_OK);
	assert_true(span_eq(to, SPAN("New")));
	folder_close(&f);
}

static void
renamed_by_another_program_it_is_found_by_its_new_name(void **state)
{
	struct fixture *x = *state;
	struct folder *f = enter(team(x, "Team"), "Team");
	struct folder_changes c;
	uint32_t validity = f->uidvalidity;
	struct folder *again;

	assert_int_equal(renameat(x->acc->root_fd, ".Team", x->acc->root_fd,
	    ".New"), 0);
	again = enter(team(x, "New"), "New");
	assert_int_equal(again->id, f->id);
	assert_int_equal(again->uidvalidity, validity);
	assert_int_equal(folder_look(f, 0, 0, 1, &x->a, &c), ERR_OK);
	assert_string_equal(c.renamed_to, "New");
	folder_close(&again);
	folder_close(&f);
}

/* ---- somebody else's ---- */

/* A mailbox of that name in another account: below other/. */
static void
make_other(struct fixture *x, const char *name, int *fd_out)
{
	static const char *const subs[] = { "", "/cur", "/new", "/tmp" };

	assert_int_equal(mkdirat(x->acc->root_fd, "other", 0700), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(mkdirat(x->acc->root_fd, arena_printf(&x->a,
		    "other/.%s%s", name, subs[i]), 0700), 0);
	assert_int_equal(fs_open_dir(x->acc->root_fd, arena_printf(&x->a,
	    "other/.%s", name), fd_out), ERR_OK);
}

static void
one_that_was_handed_over_is_found_until_it_is_gone(void **state)
{
	struct fixture *x = *state;
	struct account *in, *again;
	struct folder *f;
	int fd[3] = { -1, -1, -1 };

	/* Not by the owner's account: as if from another's. */
	assert_int_equal(fs_open_dir(x->acc->root_fd, ".Team", &fd[0]), ERR_OK);
	assert_int_equal(alone_find(x->acc, SPAN("1 bob"), SPAN("Team"), &in),
	    ERR_NOTFOUND);
	/* One of ours stays ours: its state must not be opened twice. */
	assert_int_equal(alone_add(x->acc, SPAN("1 anna"), SPAN("Team"), fd,
	    &in), ERR_NOTFOUND);
	assert_int_equal(fd[0], -1);
	make_other(x, "Team", &fd[0]);
	assert_int_equal(alone_add(x->acc, SPAN("1 bob"), SPAN("Team"), fd,
	    &in), ERR_OK);
	f = enter(in, "Team");
	assert_int_equal(append(f, 0, ""), 1);
	folder_close(&f);
	assert_int_equal(alone_find(x->acc, SPAN("1 bob"), SPAN("Team"),
	    &again), ERR_OK);
	assert_ptr_equal(again, in);
	assert_int_equal(alone_find(x->acc, SPAN("1 eve"), SPAN("Team"),
	    &again), ERR_NOTFOUND);
	assert_int_equal(alone_find(x->acc, SPAN("1 bob"), SPAN("New"),
	    &again), ERR_NOTFOUND);
	assert_int_equal(fs_remove_tree(x->acc->root_fd, "other"), ERR_OK);
	assert_int_equal(alone_find(x->acc, SPAN("1 bob"), SPAN("Team"),
	    &again), ERR_NOTFOUND);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, fixture_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_a_folder_with_a_list_is_an_account),
		T(its_state_lies_in_it_and_its_uids_stay),
		T(another_name_leads_to_nothing),
		T(few_stay_open),
		T(a_message_moves_with_all_it_has),
		T(who_lost_a_message_moves_the_others),
		T(a_moved_message_is_a_ghost_for_who_was_not_told),
		T(refused_while_another_has_it_open),
		T(its_sessions_hear_that_it_is_deleted),
		T(kept_for_its_sessions_it_keeps_its_name),
		T(the_last_one_out_takes_the_mail_away),
		T(its_sessions_follow_a_rename),
		T(renamed_by_another_program_it_is_found_by_its_new_name),
		T(one_that_was_handed_over_is_found_until_it_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
