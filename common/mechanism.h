/* The SASL mechanisms there are: configuration, worker and auth read the same rows. */
#ifndef COMMON_MECHANISM_H
#define COMMON_MECHANISM_H

#include <stdbool.h>

#include "common/span.h"

enum {
	MECHANISM_PLAINTEXT = 1,	/* shows the password: refused without TLS */
	MECHANISM_BINDING = 2,		/* bound to the channel: needs TLS */
};

struct mechanism {
	const char *name;	/* upper case */
	unsigned flags;
	const char *properties;	/* of the auth socket, each after a TAB */
};

/* By name, in any case. NULL: Loft has none of that name. */
const struct mechanism *mechanism_find(struct span name);

/* Row i, NULL past the last. */
const struct mechanism *mechanism_at(size_t i);

/* Whether a list, parted by spaces, has this name, in any case. */
bool mechanism_listed(const char *list, struct span name);

#endif
