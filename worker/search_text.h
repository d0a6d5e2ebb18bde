/*
 * Looks for text in headers and bodies as a reader sees them: content transfer
 * encodings, charsets and encoded words decoded, case folded.
 */
#ifndef WORKER_SEARCH_TEXT_H
#define WORKER_SEARCH_TEXT_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/span.h"

struct message;

/* Buffers that are used for one message after another. All zero is valid. */
struct search_text {
	struct buf raw, utf8, folded;
	struct arena arena;	/* of one part */
};
void search_text_clear(struct search_text *t);

/*
 * Needles are folded UTF-8 (fold_utf8). An empty one is found in any text that
 * is there.
 */

/* In a header value as it stands in the message. */
bool search_text_in_value(struct search_text *t, struct span value,
    struct span needle);

/* In any field of that name of a header block. */
bool search_text_in_field(struct search_text *t, struct span header,
    struct span name, struct span needle);

/* In a header block, field names included. */
bool search_text_in_header(struct search_text *t, struct span header,
    struct span needle);

/*
 * In the text and message parts of a message, with the headers of its parts,
 * but without its own. Memory is bounded whatever the size of a part.
 */
bool search_text_in_body(struct search_text *t, struct message *m,
    struct span needle);

/* ---- a cached ENVELOPE (RFC 3501 7.4.2) ---- */

enum envelope_field { ENV_DATE, ENV_SUBJECT, ENV_FROM, ENV_SENDER, ENV_REPLY_TO,
	ENV_TO, ENV_CC, ENV_BCC, ENV_IN_REPLY_TO, ENV_MESSAGE_ID };

/*
 * One field of an ENVELOPE's text, as written in the message (encoded words and
 * all); addresses as "name <mailbox@host>, ...". Lives in `out`, which is
 * reset. False: NIL, or not an envelope.
 */
bool search_text_envelope(struct span envelope, enum envelope_field field,
    struct buf *out);

#endif
