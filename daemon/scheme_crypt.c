/* Schemes of crypt(3), and Argon2 of libsodium. */
#include "daemon/scheme.h"

#include "common/digest.h"

#include <crypt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum err
verify_crypt(const struct scheme_check *c)
{
	static struct crypt_data work;
	char setting[CRYPT_OUTPUT_SIZE];
	const char *result;
	enum err e;

	if (c->data.n == 0 || c->data.n >= sizeof(setting) ||
	    !span_starts(c->data, span_of(c->scheme->parameter)))
		return ERR_CORRUPT;
	memcpy(setting, c->data.p, c->data.n);
	setting[c->data.n] = '\0';
	result = crypt_r(c->clear.p, setting, &work);
	if (result == NULL || *result == '*')
		return ERR_CORRUPT;
	e = scheme_same(c->data, result, strlen(result));
	secret_wipe(&work, sizeof(work));
	return e;
}

enum err
make_crypt(const struct scheme_order *o, struct buf *raw)
{
	static struct crypt_data work;
	const char *begin = o->scheme->parameter, *result = NULL;
	char *setting;

	/* CRYPT is bcrypt, as Dovecot makes it; DES-CRYPT has no prefix. */
	if (strcmp(o->scheme->name, "CRYPT") == 0 || strcmp(begin, "$2") == 0)
		begin = "$2y$";
	setting = crypt_gensalt_ra(begin, o->rounds, NULL, 0);
	if (setting != NULL)
		result = crypt_r(o->clear.p, setting, &work);
	free(setting);
	if (result == NULL || *result == '*')
		return ERR_CANNOT;
	buf_adds(raw, result);
	secret_wipe(&work, sizeof(work));
	return ERR_OK;
}

enum err
verify_argon2(const struct scheme_check *c)
{
	char stored[crypto_pwhash_STRBYTES] = { 0 };

	if (c->data.n >= sizeof(stored) ||
	    !span_starts(c->data, span_of(c->scheme->parameter)))
		return ERR_CORRUPT;
	memcpy(stored, c->data.p, c->data.n);
	return crypto_pwhash_str_verify(stored, c->clear.p, c->clear.n) == 0 ?
	    ERR_OK : ERR_AUTH;
}

enum err
make_argon2(const struct scheme_order *o, struct buf *raw)
{
	bool is_i = strcmp(o->scheme->parameter, "$argon2i$") == 0;
	unsigned long long passes = o->rounds != 0 ? o->rounds : is_i ? 4 : 3;
	char phc[crypto_pwhash_STRBYTES];

	if (crypto_pwhash_str_alg(phc, o->clear.p, o->clear.n, passes,
	    is_i ? 32 << 20 : 64 << 20, is_i ? crypto_pwhash_ALG_ARGON2I13 :
	    crypto_pwhash_ALG_ARGON2ID13) != 0)
		return ERR_CANNOT;
	buf_adds(raw, phc);
	return ERR_OK;
}
