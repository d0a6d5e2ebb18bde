/*
 * Who is here. A session is alive while its file loft/sessions/<id> is flocked; its
 * keys are one record in T_SESSIONS and at most one reference in T_REFS. Written in
 * one transaction with what they guard, so that counts cannot leak.
 */
#include "maildir/presence.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/ghost.h"
#include "maildir/state.h"

static void
session_path(uint64_t id, char out[64])
{
	snprintf(out, 64, "loft/sessions/%llu", (unsigned long long)id);
}

static enum err
put_session(struct db_txn *t, const struct account *acc, uint32_t folder_id)
{
	struct session_rec r = { .pid = (uint64_t)getpid(),
		.started_us = clock_us(), .folder_id = folder_id };
	struct key k = key_u64(acc->session);
	size_t user = strlen(acc->user) + 1, client = strlen(acc->client) + 1;
	void *room;
	enum err e;

	e = db_put_room(t, T_SESSIONS, key_span(&k), sizeof(r) + user + client,
	    &room);
	if (e != ERR_OK)
		return e;
	memcpy(room, &r, sizeof(r));
	memcpy((char *)room + sizeof(r), acc->user, user);
	memcpy((char *)room + sizeof(r) + user, acc->client, client);
	return ERR_OK;
}

/* File, lock and record under one transaction: nobody meets one without the other. */
static enum err
make_session(struct account *acc, struct db_txn *t)
{
	char path[64];
	uint64_t id = meta_get(t, "next-session") + 1;
	enum err e;

	if ((e = meta_put(t, "next-session", id)) != ERR_OK)
		return e;
	session_path(id, path);
	acc->session_fd = openat(acc->index_fd, path,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (acc->session_fd < 0 ||
	    flock(acc->session_fd, LOCK_EX | LOCK_NB) != 0) {
		log_errno("cannot make and lock %s", path);
		return fs_err(errno);
	}
	acc->session = id;
	return put_session(t, acc, 0);
}

enum err
presence_join(struct account *acc)
{
	struct db_txn *t;
	enum err e;

	if (acc->session != 0)
		return ERR_OK;
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = make_session(acc, t)) == ERR_OK)
		e = db_commit(&t);
	else
		db_abort(&t);
	if (e != ERR_OK)
		presence_part(acc);
	return e;
}

enum err
presence_enter(struct db_txn *t, struct account *acc, uint32_t folder_id,
    uint64_t cursor, bool read_only)
{
	enum err e;

	if ((e = put_session(t, acc, folder_id)) != ERR_OK)
		return e;
	return presence_told(t, acc, folder_id, cursor, read_only);
}

enum err
presence_leave(struct db_txn *t, struct account *acc, uint32_t folder_id)
{
	struct key ref = key_u32_u64(folder_id, acc->session);
	enum err e;

	if ((e = db_del(t, T_REFS, key_span(&ref))) != ERR_OK)
		return e;
	return put_session(t, acc, 0);
}

enum err
presence_told(struct db_txn *t, const struct account *acc, uint32_t folder_id,
    uint64_t cursor, bool read_only)
{
	struct ref_rec ref = { .cursor = cursor, .read_only = read_only };
	struct key k = key_u32_u64(folder_id, acc->session);

	return db_put(t, T_REFS, key_span(&k),
	    (struct span){ (const char *)&ref, sizeof(ref) });
}

/* A cursor below *modseq, the first or (all) the smallest. ERR_NOTFOUND: none is. */
static enum err
find_behind(struct db_txn *t, uint32_t folder_id, uint64_t except, bool all,
    uint64_t *modseq)
{
	struct key first = key_u32(folder_id);
	struct db_cursor *c = NULL;
	struct span k, v;
	uint32_t f;
	uint64_t session;
	bool found = false;
	enum err e;

	if ((e = db_cursor_open(t, T_REFS, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, key_span(&first), &k, &v); e == ERR_OK &&
	    key_get_u32_u64(k, &f, &session) && f == folder_id &&
	    (all || !found); e = db_next(c, &k, &v)) {
		struct ref_rec ref;

		if (v.n != sizeof(ref) || session == except)
			continue;
		memcpy(&ref, v.p, sizeof(ref));
		if (ref.cursor >= *modseq)
			continue;
		found = true;
		*modseq = ref.cursor;
	}
	db_cursor_close(&c);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	return found ? ERR_OK : ERR_NOTFOUND;
}

bool
presence_is_behind(struct db_txn *t, uint32_t folder_id, uint64_t except,
    uint64_t modseq)
{
	return find_behind(t, folder_id, except, false, &modseq) !=
	    ERR_NOTFOUND;
}

enum err
presence_min(struct db_txn *t, uint32_t folder_id, uint64_t *min_out)
{
	enum err e;

	*min_out = UINT64_MAX;
	e = find_behind(t, folder_id, 0, true, min_out);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* True when nobody holds the lock on the session's file (or it has none). */
static bool
is_dead(const struct account *acc, uint64_t id)
{
	char path[64];
	bool dead;
	int fd;

	if (id == acc->session)
		return false;
	session_path(id, path);
	fd = openat(acc->index_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT;
	dead = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	return dead;
}

enum { DEAD_MAX = 256, SWEEP_EVERY_US = 1000000 };

struct dead {
	uint64_t id[DEAD_MAX], pid[DEAD_MAX];
	uint32_t folder[DEAD_MAX];
	size_t n;
};

static enum err
find_dead(struct account *acc, struct dead *d)
{
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	enum err e;

	d->n = 0;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_SESSIONS, &c)) == ERR_OK)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK && d->n < DEAD_MAX; e = db_next(c, &k, &v)) {
		struct session_rec r;
		uint64_t id;

		if (!key_get_u64(k, &id) || v.n < sizeof(r))
			continue;
		memcpy(&r, v.p, sizeof(r));
		if (is_dead(acc, id)) {
			d->id[d->n] = id;
			d->pid[d->n] = r.pid;
			d->folder[d->n++] = r.folder_id;
		}
	}
	db_cursor_close(&c);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
