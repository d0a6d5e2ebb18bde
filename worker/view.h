/*
 * What this client has been told: message sequence number to UID. A sorted
 * array of UIDs; 4 bytes a message.
 */
#ifndef WORKER_VIEW_H
#define WORKER_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "worker/set.h"

struct cursor;

/* UIDs [from, to) that are \Recent to this session: claimed by it. */
struct recent_range {
	uint32_t from, to;
};

struct view {
	uint32_t *uids;		/* ascending; uids[seq - 1] */
	size_t n, cap;
	uint32_t uidnext;	/* the client knows of all UIDs below */
	struct recent_range *recent;	/* ascending */
	size_t n_recent;
	uint64_t told;		/* changes and EXISTS up to this modseq */
	uint64_t expunged_told;	/* expunges likewise */
	bool flags_untold;	/* FLAGS, PERMANENTFLAGS to be sent again */
	/*
	 * The running command is one that expunges: it is told so at once,
	 * whatever is pipelined behind it (RFC 3501 5.5: in the order given).
	 */
	bool expunges_now;
};

/* Takes uids over (malloc'ed). */
void view_set(struct view *v, uint32_t *uids, size_t n);
void view_clear(struct view *v);

/* Number of a UID, 0 when the client does not know it. O(log n). */
uint32_t view_seq(const struct view *v, uint32_t uid);

/* Index of the first UID that is not below `uid`; n when all are. */
size_t view_lower(const struct view *v, uint32_t uid);

/* UIDs [from, to), above all others, are \Recent to this session. */
void view_add_recent(struct view *v, uint32_t from, uint32_t to);

/* Whether a message is, and how many are. */
bool view_is_recent(const struct view *v, uint32_t uid);
uint32_t view_count_recent(const struct view *v);

/* Adds a UID above all others. */
void view_add(struct view *v, uint32_t uid);

/* Removes by number. */
void view_remove(struct view *v, uint32_t seq);

/*
 * Removes UIDs (ascending; those the client does not know are skipped) in one
 * pass. For each one that was there, `removed` gets the number to put in an
 * EXPUNGE response: as it is after the ones before it went. Returns how many;
 * `removed` has room for n.
 */
size_t view_remove_uids(struct view *v, const uint32_t *uids, size_t n,
    uint32_t *removed);

/*
 * The UIDs a command names, ascending, in `a`: of a resolved or unresolved set
 * of numbers or UIDs. By number: ERR_SYNTAX when one is larger than n (unless
 * the mailbox is empty and the set has a "*", as in 1:*, which clients send
 * without looking: nothing). By UID: what is not in the view is skipped (RFC
 * 9051 6.4.9).
 */
enum err view_resolve(const struct view *v, struct set *set, bool by_uid,
    struct arena *a, uint32_t **uids_out, size_t *n_out);

/*
 * Resolves "*" in a set of numbers or UIDs. ERR_SYNTAX as for view_resolve; in
 * an empty mailbox the set becomes empty.
 */
enum err view_resolve_set(const struct view *v, struct set *set, bool by_uid);

/*
 * Reads a set and resolves it, in the command's arena: what FETCH, STORE, COPY
 * and MOVE begin with. Errors: ERR_SYNTAX, ERR_LIMIT, with the cursor's
 * problem.
 */
enum err view_read(const struct view *v, struct cursor *in, bool by_uid,
    uint32_t **uids_out, size_t *n_out);

#endif
