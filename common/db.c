/*
 * LMDB, wrapped. Environments run with MDB_NOSYNC (what they hold can be rebuilt
 * from the Maildir; maildir/account.c decides when it must be) and MDB_NOTLS, and
 * readers end with abort, so that an idle process owns no reader slot.
 */
#include "common/db.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/crit.h"
#include "common/fsutil.h"
#include "common/log.h"

enum { TABLES_MAX = 16 };

struct db {
	MDB_env *env;
	MDB_dbi dbi[TABLES_MAX];
	size_t n;
	struct db *next;	/* of all that are open */
	int dir_fd, data_fd;
	/* Transactions, or a mapping that is being opened: a fault is its own. */
	volatile sig_atomic_t open_txns;
	char path[64];
	char *map;	/* for db_release_pages */
	bool no_map;
};

struct db_txn {
	struct db *db;
	MDB_txn *txn;
	bool write;
};

struct db_cursor {
	MDB_cursor *c;
};

/* Damage is met deep inside LMDB, too: it is that of who is in a transaction. */
static struct db *all;

/* Async-signal-safe. */
static void
unlink_files(const struct db *db)
{
	unlinkat(db->dir_fd, "data.mdb", 0);
	unlinkat(db->dir_fd, "lock.mdb", 0);
}

static bool
unlink_used(void)
{
	bool any = false;

	for (const struct db *db = all; db != NULL; db = db->next)
		if (db->open_txns > 0) {
			unlink_files(db);
			any = true;
		}
	return any;
}

static void
condemn(const struct db *db, const char *why)
{
	log_error("state %s is damaged (%s): it is given up and will be "
	    "rebuilt from the Maildir; sessions that have it open end",
	    db->path, why);
	unlink_files(db);
}

void
db_condemn(const char *why)
{
	for (const struct db *db = all; db != NULL; db = db->next)
		if (db->open_txns > 0)
			condemn(db, why);
}

/*
 * Garbage in the map makes LMDB follow it anywhere. Within a transaction such a
 * fault is the state's: without it the next session fares better.
 */
static void
on_fault(int sig)
{
	static const char text[] = "Error: the state faulted while it was "
	    "read; it is given up and will be rebuilt from the Maildir\n";

	if (unlink_used()) {
		if (write(log_fd() >= 0 ? log_fd() : 2, text,
		    sizeof(text) - 1) < 0)
			_exit(EX_TEMPFAIL);
		_exit(EX_TEMPFAIL);
	}
	signal(sig, SIG_DFL);
}

static void
on_assert(MDB_env *env, const char *message)
{
	struct db *db = mdb_env_get_userctx(env);

	condemn(db, message);
	_exit(EX_TEMPFAIL);
}

static void
catch_faults(void)
{
	struct sigaction sa = { .sa_handler = on_fault };

	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGSEGV, &sa, NULL) < 0 ||
	    sigaction(SIGBUS, &sa, NULL) < 0)
		log_errno("sigaction");
}

/* Whether the file has all the pages that its newest meta page speaks of. */
static bool
is_whole(struct db *db)
{
	struct MDB_envinfo info;
	struct MDB_stat stat;
	struct stat st;

	return mdb_env_info(db->env, &info) == 0 &&
	    mdb_env_stat(db->env, &stat) == 0 && fstat(db->data_fd, &st) == 0 &&
	    (uint64_t)st.st_size >= (info.me_last_pgno + 1) * stat.ms_psize;
}

static bool
disk_is_full(struct db *db)
{
	struct statvfs v;

	return db->data_fd >= 0 && fstatvfs(db->data_fd, &v) == 0 &&
	    (v.f_bavail < 16 || (v.f_files != 0 && v.f_favail == 0));
}

/* Translates and logs; `what` was being done. */
static enum err
db_err(struct db *db, int rc, const char *what)
{
	switch (rc) {
	case 0:
		return ERR_OK;
	case MDB_NOTFOUND:
		return ERR_NOTFOUND;
	case MDB_READERS_FULL:
		log_error("state %s: all reader slots in use (%s); raise "
		    "process_limit", db->path, what);
		return ERR_LIMIT;
	case MDB_MAP_FULL:
		log_error("state %s: map is full (%s); raise state_map_size",
		    db->path, what);
		return ERR_IO;
	case EDQUOT:
		return ERR_QUOTA;
	case ENOSPC:
	case EIO:
		/* LMDB turns a short write into EIO: ask before blaming the disk. */
		if (rc == ENOSPC || disk_is_full(db)) {
			log_error("state %s: disk is full (%s); free some "
			    "space", db->path, what);
			return ERR_IO;
		}
		break;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
		condemn(db, mdb_strerror(rc));
		return ERR_CORRUPT;
	default:
		break;
	}
	log_error("state %s: %s while %s", db->path, mdb_strerror(rc), what);
	return rc == EACCES || rc == EROFS ? ERR_PERM : ERR_IO;
}

