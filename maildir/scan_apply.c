/*
 * What a scan found goes into the state, in one transaction or, for a large import,
 * several; then, where it has to be, the whole uidlist is written from the state.
 */
#include <string.h>

#include "common/clock.h"
#include "common/killpoint.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/index.h"
#include "maildir/scan_impl.h"
#include "maildir/vanished.h"

enum { SLICE = 100 * PAGE_RECORDS };	/* records added in one transaction */

struct apply {
	struct scan *s;
	uint64_t modseq;
	size_t at;
	struct db_txn *t;
	enum err e;
};

static enum index_verdict
apply_found(struct record *rec, void *ctx)
{
	struct apply *a = ctx;
	struct found *c = &a->s->found[a->at++];
	struct key k = key_u32_u32(a->s->r.id, rec->uid);

	if ((rec->flags & FLAG_ALL) != (c->flags & FLAG_ALL) ||
	    rec->keywords != c->keywords)
		rec->modseq = a->modseq;
	rec->flags = c->flags;
	rec->keywords = c->keywords;
	rec->extra = c->extra;
	if (c->dirty) {
		char v[12];

		memcpy(v, &c->disk_flags, 4);
		memcpy(v + 4, &c->disk_keywords, 8);
		a->e = db_put(a->t, T_DIRTY, key_span(&k),
		    (struct span){ v, 12 });
		if (!c->was_dirty)
			a->s->r.n_dirty++;
	} else if (c->was_dirty) {
		a->e = db_del(a->t, T_DIRTY, key_span(&k));
		a->s->r.n_dirty--;
	}
	return INDEX_CHANGED;
}

static enum index_verdict
apply_gone(struct record *rec, void *ctx)
{
	struct apply *a = ctx;
	struct key k = key_u32_u32(a->s->r.id, rec->uid);

	if (a->s->r.n_dirty > 0) {
		struct span v;

		if (db_get(a->t, T_DIRTY, key_span(&k), &v) == ERR_OK)
			a->s->r.n_dirty--;
		a->e = db_del(a->t, T_DIRTY, key_span(&k));
	}
	if (a->e == ERR_OK)
		a->e = db_del(a->t, T_CACHE, key_span(&k));
	return INDEX_REMOVE;
}

