/* The kinds of password schemes: how a stored form is checked and made. */
#ifndef DAEMON_SCHEME_H
#define DAEMON_SCHEME_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum {
	SCHEME_DATA_MAX = 4096, SCHEME_CLEAR_MAX = 8192,
	SCHEME_ROUNDS_MAX = 10000000,
};

struct scheme;

/* A password to be compared with what is stored. */
struct scheme_check {
	const struct scheme *scheme;
	struct span data;	/* stored, after "{SCHEME}" */
	struct span user, clear;	/* clear.p ends with a NUL */
	bool is_raw;		/* data was decoded already: "{SHA256.hex}" */
};

/* One to be stored. rounds 0: what Dovecot takes. */
struct scheme_order {
	const struct scheme *scheme;
	struct span user, clear;	/* as above */
	unsigned rounds;
};

/* Errors: ERR_AUTH no; ERR_CORRUPT malformed; ERR_NOTFOUND libraries lack it. */
typedef enum err scheme_verify_fn(const struct scheme_check *c);

/* Appends what is to be stored, before it is encoded. ERR_CANNOT: user or rounds. */
typedef enum err scheme_make_fn(const struct scheme_order *o, struct buf *raw);

/* What is stored: text, or bytes so encoded. */
enum scheme_form { FORM_TEXT, FORM_BASE64, FORM_HEX };

enum {
	SCHEME_SLOW = 1,	/* takes milliseconds: a matter for helpers */
	SCHEME_WEAK = 2,	/* refused without auth_allow_weak_schemes */
};

struct scheme {
	const char *name;
	scheme_verify_fn *verify;
	scheme_make_fn *make;	/* NULL: only what is there is understood */
	const char *parameter;	/* a digest's name, or how crypt's form begins */
	enum scheme_form form;
	unsigned flags;		/* SCHEME_* */
};

/* ---- for the kinds ---- */

/* ERR_OK or ERR_AUTH, in constant time. */
enum err scheme_same(struct span stored, const void *p, size_t n);

/*
 * Appends the stored bytes. n: how many there must be, for then hexadecimal is known by
 * its length; 0 any number, in base64. False: malformed.
 */
bool scheme_decode(const struct scheme_check *c, size_t n, struct buf *out);

/* Appends the bytes of hexadecimal digits; false: it is something else. */
bool scheme_unhex(struct span s, struct buf *out);

/* Appends n letters of crypt's alphabet at random. */
void scheme_salt(size_t n, struct buf *out);

/* digest() that knows MD4, too. */
enum err scheme_hash(const char *name, struct span data, unsigned char *out,
    size_t *n_out);

/*
 * HMAC-MD5 of a challenge, from CRAM-MD5's 32 stored bytes, or when there are none from
 * the clear password. Errors: ERR_CORRUPT other than 32 bytes.
 */
enum err cram_md5_answer(struct span states, struct span clear,
    struct span challenge, unsigned char out[16]);

/* scheme_digest.c: parameter is the digest. */
scheme_verify_fn verify_plain, verify_digest, verify_salted, verify_digest_md5,
    verify_cram_md5, verify_otp;
scheme_make_fn make_plain, make_digest, make_salted, make_digest_md5,
    make_cram_md5, make_otp;

/* scheme_crypt.c: parameter is the beginning of the form. */
scheme_verify_fn verify_crypt, verify_argon2;
scheme_make_fn make_crypt, make_argon2;

/* scheme_derive.c: parameter is the digest. */
scheme_verify_fn verify_scram, verify_pbkdf2;
scheme_make_fn make_scram, make_pbkdf2;

#endif
