/*
 * Per-message facts: packed pages in T_PAGES, learned facts in T_CACHE. Internal to
 * maildir/; the worker reads through folder.h.
 */
#ifndef MAILDIR_INDEX_H
#define MAILDIR_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/db.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/state.h"

enum { PAGE_RECORDS = 64 };

/* Bits of record.flags beyond FLAG_*: */
enum { RECORD_NEW = 1 << 16 };	/* the file is in new/ still */

struct record {
	uint32_t uid;
	uint32_t flags;		/* FLAG_* and RECORD_NEW */
	uint64_t modseq, keywords;
	uint64_t size, wire_size;	/* 0: not known */
	int64_t internal_date, save_date; /* 0: not known */
	struct span base;	/* file name without ":2,..." */
	struct span extra;	/* unknown letters, ",rest" (flags.h) */
};

/*
 * A packed page as it lies in the map. Columns, so that a walk over flags touches
 * nothing else:
 *   u32 n, u32 names; u64 max_modseq;
 *   n x u64 modseq, keywords, size, wire_size, internal_date, save_date;
 *   n x u32 uid, flags; (n + 1) x u32 name offset; names bytes
 *   (base, or base NUL extra).
 */
struct page {
	uint32_t n;
	uint64_t max_modseq;
	const char *u64s, *u32s, *names;
};
uint32_t page_uid(const struct page *p, uint32_t i);
uint32_t page_flags(const struct page *p, uint32_t i);
uint64_t page_modseq(const struct page *p, uint32_t i);
uint64_t page_keywords(const struct page *p, uint32_t i);
void page_record(const struct page *p, uint32_t i, struct record *out);

/* Checks a value and makes it readable. ERR_CORRUPT (logged). */
enum err page_read(struct span value, struct page *out);

/* Walks a folder's pages from the one that may hold `uid`. */
struct page_iter {
	struct db_cursor *c;
	uint32_t folder_id;
	struct page page;
	uint64_t above;		/* only pages with a modseq above this are shown */
	bool started;
};
enum err page_iter_begin(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    struct page_iter *it);
/* The next page in it->page. ERR_NOTFOUND past the last one. */
enum err page_iter_next(struct page_iter *it);
void page_iter_end(struct page_iter *it);

/* One message. ERR_NOTFOUND. Spans point into the map. */
enum err index_get(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    struct record *out);

/*
 * Adds records with UIDs above all others, in order; counts them in *r (messages,
 * unseen, deleted, sizes). Texts are copied.
 */
enum err index_append(struct db_txn *t, struct folder_rec *r,
    const struct record *rec, size_t n);

enum index_verdict { INDEX_KEEP, INDEX_CHANGED, INDEX_REMOVE };

/*
 * Goes over the messages of `uids` (ascending; NULL: all) and lets fn change flags,
 * keywords, modseq, base, extra, or take them out; every page is written at most
 * once; *r's counts follow.
 */
enum err index_update(struct db_txn *t, struct folder_rec *r,
    const uint32_t *uids, size_t n,
    enum index_verdict (*fn)(struct record *rec, void *ctx), void *ctx);

/* When a message became a ghost. The modseq may be ahead of the clock. */
struct ghost_when {
	uint64_t modseq, us;
};

/*
 * One record as a value for T_GHOSTS: expunge modseq, the time now, then a page of
 * one.
 */
enum err ghost_put(struct db_txn *t, uint32_t folder_id, uint64_t modseq,
    const struct record *rec);
enum err ghost_get(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    struct ghost_when *when_out, struct record *out);

/* Learned facts. */
struct facts {
	uint64_t size, wire_size;
	int64_t internal_date;
	struct span text[4];	/* envelope, body, bodystructure, headers; p NULL: unknown */
};
enum err cache_get(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    struct facts *out);
enum err cache_put(struct db_txn *t, uint32_t folder_id, uint32_t uid,
    const struct facts *f);

/* Ascending, as the functions here want them. uids may be NULL when n is 0. */
void index_sort_uids(uint32_t *uids, size_t n);

#endif
