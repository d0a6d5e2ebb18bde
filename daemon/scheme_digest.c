/* Schemes of one digest, or of none: text, MD4 to SHA-512, HMAC-MD5, OTP. */
#define OPENSSL_SUPPRESS_DEPRECATED	/* MD4; raw MD5 states, for CRAM-MD5 */
#include "daemon/scheme.h"

#include "common/digest.h"

/* OpenSSL has a type of the same name as one of our codes. */
#define ERR_STATE openssl_err_state
#include <openssl/md4.h>
#include <openssl/md5.h>
#undef ERR_STATE
#include <ctype.h>
#include <string.h>

enum { OTP_COUNT = 1024, OTP_COUNT_MAX = 9999, SALT_BYTES = 4 };

/* OpenSSL's providers have MD4 no more, its library has. */
enum err
scheme_hash(const char *name, struct span data, unsigned char *out,
    size_t *n_out)
{
	if (strcmp(name, "MD4") != 0)
		return digest(name, data, out, n_out);
	MD4((const unsigned char *)data.p, data.n, out);
	*n_out = MD4_DIGEST_LENGTH;
	return ERR_OK;
}

/* ---- text ---- */

enum err
verify_plain(const struct scheme_check *c)
{
	uint64_t n;
	struct span data = c->data, clear = c->clear, length;

	/* "6-secret": the first 6 bytes count */
	if (strcmp(c->scheme->name, "PLAIN-TRUNC") == 0 &&
	    span_find(data, '-') < data.n) {
		length = span_cut(&data, '-');
		if (!span_to_u64(length, SCHEME_CLEAR_MAX, &n))
			return ERR_CORRUPT;
		if (clear.n > n)
			clear.n = (size_t)n;
	}
	return scheme_same(data, clear.p, clear.n);
}

enum err
make_plain(const struct scheme_order *o, struct buf *raw)
{
	/* Dovecot makes it without the length, and then does not take it. */
	if (strcmp(o->scheme->name, "PLAIN-TRUNC") == 0)
		buf_addf(raw, "%zu-", o->clear.n);
	buf_add_span(raw, o->clear);
	return ERR_OK;
}

/* ---- digest(password) ---- */

static enum err
verify_hash(const struct scheme_check *c, const char *name, struct span input)
{
	unsigned char d[64];
	size_t n;
	struct buf stored = { .max = SCHEME_DATA_MAX };
	enum err e;

	if ((e = scheme_hash(name, input, d, &n)) != ERR_OK)
		return e;
	if (!scheme_decode(c, n, &stored) || stored.n != n)
		e = ERR_CORRUPT;
	else
		e = scheme_same(buf_span(&stored), d, n);
	buf_clear(&stored);
	return e;
}

static enum err
make_hash(const char *name, struct span input, struct buf *raw)
{
	unsigned char d[64];
	size_t n;
	enum err e = scheme_hash(name, input, d, &n);

	if (e == ERR_OK)
		buf_add(raw, d, n);
	return e;
}

enum err
verify_digest(const struct scheme_check *c)
{
	return verify_hash(c, c->scheme->parameter, c->clear);
}

enum err
make_digest(const struct scheme_order *o, struct buf *raw)
{
	return make_hash(o->scheme->parameter, o->clear, raw);
}

/* ---- digest(password, salt), salt ---- */

enum err
verify_salted(const struct scheme_check *c)
{
	const char *name = c->scheme->parameter;
	struct buf stored = { .max = SCHEME_DATA_MAX };
	struct buf input = { .secret = true };
	unsigned char d[64];
	size_t n;
	enum err e;

	if ((e = scheme_hash(name, SPAN(""), d, &n)) != ERR_OK)
		return e;
	if (!scheme_decode(c, 0, &stored) || stored.n <= n) {
		buf_clear(&stored);
		return ERR_CORRUPT;
	}
	buf_add_span(&input, c->clear);
	buf_add(&input, stored.p + n, stored.n - n);
	if ((e = scheme_hash(name, buf_span(&input), d, &n)) == ERR_OK)
		e = scheme_same((struct span){ stored.p, n }, d, n);
	buf_clear(&input);
	buf_clear(&stored);
	return e;
}

