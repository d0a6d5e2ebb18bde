/* The SASL mechanisms there are. What each does is in daemon/sasl.c. */
#include "common/mechanism.h"

#define STRONG "\tmutual-auth"

static const struct mechanism mechanisms[] = {
	{ "PLAIN", MECHANISM_PLAINTEXT, "\tplaintext" },
	{ "LOGIN", MECHANISM_PLAINTEXT, "\tplaintext" },
	{ "CRAM-MD5", 0, "\tdictionary\tactive" },
	{ "SCRAM-SHA-1", 0, STRONG },
	{ "SCRAM-SHA-256", 0, STRONG },
	{ "SCRAM-SHA-1-PLUS", MECHANISM_BINDING, STRONG },
	{ "SCRAM-SHA-256-PLUS", MECHANISM_BINDING, STRONG },
};

const struct mechanism *
mechanism_at(size_t i)
{
	return i < sizeof(mechanisms) / sizeof(*mechanisms) ? &mechanisms[i] :
	    NULL;
}

const struct mechanism *
mechanism_find(struct span name)
{
	const struct mechanism *m;

	for (size_t i = 0; (m = mechanism_at(i)) != NULL; i++)
		if (span_ieq(name, span_of(m->name)))
			return m;
	return NULL;
}

bool
mechanism_listed(const char *list, struct span name)
{
	struct span rest = span_of(list);

	while (rest.p != NULL)
		if (span_ieq(span_cut(&rest, ' '), name))
			return name.n > 0;
	return false;
}
