/*
 * SASL mechanisms, step by step: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), SCRAM with
 * SHA-1 and SHA-256 (RFC 5802, RFC 7677) and channel bindings (RFC 5929, RFC 9266).
 */
#ifndef DAEMON_SASL_H
#define DAEMON_SASL_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "daemon/scram.h"

enum sasl_result {
	SASL_CHALLENGE,		/* to be sent; an answer is wanted */
	SASL_CREDENTIALS,	/* user, password and authzid are there */
	SASL_LOOKUP,		/* the user is: go on with sasl_stored */
	SASL_DERIVE,		/* keys are wanted: go on with sasl_derived */
	SASL_UNFIT,		/* this stored form does not serve the mechanism */
	SASL_PROVEN,		/* the client knows the password */
	SASL_REFUSED,		/* it does not */
	SASL_MALFORMED,		/* the exchange failed */
	SASL_UNKNOWN,		/* no such mechanism, or not offered */
};

struct sasl_mechanism;

/* Of the client's TLS connection; empty without TLS. */
struct sasl_binding {
	bool is_tls;		/* mechanisms with bindings are offered */
	struct span exporter, end_point;
};

/* All zero is a valid empty exchange. */
struct sasl {
	const struct sasl_mechanism *mechanism;
	unsigned step;
	bool looks_up;		/* between SASL_LOOKUP and sasl_stored */
	bool proves;		/* it never shows us the password */
	struct buf user, password;
	struct buf authzid;	/* empty: the user himself */
	struct buf text;	/* the challenge */

	struct buf nonce;	/* CRAM-MD5: the challenge; SCRAM: both nonces */

	/* SCRAM */
	bool plus_offered, has_keys;
	bool is_nobody;		/* no such user: the end is a refusal */
	struct buf exporter, end_point;	/* bindings */
	struct buf gs2;		/* header and binding, as "c=" must have them */
	struct buf salt;
	struct buf first;	/* client-first-bare "," server-first */
	struct scram_keys keys;
};

/*
 * Begins an exchange. offered: words, in any case. initial.p == NULL: there is no
 * initial response. *challenge: good until the next call. binding: only looked at now.
 */
enum sasl_result sasl_begin(struct sasl *s, const char *offered,
    struct span mechanism, const struct sasl_binding *binding,
    struct span initial, struct span *challenge);

/* The client's answer. */
enum sasl_result sasl_answer(struct sasl *s, struct span response,
    struct span *challenge);

/*
 * What is stored for s->user, "{SCHEME}data"; p NULL: there is no such user, which the
 * client learns at the end only. SASL_DERIVE: keys are to be derived from what is
 * appended to clear, with s->salt and SCRAM_ROUNDS. SCRAM always asks for that, so that
 * time does not tell who there is.
 */
enum sasl_result sasl_stored(struct sasl *s, struct span stored,
    struct buf *clear);

/* The derived keys. */
enum sasl_result sasl_derived(struct sasl *s, const struct scram_keys *k,
    struct span *challenge);

/* OpenSSL's name of SCRAM's digest. */
const char *sasl_digest(const struct sasl *s);

/* From this, salts of users are made that have none; once, at the start. */
void sasl_use_secret(struct span secret);

/* Wipes what was learned. */
void sasl_clear(struct sasl *s);

/* ---- sasl_scram.c ---- */

struct scram_first {
	char flag;		/* 'n' no binding, 'y' thought not to be offered, 'p' */
	struct span type;	/* of 'p': "tls-exporter" */
	struct span gs2;	/* header with both commas */
	struct span bare;	/* the rest */
	struct span nonce;
};

struct scram_final {
	struct span binding, nonce, proof;	/* base64 but the nonce */
	struct span without_proof;
};

/*
 * The client's messages taken apart (RFC 5802 7); names are decoded and appended.
 * Errors: ERR_SYNTAX.
 */
enum err scram_read_first(struct span m, struct scram_first *out,
    struct buf *user, struct buf *authzid);
enum err scram_read_final(struct span m, struct scram_final *out);

/*
 * The steps: the client's first message; what is stored; what to send then, into
 * s->text; the client's proof, and its empty answer to ours.
 */
enum sasl_result scram_first_step(struct sasl *s, struct span m, bool plus);
enum sasl_result scram_stored(struct sasl *s, struct span stored,
    const char *scheme, const char *md, struct buf *clear);
void scram_challenge(struct sasl *s);
enum sasl_result scram_final_step(struct sasl *s, struct span m,
    const char *md);

#endif
