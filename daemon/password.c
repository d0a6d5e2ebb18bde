/* Stored passwords. One row for each scheme; the kinds are in scheme_*.c. */
#include "daemon/password.h"

#include "common/base64.h"
#include "common/digest.h"
#include "common/log.h"
#include "daemon/scheme.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SLOW SCHEME_SLOW
#define WEAK SCHEME_WEAK
#define BOTH (SLOW | WEAK)

static const struct scheme schemes[] = {
	{ "PLAIN", verify_plain, make_plain, "", FORM_TEXT, 0 },
	{ "CLEAR", verify_plain, make_plain, "", FORM_TEXT, 0 },
	{ "CLEARTEXT", verify_plain, make_plain, "", FORM_TEXT, 0 },
	{ "PLAIN-TRUNC", verify_plain, make_plain, "", FORM_TEXT, 0 },
	{ "CRYPT", verify_crypt, make_crypt, "", FORM_TEXT, SLOW },
	{ "BLF-CRYPT", verify_crypt, make_crypt, "$2", FORM_TEXT, SLOW },
	{ "SHA512-CRYPT", verify_crypt, make_crypt, "$6$", FORM_TEXT, SLOW },
	{ "SHA256-CRYPT", verify_crypt, make_crypt, "$5$", FORM_TEXT, SLOW },
	{ "MD5-CRYPT", verify_crypt, make_crypt, "$1$", FORM_TEXT, BOTH },
	{ "MD5", verify_crypt, make_crypt, "$1$", FORM_TEXT, BOTH },
	{ "DES-CRYPT", verify_crypt, make_crypt, "", FORM_TEXT, BOTH },
	{ "ARGON2ID", verify_argon2, make_argon2, "$argon2id$", FORM_TEXT,
	    SLOW },
	{ "ARGON2I", verify_argon2, make_argon2, "$argon2i$", FORM_TEXT, SLOW },
	{ "ARGON2", verify_argon2, NULL, "$argon2", FORM_TEXT, SLOW },
	{ "SHA", verify_digest, make_digest, "SHA1", FORM_BASE64, 0 },
	{ "SHA1", verify_digest, make_digest, "SHA1", FORM_BASE64, 0 },
	{ "SHA256", verify_digest, make_digest, "SHA256", FORM_BASE64, 0 },
	{ "SHA512", verify_digest, make_digest, "SHA512", FORM_BASE64, 0 },
	{ "SSHA", verify_salted, make_salted, "SHA1", FORM_BASE64, 0 },
	{ "SSHA256", verify_salted, make_salted, "SHA256", FORM_BASE64, 0 },
	{ "SSHA512", verify_salted, make_salted, "SHA512", FORM_BASE64, 0 },
	{ "SMD5", verify_salted, make_salted, "MD5", FORM_BASE64, WEAK },
	{ "PLAIN-MD5", verify_digest, make_digest, "MD5", FORM_HEX, WEAK },
	{ "PLAIN-MD4", verify_digest, make_digest, "MD4", FORM_HEX, WEAK },
	{ "LDAP-MD5", verify_digest, make_digest, "MD5", FORM_BASE64, WEAK },
	{ "DIGEST-MD5", verify_digest_md5, make_digest_md5, "", FORM_HEX, 0 },
	{ "CRAM-MD5", verify_cram_md5, make_cram_md5, "", FORM_HEX, 0 },
	{ "HMAC-MD5", verify_cram_md5, make_cram_md5, "", FORM_HEX, 0 },
	{ "SCRAM-SHA-1", verify_scram, make_scram, "SHA1", FORM_TEXT, SLOW },
	{ "SCRAM-SHA-256", verify_scram, make_scram, "SHA256", FORM_TEXT,
	    SLOW },
	{ "PBKDF2", verify_pbkdf2, make_pbkdf2, "SHA1", FORM_TEXT, SLOW },
	{ "OTP", verify_otp, make_otp, "", FORM_TEXT, SLOW },
};

static const struct scheme *
find(struct span name)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (span_ieq(name, span_of(schemes[i].name)))
			return &schemes[i];
	return NULL;
}