static enum err
open_tables(struct db *db, const char *const *tables, bool create)
{
	MDB_txn *txn = NULL;
	int rc;

	rc = mdb_txn_begin(db->env, NULL, create ? 0 : MDB_RDONLY, &txn);
	if (rc != 0)
		return db_err(db, rc, "opening");
	for (size_t i = 0; i < db->n && rc == 0; i++)
		rc = mdb_dbi_open(txn, tables[i], create ? MDB_CREATE : 0,
		    &db->dbi[i]);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc == MDB_NOTFOUND && !create ? ERR_NOTFOUND :
		    db_err(db, rc, "opening its tables");
	}
	/* Handles become those of the environment by commit only. */
	rc = mdb_txn_commit(txn);
	return rc == 0 ? ERR_OK : db_err(db, rc, "opening its tables");
}

enum err
db_open(const char *path, const char *const *tables, size_t n, size_t map_bytes,
    unsigned max_readers, struct db **db_out)
{
	struct db *db = calloc(1, sizeof(*db));
	enum err e;
	int rc;

	*db_out = NULL;
	if (db == NULL)
		fatal("no memory");
	if (n > TABLES_MAX)
		panic("too many tables");
	db->n = n;
	db->data_fd = db->dir_fd = -1;
	snprintf(db->path, sizeof(db->path), "%s", path);
	db->next = all;
	all = db;
	if ((e = fs_open_dir(AT_FDCWD, path, &db->dir_fd)) != ERR_OK)
		goto fail;
	catch_faults();
	db->open_txns = 1;	/* opening reads the map, too */
	if ((rc = mdb_env_create(&db->env)) != 0 ||
	    (rc = mdb_env_set_maxdbs(db->env, TABLES_MAX)) != 0 ||
	    (rc = mdb_env_set_mapsize(db->env, map_bytes)) != 0 ||
	    (rc = mdb_env_set_maxreaders(db->env, max_readers)) != 0 ||
	    (rc = mdb_env_set_userctx(db->env, db)) != 0 ||
	    (rc = mdb_env_set_assert(db->env, on_assert)) != 0 ||
	    (rc = mdb_env_open(db->env, path, MDB_NOSYNC | MDB_NOTLS |
	    MDB_NORDAHEAD, 0600)) != 0 ||
	    (rc = mdb_env_get_fd(db->env, &db->data_fd)) != 0) {
		e = db_err(db, rc, "opening");
		goto fail;
	}
	if (!is_whole(db)) {
		log_error("state %s: the file was cut short", path);
		e = ERR_CORRUPT;
		goto fail;
	}
	e = open_tables(db, tables, false);
	if (e == ERR_NOTFOUND)
		e = open_tables(db, tables, true);
	if (e != ERR_OK)
		goto fail;
	db->open_txns = 0;
	*db_out = db;
	return ERR_OK;
fail:
	db_close(&db);
	return e;
}

void
db_close(struct db **db)
{
	struct db **at = &all;

	if (*db == NULL)
		return;
	while (*at != NULL && *at != *db)
		at = &(*at)->next;
	if (*at != NULL)
		*at = (*db)->next;
	fs_close(&(*db)->dir_fd);
	if ((*db)->env != NULL)
		mdb_env_close((*db)->env);
	free(*db);
	*db = NULL;
}

/*
 * Where the map begins, which LMDB does not tell: every page of it starts with its
 * number. NULL when that does not lead to a meta page (another LMDB).
 */
