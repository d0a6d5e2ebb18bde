/* LMDB, wrapped: the only file that includes lmdb.h. */
#ifndef COMMON_DB_H
#define COMMON_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct db;
struct db_txn;
struct db_cursor;

/*
 * Opens (and makes) the environment in directory `path` (relative to the working
 * directory), with `n` tables of these names, readable and writable by the
 * owner only. Never keep it across fork; never open and close its files by
 * other means in this process (fcntl locks would go).
 * Errors: ERR_CORRUPT not an environment of ours (logged); ERR_PERM; ERR_QUOTA;
 *         ERR_IO; ERR_LIMIT too many readers
 */
enum err db_open(const char *path, const char *const *tables, size_t n,
    size_t map_bytes, unsigned max_readers, struct db **db_out);
void db_close(struct db **db);

/*
 * Gives the open environment up: its files are unlinked, so that every process
 * that has it open notices at its next transaction (ERR_UNAVAIL), and the next
 * one to come makes it anew. Logged. For records that make no sense; what LMDB
 * itself finds damaged, and a fault (SIGSEGV, SIGBUS) within a transaction, end
 * here too.
 */
void db_condemn(const char *why);

/*
 * Lets go of the pages of the map that this process has touched: they stay in the
 * page cache and come back by a fault each. For sessions that wait.
 */
void db_release_pages(struct db *db);

/*
 * Flushes everything to disk (for a clean mark). Errors: ERR_IO.
 */
enum err db_sync(struct db *db);

/*
 * Begins a transaction. A write transaction waits for the environment's one
 * writer, is reported through common/crit.h, and first makes sure that the
 * environment was not deleted under us.
 * Errors: ERR_UNAVAIL the environment was deleted or condemned; ERR_IO; ERR_LIMIT
 */
enum err db_begin(struct db *db, bool write, struct db_txn **txn_out);

/*
 * Who reads in order to decide calls this first, when he has the lock that keeps others
 * from deciding. A process that is killed at the end of its commit leaves what it wrote
 * unseen by readers until somebody begins to write; then that is done here. Costs
 * nothing otherwise. Errors: as db_begin
 */
enum err db_catch_up(struct db *db);

/* Commits (write) or ends; always releases. Errors: ERR_QUOTA, ERR_IO. */
enum err db_commit(struct db_txn **txn);

/* Gives up; accepts NULL. Readers end so too, no slot is kept. */
void db_abort(struct db_txn **txn);

/*
 * One value. *val_out points into the map, good until the next write of this
 * transaction or its end. Errors: ERR_NOTFOUND, ERR_CORRUPT, ERR_IO.
 */
enum err db_get(struct db_txn *t, size_t table, struct span key,
    struct span *val_out);

/* Writes one value. Errors: ERR_IO (map or disk full, too). Key: 1-511 bytes. */
enum err db_put(struct db_txn *t, size_t table, struct span key,
    struct span val);

/* Like db_put, but returns room of n bytes in the map to fill at once. */
enum err db_put_room(struct db_txn *t, size_t table, struct span key, size_t n,
    void **room_out);

/* Removes one key; absent is OK. */
enum err db_del(struct db_txn *t, size_t table, struct span key);

/* How many keys a table has: read off, not counted. Errors: as db_get. */
enum err db_count(struct db_txn *t, size_t table, size_t *n_out);

/*
 * Cursors, in key order (memcmp). One fits in a stack frame's life: open, move,
 * close before the transaction ends. ERR_NOTFOUND past either end.
 */
enum err db_cursor_open(struct db_txn *t, size_t table, struct db_cursor **out);
void db_cursor_close(struct db_cursor **c);
/* The first key >= key. */
enum err db_seek(struct db_cursor *c, struct span key, struct span *key_out,
    struct span *val_out);
/* The last key <= key. */
enum err db_seek_le(struct db_cursor *c, struct span key, struct span *key_out,
    struct span *val_out);
enum err db_next(struct db_cursor *c, struct span *key_out,
    struct span *val_out);
enum err db_prev(struct db_cursor *c, struct span *key_out,
    struct span *val_out);
/* Removes what the cursor stands on; db_next then gives the one after it. */
enum err db_cursor_del(struct db_cursor *c);

#endif
