/*
 * Collects one whole command: lines and literals, within limits. Sends the "+ "
 * for synchronising literals. Leaves the literal of a message (see
 * input_command) in the stream.
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
	bool unfinished;	/* the command's last line end was not read yet */
};

/*
 * Reads the next command into s->input; the spans point into its text and are
 * good until the next call. The line end is left out; a literal stands in `rest`
 * as "{n}" CRLF and its n bytes (a "+" in the marker is kept, a bare LF after it
 * becomes CRLF).
 *
 * A command whose row has CF_MESSAGE: its first argument (the mailbox) may be a
 * literal and is collected like any other; the first marker after it ends `rest`
 * and is itself left out ("INBOX (\Seen) "), has_literal and friends say what it
 * was, and its bytes wait in the stream.
 *
 * Too long a line or literal: the rest of the command is skipped, ERR_LIMIT (a
 * synchronising literal is not asked for). Beyond all reason, the session ends
 * with BYE: ERR_IO. Waits by the connection's read timeout; sends buffered output
 * before it waits.
 *
 * tag_out: empty when there is none to answer to. Errors: ERR_IO closed, timed
 * out; ERR_SYNTAX no tag, no command, or a NUL; ERR_LIMIT.
 */
enum err input_command(struct session *s, struct span *tag_out,
    struct span *name_out, struct span *rest_out);

/*
 * The message literal: accepts it ("+ OK" if synchronising) and gives its bytes
 * piece by piece; *out is empty at its end and good until the next read.
 * Errors: ERR_IO.
 */
enum err input_literal_begin(struct session *s);
enum err input_literal_read(struct session *s, struct span *out);
/* Throws the rest away (a non-synchronising one), or refuses it (nothing was sent). */
void input_literal_skip(struct session *s);

/*
 * After a message literal was read or thrown away: the next piece of the command,
 * up to its end or to the next message literal (has_literal again; the marker is
 * left out). The piece lives in s->command. At the end of the command
 * `unfinished` is false. Errors: ERR_IO, ERR_LIMIT, ERR_SYNTAX (NUL).
 */
enum err input_continue(struct session *s, struct span *line_out);

/*
 * Reads and forgets whatever of the running command is still in the stream.
 * dispatch calls it after each handler: a handler may return at any point.
 */
void input_finish(struct session *s);

/*
 * One line without tag: for SASL responses and IDLE's DONE. Its line end is left
 * out. Errors: ERR_IO; ERR_LIMIT longer than max (the line was skipped).
 */
enum err input_line(struct session *s, size_t max, struct buf *out);

/*
 * Whether a further command that uses sequence numbers is buffered already:
 * EXPUNGE must wait for it (DESIGN law 4). Never waits.
 */
bool input_has_pipelined_numbers(struct session *s);

/* Gives the text's memory back: while the session is idle, and at its end. */
void input_clear(struct input *in);

#endif
