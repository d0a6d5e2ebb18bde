/*
 * Cleaning up behind sessions: ghosts nobody may name any more, names that do not
 * have their flags yet, deleted mailboxes, what the dead left.
 */
#include "maildir/ghost.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/lock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/folder_path.h"
#include "maildir/index.h"
#include "maildir/mailbox_names.h"
#include "maildir/presence.h"
#include "maildir/scan.h"

enum { WRITERS_WAIT_MS = 5000, BATCH = 500, RENAMES = 64 };

void
ghost_name(uint32_t uid, struct span base, char out[300])
{
	uint64_t h = 14695981039346656037u;	/* FNV-1a */

	if (base.n <= 220) {
		snprintf(out, 300, "loft-ghost.%u.%.*s", uid, (int)base.n,
		    base.p);
		return;
	}
	for (size_t i = 0; i < base.n; i++)
		h = (h ^ (unsigned char)base.p[i]) * 1099511628211u;
	snprintf(out, 300, "loft-ghost.%u.h%016llx", uid,
	    (unsigned long long)h);
}

/* ---- expunged messages ---- */

struct batch {
	uint32_t uid[BATCH];
	char *name[BATCH];
	size_t n;
	struct arena a;
};

uint64_t
ghost_max_age_us(const struct folder *f)
{
	struct account *acc = f->acc;

	return acc->ghost_max_age == NULL ? UINT64_MAX : 1000 *
	    acc->ghost_max_age(acc->ghost_ctx, acc, span_of(f->name));
}

bool
ghost_is_over(const struct folder *f, const struct ghost_when *when)
{
	uint64_t now = clock_us();

	return when->us <= now && now - when->us >= ghost_max_age_us(f);
}

