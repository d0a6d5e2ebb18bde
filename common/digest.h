/* Hashes, random bytes, constant-time comparison (OpenSSL, libsodium). */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/span.h"

/*
 * Digest by OpenSSL's name ("MD5", "SHA1", "SHA256", "SHA512").
 * out: 64 bytes are always enough. len_out: bytes written.
 * Errors: ERR_NOTFOUND for a digest OpenSSL does not offer.
 */
enum err digest(const char *name, struct span data, unsigned char *out,
    size_t *len_out);

/* n bytes from the kernel; never fails (fatal). */
void random_bytes(void *p, size_t n);

/* Compares in time that depends on a.n only. */
bool secret_eq(struct span a, struct span b);

/* Overwrites memory in a way that the compiler keeps. */
void secret_wipe(void *p, size_t n);

/* Lower-case hexadecimal, 2 * n bytes and a NUL. */
void hex_encode(const void *p, size_t n, char *out);

#endif
