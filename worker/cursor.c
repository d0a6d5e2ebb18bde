/*
 * IMAP grammar, one function per rule of RFC 3501 and 9051 section 9. A rule that
 * fails leaves `at` where it stopped and says in `problem` what is wrong there.
 */
#include "worker/cursor.h"

#include "common/date.h"
#include "maildir/flags.h"
#include "maildir/name.h"

#include <string.h>
#include <strings.h>

enum { FLAGS_MAX = 1000 };

enum char_class {
	C_ATOM = 1,	/* ATOM-CHAR */
	C_ASTRING = 2,	/* ASTRING-CHAR: also "]" */
	C_LIST = 4,	/* list-char: also "]", "%", "*" */
	C_SET = 8,	/* what a sequence-set is made of */
};

static bool
is_char(char ch, enum char_class class)
{
	unsigned char u = (unsigned char)ch;

	switch (class) {
	case C_SET:
		return (u >= '0' && u <= '9') || u == ':' || u == ',' ||
		    u == '*';
	case C_LIST:
		if (u == '%' || u == '*')
			return true;
		/* fallthrough */
	case C_ASTRING:
		if (u == ']')
			return true;
		/* fallthrough */
	case C_ATOM:
		break;
	}
	return u > ' ' && u < 127 && strchr("(){%*\"\\]", ch) == NULL;
}

enum err
cursor_fail(struct cursor *c, const char *problem)
{
	c->problem = problem;
	return ERR_SYNTAX;
}

bool
cursor_is_end(const struct cursor *c)
{
	return c->at >= c->text.n;
}

char
cursor_peek(const struct cursor *c)
{
	return cursor_is_end(c) ? '\0' : c->text.p[c->at];
}

bool
cursor_take(struct cursor *c, char ch)
{
	if (cursor_is_end(c) || c->text.p[c->at] != ch)
		return false;
	c->at++;
	return true;
}

enum err
cursor_space(struct cursor *c)
{
	return cursor_take(c, ' ') ? ERR_OK : cursor_fail(c, "space expected");
}

enum err
cursor_char(struct cursor *c, char ch)
{
	if (cursor_take(c, ch))
		return ERR_OK;
	switch (ch) {
	case '(':
		return cursor_fail(c, "\"(\" expected");
	case ')':
		return cursor_fail(c, "\")\" expected");
	case '[':
		return cursor_fail(c, "\"[\" expected");
	case ']':
		return cursor_fail(c, "\"]\" expected");
	case '<':
		return cursor_fail(c, "\"<\" expected");
	case '>':
		return cursor_fail(c, "\">\" expected");
	case '"':
		return cursor_fail(c, "quote expected");
	}
	return cursor_fail(c, "another character expected");
}

enum err
cursor_end(struct cursor *c)
{
	return cursor_is_end(c) ? ERR_OK :
	    cursor_fail(c, "end of command expected");
}

bool
cursor_take_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);
	char next;

	if (c->text.n - c->at < n ||
	    strncasecmp(c->text.p + c->at, word, n) != 0)
		return false;
	if (c->at + n < c->text.n) {
		next = c->text.p[c->at + n];
		if (next != '[' && is_char(next, C_ATOM))
			return false;
	}
	c->at += n;
	return true;
}

/* One or more characters of a class. */
static bool
take_class(struct cursor *c, enum char_class class, struct span *out)
{
	size_t from = c->at;

	while (c->at < c->text.n && is_char(c->text.p[c->at], class))
		c->at++;
	*out = (struct span){ c->text.p + from, c->at - from };
	return out->n > 0;
}

enum err
cursor_atom(struct cursor *c, struct span *out)
{
	return take_class(c, C_ATOM, out) ? ERR_OK :
	    cursor_fail(c, "atom expected");
}

/* ---- strings ---- */

static struct span
without_escapes(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.n);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		p[n++] = s.p[i];
	}
	return (struct span){ p, n };
}