enum err
make_salted(const struct scheme_order *o, struct buf *raw)
{
	struct buf input = { .secret = true };
	unsigned char salt[SALT_BYTES];
	enum err e;

	random_bytes(salt, sizeof(salt));
	buf_add_span(&input, o->clear);
	buf_add(&input, salt, sizeof(salt));
	if ((e = make_hash(o->scheme->parameter, buf_span(&input), raw)) ==
	    ERR_OK)
		buf_add(raw, salt, sizeof(salt));
	buf_clear(&input);
	return e;
}

/* ---- DIGEST-MD5 (RFC 2831 2.1.2.1): MD5 of user:realm:password ---- */

/* The realm is the domain, or empty. */
static void
digest_md5_input(struct span user, struct span clear, struct buf *out)
{
	struct span domain = user;

	user = span_cut(&domain, '@');
	buf_add_span(out, user);
	buf_addc(out, ':');
	buf_add_span(out, domain);
	buf_addc(out, ':');
	buf_add_span(out, clear);
}

enum err
verify_digest_md5(const struct scheme_check *c)
{
	struct buf input = { .secret = true };
	enum err e;

	digest_md5_input(c->user, c->clear, &input);
	e = verify_hash(c, "MD5", buf_span(&input));
	buf_clear(&input);
	return e;
}

enum err
make_digest_md5(const struct scheme_order *o, struct buf *raw)
{
	struct buf input = { .secret = true };
	enum err e;

	if (o->user.n == 0)
		return ERR_CANNOT;
	digest_md5_input(o->user, o->clear, &input);
	e = make_hash("MD5", buf_span(&input), raw);
	buf_clear(&input);
	return e;
}

/* ---- CRAM-MD5: the states of HMAC-MD5 after its key: outer, inner ---- */

static void
md5_state(const unsigned char key[64], unsigned char pad, unsigned char *out)
{
	unsigned char block[64];
	MD5_CTX c;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	MD5_Init(&c);
	MD5_Update(&c, block, sizeof(block));
	MD5_LONG word[4] = { c.A, c.B, c.C, c.D };
	for (int i = 0; i < 16; i++)
		out[i] = (unsigned char)(word[i / 4] >> (8 * (i % 4)));
	secret_wipe(block, sizeof(block));
	secret_wipe(&c, sizeof(c));
}

static enum err
cram_md5_states(struct span clear, unsigned char out[32])
{
	unsigned char key[64] = { 0 };
	size_t n = clear.n;
	enum err e = ERR_OK;

	if (n > sizeof(key))
		e = digest("MD5", clear, key, &n);
	else if (n > 0)
		memcpy(key, clear.p, n);
	md5_state(key, 0x5c, out);
	md5_state(key, 0x36, out + 16);
	secret_wipe(key, sizeof(key));
	return e;
}

enum err
verify_cram_md5(const struct scheme_check *c)
{
	struct buf stored = { .max = SCHEME_DATA_MAX };
	unsigned char states[32];
	enum err e = cram_md5_states(c->clear, states);

	if (!scheme_decode(c, sizeof(states), &stored) ||
	    stored.n != sizeof(states))
		e = ERR_CORRUPT;
	else if (e == ERR_OK)
		e = scheme_same(buf_span(&stored), states, sizeof(states));
	secret_wipe(states, sizeof(states));
	buf_clear(&stored);
	return e;
}

enum err
make_cram_md5(const struct scheme_order *o, struct buf *raw)
{
	unsigned char states[32];
	enum err e = cram_md5_states(o->clear, states);

	if (e == ERR_OK)
		buf_add(raw, states, sizeof(states));
	secret_wipe(states, sizeof(states));
	return e;
}

