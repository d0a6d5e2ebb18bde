/* Sequence and UID sets (RFC 9051 9: sequence-set). */
#ifndef WORKER_SET_H
#define WORKER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct set_range {
	uint32_t first, last;	/* first <= last; UINT32_MAX stands for "*" until resolved */
};

/* Ranges sorted, disjoint, not adjacent once normalised. */
struct set {
	struct set_range *range;
	size_t n;
	bool has_star;
};

/*
 * Reads "1:3,5,*" (the whole span). Up to a million ranges. Errors: ERR_SYNTAX
 * (0, empty, junk), ERR_LIMIT.
 */
enum err set_parse(struct span s, struct arena *a, struct set *out);

/* Puts `largest` in place of "*" (in "9:*" with largest 5: 5:9), sorts, merges. */
void set_resolve(struct set *s, uint32_t largest);

/* Whether n is in the resolved set. O(log ranges). */
bool set_has(const struct set *s, uint32_t n);

/* Ascending numbers as a set, "1:3,5". */
void set_write(const uint32_t *numbers, size_t n, struct buf *out);

#endif
