/*
 * Transfer encodings: strict and lenient decoding agree where both understand,
 * encoding undoes decoding, bounds hold.
 */
#include "common/base64.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_bound(struct buf *b)
{
	if (b->max != 0 && b->n > b->max)
		abort();
	buf_clear(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = { (const char *)data, n };
	struct buf strict = { 0 }, mail = { 0 }, coded = { 0 }, back = { 0 };
	struct buf cut = { .max = 1 + n / 2 }, qp = { 0 }, header = { 0 };
	struct buf qp_cut = { .max = 1 + n / 2 };

	base64_decode_mail(in, &mail);
	if (base64_decode(in, &strict) == ERR_OK &&
	    !span_eq(buf_span(&strict), buf_span(&mail)))
		abort();
	base64_decode_mail(in, &cut);
	if (cut.n > mail.n || (cut.n > 0 && memcmp(cut.p, mail.p, cut.n) != 0))
		abort();
	base64_encode(in, &coded);
	if (base64_decode(buf_span(&coded), &back) != ERR_OK ||
	    !span_eq(buf_span(&back), in))
		abort();
	qp_decode(in, false, &qp);
	qp_decode(in, false, &qp_cut);
	qp_decode(in, true, &header);
	if (qp.n > n || header.n > n)
		abort();
	if (qp_cut.n > qp.n ||
	    (qp_cut.n > 0 && memcmp(qp_cut.p, qp.p, qp_cut.n) != 0))
		abort();
	check_bound(&strict);
	check_bound(&mail);
	check_bound(&coded);
	check_bound(&back);
	check_bound(&cut);
	check_bound(&qp);
	check_bound(&qp_cut);
	check_bound(&header);
	return 0;
}
