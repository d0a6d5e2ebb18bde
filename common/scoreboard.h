/*
 * What each worker of a pool is doing, in memory that pool and worker share. A
 * slot is a page of its own and a worker unmaps all others, so that it can lie
 * about itself only.
 */
#ifndef COMMON_SCOREBOARD_H
#define COMMON_SCOREBOARD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/crit.h"
#include "common/metrics.h"

enum worker_state {
	WORKER_FREE,		/* no process */
	WORKER_IDLE,		/* waits for a connection */
	WORKER_LOGIN,
	WORKER_SESSION,
	WORKER_ASIDE,		/* serves no client: sweeps, or answers loftctl */
};

struct scoreboard_slot {
	_Atomic uint32_t state;	/* enum worker_state */
	_Atomic uint32_t user_hash;
	_Atomic uint64_t since_ms;	/* clock_mono_ms of the last change of state */
	_Atomic uint64_t command_ms;	/* of the end of the last command, 0: none yet */
	struct crit_slot crit;
	struct metrics_slot metrics;
};

struct scoreboard;

/* n slots, all FREE. Out of memory is fatal. */
struct scoreboard *scoreboard_new(size_t n);

/* Slot i; good for the life of the process, or until scoreboard_keep_only. */
struct scoreboard_slot *scoreboard_slot(struct scoreboard *b, size_t i);

/* In a worker: unmaps every slot but its own. */
void scoreboard_keep_only(struct scoreboard *b, size_t i);

/* In a worker: a change of state. Accepts NULL. */
void scoreboard_set(struct scoreboard_slot *slot, enum worker_state state);

#endif
