/* Stored passwords. One row for each scheme, one function for each kind. */
#define OPENSSL_SUPPRESS_DEPRECATED	/* raw MD5 states, for CRAM-MD5 */
#include "daemon/password.h"

#include "common/base64.h"
#include "common/digest.h"
#include "common/log.h"

#include <crypt.h>
#include <ctype.h>
/* OpenSSL has a type of the same name as one of our codes. */
#define ERR_STATE openssl_err_state
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#undef ERR_STATE
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_MAX = 4096, CLEAR_MAX = 8192, ROUNDS_MAX = 10000000 };

struct scheme;

/* A password to be compared with what is stored. */
struct attempt {
	const struct scheme *scheme;
	struct span data;	/* stored, after "{SCHEME}" */
	struct span user, clear;
	const char *cstr;	/* clear, NUL-terminated */
	bool is_binary;		/* data was decoded already: "{SHA256.hex}" */
};

typedef enum err verify_fn(const struct attempt *t);

static verify_fn plain, by_crypt, argon2, digested, salted, digest_md5,
    cram_md5, scram, pbkdf2;

static const struct scheme {
	const char *name;
	verify_fn *verify;
	const char *parameter;	/* digest, or how crypt's form begins */
	bool slow;
	const char *make;	/* "plain", "digest", "salted", "crypt", "argon2", or NULL */
} schemes[] = {
	{ "PLAIN", plain, NULL, false, "plain" },
	{ "CLEAR", plain, NULL, false, "plain" },
	{ "CLEARTEXT", plain, NULL, false, "plain" },
	{ "PLAIN-TRUNC", plain, NULL, false, NULL },
	{ "CRYPT", by_crypt, "", true, "crypt" },
	{ "BLF-CRYPT", by_crypt, "$2", true, "crypt" },
	{ "SHA512-CRYPT", by_crypt, "$6$", true, "crypt" },
	{ "SHA256-CRYPT", by_crypt, "$5$", true, "crypt" },
	{ "MD5-CRYPT", by_crypt, "$1$", true, NULL },
	{ "MD5", by_crypt, "$1$", true, NULL },
	{ "DES-CRYPT", by_crypt, "", true, NULL },
	{ "ARGON2ID", argon2, "$argon2id$", true, "argon2" },
	{ "ARGON2I", argon2, "$argon2i$", true, NULL },
	{ "ARGON2", argon2, "$argon2", true, NULL },
	{ "SHA", digested, "SHA1", false, NULL },
	{ "SHA1", digested, "SHA1", false, NULL },
	{ "SHA256", digested, "SHA256", false, "digest" },
	{ "SHA512", digested, "SHA512", false, "digest" },
	{ "PLAIN-MD5", digested, "MD5", false, NULL },
	{ "PLAIN-MD4", digested, "MD4", false, NULL },
	{ "LDAP-MD5", digested, "MD5", false, NULL },
	{ "SSHA", salted, "SHA1", false, "salted" },
	{ "SSHA256", salted, "SHA256", false, "salted" },
	{ "SSHA512", salted, "SHA512", false, "salted" },
	{ "SMD5", salted, "MD5", false, NULL },
	{ "DIGEST-MD5", digest_md5, NULL, false, NULL },
	{ "CRAM-MD5", cram_md5, NULL, false, NULL },
	{ "HMAC-MD5", cram_md5, NULL, false, NULL },
	{ "SCRAM-SHA-1", scram, "SHA1", true, NULL },
	{ "SCRAM-SHA-256", scram, "SHA256", true, NULL },
	{ "PBKDF2", pbkdf2, "SHA1", true, NULL },
};

static const struct scheme *
find(struct span name)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (span_ieq(name, span_of(schemes[i].name)))
			return &schemes[i];
	return NULL;
}

/* "{SCHEME.enc}data" taken apart; without braces the default scheme. */
static void
split(struct span stored, const char *default_scheme, struct span *scheme,
    struct span *encoding, struct span *data)
{
	size_t end = span_find(stored, '}');
	struct span rest;

	*scheme = span_of(default_scheme);
	*encoding = SPAN_NONE;
	*data = stored;
	if (stored.n == 0 || *stored.p != '{' || end == stored.n)
		return;
	*data = (struct span){ stored.p + end + 1, stored.n - end - 1 };
	rest = (struct span){ stored.p + 1, end - 1 };
	*scheme = span_cut(&rest, '.');
	*encoding = rest;
}

const char *
password_scheme(struct span stored, const char *default_scheme)
{
	static char name[32];
	struct span scheme, encoding, data;

	split(stored, default_scheme, &scheme, &encoding, &data);
	snprintf(name, sizeof(name), "%s", log_text(scheme));
	return name;
}

