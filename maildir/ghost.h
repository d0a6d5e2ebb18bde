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

struct account;
struct folder;

/*
 * "loft-ghost.<uid>.<base>", in tmp/; of a base too long for that its hash
 * ("loft-ghost.<uid>.h<16 hex>").
 */
void ghost_name(uint32_t uid, struct span base, char out[300]);

/*
 * Removes ghosts that every session of the folder was told of: file first, then
 * the record, so that a crash between leaves only a record. Errors are logged.
 */
void ghost_sweep(struct account *acc, uint32_t folder_id);

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
