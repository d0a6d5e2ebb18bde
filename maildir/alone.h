/*
 * Folders that others may enter: each is an account of its own, whose root is the
 * folder's directory and whose state lies in there (DESIGN 3), so that who is handed
 * the folder is handed nothing else. Inside it the folder keeps its storage name.
 */
#ifndef MAILDIR_ALONE_H
#define MAILDIR_ALONE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct account;

/*
 * Whether a mailbox of acc is one: where rights are kept, any but the INBOX that has
 * the file dovecot-acl. One look at the disk.
 */
bool alone_is(const struct account *acc, struct span name);

/* Whether it was ever opened as one. */
bool alone_has_state(const struct account *acc, struct span name);

/*
 * Its account, opened once. It belongs to acc and is closed with it, or by a later
 * call that needs room, while no folder of it is open.
 * Errors: ERR_NOTFOUND; as account_open
 */
enum err alone_get(struct account *acc, struct span name,
    struct account **out);

/*
 * The same for a folder of somebody else, which we were handed. key: whose.
 * alone_find gives one that was added (ERR_NOTFOUND: none, or it is not there by that
 * name any more); alone_add takes the descriptors over (-1: none).
 */
enum err alone_find(struct account *acc, struct span key, struct span name,
    struct account **out);
enum err alone_add(struct account *acc, struct span key, struct span name,
    int fd[3], struct account **out);

/*
 * A mailbox that is being created (`built`: its directory so far, below the root; its
 * lock is held) gets the list of rights of the one above it, as with Dovecot, or of the
 * root of an account that is nobody's. It has a UIDVALIDITY of the account's then,
 * whoever enters it first. Errors: as fs_replace, uidvalidity_next, uidlist_write.
 */
enum err alone_inherit(struct account *acc, struct span name,
    const char *built);

/*
 * Closes those that nobody uses and that are too many, or whose folder is gone: who
 * waits for the last one to leave it waits for us, too.
 */
void alone_trim(struct account *acc);

/* Whether a deleted mailbox (loft/deleted/<id>) is open in a process as such. */
bool alone_is_entered(const struct account *acc, uint32_t id);

/* What lies beside it in CONTROL and INDEX is renamed as its directory was. */
void alone_move_beside(const struct account *acc, const char *from,
    const char *to);

#endif
