/* Where names went that were renamed away (for NEWNAME, RFC 2060). Internal. */
#ifndef MAILDIR_RENAMED_H
#define MAILDIR_RENAMED_H

#include <stdint.h>

#include "common/db.h"
#include "common/err.h"
#include "common/span.h"

struct account;

/* Limits of what is remembered. */
enum { RENAMED_KEPT = 1000, RENAMED_DAYS = 30 };

/*
 * Within a write transaction: `from` is called `to` now. id: the folder, whose later
 * names count too, or 0.
 */
enum err renamed_put(struct db_txn *t, uint32_t id, struct span from,
    struct span to);

/* Forgets what is older than RENAMED_DAYS, and the oldest beyond RENAMED_KEPT. */
enum err renamed_prune(struct db_txn *t);

/* A name is used again: what was once renamed away from it is history. */
enum err renamed_forget(struct account *acc, struct span name);

#endif
