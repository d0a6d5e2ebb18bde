/*
 * The server's side of SCRAM (RFC 5802). A user that there is not gets a salt of his own,
 * always the same, and learns at the end what a wrong password learns.
 */
#include "daemon/sasl.h"

#include "common/base64.h"
#include "common/digest.h"
#include "daemon/password.h"
#include "daemon/scheme.h"

#include <string.h>

enum { NONCE_BYTES = 18, SALT_BYTES = 16, NONCE_MAX = 1024 };

static unsigned char secret[32];

void
sasl_use_secret(struct span s)
{
	size_t n;

	if (s.n == 0 || digest("SHA256", s, secret, &n) != ERR_OK)
		random_bytes(secret, sizeof(secret));
}

/* ---- grammar (RFC 5802 7) ---- */

/* saslname: "=2C" is a comma, "=3D" an equals sign. */
static enum err
read_name(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		struct span rest = { s.p + i, s.n - i };

		if (s.p[i] == '\0')
			return ERR_SYNTAX;
		if (s.p[i] != '=') {
			buf_addc(out, s.p[i]);
			continue;
		}
		if (!span_starts(rest, SPAN("=2C")) &&
		    !span_starts(rest, SPAN("=3D")))
			return ERR_SYNTAX;
		buf_addc(out, s.p[i + 1] == '2' ? ',' : '=');
		i += 2;
	}
	return s.n > 0 ? ERR_OK : ERR_SYNTAX;
}

/* The value of the next attribute, which must be this one. */
static enum err
attribute(struct span *rest, char name, struct span *value)
{
	struct span a = span_cut(rest, ',');

	if (a.n < 2 || a.p[0] != name || a.p[1] != '=')
		return ERR_SYNTAX;
	*value = (struct span){ a.p + 2, a.n - 2 };
	return ERR_OK;
}

static bool
is_nonce(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return false;
	return s.n > 0 && s.n <= NONCE_MAX;
}

enum err
scram_read_first(struct span m, struct scram_first *out, struct buf *user,
    struct buf *authzid)
{
	struct span rest = m, flag = span_cut(&rest, ','), name, value;

	*out = (struct scram_first){ 0 };
	if (flag.n == 0)
		return ERR_SYNTAX;
	out->flag = *flag.p;
	if (out->flag == 'p' && flag.n > 2 && flag.p[1] == '=')
		out->type = (struct span){ flag.p + 2, flag.n - 2 };
	else if (flag.n != 1 || (out->flag != 'n' && out->flag != 'y'))
		return ERR_SYNTAX;
	name = span_cut(&rest, ',');
	if (rest.p == NULL)
		return ERR_SYNTAX;
	if (name.n > 0 && (attribute(&name, 'a', &value) != ERR_OK ||
	    read_name(value, authzid) != ERR_OK))
		return ERR_SYNTAX;
	out->gs2 = (struct span){ m.p, (size_t)(rest.p - m.p) };
	out->bare = rest;
	/* A mandatory extension ("m=") would come first: none is known. */
	if (attribute(&rest, 'n', &value) != ERR_OK ||
	    read_name(value, user) != ERR_OK || rest.p == NULL ||
	    attribute(&rest, 'r', &out->nonce) != ERR_OK)
		return ERR_SYNTAX;
	return is_nonce(out->nonce) ? ERR_OK : ERR_SYNTAX;
}

enum err
scram_read_final(struct span m, struct scram_final *out)
{
	struct span rest = m, last;

	*out = (struct scram_final){ 0 };
	if (attribute(&rest, 'c', &out->binding) != ERR_OK || rest.p == NULL ||
	    attribute(&rest, 'r', &out->nonce) != ERR_OK)
		return ERR_SYNTAX;
	/* Extensions, then the proof. */
	while (rest.p != NULL) {
		last = rest;
		if (attribute(&rest, 'p', &out->proof) == ERR_OK) {
			out->without_proof = (struct span){ m.p,
			    (size_t)(last.p - m.p) - 1 };
			return rest.p == NULL ? ERR_OK : ERR_SYNTAX;
		}
	}
	return ERR_SYNTAX;
}

/* ---- the steps ---- */

/* Header and binding, to be found in "c=". False: not as it was offered. */
static bool
bind_channel(struct sasl *s, const struct scram_first *f, bool plus)
{
	const struct buf *data = span_eq(f->type, SPAN("tls-exporter")) ?
	    &s->exporter : span_eq(f->type, SPAN("tls-server-end-point")) ?
	    &s->end_point : NULL;

	buf_add_span(&s->gs2, f->gs2);
	if (plus) {
		if (f->flag != 'p' || data == NULL || data->n == 0)
			return false;
		buf_add_span(&s->gs2, buf_span(data));
		return true;
	}
	/* "y" to who offers them: somebody took them off the list on the way. */
	return f->flag != 'p' && (f->flag != 'y' || !s->plus_offered);
}

