/* Packed pages of message records, and the cache of learned facts. */
#include "maildir/index.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/db.h"
#include "common/log.h"

enum { U64_COLUMNS = 6, U32_COLUMNS = 2, PAGE_HEAD = 16, NAME_MAX_BYTES = 330 };

/* The map gives 2-byte alignment for short values. */
static uint32_t
load32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t
load64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t
column64(const struct page *p, unsigned column, uint32_t i)
{
	return load64(p->u64s + ((size_t)column * p->n + i) * 8);
}

uint64_t
page_modseq(const struct page *p, uint32_t i)
{
	return column64(p, 0, i);
}

uint64_t
page_keywords(const struct page *p, uint32_t i)
{
	return column64(p, 1, i);
}

uint32_t
page_uid(const struct page *p, uint32_t i)
{
	return load32(p->u32s + (size_t)i * 4);
}

uint32_t
page_flags(const struct page *p, uint32_t i)
{
	return load32(p->u32s + ((size_t)p->n + i) * 4);
}

static uint32_t
name_at(const struct page *p, uint32_t i)
{
	return load32(p->u32s + ((size_t)p->n * 2 + i) * 4);
}

void
page_record(const struct page *p, uint32_t i, struct record *out)
{
	uint32_t at = name_at(p, i), end = name_at(p, i + 1);
	const char *name = p->names + at, *nul;

	*out = (struct record){
		.uid = page_uid(p, i), .flags = page_flags(p, i),
		.modseq = column64(p, 0, i), .keywords = column64(p, 1, i),
		.size = column64(p, 2, i), .wire_size = column64(p, 3, i),
		.internal_date = (int64_t)column64(p, 4, i),
		.save_date = (int64_t)column64(p, 5, i),
		.base = { name, end - at },
	};
	if ((nul = memchr(name, 0, end - at)) != NULL) {
		out->base.n = (size_t)(nul - name);
		out->extra = (struct span){ nul + 1,
		    (size_t)(end - at) - out->base.n - 1 };
	}
}

enum err
page_read(struct span v, struct page *out)
{
	size_t need, names;

	memset(out, 0, sizeof(*out));
	if (v.n < PAGE_HEAD || (out->n = load32(v.p)) == 0 ||
	    out->n > PAGE_RECORDS)
		goto corrupt;
	names = load32(v.p + 4);
	out->max_modseq = load64(v.p + 8);
	need = PAGE_HEAD + (size_t)out->n * 8 * U64_COLUMNS +
	    (size_t)out->n * 4 * U32_COLUMNS + ((size_t)out->n + 1) * 4;
	if (v.n != need + names)
		goto corrupt;
	out->u64s = v.p + PAGE_HEAD;
	out->u32s = out->u64s + (size_t)out->n * 8 * U64_COLUMNS;
	out->names = v.p + need;
	for (uint32_t i = 0; i < out->n; i++)
		if (name_at(out, i) > name_at(out, i + 1) ||
		    name_at(out, i + 1) > names)
			goto corrupt;
	return ERR_OK;
corrupt:
	db_condemn("a page of messages makes no sense");
	return ERR_CORRUPT;
}

/* Packs records into `room` of packed_size bytes. */
static size_t
packed_size(const struct record *rec, uint32_t n)
{
	size_t size = PAGE_HEAD + (size_t)n * 8 * U64_COLUMNS +
	    (size_t)n * 4 * U32_COLUMNS + ((size_t)n + 1) * 4;

	for (uint32_t i = 0; i < n; i++)
		size += rec[i].base.n +
		    (rec[i].extra.n ? rec[i].extra.n + 1 : 0);
	return size;
}

