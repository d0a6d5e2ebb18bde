/* Sequence and UID sets (RFC 9051 9: sequence-set). */
#include "worker/set.h"

#include <stdlib.h>

enum { RANGES_MAX = 1000000 };

/* One number or "*"; moves *s past it. */
static enum err
take_number(struct span *s, uint32_t *out, bool *star)
{
	uint64_t v = 0;
	size_t i;

	if (s->n > 0 && s->p[0] == '*') {
		*out = UINT32_MAX;
		*star = true;
		s->p++, s->n--;
		return ERR_OK;
	}
	for (i = 0; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		v = v * 10 + (uint64_t)(s->p[i] - '0');
		if (v > UINT32_MAX)
			return ERR_SYNTAX;
	}
	/* nz-number: no zero, none in front either */
	if (i == 0 || s->p[0] == '0')
		return ERR_SYNTAX;
	*out = (uint32_t)v;
	s->p += i;
	s->n -= i;
	return ERR_OK;
}

static enum err
take_range(struct span *s, struct set_range *r, bool *star)
{
	enum err e = take_number(s, &r->first, star);

	r->last = r->first;
	if (e != ERR_OK || s->n == 0 || s->p[0] != ':')
		return e;
	s->p++, s->n--;
	if ((e = take_number(s, &r->last, star)) != ERR_OK)
		return e;
	if (r->first > r->last) {
		uint32_t swap = r->first;

		r->first = r->last;
		r->last = swap;
	}
	return ERR_OK;
}

enum err
set_parse(struct span s, struct arena *a, struct set *out)
{
	size_t n = 1;
	enum err e;

	*out = (struct set){ 0 };
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == ',';
	if (n > RANGES_MAX)
		return ERR_LIMIT;
	out->range = arena_array(a, n, sizeof(*out->range));
	for (;;) {
		e = take_range(&s, &out->range[out->n], &out->has_star);
		if (e != ERR_OK)
			return e;
		out->n++;
		if (s.n == 0)
			return ERR_OK;
		if (s.p[0] != ',')
			return ERR_SYNTAX;
		s.p++, s.n--;
	}
}

static int
compare(const void *pa, const void *pb)
{
	const struct set_range *a = pa, *b = pb;

	return (a->first > b->first) - (a->first < b->first);
}

void
set_resolve(struct set *s, uint32_t largest)
{
	size_t kept = 0;
	bool sorted = true;

	for (size_t i = 0; i < s->n; i++) {
		struct set_range *r = &s->range[i];

		if (s->has_star && r->last == UINT32_MAX) {
			r->last = largest;
			if (r->first > largest) {
				r->last = r->first == UINT32_MAX ? largest :
				    r->first;
				r->first = largest;
			}
		}
		if (i > 0 && s->range[i - 1].first > r->first)
			sorted = false;
	}
	s->has_star = false;
	if (!sorted)
		qsort(s->range, s->n, sizeof(*s->range), compare);
	for (size_t i = 0; i < s->n; i++) {
		struct set_range r = s->range[i];
		struct set_range *last = &s->range[kept - (kept > 0)];

		if (kept > 0 && (last->last == UINT32_MAX ||
		    r.first <= last->last + 1)) {
			if (r.last > last->last)
				last->last = r.last;
		} else {
			s->range[kept++] = r;
		}
	}
	s->n = kept;
}

bool
set_has(const struct set *s, uint32_t n)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (n < s->range[mid].first)
			high = mid;
		else if (n > s->range[mid].last)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

void
set_write(const uint32_t *numbers, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		size_t j = i;

		while (j + 1 < n && numbers[j + 1] == numbers[j] + 1)
			j++;
		if (i > 0)
			buf_addc(out, ',');
		buf_add_u64(out, numbers[i]);
		if (j > i) {
			buf_addc(out, ':');
			buf_add_u64(out, numbers[j]);
		}
		i = j + 1;
	}
}
