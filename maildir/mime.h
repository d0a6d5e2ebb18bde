/*
 * Messages as byte ranges: headers (RFC 5322), MIME parts (RFC 2045, 2046),
 * encoded words (RFC 2047), parameters (RFC 2231). Nothing is copied: ranges are
 * offsets into the message as stored. Lines may end with LF or CRLF; what goes to
 * clients counts every line end as CRLF.
 */
#ifndef MAILDIR_MIME_H
#define MAILDIR_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Bounds; beyond them the rest of a message is shown plain, never refused. */
enum { MIME_DEPTH_MAX = 50, MIME_PARTS_MAX = 1000, MIME_HEADER_MAX = 1 << 20 };

/* A range of the stored text. `lf` counts bare LFs in it: wire size = n + lf. */
struct range {
	uint64_t at, n;
	uint64_t lf;		/* LFs not preceded by CR */
	uint64_t lines;		/* all line ends */
};

/* One MIME part; the message itself is the root. */
struct part {
	struct part *parent, *child, *next;	/* child: first; next: sibling */
	unsigned number;		/* 1.. among its siblings */
	struct range header;		/* up to and including the empty line */
	struct range body;
	struct span type, subtype;	/* as written ("TEXT"/"PLAIN" default) */
	bool is_multipart, is_message;	/* message/rfc822, message/global */
	/* message/rfc822: `child` is the enclosed message (a part like the root) */
};

/* ---- headers ---- */

struct header_iter {
	struct span rest;
};

struct header_field {
	struct span name;	/* without the colon */
	struct span value;	/* raw, folded, without the final line end */
	struct span whole;	/* with the final line end */
};

/* Walks the fields of a header block; ends at the empty line or the end. */
void header_init(struct header_iter *it, struct span header);
bool header_next(struct header_iter *it, struct header_field *out);

/* First field of that name (any case); false: none. */
bool header_find(struct span header, struct span name, struct header_field *out);

/* Appends a value without folding (CRLF + white space become the white space). */
void header_unfold(struct span value, struct buf *out);

/* ---- addresses (RFC 5322 3.4, obsolete forms, RFC 3501 groups) ---- */

struct address {
	struct address *next;
	struct span name, route, mailbox, host;	/* p == NULL is NIL */
	/* group start: mailbox = group name, host NIL; group end: all NIL */
};

/*
 * The addresses of a field's value, lenient as Dovecot is. NULL: none.
 * At most 10,000 addresses; what is malformed becomes something visible
 * (host "" or ".SYNTAX-ERROR.") rather than vanish.
 */
struct address *address_parse(struct span value, struct arena *a);

/* ---- encoded words, parameters ---- */

/* Appends an unstructured value as UTF-8 text (unfolded, RFC 2047 decoded). */
void rfc2047_decode(struct span value, struct buf *out);

struct param {
	struct param *next;
	struct span name, value;	/* value: unquoted, raw bytes */
};

/*
 * Content-Type or Content-Disposition: main value ("text", "/", "plain" or
 * "attachment") and parameters in order as written (RFC 2231 continuations are
 * joined and decoded to UTF-8 by param_find, not here).
 */
enum err content_parse(struct span value, struct arena *a, struct span *type_out,
    struct span *subtype_out, struct param **params_out);

/* A parameter by name, RFC 2231 decoded to UTF-8. p == NULL: none. */
struct span param_find(const struct param *p, const char *name, struct arena *a);

/* ---- the parts ---- */

/*
 * Takes a whole message apart. Errors: none that a message can cause.
 * root_out lives in `a`. One pass over the text (memchr for line ends).
 */
void mime_parse(struct span text, struct arena *a, struct part **root_out);

/*
 * The part of an IMAP section ("1.2.3"; n == 0: the message itself), with the
 * rules of RFC 3501 6.4.5: every message has part 1; numbers go through
 * message/rfc822. NULL: no such part.
 */
const struct part *mime_find(const struct part *root, const uint32_t *numbers,
    size_t n);

#endif
