/*
 * T_RENAMES: old storage name -> u32 folder id, u64 seconds, new storage name. Written
 * with the RENAME, read when a command names what is not there any more.
 */
#include "maildir/renamed.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/state.h"

enum { HEAD = sizeof(uint32_t) + sizeof(uint64_t), DAY_S = 86400 };

static uint64_t
when_of(struct span v)
{
	uint64_t when = 0;

	if (v.n >= HEAD)
		memcpy(&when, v.p + sizeof(uint32_t), sizeof(when));
	return when;
}

static bool
is_old(struct span v, uint64_t now)
{
	uint64_t when = when_of(v);

	return when < now && now - when > (uint64_t)RENAMED_DAYS * DAY_S;
}

enum err
renamed_put(struct db_txn *t, uint32_t id, struct span from, struct span to)
{
	struct buf b = { 0 };
	uint64_t when = (uint64_t)clock_s();
	enum err e;

	buf_add(&b, &id, sizeof(id));
	buf_add(&b, &when, sizeof(when));
	buf_add_span(&b, to);
	e = db_put(t, T_RENAMES, from, buf_span(&b));
	buf_clear(&b);
	return e == ERR_OK ? db_del(t, T_RENAMES, to) : e;
}

struct row {
	uint64_t when;
	struct span from;
};

/* The latest first. */
static int
by_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->when > y->when ? -1 : x->when < y->when;
}

static size_t
count_rows(struct db_cursor *c, enum err *e)
{
	struct span k, v;
	size_t n = 0;

	for (*e = db_seek(c, SPAN("\0"), &k, &v); *e == ERR_OK;
	    *e = db_next(c, &k, &v))
		n++;
	return n;
}

enum err
renamed_prune(struct db_txn *t)
{
	uint64_t now = (uint64_t)clock_s();
	struct db_cursor *c = NULL;
	struct arena a = { 0 };
	struct row *row;
	struct span k, v;
	size_t n, rows = 0;
	enum err e;

	if ((e = db_cursor_open(t, T_RENAMES, &c)) != ERR_OK)
		return e;
	n = count_rows(c, &e);
	row = arena_array(&a, n + 1, sizeof(*row));
	if (e == ERR_NOTFOUND)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK && rows < n; e = db_next(c, &k, &v))
		row[rows++] = (struct row){ is_old(v, now) ? 0 : when_of(v),
			arena_span(&a, k) };
	db_cursor_close(&c);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	qsort(row, rows, sizeof(*row), by_time);
	for (size_t i = 0; i < rows && e == ERR_OK; i++)
		if (i >= RENAMED_KEPT || row[i].when == 0)
			e = db_del(t, T_RENAMES, row[i].from);
	arena_free(&a);
	return e;
}

enum err
renamed_forget(struct account *acc, struct span name)
{
	struct db_txn *t;
	struct span v;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = db_get(t, T_RENAMES, name, &v);
	db_abort(&t);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = db_del(t, T_RENAMES, name)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

enum err
folder_renamed_to(struct account *acc, struct span name, struct arena *a,
    struct span *to_out)
{
	struct folder_rec r;
	struct db_txn *t;
	struct span v;
	uint32_t id;
	enum err e;

	*to_out = SPAN_NONE;
	if (name.n == 0 || name.n > 400)
		return ERR_NOTFOUND;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = db_get(t, T_RENAMES, name, &v);
	if (e == ERR_OK && v.n < HEAD)
		e = ERR_CORRUPT;
	if (e == ERR_OK && is_old(v, (uint64_t)clock_s()))
		e = ERR_NOTFOUND;
	if (e == ERR_OK) {
		memcpy(&id, v.p, sizeof(id));
		*to_out = arena_span(a,
		    (struct span){ v.p + HEAD, v.n - HEAD });
		/* Renamed again since: where it is now. */
		if (id != 0 && rec_get(t, id, a, &r) == ERR_OK)
			*to_out = r.name;
	}
	db_abort(&t);
	return e;
}