bool
password_is_slow(struct span stored, const char *default_scheme)
{
	struct span scheme, encoding, data;
	const struct scheme *s;

	split(stored, default_scheme, &scheme, &encoding, &data);
	s = find(scheme);
	return s != NULL && s->slow;
}

/* ---- decoding ---- */

static bool
unhex(struct span s, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";

	if (s.n % 2 != 0)
		return false;
	for (size_t i = 0; i < s.n; i += 2) {
		const char *a = memchr(digits, tolower((unsigned char)s.p[i]),
		    16);
		const char *b = memchr(digits,
		    tolower((unsigned char)s.p[i + 1]), 16);

		if (a == NULL || b == NULL)
			return false;
		buf_addc(out, (char)((a - digits) * 16 + (b - digits)));
	}
	return true;
}

/* Stored bytes, n of them when in hex (known by its length), else base64. */
static bool
decode(const struct attempt *t, size_t n, struct buf *out)
{
	if (t->is_binary) {
		buf_add_span(out, t->data);
		return true;
	}
	if (t->data.n == 2 * n && unhex(t->data, out))
		return true;
	buf_reset(out);
	return base64_decode(t->data, out) == ERR_OK;
}

static enum err
same(struct span a, struct span b)
{
	return secret_eq(a, b) ? ERR_OK : ERR_AUTH;
}

/* ---- the kinds ---- */

static enum err
plain(const struct attempt *t)
{
	uint64_t n;
	struct span data = t->data, clear = t->clear, length;

	if (strcmp(t->scheme->name, "PLAIN-TRUNC") == 0 &&
	    span_find(data, '-') < data.n) {
		length = span_cut(&data, '-');
		if (!span_to_u64(length, CLEAR_MAX, &n))
			return ERR_CORRUPT;
		if (clear.n > n)
			clear.n = (size_t)n;
	}
	return same(data, clear);
}

static enum err
by_crypt(const struct attempt *t)
{
	static struct crypt_data work;
	char setting[CRYPT_OUTPUT_SIZE];
	const char *result;
	struct span begin = span_of(t->scheme->parameter);
	enum err e;

	if (t->data.n == 0 || t->data.n >= sizeof(setting) ||
	    !span_starts(t->data, begin))
		return ERR_CORRUPT;
	memcpy(setting, t->data.p, t->data.n);
	setting[t->data.n] = '\0';
	result = crypt_r(t->cstr, setting, &work);
	if (result == NULL || *result == '*')
		return ERR_CORRUPT;
	e = same(span_of(result), t->data);
	secret_wipe(&work, sizeof(work));
	return e;
}

static enum err
argon2(const struct attempt *t)
{
	char stored[crypto_pwhash_STRBYTES];

	if (t->data.n >= sizeof(stored) ||
	    !span_starts(t->data, span_of(t->scheme->parameter)))
		return ERR_CORRUPT;
	memset(stored, 0, sizeof(stored));
	memcpy(stored, t->data.p, t->data.n);
	return crypto_pwhash_str_verify(stored, t->clear.p, t->clear.n) == 0 ?
	    ERR_OK : ERR_AUTH;
}

static enum err
digested(const struct attempt *t)
{
	unsigned char d[64];
	size_t n;
	struct buf stored = { .max = DATA_MAX };
	enum err e;

	if ((e = digest(t->scheme->parameter, t->clear, d, &n)) != ERR_OK)
		return e;
	if (!decode(t, n, &stored) || stored.n != n)
		e = ERR_CORRUPT;
	else
		e = same(buf_span(&stored), (struct span){ (char *)d, n });
	buf_clear(&stored);
	return e;
}

/* digest(password, salt), salt: the digest comes first, the salt is the rest. */
static enum err
salted(const struct attempt *t)
{
	struct buf stored = { .max = DATA_MAX }, input = { .secret = true };
	unsigned char d[64];
	size_t n;
	enum err e;

	if ((e = digest(t->scheme->parameter, SPAN(""), d, &n)) != ERR_OK)
		return e;
	if (!decode(t, 0, &stored) || stored.n <= n) {
		buf_clear(&stored);
		return ERR_CORRUPT;
	}
	buf_add_span(&input, t->clear);
	buf_add(&input, stored.p + n, stored.n - n);
	e = digest(t->scheme->parameter, buf_span(&input), d, &n);
	if (e == ERR_OK)
		e = same((struct span){ stored.p, n },
		    (struct span){ (char *)d, n });
	buf_clear(&input);
	buf_clear(&stored);
	return e;
}

