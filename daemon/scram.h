/* The keys of SCRAM (RFC 5802 3), derived and as they are stored (RFC 5803). */
#ifndef DAEMON_SCRAM_H
#define DAEMON_SCRAM_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum { SCRAM_KEY_MAX = 64, SCRAM_ROUNDS = 4096 };

struct scram_keys {
	unsigned rounds;
	size_t n;		/* bytes of each key */
	unsigned char stored[SCRAM_KEY_MAX], server[SCRAM_KEY_MAX];
};

/*
 * PBKDF2 with HMAC of this digest (OpenSSL's name), n bytes. Takes as long as there are
 * rounds. Errors: ERR_NOTFOUND no such digest; ERR_CORRUPT it cannot.
 */
enum err scram_pbkdf2(const char *md, struct span clear, struct span salt,
    unsigned rounds, unsigned char *out, size_t n);

/* The keys of a password, taken as it is (UTF-8). Errors: as scram_pbkdf2. */
enum err scram_derive(const char *md, struct span clear, struct span salt,
    unsigned rounds, struct scram_keys *out);

/*
 * "rounds,salt,StoredKey,ServerKey" taken apart; the salt is appended.
 * Errors: ERR_CORRUPT malformed; ERR_NOTFOUND no such digest.
 */
enum err scram_parse(const char *md, struct span data, struct scram_keys *out,
    struct buf *salt);

/* HMAC with a key; out has room for SCRAM_KEY_MAX bytes. ERR_NOTFOUND as above. */
enum err scram_hmac(const char *md, struct span key, struct span data,
    unsigned char *out, size_t *n_out);

#endif
