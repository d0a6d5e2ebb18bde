/* Reports in the scoreboard that this process holds what others wait for. */
#include "common/crit.h"

#include "common/clock.h"
#include "common/log.h"

#include <stdbool.h>
#include <stddef.h>

static struct crit_slot *slot;
static unsigned held[CRIT_LOCK + 1];

/* The strictest kind held now. */
static enum crit_kind
current(void)
{
	if (held[CRIT_TXN] > 0)
		return CRIT_TXN;
	return held[CRIT_LOCK] > 0 ? CRIT_LOCK : CRIT_NONE;
}

void
crit_set_slot(struct crit_slot *new_slot)
{
	slot = new_slot;
}

void
crit_enter(enum crit_kind kind)
{
	bool outermost = current() == CRIT_NONE;
	uint64_t now;

	held[kind]++;
	if (slot == NULL)
		return;
	now = clock_mono_ms();
	if (now == 0)
		now = 1;
	if (kind == CRIT_TXN && held[CRIT_TXN] == 1)
		atomic_store(&slot->txn_since_ms, now);
	atomic_store(&slot->kind, (uint32_t)current());
	if (outermost)
		atomic_store(&slot->since_ms, now);
}

void
crit_leave(enum crit_kind kind)
{
	if (held[kind] == 0)
		panic("crit_leave without crit_enter, kind %d", (int)kind);
	held[kind]--;
	if (slot == NULL)
		return;
	if (held[CRIT_TXN] == 0)
		atomic_store(&slot->txn_since_ms, 0);
	if (current() == CRIT_NONE)
		atomic_store(&slot->since_ms, 0);
	atomic_store(&slot->kind, (uint32_t)current());
}
