/*
 * maildirsize from anybody: what is read is never below nothing, and is what was meant
 * when it is written again.
 */
#include "maildir/maildirsize.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct maildirsize m, again;
	struct buf b = { 0 };

	if (!maildirsize_parse((struct span){ (const char *)data, n }, &m))
		return 0;
	if (m.bytes > INT64_MAX || m.messages > INT64_MAX || m.lines == 0)
		abort();
	buf_addf(&b, "%lluS,%lluC\n%llu %llu\n",
	    (unsigned long long)m.bytes_limit,
	    (unsigned long long)m.messages_limit, (unsigned long long)m.bytes,
	    (unsigned long long)m.messages);
	m.lines = 1;
	if (!maildirsize_parse(buf_span(&b), &again) ||
	    memcmp(&m, &again, sizeof(m)) != 0)
		abort();
	buf_clear(&b);
	return 0;
}
