/* Lines on the auth socket, from whoever may connect to it. */
#include "daemon/auth_line.h"

#include "common/tabtext.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_text(const char *text, size_t most)
{
	if (text == NULL || strlen(text) > most)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span line = { (const char *)data, n };
	struct arena a = { 0 };
	struct auth_line out;
	struct buf b = { 0 };

	if (auth_line_read(line, &a, &out) == ERR_OK) {
		check_text(out.mechanism, n);
		check_text(out.remote, n);
		check_text(out.local, n);
		check_text(out.session, n);
		check_text(out.service, n);
		if (out.response.n > n)
			abort();
	}
	/* What is escaped ends no field and no line. */
	tabtext_escape(line, &b);
	if (b.n > 2 * n || (b.n > 0 && (memchr(b.p, '\t', b.n) != NULL ||
	    memchr(b.p, '\n', b.n) != NULL)))
		abort();
	buf_clear(&b);
	arena_free(&a);
	return 0;
}
