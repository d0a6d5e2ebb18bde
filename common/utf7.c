/* Modified UTF-7 (RFC 3501 5.1.3): every name has exactly one form. */
#include "common/utf7.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
value(char c)
{
	const char *p = c == '\0' ? NULL : strchr(alphabet, c);

	return p == NULL ? -1 : (int)(p - alphabet);
}

/* Printable ASCII stands for itself and may not be shifted. */
static bool
is_direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7E;
}

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

static void
add_utf8(struct buf *out, uint32_t c)
{
	char p[4];
	size_t n = 0;

	if (c < 0x80) {
		p[n++] = (char)c;
	} else if (c < 0x800) {
		p[n++] = (char)(0xC0 | c >> 6);
		p[n++] = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		p[n++] = (char)(0xE0 | c >> 12);
		p[n++] = (char)(0x80 | (c >> 6 & 63));
		p[n++] = (char)(0x80 | (c & 63));
	} else {
		p[n++] = (char)(0xF0 | c >> 18);
		p[n++] = (char)(0x80 | (c >> 12 & 63));
		p[n++] = (char)(0x80 | (c >> 6 & 63));
		p[n++] = (char)(0x80 | (c & 63));
	}
	buf_add(out, p, n);
}

/* The code point of a sequence that span_utf8 found valid. */
static uint32_t
code_point(const char *p, size_t n)
{
	uint32_t c = (unsigned char)p[0];

	if (n > 1)
		c &= 0x7Fu >> n;
	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 63);
	return c;
}

/* One UTF-16 unit of a shifted run; *high holds a surrogate not yet paired. */
static bool
take_unit(uint32_t unit, uint32_t *high, struct buf *out)
{
	if (*high != 0) {
		if (unit < 0xDC00 || unit > 0xDFFF)
			return false;
		add_utf8(out, 0x10000 + ((*high - 0xD800) << 10) +
		    (unit - 0xDC00));
		*high = 0;
		return true;
	}
	if (unit >= 0xD800 && unit <= 0xDBFF) {
		*high = unit;
		return true;
	}
	if ((unit >= 0xDC00 && unit <= 0xDFFF) || is_direct(unit) ||
	    is_control(unit))
		return false;
	add_utf8(out, unit);
	return true;
}

/* A shifted run: what lies between "&" and "-". */
static enum err
decode_run(struct span run, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned have = 0;

	for (size_t i = 0; i < run.n; i++) {
		int v = value(run.p[i]);

		if (v < 0)
			return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 16) {
			have -= 16;
			if (!take_unit(bits >> have & 0xFFFF, &high, out))
				return ERR_SYNTAX;
			bits &= (1u << have) - 1;
		}
	}
	/* Less than a character's worth of bits left, all zero. */
	return have < 6 && bits == 0 && high == 0 ? ERR_OK : ERR_SYNTAX;
}

enum err
utf7_to_utf8(struct span s, struct buf *out)
{
	bool after_run = false;
	enum err e;

	while (s.n > 0) {
		struct span run;
		size_t end;

		if (s.p[0] != '&') {
			if (!is_direct((unsigned char)s.p[0]))
				return ERR_SYNTAX;
			buf_addc(out, s.p[0]);
			s.p++;
			s.n--;
			after_run = false;
			continue;
		}
		end = span_find(s, '-');
		if (end == s.n)
			return ERR_SYNTAX;
		run = (struct span){ s.p + 1, end - 1 };
		s.p += end + 1;
		s.n -= end + 1;
		if (run.n == 0) {
			buf_addc(out, '&');
			after_run = false;
			continue;
		}
		/* Two runs in a row would have been one. */
		if (after_run)
			return ERR_SYNTAX;
		if ((e = decode_run(run, out)) != ERR_OK)
			return e;
		after_run = true;
	}
	return ERR_OK;
}

/* Bits of a run that is being written. */
struct run {
	bool open;
	uint32_t bits;
	unsigned have;
};

static void
add_unit(struct run *r, uint32_t unit, struct buf *out)
{
	if (!r->open)
		buf_addc(out, '&');
	r->open = true;
	r->bits = r->bits << 16 | unit;
	r->have += 16;
	while (r->have >= 6) {
		r->have -= 6;
		buf_addc(out, alphabet[r->bits >> r->have & 63]);
	}
	r->bits &= (1u << r->have) - 1;
}

static void
end_run(struct run *r, struct buf *out)
{
	if (!r->open)
		return;
	if (r->have > 0)
		buf_addc(out, alphabet[r->bits << (6 - r->have) & 63]);
	buf_addc(out, '-');
	*r = (struct run){ 0 };
}

enum err
utf7_from_utf8(struct span s, struct buf *out)
{
	struct run r = { 0 };

	while (s.n > 0) {
		size_t n = span_utf8(s);
		uint32_t c = n == 0 ? 0 : code_point(s.p, n);

		if (n == 0 || is_control(c))
			return ERR_SYNTAX;
		s.p += n;
		s.n -= n;
		if (is_direct(c)) {
			end_run(&r, out);
			buf_addc(out, (char)c);
			if (c == '&')
				buf_addc(out, '-');
		} else if (c >= 0x10000) {
			add_unit(&r, 0xD800 + ((c - 0x10000) >> 10), out);
			add_unit(&r, 0xDC00 + ((c - 0x10000) & 0x3FF), out);
		} else {
			add_unit(&r, c, out);
		}
	}
	end_run(&r, out);
	return ERR_OK;
}

bool
utf8_is_valid(struct span s)
{
	while (s.n > 0) {
		uint64_t word;
		size_t n;

		/* Eight bytes of ASCII at once: most text is nothing else. */
		if (s.n >= sizeof(word)) {
			memcpy(&word, s.p, sizeof(word));
			if ((word & 0x8080808080808080u) == 0) {
				s.p += sizeof(word);
				s.n -= sizeof(word);
				continue;
			}
		}
		n = span_utf8(s);
		if (n == 0)
			return false;
		s.p += n;
		s.n -= n;
	}
	return true;
}
