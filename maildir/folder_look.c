/* What changed in a folder since a session last looked. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "maildir/folder_keywords.h"
#include "maildir/ghost.h"
#include "maildir/index.h"
#include "maildir/presence.h"
#include "maildir/scan.h"
#include "maildir/seen.h"

enum { CURSOR_EVERY_MS = 1000, UNSYNCED_US = 1000000, OLD_EVERY_MS = 1000 };

void
folder_note_own(struct folder *f, uint64_t modseq)
{
	f->own_modseq[f->own_at++ % 8] = modseq;
}

bool
folder_is_own(const struct folder *f, uint64_t modseq)
{
	for (int i = 0; i < 8; i++)
		if (f->own_modseq[i] == modseq)
			return true;
	return false;
}

struct list_u32 {
	uint32_t *v;
	size_t n, cap;
};

static void
push(struct list_u32 *l, uint32_t v)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 32;
		if ((l->v = realloc(l->v, l->cap * sizeof(v))) == NULL)
			fatal("no memory");
	}
	l->v[l->n++] = v;
}

/* Into the arena, the list is empty again. */
static uint32_t *
settle(struct list_u32 *l, struct arena *a, size_t *n_out)
{
	uint32_t *v = arena_dup(a, l->v, l->n * sizeof(*v));

	*n_out = l->n;
	free(l->v);
	memset(l, 0, sizeof(*l));
	return v;
}

