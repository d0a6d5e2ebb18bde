/*
 * TLS through OpenSSL 3: contexts, handshake with a deadline, read, write.
 *
 * A context is made and warmed up before workers are forked, so that they share
 * its pages, its ticket key and whatever OpenSSL loads on first use.
 */
#include "common/tls.h"
#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
/* OpenSSL has a type of the same name as one of our codes. */
#define ERR_STATE openssl_err_state
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#undef ERR_STATE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct host {
	struct host *next;
	SSL_CTX *ctx;		/* certificates only: the rest is the server's */
	char names[];
};

struct tls {
	SSL_CTX *ctx;
	struct host *hosts;
};

struct tls_conn {
	SSL *ssl;
	bool broken;		/* no close_notify any more */
	char text[160];
};

/* ---- contexts ---- */

/* The first thing OpenSSL complained about, in its words. */
static const char *
reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *text = code == 0 ? NULL : ERR_reason_error_string(code);

	return text == NULL ? "no reason given" : text;
}

/* Whose certificates are being loaded: "a.example: ", or nothing. */
static char host_names[300];

static enum err
reject(const char *setting, const char *what, const char *why)
{
	log_error("%s%s%s: %s: %s", *host_names == '\0' ? "" : "local_name ",
	    host_names, setting, what, why);
	ERR_clear_error();
	return ERR_SYNTAX;
}

/* A key behind a passphrase must not make a daemon ask its terminal. */
static int
no_passphrase(char *p, int size, int writing, void *arg)
{
	(void)p, (void)size, (void)writing, (void)arg;
	return -1;
}

static BIO *
text_bio(const char *pem)
{
	size_t n = strlen(pem);
	BIO *b = n > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)n);

	if (b == NULL)
		fatal("no memory for a certificate of %zu bytes", n);
	return b;
}

