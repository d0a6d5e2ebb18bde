/* Stored passwords, as Dovecot knows them: "{SCHEME}data", "{SCHEME.hex}data". */
#ifndef DAEMON_PASSWORD_H
#define DAEMON_PASSWORD_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * Whether checking this takes milliseconds or more (crypt, argon2, PBKDF2): to be
 * done by a helper. default_scheme: for data without "{SCHEME}".
 */
bool password_is_slow(struct span stored, const char *default_scheme);

/* Whether it is of a scheme that Dovecot 2.4 refuses, too: auth_allow_weak_schemes. */
bool password_is_weak(struct span stored, const char *default_scheme);

/*
 * Whether clear is the password. user: the name, for DIGEST-MD5.
 * Errors: ERR_AUTH no; ERR_NOTFOUND unknown scheme; ERR_CORRUPT the stored form is
 * malformed.
 */
enum err password_verify(struct span stored, const char *default_scheme,
    struct span user, struct span clear);

/*
 * Appends "{SCHEME}data" for a clear password, with fresh salt. scheme: in any case,
 * perhaps with ".b64" or ".hex"; user: as above; rounds: 0 is Dovecot's number.
 * Errors: ERR_NOTFOUND unknown scheme or encoding; ERR_CANNOT the password is too long or
 * has a NUL, the user is missing, or these rounds cannot be.
 */
enum err password_make(const char *scheme, struct span user, struct span clear,
    unsigned rounds, struct buf *out);

/*
 * Appends the data of a stored form of this scheme ("{SCHEME}data"), its encoding undone.
 * Errors: ERR_CANNOT it is of another; ERR_CORRUPT malformed.
 */
enum err password_raw(struct span stored, const char *scheme, struct buf *out);

/* The same of those schemes that store the password itself. */
enum err password_clear(struct span stored, struct buf *out);

/* The scheme of a stored form for the log, "PLAIN". Static storage. */
const char *password_scheme(struct span stored, const char *default_scheme);

/* Name of scheme i; NULL past the last. */
const char *password_scheme_at(size_t i);

#endif