/* Ghosts that every cursor has passed, or that are too old. */
static enum err
find_free_ghosts(struct folder *f, struct batch *b)
{
	struct key first = key_u32(f->id);
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	struct ghost_when when;
	uint64_t min;
	uint32_t id, uid;
	char name[300];
	enum err e;

	b->n = 0;
	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = presence_min(t, f->id, &min);
	if (e == ERR_OK && (e = db_cursor_open(t, T_GHOSTS, &c)) == ERR_OK)
		e = db_seek(c, key_span(&first), &k, &v);
	for (; e == ERR_OK && b->n < BATCH && key_get_u32_u32(k, &id, &uid) &&
	    id == f->id; e = db_next(c, &k, &v)) {
		struct record rec;

		if (ghost_get(t, f->id, uid, &when, &rec) != ERR_OK ||
		    (when.modseq > min && !ghost_is_over(f, &when)))
			continue;
		ghost_name(uid, rec.base, name);
		b->uid[b->n] = uid;
		b->name[b->n++] = arena_printf(&b->a, "%s", name);
	}
	db_cursor_close(&c);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
find_oldest(struct db_txn *t, uint32_t folder_id, uint64_t *modseq_out)
{
	struct key first = key_u32(folder_id);
	struct db_cursor *c = NULL;
	struct span k, v;
	struct ghost_when when;
	struct record rec;
	uint32_t id, uid;
	enum err e;

	*modseq_out = UINT64_MAX;
	if ((e = db_cursor_open(t, T_GHOSTS, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, key_span(&first), &k, &v); e == ERR_OK &&
	    key_get_u32_u32(k, &id, &uid) && id == folder_id;
	    e = db_next(c, &k, &v))
		if (ghost_get(t, id, uid, &when, &rec) == ERR_OK &&
		    when.modseq < *modseq_out)
			*modseq_out = when.modseq;
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
ghost_forget(struct folder *f, const uint32_t *uids, size_t n,
    uint32_t *left_out)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if ((e = account_write(f->acc, &t)) != ERR_OK)
		return e;
	e = rec_get(t, f->id, &a, &r);
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		struct key k = key_u32_u32(f->id, uids[i]);
		struct span v;

		if (db_get(t, T_GHOSTS, key_span(&k), &v) == ERR_OK &&
		    r.n_ghosts > 0)
			r.n_ghosts--;
		e = db_del(t, T_GHOSTS, key_span(&k));
	}
	if (e == ERR_OK && r.n_ghosts > 0)
		e = find_oldest(t, f->id, &r.oldest_ghost);
	if (e == ERR_OK)
		e = rec_put(t, &r);
	*left_out = r.n_ghosts;
	arena_free(&a);
	if (e == ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

static enum err
sweep_locked(struct folder *f, struct batch *b, uint32_t *left)
{
	enum err e = folder_lock(f);

	if (e != ERR_OK)
		return e;
	while ((e = find_free_ghosts(f, b)) == ERR_OK && b->n > 0) {
		for (size_t i = 0; i < b->n; i++)
			(void)unlinkat(f->tmp_fd, b->name[i], 0);
		KILL_POINT("ghost-unlinked");
		e = ghost_forget(f, b->uid, b->n, left);
		metrics_count(EVENT_GHOST_GONE, (uint32_t)b->n);
		arena_clear(&b->a);
		if (e != ERR_OK)
			break;
	}
	folder_unlock(f);
	return e;
}

/*
 * One sweeps, the others need not wait: whoever found the lock on tmp/ taken had put
 * down before what he was told, and who had it looks again after giving it back.
 */
static enum err
sweep(struct folder *f, struct batch *b, uint32_t *left)
{
	enum err e;

	do {
		if (flock(f->tmp_fd, LOCK_EX | LOCK_NB) != 0)
			return ERR_OK;
		e = sweep_locked(f, b, left);
		lock_release(f->tmp_fd);
		if (e == ERR_OK)
			e = find_free_ghosts(f, b);
		arena_clear(&b->a);
	} while (e == ERR_OK && b->n > 0);
	return e;
}

void
ghost_sweep(struct account *acc, uint32_t folder_id)
{
	struct batch *b = calloc(1, sizeof(*b));
	struct folder *f = NULL;
	uint32_t left = 0;
	enum err e;

	if (b == NULL)
		fatal("no memory");
	if ((e = folder_open_id(acc, folder_id, &f)) == ERR_OK) {
		left = f->n_ghosts;
		e = sweep(f, b, &left);
	}
	if (e != ERR_OK && e != ERR_NOTFOUND)
		log_warn("ghosts of folder %u are left to the next sweep (%s)",
		    folder_id, err_name(e));
	arena_free(&b->a);
	free(b);
	if (f != NULL && left > 0 && acc->ghost_max_bytes > 0)
		ghost_limit(acc);
	folder_close(&f);
}

/* ---- names without their flags ---- */

struct rename_job {
	uint32_t uid;
	struct file_path from;
	char to[400];
	bool done;
};

static enum err
find_dirty(struct folder *f, struct rename_job *job, size_t *n)
{
	struct key first = key_u32(f->id);
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	uint32_t id, uid;
	enum err e;

	*n = 0;
	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_DIRTY, &c)) == ERR_OK)
		e = db_seek(c, key_span(&first), &k, &v);
	for (; e == ERR_OK && *n < RENAMES &&
	    key_get_u32_u32(k, &id, &uid) && id == f->id;
	    e = db_next(c, &k, &v)) {
		struct rename_job *j = &job[*n];
		struct record rec;

		j->uid = uid;
		/* Expunged meanwhile, or a name that cannot be: forgotten. */
		j->done = index_get(t, f->id, uid, &rec) != ERR_OK ||
		    path_of_record(t, f, &rec, &j->from) != ERR_OK ||
		    flags_make_name(rec.base, rec.flags & FLAG_ALL,
		    rec.keywords, rec.extra, j->to) != ERR_OK;
		(*n)++;
	}
	db_cursor_close(&c);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum index_verdict
now_in_cur(struct record *rec, void *ctx)
{
	(void)ctx;
	if (!(rec->flags & RECORD_NEW))
		return INDEX_KEEP;
	rec->flags &= ~(uint32_t)RECORD_NEW;
	return INDEX_CHANGED;
}

static enum err
forget_dirty(struct folder *f, const struct rename_job *job, size_t n,
    int64_t before)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if ((e = account_write(f->acc, &t)) != ERR_OK)
		return e;
	e = rec_get(t, f->id, &a, &r);
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		struct key k = key_u32_u32(f->id, job[i].uid);
		struct span v;

		if (!job[i].done)
			continue;
		if (db_get(t, T_DIRTY, key_span(&k), &v) == ERR_OK &&
		    r.n_dirty > 0)
			r.n_dirty--;
		if ((e = db_del(t, T_DIRTY, key_span(&k))) == ERR_OK &&
		    job[i].from.dir_fd == f->new_fd)
			e = index_update(t, &r, &job[i].uid, 1, now_in_cur,
			    NULL);
	}
	if (e == ERR_OK) {
		scan_note_own(f, &r, before);
		e = rec_put(t, &r);
	}
	arena_free(&a);
	if (e == ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

/* One batch under the lock; *more: there is another one. */
static enum err
rename_batch(struct folder *f, struct rename_job *job, bool *more)
{
	int64_t before = scan_cur_mtime(f);
	size_t n, missing = 0;
	enum err e;

	*more = false;
	if ((e = find_dirty(f, job, &n)) != ERR_OK || n == 0)
		return e;
	for (size_t i = 0; i < n; i++) {
		if (job[i].done)
			continue;
		job[i].done = renameat(job[i].from.dir_fd, job[i].from.name,
		    f->cur_fd, job[i].to) == 0;
		if (!job[i].done && errno == ENOENT)
			missing++;
		else if (!job[i].done) {
			log_errno("mailbox %s: cannot change the flags of "
			    "message %u on disk", f->name, job[i].uid);
			return fs_err(errno);
		}
	}
	KILL_POINT("late-renamed");
	if ((e = forget_dirty(f, job, n, before)) != ERR_OK)
		return e;
	/* Somebody else renamed or removed them: the scan merges. */
	if (missing > 0 && (e = scan_folder(f, SCAN_ALL, true)) != ERR_OK)
		return e;
	*more = n == RENAMES;
	return ERR_OK;
}

bool
ghost_late_renames(struct account *acc, uint32_t folder_id)
{
	struct rename_job *job = calloc(RENAMES, sizeof(*job));
	struct folder *f = NULL;
	bool more = false;
	enum err e;

	if (job == NULL)
		fatal("no memory");
	/* The lock is free between batches: nobody waits long. */
	if ((e = folder_open_id(acc, folder_id, &f)) == ERR_OK &&
	    (e = folder_lock(f)) == ERR_OK) {
		e = rename_batch(f, job, &more);
		folder_unlock(f);
	}
	if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_GONE)
		log_warn("flags of folder %u stay in the state until the next "
		    "look (%s)", folder_id, err_name(e));
	free(job);
	folder_close(&f);
	return e == ERR_OK && more;
}

