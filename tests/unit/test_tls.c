/* TLS: contexts, handshake with a deadline, read and write. */
#include "common/tls.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/span.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ERR_STATE openssl_err_state
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#undef ERR_STATE

#include <cmocka.h>

static char *cert, *key, *other_key, *locked_key;

static char *
text_of(BIO *b)
{
	char *p, *copy;
	long n = BIO_get_mem_data(b, &p);

	copy = strndup(p, (size_t)n);
	BIO_free(b);
	return copy;
}

static char *
key_text(EVP_PKEY *pkey, const EVP_CIPHER *cipher)
{
	BIO *b = BIO_new(BIO_s_mem());
	char pass[] = "secret";

	PEM_write_bio_PrivateKey(b, pkey, cipher, NULL, 0, NULL,
	    cipher == NULL ? NULL : pass);
	return text_of(b);
}

static int
make_certificate(void **state)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *b = BIO_new(BIO_s_mem());

	(void)state;
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN",
	    MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, pkey);
	if (X509_sign(x, pkey, EVP_sha256()) == 0 ||
	    PEM_write_bio_X509(b, x) != 1)
		return -1;
	cert = text_of(b);
	key = key_text(pkey, NULL);
	other_key = key_text(other, NULL);
	locked_key = key_text(pkey, EVP_aes_128_cbc());
	X509_free(x);
	EVP_PKEY_free(pkey);
	EVP_PKEY_free(other);
	return 0;
}

static int
free_certificate(void **state)
{
	(void)state;
	free(cert);
	free(key);
	free(other_key);
	free(locked_key);
	return 0;
}

static enum err
new(const char *c, const char *k, const char *min, const char *ciphers,
    struct tls **out)
{
	return tls_new(&(struct tls_pem){ c, k, "", "" }, min, ciphers, out);
}

static void
settings_that_cannot_work_are_refused(void **state)
{
	struct tls *t = (struct tls *)&t;
	char cut[200], *chain = NULL;

	(void)state;
	assert_int_equal(new("", key, "TLSv1.2", "", &t), ERR_SYNTAX);
	assert_null(t);
	assert_int_equal(new("rubbish", key, "TLSv1.2", "", &t),
	    ERR_SYNTAX);
	assert_int_equal(new(cert, "", "TLSv1.2", "", &t), ERR_SYNTAX);
	assert_int_equal(new(cert, other_key, "TLSv1.2", "", &t),
	    ERR_SYNTAX);
	/* Must not ask a terminal for the passphrase. */
	assert_int_equal(new(cert, locked_key, "TLSv1.2", "", &t),
	    ERR_SYNTAX);
	assert_int_equal(new(cert, key, "TLSv9", "", &t), ERR_SYNTAX);
	assert_int_equal(new(cert, key, "TLSv1.2", "NOSUCH", &t),
	    ERR_SYNTAX);
	snprintf(cut, sizeof(cut), "%s", cert);
	assert_true(asprintf(&chain, "%s%s", cert, cut) > 0);
	assert_int_equal(new(chain, key, "TLSv1.2", "", &t), ERR_SYNTAX);
	free(chain);
	assert_null(t);
	assert_true(asprintf(&chain, "%s%s%s", key, cert, cert) > 0);
	assert_int_equal(new(chain, chain, "tlsv1.3", "HIGH", &t), ERR_OK);
	assert_non_null(t);
	free(chain);
	tls_free(&t);
	assert_null(t);
	tls_free(&t);
}

/* ---- a client in a process of its own ---- */

enum { BULK = 3000000 };

static void
write_all(SSL *s, size_t n)
{
	static char block[50000];

	while (n > 0) {
		int w = SSL_write(s, block, (int)(n < sizeof(block) ? n :
		    sizeof(block)));

		if (w <= 0)
			_exit(3);
		n -= (size_t)w;
	}
}

static void
read_all(SSL *s, size_t n)
{
	static char block[50000];

	while (n > 0) {
		int r = SSL_read(s, block, (int)(n < sizeof(block) ? n :
		    sizeof(block)));

		if (r <= 0)
			_exit(4);
		n -= (size_t)r;
	}
}