remove_dead(struct account *acc, const struct dead *d)
{
	struct db_txn *t;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	for (size_t i = 0; i < d->n && e == ERR_OK; i++) {
		struct key ref = key_u32_u64(d->folder[i], d->id[i]);
		struct key session = key_u64(d->id[i]);

		if ((e = db_del(t, T_REFS, key_span(&ref))) == ERR_OK)
			e = db_del(t, T_SESSIONS, key_span(&session));
	}
	if (e == ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

static bool
is_alone(struct db_txn *t, const struct account *acc)
{
	struct db_cursor *c = NULL;
	struct span k, v;
	uint64_t id = acc->session;
	enum err e;

	if ((e = db_cursor_open(t, T_SESSIONS, &c)) == ERR_OK)
		e = db_seek(c, SPAN("\0"), &k, &v);
	while (e == ERR_OK && key_get_u64(k, &id) && id == acc->session)
		e = db_next(c, &k, &v);
	db_cursor_close(&c);
	return e == ERR_NOTFOUND;
}

/* There are others, and nobody looked for the dead among them within the second. */
static bool
sweep_is_due(struct db_txn *t, const struct account *acc, uint64_t now)
{
	uint64_t swept = meta_get(t, "swept");

	return (swept > now || now - swept >= SWEEP_EVERY_US) &&
	    !is_alone(t, acc);
}

/*
 * Of many who come at the same time one looks: it says so first. ERR_NOTFOUND: not
 * due.
 */
static enum err
claim_sweep(struct account *acc)
{
	uint64_t now = clock_us();
	struct db_txn *t;
	enum err e;
	bool due;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	due = sweep_is_due(t, acc, now);
	db_abort(&t);
	if (!due)
		return ERR_NOTFOUND;
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	e = sweep_is_due(t, acc, now) ? meta_put(t, "swept", now) :
	    ERR_NOTFOUND;
	if (e == ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

enum err
presence_sweep(struct account *acc, bool force)
{
	struct dead d;
	char path[64];
	enum err e;

	if (!force && (e = claim_sweep(acc)) != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if ((e = find_dead(acc, &d)) != ERR_OK || d.n == 0)
		return e;
	log_warn("sweeping %zu dead session%s of user %s", d.n,
	    d.n == 1 ? "" : "s", acc->user);
	/* If we die over this, somebody notices and begins again. */
	if ((e = presence_join(acc)) != ERR_OK)
		return e;
	/* First what they left, then the proof that they were. */
	ghost_recover(acc, d.pid, d.n);
	if ((e = remove_dead(acc, &d)) != ERR_OK)
		return e;
	for (size_t i = 0; i < d.n; i++) {
		session_path(d.id[i], path);
		unlinkat(acc->index_fd, path, 0);
	}
	ghost_sweep_all(acc);
	return ERR_OK;
}

void
presence_part(struct account *acc)
{
	char path[64];
	struct db_txn *t;
	struct key k = key_u64(acc->session);

	if (acc->session_fd < 0)
		return;
	if (acc->session != 0 && account_write(acc, &t) == ERR_OK) {
		if (db_del(t, T_SESSIONS, key_span(&k)) != ERR_OK)
			db_abort(&t);
		else if (db_commit(&t) != ERR_OK)
			log_warn("session %llu is left to the sweep",
			    (unsigned long long)acc->session);
	}
	session_path(acc->session, path);
	unlinkat(acc->index_fd, path, 0);
	close(acc->session_fd);
	acc->session_fd = -1;
	acc->session = 0;
}
