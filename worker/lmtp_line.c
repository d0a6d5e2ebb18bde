/* The grammar of LMTP's commands; nothing here reads from anywhere. */
#include "worker/lmtp_line.h"

#include "common/buf.h"

#include <ctype.h>
#include <string.h>

enum err
lmtp_line_word(struct span *line, struct span *word_out)
{
	*word_out = SPAN_NONE;
	for (size_t i = 0; i < line->n; i++)
		if ((unsigned char)line->p[i] < ' ' ||
		    (unsigned char)line->p[i] >= 0x7f)
			return ERR_SYNTAX;
	*word_out = span_cut(line, ' ');
	return word_out->n > 0 ? ERR_OK : ERR_SYNTAX;
}

/* RFC 5321 4.1.2, atext of RFC 5322 3.2.3; dots wherever they are, as in real mail. */
static bool
is_local_byte(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' &&
	    strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_domain_byte(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

static bool
is_literal_byte(char c)
{
	return c > ' ' && c < 0x7f && strchr("<>[]\\", c) == NULL;
}

static struct span
take_while(struct span *s, bool (*is)(char))
{
	struct span taken = { s->p, 0 };

	while (s->n > 0 && is(*s->p)) {
		s->p++, s->n--;
		taken.n++;
	}
	return taken;
}

static bool
take_byte(struct span *s, char c)
{
	if (s->n == 0 || *s->p != c)
		return false;
	s->p++, s->n--;
	return true;
}

static bool
take_domain(struct span *s, struct span *out)
{
	const char *start = s->p;

	if (take_byte(s, '[')) {
		if (take_while(s, is_literal_byte).n == 0 ||
		    !take_byte(s, ']'))
			return false;
	} else {
		take_while(s, is_domain_byte);
	}
	*out = (struct span){ start, (size_t)(s->p - start) };
	return out->n > 0 && out->n <= LMTP_DOMAIN_MAX;
}

bool
lmtp_line_is_domain(struct span s)
{
	struct span domain;

	return take_domain(&s, &domain) && s.n == 0;
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum err
lmtp_line_xtext(struct span s, struct arena *a, struct span *out)
{
	char *text = arena_alloc(a, s.n + 1);
	size_t n = 0;

	*out = SPAN_NONE;
	while (s.n > 0) {
		int byte = (unsigned char)*s.p;
		size_t taken = byte == '+' ? 3 : 1;

		if (byte == '=' || taken > s.n)
			return ERR_SYNTAX;
		if (byte == '+') {
			int high = hex_value(s.p[1]), low = hex_value(s.p[2]);

			byte = high < 0 || low < 0 ? 0 : high << 4 | low;
		}
		if (byte == 0)
			return ERR_SYNTAX;
		text[n++] = (char)byte;
		s.p += taken;
		s.n -= taken;
	}
	*out = (struct span){ text, n };
	return ERR_OK;
}

/* "@a,@b:" in front of a mailbox (RFC 5321 C) says nothing any more. */
static bool
skip_route(struct span *s)
{
	struct span domain;

	while (take_byte(s, '@')) {
		if (!take_domain(s, &domain))
			return false;
		if (take_byte(s, ':'))
			return true;
		if (!take_byte(s, ','))
			return false;
	}
	return true;
}

/* What may stand in a header without leading out of it. */
static bool
take_quoted(struct span *s, struct buf *out)
{
	while (s->n > 0 && *s->p != '"') {
		take_byte(s, '\\');
		if (s->n == 0 || *s->p == '<' || *s->p == '>')
			return false;
		buf_addc(out, *s->p);
		s->p++, s->n--;
	}
	return take_byte(s, '"');
}

static void
add_local(struct span local, struct buf *out)
{
	struct span rest = local;

	if (take_while(&rest, is_local_byte).n == local.n && local.n > 0) {
		buf_add_span(out, local);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, local.p[i]);
	}
	buf_addc(out, '"');
}

/* The mailbox between "<" and ">". NULL, or why it is none. */
static const char *
take_mailbox(struct span *s, struct arena *a, struct lmtp_path *out)
{
	struct buf b = { 0 };
	const char *why = NULL;

	if (!skip_route(s))
		return "Invalid source route";
	if (!take_byte(s, '"'))
		out->local = take_while(s, is_local_byte);
	else if (take_quoted(s, &b))
		out->local = arena_span(a, buf_span(&b));
	else
		why = "Invalid quoted local part";
	if (why == NULL && out->local.n == 0)
		why = "Missing local part";
	if (why == NULL && take_byte(s, '@') && !take_domain(s, &out->domain))
		why = "Missing domain after '@'";
	buf_reset(&b);
	if (why == NULL) {
		add_local(out->local, &b);
		if (out->domain.n > 0)
			buf_addc(&b, '@');
		buf_add_span(&b, out->domain);
		out->text = arena_span(a, buf_span(&b));
	}
	buf_clear(&b);
	return why;
}

enum err
lmtp_line_path(struct span *args, struct span keyword, struct arena *a,
    struct lmtp_path *out, const char **why_out)
{
	struct span start;

	*out = (struct lmtp_path){ SPAN(""), SPAN(""), SPAN("") };
	*why_out = NULL;
	if (!span_istarts(*args, keyword)) {
		*why_out = "Invalid parameters";
		return ERR_SYNTAX;
	}
	args->p += keyword.n;
	args->n -= keyword.n;
	while (take_byte(args, ' '))
		continue;
	start = *args;
	if (!take_byte(args, '<'))
		*why_out = "Missing '<' at beginning of path";
	else if (!take_byte(args, '>') &&
	    (*why_out = take_mailbox(args, a, out)) == NULL &&
	    !take_byte(args, '>'))
		*why_out = "Missing '>' at end of path";
	if (*why_out == NULL && start.n - args->n > LMTP_PATH_MAX)
		*why_out = "Path too long";
	return *why_out == NULL ? ERR_OK : ERR_SYNTAX;
}

enum err
lmtp_line_parameter(struct span *args, struct span *key_out,
    struct span *value_out)
{
	struct span word, key;

	*key_out = *value_out = SPAN_NONE;
	if (args->n > 0 && *args->p != ' ')
		return ERR_SYNTAX;
	while (take_byte(args, ' '))
		continue;
	if (args->n == 0)
		return ERR_OK;
	word = (struct span){ args->p, span_find(*args, ' ') };
	args->p += word.n;
	args->n -= word.n;
	key = span_cut(&word, '=');
	for (size_t i = 0; i < key.n; i++)
		if (!isalnum((unsigned char)key.p[i]) && key.p[i] != '-')
			return ERR_SYNTAX;
	if (key.n == 0)
		return ERR_SYNTAX;
	*key_out = key;
	*value_out = word;
	return ERR_OK;
}

enum err
lmtp_line_chunk(struct span args, uint64_t *n_out, bool *last_out)
{
	struct span size = span_cut(&args, ' ');

	*n_out = 0;
	*last_out = args.p != NULL;
	return size.n > 0 && size.n < 20 &&
	    span_to_u64(size, INT64_MAX, n_out) &&
	    (args.p == NULL || span_ieq(span_trim(args), SPAN("LAST"))) ?
	    ERR_OK : ERR_SYNTAX;
}

void
lmtp_line_detail(struct span local, struct span delimiters,
    struct span *user_out, struct span *detail_out)
{
	*user_out = local;
	*detail_out = SPAN("");
	for (size_t i = 1; i < local.n; i++)
		if (memchr(delimiters.p, local.p[i], delimiters.n) != NULL) {
			user_out->n = i;
			*detail_out = (struct span){ local.p + i + 1,
				local.n - i - 1 };
			return;
		}
}