/* Says hello, hears it back, sends and hears much, ends as `rude` says. */
static void
client(int fd, int max_version, bool rude)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *s = SSL_new(ctx);
	char echo[5];

	SSL_set_fd(s, fd);
	SSL_set_max_proto_version(s, max_version);
	if (SSL_connect(s) != 1)
		_exit(1);
	write_all(s, 5);
	if (SSL_read(s, echo, 5) != 5)
		_exit(2);
	write_all(s, BULK);
	read_all(s, BULK);
	if (!rude)
		SSL_shutdown(s);
	_exit(0);
}

static pid_t
start_client(int fds[2], int max_version, bool rude)
{
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		client(fds[1], max_version, rude);
	}
	close(fds[1]);
	return pid;
}

static void
wait_socket(int fd, short want)
{
	struct pollfd p = { fd, want, 0 };

	assert_int_equal(poll(&p, 1, 10000), 1);
}

/* As read and write of the whole, waiting as they say. */
static void
exchange(struct tls_conn *c, int fd, size_t n, bool writing)
{
	static char block[100000];
	size_t most = 0;

	while (n > 0) {
		size_t step = n < sizeof(block) ? n : sizeof(block);
		short want = 0;
		ssize_t did = writing ? tls_write(c, block, step, &want) :
		    tls_read(c, block, step, &want);

		if (did > 0) {
			n -= (size_t)did;
			most = (size_t)did > most ? (size_t)did : most;
			continue;
		}
		assert_int_equal(did, -1);
		assert_int_equal(errno, EAGAIN);
		assert_true(want == POLLIN || want == POLLOUT);
		wait_socket(fd, want);
	}
	/* Full records, as many as the socket took. */
	if (writing && most > 5)
		assert_true(most >= 16384);
}

