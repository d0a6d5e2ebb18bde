/* Who is here and what is kept for whom: read from the state, nothing is written. */
#include "maildir/census.h"

#include <string.h>

#include "common/db.h"
#include "maildir/account.h"
#include "maildir/ghost.h"
#include "maildir/index.h"
#include "maildir/presence.h"
#include "maildir/state.h"

/* Room for one more element; the old array stays in the arena. */
static void *
grow(struct arena *a, void *old, size_t n, size_t size)
{
	void *more;

	if (n != 0 && (n < 64 || (n & (n - 1)) != 0))
		return old;
	more = arena_array(a, n == 0 ? 64 : 2 * n, size);
	if (n > 0)
		memcpy(more, old, n * size);
	return more;
}

/* ---- sessions ---- */

static enum err
count_backlog(struct db_txn *t, struct census_session *s)
{
	struct key first = key_u32_u64(s->folder_id, s->cursor + 1);
	struct db_cursor *c = NULL;
	struct ghost_when when;
	struct record rec;
	struct span k, v;
	uint64_t modseq;
	uint32_t id, uid;
	enum err e;

	if ((e = db_cursor_open(t, T_VANISHED, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, key_span(&first), &k, &v); e == ERR_OK &&
	    key_get_u32_u64(k, &id, &modseq) && id == s->folder_id;
	    e = db_next(c, &k, &v))
		for (size_t i = 0; i + 4 <= v.n; i += 4) {
			memcpy(&uid, v.p + i, 4);
			s->backlog++;
			s->ghosts += ghost_get(t, id, uid, &when, &rec) ==
			    ERR_OK;
		}
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Mailbox and cursor of a session that has one selected. */
static enum err
read_reference(struct db_txn *t, struct arena *a, struct census_session *s)
{
	struct key k = key_u32_u64(s->folder_id, s->id);
	struct folder_rec r;
	struct ref_rec ref;
	struct span v;

	if (s->folder_id == 0 || rec_get(t, s->folder_id, a, &r) != ERR_OK ||
	    db_get(t, T_REFS, key_span(&k), &v) != ERR_OK ||
	    v.n != sizeof(ref)) {
		s->folder_id = 0;
		return ERR_OK;
	}
	memcpy(&ref, v.p, sizeof(ref));
	s->mailbox = r.name;
	s->deleted = (r.flags & REC_DELETED) != 0;
	s->read_only = ref.read_only != 0;
	s->cursor = ref.cursor;
	return s->cursor >= r.modseq ? ERR_OK : count_backlog(t, s);
}

static bool
read_session(struct span k, struct span v, struct arena *a,
    struct census_session *s)
{
	struct session_rec r;

	*s = (struct census_session){ 0 };
	if (!key_get_u64(k, &s->id) || v.n < sizeof(r))
		return false;
	memcpy(&r, v.p, sizeof(r));
	v.p += sizeof(r);
	v.n -= sizeof(r);
	s->pid = r.pid;
	s->folder_id = r.folder_id;
	s->user = arena_span(a, span_cut(&v, '\0'));
	s->client = arena_span(a, span_cut(&v, '\0'));
	return true;
}

enum err
census_sessions(struct account *acc, struct arena *a,
    struct census_session **out, size_t *n_out)
{
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	enum err e;

	*out = NULL;
	*n_out = 0;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_SESSIONS, &c)) == ERR_OK)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK; e = db_next(c, &k, &v)) {
		struct census_session *s;

		*out = grow(a, *out, *n_out, sizeof(**out));
		s = &(*out)[*n_out];
		if (!read_session(k, v, a, s) || s->id == acc->session)
			continue;
		++*n_out;
		if ((e = read_reference(t, a, s)) != ERR_OK)
			break;
	}
	db_cursor_close(&c);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* ---- what is kept ---- */

struct kept {
	struct arena *a;
	struct census_ghost *ghost;
	size_t n;
};

static struct census_ghost *
add(struct kept *kept, const struct folder_rec *r)
{
	struct census_ghost *g;

	kept->ghost = grow(kept->a, kept->ghost, kept->n, sizeof(*g));
	g = &kept->ghost[kept->n++];
	*g = (struct census_ghost){ .folder_id = r->id, .mailbox = r->name };
	return g;
}

static enum err
add_messages(struct db_txn *t, const struct folder_rec *r, struct kept *kept)
{
	struct key first = key_u32(r->id);
	struct db_cursor *c = NULL;
	struct ghost_when when;
	struct record rec;
	struct span k, v;
	uint32_t id, uid;
	enum err e;

	if ((e = db_cursor_open(t, T_GHOSTS, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, key_span(&first), &k, &v);
	    e == ERR_OK && key_get_u32_u32(k, &id, &uid) && id == r->id;
	    e = db_next(c, &k, &v)) {
		struct census_ghost *g;

		if (ghost_get(t, id, uid, &when, &rec) != ERR_OK)
			continue;
		g = add(kept, r);
		g->uid = uid;
		g->modseq = when.modseq;
		g->since_us = when.us;
		g->bytes = rec.size;
	}
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
census_ghosts(struct account *acc, struct span name, struct arena *a,
    struct census_ghost **out, size_t *n_out)
{
	struct kept kept = { .a = a };
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		goto out;
	if ((e = db_cursor_open(t, T_FOLDERS, &c)) == ERR_OK)
		e = db_seek(c, SPAN("\0"), &k, &v);
	for (; e == ERR_OK; e = db_next(c, &k, &v)) {
		struct folder_rec r;
		uint32_t id;

		if (v.n < sizeof(id))
			continue;
		memcpy(&id, v.p, sizeof(id));
		if (rec_get(t, id, a, &r) != ERR_OK ||
		    (name.p != NULL && !span_eq(name, r.name)))
			continue;
		if (r.flags & REC_DELETED) {
			struct census_ghost *g = add(&kept, &r);

			g->bytes = r.size;
			g->modseq = UINT64_MAX;
		}
		if (r.n_ghosts > 0 &&
		    (e = add_messages(t, &r, &kept)) != ERR_OK)
			break;
	}
	db_cursor_close(&c);
	db_abort(&t);
out:
	*out = kept.ghost;
	*n_out = kept.n;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static uint64_t
no_age(void *ctx, struct account *acc, struct span name)
{
	(void)ctx, (void)acc, (void)name;
	return 0;
}

enum err
census_release(struct account *acc, struct span name, size_t *n_out)
{
	uint64_t (*max_age)(void *, struct account *, struct span) =
	    acc->ghost_max_age;
	struct census_ghost *g;
	struct arena a = { 0 };
	uint32_t done = 0;
	size_t n, left;
	enum err e;

	*n_out = 0;
	if ((e = census_ghosts(acc, name, &a, &g, &n)) != ERR_OK)
		goto out;
	/* None is young enough. */
	acc->ghost_max_age = no_age;
	for (size_t i = 0; i < n; i++)
		if (g[i].uid != 0) {
			++*n_out;
			if (g[i].folder_id != done)
				ghost_sweep(acc, g[i].folder_id);
			done = g[i].folder_id;
		}
	acc->ghost_max_age = max_age;
	if ((e = census_ghosts(acc, name, &a, &g, &left)) != ERR_OK)
		goto out;
	for (size_t i = 0; i < left; i++)
		if (g[i].uid != 0 && *n_out > 0)
			--*n_out;
out:
	arena_free(&a);
	return e;
}
