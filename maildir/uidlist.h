/*
 * dovecot-uidlist: the durable file with UIDVALIDITY, next UID, and UID to base
 * name. Version 3 is read and written, version 1 (and Courier's
 * courierimapuiddb) read.
 */
#ifndef MAILDIR_UIDLIST_H
#define MAILDIR_UIDLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct uidlist_entry {
	uint32_t uid;
	struct span base;	/* file name without ":2,..." */
	struct span keys;	/* "S123 W130 G..." as found, kept as they are */
	uint64_t size, vsize;	/* S and W keys, 0 when absent */
};

/* What the file says. Spans point into `text`. */
struct uidlist {
	uint32_t uidvalidity;
	uint32_t next_uid;	/* max(N, last uid + 1) */
	char guid[33];		/* G, lower-case hex; "" when absent */
	uint64_t modseq_floor;	/* our header field, 0 when absent */
	struct span other;	/* header fields we do not know, kept */
	struct buf other_text;	/* what `other` points into */
	struct uidlist_entry *entry;	/* UIDs ascending, names unique */
	size_t n;
	size_t dead;		/* lines that a later line made void */
	struct buf text;
	/* identity of the file that was read; inode 0: there was none */
	uint64_t inode, size;
	int64_t mtime_ns;
	uint64_t whole;		/* its bytes up to the last complete line */
	unsigned version;	/* 1: imported, the next write makes it 3 */
};

/*
 * Reads `dovecot-uidlist` in dir_fd, or, when there is none, imports Courier's
 * `courierimapuiddb`. No lock is needed: the file only grows or is replaced; an
 * unfinished last line is left out. Damaged lines are skipped and logged once
 * with the count; a damaged header is ERR_CORRUPT.
 * Errors: ERR_NOTFOUND no such file; ERR_CORRUPT (logged); ERR_LIMIT larger
 * than 1 GiB; ERR_IO; ERR_PERM.
 */
enum err uidlist_read(int dir_fd, struct uidlist *out);

/*
 * Parses text of such a file: the pure part, for tests and the fuzzer. The text
 * must outlive *out. Errors: ERR_CORRUPT (logged).
 */
enum err uidlist_parse(struct span text, struct uidlist *out);

/* Gives all memory back. */
void uidlist_clear(struct uidlist *l);

/*
 * True when the file is still the one that was read (inode, size, mtime), or
 * still absent after an import.
 */
bool uidlist_is_current(int dir_fd, const struct uidlist *l);

/*
 * Appends lines to the file in one write, then fdatasync when `sync`; a list
 * that was imported (version 1) is written whole instead. Needs: the dotlock;
 * *l is what the file says (read under the lock) and is updated (its identity,
 * next_uid, entries are NOT added). UIDs of `e` ascend from l->next_uid on.
 * Errors: ERR_QUOTA, ERR_PERM, ERR_IO (also when the file is not the one that
 * was read); ERR_CANNOT a name that no line can hold; after an error the file
 * ends where it did.
 */
enum err uidlist_append(int dir_fd, struct uidlist *l,
    const struct uidlist_entry *e, size_t n, bool sync);

/*
 * Writes a whole new file (temp, fsync, rename; mtime newer than the old one's)
 * from header values and entries. Needs: the dotlock. A missing guid is made.
 * *header is updated (guid, next_uid, identity, version; its entries are not).
 * Errors: ERR_QUOTA, ERR_PERM, ERR_IO; ERR_CANNOT as above.
 */
enum err uidlist_write(int dir_fd, struct uidlist *header,
    const struct uidlist_entry *e, size_t n, bool sync);

/* dovecot-uidlist.lock. Errors as dotlock_take. */
enum err uidlist_lock(int dir_fd);
void uidlist_unlock(int dir_fd);

/*
 * The next UIDVALIDITY of the account: dovecot-uidvalidity and the empty file
 * dovecot-uidvalidity.<8 hex>, which is renamed to value + 1 (the rename is
 * what decides between two). Made from the clock when absent; always greater
 * than `above`.
 * Errors: ERR_IO, ERR_PERM, ERR_QUOTA.
 */
enum err uidvalidity_next(int control_fd, uint32_t above, uint32_t *value_out);

#endif
