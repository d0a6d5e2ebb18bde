/* FETCH items: read into a small program, written one by one. */
#ifndef WORKER_FETCH_ITEM_H
#define WORKER_FETCH_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "maildir/folder.h"
#include "worker/body.h"

struct cursor;
struct message;
struct session;

/* Where an item's data comes from; without any: the index. */
enum fetch_need {
	NEED_STAT = 1,		/* INTERNALDATE */
	NEED_SIZE = 2,
	NEED_ENVELOPE = 4,	/* these: the cache, or the file once */
	NEED_STRUCTURE = 8,
	NEED_HEADER = 16,	/* the header block alone */
	NEED_FILE = 32,
	NEED_WHOLE = 64,	/* all of it: its size can be checked */
	SETS_SEEN = 128,
};

struct fetch_item;
struct fetch_write;

struct fetch_row {
	const char *name;
	void (*write)(struct fetch_write *w, const struct fetch_item *item);
	unsigned needs;
	const char *nil;
	const char *source;
};

struct fetch_item {
	const struct fetch_row *row;
	struct body_section section;	/* of BODY[...] and RFC822... */
};

struct fetch_program {
	struct fetch_item *item;
	size_t n;
	unsigned needs;		/* of all items */
	bool has_flags;
};

/*
 * Reads "ALL", "FAST", "FULL", one item or a list of them, in the cursor's
 * arena. by_uid: UID is the first item whether asked for or not (RFC 3501
 * 6.4.8). At most 1,000 items; one that is there already is skipped but for
 * BODY[...]. Errors: ERR_SYNTAX, ERR_LIMIT.
 */
enum err fetch_parse(struct cursor *in, bool by_uid,
    struct fetch_program *out);

/* The text of flags, remembered: most messages of a mailbox share a few. */
struct flag_memo {
	struct {
		uint64_t keywords;
		uint32_t flags, at, n;
		bool recent, used;
	} slot[64];
	struct buf text;
};

/* What the items are written with. */
struct fetch_write {
	struct session *s;
	struct buf out;			/* goes to the connection in blocks */
	struct flag_memo memo;
	const struct message_info *info; /* complete for what is needed */
	struct message *file;		/* NULL: not needed */
};

/* Writes "* seq FETCH (item item ...)"; with_flags adds FLAGS at the end. */
void fetch_write_message(struct fetch_write *w, const struct fetch_program *p,
    uint32_t seq, bool with_flags);

/* The same with the values for an expunged message (RFC 2180 4.1.3). */
void fetch_write_nil(struct fetch_write *w, const struct fetch_program *p,
    uint32_t seq, uint32_t uid);

/* Hands what is in `out` to the connection. */
void fetch_write_flush(struct fetch_write *w);

/* Gives all memory back. */
void fetch_write_clear(struct fetch_write *w);

#endif
