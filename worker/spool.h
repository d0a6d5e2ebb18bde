/* A message on its way in, before anybody is found to take it. */
#ifndef WORKER_SPOOL_H
#define WORKER_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"
#include "worker/line_ends.h"

struct spool {
	int fd;			/* -1: nothing is there */
	uint64_t size_bytes, max_bytes;
	struct line_ends line_ends;
	/* What went wrong: the rest is swallowed. ERR_LIMIT: larger than max_bytes. */
	enum err failed;
};

/* An empty one, in memory. What cannot be had is in `failed`. */
void spool_open(struct spool *sp, uint64_t max_bytes);

/* Adds a piece as it came over the network; it is stored with LF. */
void spool_add(struct spool *sp, struct span piece);

/*
 * The message is complete. Nobody can change it any more, whoever gets the descriptor.
 * Errors: whatever went wrong so far; ERR_IO (logged).
 */
enum err spool_finish(struct spool *sp);

/* Gives it back. */
void spool_close(struct spool *sp);

#endif
