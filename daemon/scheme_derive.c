/* Schemes that derive keys with PBKDF2: SCRAM's (RFC 5803) and Dovecot's PBKDF2. */
#include "daemon/scheme.h"

#include "common/base64.h"
#include "common/digest.h"
#include "daemon/scram.h"

#include <string.h>

enum { SALT_BYTES = 16 };

enum err
verify_scram(const struct scheme_check *c)
{
	struct buf salt = { .max = SCHEME_DATA_MAX };
	struct scram_keys stored, ours;
	enum err e = scram_parse(c->scheme->parameter, c->data, &stored, &salt);

	if (e == ERR_OK && (e = scram_derive(c->scheme->parameter, c->clear,
	    buf_span(&salt), stored.rounds, &ours)) == ERR_OK)
		e = scheme_same((struct span){ (char *)stored.stored,
		    stored.n }, ours.stored, ours.n);
	secret_wipe(&ours, sizeof(ours));
	buf_clear(&salt);
	return e;
}

enum err
make_scram(const struct scheme_order *o, struct buf *raw)
{
	unsigned char salt[SALT_BYTES];
	struct span salt_span = { (char *)salt, sizeof(salt) };
	struct scram_keys k;
	unsigned rounds = o->rounds == 0 ? SCRAM_ROUNDS : o->rounds;
	enum err e;

	if (rounds < SCRAM_ROUNDS || rounds > SCHEME_ROUNDS_MAX)
		return ERR_CANNOT;
	random_bytes(salt, sizeof(salt));
	if ((e = scram_derive(o->scheme->parameter, o->clear, salt_span, rounds,
	    &k)) != ERR_OK)
		return e;
	buf_addf(raw, "%u,", rounds);
	base64_encode(salt_span, raw);
	buf_addc(raw, ',');
	base64_encode((struct span){ (char *)k.stored, k.n }, raw);
	buf_addc(raw, ',');
	base64_encode((struct span){ (char *)k.server, k.n }, raw);
	secret_wipe(&k, sizeof(k));
	return ERR_OK;
}

/* "$1$salt$rounds$hex"; the salt is used as it stands. */
enum err
verify_pbkdf2(const struct scheme_check *c)
{
	struct span rest = c->data, salt, count;
	struct buf stored = { .max = SCHEME_DATA_MAX };
	unsigned char key[20];
	uint64_t rounds;
	enum err e = ERR_CORRUPT;

	if (!span_starts(rest, SPAN("$1$")))
		return ERR_CORRUPT;
	rest.p += 3, rest.n -= 3;
	salt = span_cut(&rest, '$');
	count = span_cut(&rest, '$');
	if (span_to_u64(count, SCHEME_ROUNDS_MAX, &rounds) && rounds >= 1 &&
	    scheme_unhex(rest, &stored) && stored.n == sizeof(key) &&
	    (e = scram_pbkdf2(c->scheme->parameter, c->clear, salt,
	    (unsigned)rounds, key, sizeof(key))) == ERR_OK)
		e = scheme_same(buf_span(&stored), key, sizeof(key));
	secret_wipe(key, sizeof(key));
	buf_clear(&stored);
	return e;
}

enum err
make_pbkdf2(const struct scheme_order *o, struct buf *raw)
{
	unsigned rounds = o->rounds == 0 ? 5000 : o->rounds;
	struct buf salt = { 0 };
	unsigned char key[20];
	char hex[2 * sizeof(key) + 1];
	enum err e = ERR_CANNOT;

	scheme_salt(SALT_BYTES, &salt);
	if (rounds <= SCHEME_ROUNDS_MAX)
		e = scram_pbkdf2(o->scheme->parameter, o->clear,
		    buf_span(&salt), rounds, key, sizeof(key));
	if (e == ERR_OK) {
		hex_encode(key, sizeof(key), hex);
		buf_addf(raw, "$1$%s$%u$%s", buf_cstr(&salt), rounds, hex);
	}
	secret_wipe(key, sizeof(key));
	buf_clear(&salt);
	return e;
}
