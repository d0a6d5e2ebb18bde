/*
 * Mailbox names in modified UTF-7: what is accepted comes back byte for byte,
 * from both sides; and text in any charset becomes valid UTF-8. Input: a byte
 * that chooses, then the text.
 */
#include "common/charset.h"
#include "common/fold.h"
#include "common/utf7.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
try_utf7(struct span in)
{
	struct buf utf8 = { 0 }, back = { 0 };

	if (utf7_to_utf8(in, &utf8) == ERR_OK &&
	    (!utf8_is_valid(buf_span(&utf8)) ||
	    utf7_from_utf8(buf_span(&utf8), &back) != ERR_OK ||
	    !span_eq(buf_span(&back), in)))
		abort();
	buf_clear(&utf8);
	buf_clear(&back);
}

static void
try_utf8(struct span in)
{
	struct buf utf7 = { 0 }, back = { 0 };

	if (utf7_from_utf8(in, &utf7) == ERR_OK &&
	    (!utf8_is_valid(in) ||
	    utf7_to_utf8(buf_span(&utf7), &back) != ERR_OK ||
	    !span_eq(buf_span(&back), in)))
		abort();
	buf_clear(&utf7);
	buf_clear(&back);
}

static void
try_charset(unsigned which, struct span in)
{
	const char *name = charset_name(which % 80);
	struct buf utf8 = { .max = 100000 }, folded = { .max = 1000000 };
	struct buf again = { .max = 1000000 };

	charset_to_utf8(span_of(name), in, &utf8);
	if (!utf8.over && !utf8_is_valid(buf_span(&utf8)))
		abort();
	fold_utf8(buf_span(&utf8), &folded);
	if (!utf8.over && !utf8_is_valid(buf_span(&folded)))
		abort();
	/* Bytes that are no UTF-8 must not upset it either. */
	fold_utf8(in, &again);
	buf_clear(&utf8);
	buf_clear(&folded);
	buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = { (const char *)data + 1, n - 1 };

	if (n == 0)
		return 0;
	if (data[0] == '7')
		try_utf7(in);
	else if (data[0] == '8')
		try_utf8(in);
	else
		try_charset(data[0], in);
	return 0;
}
