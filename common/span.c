/* Pointer-and-length text: compare, split, trim. */
#include "common/span.h"

struct span
span_of(const char *s)
{
	return s == NULL ? SPAN_NONE : (struct span){ s, strlen(s) };
}

/* ASCII only: the locale must not change what a keyword is. */
static unsigned char
lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

/* memcmp must not see NULL, not even with length 0. */
static bool
same(const char *a, const char *b, size_t n)
{
	return n == 0 || memcmp(a, b, n) == 0;
}

static bool
isame(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

bool
span_eq(struct span a, struct span b)
{
	return a.n == b.n && same(a.p, b.p, a.n);
}

bool
span_ieq(struct span a, struct span b)
{
	return a.n == b.n && isame(a.p, b.p, a.n);
}

int
span_cmp(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

bool
span_starts(struct span s, struct span what)
{
	return s.n >= what.n && same(s.p, what.p, what.n);
}

bool
span_istarts(struct span s, struct span what)
{
	return s.n >= what.n && isame(s.p, what.p, what.n);
}

bool
span_ends(struct span s, struct span what)
{
	return s.n >= what.n &&
	    (what.n == 0 || same(s.p + (s.n - what.n), what.p, what.n));
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_trim(struct span s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct span
span_cut(struct span *s, char sep)
{
	size_t i = span_find(*s, sep);
	struct span head = { s->p, i };

	if (i == s->n) {
		*s = SPAN_NONE;
	} else {
		s->p += i + 1;
		s->n -= i + 1;
	}
	return head;
}

size_t
span_find(struct span s, char c)
{
	const char *hit = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return hit == NULL ? s.n : (size_t)(hit - s.p);
}

bool
span_to_u64(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned char)s.p[i] - (unsigned)'0';

		if (d > 9 || v > max / 10 || d > max - v * 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

bool
span_take_i64(struct span *s, int64_t *out)
{
	bool minus = s->n > 0 && *s->p == '-';
	struct span digits;
	uint64_t n;

	if (s->n > 0 && (minus || *s->p == '+'))
		s->p++, s->n--;
	digits = (struct span){ s->p, 0 };
	while (digits.n < s->n && s->p[digits.n] >= '0' &&
	    s->p[digits.n] <= '9')
		digits.n++;
	if (digits.n == 0 || !span_to_u64(digits, INT64_MAX, &n))
		return false;
	*out = minus ? -(int64_t)n : (int64_t)n;
	s->p += digits.n;
	s->n -= digits.n;
	return true;
}

/* A byte that continues a sequence, within the bounds its place allows. */
static bool
is_tail(struct span s, size_t i, unsigned least, unsigned most)
{
	return i < s.n && (unsigned char)s.p[i] >= least &&
	    (unsigned char)s.p[i] <= most;
}

size_t
span_utf8(struct span s)
{
	unsigned c;

	if (s.n == 0)
		return 0;
	c = (unsigned char)s.p[0];
	if (c < 0x80)
		return 1;
	/* The bounds on the second byte keep out longer forms than needed,
	 * surrogates and what is past U+10FFFF (RFC 3629 4). */
	if (c >= 0xC2 && c <= 0xDF)
		return is_tail(s, 1, 0x80, 0xBF) ? 2 : 0;
	if (c >= 0xE0 && c <= 0xEF)
		return is_tail(s, 1, c == 0xE0 ? 0xA0 : 0x80,
		    c == 0xED ? 0x9F : 0xBF) &&
		    is_tail(s, 2, 0x80, 0xBF) ? 3 : 0;
	if (c >= 0xF0 && c <= 0xF4)
		return is_tail(s, 1, c == 0xF0 ? 0x90 : 0x80,
		    c == 0xF4 ? 0x8F : 0xBF) &&
		    is_tail(s, 2, 0x80, 0xBF) &&
		    is_tail(s, 3, 0x80, 0xBF) ? 4 : 0;
	return 0;
}
