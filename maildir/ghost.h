/*
 * What some session may still name: expunged messages (tmp/loft-ghost.<uid>.<base>)
 * and deleted mailboxes (loft/deleted/<folder id>). Internal to maildir/.
 */
#ifndef MAILDIR_GHOST_H
#define MAILDIR_GHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"
#include "maildir/index.h"

struct account;
struct folder;

/*
 * "loft-ghost.<uid>.<base>", in tmp/; of a base too long for that its hash
 * ("loft-ghost.<uid>.h<16 hex>").
 */
void ghost_name(uint32_t uid, struct span base, char out[300]);

/* Whether a ghost is too old to be shown: as if it were not there. */
bool ghost_is_over(const struct folder *f, const struct ghost_when *when);

/* How long ghosts of a folder are kept, in microseconds. */
uint64_t ghost_max_age_us(const struct folder *f);

/*
 * Removes ghosts that every session of the folder was told of, or that are too old:
 * file first, then the record, so that a crash between leaves only a record. Then the
 * oldest of the account's, while all of them are larger than the account may have.
 * Errors are logged.
 */
void ghost_sweep(struct account *acc, uint32_t folder_id);

/* The oldest of the account's go, folder by folder, as many as are over its limit. */
void ghost_limit(struct account *acc);

/*
 * Their files are gone: the records go too. Needs the folder lock. left_out: how many
 * the folder has still.
 */
enum err ghost_forget(struct folder *f, const uint32_t *uids, size_t n,
    uint32_t *left_out);

/*
 * Brings file names of a folder's `dirty` messages up to date, a batch at a time.
 * True: there are more.
 */
bool ghost_late_renames(struct account *acc, uint32_t folder_id);

/* ghost_sweep and ghost_drop_folder for every folder that needs it. */
void ghost_sweep_all(struct account *acc);

/*
 * After processes died: finishes an interrupted RENAME, removes what they had in
 * tmp/ (files named after their pids) and half-made mailboxes, and gives deleted
 * mailboxes whose transaction is missing their mark. pids: of the dead sessions.
 */
void ghost_recover(struct account *acc, const uint64_t *pids, size_t n);

/* A deleted folder nobody has open any more: files, then records. */
void ghost_drop_folder(struct account *acc, uint32_t folder_id);

#endif
