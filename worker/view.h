/*
 * What this client has been told: message sequence number to UID. A sorted array
 * of UIDs; 4 bytes a message.
 */
#ifndef WORKER_VIEW_H
#define WORKER_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "worker/set.h"

struct view {
	uint32_t *uids;		/* ascending; uids[seq - 1] */
	size_t n, cap;
	uint32_t uidnext;	/* the client knows of all UIDs below */
	uint32_t recent_from;	/* \Recent from here on (claimed by us); UINT32_MAX none */
	uint64_t told;		/* changes and EXISTS up to this modseq were told */
	uint64_t expunged_told;	/* expunges likewise */
};

/* Takes uids over (malloc'ed). */
void view_set(struct view *v, uint32_t *uids, size_t n);
void view_clear(struct view *v);

/* Number of a UID, 0 when the client does not know it. O(log n). */
uint32_t view_seq(const struct view *v, uint32_t uid);

/* Adds a UID above all others. */
void view_add(struct view *v, uint32_t uid);

/* Removes by number. */
void view_remove(struct view *v, uint32_t seq);

/*
 * The UIDs a command names, ascending, in `a`: of a resolved or unresolved set of
 * numbers or UIDs. By number: ERR_SYNTAX when one is larger than n (unless the
 * mailbox is empty and "*" alone is asked for: nothing). By UID: what is not in the
 * view is skipped (RFC 9051 6.4.9).
 */
enum err view_resolve(const struct view *v, struct set *set, bool by_uid,
    struct arena *a, uint32_t **uids_out, size_t *n_out);

#endif
