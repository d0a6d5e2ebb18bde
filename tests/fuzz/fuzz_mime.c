/*
 * A whole message: its tree of parts must be sound, its ENVELOPE and
 * BODYSTRUCTURE well-formed IMAP, its addresses, parameters and encoded words
 * readable.
 */
#include "maildir/mime.h"
#include "maildir/structure.h"

#include <stdlib.h>

#include "common/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct arena arena;

static void
check(bool sound)
{
	if (!sound)
		abort();
}

static void
check_range(struct span text, const struct range *r)
{
	struct range again = { 0 };

	check(r->at <= text.n && r->n <= text.n - r->at);
	mime_count(&again, text.p + r->at, (size_t)r->n,
	    r->at > 0 ? text.p[r->at - 1] : '\0');
	check(again.lines == r->lines && again.lf == r->lf);
}

static void
check_part(struct span text, const struct part *p, unsigned depth)
{
	unsigned number = 0;
	uint64_t at = p->body.at;

	check(depth < MIME_DEPTH_MAX + 1);
	check_range(text, &p->header);
	check_range(text, &p->body);
	check(p->header.at + p->header.n == p->body.at);
	check((p->child != NULL) == (p->is_multipart || p->is_message));
	for (const struct part *c = p->child; c != NULL; c = c->next) {
		check(c->parent == p && c->number == ++number);
		check(c->header.at >= at);
		at = c->body.at + c->body.n;
		check(at <= p->body.at + p->body.n);
		check_part(text, c, depth + 1);
	}
	check(!p->is_message || number == 1);
}

/* One value off the front: NIL, number, "quoted", {literal} or (list). */
static bool
read_value(struct span *s)
{
	if (s->n == 0)
		return false;
	if (*s->p == '(') {
		s->p++, s->n--;
		while (s->n > 0 && *s->p != ')') {
			if (*s->p == ' ')
				s->p++, s->n--;
			if (!read_value(s))
				return false;
		}
		if (s->n == 0)
			return false;
		s->p++, s->n--;
		return true;
	}
	if (*s->p == '"') {
		for (s->p++, s->n--; s->n > 0 && *s->p != '"'; s->p++, s->n--) {
			if (*s->p == '\r' || *s->p == '\n' || *s->p == '\0' ||
			    (unsigned char)*s->p > 127)
				return false;
			if (*s->p == '\\' && s->n > 1)
				s->p++, s->n--;
		}
		if (s->n == 0)
			return false;
		s->p++, s->n--;
		return true;
	}
	if (*s->p == '{') {
		struct span digits = { s->p + 1, span_find(*s, '}') - 1 };
		uint64_t n;

		if (!span_to_u64(digits, s->n, &n) ||
		    digits.n + 4 + n > s->n)
			return false;
		if (memchr(digits.p + digits.n + 3, '\0', (size_t)n) != NULL)
			return false;
		s->p += digits.n + 4 + n;
		s->n -= digits.n + 4 + (size_t)n;
		return true;
	}
	if (span_starts(*s, SPAN("NIL"))) {
		s->p += 3, s->n -= 3;
		return true;
	}
	if (*s->p < '0' || *s->p > '9')
		return false;
	while (s->n > 0 && *s->p >= '0' && *s->p <= '9')
		s->p++, s->n--;
	return true;
}

static void
check_syntax(struct buf *b)
{
	struct span s = buf_span(b);

	check(read_value(&s) && s.n == 0);
	buf_reset(b);
}

static void
try_fields(struct span header, struct buf *b)
{
	struct header_iter it;
	struct header_field f;
	size_t n = 0;

	header_init(&it, header);
	while (header_next(&it, &f)) {
		struct span type, subtype;
		struct param *params;

		check(f.whole.p == header.p + n);
		n += f.whole.n;
		(void)address_parse(f.value, &arena);
		rfc2047_decode(f.value, b);
		buf_reset(b);
		if (content_parse(f.value, &arena, &type, &subtype,
		    &params) != ERR_OK)
			continue;
		check(type.n > 0);
		(void)param_find(params, "name", &arena);
		(void)param_join(params, &arena);
	}
	check(n <= header.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	struct span text = { (const char *)data, n };
	struct buf b = { 0 };
	struct part *root;

	if (!ready)
		charset_init();
	ready = true;
	mime_parse(text, &arena, &root);
	check_part(text, root, 0);
	check(root->header.n == mime_header_end(text));
	check(root->body.at + root->body.n == n);
	try_fields((struct span){ text.p, (size_t)root->header.n }, &b);
	structure_envelope((struct span){ text.p, (size_t)root->header.n },
	    &arena, &b);
	check_syntax(&b);
	structure_body(text, root, true, &arena, &b);
	check_syntax(&b);
	structure_body(text, root, false, &arena, &b);
	check_syntax(&b);
	buf_clear(&b);
	arena_clear(&arena);
	return 0;
}
