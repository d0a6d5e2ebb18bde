/*
 * Collects one whole command: lines and literals, within limits. Sends the "+ "
 * for synchronising literals. Leaves the literal of a message (the last one of
 * APPEND and REPLACE) in the stream.
 */
#ifndef WORKER_INPUT_H
#define WORKER_INPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct session;

struct input {
	struct buf text;	/* the command so far */
	/* a message literal that waits in the stream */
	bool has_literal, literal_sync, literal_binary;
	uint64_t literal_size, literal_left;
};

/*
 * Reads the next command into s->input. Too long a line or literal: the rest is
 * skipped (within reason), ERR_LIMIT. tag_out points into the text, empty when
 * there is none. Errors: ERR_IO closed; ERR_SYNTAX no tag or no command, NUL;
 * ERR_LIMIT
 */
enum err input_command(struct session *s, struct span *tag_out,
    struct span *name_out, struct span *rest_out);

/*
 * For APPEND: the line ends with a message literal "{n}" or "{n+}" (or "~{n}").
 * Accepts it ("+ OK" if synchronising) and gives its bytes piece by piece; *out is
 * empty at its end. Errors: ERR_IO.
 */
enum err input_literal_begin(struct session *s);
enum err input_literal_read(struct session *s, struct span *out);
/* Throws the rest away (a non-synchronising one), or refuses it (nothing was sent). */
void input_literal_skip(struct session *s);

/*
 * After a message literal: reads the rest of the line (up to the next literal), adds
 * it to the text and returns it. Errors: ERR_IO, ERR_LIMIT.
 */
enum err input_continue(struct session *s, struct span *line_out);

/* One line without tag: for SASL responses and IDLE's DONE. At most max bytes. */
enum err input_line(struct session *s, size_t max, struct buf *out);

/*
 * Whether a whole further command that uses sequence numbers is buffered already:
 * EXPUNGE must wait for it (DESIGN law 4).
 */
bool input_has_pipelined_numbers(struct session *s);

#endif
