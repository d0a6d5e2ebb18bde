/*
 * STORE. Up to account.store_batch file names follow before it returns; the others
 * are noted in `dirty` (with the flags that their names still have) in the same
 * transaction, and follow by ghost_late_renames.
 *
 * Names first, then the transaction: a crash between looks like another program's
 * change, which the next scan takes over.
 */
#include "maildir/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder_path.h"
#include "maildir/index.h"
#include "maildir/scan.h"
#include "maildir/seen.h"

struct target {
	uint32_t uid, old_flags, new_flags;	/* old_flags with RECORD_NEW */
	uint64_t old_keywords, new_keywords, modseq;
	struct span base, extra;
	struct file_path *path;	/* set for those that are renamed at once */
	bool changed, renamed;
};

struct storing {
	struct folder *f;
	struct folder_rec r;
	struct target *t;
	size_t n, n_changed;
	uint32_t *gone;
	size_t n_gone;
	bool whole;		/* nothing when one is gone */
	struct arena *a;
	/* while writing */
	struct db_txn *txn;
	size_t at;
	uint64_t modseq;
	enum err e;
};

static void
apply_op(struct target *t, enum store_op op, uint32_t flags, uint64_t keywords)
{
	uint32_t old = t->old_flags & FLAG_ALL;

	switch (op) {
	case STORE_SET:
		t->new_flags = flags;
		t->new_keywords = keywords;
		break;
	case STORE_ADD:
		t->new_flags = old | flags;
		t->new_keywords = t->old_keywords | keywords;
		break;
	case STORE_REMOVE:
		t->new_flags = old & ~flags;
		t->new_keywords = t->old_keywords & ~keywords;
		break;
	}
	t->changed = t->new_flags != old || t->new_keywords != t->old_keywords;
}

/* Keyword bits without a name (letters of others) survive a SET. */
static uint64_t
nameless(const struct keywords *k)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < KEYWORD_LETTERS; i++)
		if (i >= k->n || k->name[i].n == 0)
			bits |= (uint64_t)1 << i;
	return bits;
}

/* What may not be changed is as it was. */
static void
keep_locked(const struct folder *f, struct target *t)
{
	uint32_t locked = f->locked_flags | (f->seen != NULL ? FLAG_SEEN : 0);

	t->new_flags = (t->new_flags & ~locked) | (t->old_flags & locked &
	    FLAG_ALL);
	if (f->keywords_locked)
		t->new_keywords = t->old_keywords;
	t->changed = t->new_flags != (t->old_flags & FLAG_ALL) ||
	    t->new_keywords != t->old_keywords;
}

static enum err
read_targets(struct storing *s, const uint32_t *uids, size_t n,
    enum store_op op, uint32_t flags, uint64_t keywords)
{
	unsigned batch = s->f->acc->store_batch;
	uint64_t keep;
	struct page_iter it;
	struct db_txn *t;
	size_t at = 0;
	enum err e;

	s->n = s->n_changed = s->n_gone = 0;
	if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = rec_get(t, s->f->id, s->a, &s->r)) != ERR_OK ||
	    (e = page_iter_begin(t, s->f->id, uids[0], &it)) != ERR_OK) {
		db_abort(&t);
		return e == ERR_NOTFOUND ? ERR_GONE : e;
	}
	keep = op == STORE_SET ? nameless(&s->r.keywords) : 0;
	while (at < n && (e = page_iter_next(&it)) == ERR_OK)
		for (uint32_t i = 0; i < it.page.n && at < n; i++) {
			struct target *g = &s->t[s->n];
			struct record rec;

			while (at < n && uids[at] < page_uid(&it.page, i))
				s->gone[s->n_gone++] = uids[at++];
			if (at == n || uids[at] != page_uid(&it.page, i))
				continue;
			at++;
			page_record(&it.page, i, &rec);
			*g = (struct target){ .uid = rec.uid,
				.old_flags = rec.flags, .modseq = rec.modseq,
				.old_keywords = rec.keywords };
			apply_op(g, op, flags,
			    keywords | (rec.keywords & keep));
			if (s->f->locked_flags != 0 ||
			    s->f->keywords_locked || s->f->seen != NULL)
				keep_locked(s->f, g);
			s->n++;
			if (!g->changed)
				continue;
			s->n_changed++;
			if (batch > 0 && s->n_changed > batch)
				continue;
			g->base = arena_span(s->a, rec.base);
			g->extra = arena_span(s->a, rec.extra);
			g->path = arena_alloc(s->a, sizeof(*g->path));
			e = path_of_record(t, s->f, &rec, g->path);
			if (e != ERR_OK)
				goto out;
		}
	while (at < n)
		s->gone[s->n_gone++] = uids[at++];
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
out:
	page_iter_end(&it);
	db_abort(&t);
	return e;
}

