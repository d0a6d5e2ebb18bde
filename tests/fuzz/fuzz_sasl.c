/* What a client says in SASL, before anybody knows who it is. */
#include "daemon/sasl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(struct span part, struct span whole)
{
	if (part.n > 0 && (part.p < whole.p ||
	    part.p + part.n > whole.p + whole.n))
		abort();
}

/* The first byte chooses the mechanism; answers are parted by LF. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = {
		"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
		"SCRAM-SHA-256-PLUS",
	};
	struct sasl_binding b = { true, SPAN("x"), SPAN("y") };
	struct span rest = { (const char *)data + 1, n - 1 }, text;
	struct buf user = { 0 }, authzid = { 0 }, clear = { 0 };
	struct scram_first first;
	struct scram_final final;
	struct scram_keys k = { .rounds = 1, .n = 20 };
	struct sasl s = { 0 };
	enum sasl_result r;

	if (n == 0)
		return 0;
	if (scram_read_first(rest, &first, &user, &authzid) == ERR_OK) {
		check(first.nonce, rest);
		check(first.bare, rest);
	}
	if (scram_read_final(rest, &final) == ERR_OK) {
		check(final.proof, rest);
		check(final.without_proof, rest);
	}
	r = sasl_begin(&s, "plain login cram-md5 scram-sha-1 scram-sha-256 "
	    "scram-sha-256-plus", span_of(names[*data % 6]), &b,
	    *data >= 128 ? SPAN_NONE : span_cut(&rest, '\n'), &text);
	for (int i = 0; i < 8; i++) {
		if (r == SASL_LOOKUP)
			r = sasl_stored(&s, SPAN("{PLAIN}x"), &clear);
		if (r == SASL_DERIVE)
			r = sasl_derived(&s, &k, &text);
		if (r != SASL_CHALLENGE || rest.p == NULL)
			break;
		r = sasl_answer(&s, span_cut(&rest, '\n'), &text);
	}
	sasl_clear(&s);
	buf_clear(&user);
	buf_clear(&authzid);
	buf_clear(&clear);
	return 0;
}
