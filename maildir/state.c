/* The state environment's tables: keys, folder records, counters. */
#include "maildir/state.h"

#include <stddef.h>
#include <string.h>

#include "common/clock.h"

const char *const state_tables[T_COUNT] = {
	"meta", "folders", "names", "pages", "cache", "vanished", "ghosts",
	"dirty", "sessions", "refs", "renames",
};

static void
put_be(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = n; i-- > 0; v >>= 8)
		p[i] = (unsigned char)v;
}

static uint64_t
get_be(const char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

struct key
key_u32(uint32_t a)
{
	struct key k = { .n = 4 };

	put_be(k.b, a, 4);
	return k;
}

struct key
key_u32_u32(uint32_t a, uint32_t b)
{
	struct key k = { .n = 8 };

	put_be(k.b, a, 4);
	put_be(k.b + 4, b, 4);
	return k;
}

struct key
key_u32_u64(uint32_t a, uint64_t b)
{
	struct key k = { .n = 12 };

	put_be(k.b, a, 4);
	put_be(k.b + 4, b, 8);
	return k;
}

struct key
key_u64(uint64_t a)
{
	struct key k = { .n = 8 };

	put_be(k.b, a, 8);
	return k;
}

struct span
key_span(const struct key *k)
{
	return (struct span){ (const char *)k->b, k->n };
}

bool
key_get_u32(struct span k, uint32_t *a)
{
	if (k.n != 4)
		return false;
	*a = (uint32_t)get_be(k.p, 4);
	return true;
}

bool
key_get_u32_u32(struct span k, uint32_t *a, uint32_t *b)
{
	if (k.n != 8)
		return false;
	*a = (uint32_t)get_be(k.p, 4);
	*b = (uint32_t)get_be(k.p + 4, 4);
	return true;
}

bool
key_get_u32_u64(struct span k, uint32_t *a, uint64_t *b)
{
	if (k.n != 12)
		return false;
	*a = (uint32_t)get_be(k.p, 4);
	*b = get_be(k.p + 4, 8);
	return true;
}

bool
key_get_u64(struct span k, uint64_t *a)
{
	if (k.n != 8)
		return false;
	*a = get_be(k.p, 8);
	return true;
}

static const size_t rec_fixed = offsetof(struct folder_rec, name);

/* One length byte and that many bytes off the front of *s. */
static bool
take_text(struct span *s, struct span *out)
{
	size_t n;

	if (s->n == 0 || (n = (unsigned char)s->p[0]) > s->n - 1)
		return false;
	*out = (struct span){ s->p + 1, n };
	s->p += n + 1;
	s->n -= n + 1;
	return true;
}

enum err
rec_get(struct db_txn *t, uint32_t id, struct arena *a, struct folder_rec *out)
{
	struct key k = key_u32(id);
	struct span v;
	enum err e;

	memset(out, 0, sizeof(*out));
	if ((e = db_get(t, T_FOLDERS, key_span(&k), &v)) != ERR_OK)
		return e;
	v = arena_span(a, v);
	if (v.n < rec_fixed)
		goto corrupt;
	memcpy(out, v.p, rec_fixed);
	v.p += rec_fixed;
	v.n -= rec_fixed;
	out->guid[32] = '\0';
	if (!take_text(&v, &out->name) || out->id != id)
		goto corrupt;
	while (v.n > 0) {
		if (out->keywords.n == KEYWORD_MAX ||
		    !take_text(&v, &out->keywords.name[out->keywords.n]))
			goto corrupt;
		out->keywords.n++;
	}
	return ERR_OK;
corrupt:
	db_condemn("a folder's record makes no sense");
	return ERR_CORRUPT;
}

enum err
rec_refresh(struct db_txn *t, struct arena *a, struct folder_rec *r)
{
	struct folder_rec now;
	enum err e = rec_get(t, r->id, a, &now);

	if (e != ERR_OK)
		return e;
	r->name = now.name;
	r->keywords = now.keywords;
	r->keywords_gen = now.keywords_gen;
	r->keywords_mtime = now.keywords_mtime;
	if (now.first_recent > r->first_recent)
		r->first_recent = now.first_recent;
	if (now.synced_uidnext > r->synced_uidnext)
		r->synced_uidnext = now.synced_uidnext;
	r->flags |= now.flags & (REC_DELETED | REC_KEPT);
	if (now.modseq > r->modseq)
		r->modseq = now.modseq;
	return ERR_OK;
}

static char *
put_text(char *p, struct span s)
{
	*p++ = (char)s.n;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

/* ---- usage ---- */

struct usage
rec_usage(const struct folder_rec *r)
{
	if (r->flags & REC_DELETED)
		return (struct usage){ 0 };
	return (struct usage){ r->size, r->messages };
}

struct usage
state_usage(struct db_txn *t)
{
	return (struct usage){ meta_get(t, "usage-bytes"),
		meta_get(t, "usage-messages") };
}

/* What is written under a key counts in place of what is there. */
static enum err
count_usage(struct db_txn *t, struct span key, struct usage now)
{
	struct folder_rec old = { 0 };
	struct usage was, all;
	struct span v;
	enum err e = db_get(t, T_FOLDERS, key, &v);

	if (e == ERR_OK && v.n >= rec_fixed)
		memcpy(&old, v.p, rec_fixed);
	else if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	was = rec_usage(&old);
	if (now.bytes == was.bytes && now.messages == was.messages)
		return ERR_OK;
	all = state_usage(t);
	if ((e = meta_put(t, "usage-bytes", all.bytes - was.bytes +
	    now.bytes)) != ERR_OK)
		return e;
	return meta_put(t, "usage-messages", all.messages - was.messages +
	    now.messages);
}

enum err
rec_put(struct db_txn *t, const struct folder_rec *r)
{
	struct key k = key_u32(r->id);
	size_t n = rec_fixed + 1 + r->name.n;
	void *room;
	char *p;
	enum err e;

	if ((e = count_usage(t, key_span(&k), rec_usage(r))) != ERR_OK)
		return e;
	for (unsigned i = 0; i < r->keywords.n; i++)
		n += 1 + r->keywords.name[i].n;
	if ((e = db_put_room(t, T_FOLDERS, key_span(&k), n, &room)) != ERR_OK)
		return e;
	memcpy(room, r, rec_fixed);
	p = put_text((char *)room + rec_fixed, r->name);
	for (unsigned i = 0; i < r->keywords.n; i++)
		p = put_text(p, r->keywords.name[i]);
	return ERR_OK;
}

static enum err
take_id(struct span v, uint32_t *id_out)
{
	if (v.n != sizeof(*id_out))
		return ERR_CORRUPT;
	memcpy(id_out, v.p, sizeof(*id_out));
	return ERR_OK;
}

enum err
names_get(struct db_txn *t, struct span name, uint32_t *id_out)
{
	struct span v;
	enum err e = db_get(t, T_NAMES, name, &v);

	*id_out = 0;
	return e == ERR_OK ? take_id(v, id_out) : e;
}

enum err
names_first(struct db_txn *t, uint32_t *id_out)
{
	struct db_cursor *c = NULL;
	struct span k, v;
	enum err e;

	*id_out = 0;
	if ((e = db_cursor_open(t, T_NAMES, &c)) == ERR_OK &&
	    (e = db_seek(c, SPAN("\0"), &k, &v)) == ERR_OK)
		e = take_id(v, id_out);
	db_cursor_close(&c);
	return e;
}

enum err
names_put(struct db_txn *t, struct span name, uint32_t id)
{
	return db_put(t, T_NAMES, name,
	    (struct span){ (const char *)&id, sizeof(id) });
}

uint64_t
meta_get(struct db_txn *t, const char *name)
{
	struct span v;
	uint64_t value = 0;

	if (db_get(t, T_META, span_of(name), &v) == ERR_OK &&
	    v.n == sizeof(value))
		memcpy(&value, v.p, sizeof(value));
	return value;
}

enum err
meta_put(struct db_txn *t, const char *name, uint64_t value)
{
	return db_put(t, T_META, span_of(name),
	    (struct span){ (const char *)&value, sizeof(value) });
}

uint64_t
rec_next_modseq(const struct folder_rec *r)
{
	uint64_t now = clock_us();

	return now > r->modseq ? now : r->modseq + 1;
}

enum err
state_drop_folder(struct db_txn *t, uint32_t id, size_t n, bool *done_out)
{
	static const enum state_table tables[] = { T_PAGES, T_CACHE, T_VANISHED,
	    T_GHOSTS, T_DIRTY, T_REFS };
	struct key first = key_u32(id);
	struct db_cursor *c = NULL;
	struct span k, v;
	enum err e = ERR_OK;

	*done_out = false;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if ((e = db_cursor_open(t, tables[i], &c)) != ERR_OK)
			return e;
		e = db_seek(c, key_span(&first), &k, &v);
		while (e == ERR_OK && span_starts(k, key_span(&first))) {
			if (n-- == 0) {
				db_cursor_close(&c);
				return ERR_OK;
			}
			if ((e = db_cursor_del(c)) != ERR_OK)
				break;
			/* What followed stands at the cursor's place now. */
			e = db_seek(c, key_span(&first), &k, &v);
		}
		db_cursor_close(&c);
		if (e != ERR_OK && e != ERR_NOTFOUND)
			return e;
	}
	*done_out = true;
	if ((e = count_usage(t, key_span(&first), (struct usage){ 0 })) !=
	    ERR_OK)
		return e;
	return db_del(t, T_FOLDERS, key_span(&first));
}
