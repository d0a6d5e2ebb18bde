/* Growable byte string with an upper bound. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

#include "common/span.h"

/* All zero is a valid empty buffer without a bound. */
struct buf {
	char *p;	/* NULL while nothing was added */
	size_t n;	/* bytes in use */
	size_t cap;	/* bytes allocated */
	size_t max;	/* bound on n; 0 is none */
	bool over;	/* something did not fit: contents are cut */
	bool secret;	/* wiped before memory is given back */
};

/* Append. Past the bound nothing more is added and `over` is set. */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_add_span(struct buf *b, struct span s);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_addv(struct buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Decimal, without printf: for the paths that write many numbers. */
void buf_add_u64(struct buf *b, uint64_t v);

/* Room for n more bytes; returns where to write. NULL when over the bound. */
char *buf_reserve(struct buf *b, size_t n);

/* Contents; good until the next change. */
struct span buf_span(const struct buf *b);

/* Contents as a NUL-terminated string (the NUL is not counted). */
const char *buf_cstr(struct buf *b);

/* Drops the first n bytes, the rest moves to the front. */
void buf_drop(struct buf *b, size_t n);

/* Every CRLF becomes LF, for text files that went through other systems. */
void buf_drop_cr(struct buf *b);

/* n = 0, over = false; memory is kept. */
void buf_reset(struct buf *b);

/* Gives the memory back; the buffer is empty and usable again. */
void buf_clear(struct buf *b);

#endif
