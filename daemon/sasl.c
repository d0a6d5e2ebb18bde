/* PLAIN, LOGIN, CRAM-MD5, and the way into SCRAM. One row for each mechanism. */
#include "daemon/sasl.h"

#include "common/digest.h"
#include "common/mechanism.h"
#include "daemon/password.h"
#include "daemon/scheme.h"

#include <string.h>
#include <time.h>

typedef enum sasl_result step_fn(struct sasl *s, struct span m);

static step_fn plain, login, cram_md5, scram;

static const struct sasl_mechanism {
	const char *name;
	step_fn *step;
	const char *greeting;	/* the challenge before any answer */
	const char *scheme;	/* what is stored must be this, or plain text; "" */
	const char *md;		/* SCRAM's digest, "" */
	bool plus;
} mechanisms[] = {
	{ "PLAIN", plain, "", "", "", false },
	{ "LOGIN", login, "Username:", "", "", false },
	{ "CRAM-MD5", cram_md5, "", "CRAM-MD5", "", false },
	{ "SCRAM-SHA-1", scram, "", "SCRAM-SHA-1", "SHA1", false },
	{ "SCRAM-SHA-256", scram, "", "SCRAM-SHA-256", "SHA256", false },
	{ "SCRAM-SHA-1-PLUS", scram, "", "SCRAM-SHA-1", "SHA1", true },
	{ "SCRAM-SHA-256-PLUS", scram, "", "SCRAM-SHA-256", "SHA256", true },
};

/* authzid NUL authcid NUL password (RFC 4616 2) */
static enum sasl_result
plain(struct sasl *s, struct span m)
{
	struct span rest = m, authzid = span_cut(&rest, '\0'), user;

	if (rest.p == NULL)
		return SASL_MALFORMED;
	user = span_cut(&rest, '\0');
	if (rest.p == NULL || user.n == 0 ||
	    (rest.n > 0 && memchr(rest.p, '\0', rest.n) != NULL))
		return SASL_MALFORMED;
	buf_add_span(&s->authzid, authzid);
	buf_add_span(&s->user, user);
	buf_add_span(&s->password, rest);
	return SASL_CREDENTIALS;
}

static enum sasl_result
login(struct sasl *s, struct span m)
{
	if (m.n > 0 && memchr(m.p, '\0', m.n) != NULL)
		return SASL_MALFORMED;
	if (s->step == 1) {
		if (m.n == 0)
			return SASL_MALFORMED;
		buf_add_span(&s->user, m);
		buf_adds(&s->text, "Password:");
		return SASL_CHALLENGE;
	}
	buf_add_span(&s->password, m);
	return SASL_CREDENTIALS;
}

/* ---- CRAM-MD5 (RFC 2195): user, space, HMAC-MD5 of the challenge in hex ---- */

static void
cram_md5_greet(struct sasl *s)
{
	unsigned char random[16];
	char hex[33];

	random_bytes(random, sizeof(random));
	hex_encode(random, sizeof(random), hex);
	buf_addf(&s->nonce, "<%s.%lld@loft>", hex, (long long)time(NULL));
}

static enum sasl_result
cram_md5(struct sasl *s, struct span m)
{
	size_t digits = 32;

	if (m.n < digits + 2 || m.p[m.n - digits - 1] != ' ' ||
	    memchr(m.p, '\0', m.n) != NULL || !scheme_unhex((struct span){
	    m.p + m.n - digits, digits }, &s->password))
		return SASL_MALFORMED;
	buf_add(&s->user, m.p, m.n - digits - 1);
	return SASL_LOOKUP;
}

static enum sasl_result
cram_md5_stored(struct sasl *s, struct span stored)
{
	struct buf states = { .secret = true }, clear = { .secret = true };
	unsigned char right[16];
	enum sasl_result r = SASL_UNFIT;

	if (password_clear(stored, &clear) == ERR_OK ||
	    password_raw(stored, "CRAM-MD5", &states) == ERR_OK ||
	    password_raw(stored, "HMAC-MD5", &states) == ERR_OK)
		r = cram_md5_answer(buf_span(&states), buf_span(&clear),
		    buf_span(&s->nonce), right) == ERR_OK &&
		    scheme_same(buf_span(&s->password), right,
		    sizeof(right)) == ERR_OK ? SASL_PROVEN : SASL_REFUSED;
	buf_clear(&states);
	buf_clear(&clear);
	return r;
}

