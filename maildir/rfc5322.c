/*
 * Header blocks and their fields; addresses (RFC 5322, with RFC 822's
 * leftovers). Both read what mail really holds: see VIOLATIONS.md for what is
 * forgiven.
 */
#include "maildir/mime.h"

#include <string.h>

enum {
	ADDRESSES_MAX = 10000,
	LITERAL_MAX = 256,	/* bytes of a domain in brackets */
};

/* ---- headers ---- */

void
header_init(struct header_iter *it, struct span header)
{
	it->rest = header;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The length of the field at the start of s, continuation lines included. */
static size_t
field_length(struct span s)
{
	const char *p = s.p, *end = s.p + s.n, *lf;

	while ((lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p = lf + 1;
		if (p == end || !is_blank(*p))
			return (size_t)(p - s.p);
	}
	return s.n;
}

bool
header_next(struct header_iter *it, struct header_field *out)
{
	struct span s = it->rest, v;
	const char *lf, *colon;
	size_t first;

	*out = (struct header_field){ 0 };
	if (s.n == 0 || s.p[0] == '\n' ||
	    (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n'))
		return false;
	s.n = field_length(s);
	it->rest.p += s.n;
	it->rest.n -= s.n;
	out->whole = v = s;
	if (v.p[v.n - 1] == '\n')
		v.n--;
	if (v.n < s.n && v.n > 0 && v.p[v.n - 1] == '\r')
		v.n--;
	lf = memchr(v.p, '\n', v.n);
	first = lf == NULL ? v.n : (size_t)(lf - v.p);
	colon = memchr(v.p, ':', first);
	if (colon == NULL) {
		out->value = v;
		return true;
	}
	out->name = (struct span){ v.p, (size_t)(colon - v.p) };
	while (out->name.n > 0 && is_blank(v.p[out->name.n - 1]))
		out->name.n--;
	v.n -= (size_t)(colon + 1 - v.p);
	v.p = colon + 1;
	while (v.n > 0 && is_blank(*v.p)) {
		v.p++;
		v.n--;
	}
	out->value = v;
	return true;
}

bool
header_find(struct span header, struct span name, struct header_field *out)
{
	struct header_iter it;

	header_init(&it, header);
	while (header_next(&it, out))
		if (out->name.p != NULL && span_ieq(out->name, name))
			return true;
	*out = (struct header_field){ 0 };
	return false;
}

void
header_unfold(struct span value, struct buf *out)
{
	const char *lf;

	while ((lf = memchr(value.p, '\n', value.n)) != NULL) {
		size_t n = (size_t)(lf - value.p);

		buf_add(out, value.p,
		    n > 0 && value.p[n - 1] == '\r' ? n - 1 : n);
		value.p += n + 1;
		value.n -= n + 1;
	}
	buf_add(out, value.p, value.n);
}

/* ---- addresses: reading pieces ---- */

struct reader {
	const char *p, *end;
	struct arena *arena;
	struct buf phrase;	/* the words so far, as a display name */
	struct buf local;	/* the last of them that dots join */
	struct buf comment;	/* the last comment since `local` began */
	size_t before_local;	/* length of phrase when `local` began */
	unsigned words;		/* sequences of words that dots join */
	bool quoted;		/* the last one holds a quoted string */
	bool no_quote;		/* no closing quote lies ahead */
	struct address *first, **last;
	unsigned n;
};

static bool
is_space(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

static bool
at(const struct reader *r, char c)
{
	return r->p < r->end && *r->p == c;
}

static bool
is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* r->p is at "(". Nested comments stay in the text with their parentheses. */
static void
read_comment(struct reader *r)
{
	unsigned depth = 1;

	buf_reset(&r->comment);
	for (r->p++; r->p < r->end; r->p++) {
		char c = *r->p;

		if (c == '\\' && r->p + 1 < r->end)
			c = *++r->p;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0) {
			r->p++;
			return;
		}
		if (c != '\r' && c != '\n')
			buf_addc(&r->comment, c);
	}
}

/* White space and comments. Returns whether there were any. */
static bool
skip(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end) {
		if (is_space(*r->p))
			r->p++;
		else if (*r->p == '(')
			read_comment(r);
		else
			break;
	}
	return r->p > from;
}

/* Appends what a quoted string holds; false (nothing read): it never ends. */
static bool
read_quoted(struct reader *r, struct buf *out)
{
	const char *p, *close = r->p + 1;

	while (!r->no_quote && close < r->end && *close != '"')
		close += *close == '\\' && close + 1 < r->end ? 2 : 1;
	if (r->no_quote || close >= r->end) {
		r->no_quote = true;
		return false;
	}
	for (p = r->p + 1; p < close; p++) {
		if (*p == '\\' && p + 1 < close)
			p++;
		if (*p != '\r' && *p != '\n')
			buf_addc(out, *p);
	}
	r->p = close + 1;
	return true;
}

static bool
ends_atom(char c)
{
	switch (c) {
	case ' ': case '\t': case '\r': case '\n': case '(': case ')': case '<':
	case '>': case '@': case ',': case ';': case ':': case '"': case '.':
		return true;
	}
	return false;
}

/* The bytes up to one that ends an atom: at least one, whatever it is. */
static struct span
read_atom(struct reader *r)
{
	const char *from = r->p++;

	while (r->p < r->end && !ends_atom(*r->p))
		r->p++;
	return (struct span){ from, (size_t)(r->p - from) };
}

/* domain: dots with white space around them, or a literal in brackets. */
static struct span
read_domain(struct reader *r)
{
	struct buf b = { 0 };
	struct span s;
	const char *close;
	size_t left;

	skip(r);
	left = (size_t)(r->end - r->p);
	if (left > LITERAL_MAX)
		left = LITERAL_MAX;
	if (at(r, '[') && (close = memchr(r->p, ']', left)) != NULL) {
		s = (struct span){ r->p, (size_t)(close + 1 - r->p) };
		r->p = close + 1;
		skip(r);
		return arena_span(r->arena, s);
	}
	while (r->p < r->end && !is_one_of(*r->p, "<>@,;:\"")) {
		if (b.n > 0 && *r->p != '.' && b.p[b.n - 1] != '.')
			break;
		buf_add_span(&b, read_atom(r));
		skip(r);
	}
	if (b.n == 0)
		return SPAN("MISSING_DOMAIN");
	s = arena_span(r->arena, buf_span(&b));
	buf_clear(&b);
	return s;
}

/*
 * Words and dots up to a byte of `stop`. Fills phrase, local and comment: in
 * "Anna Meier a.m" local is "a.m" and before_local says where it began.
 */
static void
read_words(struct reader *r, const char *stop)
{
	bool dot = false, space;

	buf_reset(&r->phrase);
	buf_reset(&r->local);
	buf_reset(&r->comment);
	r->words = 0;
	r->before_local = 0;
	for (;;) {
		bool is_dot;
		size_t n;

		space = skip(r);
		if (r->p == r->end || is_one_of(*r->p, stop))
			return;
		is_dot = *r->p == '.';
		if (r->words == 0 || (!dot && !is_dot)) {
			r->before_local = r->phrase.n;
			buf_reset(&r->local);
			buf_reset(&r->comment);
			r->words++;
			r->quoted = false;
		}
		if (r->phrase.n > 0 && !is_dot && (space || !dot))
			buf_addc(&r->phrase, ' ');
		n = r->local.n;
		if (is_dot)
			buf_addc(&r->local, *r->p++);
		else if (*r->p == '"' && read_quoted(r, &r->local))
			r->quoted = true;
		else
			buf_add_span(&r->local, read_atom(r));
		dot = is_dot;
		if (r->local.n > n)
			buf_add(&r->phrase, r->local.p + n, r->local.n - n);
	}
}

/* ---- addresses: putting them together ---- */

static struct span
keep(struct reader *r, const struct buf *b)
{
	return b->n == 0 ? SPAN_NONE : arena_span(r->arena, buf_span(b));
}

static void
add(struct reader *r, struct address addr)
{
	struct address *a = arena_alloc(r->arena, sizeof(*a));

	*a = addr;
	a->next = NULL;
	*r->last = a;
	r->last = &a->next;
	r->n++;
}

/* "@one,@two:" in front of the local part. */
static struct span
read_route(struct reader *r)
{
	struct buf b = { 0 };
	struct span route = SPAN("INVALID_ROUTE");

	while (at(r, '@')) {
		r->p++;
		if (b.n > 0)
			buf_addc(&b, ',');
		buf_addc(&b, '@');
		buf_add_span(&b, read_domain(r));
		while (at(r, ',')) {
			r->p++;
			skip(r);
		}
	}
	if (at(r, ':')) {
		r->p++;
		route = arena_span(r->arena, buf_span(&b));
	}
	buf_clear(&b);
	return route;
}

/* At "<". Takes the ">" and what junk precedes it, if there is one. */
static void
read_angle(struct reader *r, struct span name)
{
	struct address addr = { .name = name,
		.mailbox = SPAN("MISSING_MAILBOX"),
		.host = SPAN("MISSING_DOMAIN") };
	const char *p;

	r->p++;
	skip(r);
	if (at(r, '@'))
		addr.route = read_route(r);
	read_words(r, "<>@,");
	if (r->phrase.n > 0)
		addr.mailbox = r->words > 1 ? keep(r, &r->phrase) :
		    keep(r, &r->local);
	else if (r->words > 0 && at(r, '@'))
		addr.mailbox = SPAN("");
	if (at(r, '@')) {
		r->p++;
		addr.host = read_domain(r);
	}
	for (p = r->p; p < r->end && *p != '>' && *p != ',' && *p != '<'; p++)
		;
	if (p < r->end && *p == '>')
		p++;
	r->p = p;
	add(r, addr);
}

/*
 * What follows an address without a comma: nothing that matters unless it holds
 * another address.
 */
static void
skip_junk(struct reader *r)
{
	const char *from;

	skip(r);
	while (at(r, '@') || at(r, '>') || at(r, ':'))
		r->p++;
	from = r->p;
	read_words(r, "<>@,;:");
	if (at(r, '<') || at(r, '@'))
		r->p = from;
}

/* At "@", behind the words. */
static void
read_addr_spec(struct reader *r)
{
	struct address addr = { .mailbox = SPAN("MISSING_MAILBOX") };
	struct span name = { r->phrase.p, r->before_local };

	if (r->words > 0)
		addr.mailbox = r->local.n == 0 ? SPAN("") : keep(r, &r->local);
	if (name.n > 0)
		addr.name = arena_span(r->arena, name);
	buf_reset(&r->comment);
	r->p++;
	addr.host = read_domain(r);
	if (addr.name.p == NULL)
		addr.name = keep(r, &r->comment);
	if (at(r, '<')) {
		/* a@b <c@d>: the first is a display name */
		buf_addc(&r->phrase, '@');
		buf_add_span(&r->phrase, addr.host);
		read_angle(r, keep(r, &r->phrase));
		return;
	}
	add(r, addr);
}

/* Words and then neither "@" nor "<". */
static void
add_words(struct reader *r)
{
	struct address addr = { .mailbox = SPAN("MISSING_MAILBOX"),
		.host = SPAN("MISSING_DOMAIN") };

	if (r->phrase.n == 0)
		return;
	if (r->words == 1 && !r->quoted) {
		addr.mailbox = keep(r, &r->local);
		addr.name = keep(r, &r->comment);
	} else {
		addr.name = keep(r, &r->phrase);
	}
	add(r, addr);
}

static void
read_list(struct reader *r)
{
	bool in_group = false;

	while (r->p < r->end && r->n < ADDRESSES_MAX) {
		read_words(r, "<>@,;:");
		if (at(r, '<')) {
			read_angle(r, keep(r, &r->phrase));
			skip_junk(r);
		} else if (at(r, '@')) {
			read_addr_spec(r);
			skip_junk(r);
		} else if (at(r, ':') && !in_group && r->phrase.n > 0) {
			add(r, (struct address){ .mailbox =
			    keep(r, &r->phrase) });
			in_group = true;
			r->p++;
			continue;
		} else {
			add_words(r);
		}
		if (at(r, ';') && in_group) {
			add(r, (struct address){ 0 });
			in_group = false;
		}
		if (at(r, ',') || at(r, ';') || at(r, '>') || at(r, ':'))
			r->p++;
	}
	if (in_group)
		add(r, (struct address){ 0 });
}

struct address *
address_parse(struct span value, struct arena *a)
{
	struct reader r = { .p = value.p, .end = value.p + value.n,
		.arena = a };

	if (value.n == 0)
		return NULL;
	r.last = &r.first;
	read_list(&r);
	buf_clear(&r.phrase);
	buf_clear(&r.local);
	buf_clear(&r.comment);
	return r.first;
}
