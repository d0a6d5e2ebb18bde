/* The table of commands: rows found by name. */
#include "worker/commands.h"

#include "common/metrics.h"

static const struct command rows[] = {
#define CMD(name, handler, states, after, flags, capability, source) \
	{ name, handler, states, after, flags, capability, source },
#include "worker/commands.def"
#undef CMD
};

_Static_assert(sizeof(rows) / sizeof(*rows) <= METRICS_COMMANDS,
    "a row of the scoreboard for each command");

const struct command *
command_find(struct span name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_ieq(name, span_of(rows[i].name)))
			return &rows[i];
	return NULL;
}

const struct command *
command_at(size_t i)
{
	return i < sizeof(rows) / sizeof(*rows) ? &rows[i] : NULL;
}

size_t
command_number(const struct command *row)
{
	return (size_t)(row - rows);
}