/* ---- deleted mailboxes ---- */

/*
 * Who has the folder's lock now may not know that it is deleted, and is in the middle
 * of adding to it. Who takes the lock later reads so first.
 */
static void
wait_for_writers(struct account *acc, uint32_t folder_id)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "loft/deleted/%u/cur", folder_id);
	if (fs_open_dir(acc->root_fd, path, &fd) != ERR_OK)
		return;
	if (lock_file(fd, true, WRITERS_WAIT_MS, path) == ERR_OK)
		lock_release(fd);
	close(fd);
}

/* A name that was reserved for the folder is free, unless it is used by now. */
static enum err
free_name(struct db_txn *t, uint32_t id, const struct folder_rec *r)
{
	uint32_t named;
	enum err e = names_get(t, r->name, &named);

	if (e == ERR_OK && named == id)
		e = db_del(t, T_NAMES, r->name);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Its directory, and what lies beside it in CONTROL and INDEX. */
static enum err
remove_dirs(struct account *acc, uint32_t folder_id)
{
	char path[64];
	enum err e;

	snprintf(path, sizeof(path), "loft/deleted/%u", folder_id);
	wait_for_writers(acc, folder_id);
	if ((e = fs_remove_tree(acc->root_fd, path)) == ERR_OK &&
	    acc->control_fd != acc->root_fd)
		e = fs_remove_tree(acc->control_fd, path);
	if (e == ERR_OK && acc->index_fd != acc->root_fd)
		e = fs_remove_tree(acc->index_fd, path);
	return e;
}

/*
 * A deleted folder that is an account of its own: the last one in it removes the mail,
 * what is left the owner's account does, to which this process may have no way.
 */
static void
empty_inner(struct account *acc)
{
	static const char *const dirs[] = { "cur", "new", "tmp" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		if (fs_remove_tree(acc->root_fd, dirs[i]) != ERR_OK)
			log_debug("%s of a deleted mailbox stays", dirs[i]);
}

void
ghost_drop_folder(struct account *acc, uint32_t folder_id)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	bool done = false, used = true;
	enum err e;

	if (db_begin(acc->db, false, &t) != ERR_OK)
		return;
	e = rec_get(t, folder_id, &a, &r);
	if (e == ERR_OK)
		used = presence_is_behind(t, folder_id, 0, UINT64_MAX);
	db_abort(&t);
	if (e != ERR_OK || !(r.flags & REC_DELETED) || used)
		goto out;
	if (acc->alone == NULL && (alone_is_entered(acc, folder_id) ||
	    remove_dirs(acc, folder_id) != ERR_OK))
		goto out;
	/* The record stays as a sign for who comes by a descriptor only. */
	if (r.flags & REC_TAKEN) {
		empty_inner(acc);
		goto out;
	}
	KILL_POINT("deleted-removed");
	while (!done) {
		if (account_write(acc, &t) != ERR_OK)
			break;
		if (free_name(t, folder_id, &r) != ERR_OK ||
		    state_drop_folder(t, folder_id, 20000, &done) != ERR_OK) {
			db_abort(&t);
			break;
		}
		if (db_commit(&t) != ERR_OK)
			break;
	}
out:
	arena_free(&a);
}

/* ---- after a death ---- */

static enum err
all_folders(struct account *acc, struct arena *a, uint32_t **ids, size_t *n,
    bool (*want)(const struct folder_rec *))
{
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	size_t cap = 64;
	enum err e;

	*n = 0;
	*ids = arena_array(a, cap, sizeof(**ids));
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_FOLDERS, &c)) == ERR_OK)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK; e = db_next(c, &k, &v)) {
		struct folder_rec r;
		uint32_t id;

		if (v.n < sizeof(id))
			continue;
		memcpy(&id, v.p, sizeof(id));
		if (rec_get(t, id, a, &r) != ERR_OK || !want(&r))
			continue;
		if (*n == cap) {
			uint32_t *more = arena_array(a, cap * 2, sizeof(*more));

			memcpy(more, *ids, cap * sizeof(*more));
			*ids = more;
			cap *= 2;
		}
		(*ids)[(*n)++] = id;
	}
	db_cursor_close(&c);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static bool
