/* TLS: the only file that includes openssl/ssl.h. */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

struct tls;		/* a context: certificate, key, settings */
struct tls_conn;	/* one connection */

/* Certificate chains with their keys, PEM; the second of another kind of key, or "". */
struct tls_pem {
	const char *cert, *key, *alt_cert, *alt_key;
};

/*
 * A server context. min_protocol "TLSv1.2" etc.; cipher_list "" is OpenSSL's default.
 * At most one session ticket, buffers released when idle, no renegotiation, no
 * compression. Errors: ERR_SYNTAX (logged: what is wrong with certificate or key).
 */
enum err tls_new(const struct tls_pem *pem, const char *min_protocol,
    const char *cipher_list, struct tls **out);

/*
 * Other certificates for clients that ask for one of these names (SNI, RFC 6066 3):
 * by spaces; "*.example.org" is any one label before it. The first that fits counts.
 * Errors: as tls_new.
 */
enum err tls_add_host(struct tls *t, const char *names,
    const struct tls_pem *pem);
void tls_free(struct tls **t);

/*
 * Does one handshake in memory against itself, so that a forked worker finds
 * everything loaded (shared pages, and nothing to open in a chroot).
 */
void tls_warm_up(struct tls *t);

/*
 * Server handshake on a connected socket (blocking, with a deadline). Makes the
 * socket non-blocking, as tls_read and tls_write need it, and leaves it so.
 * Errors: ERR_IO; *why_out then says why in words for the log.
 */
enum err tls_accept(struct tls *t, int fd, int timeout_ms,
    struct tls_conn **out, const char **why_out);

/*
 * Like read(2)/write(2) on a non-blocking socket: n > 0, 0 closed, -1 with errno
 * (EAGAIN: wait for *want, POLLIN or POLLOUT).
 */
ssize_t tls_read(struct tls_conn *c, void *p, size_t n, short *want);
ssize_t tls_write(struct tls_conn *c, const void *p, size_t n, short *want);

/* Bytes decrypted and not yet read: poll(2) does not see them. */
size_t tls_pending(const struct tls_conn *c);

/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)". */
const char *tls_describe(const struct tls_conn *c);

/*
 * Channel bindings, into out (64 bytes): tls-exporter (RFC 9266; TLS 1.2 only with the
 * extended master secret) and tls-server-end-point (RFC 5929 4). Bytes; 0: there is none.
 */
enum { TLS_BINDING_MAX = 64 };
size_t tls_exporter(const struct tls_conn *c, unsigned char *out);
size_t tls_end_point(const struct tls_conn *c, unsigned char *out);

/* close_notify and free. */
void tls_close(struct tls_conn **c);

#endif
