/*
 * Structured values: Content-Type and its relatives (RFC 2045 5.1, RFC 2183),
 * with all that real mail leaves out or adds.
 */
#include "maildir/mime.h"

#include <string.h>

enum {
	VALUE_MAX = 64 << 10,	/* of a Content-Type that is looked at */
	PARAMS_MAX = 1000,
};

/* Past white space and comments. */
static void
skip(struct span *s)
{
	unsigned depth = 0;

	for (; s->n > 0; s->p++, s->n--) {
		char c = *s->p;

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth > 0 && c == '\\' && s->n > 1)
			s->p++, s->n--;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' &&
		    c != '\n')
			return;
	}
}

static bool
is_token_char(char c)
{
	switch (c) {
	case '(': case ')': case '<': case '>': case '@': case ',': case ';':
	case ':': case '\\': case '"': case '/': case '[': case ']': case '?':
	case '=':
		return false;
	}
	return c > ' ' && c < 127;
}

static struct span
take_token(struct span *s)
{
	struct span t = { s->p, 0 };

	while (s->n > 0 && is_token_char(*s->p)) {
		s->p++;
		s->n--;
		t.n++;
	}
	return t;
}

/* At a quote; the text without it and without escapes and folds. */
static struct span
take_quoted(struct span *s, struct arena *a)
{
	struct span t;
	bool plain = true;
	size_t n;
	char *q;

	for (n = 1; n < s->n && s->p[n] != '"'; n++) {
		if (s->p[n] == '\\' && n + 1 < s->n) {
			n++;
			plain = false;
		} else if (s->p[n] == '\n') {
			plain = false;
		}
	}
	t = (struct span){ s->p + 1, n - 1 };
	if (n < s->n)
		n++;
	s->p += n;
	s->n -= n;
	if (plain)
		return t;
	q = arena_alloc(a, t.n);
	n = 0;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '\\' && i + 1 < t.n)
			i++;
		else if (t.p[i] == '\n' || (t.p[i] == '\r' &&
		    i + 1 < t.n && t.p[i + 1] == '\n'))
			continue;
		q[n++] = t.p[i];
	}
	return (struct span){ q, n };
}

/*
 * A value without quotes: up to a semicolon or a blank. Much that RFC 2045
 * wants quoted comes without (boundary=a=b/c?), and is taken as meant.
 */
static struct span
take_value(struct span *s)
{
	struct span t = { s->p, 0 };

	while (s->n > 0 && *s->p != ';' && *s->p != ' ' && *s->p != '\t' &&
	    *s->p != '\r' && *s->p != '\n' && *s->p != '(') {
		s->p++;
		s->n--;
		t.n++;
	}
	return t;
}

static void
skip_to_semicolon(struct span *s)
{
	while (s->n > 0 && *s->p != ';') {
		if (*s->p == '(') {
			skip(s);
		} else if (*s->p == '"') {
			struct span rest = { s->p + 1, s->n - 1 };
			size_t n = span_find(rest, '"');

			*s = rest;
			if (n < rest.n) {
				s->p += n + 1;
				s->n -= n + 1;
			}
		} else {
			s->p++;
			s->n--;
		}
	}
}

/* "name = value", behind a semicolon or only a blank. False: nothing usable. */
static bool
take_param(struct span *s, struct arena *a, struct param *out)
{
	skip(s);
	out->name = take_token(s);
	skip(s);
	if (out->name.n == 0 || s->n == 0 || *s->p != '=')
		return false;
	s->p++;
	s->n--;
	skip(s);
	if (s->n > 0 && *s->p == '"') {
		out->value = take_quoted(s, a);
		return true;
	}
	out->value = take_value(s);
	return out->value.n > 0;
}

enum err
content_parse(struct span value, struct arena *a, struct span *type_out,
    struct span *subtype_out, struct param **params_out)
{
	struct param **last = params_out, p;
	unsigned n = 0;

	*type_out = *subtype_out = SPAN_NONE;
	*params_out = NULL;
	if (value.n > VALUE_MAX)
		value.n = VALUE_MAX;
	skip(&value);
	if (value.n > 0 && *value.p == '"')
		*type_out = take_quoted(&value, a);
	else
		*type_out = take_token(&value);
	if (type_out->n == 0)
		return ERR_SYNTAX;
	skip(&value);
	if (value.n > 0 && *value.p == '/') {
		value.p++;
		value.n--;
		skip(&value);
		*subtype_out = take_token(&value);
	}
	for (;;) {
		skip(&value);
		if (value.n == 0 || n == PARAMS_MAX)
			return ERR_OK;
		if (*value.p == ';') {
			value.p++;
			value.n--;
			continue;
		}
		p = (struct param){ 0 };
		if (!take_param(&value, a, &p)) {
			skip_to_semicolon(&value);
			continue;
		}
		*last = arena_dup(a, &p, sizeof(p));
		last = &(*last)->next;
		n++;
	}
}
