/* Growable byte string with an upper bound. */
#include "common/buf.h"
#include "common/log.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_CAP = 64 };

/* Makes room for n bytes in all, a terminating NUL among them. */
static void
grow(struct buf *b, size_t need)
{
	size_t cap = b->cap < LEAST_CAP ? LEAST_CAP : b->cap;
	char *p;

	if (need <= b->cap)
		return;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	if (!b->secret) {
		p = realloc(b->p, cap);
	} else if ((p = malloc(cap)) != NULL && b->p != NULL) {
		/* realloc would leave a copy behind. */
		memcpy(p, b->p, b->n);
		explicit_bzero(b->p, b->cap);
		free(b->p);
	}
	if (p == NULL)
		fatal("out of memory: %zu bytes", cap);
	b->p = p;
	b->cap = cap;
}

/* How many of n more bytes the bound leaves room for. */
static size_t
fitting(struct buf *b, size_t n)
{
	size_t max = b->max == 0 ? SIZE_MAX - 1 : b->max;
	size_t room = b->over || b->n >= max ? 0 : max - b->n;

	if (n > room) {
		b->over = true;
		return room;
	}
	return n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	n = fitting(b, n);
	if (n == 0)
		return;
	grow(b, b->n + n);
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_span(struct buf *b, struct span s)
{
	buf_add(b, s.p, s.n);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

void
buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t n, fit;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		panic("buf_addf: bad format \"%s\"", fmt);
	n = (size_t)len;
	if (n == 0)
		return;
	fit = fitting(b, n);
	if (fit == 0)
		return;
	/* The bound counts contents, not room: all of it is printed, and what
	 * is too much then cut off. */
	grow(b, b->n + n + 1);
	vsnprintf(b->p + b->n, n + 1, fmt, ap);
	b->n += fit;
}

void
buf_add_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	buf_add(b, digits + at, sizeof(digits) - at);
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (fitting(b, n) < n)
		return NULL;
	grow(b, b->n + n);
	return b->p + b->n;
}

struct span
buf_span(const struct buf *b)
{
	return (struct span){ b->p, b->n };
}

const char *
buf_cstr(struct buf *b)
{
	grow(b, b->n + 1);
	b->p[b->n] = '\0';
	return b->p;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n >= b->n) {
		b->n = 0;
		return;
	}
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void
buf_drop_cr(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] != '\r' || i + 1 == b->n || b->p[i + 1] != '\n')
			b->p[n++] = b->p[i];
	b->n = n;
}

void
buf_reset(struct buf *b)
{
	if (b->secret && b->p != NULL)
		explicit_bzero(b->p, b->cap);
	b->n = 0;
	b->over = false;
}

void
buf_clear(struct buf *b)
{
	if (b->secret && b->p != NULL)
		explicit_bzero(b->p, b->cap);
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
	b->over = false;
}