static void
talk(int version, bool rude, bool non_blocking, const char *want_text)
{
	struct tls *t;
	struct tls_conn *c;
	const char *why;
	char end[1];
	int fds[2], status;
	short want;
	ssize_t n;
	pid_t pid;

	assert_int_equal(new(cert, key, "TLSv1.2", "", &t), ERR_OK);
	tls_warm_up(t);
	pid = start_client(fds, version, rude);
	if (non_blocking)
		fcntl(fds[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(tls_accept(t, fds[0], 10000, &c, &why), ERR_OK);
	assert_true(span_starts(span_of(tls_describe(c)), span_of(want_text)));
	exchange(c, fds[0], 5, false);
	assert_int_equal(tls_pending(c), 0);
	exchange(c, fds[0], 5, true);
	exchange(c, fds[0], BULK, false);
	exchange(c, fds[0], BULK, true);
	while ((n = tls_read(c, end, 1, &want)) == -1 && errno == EAGAIN)
		wait_socket(fds[0], want);
	assert_int_equal(n, 0);
	tls_close(&c);
	assert_null(c);
	tls_close(&c);
	tls_free(&t);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
bytes_go_both_ways_in_tls13(void **state)
{
	(void)state;
	talk(TLS1_3_VERSION, false, false,
	    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)");
}

static void
bytes_go_both_ways_in_tls12(void **state)
{
	(void)state;
	talk(TLS1_2_VERSION, false, true, "TLSv1.2 with cipher ECDHE-");
}

static void
hanging_up_without_a_word_is_an_end_too(void **state)
{
	(void)state;
	talk(TLS1_3_VERSION, true, false, "TLSv1.3");
}

static void
what_was_decrypted_is_pending(void **state)
{
	struct tls *t;
	struct tls_conn *c;
	const char *why;
	char two[2];
	int fds[2], status;
	short want;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(new(cert, key, "TLSv1.3", "", &t), ERR_OK);
	pid = start_client(fds, TLS1_3_VERSION, false);
	assert_int_equal(tls_accept(t, fds[0], 10000, &c, &why), ERR_OK);
	while ((n = tls_read(c, two, 2, &want)) == -1)
		wait_socket(fds[0], want);
	assert_int_equal(n, 2);
	assert_int_equal(tls_pending(c), 3);
	tls_close(&c);
	close(fds[0]);
	tls_free(&t);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* Exits with 0 when the server does not shake hands again. */
static void
insistent_client(int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *s = SSL_new(ctx);

	SSL_set_fd(s, fd);
	SSL_set_max_proto_version(s, TLS1_2_VERSION);
	if (SSL_connect(s) != 1 || SSL_renegotiate(s) != 1)
		_exit(1);
	_exit(SSL_do_handshake(s) == 1 ? 6 : 0);
}

static void
nothing_is_negotiated_again(void **state)
{
	struct tls *t;
	struct tls_conn *c;
	const char *why;
	char byte;
	int fds[2], status;
	short want;
	pid_t pid;

	(void)state;
	assert_int_equal(new(cert, key, "TLSv1.2", "", &t), ERR_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		insistent_client(fds[1]);
	}
	close(fds[1]);
	assert_int_equal(tls_accept(t, fds[0], 10000, &c, &why), ERR_OK);
	while (tls_read(c, &byte, 1, &want) == -1 && errno == EAGAIN)
		wait_socket(fds[0], want);
	tls_close(&c);
	tls_free(&t);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- handshakes that fail ---- */

static const char *
failed_accept(const char *said, bool hang_up, int timeout_ms)
{
	struct tls *t;
	struct tls_conn *c;
	const char *why = NULL;
	int fds[2];

	assert_int_equal(new(cert, key, "TLSv1.2", "", &t), ERR_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[1], said, strlen(said)), strlen(said));
	if (hang_up)
		shutdown(fds[1], SHUT_WR);
	assert_int_equal(tls_accept(t, fds[0], timeout_ms, &c, &why), ERR_IO);
	assert_null(c);
	assert_non_null(why);
	close(fds[0]);
	close(fds[1]);
	tls_free(&t);
	return why;
}

static void
a_handshake_that_fails_says_why(void **state)
{
	uint64_t start = clock_mono_ms();

	(void)state;
	assert_non_null(strstr(failed_accept("a001 LOGIN a b\r\n"
	    "a002 NOOP\r\n", false, 10000), "wrong version number"));
	assert_non_null(strstr(failed_accept("GET / HTTP/1.0\r\n\r\n", false,
	    10000), "http request"));
	assert_non_null(strstr(failed_accept("", true, 10000),
	    "Connection closed"));
	assert_non_null(strstr(failed_accept("\x16\x03\x01", true, 10000),
	    "Connection closed"));
	assert_true(clock_mono_ms() - start < 5000);
	start = clock_mono_ms();
	assert_non_null(strstr(failed_accept("\x16\x03\x01", false, 60),
	    "Timed out"));
	assert_in_range(clock_mono_ms() - start, 59, 5000);
}

/* A client that only speaks what is too old. */
static void
old_protocols_are_refused(void **state)
{
	struct tls *t;
	struct tls_conn *c;
	const char *why;
	int fds[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(new(cert, key, "TLSv1.3", "", &t), ERR_OK);
	pid = start_client(fds, TLS1_2_VERSION, false);
	assert_int_equal(tls_accept(t, fds[0], 10000, &c, &why), ERR_IO);
	assert_non_null(strstr(why, "unsupported protocol"));
	close(fds[0]);
	tls_free(&t);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_that_cannot_work_are_refused),
		cmocka_unit_test(bytes_go_both_ways_in_tls13),
		cmocka_unit_test(bytes_go_both_ways_in_tls12),
		cmocka_unit_test(hanging_up_without_a_word_is_an_end_too),
		cmocka_unit_test(what_was_decrypted_is_pending),
		cmocka_unit_test(nothing_is_negotiated_again),
		cmocka_unit_test(a_handshake_that_fails_says_why),
		cmocka_unit_test(old_protocols_are_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	log_open(open("/dev/null", O_WRONLY), false, NULL);
	return cmocka_run_group_tests_name("tls", tests, make_certificate,
	    free_certificate);
}
