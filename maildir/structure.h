/* ENVELOPE, BODY and BODYSTRUCTURE as ready response text. */
#ifndef MAILDIR_STRUCTURE_H
#define MAILDIR_STRUCTURE_H

#include "common/buf.h"
#include "common/span.h"
#include "maildir/mime.h"

/*
 * The texts behind "ENVELOPE ", "BODY " and "BODYSTRUCTURE " (RFC 3501 7.4.2),
 * strings quoted where they can be, literals where they must (8-bit, quotes are
 * escaped; NUL, which CHAR8 excludes, becomes U+FFFD). They are cached in
 * the state and compared byte for byte with what Dovecot answers.
 */
void structure_envelope(struct span header, struct arena *a, struct buf *out);
void structure_body(struct span text, const struct part *root, bool extended,
    struct arena *a, struct buf *out);

/* A string as IMAP nstring: NIL (p == NULL), "quoted" or {n}CRLF literal. */
void structure_nstring(struct span s, struct buf *out);

#endif
