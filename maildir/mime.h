/*
 * Messages as byte ranges: headers (RFC 5322), MIME parts (RFC 2045, 2046),
 * encoded words (RFC 2047), parameters (RFC 2231). Nothing is copied: ranges
 * are offsets into the message as stored. Lines may end with LF or CRLF; what
 * goes to clients counts every line end as CRLF.
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

/*
 * Bounds; beyond them the rest of a message is shown plain, never refused:
 * levels of parts and parts in all (the message itself counts), as in Dovecot,
 * so that section numbers agree; bytes of a header block that are looked at.
 */
enum {
	MIME_DEPTH_MAX = 100,
	MIME_PARTS_MAX = 10000,
	MIME_HEADER_MAX = 1 << 20,
};

/* A range of the stored text. `lf` counts bare LFs: wire size = n + lf. */
struct range {
	uint64_t at, n;
	uint64_t lf;		/* LFs not preceded by CR */
	uint64_t lines;		/* all line ends */
};

/* One MIME part; the message itself is the root. */
struct part {
	struct part *parent, *child, *next;	/* first child, sibling */
	unsigned number;		/* 1.. among its siblings */
	struct range header;		/* up to and including the empty line */
	struct range body;
	struct span type, subtype;	/* as written; text/plain default */
	bool is_multipart;		/* has a child always, maybe empty */
	/* message/rfc822 (not global: RFC 9755 6): `child` is its message */
	bool is_message;
};

/* ---- headers ---- */

struct header_iter {
	struct span rest;
};

struct header_field {
	struct span name;	/* without the colon; p == NULL: has none */
	struct span value;	/* raw, folded, without the final line end */
	struct span whole;	/* with the final line end */
};

/* Walks the fields of a header block; ends at the empty line or the end. */
void header_init(struct header_iter *it, struct span header);
bool header_next(struct header_iter *it, struct header_field *out);

/* First field of that name (any case); false: none. */
bool header_find(struct span header, struct span name,
    struct header_field *out);

/* Appends a value without folding (CRLF + blank become the blank). */
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
 * (MISSING_MAILBOX, MISSING_DOMAIN, INVALID_ROUTE, as in Dovecot) rather than
 * vanish, and what follows it is still read.
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
 * joined and decoded to UTF-8 by param_find, not here). A main value without a
 * slash leaves *subtype_out empty with p == NULL. At most 1,000 parameters out
 * of the first 64 KiB.
 * Errors: ERR_SYNTAX no main value: RFC 2045 5.2 says text/plain then.
 */
enum err content_parse(struct span value, struct arena *a,
    struct span *type_out, struct span *subtype_out, struct param **params_out);

/* A parameter by name, RFC 2231 decoded to UTF-8. p == NULL: none. */
struct span param_find(const struct param *p, const char *name,
    struct arena *a);

/*
 * The list as BODYSTRUCTURE shows it (RFC 2231 6): continuations joined into
 * one parameter, still in its charset and percent encoding where it had any
 * ("name*"). Plain ones first, in order; then the others by name.
 */
const struct param *param_join(const struct param *p, struct arena *a);

/* ---- the parts ---- */

/*
 * Takes a whole message apart. Errors: none that a message can cause.
 * root_out lives in `a` and does not point into the text, which is read in one
 * pass.
 */
void mime_parse(struct span text, struct arena *a, struct part **root_out);

/*
 * The same for long texts: calls passed(ctx, n) every few megabytes, when what
 * lies before offset n is not needed for a while.
 */
void mime_parse_paced(struct span text, struct arena *a, struct part **root_out,
    void (*passed)(void *ctx, size_t n), void *ctx);

/*
 * Adds a stored text to r: n, lines, and lf with `before` the byte in front of
 * it (0: none).
 */
void mime_count(struct range *r, const char *p, size_t n, char before);

/* Where the body of a message begins: behind the empty line, or its end. */
size_t mime_header_end(struct span text);

/*
 * The part of an IMAP section ("1.2.3"; n == 0: the message itself), with the
 * rules of RFC 3501 6.4.5: every message has part 1; numbers go through
 * message/rfc822. NULL: no such part.
 */
const struct part *mime_find(const struct part *root, const uint32_t *numbers,
    size_t n);

#endif
