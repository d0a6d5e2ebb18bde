/*
 * Finds what changed in new/ and cur/ since the last time.
 *
 * The folder lock is held throughout, so that renames of our own cannot be taken
 * for somebody else's. In this order: list (scan_compare.c), compare, confirm what
 * is missing, give UIDs (scan_number.c), apply (scan_apply.c).
 */
#include "maildir/scan.h"

#include <stdlib.h>

#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/scan_impl.h"

static enum err
load_record(struct scan *s)
{
	struct db_txn *t;
	bool done = true;
	enum err e;

	if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = rec_get(t, s->f->id, &s->arena, &s->r);
	db_abort(&t);
	if (e != ERR_OK)
		return e;
	/* Who has it open still may go on with what is there. */
	if (s->r.flags & REC_DELETED && !s->f->selected)
		return ERR_GONE;
	if (s->r.flags & REC_IMPORTING) {
		/* The first import was cut off: from the beginning. */
		do {
			struct folder_rec keep = s->r;

			if ((e = account_write(s->f->acc, &t)) != ERR_OK)
				return e;
			e = state_drop_folder(t, s->r.id, 10000, &done);
			keep.messages = keep.unseen = keep.deleted = 0;
			keep.n_dirty = keep.n_ghosts = 0;
			keep.size = keep.wire_size = keep.uidnext = 0;
			keep.uidlist_ino = 0;
			if (e == ERR_OK)
				e = rec_put(t, &keep);
			if (e != ERR_OK) {
				db_abort(&t);
				return e;
			}
			if ((e = db_commit(&t)) != ERR_OK)
				return e;
			s->r = keep;
		} while (!done);
	}
	s->first = s->r.uidnext == 0;
	return ERR_OK;
}

static enum err
scan_locked(struct scan *s)
{
	bool dotlock = false;
	enum err e;

	if ((e = load_record(s)) != ERR_OK)
		return e;
	if (s->first || s->r.n_new != 0 ||
	    !scan_uidlist_is_current(s->f, &s->r))
		s->how = SCAN_ALL;
	if ((e = scan_list(s)) != ERR_OK)
		return e;
	e = s->listed_all ? scan_compare_all(s) : scan_leave_twins(s);
	if (e != ERR_OK || (e = scan_confirm_gone(s)) != ERR_OK)
		return e;
	e = scan_number(s, &dotlock);
	s->rewrite = dotlock && (s->uidlist_missing || s->uidlist_lost_lines ||
	    /* Half a line of a dead writer: nobody may append to it. */
	    (s->have_uidlist && s->ul.whole < s->ul.size) ||
	    (s->r.dead_lines > 32 &&
	    s->r.dead_lines > (s->r.messages + s->n_added) / 3));
	if (e == ERR_OK)
		e = scan_apply(s);
	if (e == ERR_OK && s->rewrite)
		e = scan_rewrite_uidlist(s);
	if (dotlock)
		uidlist_unlock(s->f->control_fd);
	if (e == ERR_OK && s->r.n_dirty > 0)
		s->f->acc->late_store = s->r.id;
	return e;
}

static void
scan_clear(struct scan *s)
{
	listing_clear(&s->l);
	if (s->have_uidlist)
		uidlist_clear(&s->ul);
	free(s->found);
	free(s->gone);
	arena_free(&s->arena);
}

enum err
scan_folder(struct folder *f, enum scan_how how, bool locked)
{
	enum err e;

	if (how == SCAN_NONE)
		return ERR_OK;
	if (!locked && (e = folder_lock(f)) != ERR_OK)
		return e;
	for (int attempt = 0; ; attempt++) {
		struct scan s = { .f = f, .how = how };

		e = scan_locked(&s);
		scan_clear(&s);
		if (e != ERR_BUSY || attempt == 2)
			break;
		how = SCAN_ALL;
	}
	if (!locked)
		folder_unlock(f);
	return e;
}

enum err
scan_look(struct folder *f, enum scan_how how)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if (how == SCAN_NEW) {
		if ((e = folder_lock(f)) != ERR_OK)
			return e;
	} else if ((e = folder_try_lock(f)) != ERR_OK) {
		return e == ERR_BUSY ? ERR_OK : e;
	}
	if ((e = db_begin(f->acc->db, false, &t)) == ERR_OK) {
		e = rec_get(t, f->id, &a, &r);
		db_abort(&t);
	}
	if (e == ERR_OK && (e = scan_evidence(f, &r, false, &how)) == ERR_OK)
		e = scan_folder(f, how, true);
	folder_unlock(f);
	arena_free(&a);
	return e;
}
