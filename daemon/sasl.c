/* PLAIN and LOGIN: both end in a user and a password. */
#include "daemon/sasl.h"

#include <string.h>

static bool
is_offered(const char *offered, struct span mechanism)
{
	struct span rest = span_of(offered);

	while (rest.p != NULL)
		if (span_ieq(span_cut(&rest, ' '), mechanism))
			return mechanism.n > 0;
	return false;
}

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
login(struct sasl *s, struct span m, struct span *challenge)
{
	if (m.n > 0 && memchr(m.p, '\0', m.n) != NULL)
		return SASL_MALFORMED;
	if (s->step++ == 0) {
		if (m.n == 0)
			return SASL_MALFORMED;
		buf_add_span(&s->user, m);
		*challenge = SPAN("Password:");
		return SASL_CHALLENGE;
	}
	buf_add_span(&s->password, m);
	return SASL_CREDENTIALS;
}

enum sasl_result
sasl_begin(struct sasl *s, const char *offered, struct span mechanism,
    struct span initial, struct span *challenge)
{
	sasl_clear(s);
	s->password.secret = true;
	*challenge = SPAN("");
	if (!is_offered(offered, mechanism))
		return SASL_UNKNOWN;
	if (span_ieq(mechanism, SPAN("LOGIN"))) {
		s->is_login = true;
		*challenge = SPAN("Username:");
	} else if (!span_ieq(mechanism, SPAN("PLAIN"))) {
		return SASL_UNKNOWN;
	}
	if (initial.p == NULL)
		return SASL_CHALLENGE;
	return sasl_answer(s, initial, challenge);
}

enum sasl_result
sasl_answer(struct sasl *s, struct span response, struct span *challenge)
{
	*challenge = SPAN("");
	return s->is_login ? login(s, response, challenge) :
	    plain(s, response);
}

void
sasl_clear(struct sasl *s)
{
	s->user.secret = s->authzid.secret = true;
	buf_clear(&s->user);
	buf_clear(&s->password);
	buf_clear(&s->authzid);
	s->is_login = false;
	s->step = 0;
}