has_work(const struct folder_rec *r)
{
	return r->n_ghosts > 0 || r->n_dirty > 0 || r->flags & REC_DELETED;
}

static bool
is_live(const struct folder_rec *r)
{
	return !(r->flags & REC_DELETED);
}

void
ghost_sweep_all(struct account *acc)
{
	struct arena a = { 0 };
	uint32_t *ids;
	size_t n;

	if (all_folders(acc, &a, &ids, &n, has_work) == ERR_OK)
		for (size_t i = 0; i < n; i++) {
			ghost_drop_folder(acc, ids[i]);
			while (ghost_late_renames(acc, ids[i]))
				continue;
			ghost_sweep(acc, ids[i]);
		}
	arena_free(&a);
}

/* Whether a name in tmp/ was made by one of these processes. */
static bool
is_of(const char *name, const uint64_t *pids, size_t n)
{
	const char *p = strstr(name, "P"), *end;
	char *q;
	uint64_t pid;

	/* <secs>.M<usecs>P<pid>Q<n>.<host> */
	if (name[0] < '0' || name[0] > '9' || p == NULL)
		return false;
	pid = strtoull(p + 1, &q, 10);
	end = q;
	if (*end != 'Q' || pid == (uint64_t)getpid())
		return false;
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static void
clean_tmp(struct folder *f, const uint64_t *pids, size_t n)
{
	int fd = openat(f->tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (is_of(d->d_name, pids, n))
			(void)unlinkat(f->tmp_fd, d->d_name, 0);
	closedir(dir);
}

/* A claim whose transaction never came is put back by a scan. */
static void
clean_folders(struct account *acc, const uint64_t *pids, size_t n)
{
	struct arena a = { 0 };
	uint32_t *ids;
	size_t n_ids;

	if (all_folders(acc, &a, &ids, &n_ids, is_live) != ERR_OK)
		n_ids = 0;
	for (size_t i = 0; i < n_ids; i++) {
		struct folder *f = NULL;

		if (folder_open_id(acc, ids[i], &f) == ERR_OK) {
			clean_tmp(f, pids, n);
			if (scan_folder(f, SCAN_ALL, false) != ERR_OK)
				log_warn("mailbox %s could not be looked "
				    "through after a crash", f->name);
		}
		folder_close(&f);
	}
	arena_free(&a);
}

/* loft/deleted/<id> without the mark: the mark now. */
static void
mark_deleted(struct account *acc, uint32_t id)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	struct stat st;
	char path[64];
	enum err e;

	if (account_write(acc, &t) != ERR_OK)
		return;
	snprintf(path, sizeof(path), "loft/deleted/%u", id);
	e = rec_get(t, id, &a, &r);
	/* Left from before the state was discarded: that of another mailbox. */
	if (e == ERR_OK && !(r.flags & REC_DELETED) &&
	    (fstatat(acc->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    st.st_ino != r.dir_ino))
		e = ERR_NOTFOUND;
	if (e == ERR_OK && !(r.flags & REC_DELETED)) {
		r.flags |= REC_DELETED;
		r.modseq = rec_next_modseq(&r);
		if ((e = rec_put(t, &r)) == ERR_OK)
			e = free_name(t, id, &r);
	}
	arena_free(&a);
	if (e != ERR_OK)
		db_abort(&t);
	else if (db_commit(&t) == ERR_OK)
		account_folder_gone(acc, id);
	if (e == ERR_NOTFOUND)
		(void)!fs_remove_tree(acc->root_fd, path);
}

static void
clean_loft(struct account *acc, const char *path, bool deleted)
{
	int fd = openat(acc->root_fd, path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		if (deleted && d->d_name[0] >= '0' && d->d_name[0] <= '9')
			mark_deleted(acc, (uint32_t)strtoul(d->d_name, NULL,
			    10));
		else if (!deleted && strncmp(d->d_name, "new.", 4) == 0) {
			char name[300];

			snprintf(name, sizeof(name), "loft/%s", d->d_name);
			(void)!fs_remove_tree(acc->root_fd, name);
		}
	}
	closedir(dir);
}

void
ghost_recover(struct account *acc, const uint64_t *pids, size_t n)
{
	/* With the names locked nobody is in the middle of anything. */
	if (names_lock(acc) != ERR_OK)
		return;
	clean_loft(acc, "loft", false);
	clean_loft(acc, "loft/deleted", true);
	names_unlock(acc);
	clean_folders(acc, pids, n);
}
