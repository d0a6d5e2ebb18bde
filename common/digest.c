/* Hashes, random bytes, comparison in constant time. */
#include "common/digest.h"
#include "common/log.h"

#include <errno.h>
/* OpenSSL has a type of the same name as one of our codes. */
#define ERR_STATE openssl_err_state
#include <openssl/crypto.h>
#include <openssl/evp.h>
#undef ERR_STATE
#include <string.h>
#include <sys/random.h>

enum { OUT_MAX = 64 };

enum err
digest(const char *name, struct span data, unsigned char *out, size_t *len_out)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	enum err e = ERR_NOTFOUND;
	unsigned len = 0;

	*len_out = 0;
	/* No XOF: their size is the caller's choice, not the digest's. */
	if (md != NULL && EVP_MD_get_size(md) <= OUT_MAX &&
	    (EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF) == 0 &&
	    EVP_Digest(data.n == 0 ? "" : data.p, data.n, out, &len, md,
	    NULL) == 1) {
		*len_out = len;
		e = ERR_OK;
	}
	EVP_MD_free(md);
	return e;
}

void
random_bytes(void *p, size_t n)
{
	unsigned char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			fatal_errno("no random bytes from the kernel");
		at += got;
		n -= (size_t)got;
	}
}

bool
secret_eq(struct span a, struct span b)
{
	bool same_size = a.n == b.n;

	/* Another length takes the time of a whole comparison too. */
	if (!same_size)
		b = a;
	return (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0) && same_size;
}

void
secret_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

void
hex_encode(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[in[i] >> 4];
		*out++ = digits[in[i] & 15];
	}
	*out = '\0';
}