enum sasl_result
scram_first_step(struct sasl *s, struct span m, bool plus)
{
	unsigned char random[NONCE_BYTES];
	struct scram_first f;

	if (scram_read_first(m, &f, &s->user, &s->authzid) != ERR_OK ||
	    !bind_channel(s, &f, plus))
		return SASL_MALFORMED;
	random_bytes(random, sizeof(random));
	buf_add_span(&s->nonce, f.nonce);
	base64_encode((struct span){ (char *)random, sizeof(random) },
	    &s->nonce);
	buf_add_span(&s->first, f.bare);
	return SASL_LOOKUP;
}

/* Always the same for a name and mechanism. */
static void
salt_of(const struct sasl *s, const char *scheme, struct buf *salt)
{
	unsigned char d[SCRAM_KEY_MAX];
	struct buf name = { 0 };
	size_t n;

	buf_adds(&name, scheme);
	buf_addc(&name, '\0');
	buf_add_span(&name, buf_span(&s->user));
	if (scram_hmac("SHA256", (struct span){ (char *)secret,
	    sizeof(secret) }, buf_span(&name), d, &n) == ERR_OK)
		buf_add(salt, d, SALT_BYTES);
	buf_clear(&name);
}

enum sasl_result
scram_stored(struct sasl *s, struct span stored, const char *scheme,
    const char *md, struct buf *clear)
{
	struct buf data = { .secret = true };

	buf_reset(&s->salt);
	if (stored.p == NULL) {
		s->is_nobody = true;
	} else if (password_raw(stored, scheme, &data) == ERR_OK) {
		s->has_keys = scram_parse(md, buf_span(&data), &s->keys,
		    &s->salt) == ERR_OK;
		buf_clear(&data);
		if (!s->has_keys)
			return SASL_UNFIT;
	} else if (password_clear(stored, clear) != ERR_OK) {
		return SASL_UNFIT;
	}
	if (!s->has_keys)
		salt_of(s, scheme, &s->salt);
	return SASL_DERIVE;
}

void
scram_challenge(struct sasl *s)
{
	buf_adds(&s->text, "r=");
	buf_add_span(&s->text, buf_span(&s->nonce));
	buf_adds(&s->text, ",s=");
	base64_encode(buf_span(&s->salt), &s->text);
	buf_addf(&s->text, ",i=%u", s->keys.rounds);
	buf_addc(&s->first, ',');
	buf_add_span(&s->first, buf_span(&s->text));
}

/* RFC 5802 3: StoredKey = H(ClientProof XOR HMAC(StoredKey, AuthMessage)). */
static bool
proof_is_right(const struct sasl *s, const char *md, struct span message,
    struct span proof)
{
	unsigned char key[SCRAM_KEY_MAX], d[SCRAM_KEY_MAX];
	size_t n;
	bool right;

	if (proof.n != s->keys.n || scram_hmac(md,
	    (struct span){ (const char *)s->keys.stored, s->keys.n }, message,
	    key, &n) != ERR_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		key[i] ^= (unsigned char)proof.p[i];
	right = digest(md, (struct span){ (char *)key, n }, d, &n) == ERR_OK &&
	    scheme_same((struct span){ (const char *)s->keys.stored, n }, d,
	    n) == ERR_OK;
	secret_wipe(key, sizeof(key));
	return right && !s->is_nobody;
}

static void
sign(struct sasl *s, const char *md, struct span message)
{
	unsigned char d[SCRAM_KEY_MAX];
	size_t n;

	if (scram_hmac(md, (struct span){ (const char *)s->keys.server,
	    s->keys.n }, message, d, &n) != ERR_OK)
		return;
	buf_adds(&s->text, "v=");
	base64_encode((struct span){ (char *)d, n }, &s->text);
}

enum sasl_result
scram_final_step(struct sasl *s, struct span m, const char *md)
{
	struct buf binding = { 0 }, proof = { .secret = true };
	struct buf message = { .secret = true };
	struct scram_final f;
	enum sasl_result r = SASL_REFUSED;

	/* IMAP has no words with its OK: the signature was a challenge. */
	if (s->step == 3)
		return m.n == 0 ? SASL_PROVEN : SASL_MALFORMED;
	if (scram_read_final(m, &f) != ERR_OK ||
	    base64_decode(f.binding, &binding) != ERR_OK ||
	    base64_decode(f.proof, &proof) != ERR_OK) {
		r = SASL_MALFORMED;
		goto out;
	}
	buf_add_span(&message, buf_span(&s->first));
	buf_addc(&message, ',');
	buf_add_span(&message, f.without_proof);
	if (proof_is_right(s, md, buf_span(&message), buf_span(&proof)) &&
	    span_eq(f.nonce, buf_span(&s->nonce)) &&
	    secret_eq(buf_span(&s->gs2), buf_span(&binding))) {
		sign(s, md, buf_span(&message));
		r = SASL_CHALLENGE;
	}
out:
	buf_clear(&binding);
	buf_clear(&proof);
	buf_clear(&message);
	return r;
}
