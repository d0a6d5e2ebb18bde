/* Dots of DATA. */
#include "worker/lmtp_dots.h"

#include <string.h>

/* A byte that is not the next of "\r\n.\r\n" at this place. */
static size_t
add_text(struct lmtp_dots *d, char c, char *out)
{
	d->state = c == '\r' ? DOTS_CR : DOTS_TEXT;
	*out = c;
	return 1;
}

static size_t
add_line(struct lmtp_dots *d, char *out)
{
	d->state = DOTS_LINE;
	*out = '\n';
	return 1;
}

/* One byte; writes at most two. */
static size_t
step(struct lmtp_dots *d, char c, char *out)
{
	switch (d->state) {
	case DOTS_LINE:
		if (c != '.')
			return add_text(d, c, out);
		d->state = DOTS_DOT;
		return 0;
	case DOTS_CR:
		return c == '\n' ? add_line(d, out) : add_text(d, c, out);
	case DOTS_DOT:
		if (c != '\r')
			return add_text(d, c, out);
		d->state = DOTS_DOT_CR;
		return 0;
	case DOTS_DOT_CR:
		if (c == '\n') {
			d->state = DOTS_END;
			return 0;
		}
		*out = '\r';
		return 1 + add_text(d, c, out + 1);
	case DOTS_TEXT:
	case DOTS_END:
		break;
	}
	return add_text(d, c, out);
}

size_t
lmtp_dots_take(struct lmtp_dots *d, struct span *piece, char *out, size_t cap)
{
	size_t n = 0;

	while (piece->n > 0 && d->state != DOTS_END && n + 2 <= cap) {
		const char *cr = d->state != DOTS_TEXT ? piece->p :
		    memchr(piece->p, '\r', piece->n);
		size_t run = cr == NULL ? piece->n : (size_t)(cr - piece->p);

		if (run > cap - n)
			run = cap - n;
		memcpy(out + n, piece->p, run);
		n += run;
		piece->p += run;
		piece->n -= run;
		if (piece->n > 0 && n + 2 <= cap) {
			n += step(d, *piece->p, out + n);
			piece->p++, piece->n--;
		}
	}
	return n;
}
