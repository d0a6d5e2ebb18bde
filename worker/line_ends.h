/* CRLF to LF, the way Maildirs store messages, piece by piece. */
#ifndef WORKER_LINE_ENDS_H
#define WORKER_LINE_ENDS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/span.h"

struct deliver;

/* All zero at the beginning of a message. */
struct line_ends {
	bool held;	/* a CR that may belong to a CRLF */
	bool after_cr;	/* the byte written last was a CR */
};

/*
 * Takes bytes off the front of *piece and writes what is to be stored to out, at most
 * cap (2 or more) bytes; returns how many. After another CR a CRLF stays as it is, so
 * that what is fetched is what came.
 */
size_t line_ends_convert(struct line_ends *le, struct span *piece, char *out,
    size_t cap);

/* The message is over: whether it ends in a CR, which is to be written then. */
bool line_ends_finish(struct line_ends *le);

/*
 * The same into a message that is being written: a piece of it, and its end. Errors: as
 * deliver_write
 */
enum err line_ends_deliver(struct line_ends *le, struct span piece,
    struct deliver *d);
enum err line_ends_end(struct line_ends *le, struct deliver *d);

#endif
