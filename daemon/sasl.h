/* SASL mechanisms, step by step: PLAIN (RFC 4616) and LOGIN. */
#ifndef DAEMON_SASL_H
#define DAEMON_SASL_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"

enum sasl_result {
	SASL_CHALLENGE,		/* to be sent; an answer is wanted */
	SASL_CREDENTIALS,	/* user, password and authzid are there */
	SASL_MALFORMED,		/* the exchange failed */
	SASL_UNKNOWN,		/* no such mechanism, or not offered */
};

/* All zero is a valid empty exchange. */
struct sasl {
	bool is_login;
	unsigned step;
	struct buf user, password;
	struct buf authzid;	/* empty: the user himself */
};

/*
 * Begins an exchange. offered: words, in any case. initial.p == NULL: there is no
 * initial response. *challenge: static storage.
 */
enum sasl_result sasl_begin(struct sasl *s, const char *offered,
    struct span mechanism, struct span initial, struct span *challenge);

/* The client's answer. */
enum sasl_result sasl_answer(struct sasl *s, struct span response,
    struct span *challenge);

/* Wipes what was learned. */
void sasl_clear(struct sasl *s);

#endif
