/* Lines of a configuration file: comments, quotes, continuation, "name {". */
#include "common/config_impl.h"
#include "common/log.h"

static const char nul_text[] = "a NUL byte: this is not a text file";

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span
trim_left(struct span s)
{
	while (s.n > 0 && is_blank(*s.p)) {
		s.p++;
		s.n--;
	}
	return s;
}

static struct span
trim_right(struct span s)
{
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/*
 * Without its comment. As Dovecot does: "#" counts anywhere but between quotes,
 * and a quote that nothing closes reaches to the end of the line.
 */
static struct span
cut_comment(struct span s, bool *odd)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '#') {
			*odd = *odd || (i > 0 && !is_blank(s.p[i - 1]));
			s.n = i;
			break;
		}
		if (c != '"' && c != '\'')
			continue;
		for (i++; i < s.n && s.p[i] != c; i++) {
			if (s.p[i] == '\\')
				i++;
		}
	}
	return s;
}

/* The next line of the file, without its end. False at the end of the file. */
static bool
physical_line(struct cfg_lexer *lx, struct span *out)
{
	if (lx->rest.p == NULL || lx->rest.n == 0)
		return false;
	*out = span_cut(&lx->rest, '\n');
	lx->line++;
	if (out->n > 0 && out->p[out->n - 1] == '\r')
		out->n--;
	return true;
}

/* Inner text of "..." or '...': a backslash makes the next character plain. */
static const char *
unquote(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.n + 1), *w = out;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		*w++ = s.p[i];
	}
	return out;
}

static bool
is_quoted(struct span s)
{
	return s.n >= 2 && (*s.p == '"' || *s.p == '\'') &&
	    s.p[s.n - 1] == *s.p;
}

static struct span
inner(struct span s)
{
	return (struct span){ s.p + 1, s.n - 2 };
}

/*
 * "key = <<WORD": the lines up to one that is WORD, joined by newlines. Nothing
 * in them has a meaning. NULL: there is a NUL byte in it.
 */
static bool
here_document(struct cfg_lexer *lx, struct span word, const char **out)
{
	struct span line, all = { lx->rest.p, 0 };
	const char *start = lx->rest.p;

	while (physical_line(lx, &line)) {
		if (span_eq(trim_right(trim_left(line)), word)) {
			*out = memchr(start, '\0', all.n) != NULL ? NULL :
			    arena_cstr(lx->arena, all);
			return true;
		}
		/* up to before this line's "\n"; "\r" belongs to the value */
		all.n = (size_t)(line.p - start) + line.n;
		if (lx->rest.p != NULL && line.p[line.n] == '\r')
			all.n++;
	}
	return false;
}

static bool
is_here_word(struct span s)
{
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c == '_' || (c >= '0' && c <= '9') ||
		    (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
			return false;
	}
	return true;
}

static void
here_setting(struct cfg_lexer *lx, struct cfg_line *l, struct span word)
{
	l->quoted = true;
	if (!here_document(lx, word, &l->value)) {
		l->kind = LINE_BAD;
		l->why = arena_printf(lx->arena, "the value of %s has no end: "
		    "a line with only %s is missing", log_text(span_of(l->key)),
		    log_text(word));
	} else if (l->value == NULL) {
		l->kind = LINE_BAD;
		l->why = nul_text;
	}
}

static void
setting(struct cfg_lexer *lx, struct cfg_line *l, struct span v)
{
	l->kind = LINE_SETTING;
	if (span_starts(v, SPAN("<<")) &&
	    is_here_word((struct span){ v.p + 2, v.n - 2 })) {
		here_setting(lx, l, (struct span){ v.p + 2, v.n - 2 });
		return;
	}
	if (v.n > 0 && *v.p == '<') {
		l->is_file = true;
		v = trim_left((struct span){ v.p + 1, v.n - 1 });
	}
	if (is_quoted(v)) {
		l->quoted = true;
		l->value = unquote(lx->arena, inner(v));
		return;
	}
	l->value = arena_cstr(lx->arena, v);
}

