/* CREATE, DELETE and RENAME one at a time. Internal to maildir/. */
#ifndef MAILDIR_MAILBOX_NAMES_H
#define MAILDIR_MAILBOX_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/db.h"
#include "common/err.h"
#include "common/span.h"

struct account;

/*
 * The lock on mailbox names of an account (flock on loft/names), under which the
 * tree changes. Whoever takes it finishes a RENAME that a dead process left.
 * Errors: ERR_BUSY, ERR_IO.
 */
enum err names_lock(struct account *acc);
void names_unlock(struct account *acc);

/* Under that lock: does what a dead process had begun. */
enum err rename_finish(struct account *acc);

/* Within a write transaction: a folder's record and its name become another's. */
enum err rename_record(struct db_txn *t, struct arena *a, uint32_t id,
    struct span from, struct span to);

/* Finishes a RENAME that a dead process left; one look when there is none. */
enum err names_settle(struct account *acc);

#endif
