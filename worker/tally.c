/* Adding up what workers counted, and telling the master. */
#include "worker/tally.h"

#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "worker/commands.h"

#include <stdlib.h>

static const char *
name_of(size_t row)
{
	const struct command *c = command_at(row);

	return c == NULL ? NULL : c->name;
}

void
tally_add_live(struct metrics_sum *sum, struct metrics_slot *slot)
{
	metrics_add_slot(sum, slot, name_of);
}

/* A session that is over waits for nothing. */
void
tally_add(struct metrics_sum *sum, struct metrics_slot *slot)
{
	atomic_store(&slot->event[EVENT_UNTOLD], 0);
	metrics_add_slot(sum, slot, name_of);
}

struct metrics_sum *
tally_new(const struct metrics_sum *sum)
{
	struct metrics_sum *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		fatal("no memory for metrics");
	*copy = *sum;
	return copy;
}

void
tally_send(struct metrics_sum **sum)
{
	struct ipc_none none = { 0 };

	if (ipc_send(FD_CONTROL, MSG_METRICS, &none,
	    (struct span){ (const char *)(*sum)->at,
	    (*sum)->n * sizeof((*sum)->at[0]) }, NULL, 0) != ERR_OK)
		log_debug("nobody to tell what was counted");
	free(*sum);
	*sum = NULL;
}
