/* Base64 (RFC 4648 4) and quoted-printable (RFC 2045 6.7). */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Appends s as base64 on one line, padded. */
void base64_encode(struct span s, struct buf *out);

/*
 * Strict: only the alphabet and correct padding, nothing else. For SASL.
 * Errors: ERR_SYNTAX; what was decoded before stays in out.
 */
enum err base64_decode(struct span s, struct buf *out);

/* Lenient, for mail bodies: other bytes are skipped, ends at padding. */
void base64_decode_mail(struct span s, struct buf *out);

/*
 * Quoted-printable, lenient; `header` is the Q encoding of RFC 2047, where "_"
 * is a space.
 */
void qp_decode(struct span s, bool header, struct buf *out);

#endif
