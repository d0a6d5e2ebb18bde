/* The pool's sums of what its workers counted (common/metrics.h). */
#ifndef WORKER_TALLY_H
#define WORKER_TALLY_H

#include "common/metrics.h"

/* A worker ended: what it counted is added for good. */
void tally_add(struct metrics_sum *sum, struct metrics_slot *slot);

/* A copy of sums, to which those of the living are added. Fatal without memory. */
struct metrics_sum *tally_new(const struct metrics_sum *sum);
void tally_add_live(struct metrics_sum *sum, struct metrics_slot *slot);

/* Tells the master (METRICS) and frees it. */
void tally_send(struct metrics_sum **sum);

#endif
