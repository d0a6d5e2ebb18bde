/* Encoded words in header text: =?charset?B?...?= (RFC 2047). */
#include "maildir/mime.h"

#include "common/base64.h"
#include "common/charset.h"

#include <string.h>

/* An encoded word at the start of s. */
struct word {
	struct span charset, text;
	char encoding;		/* 'B' or 'Q' */
	size_t n;		/* all of it */
};

/*
 * False: none there. Longer than the 75 bytes that RFC 2047 2 allows is fine,
 * blanks inside are too as long as it ends on this line: both are seen in real
 * mail.
 */
static bool
read_word(struct span s, struct word *w)
{
	const char *p, *end = s.p + s.n, *q;

	if (s.n < 6 || s.p[0] != '=' || s.p[1] != '?')
		return false;
	p = s.p + 2;
	for (q = p; q < end && *q != '?'; q++)
		if (*q <= ' ' || *q > 126)
			return false;
	if (end - q < 3 || q == p || q[2] != '?')
		return false;
	w->charset = (struct span){ p, (size_t)(q - p) };
	/* RFC 2231 5: the charset may carry a language */
	w->charset.n = span_find(w->charset, '*');
	w->encoding = (char)(q[1] & ~0x20);
	if (w->encoding != 'B' && w->encoding != 'Q')
		return false;
	p = q + 3;
	for (q = p; q + 1 < end && !(q[0] == '?' && q[1] == '='); q++)
		if (*q == '\n' || *q == '?')
			return false;
	if (q + 1 >= end)
		return false;
	w->text = (struct span){ p, (size_t)(q - p) };
	w->n = (size_t)(q + 2 - s.p);
	return true;
}

static size_t
blank_length(struct span s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t' ||
	    s.p[n] == '\r' || s.p[n] == '\n'))
		n++;
	return n;
}

/* Text between encoded words. */
static void
add_plain(struct span s, struct buf *out)
{
	struct buf flat = { 0 };

	if (s.n == 0)
		return;
	header_unfold(s, &flat);
	s = buf_span(&flat);
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] > 127) {
			charset_to_utf8(SPAN(""), s, out);
			buf_clear(&flat);
			return;
		}
	}
	buf_add_span(out, s);
	buf_clear(&flat);
}

/*
 * Decodes the words from s on that belong together, and takes them off.
 * Neighbours in one charset are converted as one text: some mailers cut
 * characters in two.
 */
static void
add_words(struct span *s, struct word w, struct buf *out)
{
	struct buf bytes = { 0 };
	struct span charset = w.charset;
	bool more = true;

	while (more) {
		struct span next;
		size_t blank;

		if (w.encoding == 'B')
			base64_decode_mail(w.text, &bytes);
		else
			qp_decode(w.text, true, &bytes);
		s->p += w.n;
		s->n -= w.n;
		blank = blank_length(*s);
		next = (struct span){ s->p + blank, s->n - blank };
		more = read_word(next, &w);
		if (!more)
			break;
		*s = next;
		if (!span_ieq(w.charset, charset)) {
			charset_to_utf8(charset, buf_span(&bytes), out);
			buf_reset(&bytes);
			charset = w.charset;
		}
	}
	charset_to_utf8(charset, buf_span(&bytes), out);
	buf_clear(&bytes);
}

void
rfc2047_decode(struct span value, struct buf *out)
{
	struct span plain = { value.p, 0 };
	struct word w;

	if (value.n == 0)
		return;
	while (value.n > 0) {
		const char *eq = memchr(value.p, '=', value.n);

		if (eq == NULL)
			break;
		value.n -= (size_t)(eq - value.p);
		value.p = eq;
		if (!read_word(value, &w)) {
			value.p++;
			value.n--;
			continue;
		}
		plain.n = (size_t)(eq - plain.p);
		add_plain(plain, out);
		add_words(&value, w, out);
		plain.p = value.p;
	}
	plain.n = (size_t)(value.p + value.n - plain.p);
	add_plain(plain, out);
}
