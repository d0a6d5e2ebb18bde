/* What LIST and LSUB are asked for (RFC 3501 6.3.8, RFC 5258 3, RFC 6154 5). */
#ifndef WORKER_LIST_OPTIONS_H
#define WORKER_LIST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

struct cursor;

enum { LIST_PATTERNS_MAX = 100 };

struct list_options {
	struct span reference;
	struct span pattern[LIST_PATTERNS_MAX];	/* with the reference in front */
	size_t n_patterns;
	bool extended;		/* any option: RFC 5258 rather than RFC 3501 */
	bool only_special, only_subscribed;	/* selection: all that are set */
	bool recursive;		/* RECURSIVEMATCH */
	bool tell_subscribed;
	bool tell_rights;	/* RFC 8440 */
};

/* The arguments of LIST. Patterns live in `a`. Errors: ERR_SYNTAX. */
enum err list_options_read(struct cursor *in, struct arena *a,
    struct list_options *out);

/* Those of LSUB: a reference and one pattern. */
enum err list_options_read_lsub(struct cursor *in, struct arena *a,
    struct list_options *out);

/* Whether a name as the client knows it matches one of the patterns. */
bool list_options_match(const struct list_options *o, struct span name,
    char sep);

#endif