static void
pack(const struct record *rec, uint32_t n, char *p)
{
	uint64_t max = 0;
	char *u64s = p + PAGE_HEAD, *u32s = u64s + (size_t)n * 8 * U64_COLUMNS;
	char *names = u32s + (size_t)n * 4 * U32_COLUMNS + ((size_t)n + 1) * 4;
	uint32_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct record *r = &rec[i];
		uint64_t col[U64_COLUMNS] = { r->modseq, r->keywords, r->size,
		    r->wire_size, (uint64_t)r->internal_date,
		    (uint64_t)r->save_date };

		for (unsigned c = 0; c < U64_COLUMNS; c++)
			memcpy(u64s + ((size_t)c * n + i) * 8, &col[c], 8);
		memcpy(u32s + (size_t)i * 4, &r->uid, 4);
		memcpy(u32s + ((size_t)n + i) * 4, &r->flags, 4);
		memcpy(u32s + ((size_t)n * 2 + i) * 4, &at, 4);
		memcpy(names + at, r->base.p, r->base.n);
		at += (uint32_t)r->base.n;
		if (r->extra.n > 0) {
			names[at++] = '\0';
			memcpy(names + at, r->extra.p, r->extra.n);
			at += (uint32_t)r->extra.n;
		}
		if (r->modseq > max)
			max = r->modseq;
	}
	memcpy(u32s + (size_t)n * 3 * 4, &at, 4);
	memcpy(p, &n, 4);
	memcpy(p + 4, &at, 4);
	memcpy(p + 8, &max, 8);
}

/*
 * Writes records as one page under its first UID. Packed aside first: their texts
 * may point into the very page that is replaced.
 */
static enum err
put_page(struct db_txn *t, uint32_t folder_id, const struct record *rec,
    uint32_t n)
{
	static char *scratch;
	static size_t scratch_size;
	struct key k = key_u32_u32(folder_id, rec[0].uid);
	size_t size = packed_size(rec, n);

	if (size > scratch_size) {
		free(scratch);
		scratch_size = size + 4096;
		if ((scratch = malloc(scratch_size)) == NULL)
			fatal("no memory");
	}
	pack(rec, n, scratch);
	return db_put(t, T_PAGES, key_span(&k), (struct span){ scratch, size });
}

enum err
page_iter_begin(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    struct page_iter *it)
{
	struct key k = key_u32_u32(folder_id, uid);
	struct span key, val;
	uint32_t f, first;
	enum err e;

	memset(it, 0, sizeof(*it));
	it->folder_id = folder_id;
	if ((e = db_cursor_open(t, T_PAGES, &it->c)) != ERR_OK)
		return e;
	e = db_seek_le(it->c, key_span(&k), &key, &val);
	if (e == ERR_OK && key_get_u32_u32(key, &f, &first) && f == folder_id) {
		it->started = true;
		e = page_read(val, &it->page);
	} else if (e == ERR_OK || e == ERR_NOTFOUND) {
		/* No page begins at or before uid: begin with the first one. */
		e = db_seek(it->c, key_span(&k), &key, &val);
		if (e == ERR_OK && key_get_u32_u32(key, &f, &first) &&
		    f == folder_id) {
			it->started = true;
			e = page_read(val, &it->page);
		} else if (e == ERR_OK || e == ERR_NOTFOUND) {
			db_cursor_close(&it->c);
			return ERR_OK;
		}
	}
	if (e != ERR_OK)
		db_cursor_close(&it->c);
	return e;
}

enum err
page_iter_next(struct page_iter *it)
{
	struct span key, val;
	uint32_t f, first;
	enum err e;

	if (it->c == NULL)
		return ERR_NOTFOUND;
	if (it->started) {
		it->started = false;
		if (it->page.max_modseq > it->above)
			return ERR_OK;
	}
	do {
		if ((e = db_next(it->c, &key, &val)) != ERR_OK)
			return e;
		if (!key_get_u32_u32(key, &f, &first) || f != it->folder_id)
			return ERR_NOTFOUND;
	} while (it->above > 0 && val.n >= PAGE_HEAD &&
	    load64(val.p + 8) <= it->above);
	return page_read(val, &it->page);
}

void
page_iter_end(struct page_iter *it)
{
	db_cursor_close(&it->c);
}

