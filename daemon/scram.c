/* PBKDF2 and HMAC of OpenSSL, and what SCRAM makes of them. */
#include "daemon/scram.h"

#include "common/base64.h"
#include "common/digest.h"
#include "daemon/scheme.h"

/* OpenSSL has a type of the same name as one of our codes. */
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE
#include <string.h>

enum err
scram_pbkdf2(const char *md, struct span clear, struct span salt,
    unsigned rounds, unsigned char *out, size_t n)
{
	const EVP_MD *m = EVP_get_digestbyname(md);

	if (m == NULL)
		return ERR_NOTFOUND;
	return PKCS5_PBKDF2_HMAC(clear.p, (int)clear.n,
	    (const unsigned char *)salt.p, (int)salt.n, (int)rounds, m, (int)n,
	    out) == 1 ? ERR_OK : ERR_CORRUPT;
}

enum err
scram_hmac(const char *md, struct span key, struct span data,
    unsigned char *out, size_t *n_out)
{
	const EVP_MD *m = EVP_get_digestbyname(md);
	unsigned n = 0;

	*n_out = 0;
	if (m == NULL || HMAC(m, key.p, (int)key.n,
	    (const unsigned char *)data.p, data.n, out, &n) == NULL)
		return ERR_NOTFOUND;
	*n_out = n;
	return ERR_OK;
}

enum err
scram_derive(const char *md, struct span clear, struct span salt,
    unsigned rounds, struct scram_keys *out)
{
	unsigned char salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX];
	struct span key = { (char *)salted, 0 };
	size_t n;
	enum err e;

	*out = (struct scram_keys){ .rounds = rounds };
	if ((e = digest(md, SPAN(""), salted, &out->n)) != ERR_OK)
		return e;
	key.n = out->n;
	if ((e = scram_pbkdf2(md, clear, salt, rounds, salted, out->n)) ==
	    ERR_OK && (e = scram_hmac(md, key, SPAN("Client Key"), client,
	    &n)) == ERR_OK && (e = digest(md, (struct span){ (char *)client,
	    n }, out->stored, &n)) == ERR_OK)
		e = scram_hmac(md, key, SPAN("Server Key"), out->server, &n);
	secret_wipe(salted, sizeof(salted));
	secret_wipe(client, sizeof(client));
	return e;
}

static enum err
take_key(struct span base64, unsigned char *out, size_t n)
{
	struct buf b = { .max = SCHEME_DATA_MAX, .secret = true };
	enum err e = base64_decode(base64, &b) == ERR_OK && b.n == n ? ERR_OK :
	    ERR_CORRUPT;

	if (e == ERR_OK)
		memcpy(out, b.p, n);
	buf_clear(&b);
	return e;
}

enum err
scram_parse(const char *md, struct span data, struct scram_keys *out,
    struct buf *salt)
{
	struct span count = span_cut(&data, ','), salt64 = span_cut(&data, ',');
	struct span stored64 = span_cut(&data, ',');
	unsigned char d[SCRAM_KEY_MAX];
	uint64_t rounds;
	enum err e;

	*out = (struct scram_keys){ 0 };
	if ((e = digest(md, SPAN(""), d, &out->n)) != ERR_OK)
		return e;
	if (!span_to_u64(count, SCHEME_ROUNDS_MAX, &rounds) || rounds < 1 ||
	    base64_decode(salt64, salt) != ERR_OK || data.p == NULL)
		return ERR_CORRUPT;
	out->rounds = (unsigned)rounds;
	if ((e = take_key(stored64, out->stored, out->n)) == ERR_OK)
		e = take_key(data, out->server, out->n);
	return e;
}
