/* Any charset to UTF-8: the only file that includes iconv.h. */
#ifndef COMMON_CHARSET_H
#define COMMON_CHARSET_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * Loads what a chroot would lose: single-byte charsets become 256-entry tables
 * (their iconv modules are closed again), about a dozen multi-byte ones stay
 * open. Call once, in the pool, before workers are forked.
 */
void charset_init(void);

/* Whether text in this charset can be converted. Name in any case. */
bool charset_is_known(struct span name);

/*
 * Appends s as UTF-8; what cannot be converted becomes U+FFFD, never an error.
 * An unknown charset is taken as UTF-8 where it is valid, else as windows-1252;
 * US-ASCII too, since that is what mail without a declaration claims to be.
 */
void charset_to_utf8(struct span charset, struct span s, struct buf *out);

/* All names known, one per call (i from 0), NULL past the end. For BADCHARSET. */
const char *charset_name(size_t i);

#endif