static enum err
quoted(struct cursor *c, struct span *out)
{
	size_t from = c->at + 1;
	bool escapes = false;

	for (c->at++; c->at < c->text.n; c->at++) {
		char ch = c->text.p[c->at];

		if (ch == '"') {
			*out = (struct span){ c->text.p + from, c->at - from };
			c->at++;
			if (escapes)
				*out = without_escapes(c->arena, *out);
			return ERR_OK;
		}
		if (ch == '\0' || ch == '\r' || ch == '\n')
			return cursor_fail(c, "quoted string is broken");
		if (ch != '\\')
			continue;
		escapes = true;
		c->at++;
		ch = cursor_peek(c);
		if (ch != '"' && ch != '\\')
			return cursor_fail(c,
			    "only \\ and \" may follow \\ in a string");
	}
	return cursor_fail(c, "quoted string has no end");
}

/* "{" number ["+"] "}" CRLF *CHAR8: input.c saw to it that the bytes are there. */
static enum err
literal(struct cursor *c, struct span *out)
{
	uint64_t n = 0;
	size_t from;

	c->at++;
	for (from = c->at; c->at < c->text.n && c->text.p[c->at] >= '0' &&
	    c->text.p[c->at] <= '9'; c->at++) {
		n = n * 10 + (uint64_t)(c->text.p[c->at] - '0');
		if (n > c->text.n)
			return cursor_fail(c, "literal is too long");
	}
	if (c->at == from)
		return cursor_fail(c, "number expected");
	cursor_take(c, '+');
	if (!cursor_take(c, '}') || !cursor_take(c, '\r') ||
	    !cursor_take(c, '\n') || n > c->text.n - c->at)
		return cursor_fail(c, "literal is broken");
	*out = (struct span){ c->text.p + c->at, (size_t)n };
	c->at += (size_t)n;
	return ERR_OK;
}

enum err
cursor_string(struct cursor *c, struct span *out)
{
	*out = SPAN_NONE;
	switch (cursor_peek(c)) {
	case '"':
		return quoted(c, out);
	case '{':
		return literal(c, out);
	}
	return cursor_fail(c, "string expected");
}

static bool
at_string(const struct cursor *c)
{
	return cursor_peek(c) == '"' || cursor_peek(c) == '{';
}

enum err
cursor_astring(struct cursor *c, struct span *out)
{
	if (at_string(c))
		return cursor_string(c, out);
	return take_class(c, C_ASTRING, out) ? ERR_OK :
	    cursor_fail(c, "atom or string expected");
}

enum err
cursor_nstring(struct cursor *c, struct span *out)
{
	*out = SPAN_NONE;
	if (cursor_take_word(c, "NIL"))
		return ERR_OK;
	return cursor_string(c, out);
}

enum err
cursor_list_mailbox(struct cursor *c, struct span *out)
{
	if (at_string(c))
		return cursor_string(c, out);
	return take_class(c, C_LIST, out) ? ERR_OK :
	    cursor_fail(c, "mailbox pattern expected");
}

enum err
cursor_mailbox(struct cursor *c, struct span *out)
{
	enum err e = cursor_astring(c, out);

	if (e == ERR_OK && name_is_inbox(*out))
		*out = SPAN("INBOX");
	return e;
}

/* ---- numbers ---- */

static enum err
number(struct cursor *c, uint64_t max, uint64_t *out)
{
	size_t from = c->at;
	uint64_t v = 0;

	*out = 0;
	while (c->at < c->text.n && c->text.p[c->at] >= '0' &&
	    c->text.p[c->at] <= '9') {
		uint64_t digit = (uint64_t)(c->text.p[c->at] - '0');

		if (v > (max - digit) / 10)
			return cursor_fail(c, "number is too large");
		v = v * 10 + digit;
		c->at++;
	}
	if (c->at == from)
		return cursor_fail(c, "number expected");
	*out = v;
	return ERR_OK;
}

