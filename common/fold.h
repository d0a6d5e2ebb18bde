/* Case folding and substring search for SEARCH (utf8proc). */
#ifndef COMMON_FOLD_H
#define COMMON_FOLD_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"

/*
 * Makes the tables. Call once, in the pool, before workers are forked, so that
 * they share them; without a call the first use does it.
 */
void fold_init(void);

/*
 * Appends UTF-8 text folded for comparison: Unicode case folding after
 * decomposition (so that composed and decomposed forms are the same, RFC 5051's
 * intent); ASCII takes a fast path. Invalid bytes are kept as they are.
 */
void fold_utf8(struct span s, struct buf *out);

/* Whether folded needle occurs in folded hay. Empty needle: true. */
bool fold_contains(struct span hay, struct span needle);

#endif
