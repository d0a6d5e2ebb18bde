/* The account's limit on what is kept for sessions that were not told. */
#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/ghost.h"

enum { BATCH = 500 };

struct ghost {
	uint32_t folder_id, uid;
	uint64_t us, size;
	char *name;
};

struct ghosts {
	struct ghost *v;
	size_t n, cap;
	struct arena a;
};

static void
add_ghost(struct ghosts *g, uint32_t folder_id, const struct ghost_when *when,
    const struct record *rec)
{
	char name[300];

	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 64;
		if ((g->v = realloc(g->v, g->cap * sizeof(*g->v))) == NULL)
			fatal("no memory for %zu ghosts", g->cap);
	}
	ghost_name(rec->uid, rec->base, name);
	g->v[g->n++] = (struct ghost){ folder_id, rec->uid, when->us,
		rec->size, arena_printf(&g->a, "%s", name) };
}

/* g NULL: only how large they are together. */
static enum err
all_ghosts(struct account *acc, struct ghosts *g, uint64_t *bytes_out)
{
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	uint32_t id, uid;
	enum err e;

	*bytes_out = 0;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_GHOSTS, &c)) == ERR_OK)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK; e = db_next(c, &k, &v)) {
		struct ghost_when when;
		struct record rec;

		if (!key_get_u32_u32(k, &id, &uid) ||
		    ghost_get(t, id, uid, &when, &rec) != ERR_OK)
			continue;
		*bytes_out += rec.size;
		if (g != NULL)
			add_ghost(g, id, &when, &rec);
	}
	db_cursor_close(&c);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static int
by_age(const void *a, const void *b)
{
	const struct ghost *x = a, *y = b;

	return x->us < y->us ? -1 : x->us > y->us;
}

static int
by_folder(const void *a, const void *b)
{
	const struct ghost *x = a, *y = b;

	return x->folder_id < y->folder_id ? -1 : x->folder_id > y->folder_id;
}

/* Ghosts of one folder. */
static enum err
drop_ghosts(struct account *acc, const struct ghost *v, size_t n)
{
	struct folder *f = NULL;
	uint32_t uids[BATCH], left;
	size_t k;
	enum err e;

	if ((e = folder_open_id(acc, v->folder_id, &f)) == ERR_OK &&
	    (e = folder_lock(f)) == ERR_OK) {
		for (size_t i = 0; i < n && e == ERR_OK; i += k) {
			for (k = 0; k < BATCH && i + k < n; k++) {
				(void)unlinkat(f->tmp_fd, v[i + k].name, 0);
				uids[k] = v[i + k].uid;
			}
			e = ghost_forget(f, uids, k, &left);
		}
		folder_unlock(f);
	}
	folder_close(&f);
	return e;
}

void
ghost_limit(struct account *acc)
{
	struct ghosts g = { 0 };
	uint64_t bytes;
	size_t n = 0, from, to;
	enum err e = all_ghosts(acc, NULL, &bytes);

	if (e != ERR_OK || bytes <= acc->ghost_max_bytes ||
	    (e = all_ghosts(acc, &g, &bytes)) != ERR_OK)
		goto out;
	if (g.n > 1)
		qsort(g.v, g.n, sizeof(*g.v), by_age);
	for (; n < g.n && bytes > acc->ghost_max_bytes; n++)
		bytes -= g.v[n].size;
	if (n == 0)
		goto out;
	log_info("%zu expunged messages are not kept any longer for sessions "
	    "that were not told: over multiaccess_ghost_max_size", n);
	qsort(g.v, n, sizeof(*g.v), by_folder);
	for (from = 0; from < n; from = to) {
		for (to = from; to < n && g.v[to].folder_id ==
		    g.v[from].folder_id; to++)
			continue;
		if ((e = drop_ghosts(acc, &g.v[from], to - from)) != ERR_OK)
			break;
	}
out:
	if (e != ERR_OK && e != ERR_NOTFOUND)
		log_warn("ghosts of user %s stay over their limit until the "
		    "next sweep (%s)", acc->user, err_name(e));
	free(g.v);
	arena_free(&g.a);
}
