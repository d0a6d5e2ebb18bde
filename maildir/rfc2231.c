/*
 * Parameters that come in pieces and in charsets (RFC 2231): name*, name*0,
 * name*1*. The rest of the world writes encoded words into quoted strings;
 * those are understood as well.
 */
#include "maildir/mime.h"

#include "common/charset.h"

#include <stdlib.h>
#include <string.h>

enum { PIECES_MAX = 1000 };

/* name*12* taken apart. */
struct piece {
	const struct param *param;
	struct span name;	/* without stars */
	unsigned number;	/* 12; 0 without one */
	unsigned order;		/* as written */
	bool numbered;
	bool encoded;		/* the star at the end */
};

/* False: an ordinary parameter. */
static bool
take_apart(const struct param *p, struct piece *out)
{
	size_t star = span_find(p->name, '*');
	struct span rest;
	uint64_t n;

	*out = (struct piece){ .param = p, .name = p->name };
	if (star == p->name.n || star == 0)
		return false;
	out->name.n = star;
	rest = (struct span){ p->name.p + star + 1, p->name.n - star - 1 };
	if (rest.n == 0) {
		out->encoded = true;
		return true;
	}
	if (rest.p[rest.n - 1] == '*') {
		out->encoded = true;
		rest.n--;
	}
	if (!span_to_u64(rest, PIECES_MAX - 1, &n))
		return false;
	out->numbered = true;
	out->number = (unsigned)n;
	return true;
}

static int
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

static int
compare(const void *va, const void *vb)
{
	const struct piece *a = va, *b = vb;
	size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;

	for (size_t i = 0; i < n; i++)
		if (lower(a->name.p[i]) != lower(b->name.p[i]))
			return lower(a->name.p[i]) - lower(b->name.p[i]);
	if (a->name.n != b->name.n)
		return a->name.n < b->name.n ? -1 : 1;
	if (a->numbered != b->numbered)
		return a->numbered ? 1 : -1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* How many numbered pieces of a name begin at v[0]; whether none is missing. */
static size_t
run_length(const struct piece *v, size_t n, bool *whole_out)
{
	size_t i;

	*whole_out = true;
	for (i = 0; i < n && v[i].numbered &&
	    span_ieq(v[i].name, v[0].name); i++)
		if (v[i].number != i)
			*whole_out = false;
	return i > 0 ? i : 1;
}

/* Appends a value that was not percent-encoded to one that is. */
static void
add_encoded(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c > 126 || strchr("*'%()<>@,;:\\\"/[]?=", c))
			buf_addf(b, "%%%02X", c);
		else
			buf_addc(b, (char)c);
	}
}

/* v[0..n-1] as one parameter. */
static struct param *
join(const struct piece *v, size_t n, struct arena *a)
{
	struct param *p = arena_alloc(a, sizeof(*p));
	struct buf b = { 0 };
	bool encoded = false;

	for (size_t i = 0; i < n; i++)
		encoded |= v[i].encoded;
	/* an encoded value begins with charset'language', even if empty */
	if (encoded && !v[0].encoded)
		buf_adds(&b, "''");
	for (size_t i = 0; i < n; i++) {
		if (encoded && !v[i].encoded)
			add_encoded(&b, v[i].param->value);
		else
			buf_add_span(&b, v[i].param->value);
	}
	p->value = b.n > 0 ? arena_span(a, buf_span(&b)) : SPAN("");
	buf_reset(&b);
	buf_add_span(&b, v[0].name);
	if (encoded)
		buf_addc(&b, '*');
	p->name = arena_span(a, buf_span(&b));
	buf_clear(&b);
	return p;
}

static struct param **
append(struct param **last, const struct param *p, struct arena *a)
{
	*last = arena_dup(a, p, sizeof(*p));
	(*last)->next = NULL;
	return &(*last)->next;
}

static size_t
count_stars(const struct param *p)
{
	size_t n = 0;

	for (; p != NULL; p = p->next)
		n += span_find(p->name, '*') < p->name.n;
	return n;
}

const struct param *
param_join(const struct param *p, struct arena *a)
{
	struct param *first = NULL, **last = &first;
	size_t n = 0, run, max = count_stars(p);
	struct piece *v;

	if (max == 0)
		return p;
	v = arena_array(a, max, sizeof(*v));
	for (; p != NULL; p = p->next) {
		if (n < max && take_apart(p, &v[n])) {
			v[n].order = (unsigned)n;
			n++;
		} else {
			last = append(last, p, a);
		}
	}
	qsort(v, n, sizeof(v[0]), compare);
	for (size_t i = 0; i < n; i += run) {
		bool whole;

		run = run_length(v + i, n - i, &whole);
		if (v[i].numbered && whole) {
			*last = join(v + i, run, a);
			last = &(*last)->next;
			continue;
		}
		/* name*, or pieces with a gap between them: as written */
		for (size_t k = i; k < i + run; k++)
			last = append(last, v[k].param, a);
	}
	return first;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* charset'language'percent-encoded as UTF-8. */
static struct span
decode(struct span s, struct arena *a)
{
	struct buf bytes = { 0 }, out = { 0 };
	struct span charset = SPAN(""), result;
	const char *q = memchr(s.p, '\'', s.n), *q2 = NULL;

	if (q != NULL)
		q2 = memchr(q + 1, '\'', (size_t)(s.p + s.n - q - 1));
	if (q2 != NULL) {
		charset = (struct span){ s.p, (size_t)(q - s.p) };
		s.n -= (size_t)(q2 + 1 - s.p);
		s.p = q2 + 1;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 &&
		    hex(s.p[i + 2]) >= 0) {
			buf_addc(&bytes, (char)(hex(s.p[i + 1]) << 4 |
			    hex(s.p[i + 2])));
			i += 2;
		} else {
			buf_addc(&bytes, s.p[i]);
		}
	}
	charset_to_utf8(charset, buf_span(&bytes), &out);
	result = out.n > 0 ? arena_span(a, buf_span(&out)) : SPAN("");
	buf_clear(&bytes);
	buf_clear(&out);
	return result;
}

struct span
param_find(const struct param *p, const char *name, struct arena *a)
{
	struct span want = span_of(name), found = SPAN_NONE;
	struct buf out = { 0 };

	for (p = param_join(p, a); p != NULL; p = p->next) {
		if (p->name.n == want.n + 1 && p->name.p[want.n] == '*' &&
		    span_istarts(p->name, want))
			return decode(p->value, a);
		if (found.p == NULL && span_ieq(p->name, want))
			found = p->value;
	}
	if (found.n == 0)
		return found;
	rfc2047_decode(found, &out);
	found = out.n > 0 ? arena_span(a, buf_span(&out)) : SPAN("");
	buf_clear(&out);
	return found;
}
