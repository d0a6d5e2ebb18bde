/* CREATE, DELETE and RENAME one at a time. Internal to maildir/. */
#ifndef MAILDIR_MAILBOX_NAMES_H
#define MAILDIR_MAILBOX_NAMES_H

#include "common/err.h"

struct account;

/*
 * The lock on mailbox names of an account (flock on loft/names), under which the
 * tree changes. Whoever takes it finishes a RENAME that a dead process left.
 * Errors: ERR_BUSY, ERR_IO.
 */
enum err names_lock(struct account *acc);
void names_unlock(struct account *acc);

/* Finishes a RENAME that a dead process left; one look when there is none. */
enum err names_settle(struct account *acc);

#endif