enum err
cursor_number(struct cursor *c, uint32_t *out)
{
	uint64_t v;
	enum err e = number(c, UINT32_MAX, &v);

	*out = (uint32_t)v;
	return e;
}

enum err
cursor_nz_number(struct cursor *c, uint32_t *out)
{
	*out = 0;
	if (cursor_peek(c) == '0')
		return cursor_fail(c, "number above zero expected");
	return cursor_number(c, out);
}

enum err
cursor_number64(struct cursor *c, uint64_t *out)
{
	/* number64 and mod-sequences have 63 bits (RFC 9051 9, RFC 7162 7) */
	return number(c, INT64_MAX, out);
}

enum err
cursor_set(struct cursor *c, struct set *out)
{
	struct span s;
	enum err e;

	*out = (struct set){ 0 };
	if (!take_class(c, C_SET, &s))
		return cursor_fail(c, "message set expected");
	if ((e = set_parse(s, c->arena, out)) == ERR_SYNTAX) {
		c->at -= s.n;
		return cursor_fail(c, "message set is broken");
	}
	return e;
}

/* ---- dates ---- */

enum err
cursor_date_time(struct cursor *c, int64_t *out)
{
	struct span s;
	enum err e;

	*out = 0;
	if (cursor_peek(c) != '"')
		return cursor_fail(c, "date-time expected");
	if ((e = quoted(c, &s)) != ERR_OK)
		return e;
	if (date_parse_imap(s, out) != ERR_OK)
		return cursor_fail(c, "date-time is broken");
	return ERR_OK;
}

enum err
cursor_date(struct cursor *c, int32_t *day_out)
{
	struct span s;
	enum err e;

	*day_out = 0;
	if (cursor_peek(c) == '"')
		e = quoted(c, &s);
	else
		e = cursor_atom(c, &s);
	if (e != ERR_OK)
		return e;
	if (date_parse_day(s, day_out) != ERR_OK)
		return cursor_fail(c, "date is broken");
	return ERR_OK;
}

/* ---- flags ---- */

static void
add_keyword(struct arena *a, struct flag_list *l, struct span name)
{
	size_t n = l->n_keywords;

	/* Full at 4, 8, 16...: doubled. */
	if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
		struct span *more = arena_array(a, n == 0 ? 4 : 2 * n,
		    sizeof(*more));

		if (n > 0)
			memcpy(more, l->keyword, n * sizeof(*more));
		l->keyword = more;
	}
	l->keyword[l->n_keywords++] = name;
}

static enum err
one_flag(struct cursor *c, bool lenient, struct flag_list *out)
{
	struct span name;
	bool system = cursor_peek(c) == '\\';
	size_t from = c->at;
	uint32_t bit;
	enum err e;

	c->at += system;
	if ((e = cursor_atom(c, &name)) != ERR_OK)
		return cursor_fail(c, "flag expected");
	name = (struct span){ c->text.p + from, c->at - from };
	if ((bit = flags_from_wire(name)) != 0) {
		out->flags |= bit;
		return ERR_OK;
	}
	if (system && lenient)
		return ERR_OK;
	if (system) {
		c->at = from;
		return cursor_fail(c, "flag cannot be set");
	}
	if (out->n_keywords == FLAGS_MAX)
		return cursor_fail(c, "too many keywords");
	add_keyword(c->arena, out, name);
	return ERR_OK;
}

enum err
cursor_flags(struct cursor *c, bool parens, bool lenient, struct flag_list *out)
{
	enum err e;

	*out = (struct flag_list){ 0 };
	if (cursor_take(c, '(')) {
		if (cursor_take(c, ')'))
			return ERR_OK;
		parens = true;
	} else if (parens) {
		return cursor_fail(c, "\"(\" expected");
	}
	do {
		if ((e = one_flag(c, lenient, out)) != ERR_OK)
			return e;
	} while (cursor_take(c, ' '));
	return parens ? cursor_char(c, ')') : ERR_OK;
}
