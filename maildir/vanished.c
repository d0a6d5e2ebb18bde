#include "maildir/vanished.h"

#include "maildir/presence.h"

/* The folder's oldest, up to VANISHED_TRIM of them, but for what somebody is to hear. */
static enum err
trim(struct db_txn *t, struct folder_rec *r)
{
	struct key first = key_u32(r->id);
	struct db_cursor *c = NULL;
	struct span k, v;
	uint64_t told, modseq;
	uint32_t id;
	enum err e;

	if ((e = presence_min(t, r->id, &told)) != ERR_OK ||
	    (e = db_cursor_open(t, T_VANISHED, &c)) != ERR_OK)
		return e;
	e = db_seek(c, key_span(&first), &k, &v);
	for (int i = 0; i < VANISHED_TRIM && e == ERR_OK &&
	    key_get_u32_u64(k, &id, &modseq) && id == r->id &&
	    modseq <= told; i++) {
		r->vanished_since = modseq;
		if ((e = db_cursor_del(c)) == ERR_OK)
			e = db_next(c, &k, &v);
	}
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
vanished_put(struct db_txn *t, struct folder_rec *r, uint64_t modseq,
    const uint32_t *uids, size_t n)
{
	struct key k = key_u32_u64(r->id, modseq);
	size_t count;
	enum err e;

	e = db_put(t, T_VANISHED, key_span(&k), (struct span){
	    (const char *)uids, n * sizeof(*uids) });
	if (e != ERR_OK || (e = db_count(t, T_VANISHED, &count)) != ERR_OK)
		return e;
	return count >= VANISHED_MAX + VANISHED_TRIM ? trim(t, r) : ERR_OK;
}
