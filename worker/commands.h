/* Every command's handler; the prototypes come from the table. */
#ifndef WORKER_COMMANDS_H
#define WORKER_COMMANDS_H

#include <stdbool.h>

#include "common/err.h"
#include "worker/cursor.h"
#include "worker/session.h"
#include "worker/sync.h"

enum command_flags {
	CF_UID = 1,	/* has a UID form */
	CF_WRITE = 2,	/* needs a folder opened for writing */
	CF_ALONE = 4,	/* may not share a pipeline: buffered input is refused */
	CF_SECRET = 8,	/* arguments never logged */
	CF_MESSAGE = 16, /* takes a message literal from the stream */
	CF_NUMBERS = 32, /* uses sequence numbers (not in its UID form) */
};

struct command {
	const char *name;
	enum err (*run)(struct session *s, struct cursor *in, bool by_uid);
	unsigned states;
	enum sync_kind after;
	unsigned flags;
	const char *capability;
	const char *source;
};

#define CMD(name, handler, states, after, flags, capability, source) \
	enum err handler(struct session *s, struct cursor *in, bool by_uid);
#include "worker/commands.def"
#undef CMD

/* The row of a command (any case), NULL: none. */
const struct command *command_find(struct span name);
/* Rows by number, NULL past the end: for CAPABILITY. */
const struct command *command_at(size_t i);
/* The number of a row. */
size_t command_number(const struct command *row);

#endif
