/* The message behind DATA: its end, and dots that were doubled (RFC 5321 4.5.2). */
#ifndef WORKER_LMTP_DOTS_H
#define WORKER_LMTP_DOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

/* All zero at the beginning of a message. */
struct lmtp_dots {
	enum {
		DOTS_LINE,	/* at the beginning of a line */
		DOTS_TEXT,
		DOTS_CR,	/* after CR */
		DOTS_DOT,	/* after a dot that begins the line */
		DOTS_DOT_CR,	/* and a CR */
		DOTS_END,	/* the line with nothing but a dot has come */
	} state;
};

/*
 * Takes bytes off the front of *piece, up to the end of the message, and writes the
 * message's own to out, at most cap (2 or more); returns how many. Only CRLF ends a
 * line: whatever else looks like the end to others is text (no smuggled mail).
 */
size_t lmtp_dots_take(struct lmtp_dots *d, struct span *piece, char *out,
    size_t cap);

#endif