/* The file names of all changed messages. missing: some other program was there. */
static enum err
rename_all(struct storing *s, bool *missing)
{
	char name[400];

	for (size_t i = 0; i < s->n; i++) {
		struct target *g = &s->t[i];
		enum err e;

		if (!g->changed || g->renamed)
			continue;
		e = flags_make_name(g->base, g->new_flags, g->new_keywords,
		    g->extra, name);
		if (e != ERR_OK)
			return e;
		if (renameat(g->path->dir_fd, g->path->name, s->f->cur_fd,
		    name) == 0) {
			g->renamed = true;
			continue;
		}
		if (errno != ENOENT) {
			log_errno("mailbox %s: cannot change the flags of "
			    "message %u", s->f->name, g->uid);
			return fs_err(errno);
		}
		*missing = true;
		return ERR_OK;
	}
	return ERR_OK;
}

/* Whether the file name has these flags already. */
static bool
is_disk(struct span dirty, const struct target *g)
{
	uint32_t flags;
	uint64_t keywords;

	if (dirty.n != 12)
		return false;
	memcpy(&flags, dirty.p, 4);
	memcpy(&keywords, dirty.p + 4, 8);
	return flags == g->new_flags && keywords == g->new_keywords;
}

static enum index_verdict
store_one(struct record *rec, void *ctx)
{
	struct storing *s = ctx;
	struct key k = key_u32_u32(s->f->id, rec->uid);
	struct target *g;
	struct span v;
	bool dirty;

	while (s->t[s->at].uid != rec->uid || !s->t[s->at].changed)
		s->at++;
	g = &s->t[s->at++];
	dirty = db_get(s->txn, T_DIRTY, key_span(&k), &v) == ERR_OK;
	if (g->renamed && dirty) {
		s->e = db_del(s->txn, T_DIRTY, key_span(&k));
		s->r.n_dirty--;
	} else if (dirty && is_disk(v, g)) {
		/* Changed back before its name ever followed. */
		s->e = db_del(s->txn, T_DIRTY, key_span(&k));
		s->r.n_dirty--;
	} else if (!g->renamed && !dirty) {
		char room[12];
		uint32_t disk = rec->flags & FLAG_ALL;

		memcpy(room, &disk, 4);
		memcpy(room + 4, &rec->keywords, 8);
		s->e = db_put(s->txn, T_DIRTY, key_span(&k),
		    (struct span){ room, sizeof(room) });
		s->r.n_dirty++;
	}
	rec->flags = g->new_flags |
	    (g->renamed ? 0 : rec->flags & RECORD_NEW);
	rec->keywords = g->new_keywords;
	rec->modseq = s->modseq;
	return INDEX_CHANGED;
}

static enum err
commit_store(struct storing *s, int64_t before)
{
	uint32_t *uids = arena_array(s->a, s->n + 1, sizeof(*uids));
	size_t n = 0;
	enum err e;

	for (size_t i = 0; i < s->n; i++)
		if (s->t[i].changed)
			uids[n++] = s->t[i].uid;
	if ((e = account_write(s->f->acc, &s->txn)) != ERR_OK)
		return e;
	if ((e = rec_refresh(s->txn, s->a, &s->r)) != ERR_OK)
		goto fail;
	s->modseq = rec_next_modseq(&s->r);
	s->at = 0;
	if ((e = index_update(s->txn, &s->r, uids, n, store_one, s)) !=
	    ERR_OK || (e = s->e) != ERR_OK)
		goto fail;
	s->r.modseq = s->modseq;
	scan_note_own(s->f, &s->r, before);
	if ((e = rec_put(s->txn, &s->r)) != ERR_OK)
		goto fail;
	return db_commit(&s->txn);
fail:
	db_abort(&s->txn);
	return e;
}

