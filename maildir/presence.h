/* Sessions, references, cursors; sweeps what the dead left. Internal to maildir/. */
#ifndef MAILDIR_PRESENCE_H
#define MAILDIR_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/db.h"
#include "common/err.h"

struct account;

/* T_SESSIONS: this, then user and client, each with a NUL. */
struct session_rec {
	uint64_t pid, started_us;
	uint32_t folder_id;	/* selected, 0: none */
	uint32_t reserved;
};

/* T_REFS. */
struct ref_rec {
	uint64_t cursor;	/* expunges up to this modseq were told */
	uint32_t read_only, reserved;
};

/*
 * Makes this process a session if it is none yet: a record, and a file in
 * loft/sessions that is flocked while it lives (pids say nothing in a chroot).
 * Errors: ERR_IO, ERR_QUOTA, ERR_PERM.
 */
enum err presence_join(struct account *acc);

/* Within a write transaction: reference and cursor on a folder, or none (id 0). */
enum err presence_enter(struct db_txn *t, struct account *acc,
    uint32_t folder_id, uint64_t cursor, bool read_only);
enum err presence_leave(struct db_txn *t, struct account *acc,
    uint32_t folder_id);

/* Within a write transaction: our cursor on a folder that we have open moves on. */
enum err presence_told(struct db_txn *t, const struct account *acc,
    uint32_t folder_id, uint64_t cursor, bool read_only);

/*
 * Whether a session but `except` (0: any) has the folder open and its cursor, as
 * written, is below modseq (UINT64_MAX: whatever it is). Stops at the first, so that
 * asking is cheap while many are behind. True when in doubt.
 */
bool presence_is_behind(struct db_txn *t, uint32_t folder_id, uint64_t except,
    uint64_t modseq);

/* The smallest cursor on a folder, as written (UINT64_MAX: nobody has it open). */
enum err presence_min(struct db_txn *t, uint32_t folder_id, uint64_t *min_out);

/*
 * Removes the keys of sessions whose process is dead. At most once a second for all
 * sessions of the account, unless force.
 */
enum err presence_sweep(struct account *acc, bool force);

/* The session's record and file go. */
void presence_part(struct account *acc);

#endif
