/*
 * What some session may still name: expunged messages (tmp/loft-ghost.<uid>.<base>)
 * and deleted mailboxes (loft/deleted/<folder id>). Internal to maildir/.
 */
#ifndef MAILDIR_GHOST_H
#define MAILDIR_GHOST_H

#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct account;
struct folder;

/* "loft-ghost.<uid>.<base>", in tmp/. */
void ghost_name(uint32_t uid, struct span base, char out[300]);

/*
 * Removes ghosts that every session of the folder was told of: file first, then
 * the record, so that a crash between leaves only a record. Errors are logged.
 */
void ghost_sweep(struct account *acc, uint32_t folder_id);

/* Brings the file names of a folder's `dirty` messages up to date. */
void ghost_late_renames(struct account *acc, uint32_t folder_id);

/* A deleted folder nobody has open any more: files, then records. */
void ghost_drop_folder(struct account *acc, uint32_t folder_id);

#endif
