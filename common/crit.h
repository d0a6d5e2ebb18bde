/*
 * Says in shared memory who holds what others may wait for, so that the pool
 * can kill a process that was stopped inside (DESIGN law 5).
 */
#ifndef COMMON_CRIT_H
#define COMMON_CRIT_H

#include <stdatomic.h>
#include <stdint.h>

enum crit_kind { CRIT_NONE, CRIT_TXN, CRIT_LOCK };

/*
 * One per process, in the pool's scoreboard. since_ms: clock_mono_ms() at the
 * outermost crit_enter, 0 outside. txn_since_ms: the same of the outermost TXN alone,
 * because who waited for the writer's lock must not be taken for one who held it.
 */
struct crit_slot {
	_Atomic uint64_t since_ms;
	_Atomic uint64_t txn_since_ms;
	_Atomic uint32_t kind;
};

/* Where this process reports; without a call it reports nowhere. */
void crit_set_slot(struct crit_slot *slot);

/* May nest; the outermost pair counts, the strictest kind wins (TXN). */
void crit_enter(enum crit_kind kind);
void crit_leave(enum crit_kind kind);

#endif
