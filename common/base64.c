/* Base64 (RFC 4648 4) and quoted-printable (RFC 2045 6.7, RFC 2047 4.2). */
#include "common/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a byte plus one; 0 is not in the alphabet. */
static const uint8_t value[256] = {
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6,
	['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12,
	['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
	['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
	['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
	['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
	['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
	['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

enum { ENCODE_STEP = 3 * 4096, DECODE_STEP = 4 * 4096 };

/* n bytes, all of them whole groups but the last of a text. */
static char *
encode_step(const unsigned char *p, size_t n, char *out)
{
	for (; n >= 3; n -= 3, p += 3) {
		*out++ = alphabet[p[0] >> 2];
		*out++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*out++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
		*out++ = alphabet[p[2] & 63];
	}
	if (n > 0) {
		unsigned second = n == 2 ? p[1] : 0;

		*out++ = alphabet[p[0] >> 2];
		*out++ = alphabet[(p[0] & 3) << 4 | second >> 4];
		*out++ = n == 2 ? alphabet[(second & 15) << 2] : '=';
		*out++ = '=';
	}
	return out;
}

void
base64_encode(struct span s, struct buf *out)
{
	while (s.n > 0) {
		size_t n = s.n < ENCODE_STEP ? s.n : ENCODE_STEP;
		size_t size = (n + 2) / 3 * 4;
		char *p = buf_reserve(out, size);

		if (p == NULL)
			return;
		encode_step((const unsigned char *)s.p, n, p);
		out->n += size;
		s.p += n;
		s.n -= n;
	}
}

/* Four bytes to three; false, with nothing written, when one is foreign. */
static inline bool
decode_group(const char *p, char *out)
{
	unsigned a = value[(unsigned char)p[0]], b = value[(unsigned char)p[1]];
	unsigned c = value[(unsigned char)p[2]], d = value[(unsigned char)p[3]];
	uint32_t v;

	if (a == 0 || b == 0 || c == 0 || d == 0)
		return false;
	v = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
	out[0] = (char)(v >> 16);
	out[1] = (char)(v >> 8);
	out[2] = (char)v;
	return true;
}

/*
 * Decodes whole groups as long as they are clean, at most a step of them.
 * Near the bound of `out` it does nothing: byte by byte then finds the end.
 */
static void
decode_clean(struct span *s, struct buf *out)
{
	size_t n = s->n < DECODE_STEP ? s->n / 4 * 4 : DECODE_STEP;
	size_t at = 0, made = 0;
	char *p;

	if (out->max != 0 && out->max - out->n < n / 4 * 3)
		return;
	if (n == 0 || (p = buf_reserve(out, n / 4 * 3)) == NULL)
		return;
	while (at < n && decode_group(s->p + at, p + made)) {
		at += 4;
		made += 3;
	}
	out->n += made;
	s->p += at;
	s->n -= at;
}

/* What is left of a group of which `have` characters were seen. */
static void
flush(uint32_t bits, unsigned have, struct buf *out)
{
	if (have >= 2)
		buf_addc(out, (char)(bits >> (have == 2 ? 4 : 10)));
	if (have == 3)
		buf_addc(out, (char)(bits >> 2));
}

enum err
base64_decode(struct span s, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t before = s.n + 1; s.n < before;) {
		before = s.n;
		decode_clean(&s, out);
	}
	while (s.n >= 4 || have > 0) {
		unsigned v = s.n == 0 ? 0 : value[(unsigned char)s.p[0]];

		if (v == 0)
			break;
		bits = bits << 6 | (v - 1);
		have++;
		s.p++;
		s.n--;
		if (have == 4) {
			buf_addc(out, (char)(bits >> 16));
			buf_addc(out, (char)(bits >> 8));
			buf_addc(out, (char)bits);
			have = 0;
		}
	}
	if (have == 0)
		return s.n == 0 ? ERR_OK : ERR_SYNTAX;
	if (have < 2 || s.n != 4 - have || memcmp(s.p, "==", s.n) != 0)
		return ERR_SYNTAX;
	flush(bits, have, out);
	return ERR_OK;
}

void
base64_decode_mail(struct span s, struct buf *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	while (s.n > 0 && !out->over) {
		unsigned v;

		if (have == 0) {
			decode_clean(&s, out);
			if (s.n == 0)
				break;
		}
		v = value[(unsigned char)s.p[0]];
		/* "=" in a group's first place is dirt, not its end. */
		if (v == 0 && s.p[0] == '=' && have > 0)
			break;
		s.p++;
		s.n--;
		if (v == 0)
			continue;
		bits = bits << 6 | (v - 1);
		if (++have == 4) {
			buf_addc(out, (char)(bits >> 16));
			buf_addc(out, (char)(bits >> 8));
			buf_addc(out, (char)bits);
			have = 0;
		}
	}
	flush(bits, have, out);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* An octet after "=" at the front of s; false, with nothing taken, else. */
static bool
take_octet(struct span *s, struct buf *out)
{
	int high, low;

	if (s->n < 3 || s->p[0] != '=' || (high = hex_value(s->p[1])) < 0 ||
	    (low = hex_value(s->p[2])) < 0)
		return false;
	buf_addc(out, (char)(high << 4 | low));
	s->p += 3;
	s->n -= 3;
	return true;
}

/* Adds the first n bytes of s as they are. */
static void
take(struct span *s, size_t n, struct buf *out)
{
	buf_add(out, s->p, n);
	s->p += n;
	s->n -= n;
}

/* A line without its end; false when it ends in a soft line break. */
static bool
decode_line(struct span line, struct buf *out)
{
	for (;;) {
		take(&line, span_find(line, '='), out);
		if (line.n <= 1)
			return line.n == 0;
		if (!take_octet(&line, out))
			take(&line, 1, out);
	}
}

static void
decode_body(struct span s, struct buf *out)
{
	while (s.n > 0 && !out->over) {
		size_t end = span_find(s, '\n'), n = end;
		struct span rest = { s.p + end, s.n - end };
		struct span line_end;

		if (end < s.n) {
			rest.p++;
			rest.n--;
			if (n > 0 && s.p[n - 1] == '\r')
				n--;
		}
		line_end = (struct span){ s.p + n, s.n - rest.n - n };
		/* RFC 2045 6.7 (3): blanks at the end were added on the way. */
		while (n > 0 && (s.p[n - 1] == ' ' || s.p[n - 1] == '\t'))
			n--;
		if (decode_line((struct span){ s.p, n }, out))
			buf_add_span(out, line_end);
		s = rest;
	}
}

static void
decode_header(struct span s, struct buf *out)
{
	while (s.n > 0 && !out->over) {
		size_t n = 0;

		while (n < s.n && s.p[n] != '=' && s.p[n] != '_')
			n++;
		take(&s, n, out);
		if (s.n == 0 || take_octet(&s, out))
			continue;
		buf_addc(out, s.p[0] == '_' ? ' ' : '=');
		s.p++;
		s.n--;
	}
}

void
qp_decode(struct span s, bool header, struct buf *out)
{
	if (header)
		decode_header(s, out);
	else
		decode_body(s, out);
}
