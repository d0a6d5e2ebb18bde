/* CRLF to LF. */
#include "worker/line_ends.h"

#include <string.h>

#include "maildir/deliver.h"

enum { BLOCK = 16384 };

size_t
line_ends_convert(struct line_ends *le, struct span *piece, char *out,
    size_t cap)
{
	size_t n = 0;

	while (piece->n > 0 && n + 1 < cap) {
		const char *cr;
		size_t run;

		if (le->held) {
			/* Dropped only before LF, and not after another CR. */
			if (*piece->p != '\n' || le->after_cr) {
				out[n++] = '\r';
				le->after_cr = true;
			}
			le->held = false;
		}
		if (*piece->p == '\r') {
			le->held = true;
			piece->p++, piece->n--;
			continue;
		}
		cr = memchr(piece->p, '\r', piece->n);
		run = cr == NULL ? piece->n : (size_t)(cr - piece->p);
		if (run > cap - n)
			run = cap - n;
		memcpy(out + n, piece->p, run);
		n += run;
		le->after_cr = false;
		piece->p += run;
		piece->n -= run;
	}
	return n;
}

bool
line_ends_finish(struct line_ends *le)
{
	bool held = le->held;

	*le = (struct line_ends){ 0 };
	return held;
}

enum err
line_ends_deliver(struct line_ends *le, struct span piece, struct deliver *d)
{
	char out[BLOCK];
	enum err e = ERR_OK;

	while (piece.n > 0 && e == ERR_OK) {
		size_t n = line_ends_convert(le, &piece, out, sizeof(out));

		e = deliver_write(d, out, n);
	}
	return e;
}

enum err
line_ends_end(struct line_ends *le, struct deliver *d)
{
	return line_ends_finish(le) ? deliver_write(d, "\r", 1) : ERR_OK;
}