/* Index of uid in a page; n when it is not there. */
static uint32_t
page_find(const struct page *p, uint32_t uid)
{
	uint32_t lo = 0, hi = p->n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (page_uid(p, mid) < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && page_uid(p, lo) == uid ? lo : p->n;
}

enum err
index_get(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    struct record *out)
{
	struct page_iter it;
	uint32_t i;
	enum err e = page_iter_begin(t, folder_id, uid, &it);

	if (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK) {
		if ((i = page_find(&it.page, uid)) < it.page.n)
			page_record(&it.page, i, out);
		else
			e = ERR_NOTFOUND;
	}
	page_iter_end(&it);
	return e;
}

/* Adds (sign 1) or takes off (-1) one message's part in the folder's counts. */
static void
count(struct folder_rec *r, const struct record *rec, int sign)
{
	uint32_t one = (uint32_t)sign;

	r->messages += one;
	r->unseen += rec->flags & FLAG_SEEN ? 0 : one;
	r->deleted += rec->flags & FLAG_DELETED ? one : 0;
	r->size += (uint64_t)(int64_t)sign * rec->size;
	r->wire_size += (uint64_t)(int64_t)sign * rec->wire_size;
}

enum err
index_append(struct db_txn *t, struct folder_rec *r, const struct record *rec,
    size_t n)
{
	struct record page[PAGE_RECORDS];
	struct page_iter it;
	uint32_t have = 0;
	enum err e;

	if (n == 0)
		return ERR_OK;
	/* Fill up the last page first. */
	if ((e = page_iter_begin(t, r->id, UINT32_MAX, &it)) != ERR_OK)
		return e;
	if ((e = page_iter_next(&it)) == ERR_OK &&
	    it.page.n < PAGE_RECORDS) {
		for (have = 0; have < it.page.n; have++)
			page_record(&it.page, have, &page[have]);
		if (page[have - 1].uid >= rec[0].uid) {
			log_error("state: folder %u gives UID %u twice", r->id,
			    rec[0].uid);
			page_iter_end(&it);
			return ERR_CORRUPT;
		}
	}
	page_iter_end(&it);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	for (size_t i = 0; i < n; i++) {
		page[have++] = rec[i];
		count(r, &rec[i], 1);
		if (have == PAGE_RECORDS || i + 1 == n) {
			if ((e = put_page(t, r->id, page, have)) != ERR_OK)
				return e;
			have = 0;
		}
	}
	return ERR_OK;
}

/*
 * Runs fn over the wanted records of one page and writes it back if one changed.
 * *at: index into uids, moved past what this page can hold.
 */
static enum err
update_page(struct db_txn *t, struct folder_rec *r, const struct page *p,
    const uint32_t *uids, size_t n, size_t *at,
    enum index_verdict (*fn)(struct record *, void *), void *ctx)
{
	struct record rec[PAGE_RECORDS];
	uint32_t left = 0, first = page_uid(p, 0);
	bool changed = false;
	enum err e;

	for (uint32_t i = 0; i < p->n; i++) {
		struct record old;
		enum index_verdict v = INDEX_KEEP;

		page_record(p, i, &old);
		rec[left] = old;
		while (uids != NULL && *at < n && uids[*at] < old.uid)
			(*at)++;
		if (uids == NULL || (*at < n && uids[*at] == old.uid))
			v = fn(&rec[left], ctx);
		if (v != INDEX_KEEP) {
			changed = true;
			count(r, &old, -1);
			if (v == INDEX_CHANGED)
				count(r, &rec[left], 1);
		}
		if (v != INDEX_REMOVE)
			left++;
	}
	if (!changed)
		return ERR_OK;
	if (left == 0 || rec[0].uid != first) {
		struct key k = key_u32_u32(r->id, first);

		/* Put first: removing would free what the texts point to. */
		if (left > 0 && (e = put_page(t, r->id, rec, left)) != ERR_OK)
			return e;
		return db_del(t, T_PAGES, key_span(&k));
	}
	return put_page(t, r->id, rec, left);
}

enum err
index_update(struct db_txn *t, struct folder_rec *r, const uint32_t *uids,
    size_t n, enum index_verdict (*fn)(struct record *, void *), void *ctx)
{
	size_t at = 0;
	uint32_t next = uids == NULL ? 0 : n > 0 ? uids[0] : 0;
	enum err e = ERR_OK;

	if (uids != NULL && n == 0)
		return ERR_OK;
	/* A fresh iterator for each page: pages are written while we walk. */
	for (;;) {
		struct page_iter it;
		uint32_t last;

		if ((e = page_iter_begin(t, r->id, next, &it)) != ERR_OK)
			return e;
		e = page_iter_next(&it);
		/* The page at or before `next` may end before it. */
		while (e == ERR_OK && page_uid(&it.page, it.page.n - 1) < next)
			e = page_iter_next(&it);
		if (e != ERR_OK) {
			page_iter_end(&it);
			return e == ERR_NOTFOUND ? ERR_OK : e;
		}
		last = page_uid(&it.page, it.page.n - 1);
		e = update_page(t, r, &it.page, uids, n, &at, fn, ctx);
		page_iter_end(&it);
		if (e != ERR_OK)
			return e;
		if (uids != NULL) {
			while (at < n && uids[at] <= last)
				at++;
			if (at == n)
				return ERR_OK;
			next = uids[at];
		} else if (last == UINT32_MAX) {
			return ERR_OK;
		} else {
			next = last + 1;
		}
	}
}

enum err
ghost_put(struct db_txn *t, uint32_t folder_id, uint64_t modseq,
    const struct record *rec)
{
	struct key k = key_u32_u32(folder_id, rec->uid);
	struct ghost_when when = { modseq, clock_us() };
	char room[sizeof(when) + 128 + 2 * NAME_MAX_BYTES];
	size_t n = packed_size(rec, 1);

	if (n > sizeof(room) - sizeof(when))
		return ERR_LIMIT;
	memcpy(room, &when, sizeof(when));
	pack(rec, 1, room + sizeof(when));
	return db_put(t, T_GHOSTS, key_span(&k),
	    (struct span){ room, n + sizeof(when) });
}

enum err
ghost_get(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    struct ghost_when *when_out, struct record *out)
{
	struct key k = key_u32_u32(folder_id, uid);
	struct page p;
	struct span v;
	enum err e = db_get(t, T_GHOSTS, key_span(&k), &v);

	if (e != ERR_OK)
		return e;
	if (v.n < sizeof(*when_out))
		return ERR_CORRUPT;
	memcpy(when_out, v.p, sizeof(*when_out));
	v.p += sizeof(*when_out);
	v.n -= sizeof(*when_out);
	if ((e = page_read(v, &p)) != ERR_OK)
		return e;
	page_record(&p, 0, out);
	return ERR_OK;
}

/* T_CACHE: u64 size, wire_size, internal_date; 4 x u32 length + 1 (0: unknown); texts. */
enum { CACHE_HEAD = 24 + 16 };

enum err
cache_get(struct db_txn *t, uint32_t folder_id, uint32_t uid, struct facts *out)
{
	struct key k = key_u32_u32(folder_id, uid);
	struct span v;
	size_t at = CACHE_HEAD;
	enum err e = db_get(t, T_CACHE, key_span(&k), &v);

	memset(out, 0, sizeof(*out));
	if (e != ERR_OK)
		return e;
	if (v.n < CACHE_HEAD)
		goto corrupt;
	out->size = load64(v.p);
	out->wire_size = load64(v.p + 8);
	out->internal_date = (int64_t)load64(v.p + 16);
	for (int i = 0; i < 4; i++) {
		size_t n = load32(v.p + 24 + i * 4);

		if (n == 0)
			continue;
		if (n - 1 > v.n - at)
			goto corrupt;
		out->text[i] = (struct span){ v.p + at, n - 1 };
		at += n - 1;
	}
	return ERR_OK;
corrupt:
	log_error("state: cached facts of UID %u are damaged", uid);
	memset(out, 0, sizeof(*out));
	return ERR_CORRUPT;
}

enum err
cache_put(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    const struct facts *f)
{
	struct key k = key_u32_u32(folder_id, uid);
	size_t n = CACHE_HEAD;
	void *room;
	char *p;
	enum err e;

	for (int i = 0; i < 4; i++)
		n += f->text[i].n;
	if ((e = db_put_room(t, T_CACHE, key_span(&k), n, &room)) != ERR_OK)
		return e;
	p = room;
	memcpy(p, &f->size, 8);
	memcpy(p + 8, &f->wire_size, 8);
	memcpy(p + 16, &f->internal_date, 8);
	n = CACHE_HEAD;
	for (int i = 0; i < 4; i++) {
		uint32_t len = f->text[i].p ? (uint32_t)f->text[i].n + 1 : 0;

		memcpy(p + 24 + i * 4, &len, 4);
		if (f->text[i].n > 0)
			memcpy(p + n, f->text[i].p, f->text[i].n);
		n += f->text[i].n;
	}
	return ERR_OK;
}

static int
cmp_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void
index_sort_uids(uint32_t *uids, size_t n)
{
	if (n > 1)
		qsort(uids, n, sizeof(*uids), cmp_u32);
}
