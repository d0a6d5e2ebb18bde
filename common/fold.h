/* Case folding and substring search for SEARCH (utf8proc). */
#ifndef COMMON_FOLD_H
#define COMMON_FOLD_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"

/*
 * Appends UTF-8 text folded for comparison: Unicode case folding after
 * decomposition (so that composed and decomposed forms are the same, RFC 5051's
 * intent); ASCII takes a fast path. Invalid bytes are kept as they are.
 */
void fold_utf8(struct span s, struct buf *out);

/* Whether folded needle occurs in folded hay. Empty needle: true. */
bool fold_contains(struct span hay, struct span needle);

#endif
