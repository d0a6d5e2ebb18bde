/*
 * EXPUNGE. Under the folder lock: each file leaves cur/ (that rename decides),
 * then one transaction. A crash between leaves the message as a claimed ghost,
 * which the next scan puts back.
 */
#include "maildir/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/change_remove.h"
#include "maildir/folder_path.h"
#include "maildir/ghost.h"
#include "maildir/presence.h"
#include "maildir/scan.h"

struct remover {
	struct db_txn *t;
	struct folder *f;
	struct folder_rec *r;
	struct removal *removal;
	enum err e;
};

static enum index_verdict
remove_one(struct record *rec, void *ctx)
{
	struct remover *m = ctx;
	struct key k = key_u32_u32(m->f->id, rec->uid);
	struct span v;

	if (m->e != ERR_OK)
		return INDEX_KEEP;
	if (m->removal->ghosts) {
		m->e = ghost_put(m->t, m->f->id, m->removal->modseq, rec);
		m->r->n_ghosts++;
	}
	if (m->r->n_dirty > 0 &&
	    db_get(m->t, T_DIRTY, key_span(&k), &v) == ERR_OK) {
		m->r->n_dirty--;
		if (m->e == ERR_OK)
			m->e = db_del(m->t, T_DIRTY, key_span(&k));
	}
	if (m->e == ERR_OK)
		m->e = db_del(m->t, T_CACHE, key_span(&k));
	return INDEX_REMOVE;
}

enum err
remove_records(struct db_txn *t, struct folder *f, const uint32_t *uids,
    size_t n, struct removal *removal)
{
	struct arena a = { 0 };
	struct folder_rec r;
	struct remover m = { .t = t, .f = f, .r = &r, .removal = removal };
	struct key k;
	uint64_t min;
	size_t others;
	enum err e;

	if ((e = rec_get(t, f->id, &a, &r)) != ERR_OK ||
	    (e = presence_look(t, f->acc, f->id, &others, &min)) != ERR_OK)
		goto out;
	/* What became a ghost is one, if all others left just now. */
	removal->ghosts |= others > 0;
	removal->modseq = rec_next_modseq(&r);
	if ((e = index_update(t, &r, uids, n, remove_one, &m)) != ERR_OK ||
	    (e = m.e) != ERR_OK)
		goto out;
	k = key_u32_u64(f->id, removal->modseq);
	if ((e = db_put(t, T_VANISHED, key_span(&k),
	    (struct span){ (const char *)uids, n * sizeof(*uids) })) != ERR_OK)
		goto out;
	r.modseq = removal->modseq;
	r.dead_lines += (uint32_t)n;
	scan_note_own(f, &r, removal->before);
	f->n_ghosts = r.n_ghosts;
	e = rec_put(t, &r);
out:
	arena_free(&a);
	return e;
}

/* ---- which ---- */

struct victim {
	uint32_t uid;
	int dir_fd;
	const char *name;
	struct span base;
};

/* Those of uids (NULL: all) that carry \Deleted, with their paths. */
static enum err
find_deleted(struct folder *f, const uint32_t *uids, size_t n,
    struct arena *a, struct victim **out, size_t *n_out)
{
	struct page_iter it;
	struct db_txn *t;
	struct folder_rec r;
	struct victim *v;
	size_t at = 0;
	enum err e;

	*n_out = 0;
	*out = NULL;
	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = rec_get(t, f->id, a, &r)) != ERR_OK || r.deleted == 0) {
		db_abort(&t);
		return e == ERR_NOTFOUND ? ERR_OK : e;
	}
	*out = v = arena_array(a, r.deleted + 1, sizeof(*v));
	e = page_iter_begin(t, f->id, 0, &it);
	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK) {
		for (uint32_t i = 0; i < it.page.n && e == ERR_OK; i++) {
			uint32_t uid = page_uid(&it.page, i);
			struct file_path p;
			struct record rec;

			while (uids != NULL && at < n && uids[at] < uid)
				at++;
			if (!(page_flags(&it.page, i) & FLAG_DELETED) ||
			    (uids != NULL && (at == n || uids[at] != uid)) ||
			    *n_out == r.deleted)
				continue;
			page_record(&it.page, i, &rec);
			if ((e = path_of_record(t, f, &rec, &p)) != ERR_OK)
				break;
			v[(*n_out)++] = (struct victim){ .uid = uid,
				.dir_fd = p.dir_fd,
				.name = arena_printf(a, "%s", p.name),
				.base = arena_span(a, rec.base) };
		}
	}
	page_iter_end(&it);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Out of cur/. Into tmp/ as a ghost, or away at once when nobody else is here. */