/* MD5 goes on from a state after 64 bytes. */
static void
md5_from(const unsigned char state[16], struct span data,
    unsigned char out[16])
{
	MD5_LONG word[4] = { 0 };
	MD5_CTX c;

	for (int i = 0; i < 16; i++)
		word[i / 4] |= (MD5_LONG)state[i] << (8 * (i % 4));
	MD5_Init(&c);
	c.A = word[0], c.B = word[1], c.C = word[2], c.D = word[3];
	c.Nl = 64 * 8;
	MD5_Update(&c, data.p, data.n);
	MD5_Final(out, &c);
	secret_wipe(&c, sizeof(c));
}

enum err
cram_md5_answer(struct span states, struct span clear, struct span challenge,
    unsigned char out[16])
{
	unsigned char s[32], inner[16];
	enum err e = ERR_OK;

	if (states.n == sizeof(s))
		memcpy(s, states.p, sizeof(s));
	else if (states.n > 0)
		return ERR_CORRUPT;
	else if ((e = cram_md5_states(clear, s)) != ERR_OK)
		return e;
	md5_from(s + 16, challenge, inner);
	md5_from(s, (struct span){ (char *)inner, sizeof(inner) }, out);
	secret_wipe(s, sizeof(s));
	return ERR_OK;
}

/* ---- OTP (RFC 2289): "algorithm count seed hex", of a pass phrase ---- */

/* The digest of in, folded to 64 bits (RFC 2289 appendix A). */
static enum err
otp_step(const char *name, struct span in, unsigned char out[8])
{
	unsigned char d[64];
	size_t n;
	bool is_sha = strcasecmp(name, "SHA1") == 0;
	enum err e = scheme_hash(name, in, d, &n);

	if (e != ERR_OK)
		return e;
	for (int i = 0; i < 8; i++)
		d[i] ^= d[i + 8];
	for (int i = 0; i < 4 && is_sha; i++)
		d[i] ^= d[i + 16];
	/* SHA-1's words come in the order of MD4's. */
	for (int i = 0; i < 8; i++)
		out[i] = d[is_sha ? i ^ 3 : i];
	return ERR_OK;
}

static enum err
otp(const char *name, struct span seed, struct span clear, uint64_t count,
    unsigned char out[8])
{
	struct buf input = { .secret = true };
	enum err e;

	for (size_t i = 0; i < seed.n; i++)
		buf_addc(&input, (char)tolower((unsigned char)seed.p[i]));
	buf_add_span(&input, clear);
	e = otp_step(name, buf_span(&input), out);
	buf_clear(&input);
	while (e == ERR_OK && count-- > 0)
		e = otp_step(name, (struct span){ (char *)out, 8 }, out);
	return e;
}

enum err
verify_otp(const struct scheme_check *c)
{
	static const char *const names[] = { "SHA1", "MD5", "MD4" };
	struct span rest = c->data, word = span_cut(&rest, ' '), seed;
	struct buf stored = { .max = SCHEME_DATA_MAX };
	unsigned char ours[8];
	uint64_t count;
	size_t i = 0;
	enum err e = ERR_CORRUPT;

	while (i < 3 && !span_ieq(word, span_of(names[i])))
		i++;
	word = span_cut(&rest, ' ');
	seed = span_cut(&rest, ' ');
	if (i < 3 && span_to_u64(word, OTP_COUNT_MAX, &count) &&
	    scheme_unhex(rest, &stored) && stored.n == sizeof(ours) &&
	    (e = otp(names[i], seed, c->clear, count, ours)) == ERR_OK)
		e = scheme_same(buf_span(&stored), ours, sizeof(ours));
	buf_clear(&stored);
	return e;
}

enum err
make_otp(const struct scheme_order *o, struct buf *raw)
{
	unsigned char bytes[8];
	char seed[17], hex[17];
	enum err e;

	random_bytes(bytes, sizeof(bytes));
	hex_encode(bytes, sizeof(bytes), seed);
	if ((e = otp("SHA1", span_of(seed), o->clear, OTP_COUNT, bytes)) !=
	    ERR_OK)
		return e;
	hex_encode(bytes, sizeof(bytes), hex);
	buf_addf(raw, "sha1 %d %s %s", OTP_COUNT, seed, hex);
	return ERR_OK;
}
