/* What workers count, and sums of it. */
#include "common/metrics.h"

#include <stdbool.h>
#include <string.h>

const uint32_t metrics_bound_us[METRICS_BOUNDS] = {
	100, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000, 10000000,
};

static struct metrics_slot *mine;

void
metrics_set_slot(struct metrics_slot *slot)
{
	mine = slot;
}

/* Nobody else writes here: no need for a locked addition. */
static void
add32(_Atomic uint32_t *p, uint32_t n)
{
	atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) +
	    n, memory_order_relaxed);
}

void
metrics_command(size_t row, uint64_t us, enum metrics_reply reply)
{
	struct metrics_command *c;
	size_t i = 0;

	if (mine == NULL || row >= METRICS_COMMANDS)
		return;
	c = &mine->command[row];
	while (i < METRICS_BOUNDS && us > metrics_bound_us[i])
		i++;
	add32(&c->bucket[i], 1);
	add32(&c->reply[reply], 1);
	atomic_store_explicit(&c->sum_us, atomic_load_explicit(&c->sum_us,
	    memory_order_relaxed) + us, memory_order_relaxed);
}

void
metrics_count(enum metrics_event event, uint32_t n)
{
	if (mine != NULL)
		add32(&mine->event[event], n);
}

void
metrics_set_untold(uint32_t n)
{
	if (mine != NULL)
		atomic_store_explicit(&mine->event[EVENT_UNTOLD], n,
		    memory_order_relaxed);
}

struct metrics_record *
metrics_find(struct metrics_sum *sum, const char *name)
{
	struct metrics_record *r;

	for (size_t i = 0; i < sum->n; i++)
		if (strncmp(sum->at[i].name, name,
		    sizeof(sum->at[i].name)) == 0)
			return &sum->at[i];
	if (sum->n == METRICS_RECORDS ||
	    strlen(name) >= sizeof(sum->at[0].name))
		return NULL;
	r = &sum->at[sum->n++];
	*r = (struct metrics_record){ 0 };
	memcpy(r->name, name, strlen(name));
	return r;
}

static void
add_command(struct metrics_sum *sum, struct metrics_command *c,
    const char *name)
{
	uint64_t v[METRICS_VALUES], any = 0;
	struct metrics_record *r;
	size_t n = 0;

	for (size_t i = 0; i <= METRICS_BOUNDS; i++)
		any |= v[n++] = atomic_load(&c->bucket[i]);
	for (size_t i = 0; i < REPLY_COUNT; i++)
		v[n++] = atomic_load(&c->reply[i]);
	v[n] = atomic_load(&c->sum_us);
	if (any == 0 || (r = metrics_find(sum, name)) == NULL)
		return;
	for (size_t i = 0; i < METRICS_VALUES; i++)
		r->value[i] += v[i];
}

void
metrics_add_slot(struct metrics_sum *sum, struct metrics_slot *slot,
    const char *(*name_of)(size_t row))
{
	struct metrics_record *events = metrics_find(sum, METRICS_EVENTS);
	const char *name;

	for (size_t i = 0; i < METRICS_COMMANDS; i++)
		if ((name = name_of(i)) != NULL)
			add_command(sum, &slot->command[i], name);
	for (size_t i = 0; i < EVENT_COUNT && events != NULL; i++)
		events->value[i] += atomic_load(&slot->event[i]);
}

void
metrics_add(struct metrics_sum *sum, const struct metrics_sum *more)
{
	for (size_t i = 0; i < more->n; i++) {
		struct metrics_record *r = metrics_find(sum, more->at[i].name);

		for (size_t k = 0; k < METRICS_VALUES && r != NULL; k++)
			r->value[k] += more->at[i].value[k];
	}
}
