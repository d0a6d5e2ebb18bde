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
#include "maildir/state.h"

static void
session_path(uint64_t id, char out[64])
{
	snprintf(out, 64, "loft/sessions/%llu", (unsigned long long)id);
}

static enum err
next_session_id(struct account *acc, uint64_t *id_out)
{
	struct db_txn *t;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	*id_out = meta_get(t, "next-session") + 1;
	if ((e = meta_put(t, "next-session", *id_out)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

enum err
presence_join(struct account *acc)
{
	char path[64];
	uint64_t id;
	enum err e;

	if (acc->session != 0)
		return ERR_OK;
	if ((e = next_session_id(acc, &id)) != ERR_OK)
		return e;
	session_path(id, path);
	acc->session_fd = openat(acc->index_fd, path,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (acc->session_fd < 0) {
		log_errno("cannot make %s", path);
		return fs_err(errno);
	}
	/* Nobody else knows this id: the lock is free. */
	if (flock(acc->session_fd, LOCK_EX | LOCK_NB) != 0) {
		log_errno("cannot lock %s", path);
		close(acc->session_fd);
		acc->session_fd = -1;
		return ERR_IO;
	}
	acc->session = id;
	return ERR_OK;
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

enum err
presence_enter(struct db_txn *t, struct account *acc, uint32_t folder_id,
    uint64_t cursor, bool read_only)
{
	struct ref_rec ref = { .cursor = cursor, .read_only = read_only };
	struct key k = key_u32_u64(folder_id, acc->session);
	enum err e;

	if ((e = put_session(t, acc, folder_id)) != ERR_OK)
		return e;
	return db_put(t, T_REFS, key_span(&k),
	    (struct span){ (const char *)&ref, sizeof(ref) });
}

enum err
presence_leave(struct db_txn *t, struct account *acc, uint32_t folder_id)
{
	struct key ref = key_u32_u64(folder_id, acc->session);
	struct key session = key_u64(acc->session);
	enum err e;

	if ((e = db_del(t, T_REFS, key_span(&ref))) != ERR_OK)
		return e;
	return db_del(t, T_SESSIONS, key_span(&session));
}

enum err
presence_look(struct db_txn *t, const struct account *acc, uint32_t folder_id,
    uint64_t own_cursor, size_t *others_out, uint64_t *min_out)
{
	struct key first = key_u32(folder_id);
	struct db_cursor *c = NULL;
	struct span k, v;
	uint32_t f;
	uint64_t session;
	enum err e;

	*others_out = 0;
	*min_out = own_cursor;
	if ((e = db_cursor_open(t, T_REFS, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, key_span(&first), &k, &v);
	    e == ERR_OK && key_get_u32_u64(k, &f, &session) && f == folder_id;
	    e = db_next(c, &k, &v)) {
		struct ref_rec ref;

		if (session == acc->session || v.n != sizeof(ref))
			continue;
		memcpy(&ref, v.p, sizeof(ref));
		(*others_out)++;
		if (ref.cursor < *min_out)
			*min_out = ref.cursor;
	}
	db_cursor_close(&c);
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

/* Ids of dead sessions and what they had selected; at most 256 at a time. */
static enum err
find_dead(struct account *acc, uint64_t dead[256], uint32_t folder[256],
    size_t *n_out)
{
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	enum err e;

	*n_out = 0;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_SESSIONS, &c)) == ERR_OK)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK && *n_out < 256; e = db_next(c, &k, &v)) {
		struct session_rec r;
		uint64_t id;

		if (!key_get_u64(k, &id) || v.n < sizeof(r))
			continue;
		memcpy(&r, v.p, sizeof(r));
		if (is_dead(acc, id)) {
			dead[*n_out] = id;
			folder[(*n_out)++] = r.folder_id;
		}
	}
	db_cursor_close(&c);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
presence_sweep(struct account *acc, bool force)
{
	uint64_t dead[256], now = clock_us(), swept;
	uint32_t folder[256];
	char path[64];
	struct db_txn *t;
	size_t n;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	swept = meta_get(t, "swept");
	db_abort(&t);
	if (!force && swept <= now && now - swept < 1000000)
		return ERR_OK;
	if ((e = find_dead(acc, dead, folder, &n)) != ERR_OK || n == 0)
		return e;
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		struct key ref = key_u32_u64(folder[i], dead[i]);
		struct key session = key_u64(dead[i]);

		if ((e = db_del(t, T_REFS, key_span(&ref))) == ERR_OK)
			e = db_del(t, T_SESSIONS, key_span(&session));
	}
	if (e == ERR_OK)
		e = meta_put(t, "swept", now);
	if (e != ERR_OK) {
		db_abort(&t);
		return e;
	}
	if ((e = db_commit(&t)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		session_path(dead[i], path);
		unlinkat(acc->index_fd, path, 0);
	}
	log_warn("swept %zu dead session%s of user %s", n, n == 1 ? "" : "s",
	    acc->user);
	return ERR_OK;
}

void
presence_part(struct account *acc)
{
	char path[64];

	if (acc->session == 0)
		return;
	session_path(acc->session, path);
	unlinkat(acc->index_fd, path, 0);
	close(acc->session_fd);
	acc->session_fd = -1;
	acc->session = 0;
}
