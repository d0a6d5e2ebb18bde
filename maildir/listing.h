/* The file names of a folder, taken apart and findable by base name. */
#ifndef MAILDIR_LISTING_H
#define MAILDIR_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

struct listed {
	const char *file;	/* as in the directory */
	struct span base, extra;
	uint32_t flags;
	uint64_t keywords;
	uint64_t size, wire_size;	/* of S= and W=, 0: not there */
	bool in_new;
	bool from_new;		/* was in new/ when listed */
	bool odd;		/* its flags are not written as we write them */
	bool known;		/* scan: there is a record for it */
	bool skip;		/* scan: not to be added now */
	uint32_t uid;		/* scan: to be given */
};

struct listing {
	struct listed *file;
	size_t n, cap;
	uint32_t *slot;		/* hash table: index + 1 */
	size_t slots;
	struct arena arena;	/* names */
};

/*
 * Adds the messages of a directory (opened anew beneath dir_fd, read once). A base
 * name seen before is taken as the same message in flight; the later one wins.
 * Errors: ERR_IO, ERR_PERM (logged).
 */
enum err listing_add(struct listing *l, int dir_fd, bool in_new);

/* By base name; NULL: not there. */
struct listed *listing_find(const struct listing *l, struct span base);

/* Gives all memory back. */
void listing_clear(struct listing *l);

#endif