static enum err
apply_changes(struct db_txn *t, struct scan *s, uint64_t modseq)
{
	struct apply a = { .s = s, .modseq = modseq, .t = t };
	uint32_t *uids;
	enum err e;

	if (s->n_found > 0) {
		uids = arena_array(&s->arena, s->n_found, sizeof(*uids));
		for (size_t i = 0; i < s->n_found; i++)
			uids[i] = s->found[i].uid;
		e = index_update(t, &s->r, uids, s->n_found, apply_found, &a);
		if (e != ERR_OK || (e = a.e) != ERR_OK)
			return e;
	}
	if (s->n_gone > 0) {
		index_sort_uids(s->gone, s->n_gone);
		e = index_update(t, &s->r, s->gone, s->n_gone, apply_gone, &a);
		if (e != ERR_OK || (e = a.e) != ERR_OK)
			return e;
		s->r.dead_lines += (uint32_t)s->n_gone;
		e = vanished_put(t, &s->r, modseq, s->gone, s->n_gone);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err
append_added(struct db_txn *t, struct scan *s, uint64_t modseq, size_t at,
    size_t n)
{
	struct record *rec = s->rec;
	enum err e;

	if (rec == NULL)
		rec = s->rec = arena_array(&s->arena, SLICE < s->n_added ?
		    SLICE : s->n_added, sizeof(*rec));
	for (size_t i = 0; i < n; i++) {
		const struct listed *m = s->added[at + i];

		rec[i] = (struct record){ .uid = m->uid,
			.flags = m->flags | (m->in_new ? RECORD_NEW : 0),
			.keywords = m->keywords, .modseq = modseq,
			.size = m->size, .wire_size = m->wire_size,
			.save_date = s->first ? 0 : clock_s(),
			.base = m->base, .extra = m->extra };
	}
	if ((e = index_append(t, &s->r, rec, n)) != ERR_OK)
		return e;
	if (n > 0 && rec[n - 1].uid >= s->r.uidnext)
		s->r.uidnext = rec[n - 1].uid + 1;
	return ERR_OK;
}

/* One transaction, or for a large import several of bounded size. */
enum err
scan_apply(struct scan *s)
{
	uint64_t modseq;
	size_t at = 0;
	bool changed = s->n_found + s->n_gone + s->n_added > 0 || s->first;
	enum err e;

	do {
		size_t n = s->n_added - at < SLICE ? s->n_added - at : SLICE;
		bool last = at + n == s->n_added;
		struct db_txn *t;

		if ((e = account_write(s->f->acc, &t)) != ERR_OK)
			return e;
		e = rec_refresh(t, &s->arena, &s->r);
		modseq = rec_next_modseq(&s->r);
		if (s->r.modseq_floor >= modseq)
			modseq = s->r.modseq_floor + 1;
		if (e == ERR_OK && at == 0)
			e = apply_changes(t, s, modseq);
		if (e == ERR_OK)
			e = append_added(t, s, modseq, at, n);
		if (changed)
			s->r.modseq = modseq;
		if (s->first && s->r.vanished_since == 0)
			s->r.vanished_since = modseq;
		if (!s->rewrite)
			s->r.synced_uidnext = s->r.uidnext;
		scan_set_stamps(s, last);
		if (e == ERR_OK)
			e = rec_put(t, &s->r);
		if (e != ERR_OK) {
			db_abort(&t);
			return e;
		}
		if ((e = db_commit(&t)) != ERR_OK)
			return e;
		at += n;
	} while (at < s->n_added);
	if (changed)
		account_changed(s->f->acc, s->r.id);
	return ERR_OK;
}

/* ---- the whole uidlist ---- */

struct lines {
	struct uidlist_entry *en;
	size_t n;
	struct arena *a;
};

static enum err
collect_lines(struct db_txn *t, uint32_t id, struct lines *l)
{
	struct page_iter it;
	struct record rec;
	enum err e = page_iter_begin(t, id, 0, &it);

	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK)
		for (uint32_t i = 0; i < it.page.n; i++) {
			page_record(&it.page, i, &rec);
			l->en[l->n++] = (struct uidlist_entry){ .uid = rec.uid,
				.base = arena_span(l->a, rec.base) };
		}
	page_iter_end(&it);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Keys (sizes, POP3 UIDLs, GUIDs) of lines stay with their messages. */
static void
keep_keys(const struct uidlist *old, struct lines *l)
{
	size_t j = 0;

	for (size_t i = 0; i < l->n; i++) {
		while (j < old->n && old->entry[j].uid < l->en[i].uid)
			j++;
		if (j < old->n && old->entry[j].uid == l->en[i].uid)
			l->en[i].keys = old->entry[j].keys;
	}
}

/* Header values and lines as a new file. l: what is in the folder. */
static enum err
write_uidlist(struct folder *f, struct folder_rec *r, struct lines *l)
{
	struct uidlist header = { 0 };
	enum err e = uidlist_read(f->control_fd, &header);

	if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_CORRUPT)
		return e;
	keep_keys(&header, l);
	header.uidvalidity = r->uidvalidity;
	header.next_uid = r->uidnext;
	/* Mod-sequences are promised a day ahead of what was given. */
	header.modseq_floor = rec_next_modseq(r) + (uint64_t)86400 * 1000000;
	if (r->guid[0] != '\0')
		memcpy(header.guid, r->guid, sizeof(header.guid));
	e = uidlist_write(f->control_fd, &header, l->en, l->n, f->acc->sync);
	if (e == ERR_OK) {
		memcpy(r->guid, header.guid, sizeof(header.guid));
		r->dead_lines = 0;
	}
	uidlist_clear(&header);
	return e;
}

/* All lines: after an import those that were added, else from the state. */
static enum err
write_lines(struct scan *s)
{
	struct lines l = { .a = &s->arena };
	struct db_txn *t;
	enum err e = ERR_OK;

	l.en = arena_array(&s->arena, (size_t)s->r.messages + s->n_added + 1,
	    sizeof(*l.en));
	if (s->first) {
		for (; l.n < s->n_added; l.n++)
			l.en[l.n] = (struct uidlist_entry){
				.uid = s->added[l.n]->uid,
				.base = s->added[l.n]->base };
	} else {
		if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
			return e;
		e = collect_lines(t, s->r.id, &l);
		db_abort(&t);
	}
	return e == ERR_OK ? write_uidlist(s->f, &s->r, &l) : e;
}

enum err
scan_rewrite_uidlist(struct scan *s)
{
	struct db_txn *t;
	enum err e;

	if ((e = write_lines(s)) != ERR_OK)
		return e;
	KILL_POINT("scan-rewritten");
	scan_stamp_uidlist(s->f, &s->r);
	s->r.synced_uidnext = s->r.uidnext;
	if ((e = account_write(s->f->acc, &t)) != ERR_OK)
		return e;
	if ((e = rec_refresh(t, &s->arena, &s->r)) != ERR_OK ||
	    (e = rec_put(t, &s->r)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}
