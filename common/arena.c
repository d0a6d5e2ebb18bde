/* Memory in chunks that grow: a session that does nothing holds 4 KiB. */
#include "common/arena.h"
#include "common/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;		/* of data */
	size_t used;
	_Alignas(max_align_t) unsigned char data[];
};

enum {
	ALIGN = _Alignof(max_align_t),
	/* With malloc's own word these fill whole pages. */
	SMALL_SIZE = 4096 - sizeof(struct arena_chunk) - 16,
	LARGE_SIZE = 1 << 20,
};

static struct arena_chunk *
new_chunk(struct arena *a, size_t n)
{
	size_t size = SMALL_SIZE;
	struct arena_chunk *c;

	if (a->head != NULL) {
		size = a->head->size * 2;
		if (size > LARGE_SIZE)
			size = LARGE_SIZE;
	}
	if (size < n)
		size = n;
	if (size > SIZE_MAX - sizeof(*c) ||
	    (c = malloc(sizeof(*c) + size)) == NULL)
		fatal("out of memory: %zu bytes", size);
	c->size = size;
	c->used = 0;
	c->next = a->head;
	a->head = c;
	return c;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->head;
	void *p;

	if (n > SIZE_MAX - ALIGN)
		fatal("out of memory: %zu bytes", n);
	/* Every call has its own address, n == 0 too. */
	n = n == 0 ? ALIGN : (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (c == NULL || c->size - c->used < n)
		c = new_chunk(a, n);
	p = c->data + c->used;
	c->used += n;
	a->used_bytes += n;
	return memset(p, 0, n);
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		fatal("out of memory: %zu times %zu bytes", count, size);
	return arena_alloc(a, n);
}

void *
arena_dup(struct arena *a, const void *p, size_t n)
{
	void *copy = arena_alloc(a, n);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

struct span
arena_span(struct arena *a, struct span s)
{
	return (struct span){ arena_dup(a, s.p, s.n), s.n };
}

char *
arena_cstr(struct arena *a, struct span s)
{
	char *copy;

	if (s.n == SIZE_MAX)
		fatal("out of memory: %zu bytes", s.n);
	copy = arena_alloc(a, s.n + 1);
	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	return copy;
}

static size_t
__attribute__((format(printf, 1, 0)))
printed_length(const char *fmt, va_list ap)
{
	int n = vsnprintf(NULL, 0, fmt, ap);

	if (n < 0)
		panic("arena_printf: bad format \"%s\"", fmt);
	return (size_t)n;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	char *p;

	va_start(ap, fmt);
	n = printed_length(fmt, ap);
	va_end(ap);
	p = arena_alloc(a, n + 1);
	va_start(ap, fmt);
	vsnprintf(p, n + 1, fmt, ap);
	va_end(ap);
	return p;
}

/* Frees all chunks but `keep`. */
static void
free_chunks(struct arena *a, struct arena_chunk *keep)
{
	struct arena_chunk *next;

	for (struct arena_chunk *c = a->head; c != NULL; c = next) {
		next = c->next;
		if (c != keep)
			free(c);
	}
	if (keep != NULL) {
		keep->next = NULL;
		keep->used = 0;
	}
	a->head = keep;
	a->used_bytes = 0;
}

void
arena_clear(struct arena *a)
{
	struct arena_chunk *keep = NULL;

	for (struct arena_chunk *c = a->head; c != NULL; c = c->next)
		if (c->size <= SMALL_SIZE)
			keep = c;
	free_chunks(a, keep);
}

void
arena_free(struct arena *a)
{
	free_chunks(a, NULL);
}
