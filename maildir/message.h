/* One message file, mapped: the text as stored and as CRLF. */
#ifndef MAILDIR_MESSAGE_H
#define MAILDIR_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/mime.h"

/*
 * Small files are read into a buffer, which is kept for the next message:
 * opening and closing a mapping costs more than copying. Larger ones are mapped
 * read-only and streamed, and pages that were passed are given back: memory
 * does not grow with the message. A file that shrinks while it is mapped must
 * not kill the process: the size is checked again before each window of 1 MiB
 * is sent (then message_send gives less than it was asked for); a page that is
 * touched all the same ends the process with a log line and EX_TEMPFAIL, which
 * is what a lost connection costs and nothing else (the handler only takes
 * faults in the mappings made here).
 */
struct message {
	int fd;			/* owned */
	struct span text;	/* the buffer or the mapping */
	bool has_crlf;		/* every line end is CRLF already (lf == 0) */
	bool sized;		/* whole.lf and has_crlf are known */
	struct range whole;
	struct part *root;	/* NULL until message_parts */
	struct arena arena;	/* of the parts */
	char *buffer;		/* of small files; reused */
	bool is_mapped;
	struct message *next;	/* among the mapped ones */

	/*
	 * Clients fetch large messages in pieces, a command for each: when the file
	 * that is opened is the one that was closed last, its parts and sizes are
	 * still known, and where the last piece began.
	 */
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	struct {
		uint64_t at;			/* of the range */
		uint64_t stored, wire;		/* offsets in it */
	} place;
};

/* Takes fd over, on errors too. Errors: ERR_IO; ERR_CORRUPT not a file. */
enum err message_open(int fd, struct message **out);
void message_close(struct message **m);

/* Gives back what waits for the next message: for idle sessions. */
void message_trim(void);

/* RFC822.SIZE: bytes with every line end as CRLF. One pass, then remembered. */
uint64_t message_wire_size(struct message *m);

/* The header block with its empty line; scans no further than it. */
struct span message_header(struct message *m);

/* The tree of parts; parsed once. */
const struct part *message_parts(struct message *m);

/*
 * Calls put(ctx, bytes, n) with the wire form (CRLF) of range r, from wire
 * offset `from`, at most `max` wire bytes; returns the number given. r->lf == 0
 * sends straight out of the mapping. put returns false to stop. NUL goes out as
 * 0x80, since IMAP strings cannot hold it (RFC 3501 9).
 */
uint64_t message_send(struct message *m, const struct range *r, uint64_t from,
    uint64_t max, bool (*put)(void *ctx, const char *p, size_t n), void *ctx);

/* Counts lf and lines of an arbitrary stored range. */
struct range message_range(struct message *m, uint64_t at, uint64_t n);

#endif
