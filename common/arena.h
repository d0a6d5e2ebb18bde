/* Memory that lives as long as its name says: freed all at once. */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stddef.h>

#include "common/span.h"

struct arena_chunk;

/* All zero is a valid empty arena. */
struct arena {
	struct arena_chunk *head;
	size_t used_bytes;	/* handed out since the last clear */
};

/* n bytes, zeroed, aligned for any type; never NULL (no memory is fatal). */
void *arena_alloc(struct arena *a, size_t n);

/* Like calloc: count * size with overflow checked (fatal). */
void *arena_array(struct arena *a, size_t count, size_t size);

/* Copies of bytes, of a span, and a span as a NUL-terminated string. */
void *arena_dup(struct arena *a, const void *p, size_t n);
struct span arena_span(struct arena *a, struct span s);
char *arena_cstr(struct arena *a, struct span s);

/* printf into the arena. */
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), nonnull(2)));

/*
 * Forgets everything; keeps one small chunk so that a session that runs small
 * commands calls malloc never again, and gives larger ones back.
 */
void arena_clear(struct arena *a);

/* Forgets everything and gives all memory back. */
void arena_free(struct arena *a);

#endif
