/* Other sessions that have a mailbox open, or the name of a deleted one. */
#include "maildir/others.h"

#include <string.h>

#include "common/log.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/presence.h"
#include "maildir/state.h"

enum { NAMED_MAX = 3 };

/* Whether it is the session that we act for, of which each account has a record. */
static bool
is_asker(struct db_txn *t, const struct account *acc, uint64_t session)
{
	struct key k = key_u64(session);
	struct session_rec r;
	struct span v;

	if (acc->asker == 0 || db_get(t, T_SESSIONS, key_span(&k), &v) !=
	    ERR_OK || v.n < sizeof(r))
		return false;
	memcpy(&r, v.p, sizeof(r));
	return r.pid == (uint64_t)acc->asker;
}

/* "anna from 192.0.2.1 pid 77" */
static const char *
describe(struct db_txn *t, uint64_t session, struct arena *a)
{
	struct key k = key_u64(session);
	struct session_rec r;
	struct span v, user;

	if (db_get(t, T_SESSIONS, key_span(&k), &v) != ERR_OK ||
	    v.n < sizeof(r))
		return "unknown";
	memcpy(&r, v.p, sizeof(r));
	v.p += sizeof(r);
	v.n -= sizeof(r);
	user = span_cut(&v, '\0');
	return arena_printf(a, "%s from %s pid %llu", log_text(user),
	    log_text(span_cut(&v, '\0')), (unsigned long long)r.pid);
}

enum err
others_meet(struct db_txn *t, const struct account *acc, uint32_t folder_id,
    struct arena *a, struct others *o)
{
	struct key first = key_u32(folder_id);
	struct db_cursor *c = NULL;
	struct span k, v;
	uint32_t f;
	uint64_t session;
	enum err e;

	if ((e = db_cursor_open(t, T_REFS, &c)) != ERR_OK)
		return e;
	for (e = db_seek(c, key_span(&first), &k, &v);
	    e == ERR_OK && key_get_u32_u64(k, &f, &session) && f == folder_id;
	    e = db_next(c, &k, &v)) {
		if (session == acc->session || is_asker(t, acc, session))
			continue;
		if (++o->n <= NAMED_MAX)
			o->list = o->n == 1 ? describe(t, session, a) :
			    arena_printf(a, "%s, %s", o->list,
			    describe(t, session, a));
	}
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

const char *
others_text(const struct others *o, struct arena *a)
{
	return arena_printf(a, "%zu other session%s (%s%s)", o->n,
	    o->n == 1 ? "" : "s", o->n > 0 ? o->list : "",
	    o->n > NAMED_MAX ? ", ..." : "");
}

enum err
others_reserve(struct account *acc, struct span name)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	bool used = false;
	uint32_t id;
	enum err e;

	if (name.n == 0 || name.n > 400)
		return ERR_OK;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = names_get(t, name, &id)) == ERR_OK &&
	    (e = rec_get(t, id, &a, &r)) == ERR_OK && r.flags & REC_KEPT)
		used = presence_is_behind(t, id, 0, UINT64_MAX) ||
		    alone_is_entered(acc, id);
	db_abort(&t);
	arena_free(&a);
	if (used)
		return ERR_BUSY;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

bool
others_may_be_dead(struct account *acc, enum err e, int attempt)
{
	return e == ERR_BUSY && attempt == 0 &&
	    presence_sweep(acc, true) == ERR_OK;
}