/* ---- the steps ---- */

static enum sasl_result
scram(struct sasl *s, struct span m)
{
	/* The first message is read by sasl_begin, or by first_scram. */
	return scram_final_step(s, m, s->mechanism->md);
}

static bool
is_scram(const struct sasl *s)
{
	return s->mechanism != NULL && *s->mechanism->md != '\0';
}

const char *
sasl_digest(const struct sasl *s)
{
	return s->mechanism->md;
}

static void
note_offer(struct sasl *s, const char *offered, const struct sasl_binding *b)
{
	struct span plus = span_of(s->mechanism->scheme);
	struct buf name = { 0 };

	buf_add_span(&name, plus);
	buf_adds(&name, "-PLUS");
	s->plus_offered = b->is_tls && mechanism_listed(offered,
	    buf_span(&name));
	buf_clear(&name);
	buf_add_span(&s->exporter, b->exporter);
	buf_add_span(&s->end_point, b->end_point);
}

enum sasl_result
sasl_begin(struct sasl *s, const char *offered, struct span mechanism,
    const struct sasl_binding *binding, struct span initial,
    struct span *challenge)
{
	sasl_clear(s);
	s->password.secret = true;
	*challenge = SPAN("");
	if (!mechanism_listed(offered, mechanism))
		return SASL_UNKNOWN;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(*mechanisms); i++)
		if (span_ieq(mechanism, span_of(mechanisms[i].name)))
			s->mechanism = &mechanisms[i];
	if (s->mechanism == NULL || (s->mechanism->plus && !binding->is_tls))
		return SASL_UNKNOWN;
	s->proves = *s->mechanism->scheme != '\0';
	if (is_scram(s))
		note_offer(s, offered, binding);
	if (s->mechanism->step == cram_md5) {
		/* The server speaks first. */
		if (initial.p != NULL)
			return SASL_MALFORMED;
		cram_md5_greet(s);
		*challenge = buf_span(&s->nonce);
		return SASL_CHALLENGE;
	}
	if (initial.p == NULL) {
		*challenge = span_of(s->mechanism->greeting);
		return SASL_CHALLENGE;
	}
	return sasl_answer(s, initial, challenge);
}

enum sasl_result
sasl_answer(struct sasl *s, struct span response, struct span *challenge)
{
	enum sasl_result r;

	buf_reset(&s->text);
	s->step++;
	r = is_scram(s) && s->step == 1 ? scram_first_step(s, response,
	    s->mechanism->plus) : s->mechanism->step(s, response);
	s->looks_up = r == SASL_LOOKUP;
	*challenge = s->text.n > 0 ? buf_span(&s->text) : SPAN("");
	return r;
}

enum sasl_result
sasl_stored(struct sasl *s, struct span stored, struct buf *clear)
{
	enum sasl_result r = !is_scram(s) ? cram_md5_stored(s, stored) :
	    scram_stored(s, stored, s->mechanism->scheme, s->mechanism->md,
	    clear);

	s->looks_up = r == SASL_UNFIT;
	return r;
}

enum sasl_result
sasl_derived(struct sasl *s, const struct scram_keys *k,
    struct span *challenge)
{
	buf_reset(&s->text);
	if (!s->has_keys)
		s->keys = *k;
	scram_challenge(s);
	*challenge = buf_span(&s->text);
	return SASL_CHALLENGE;
}

void
sasl_clear(struct sasl *s)
{
	struct buf *all[] = { &s->user, &s->password, &s->authzid, &s->text,
		&s->exporter, &s->end_point, &s->gs2, &s->salt, &s->first,
		&s->nonce };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		all[i]->secret = true;
		buf_clear(all[i]);
	}
	secret_wipe(&s->keys, sizeof(s->keys));
	s->mechanism = NULL;
	s->step = 0;
	s->looks_up = s->proves = s->is_nobody = s->has_keys = false;
	s->plus_offered = false;
}