/* MD5 of user:realm:password; the realm is the domain, or empty. */
static enum err
digest_md5(const struct attempt *t)
{
	struct span domain = t->user, user = span_cut(&domain, '@');
	struct attempt inner = *t;
	struct scheme md5 = { .name = "", .parameter = "MD5" };
	struct buf input = { .secret = true };
	enum err e;

	buf_add_span(&input, user);
	buf_addc(&input, ':');
	buf_add_span(&input, domain);
	buf_addc(&input, ':');
	buf_add_span(&input, t->clear);
	inner.scheme = &md5;
	inner.clear = buf_span(&input);
	e = digested(&inner);
	buf_clear(&input);
	return e;
}

static void
md5_state(const unsigned char block[64], unsigned char out[16])
{
	MD5_CTX c;

	MD5_Init(&c);
	MD5_Update(&c, block, 64);
	MD5_LONG word[4] = { c.A, c.B, c.C, c.D };
	for (int i = 0; i < 16; i++)
		out[i] = (unsigned char)(word[i / 4] >> (8 * (i % 4)));
}

/* The states of HMAC-MD5 after its key: outer, inner. */
static enum err
cram_md5(const struct attempt *t)
{
	unsigned char key[64] = { 0 }, pad[64], state[32];
	struct buf stored = { .max = DATA_MAX };
	size_t n = t->clear.n;
	enum err e;

	if (n > 64) {
		if ((e = digest("MD5", t->clear, key, &n)) != ERR_OK)
			return e;
	} else if (n > 0) {
		memcpy(key, t->clear.p, n);
	}
	for (int i = 0; i < 64; i++)
		pad[i] = key[i] ^ 0x5c;
	md5_state(pad, state);
	for (int i = 0; i < 64; i++)
		pad[i] = key[i] ^ 0x36;
	md5_state(pad, state + 16);
	if (!decode(t, sizeof(state), &stored) || stored.n != sizeof(state))
		e = ERR_CORRUPT;
	else
		e = same(buf_span(&stored),
		    (struct span){ (char *)state, sizeof(state) });
	secret_wipe(key, sizeof(key));
	secret_wipe(pad, sizeof(pad));
	buf_clear(&stored);
	return e;
}

static enum err
derive(const char *md_name, struct span clear, struct span salt,
    uint64_t rounds, unsigned char *out, size_t n)
{
	const EVP_MD *md = EVP_get_digestbyname(md_name);

	if (md == NULL)
		return ERR_NOTFOUND;
	return PKCS5_PBKDF2_HMAC(clear.p, (int)clear.n,
	    (const unsigned char *)salt.p, (int)salt.n, (int)rounds, md,
	    (int)n, out) == 1 ? ERR_OK : ERR_CORRUPT;
}

/* "rounds,salt,StoredKey,ServerKey" (RFC 5803). */
static enum err
scram(const struct attempt *t)
{
	struct span rest = t->data;
	struct span count = span_cut(&rest, ','), salt64 = span_cut(&rest, ',');
	struct span stored64 = span_cut(&rest, ',');
	struct buf salt = { .max = DATA_MAX }, stored = { .max = DATA_MAX };
	unsigned char key[64], client[64], d[64];
	unsigned client_n = 0;
	size_t n;
	uint64_t rounds;
	enum err e = ERR_CORRUPT;

	if (digest(t->scheme->parameter, SPAN(""), d, &n) != ERR_OK ||
	    !span_to_u64(count, ROUNDS_MAX, &rounds) || rounds < 1 ||
	    base64_decode(salt64, &salt) != ERR_OK ||
	    base64_decode(stored64, &stored) != ERR_OK || stored.n != n)
		goto out;
	e = derive(t->scheme->parameter, t->clear, buf_span(&salt), rounds,
	    key, n);
	if (e != ERR_OK)
		goto out;
	HMAC(EVP_get_digestbyname(t->scheme->parameter), key, (int)n,
	    (const unsigned char *)"Client Key", 10, client, &client_n);
	e = digest(t->scheme->parameter,
	    (struct span){ (char *)client, client_n }, d, &n);
	if (e == ERR_OK)
		e = same(buf_span(&stored), (struct span){ (char *)d, n });
out:
	secret_wipe(key, sizeof(key));
	buf_clear(&salt);
	buf_clear(&stored);
	return e;
}

