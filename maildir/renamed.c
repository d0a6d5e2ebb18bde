/*
 * T_RENAMES: old storage name -> u32 folder id, u64 seconds, new storage name (empty:
 * the old name was used again). Written with the RENAME, read when a command names
 * what is not there any more.
 */
#include "maildir/renamed.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/state.h"

enum {
	HEAD = sizeof(uint32_t) + sizeof(uint64_t),
	DAY_S = 86400,
	NAME_MAX_ = 400,	/* of a key */
	HOPS_MAX = 16,		/* renamed, and renamed again */
};

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

static enum err
put_row(struct db_txn *t, uint32_t id, struct span from, struct span to)
{
	struct buf b = { 0 };
	uint64_t when = (uint64_t)clock_s();
	enum err e;

	buf_add(&b, &id, sizeof(id));
	buf_add(&b, &when, sizeof(when));
	buf_add_span(&b, to);
	e = db_put(t, T_RENAMES, from, buf_span(&b));
	buf_clear(&b);
	return e;
}


/* Where a row leads. An empty `to`: the old name was used again. */
static enum err
read_row(struct db_txn *t, struct span v, struct arena *a, struct span *to_out)
{
	struct folder_rec r;
	uint32_t id;

	if (v.n < HEAD)
		return ERR_CORRUPT;
	if (is_old(v, (uint64_t)clock_s()))
		return ERR_NOTFOUND;
	memcpy(&id, v.p, sizeof(id));
	*to_out = arena_span(a, (struct span){ v.p + HEAD, v.n - HEAD });
	/* Renamed again since: where it is now. */
	if (id != 0 && rec_get(t, id, a, &r) == ERR_OK)
		*to_out = r.name;
	return ERR_OK;
}

static enum err
find_row(struct db_txn *t, struct span name, struct arena *a,
    struct span *to_out)
{
	struct span v;
	enum err e = db_get(t, T_RENAMES, name, &v);

	return e == ERR_OK ? read_row(t, v, a, to_out) : e;
}

/*
 * The row of a name, or of the nearest parent that was renamed: mailboxes that
 * nobody had opened went with it without a row of their own.
 */
static enum err
find_tree(struct db_txn *t, struct span name, struct arena *a,
    struct span *to_out)
{
	enum err e = find_row(t, name, a, to_out);

	for (size_t i = name.n; e == ERR_NOTFOUND && i-- > 1;) {
		struct span parent = { name.p, i }, to;

		if (name.p[i] != '.' ||
		    (e = find_row(t, parent, a, &to)) != ERR_OK)
			continue;
		*to_out = to.n == 0 ? to : span_of(arena_printf(a, "%.*s%.*s",
		    (int)to.n, to.p, (int)(name.n - i), name.p + i));
	}
	return e == ERR_OK && to_out->n == 0 ? ERR_NOTFOUND : e;
}

/* A name is in use: no row, of a parent neither, speaks of it any more. */
static enum err
use_again(struct db_txn *t, struct span name)
{
	struct arena a = { 0 };
	struct span to;
	enum err e = find_tree(t, name, &a, &to);

	arena_free(&a);
	if (e == ERR_OK)
		return put_row(t, 0, name, SPAN(""));
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
renamed_put(struct db_txn *t, uint32_t id, struct span from, struct span to)
{
	enum err e = put_row(t, id, from, to);

	return e == ERR_OK ? use_again(t, to) : e;
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
	struct arena a = { 0 };
	struct db_txn *t;
	struct span to;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = find_tree(t, name, &a, &to);
	arena_free(&a);
	db_abort(&t);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = use_again(t, name)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

enum err
folder_renamed_to(struct account *acc, struct span name, struct arena *a,
    struct span *to_out)
{
	struct db_txn *t;
	enum err e;

	*to_out = SPAN_NONE;
	if (name.n == 0 || name.n > NAME_MAX_)
		return ERR_NOTFOUND;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = find_tree(t, name, a, to_out);
	for (int hops = 0; e == ERR_OK && hops < HOPS_MAX; hops++) {
		struct span next;

		if (to_out->n > NAME_MAX_ ||
		    find_tree(t, *to_out, a, &next) != ERR_OK)
			break;
		*to_out = next;
	}
	db_abort(&t);
	return e;
}

static int
by_new_name(const void *a, const void *b)
{
	const struct folder_rename *x = a, *y = b;

	return span_cmp(x->to, y->to);
}

enum err
folder_renames(struct account *acc, struct arena *a,
    struct folder_rename **out, size_t *n_out)
{
	struct folder_rename *list = NULL;
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	size_t n = 0, most;
	enum err e;

	*out = NULL;
	*n_out = 0;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_RENAMES, &c)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	most = count_rows(c, &e);
	list = arena_array(a, most + 1, sizeof(*list));
	if (e == ERR_NOTFOUND)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK && n < most; e = db_next(c, &k, &v))
		if (read_row(t, v, a, &list[n].to) == ERR_OK &&
		    list[n].to.n > 0)
			list[n++].from = arena_span(a, k);
	db_cursor_close(&c);
	db_abort(&t);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	qsort(list, n, sizeof(*list), by_new_name);
	*out = list;
	*n_out = n;
	return ERR_OK;
}