static char *
find_map(struct db *db, size_t page_bytes)
{
	MDB_txn *txn;
	MDB_dbi main_dbi;
	MDB_cursor *c = NULL;
	MDB_val k, v;
	char *page, *base = NULL;
	uint64_t number;
	uint32_t magic;

	if (mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn) != 0)
		return NULL;
	if (mdb_dbi_open(txn, NULL, 0, &main_dbi) == 0 &&
	    mdb_cursor_open(txn, main_dbi, &c) == 0 &&
	    mdb_cursor_get(c, &k, &v, MDB_FIRST) == 0) {
		page = (char *)((uintptr_t)k.mv_data & ~(page_bytes - 1));
		memcpy(&number, page, sizeof(number));
		base = page - number * page_bytes;
		memcpy(&magic, base + 16, sizeof(magic));
		if (magic != 0xBEEFC0DE)
			base = NULL;
	}
	if (c != NULL)
		mdb_cursor_close(c);
	mdb_txn_abort(txn);
	return base;
}

void
db_release_pages(struct db *db)
{
	struct MDB_envinfo info;
	struct MDB_stat stat;

	if (mdb_env_info(db->env, &info) != 0 ||
	    mdb_env_stat(db->env, &stat) != 0)
		return;
	if (db->map == NULL && !db->no_map) {
		db->map = find_map(db, stat.ms_psize);
		db->no_map = db->map == NULL;
	}
	if (db->map != NULL)
		(void)madvise(db->map, (info.me_last_pgno + 1) *
		    stat.ms_psize, MADV_DONTNEED);
}

enum err
db_sync(struct db *db)
{
	return db_err(db, mdb_env_sync(db->env, 1), "syncing");
}

/* Commits into a deleted environment succeed: look before each. */
static bool
is_deleted(const struct db *db)
{
	struct stat st;

	return fstat(db->data_fd, &st) != 0 || st.st_nlink == 0;
}

enum err
db_begin(struct db *db, bool write, struct db_txn **txn_out)
{
	struct db_txn *t;
	MDB_txn *txn = NULL;
	int rc, dead;

	*txn_out = NULL;
	if (write)
		crit_enter(CRIT_LOCK);
	db->open_txns++;	/* a fault in beginning counts */
	rc = mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &txn);
	if (rc == MDB_READERS_FULL && mdb_reader_check(db->env, &dead) == 0)
		rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
	if (rc == MDB_MAP_RESIZED && mdb_env_set_mapsize(db->env, 0) == 0)
		rc = mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &txn);
	db->open_txns--;
	if (rc != 0) {
		if (write)
			crit_leave(CRIT_LOCK);
		return db_err(db, rc, "beginning a transaction");
	}
	if (is_deleted(db)) {
		mdb_txn_abort(txn);
		if (write)
			crit_leave(CRIT_LOCK);
		log_warn("state %s was discarded by another process; this "
		    "session ends", db->path);
		return ERR_UNAVAIL;
	}
	if (write)
		crit_enter(CRIT_TXN);
	if ((t = malloc(sizeof(*t))) == NULL)
		fatal("no memory");
	*t = (struct db_txn){ .db = db, .txn = txn, .write = write };
	*txn_out = t;
	db->open_txns++;
	return ERR_OK;
}

static void
txn_free(struct db_txn **txn)
{
	if ((*txn)->write) {
		crit_leave(CRIT_TXN);
		crit_leave(CRIT_LOCK);
	}
	(*txn)->db->open_txns--;
	free(*txn);
	*txn = NULL;
}

enum err
db_catch_up(struct db *db)
{
	struct MDB_envinfo info;
	struct db_txn *t;
	enum err e = db_begin(db, false, &t);
	bool behind;

	if (e != ERR_OK)
		return e;
	/* The newest meta page, and the one that readers are told of. */
	behind = mdb_env_info(db->env, &info) == 0 &&
	    info.me_last_txnid > mdb_txn_id(t->txn);
	db_abort(&t);
	if (behind && (e = db_begin(db, true, &t)) == ERR_OK)
		db_abort(&t);
	return e;
}

enum err
db_commit(struct db_txn **txn)
{
	struct db *db = (*txn)->db;
	int rc = 0;

	if ((*txn)->write)
		rc = mdb_txn_commit((*txn)->txn);
	else
		mdb_txn_abort((*txn)->txn);
	txn_free(txn);
	return db_err(db, rc, "committing");
}

void
db_abort(struct db_txn **txn)
{
	if (*txn == NULL)
		return;
	mdb_txn_abort((*txn)->txn);
	txn_free(txn);
}

static MDB_val
to_val(struct span s)
{
	return (MDB_val){ .mv_size = s.n, .mv_data = (void *)(uintptr_t)s.p };
}

static struct span
to_span(MDB_val v)
{
	return (struct span){ v.mv_data, v.mv_size };
}