/* A section's name off the front: one word, or quoted. */
static bool
section_name(struct cfg_lexer *lx, struct span *s, const char **out)
{
	size_t n = 0;

	if (s->n > 0 && (*s->p == '"' || *s->p == '\'')) {
		for (n = 1; n < s->n && s->p[n] != *s->p; n++) {
			if (s->p[n] == '\\')
				n++;
		}
		if (n >= s->n)
			return false;
		*out = unquote(lx->arena, (struct span){ s->p + 1, n - 1 });
		n++;
	} else {
		while (n < s->n && !is_blank(s->p[n]))
			n++;
		*out = arena_cstr(lx->arena, (struct span){ s->p, n });
	}
	*s = trim_left((struct span){ s->p + n, s->n - n });
	return true;
}

static void
section(struct cfg_lexer *lx, struct cfg_line *l, struct span s)
{
	const char *second;

	l->kind = LINE_BAD;
	l->value = "";
	if (s.n > 0 && *s.p != '{' && !section_name(lx, &s, &l->value)) {
		l->why = "a quote is not closed";
		return;
	}
	/* 2.4: group @label name { */
	if (s.n > 0 && *s.p != '{' && strcmp(l->key, "group") == 0 &&
	    section_name(lx, &s, &second))
		l->value = arena_printf(lx->arena, "%s %s", l->value, second);
	if (s.n == 0 || *s.p != '{') {
		l->why = arena_printf(lx->arena, "expected \"=\" and a value "
		    "after %s, or \"{\" at the end of the line",
		    log_text(span_of(l->key)));
		return;
	}
	if (s.n > 1) {
		l->why = "text after \"{\": what is in the block begins on the "
		    "next line";
		return;
	}
	l->kind = LINE_BEGIN;
}

static void
logical_line(struct cfg_lexer *lx, struct cfg_line *l, struct span s)
{
	struct span rest;
	size_t n = 0;

	if (memchr(s.p, '\0', s.n) != NULL) {
		l->kind = LINE_BAD;
		l->why = nul_text;
		return;
	}
	while (n < s.n && !is_blank(s.p[n]) && s.p[n] != '=')
		n++;
	l->key = arena_cstr(lx->arena, (struct span){ s.p, n });
	rest = trim_left((struct span){ s.p + n, s.n - n });
	if (strcmp(l->key, "!include") == 0 ||
	    strcmp(l->key, "!include_try") == 0) {
		l->kind = l->key[8] == '\0' ? LINE_INCLUDE : LINE_INCLUDE_TRY;
		l->value = is_quoted(rest) ? unquote(lx->arena, inner(rest)) :
		    arena_cstr(lx->arena, rest);
		return;
	}
	if (rest.n > 0 && *rest.p == '=') {
		if (n == 0) {
			l->kind = LINE_BAD;
			l->why = "there is no name before \"=\"";
			return;
		}
		setting(lx, l, trim_left((struct span){ rest.p + 1,
		    rest.n - 1 }));
		return;
	}
	if (strcmp(l->key, "}") == 0 && rest.n == 0) {
		l->kind = LINE_END;
		return;
	}
	section(lx, l, rest);
}

/*
 * The next line that says something. A "\" at the end of a line continues it on
 * the next, with one space between; a comment or an empty line ends it.
 */
struct cfg_line
cfg_lex(struct cfg_lexer *lx)
{
	struct cfg_line l = { .kind = LINE_EOF };
	struct buf joined = { .max = CFG_LINE_MAX };
	struct span s;
	bool more = true;

	while (more && physical_line(lx, &s)) {
		s = trim_left(s);
		if (s.n == 0 || *s.p == '#') {
			if (joined.n > 0)
				break;
			continue;
		}
		if (l.number == 0)
			l.number = lx->line;
		s = trim_right(cut_comment(s, &l.odd_hash));
		more = s.n > 0 && s.p[s.n - 1] == '\\';
		if (more)
			s = trim_right((struct span){ s.p, s.n - 1 });
		if (joined.n > 0 && s.n > 0)
			buf_addc(&joined, ' ');
		buf_add_span(&joined, s);
	}
	if (joined.over) {
		l.kind = LINE_BAD;
		l.why = "the line is longer than a megabyte";
	} else if (joined.n > 0) {
		logical_line(lx, &l, buf_span(&joined));
	}
	buf_clear(&joined);
	return l;
}
