/* Stored passwords, as Dovecot knows them: "{SCHEME}data". */
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

/*
 * Whether clear is the password. user: the name, for DIGEST-MD5.
 * Errors: ERR_AUTH no; ERR_NOTFOUND unknown scheme; ERR_CORRUPT the stored form is
 * malformed.
 */
enum err password_verify(struct span stored, const char *default_scheme,
    struct span user, struct span clear);

/*
 * Appends "{SCHEME}data" for a clear password, with fresh salt.
 * Errors: ERR_NOTFOUND a scheme that is unknown or that nobody should use anew.
 */
enum err password_make(const char *scheme, struct span clear, struct buf *out);

/* The scheme of a stored form for the log, "PLAIN". Static storage. */
const char *password_scheme(struct span stored, const char *default_scheme);

#endif