static enum err
take_out(struct folder *f, struct victim *v, size_t n, bool ghosts,
    uint32_t *done, size_t *n_done, bool *missing)
{
	char ghost[300];

	for (size_t i = 0; i < n; i++) {
		int rc;

		if (ghosts) {
			ghost_name(v[i].uid, v[i].base, ghost);
			rc = renameat(v[i].dir_fd, v[i].name, f->tmp_fd,
			    ghost);
		} else {
			rc = unlinkat(v[i].dir_fd, v[i].name, 0);
		}
		if (rc == 0) {
			done[(*n_done)++] = v[i].uid;
		} else if (errno == ENOENT) {
			*missing = true;
		} else {
			log_errno("mailbox %s: cannot expunge message %u",
			    f->name, v[i].uid);
			return fs_err(errno);
		}
	}
	return ERR_OK;
}

static enum err
others_here(struct folder *f, bool *out)
{
	struct db_txn *t;
	uint64_t min;
	size_t others = 0;
	enum err e;

	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = presence_look(t, f->acc, f->id, &others, &min);
	db_abort(&t);
	*out = others > 0;
	return e;
}

static enum err
commit_removal(struct folder *f, const uint32_t *done, size_t n,
    struct removal *removal)
{
	struct db_txn *t;
	enum err e;

	if ((e = account_write(f->acc, &t)) != ERR_OK)
		return e;
	if ((e = remove_records(t, f, done, n, removal)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

static enum err
expunge_locked(struct folder *f, const uint32_t *uids, size_t n,
    struct arena *a, uint32_t **done_out, size_t *n_done)
{
	struct removal removal = { .before = scan_cur_mtime(f) };
	struct victim *v;
	uint32_t *all;
	size_t n_victims = 0, before;
	bool ghosts, missing = true;
	enum err e = ERR_OK, commit_e;

	/* A file that others renamed is found by a scan; then once more. */
	for (int attempt = 0; missing && attempt < 3 && e == ERR_OK;
	    attempt++) {
		missing = false;
		if (attempt > 0 && (e = scan_folder(f, SCAN_ALL, true)) !=
		    ERR_OK)
			break;
		e = find_deleted(f, uids, n, a, &v, &n_victims);
		if (e != ERR_OK || n_victims == 0 ||
		    (e = others_here(f, &ghosts)) != ERR_OK)
			break;
		all = arena_array(a, *n_done + n_victims, sizeof(*all));
		if (*n_done > 0)
			memcpy(all, *done_out, *n_done * sizeof(*all));
		*done_out = all;
		before = *n_done;
		removal.ghosts = ghosts;
		e = take_out(f, v, n_victims, ghosts, *done_out, n_done,
		    &missing);
		KILL_POINT("expunge-renamed");
		if (*n_done == before)
			continue;
		/* Even after an error: what left cur/ leaves the state. */
		commit_e = commit_removal(f, *done_out + before,
		    *n_done - before, &removal);
		if (e == ERR_OK)
			e = commit_e;
		KILL_POINT("expunge-committed");
	}
	return e;
}

enum err
change_expunge(struct folder *f, const uint32_t *uids, size_t n,
    struct arena *a, uint32_t **done_out, size_t *n_done)
{
	enum err e;

	*done_out = NULL;
	*n_done = 0;
	if (f->read_only)
		return ERR_PERM;
	if ((e = folder_lock(f)) != ERR_OK)
		return e;
	e = expunge_locked(f, uids, n, a, done_out, n_done);
	folder_unlock(f);
	if (*n_done > 0)
		account_changed(f->acc, f->id);
	return e;
}
