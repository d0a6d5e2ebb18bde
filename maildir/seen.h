/*
 * \Seen of one user in a mailbox of somebody else, where it is not shared with all who
 * read it (multiaccess_seen, Dovecot's INDEXPVT): a file of bits in the user's own
 * account, beside his subscriptions, which no other user has:
 *
 *   loft-seen/<guid>.<uidvalidity>
 *     0  "LoftSeen 1\n", NULs to 16
 *    16  u64, little-endian: counts changes
 *   512  a bit for each UID from 0 on, the lowest of a byte first
 *
 * UIDs are never used again, so that nothing is taken out at EXPUNGE. Who changes bits
 * holds an flock, writes them, then the count: who dies between leaves other sessions
 * of the user to see the bits after the next change.
 */
#ifndef MAILDIR_SEEN_H
#define MAILDIR_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"

struct account;
struct folder;
struct seen;

/*
 * Opens the file of an open folder in the user's account, made when first written to.
 * Errors: ERR_CANNOT the mailbox has no GUID yet; ERR_CORRUPT it is no such file
 * (logged); ERR_IO, ERR_PERM
 */
enum err seen_open(const struct account *own, const struct folder *f,
    struct seen **out);

/* Gives it back. Accepts NULL in *s. */
void seen_close(struct seen **s);

/* A message's flags as this user has them: s NULL: as they are. */
uint32_t seen_flags(struct seen *s, uint32_t uid, uint32_t flags);

/*
 * Sets or clears the bits of messages, ascending; synced when sync.
 * Errors: ERR_QUOTA, ERR_IO, ERR_BUSY (logged): some may be set
 */
enum err seen_set(struct seen *s, const uint32_t *uids, size_t n, bool on,
    bool sync);

/*
 * UIDs whose bits another session of the user changed since they were looked at, in
 * `a`, ascending. One small read when nothing changed.
 */
enum err seen_look(struct seen *s, struct arena *a, uint32_t **uids_out,
    size_t *n_out);

#endif
