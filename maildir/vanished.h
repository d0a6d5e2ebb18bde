/*
 * What was expunged: a record for each change, from which sessions that were not told
 * yet hear of it, and who comes back later with a mod-sequence (RFC 7162).
 */
#ifndef MAILDIR_VANISHED_H
#define MAILDIR_VANISHED_H

#include <stddef.h>
#include <stdint.h>

#include "common/db.h"
#include "common/err.h"
#include "maildir/state.h"

enum {
	/* Records of an account from which on the oldest of a folder go. */
	VANISHED_MAX = 10000,
	/* So many at once: who is behind is looked for once for all of them. */
	VANISHED_TRIM = 100,
};

/*
 * Writes the record of an expunge (uids ascending). Old ones go that every session of
 * the folder was told of; r->vanished_since then is the last that went: nothing is
 * known any more of what vanished up to it. The caller puts r. Errors: as db_put
 */
enum err vanished_put(struct db_txn *t, struct folder_rec *r, uint64_t modseq,
    const uint32_t *uids, size_t n);

#endif