static enum err
store_locked(struct storing *s, const uint32_t *uids, size_t n,
    enum store_op op, uint32_t flags, uint64_t keywords)
{
	int64_t before = scan_cur_mtime(s->f);
	unsigned batch = s->f->acc->store_batch;
	bool missing = true, late = false;
	enum err e = ERR_OK;

	for (int attempt = 0; missing && e == ERR_OK; attempt++) {
		missing = false;
		if (attempt > 0 && (e = scan_folder(s->f, SCAN_ALL, true)) !=
		    ERR_OK)
			return e;
		if (attempt == 3)
			return ERR_BUSY;
		e = read_targets(s, uids, n, op, flags, keywords);
		if (e == ERR_OK && s->whole && s->n_gone > 0)
			e = ERR_GONE;
		if (e != ERR_OK || s->n_changed == 0)
			return e;
		late = batch > 0 && s->n_changed > batch;
		if (!late)
			e = rename_all(s, &missing);
	}
	if (e != ERR_OK)
		return e;
	KILL_POINT("store-renamed");
	if ((e = commit_store(s, before)) != ERR_OK)
		return e;
	KILL_POINT("store-committed");
	folder_note_own(s->f, s->modseq);
	if (late)
		s->f->acc->late_store = s->f->id;
	return ERR_OK;
}

/*
 * \Seen of this user alone, after what all share: who dies between has changed the
 * other flags only.
 */
static enum err
store_seen(struct storing *s, enum store_op op, uint32_t flags, bool *changed)
{
	struct folder *f = s->f;
	bool named = (flags & FLAG_SEEN) != 0;
	bool on = named && op != STORE_REMOVE;
	uint32_t *uids = arena_array(s->a, s->n + 1, sizeof(*uids));
	size_t n = 0;

	*changed = false;
	if ((!named && op != STORE_SET) || f->locked_flags & FLAG_SEEN)
		return ERR_OK;
	for (size_t i = 0; i < s->n; i++)
		if ((seen_flags(f->seen, s->t[i].uid, 0) != 0) != on)
			uids[n++] = s->t[i].uid;
	*changed = n > 0;
	return seen_set(f->seen, uids, n, on, f->acc->sync);
}

enum err
change_store(struct folder *f, const uint32_t *uids, size_t n,
    enum store_op op, uint32_t flags, uint64_t keywords, uint64_t told,
    bool whole, struct arena *a, struct store_result *out)
{
	struct storing s = { .f = f, .whole = whole, .a = a };
	bool seen_changed = false;
	enum err e;

	memset(out, 0, sizeof(*out));
	if (f->read_only)
		return ERR_PERM;
	if (n == 0)
		return ERR_OK;
	s.t = arena_array(a, n, sizeof(*s.t));
	s.gone = arena_array(a, n, sizeof(*s.gone));
	if ((e = folder_lock(f)) != ERR_OK)
		return e;
	e = store_locked(&s, uids, n, op, flags, keywords);
	folder_unlock(f);
	if (e == ERR_OK && f->seen != NULL)
		e = store_seen(&s, op, flags, &seen_changed);
	if (e != ERR_OK)
		return e;
	out->gone = s.gone;
	out->n_gone = s.n_gone;
	out->modseq = s.modseq;
	out->n_done = s.n;
	out->done = arena_array(a, s.n + 1, sizeof(*out->done));
	out->foreign = arena_array(a, s.n + 1, sizeof(*out->foreign));
	for (size_t i = 0; i < s.n; i++) {
		const struct target *g = &s.t[i];

		out->done[i] = (struct changed_message){ .uid = g->uid,
			.flags = seen_flags(f->seen, g->uid, g->new_flags),
			.keywords = g->new_keywords,
			.modseq = g->changed ? s.modseq : g->modseq };
		out->foreign[i] = g->modseq > told &&
		    !folder_is_own(f, g->modseq);
	}
	if (s.modseq != 0 || seen_changed)
		account_changed(f->acc, f->id);
	return ERR_OK;
}