/* "$1$salt$rounds$hex"; the salt is used as it stands. */
static enum err
pbkdf2(const struct attempt *t)
{
	struct span rest = t->data, salt, count;
	struct buf stored = { .max = DATA_MAX };
	unsigned char key[20];
	uint64_t rounds;
	enum err e = ERR_CORRUPT;

	if (!span_starts(rest, SPAN("$1$")))
		return ERR_CORRUPT;
	rest.p += 3, rest.n -= 3;
	salt = span_cut(&rest, '$');
	count = span_cut(&rest, '$');
	if (span_to_u64(count, ROUNDS_MAX, &rounds) && rounds >= 1 &&
	    unhex(rest, &stored) && stored.n == sizeof(key) &&
	    (e = derive("SHA1", t->clear, salt, rounds, key,
	    sizeof(key))) == ERR_OK)
		e = same(buf_span(&stored),
		    (struct span){ (char *)key, sizeof(key) });
	secret_wipe(key, sizeof(key));
	buf_clear(&stored);
	return e;
}

/* ---- verifying ---- */

enum err
password_verify(struct span stored, const char *default_scheme,
    struct span user, struct span clear)
{
	struct span scheme, encoding, data;
	struct buf text = { .secret = true }, raw = { .max = DATA_MAX };
	struct attempt t = { .user = user, .clear = clear };
	enum err e = ERR_OK;

	split(stored, default_scheme, &scheme, &encoding, &data);
	if ((t.scheme = find(scheme)) == NULL)
		return ERR_NOTFOUND;
	/* A NUL would end the password for crypt and not for us. */
	if (clear.n > CLEAR_MAX || data.n > DATA_MAX ||
	    (clear.n > 0 && memchr(clear.p, '\0', clear.n) != NULL))
		return ERR_AUTH;
	if (encoding.p != NULL) {
		if (span_ieq(encoding, SPAN("hex")))
			e = unhex(data, &raw) ? ERR_OK : ERR_CORRUPT;
		else if (span_ieq(encoding, SPAN("b64")) ||
		    span_ieq(encoding, SPAN("base64")))
			e = base64_decode(data, &raw) == ERR_OK ? ERR_OK :
			    ERR_CORRUPT;
		else
			e = ERR_NOTFOUND;
		data = buf_span(&raw);
	}
	t.data = data;
	t.is_binary = encoding.p != NULL;
	buf_add_span(&text, clear);
	t.cstr = buf_cstr(&text);
	t.clear.p = t.cstr;
	if (e == ERR_OK)
		e = t.scheme->verify(&t);
	buf_clear(&text);
	buf_clear(&raw);
	return e;
}

/* ---- making ---- */

static enum err
make_crypt(const struct scheme *s, struct span clear, struct buf *out)
{
	const char *begin = strcmp(s->name, "BLF-CRYPT") == 0 ? "$2y$" :
	    *s->parameter == '\0' ? NULL : s->parameter;
	struct buf text = { .secret = true };
	static struct crypt_data work;
	char *setting = crypt_gensalt_ra(begin, 0, NULL, 0);
	const char *result = NULL;

	buf_add_span(&text, clear);
	if (setting != NULL)
		result = crypt_r(buf_cstr(&text), setting, &work);
	free(setting);
	buf_clear(&text);
	if (result == NULL || *result == '*')
		return ERR_NOTFOUND;
	buf_addf(out, "{%s}%s", s->name, result);
	return ERR_OK;
}

static enum err
make_digest(const struct scheme *s, struct span clear, bool with_salt,
    struct buf *out)
{
	struct buf input = { .secret = true };
	unsigned char d[64 + 8], salt[8];
	size_t n;
	enum err e;

	buf_add_span(&input, clear);
	random_bytes(salt, sizeof(salt));
	if (with_salt)
		buf_add(&input, salt, sizeof(salt));
	e = digest(s->parameter, buf_span(&input), d, &n);
	buf_clear(&input);
	if (e != ERR_OK)
		return e;
	memcpy(d + n, salt, sizeof(salt));
	buf_addf(out, "{%s}", s->name);
	base64_encode((struct span){ (char *)d,
	    n + (with_salt ? sizeof(salt) : 0) }, out);
	return ERR_OK;
}

enum err
password_make(const char *scheme, struct span clear, struct buf *out)
{
	const struct scheme *s = find(span_of(scheme));
	char phc[crypto_pwhash_STRBYTES];

	if (s == NULL || s->make == NULL || clear.n > CLEAR_MAX)
		return ERR_NOTFOUND;
	switch (*s->make) {
	case 'p':
		buf_addf(out, "{%s}", s->name);
		buf_add_span(out, clear);
		return ERR_OK;
	case 'c':
		return make_crypt(s, clear, out);
	case 'd':
		return make_digest(s, clear, false, out);
	case 's':
		return make_digest(s, clear, true, out);
	default:
		if (crypto_pwhash_str(phc, clear.n > 0 ? clear.p : "",
		    clear.n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
		    crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
			return ERR_NOTFOUND;
		buf_addf(out, "{%s}%s", s->name, phc);
		return ERR_OK;
	}
}
