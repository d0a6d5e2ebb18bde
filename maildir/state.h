/*
 * The state environment's tables and record formats. Internal to maildir/.
 *
 * All of it can be rebuilt from the Maildir; numbers are in the host's byte order
 * (an environment never leaves its host alive) but for keys, which are big-endian
 * so that LMDB's order is theirs.
 */
#ifndef MAILDIR_STATE_H
#define MAILDIR_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/db.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/flags.h"

struct account;

enum state_table {
	T_META,		/* text -> number: "version", "next-folder", "next-session",
			 * "swept", "usage-bytes", "usage-messages", those of
			 * quota.c; "rename" -> intent */
	T_FOLDERS,	/* folder id -> struct folder_rec */
	T_NAMES,	/* storage name -> folder id */
	T_PAGES,	/* folder id, first UID -> up to 64 messages (index.c) */
	T_CACHE,	/* folder id, UID -> facts learned from the message (index.c) */
	T_VANISHED,	/* folder id, modseq -> UIDs expunged by that change */
	T_GHOSTS,	/* folder id, UID -> expunge modseq and time, a page with
			 * that message */
	T_DIRTY,	/* folder id, UID -> flags and keywords that the file name has */
	T_SESSIONS,	/* session id -> struct session_rec, user, client */
	T_REFS,		/* folder id, session id -> struct ref_rec */
	T_RENAMES,	/* old storage name -> folder id, time, new storage name (renamed.c) */
	T_COUNT
};
extern const char *const state_tables[T_COUNT];
enum { STATE_VERSION = 4 };

/* Key buffers: a struct, so that no caller forgets the size. */
struct key {
	unsigned char b[16];
	size_t n;
};
struct key key_u32(uint32_t a);
struct key key_u32_u32(uint32_t a, uint32_t b);
struct key key_u32_u64(uint32_t a, uint64_t b);
struct key key_u64(uint64_t a);
struct span key_span(const struct key *k);
/* The numbers back out of a key of that shape; false: another shape. */
bool key_get_u32(struct span k, uint32_t *a);
bool key_get_u32_u32(struct span k, uint32_t *a, uint32_t *b);
bool key_get_u32_u64(struct span k, uint32_t *a, uint64_t *b);
bool key_get_u64(struct span k, uint64_t *a);

enum folder_rec_flags {
	REC_DELETED = 1,	/* gone from the tree, kept for who has it open */
	REC_IMPORTING = 2,	/* the first import did not finish */
	/*
	 * With REC_DELETED: who has it open goes on, and until the last one
	 * left, T_NAMES leads here: the name is reserved (RFC 2180 3.2).
	 */
	REC_KEPT = 4,
	/* With REC_DELETED, in an account of one folder: the directory went, too. */
	REC_TAKEN = 8,
};

struct folder_rec {
	/* stored as it is, in this order */
	uint32_t id, uidvalidity;
	uint32_t uidnext;		/* next to be given */
	uint32_t synced_uidnext;	/* UIDs below are on disk: clients may hear of them */
	uint32_t first_recent;		/* not yet seen by any read-write session */
	uint32_t messages, unseen, deleted, n_ghosts, n_dirty;
	uint32_t flags, dead_lines;
	uint64_t modseq, vanished_since, size, wire_size;
	uint64_t modseq_floor;		/* what the uidlist header promises */
	uint64_t dir_dev, dir_ino;
	uint64_t uidlist_ino, uidlist_size;
	int64_t uidlist_mtime;		/* of the last state we read or wrote (ns) */
	int64_t cur_mtime, new_mtime;	/* verified by a scan (ns), 0: never; negative: too young */
	int64_t cur_own;		/* cur/ after our own renames (ns), else 0 */
	int64_t keywords_mtime;
	uint64_t scanned_us, unsynced_us;
	uint64_t oldest_ghost;		/* modseq; with n_ghosts > 0 none is older */
	uint32_t keywords_gen;		/* grows with every new keyword */
	uint32_t n_new;			/* messages left in new/ (by read-only sessions) */
	char guid[40];
	/* after it, with lengths */
	struct span name;		/* storage name */
	struct keywords keywords;
};

/* Reads a folder's record; its texts live in `a`. ERR_NOTFOUND, ERR_CORRUPT. */
enum err rec_get(struct db_txn *t, uint32_t id, struct arena *a,
    struct folder_rec *out);
/* Writes it; the usage of all follows. */
enum err rec_put(struct db_txn *t, const struct folder_rec *r);

/* What counts against a quota: ghosts and what is deleted do not. */
struct usage {
	uint64_t bytes, messages;
};

/* Of one mailbox. */
struct usage rec_usage(const struct folder_rec *r);

/* Of all mailboxes together: a sum that is kept with their records. */
struct usage state_usage(struct db_txn *t);

/*
 * For holders of the folder lock, first thing in a write transaction: takes over
 * into *r what others may write without that lock (name, keywords, first_recent,
 * synced_uidnext, the deleted mark), so that rec_put loses nothing of theirs.
 */
enum err rec_refresh(struct db_txn *t, struct arena *a, struct folder_rec *r);

/* The folder id of a name. ERR_NOTFOUND. */
enum err names_get(struct db_txn *t, struct span name, uint32_t *id_out);
/* The only name there is (alone.h), whatever it is. Errors: as names_get. */
enum err names_first(struct db_txn *t, uint32_t *id_out);
enum err names_put(struct db_txn *t, struct span name, uint32_t id);

/* Numbers in T_META; 0 when absent. */
uint64_t meta_get(struct db_txn *t, const char *name);
enum err meta_put(struct db_txn *t, const char *name, uint64_t value);

/* The next mod-sequence of a folder: the clock in microseconds, always growing. */
uint64_t rec_next_modseq(const struct folder_rec *r);

/* Removes everything a folder has in the tables, up to n entries; false: more. */
enum err state_drop_folder(struct db_txn *t, uint32_t id, size_t n,
    bool *done_out);

#endif