/* `name` is the setting's, for messages. */
static enum err
use_chain(SSL_CTX *ctx, const char *name, const char *pem)
{
	BIO *b = text_bio(pem);
	X509 *x = PEM_read_bio_X509_AUX(b, NULL, no_passphrase, NULL);
	enum err e = ERR_OK;

	if (x == NULL)
		e = reject(name, "no certificate in PEM form found", reason());
	else if (SSL_CTX_use_certificate(ctx, x) != 1)
		e = reject(name, "the certificate cannot be used", reason());
	X509_free(x);
	while (e == ERR_OK && (x = PEM_read_bio_X509(b, NULL, no_passphrase,
	    NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			e = reject(name, "a certificate of the chain cannot be "
			    "used", reason());
			X509_free(x);
		}
	if (e == ERR_OK &&
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		e = reject(name, "a certificate of the chain is damaged",
		    reason());
	ERR_clear_error();
	BIO_free(b);
	return e;
}

static enum err
use_key(SSL_CTX *ctx, const char *name, const char *pem)
{
	BIO *b = text_bio(pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL);
	enum err e = ERR_OK;

	if (key == NULL)
		e = reject(name, "no private key in PEM form without a "
		    "passphrase found", reason());
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		e = reject(name, "the key does not belong to the "
		    "certificate", reason());
	EVP_PKEY_free(key);
	BIO_free(b);
	return e;
}

/* One pair takes the place of another of its kind: then both would be no use. */
static enum err
use_pairs(SSL_CTX *ctx, const struct tls_pem *pem)
{
	X509 *first;
	enum err e;

	if ((e = use_chain(ctx, "ssl_cert", pem->cert)) != ERR_OK ||
	    (e = use_key(ctx, "ssl_key", pem->key)) != ERR_OK ||
	    *pem->alt_cert == '\0')
		return e;
	first = SSL_CTX_get0_certificate(ctx);
	X509_up_ref(first);
	if ((e = use_chain(ctx, "ssl_alt_cert", pem->alt_cert)) == ERR_OK)
		e = use_key(ctx, "ssl_alt_key", pem->alt_key);
	if (e == ERR_OK && SSL_CTX_select_current_cert(ctx, first) != 1)
		e = reject("ssl_alt_cert", "its key is of the same kind as "
		    "that of ssl_cert", "one has to be ECDSA, the other RSA");
	X509_free(first);
	return e;
}

static enum err
use_protocol(SSL_CTX *ctx, const char *min_protocol)
{
	static const struct {
		const char *name;
		int version;
	} known[] = {
		{ "TLSv1.3", TLS1_3_VERSION }, { "TLSv1.2", TLS1_2_VERSION },
		{ "TLSv1.1", TLS1_1_VERSION }, { "TLSv1", TLS1_VERSION },
		{ "TLSv1.0", TLS1_VERSION },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (span_ieq(span_of(known[i].name), span_of(min_protocol))) {
			if (SSL_CTX_set_min_proto_version(ctx,
			    known[i].version) == 1)
				return ERR_OK;
			break;
		}
	log_error("ssl_min_protocol: \"%s\" is not supported; use TLSv1.2 or "
	    "TLSv1.3", log_text(span_of(min_protocol)));
	return ERR_SYNTAX;
}

/* Everything that is the same for all servers. */
static void
set_defaults(SSL_CTX *ctx)
{
	static const unsigned char id[] = "loft";

	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	/* A client that hangs up without close_notify is no error. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Resumption by ticket only: processes share no cache. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
}

/* ---- names ---- */

static bool
names_fit(const char *names, struct span asked)
{
	struct span rest = span_of(names), any = asked;

	span_cut(&any, '.');
	while (rest.p != NULL) {
		struct span name = span_cut(&rest, ' ');

		if (name.n > 0 && span_ieq(name, asked))
			return true;
		if (name.n > 2 && name.p[0] == '*' && name.p[1] == '.' &&
		    any.p != NULL && span_ieq((struct span){ name.p + 2,
		    name.n - 2 }, any))
			return true;
	}
	return false;
}

/* An unknown name is shown the server's own certificate, and no alert. */
static int
choose_host(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls *t = arg;

	(void)alert;
	for (const struct host *h = name == NULL ? NULL : t->hosts; h != NULL;
	    h = h->next)
		if (names_fit(h->names, span_of(name))) {
			SSL_set_SSL_CTX(ssl, h->ctx);
			break;
		}
	return SSL_TLSEXT_ERR_OK;
}

enum err
tls_add_host(struct tls *t, const char *names, const struct tls_pem *pem)
{
	size_t n = strlen(names) + 1;
	struct host *h = calloc(1, sizeof(*h) + n), **end = &t->hosts;
	enum err e;

	ERR_clear_error();
	if (h == NULL || (h->ctx = SSL_CTX_new(TLS_server_method())) == NULL)
		fatal("no memory for a TLS context: %s", reason());
	memcpy(h->names, names, n);
	set_defaults(h->ctx);
	while (*end != NULL)
		end = &(*end)->next;
	*end = h;
	snprintf(host_names, sizeof(host_names), "%.200s: ",
	    log_text(span_of(names)));
	e = use_pairs(h->ctx, pem);
	*host_names = '\0';
	SSL_CTX_set_tlsext_servername_callback(t->ctx, choose_host);
	SSL_CTX_set_tlsext_servername_arg(t->ctx, t);
	return e;
}

enum err
tls_new(const struct tls_pem *pem, const char *min_protocol,
    const char *cipher_list, struct tls **out)
{
	struct tls *t = calloc(1, sizeof(*t));
	enum err e;

	*out = NULL;
	ERR_clear_error();
	if (t == NULL || (t->ctx = SSL_CTX_new(TLS_server_method())) == NULL)
		fatal("no memory for a TLS context: %s", reason());
	set_defaults(t->ctx);
	if ((e = use_protocol(t->ctx, min_protocol)) != ERR_OK ||
	    (e = use_pairs(t->ctx, pem)) != ERR_OK)
		goto out;
	if (*cipher_list != '\0' &&
	    SSL_CTX_set_cipher_list(t->ctx, cipher_list) != 1) {
		e = reject("ssl_cipher_list", "no cipher of the list is known",
		    reason());
		goto out;
	}
	*out = t;
	return ERR_OK;
out:
	tls_free(&t);
	return e;
}

void
tls_free(struct tls **t)
{
	if (*t == NULL)
		return;
	for (struct host *h = (*t)->hosts, *next; h != NULL; h = next) {
		next = h->next;
		SSL_CTX_free(h->ctx);
		free(h);
	}
	SSL_CTX_free((*t)->ctx);
	free(*t);
	*t = NULL;
}

/* ---- warming up ---- */

/* Both sides in turn until both are done; false when one fails. */
static bool
shake_hands(SSL *server, SSL *client)
{
	for (int i = 0; i < 20; i++) {
		int c = SSL_do_handshake(client);
		int s = SSL_do_handshake(server);

		if (c == 1 && s == 1)
			return true;
		if ((c != 1 &&
		    SSL_get_error(client, c) != SSL_ERROR_WANT_READ) ||
		    (s != 1 && SSL_get_error(server, s) != SSL_ERROR_WANT_READ))
			return false;
	}
	return false;
}

static void
talk(SSL *server, SSL *client)
{
	static char text[20000];
	char back[1024];

	/* Tickets come with the client's first read. */
	if (SSL_write(client, text, 1000) > 0)
		(void)SSL_read(server, back, sizeof(back));
	if (SSL_write(server, text, (int)sizeof(text)) > 0)
		(void)SSL_read(client, back, sizeof(back));
	(void)SSL_shutdown(server);
	(void)SSL_shutdown(client);
}

/* One handshake in one protocol version, if the settings allow it. */
static void
warm_up_version(SSL_CTX *ctx, SSL_CTX *client_ctx, int version)
{
	SSL *server = SSL_new(ctx), *client = SSL_new(client_ctx);
	BIO *a = NULL, *b = NULL;

	if (server != NULL && client != NULL &&
	    BIO_new_bio_pair(&a, 65536, &b, 65536) == 1) {
		SSL_set_bio(server, a, a);
		SSL_set_bio(client, b, b);
		SSL_set_accept_state(server);
		SSL_set_connect_state(client);
		SSL_set_max_proto_version(client, version);
		if (shake_hands(server, client))
			talk(server, client);
	}
	SSL_free(server);
	SSL_free(client);
	ERR_clear_error();
}

void
tls_warm_up(struct tls *t)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());

	if (client_ctx == NULL)
		return;
	SSL_CTX_set_verify(client_ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_security_level(client_ctx, 0);
	warm_up_version(t->ctx, client_ctx, TLS1_3_VERSION);
	warm_up_version(t->ctx, client_ctx, TLS1_2_VERSION);
	SSL_CTX_free(client_ctx);
}

/* ---- connections ---- */

/*
 * What OpenSSL wants after a call that did not succeed: errno as after read(2)
 * or write(2), and *want. Returns 0 for a closed connection, else -1.
 */
static ssize_t
after(struct tls_conn *c, int rc, short *want)
{
	int saved_errno = errno;

	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		*want = POLLIN;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_WANT_WRITE:
		*want = POLLOUT;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		c->broken = true;
		if (saved_errno == 0 || saved_errno == EAGAIN)
			return 0;
		errno = saved_errno;
		return -1;
	default:
		c->broken = true;
		errno = EPROTO;
		return -1;
	}
}

static const char *
handshake_failure(ssize_t rc, int errnum)
{
	static char text[256];
	unsigned long code = ERR_peek_error();
	char words[200];

	if (code != 0) {
		ERR_error_string_n(code, words, sizeof(words));
		snprintf(text, sizeof(text), "SSL_accept() failed: %s", words);
	} else {
		snprintf(text, sizeof(text), "SSL_accept() failed: %s",
		    rc == 0 ? "Connection closed" : strerrordesc_np(errnum));
	}
	ERR_clear_error();
	return text;
}

/* Waits for the socket; false when the time is over. */
static bool
wait_for(int fd, short want, uint64_t end_ms)
{
	for (;;) {
		struct pollfd p = { fd, want, 0 };
		uint64_t now = clock_mono_ms();
		int left = now >= end_ms ? 0 : end_ms - now > INT_MAX ?
		    INT_MAX : (int)(end_ms - now);
		int n = poll(&p, 1, left);

		if (n > 0)
			return true;
		if (n == 0 && left == 0)
			return false;
		if (n == -1 && errno != EINTR)
			return false;
	}
}

/* Until it is done or failed; NULL, or why it failed. */
static const char *
accept_until(struct tls_conn *c, int fd, uint64_t end_ms)
{
	for (;;) {
		short want = POLLIN;
		ssize_t rc;
		int done;

		ERR_clear_error();
		errno = 0;
		done = SSL_accept(c->ssl);
		if (done == 1)
			return NULL;
		rc = after(c, done, &want);
		if (rc == -1 && errno == EINTR)
			continue;
		if (rc == 0 || errno != EAGAIN)
			return handshake_failure(rc, errno);
		if (!wait_for(fd, want, end_ms))
			return "SSL_accept() failed: Timed out";
	}
}

static void
describe(struct tls_conn *c)
{
	int max_bits = 0, bits = SSL_get_cipher_bits(c->ssl, &max_bits);

	snprintf(c->text, sizeof(c->text), "%s with cipher %s (%d/%d bits)",
	    SSL_get_version(c->ssl), SSL_get_cipher_name(c->ssl), bits,
	    max_bits);
}

enum err
tls_accept(struct tls *t, int fd, int timeout_ms, struct tls_conn **out,
    const char **why_out)
{
	uint64_t end_ms = clock_mono_ms() +
	    (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
	struct tls_conn *c = calloc(1, sizeof(*c));
	int flags = fcntl(fd, F_GETFL);

	*out = NULL;
	*why_out = NULL;
	if (c == NULL || (c->ssl = SSL_new(t->ctx)) == NULL ||
	    SSL_set_fd(c->ssl, fd) != 1)
		fatal("no memory for a TLS connection: %s", reason());
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		*why_out = "the socket is not to be had";
	else
		*why_out = accept_until(c, fd, end_ms);
	if (*why_out != NULL) {
		c->broken = true;
		tls_close(&c);
		return ERR_IO;
	}
	describe(c);
	*out = c;
	return ERR_OK;
}

ssize_t
tls_read(struct tls_conn *c, void *p, size_t n, short *want)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read(c->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	return rc > 0 ? rc : after(c, rc, want);
}

ssize_t
tls_write(struct tls_conn *c, const void *p, size_t n, short *want)
{
	int rc;

	if (n == 0)
		return 0;
	ERR_clear_error();
	errno = 0;
	rc = SSL_write(c->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	return rc > 0 ? rc : after(c, rc, want);
}

size_t
tls_pending(const struct tls_conn *c)
{
	return (size_t)SSL_pending(c->ssl);
}

const char *
tls_describe(const struct tls_conn *c)
{
	return c->text;
}

size_t
tls_exporter(const struct tls_conn *c, unsigned char *out)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	size_t n = 32;

	if (SSL_version(c->ssl) < TLS1_3_VERSION &&
	    SSL_get_extms_support(c->ssl) != 1)
		return 0;
	return SSL_export_keying_material(c->ssl, out, n, label,
	    sizeof(label) - 1, NULL, 0, 1) == 1 ? n : 0;
}

/* The certificate's own digest, but at least SHA-256. */
size_t
tls_end_point(const struct tls_conn *c, unsigned char *out)
{
	X509 *x = SSL_get_certificate(c->ssl);
	const EVP_MD *md;
	unsigned n = 0;
	int nid = NID_undef;

	if (x == NULL || X509_get_signature_info(x, &nid, NULL, NULL, NULL) !=
	    1)
		return 0;
	if (nid == NID_undef || nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	md = EVP_get_digestbynid(nid);
	return md != NULL && X509_digest(x, md, out, &n) == 1 ? n : 0;
}

void
tls_close(struct tls_conn **c)
{
	if (*c == NULL)
		return;
	ERR_clear_error();
	if (!(*c)->broken)
		(void)SSL_shutdown((*c)->ssl);
	SSL_free((*c)->ssl);
	ERR_clear_error();
	free(*c);
	*c = NULL;
}
