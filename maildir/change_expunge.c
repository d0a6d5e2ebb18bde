/*
 * EXPUNGE. Under the folder lock: each file leaves cur/ (that rename decides),
 * then one transaction. A crash between leaves the message as a claimed ghost,
 * which the next scan puts back.
 */
#include "maildir/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "common/metrics.h"
#include "maildir/account.h"
#include "maildir/change_remove.h"
#include "maildir/folder_path.h"
#include "maildir/ghost.h"
#include "maildir/presence.h"
#include "maildir/scan.h"
#include "maildir/vanished.h"

struct remover {
	struct db_txn *t;
	struct folder *f;
	struct folder_rec *r;
	struct removal *removal;
	enum err e;
};

/* With its size, which counts against the account's limit. */
static enum err
put_ghost(struct remover *m, const struct record *rec)
{
	struct record ghost = *rec;
	char name[300];
	struct stat st;

	if (ghost.size == 0 && m->removal->size != NULL) {
		ghost.size = m->removal->size[m->removal->at];
	} else if (ghost.size == 0) {
		ghost_name(rec->uid, rec->base, name);
		if (fstatat(m->f->tmp_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			ghost.size = (uint64_t)st.st_size;
	}
	return ghost_put(m->t, m->f->id, m->removal->modseq, &ghost);
}

static enum index_verdict
remove_one(struct record *rec, void *ctx)
{
	struct remover *m = ctx;
	struct key k = key_u32_u32(m->f->id, rec->uid);
	struct span v;

	if (m->e != ERR_OK)
		return INDEX_KEEP;
	if (m->removal->ghosts) {
		m->e = put_ghost(m, rec);
		m->r->n_ghosts++;
	}
	m->removal->at++;
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
	enum err e;

	if ((e = rec_get(t, f->id, &a, &r)) != ERR_OK)
		goto out;
	/* What became a ghost is one, if all others left just now. */
	removal->ghosts |= presence_is_behind(t, f->id, f->acc->session,
	    UINT64_MAX);
	removal->at = 0;
	removal->modseq = rec_next_modseq(&r);
	if (removal->ghosts && r.n_ghosts == 0)
		r.oldest_ghost = removal->modseq;
	if ((e = index_update(t, &r, uids, n, remove_one, &m)) != ERR_OK ||
	    (e = m.e) != ERR_OK)
		goto out;
	if ((e = vanished_put(t, &r, removal->modseq, uids, n)) != ERR_OK)
		goto out;
	r.modseq = removal->modseq;
	r.dead_lines += (uint32_t)n;
	scan_note_own(f, &r, removal->before);
	f->n_ghosts = r.n_ghosts;
	if (removal->ghosts)
		f->acc->late_ghosts = f->id;	/* there may be too many */
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

enum err
removal_allow(struct folder *f, bool refuse, struct arena *a,
    struct others *out)
{
	struct db_txn *t;
	enum err e;

	*out = (struct others){ 0 };
	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = others_meet(t, f->acc, f->id, a, out);
	db_abort(&t);
	return e == ERR_OK && out->n > 0 && refuse ? ERR_BUSY : e;
}

void
removal_log(const struct folder *f, size_t n, const char *done,
    const struct others *others, struct arena *a)
{
	if (others->n > 0 && n == 0)
		log_info("Messages not %s: mailbox %s is open in %s", done,
		    log_text(span_of(f->name)), others_text(others, a));
	else if (others->n > 0)
		log_info("Messages %s: %zu of mailbox %s, open in %s", done, n,
		    log_text(span_of(f->name)), others_text(others, a));
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
expunge_locked(struct folder *f, const uint32_t *uids, size_t n, bool refuse,
    struct arena *a, struct others *others, struct expunge_result *out)
{
	struct removal removal = { .before = scan_cur_mtime(f) };
	struct victim *v;
	uint32_t *all;
	size_t n_victims = 0, before;
	bool missing = true;
	enum err e = ERR_OK, commit_e;

	/* A file that others renamed is found by a scan; then once more. */
	for (int attempt = 0; missing && attempt < 3 && e == ERR_OK;
	    attempt++) {
		missing = false;
		if (attempt > 0 && (e = scan_folder(f, SCAN_ALL, true)) !=
		    ERR_OK)
			break;
		e = find_deleted(f, uids, n, a, &v, &n_victims);
		out->n_kept = n_victims;
		if (e != ERR_OK || n_victims == 0 || (e = removal_allow(f,
		    refuse, a, others)) != ERR_OK)
			break;
		all = arena_array(a, out->n_done + n_victims, sizeof(*all));
		if (out->n_done > 0)
			memcpy(all, out->done, out->n_done * sizeof(*all));
		out->done = all;
		before = out->n_done;
		removal.ghosts = others->n > 0;
		e = take_out(f, v, n_victims, removal.ghosts, out->done,
		    &out->n_done, &missing);
		KILL_POINT("expunge-renamed");
		if (out->n_done == before)
			continue;
		/* Even after an error: what left cur/ leaves the state. */
		commit_e = commit_removal(f, out->done + before,
		    out->n_done - before, &removal);
		if (e == ERR_OK)
			e = commit_e;
		if (commit_e == ERR_OK && removal.ghosts)
			metrics_count(EVENT_GHOST_MADE, (uint32_t)
			    (out->n_done - before));
		KILL_POINT("expunge-committed");
	}
	return e;
}

enum err
change_expunge(struct folder *f, const uint32_t *uids, size_t n, bool refuse,
    struct arena *a, struct expunge_result *out)
{
	struct others others = { 0 };
	enum err e;

	*out = (struct expunge_result){ 0 };
	if (f->read_only)
		return ERR_PERM;
	for (int attempt = 0; ; attempt++) {
		if ((e = folder_lock(f)) != ERR_OK)
			return e;
		e = expunge_locked(f, uids, n, refuse, a, &others, out);
		folder_unlock(f);
		if (!refuse || !others_may_be_dead(f->acc, e, attempt))
			break;
	}
	if (out->n_done > 0 || e == ERR_BUSY)
		removal_log(f, out->n_done, "expunged", &others, a);
	if (out->n_done > 0)
		account_changed(f->acc, f->id);
	metrics_count(EVENT_EXPUNGED, (uint32_t)out->n_done);
	return e;
}