const char *
password_scheme_at(size_t i)
{
	return i < sizeof(schemes) / sizeof(*schemes) ? schemes[i].name : NULL;
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

static bool
has_flag(struct span stored, const char *default_scheme, unsigned flag)
{
	struct span scheme, encoding, data;
	const struct scheme *s;

	split(stored, default_scheme, &scheme, &encoding, &data);
	s = find(scheme);
	return s != NULL && (s->flags & flag) != 0;
}

bool
password_is_slow(struct span stored, const char *default_scheme)
{
	return has_flag(stored, default_scheme, SCHEME_SLOW);
}

bool
password_is_weak(struct span stored, const char *default_scheme)
{
	return has_flag(stored, default_scheme, SCHEME_WEAK);
}

/* ---- for the kinds ---- */

bool
scheme_unhex(struct span s, struct buf *out)
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

bool
scheme_decode(const struct scheme_check *c, size_t n, struct buf *out)
{
	if (c->is_raw) {
		buf_add_span(out, c->data);
		return true;
	}
	if (c->data.n == 2 * n && scheme_unhex(c->data, out))
		return true;
	buf_reset(out);
	return base64_decode(c->data, out) == ERR_OK;
}

enum err
scheme_same(struct span stored, const void *p, size_t n)
{
	return secret_eq(stored, (struct span){ p, n }) ? ERR_OK : ERR_AUTH;
}

void
scheme_salt(size_t n, struct buf *out)
{
	static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz";
	unsigned char c;

	while (n-- > 0) {
		random_bytes(&c, 1);
		buf_addc(out, letters[c & 63]);
	}
}

/* ---- verifying and making ---- */

/* FORM_TEXT for none. False: it is none that we know. */
static bool
encoding_named(struct span name, enum scheme_form *out)
{
	bool is_base64 = span_ieq(name, SPAN("b64")) ||
	    span_ieq(name, SPAN("base64"));

	*out = is_base64 ? FORM_BASE64 : span_ieq(name, SPAN("hex")) ?
	    FORM_HEX : FORM_TEXT;
	return name.p == NULL || *out != FORM_TEXT;
}

/* A NUL would end the password for crypt and not for us. */
static bool
is_possible(struct span clear)
{
	return clear.n <= SCHEME_CLEAR_MAX &&
	    (clear.n == 0 || memchr(clear.p, '\0', clear.n) == NULL);
}

enum err
password_verify(struct span stored, const char *default_scheme,
    struct span user, struct span clear)
{
	struct span scheme, encoding;
	struct buf text = { .secret = true }, raw = { .max = SCHEME_DATA_MAX };
	struct scheme_check c = { .user = user };
	enum scheme_form form;
	enum err e = ERR_OK;

	split(stored, default_scheme, &scheme, &encoding, &c.data);
	if ((c.scheme = find(scheme)) == NULL ||
	    !encoding_named(encoding, &form))
		return ERR_NOTFOUND;
	if (!is_possible(clear) || c.data.n > SCHEME_DATA_MAX)
		return ERR_AUTH;
	if (form == FORM_HEX)
		e = scheme_unhex(c.data, &raw) ? ERR_OK : ERR_CORRUPT;
	else if (form == FORM_BASE64)
		e = base64_decode(c.data, &raw) == ERR_OK ? ERR_OK :
		    ERR_CORRUPT;
	if (form != FORM_TEXT)
		c.data = buf_span(&raw);
	c.is_raw = form != FORM_TEXT;
	buf_add_span(&text, clear);
	c.clear = (struct span){ buf_cstr(&text), clear.n };
	if (e == ERR_OK)
		e = c.scheme->verify(&c);
	buf_clear(&text);
	buf_clear(&raw);
	return e;
}

enum err
password_raw(struct span stored, const char *scheme, struct buf *out)
{
	struct span name, encoding;
	struct scheme_check c = { 0 };
	enum scheme_form form;

	split(stored, "PLAIN", &name, &encoding, &c.data);
	if (!span_ieq(name, span_of(scheme)) ||
	    (c.scheme = find(name)) == NULL)
		return ERR_CANNOT;
	if (c.data.n > SCHEME_DATA_MAX || !encoding_named(encoding, &form))
		return ERR_CORRUPT;
	if (form == FORM_TEXT)
		form = c.scheme->form;
	if (form == FORM_TEXT)
		buf_add_span(out, c.data);
	else if (form == FORM_HEX)
		return scheme_unhex(c.data, out) ? ERR_OK : ERR_CORRUPT;
	else if (base64_decode(c.data, out) != ERR_OK)
		return ERR_CORRUPT;
	return ERR_OK;
}

enum err
password_clear(struct span stored, struct buf *out)
{
	static const char *const names[] = { "PLAIN", "CLEAR", "CLEARTEXT" };
	enum err e = ERR_CANNOT;

	for (size_t i = 0; i < 3 && e == ERR_CANNOT; i++)
		e = password_raw(stored, names[i], out);
	return e;
}

static void
add_encoded(struct span raw, enum scheme_form form, struct buf *out)
{
	char hex[3];

	if (form == FORM_TEXT)
		buf_add_span(out, raw);
	else if (form == FORM_BASE64)
		base64_encode(raw, out);
	else
		for (size_t i = 0; i < raw.n; i++) {
			hex_encode(raw.p + i, 1, hex);
			buf_adds(out, hex);
		}
}

enum err
password_make(const char *scheme, struct span user, struct span clear,
    unsigned rounds, struct buf *out)
{
	struct span encoding = span_of(scheme), name = span_cut(&encoding, '.');
	struct scheme_order o = { .scheme = find(name), .user = user,
		.rounds = rounds };
	struct buf text = { .secret = true }, raw = { .secret = true };
	enum scheme_form form;
	enum err e;

	if (o.scheme == NULL || o.scheme->make == NULL ||
	    !encoding_named(encoding, &form))
		return ERR_NOTFOUND;
	if (!is_possible(clear))
		return ERR_CANNOT;
	buf_add_span(&text, clear);
	o.clear = (struct span){ buf_cstr(&text), clear.n };
	if ((e = o.scheme->make(&o, &raw)) == ERR_OK) {
		buf_addf(out, "{%s%s}", o.scheme->name, form == FORM_HEX ?
		    ".HEX" : form == FORM_BASE64 ? ".B64" : "");
		add_encoded(buf_span(&raw), form != FORM_TEXT ? form :
		    o.scheme->form, out);
	}
	buf_clear(&text);
	buf_clear(&raw);
	return e;
}
