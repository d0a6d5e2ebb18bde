/*
 * What a client of LMTP sends: commands line by line, and after DATA a message. Whatever
 * it is, nothing that could end a header's line comes out of an address, and a message is
 * the same in whichever pieces it arrives.
 */
#include "worker/lmtp_dots.h"
#include "worker/lmtp_line.h"

#include "common/buf.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' ||
		    (unsigned char)s.p[i] >= 0x7f || s.p[i] == '<' ||
		    s.p[i] == '>')
			abort();
}

static void
check_path(struct span args, struct span keyword)
{
	struct span user, detail, key, value, again;
	struct arena a = { 0 };
	struct lmtp_path p, q;
	const char *why;
	struct buf b = { 0 };

	if (lmtp_line_path(&args, keyword, &a, &p, &why) == ERR_OK) {
		check_text(p.text);
		if (p.local.n + p.domain.n > LMTP_PATH_MAX)
			abort();
		lmtp_line_detail(p.local, SPAN("+-"), &user, &detail);
		if (user.n + detail.n > p.local.n)
			abort();
		while (lmtp_line_parameter(&args, &key, &value) == ERR_OK &&
		    key.n > 0)
			continue;
		/* As we write it, it is read as the same. */
		buf_addf(&b, "TO:<%.*s>", (int)p.text.n, p.text.p);
		again = buf_span(&b);
		if (lmtp_line_path(&again, SPAN("TO:"), &a, &q, &why) ==
		    ERR_OK && (!span_eq(p.local, q.local) ||
		    !span_eq(p.domain, q.domain)))
			abort();
	} else if (why == NULL) {
		abort();
	}
	buf_clear(&b);
	arena_free(&a);
}

static void
check_line(struct span line)
{
	struct span word;
	uint64_t size;
	bool last;

	if (lmtp_line_word(&line, &word) != ERR_OK)
		return;
	check_path(line, SPAN("FROM:"));
	check_path(line, SPAN("TO:"));
	lmtp_line_is_domain(line);
	if (lmtp_line_chunk(line, &size, &last) == ERR_OK && size > INT64_MAX)
		abort();
}

/* Bytes taken. */
static size_t
read_message(struct span in, size_t step, size_t cap, struct buf *out)
{
	struct lmtp_dots d = { 0 };
	size_t at = 0;

	while (at < in.n && d.state != DOTS_END) {
		struct span piece = { in.p + at, in.n - at < step ?
			in.n - at : step };
		size_t size = piece.n;

		while (piece.n > 0 && d.state != DOTS_END) {
			char room[64];
			size_t n = lmtp_dots_take(&d, &piece, room, cap);

			if (n > cap)
				abort();
			buf_add(out, room, n);
		}
		at += size - piece.n;
	}
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = { (const char *)data, n }, rest = in;
	struct buf one = { 0 }, other = { 0 };

	while (rest.n > 0)
		check_line(span_cut(&rest, '\n'));
	if (read_message(in, n, 64, &one) != read_message(in, 1, 2, &other) ||
	    !span_eq(buf_span(&one), buf_span(&other)))
		abort();
	buf_clear(&one);
	buf_clear(&other);
	return 0;
}