/* New messages and changed flags, from pages that changed since `told`. */
static enum err
look_pages(struct db_txn *t, struct folder *f, const struct folder_rec *r,
    uint64_t told, uint32_t known, struct arena *a, struct folder_changes *out)
{
	struct changed_message *c = NULL;
	struct list_u32 added = { 0 };
	struct page_iter it;
	size_t n = 0, cap = 0;
	enum err e;

	if ((e = page_iter_begin(t, r->id, 0, &it)) != ERR_OK)
		return e;
	/* Messages that were not on disk yet may carry an older modseq. */
	it.above = known < r->synced_uidnext ? 0 : told;
	while ((e = page_iter_next(&it)) == ERR_OK) {
		uint32_t last = page_uid(&it.page, it.page.n - 1);

		if (it.page.max_modseq <= told && last < known)
			continue;
		for (uint32_t i = 0; i < it.page.n; i++) {
			uint32_t uid = page_uid(&it.page, i);
			uint64_t modseq = page_modseq(&it.page, i);

			if (uid >= known && uid < r->synced_uidnext)
				push(&added, uid);
			if (uid >= known || modseq <= told ||
			    folder_is_own(f, modseq))
				continue;
			if (n == cap) {
				cap = cap ? cap * 2 : 32;
				c = realloc(c, cap * sizeof(*c));
				if (c == NULL)
					fatal("no memory");
			}
			c[n++] = (struct changed_message){ .uid = uid,
				.flags = page_flags(&it.page, i) & FLAG_ALL,
				.keywords = page_keywords(&it.page, i),
				.modseq = modseq };
		}
	}
	page_iter_end(&it);
	out->added = settle(&added, a, &out->n_added);
	out->changed = arena_dup(a, c, n * sizeof(*c));
	out->n_changed = n;
	free(c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
look_vanished(struct db_txn *t, const struct folder_rec *r, uint64_t told,
    struct arena *a, struct folder_changes *out)
{
	struct key first = key_u32_u64(r->id, told + 1);
	struct list_u32 gone = { 0 };
	struct db_cursor *c = NULL;
	struct span k, v;
	uint64_t modseq;
	uint32_t id, uid;
	enum err e;

	if ((e = db_cursor_open(t, T_VANISHED, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, key_span(&first), &k, &v);
	    e == ERR_OK && key_get_u32_u64(k, &id, &modseq) && id == r->id;
	    e = db_next(c, &k, &v))
		for (size_t i = 0; i + 4 <= v.n; i += 4) {
			memcpy(&uid, v.p + i, 4);
			push(&gone, uid);
		}
	db_cursor_close(&c);
	index_sort_uids(gone.v, gone.n);
	out->expunged = settle(&gone, a, &out->n_expunged);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* What this user has seen elsewhere, and flags as they are for him. */
static void
look_seen(struct db_txn *t, struct folder *f, uint32_t known, struct arena *a,
    struct folder_changes *out)
{
	struct changed_message *all;
	struct record rec;
	uint32_t *uids;
	size_t n = 0;

	/* Logged; what was seen elsewhere is told when it can be read. */
	if (seen_look(f->seen, a, &uids, &n) != ERR_OK)
		n = 0;
	for (size_t i = 0; i < out->n_changed; i++)
		out->changed[i].flags = seen_flags(f->seen,
		    out->changed[i].uid, out->changed[i].flags);
	if (n == 0)
		return;
	all = arena_array(a, out->n_changed + n, sizeof(*all));
	if (out->n_changed > 0)
		memcpy(all, out->changed, out->n_changed * sizeof(*all));
	for (size_t i = 0, k = 0; i < n && uids[i] < known; i++) {
		while (k < out->n_changed && all[k].uid < uids[i])
			k++;
		if ((k < out->n_changed && all[k].uid == uids[i]) ||
		    index_get(t, f->id, uids[i], &rec) != ERR_OK)
			continue;
		all[out->n_changed++] = (struct changed_message){
			.uid = rec.uid, .keywords = rec.keywords,
			.modseq = rec.modseq,
			.flags = seen_flags(f->seen, rec.uid,
			    rec.flags & FLAG_ALL) };
	}
	out->changed = all;
}

/* The first of new messages that nobody was told of as \Recent. */
static enum err
claim_recent(struct folder *f, struct folder_changes *out)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	uint32_t last = out->added[out->n_added - 1];
	enum err e;

	if ((e = account_write(f->acc, &t)) != ERR_OK)
		return e;
	if ((e = rec_get(t, f->id, &a, &r)) == ERR_OK &&
	    r.first_recent <= last) {
		out->recent_from = r.first_recent;
		r.first_recent = last + 1;
		e = rec_put(t, &r);
	}
	arena_free(&a);
	if (e != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

static enum err
read_rec(struct folder *f, struct arena *a, struct db_txn **t,
    struct folder_rec *r)
{
	enum err e;

	if ((e = db_begin(f->acc->db, false, t)) != ERR_OK)
		return e;
	if ((e = rec_get(*t, f->id, a, r)) != ERR_OK)
		db_abort(t);
	return e;
}

/* Looks at the disk if there is evidence; leaves *r and *t fresh. */
static enum err
look_disk(struct folder *f, struct arena *a, struct db_txn **t,
    struct folder_rec *r)
{
	enum scan_how how;
	enum err e;

	if (r->flags & REC_DELETED)
		return ERR_OK;
	e = scan_evidence(f, r, false, &how);
	if (e == ERR_OK && how == SCAN_NONE &&
	    (r->uidnext == r->synced_uidnext ||
	    clock_us() - r->unsynced_us < UNSYNCED_US))
		return ERR_OK;
	db_abort(t);
	if (e == ERR_OK && how == SCAN_NONE)
		e = change_settle(f);
	else if (e == ERR_OK && (e = folder_keywords_refresh(f)) == ERR_OK)
		e = scan_look(f, how);
	if (e == ERR_GONE) {
		/* Removed by hand: the delete policy decides. */
		r->flags |= REC_DELETED;
		return db_begin(f->acc->db, false, t);
	}
	if (e == ERR_UNAVAIL || e == ERR_CORRUPT)
		return ERR_UNAVAIL;
	/* What cannot be written now (disk full) was logged; the next look tries. */
	return read_rec(f, a, t, r);
}

/* Ghosts may have become too old: whoever sees it sweeps. Modseqs are times. */
static void
sweep_old(struct folder *f, const struct folder_rec *r)
{
	struct account *acc = f->acc;
	uint64_t now_us = clock_us(), now = clock_mono_ms();

	if (r->n_ghosts == 0 || r->oldest_ghost > now_us ||
	    now_us - r->oldest_ghost < ghost_max_age_us(f) ||
	    (acc->ghosts_seen_ms != 0 &&
	    now - acc->ghosts_seen_ms < OLD_EVERY_MS))
		return;
	acc->ghosts_seen_ms = now;
	acc->late_ghosts = f->id;
}

enum err
folder_look(struct folder *f, uint64_t told, uint64_t expunged_told,
    uint32_t known_uidnext, struct arena *a, struct folder_changes *out)
{
	struct folder_rec r;
	struct db_txn *t = NULL;
	enum err e;

	memset(out, 0, sizeof(*out));
	if ((e = read_rec(f, a, &t, &r)) == ERR_NOTFOUND) {
		out->deleted = out->lost = true;
		return ERR_OK;
	}
	if (e != ERR_OK || (e = look_disk(f, a, &t, &r)) != ERR_OK) {
		db_abort(&t);
		return e == ERR_CORRUPT ? ERR_UNAVAIL : e;
	}
	/* Deleted under policy ghost: for who has it open nothing happened. */
	out->deleted = r.flags & REC_DELETED && !(r.flags & REC_KEPT);
	out->modseq = r.modseq;
	out->uidnext = r.synced_uidnext;
	f->n_ghosts = r.n_ghosts;
	if (r.n_ghosts > 0)
		(void)!db_count(t, T_SESSIONS, &f->acc->n_sessions);
	sweep_old(f, &r);
	if (!span_eq(r.name, span_of(f->name))) {
		out->renamed_from = f->name;
		f->name = arena_cstr(&f->arena, r.name);
		out->renamed_to = f->name;
	}
	out->keywords_changed = folder_keywords_take(f, &r);
	if (r.modseq != told || r.synced_uidnext != known_uidnext)
		e = look_pages(t, f, &r, told, known_uidnext, a, out);
	if (e == ERR_OK && r.modseq > expunged_told)
		e = look_vanished(t, &r, expunged_told, a, out);
	/* Who asks for no changes leaves them to be told. */
	if (e == ERR_OK && f->seen != NULL && told != UINT64_MAX)
		look_seen(t, f, known_uidnext, a, out);
	db_abort(&t);
	if (e == ERR_OK && out->n_added > 0 &&
	    r.first_recent <= out->added[out->n_added - 1]) {
		if (f->read_only)
			out->recent_from = r.first_recent;
		else
			e = claim_recent(f, out);
	}
	return e;
}

enum err
folder_resync(struct folder *f)
{
	enum err e = scan_folder(f, SCAN_ALL, false);

	return e == ERR_GONE ? ERR_NOTFOUND : e;
}

void
folder_told(struct folder *f, uint64_t expunged_told)
{
	uint64_t now = clock_mono_ms();

	if (!f->selected || f->n_ghosts == 0 || expunged_told <= f->cursor ||
	    (f->cursor_ms != 0 && now - f->cursor_ms < CURSOR_EVERY_MS))
		return;
	f->acc->late_told.folder_id = f->id;
	f->acc->late_told.read_only = f->read_only;
	f->acc->late_told.modseq = f->cursor = expunged_told;
	f->cursor_ms = now;
}