enum err
db_get(struct db_txn *t, size_t table, struct span key, struct span *val_out)
{
	MDB_val k = to_val(key), v;
	int rc = mdb_get(t->txn, t->db->dbi[table], &k, &v);

	*val_out = rc == 0 ? to_span(v) : SPAN_NONE;
	return db_err(t->db, rc, "reading");
}

enum err
db_put(struct db_txn *t, size_t table, struct span key, struct span val)
{
	MDB_val k = to_val(key), v = to_val(val);

	return db_err(t->db, mdb_put(t->txn, t->db->dbi[table], &k, &v, 0),
	    "writing");
}

enum err
db_put_room(struct db_txn *t, size_t table, struct span key, size_t n,
    void **room_out)
{
	MDB_val k = to_val(key), v = { .mv_size = n };
	int rc = mdb_put(t->txn, t->db->dbi[table], &k, &v, MDB_RESERVE);

	*room_out = rc == 0 ? v.mv_data : NULL;
	return db_err(t->db, rc, "writing");
}

enum err
db_del(struct db_txn *t, size_t table, struct span key)
{
	MDB_val k = to_val(key);
	int rc = mdb_del(t->txn, t->db->dbi[table], &k, NULL);

	return rc == MDB_NOTFOUND ? ERR_OK : db_err(t->db, rc, "removing");
}

enum err
db_count(struct db_txn *t, size_t table, size_t *n_out)
{
	struct MDB_stat stat;
	int rc = mdb_stat(t->txn, t->db->dbi[table], &stat);

	*n_out = rc == 0 ? stat.ms_entries : 0;
	return db_err(t->db, rc, "counting");
}

enum err
db_cursor_open(struct db_txn *t, size_t table, struct db_cursor **out)
{
	struct db_cursor *c;
	MDB_cursor *mc;
	int rc;

	*out = NULL;
	if ((rc = mdb_cursor_open(t->txn, t->db->dbi[table], &mc)) != 0)
		return db_err(t->db, rc, "opening a cursor");
	if ((c = malloc(sizeof(*c))) == NULL)
		fatal("no memory");
	c->c = mc;
	*out = c;
	return ERR_OK;
}

void
db_cursor_close(struct db_cursor **c)
{
	if (*c == NULL)
		return;
	mdb_cursor_close((*c)->c);
	free(*c);
	*c = NULL;
}

static enum err
move(struct db_cursor *c, MDB_cursor_op op, struct span key,
    struct span *key_out, struct span *val_out)
{
	MDB_val k = to_val(key), v;
	int rc = mdb_cursor_get(c->c, &k, &v, op);

	if (rc == 0) {
		*key_out = to_span(k);
		*val_out = to_span(v);
		return ERR_OK;
	}
	*key_out = *val_out = SPAN_NONE;
	if (rc == MDB_NOTFOUND)
		return ERR_NOTFOUND;
	log_error("state: %s while reading on", mdb_strerror(rc));
	return ERR_CORRUPT;
}

enum err
db_seek(struct db_cursor *c, struct span key, struct span *key_out,
    struct span *val_out)
{
	return move(c, MDB_SET_RANGE, key, key_out, val_out);
}

enum err
db_seek_le(struct db_cursor *c, struct span key, struct span *key_out,
    struct span *val_out)
{
	enum err e = move(c, MDB_SET_RANGE, key, key_out, val_out);

	if (e == ERR_OK && span_eq(*key_out, key))
		return ERR_OK;
	if (e == ERR_OK)
		return move(c, MDB_PREV, SPAN_NONE, key_out, val_out);
	if (e == ERR_NOTFOUND)
		return move(c, MDB_LAST, SPAN_NONE, key_out, val_out);
	return e;
}

enum err
db_next(struct db_cursor *c, struct span *key_out, struct span *val_out)
{
	return move(c, MDB_NEXT, SPAN_NONE, key_out, val_out);
}

enum err
db_prev(struct db_cursor *c, struct span *key_out, struct span *val_out)
{
	return move(c, MDB_PREV, SPAN_NONE, key_out, val_out);
}

enum err
db_cursor_del(struct db_cursor *c)
{
	int rc = mdb_cursor_del(c->c, 0);

	if (rc == 0)
		return ERR_OK;
	log_error("state: %s while removing", mdb_strerror(rc));
	return ERR_CORRUPT;
}
