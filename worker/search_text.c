/* From bytes in a message to folded text, and the search in it. */
#include "worker/search_text.h"

#include "common/base64.h"
#include "common/charset.h"
#include "common/fold.h"
#include "maildir/message.h"
#include "maildir/mime.h"

#include <string.h>

enum {
	WINDOW = 64 * 1024,	/* bytes of a part decoded at once */
	LONG_LINE = 256 * 1024,	/* a line longer than this is cut */
	CHAR_BYTES_MAX = 64,	/* so many bytes are no one character */
};

enum encoding { ENC_PLAIN, ENC_BASE64, ENC_QP };

void
search_text_clear(struct search_text *t)
{
	buf_clear(&t->raw);
	buf_clear(&t->utf8);
	buf_clear(&t->folded);
	arena_free(&t->arena);
}

static bool
is_ascii(struct span s)
{
	uint64_t high = 0, word;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		memcpy(&word, s.p + i, 8);
		high |= word;
	}
	for (; i < s.n; i++)
		high |= (unsigned char)s.p[i];
	return (high & UINT64_C(0x8080808080808080)) == 0;
}

/* ---- headers ---- */

static bool
is_in_utf8(struct search_text *t, struct span needle)
{
	buf_reset(&t->folded);
	fold_utf8(buf_span(&t->utf8), &t->folded);
	return fold_contains(buf_span(&t->folded), needle);
}

bool
search_text_in_value(struct search_text *t, struct span value,
    struct span needle)
{
	buf_reset(&t->utf8);
	rfc2047_decode(value, &t->utf8);
	return is_in_utf8(t, needle);
}

bool
search_text_in_field(struct search_text *t, struct span header,
    struct span name, struct span needle)
{
	struct header_iter it;
	struct header_field f;

	header_init(&it, header);
	while (header_next(&it, &f))
		if (span_ieq(f.name, name) &&
		    search_text_in_value(t, f.value, needle))
			return true;
	return false;
}

bool
search_text_in_header(struct search_text *t, struct span header,
    struct span needle)
{
	struct header_iter it;
	struct header_field f;

	buf_reset(&t->utf8);
	header_init(&it, header);
	while (header_next(&it, &f)) {
		buf_add_span(&t->utf8, f.name);
		buf_add(&t->utf8, ": ", 2);
		rfc2047_decode(span_trim(f.value), &t->utf8);
		buf_addc(&t->utf8, '\n');
	}
	return is_in_utf8(t, needle);
}

/* ---- parts ---- */

struct decoder {
	struct search_text *t;
	struct span needle;
	enum encoding encoding;
	struct span charset;
	bool is_stateful;	/* ASCII bytes may mean something else */
	bool is_wide;		/* 2 or 4 bytes a character: no lines */
};

/* Appends converted and folded text and looks for the needle in it. */
static bool
find_in_decoded(struct decoder *d, struct span text)
{
	struct buf *folded = &d->t->folded;
	size_t keep = d->needle.n > 0 ? d->needle.n - 1 : 0;

	if (d->is_stateful || !is_ascii(text)) {
		buf_reset(&d->t->utf8);
		charset_to_utf8(d->charset, text, &d->t->utf8);
		text = buf_span(&d->t->utf8);
	}
	/* A match may begin in what was before. */
	if (folded->n > keep)
		buf_drop(folded, folded->n - keep);
	fold_utf8(text, folded);
	return fold_contains(buf_span(folded), d->needle);
}

/*
 * How much of the decoded bytes can be converted now: whole lines, so that no
 * character is cut in two; of a line without end, up to some ASCII.
 */
static size_t
whole_lines(const struct decoder *d, struct span s, bool is_last)
{
	const char *lf;
	size_t n = s.n;

	if (is_last)
		return s.n;
	if (d->is_wide)
		return s.n & ~(size_t)3;
	if ((lf = memrchr(s.p, '\n', s.n)) != NULL)
		return (size_t)(lf - s.p) + 1;
	if (s.n <= LONG_LINE)
		return 0;
	while (n > s.n - CHAR_BYTES_MAX && (unsigned char)s.p[n - 1] > 127)
		n--;
	return n;
}

static bool
is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

/* The next piece of encoded text that can be decoded for itself. */
static struct span
take_window(const struct decoder *d, struct span *rest)
{
	struct span w = { rest->p, rest->n < WINDOW ? rest->n : WINDOW };
	const char *lf;
	size_t n = 0;

	if (w.n < rest->n && d->encoding == ENC_BASE64) {
		for (size_t i = 0; i < w.n; i++)
			n += is_base64(w.p[i]);
		/* Back to a multiple of four digits. */
		if (n >= 4)
			for (n %= 4; n > 0; w.n--)
				n -= is_base64(w.p[w.n - 1]);
	} else if (w.n < rest->n && d->encoding == ENC_QP) {
		lf = memrchr(w.p, '\n', w.n);
		if (lf != NULL)
			w.n = (size_t)(lf - w.p) + 1;
		else if (w.p[w.n - 1] == '=')
			w.n -= 1;
		else if (w.p[w.n - 2] == '=')
			w.n -= 2;
	}
	rest->p += w.n;
	rest->n -= w.n;
	return w;
}

static void
decode(const struct decoder *d, struct span w, struct buf *out)
{
	switch (d->encoding) {
	case ENC_BASE64:
		base64_decode_mail(w, out);
		break;
	case ENC_QP:
		qp_decode(w, false, out);
		break;
	case ENC_PLAIN:
		buf_add_span(out, w);
		break;
	}
}

static bool
find_in_content(struct decoder *d, struct span content)
{
	struct buf *raw = &d->t->raw;

	buf_reset(raw);
	buf_reset(&d->t->folded);
	/* Straight from the mapping where nothing needs decoding. */
	if (d->encoding == ENC_PLAIN && content.n <= WINDOW)
		return find_in_decoded(d, content);
	while (content.n > 0) {
		size_t n;

		decode(d, take_window(d, &content), raw);
		n = whole_lines(d, buf_span(raw), content.n == 0);
		if (n > 0 && find_in_decoded(d, (struct span){ raw->p, n }))
			return true;
		buf_drop(raw, n);
	}
	return d->needle.n == 0;
}

static void
set_charset(struct decoder *d, struct span name)
{
	static const struct {
		const char *prefix;
		bool is_wide;
	} odd[] = { { "iso-2022", false }, { "utf-7", false },
	    { "unicode-1-1-utf-7", false }, { "hz", false },
	    { "utf-16", true }, { "utf-32", true }, { "ucs-", true } };

	d->charset = name.n == 0 ? SPAN("us-ascii") : name;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		if (span_istarts(name, span_of(odd[i].prefix))) {
			d->is_stateful = true;
			d->is_wide = odd[i].is_wide;
		}
}

static enum encoding
find_encoding(struct span header)
{
	struct header_field f;
	struct span v;

	if (!header_find(header, SPAN("Content-Transfer-Encoding"), &f))
		return ENC_PLAIN;
	v = span_trim(f.value);
	return span_istarts(v, SPAN("base64")) ? ENC_BASE64 :
	    span_istarts(v, SPAN("quoted-printable")) ? ENC_QP : ENC_PLAIN;
}

static struct span
part_span(const struct message *m, const struct range *r)
{
	return (struct span){ m->text.p + r->at, (size_t)r->n };
}

static bool
find_in_leaf(struct search_text *t, struct message *m, const struct part *p,
    struct span needle)
{
	struct span header = part_span(m, &p->header), type, subtype;
	struct decoder d = { .t = t, .needle = needle };
	struct header_field f;
	struct param *params = NULL;

	/* Pictures and archives have no text (RFC 3501 6.4.4 lets us). */
	if (!span_ieq(p->type, SPAN("text")) &&
	    !span_ieq(p->type, SPAN("message")))
		return false;
	arena_clear(&t->arena);
	if (header_find(header, SPAN("Content-Type"), &f) &&
	    content_parse(f.value, &t->arena, &type, &subtype,
	    &params) == ERR_OK)
		set_charset(&d, param_find(params, "charset", &t->arena));
	else
		set_charset(&d, SPAN_NONE);
	d.encoding = find_encoding(header);
	return find_in_content(&d, part_span(m, &p->body));
}

/* Depth is bounded by MIME_DEPTH_MAX. */
static bool
find_in_part(struct search_text *t, struct message *m, const struct part *p,
    struct span needle)
{
	if (p->parent != NULL && search_text_in_header(t,
	    part_span(m, &p->header), needle))
		return true;
	if (p->child == NULL)
		return find_in_leaf(t, m, p, needle);
	for (const struct part *c = p->child; c != NULL; c = c->next)
		if (find_in_part(t, m, c, needle))
			return true;
	return false;
}

bool
search_text_in_body(struct search_text *t, struct message *m,
    struct span needle)
{
	return find_in_part(t, m, message_parts(m), needle);
}

/* ---- envelopes ---- */

/* nstring: NIL, "quoted" or {n}CRLF. Appends it; *is_nil says which. */
static bool
env_string(struct span *in, struct buf *out, bool *is_nil)
{
	uint64_t n;
	size_t i;

	*is_nil = false;
	if (span_istarts(*in, SPAN("NIL"))) {
		*is_nil = true;
		in->p += 3, in->n -= 3;
		return true;
	}
	if (in->n > 0 && in->p[0] == '"') {
		for (i = 1; i < in->n && in->p[i] != '"'; i++) {
			if (in->p[i] == '\\')
				i++;
			if (i < in->n)
				buf_addc(out, in->p[i]);
		}
		if (i >= in->n)
			return false;
		in->p += i + 1, in->n -= i + 1;
		return true;
	}
	if (in->n == 0 || in->p[0] != '{' || (i = span_find(*in, '}')) + 3 >
	    in->n || !span_to_u64((struct span){ in->p + 1, i - 1 }, in->n, &n))
		return false;
	in->p += i + 3, in->n -= i + 3;
	if (n > in->n)
		return false;
	buf_add(out, in->p, (size_t)n);
	in->p += n, in->n -= n;
	return true;
}

static bool
env_char(struct span *in, char c)
{
	if (in->n == 0 || in->p[0] != c)
		return false;
	in->p++, in->n--;
	return true;
}

/* (name route mailbox host) as "name <mailbox@host>". */
static bool
env_address(struct span *in, struct buf *out)
{
	struct buf route = { 0 };
	size_t from = out->n, at;
	bool no_name, no_route, no_mailbox, no_host, ok;

	ok = env_char(in, '(') && env_string(in, out, &no_name) &&
	    env_char(in, ' ') && env_string(in, &route, &no_route) &&
	    env_char(in, ' ');
	buf_clear(&route);
	if (!ok)
		return false;
	if (out->n > from)
		buf_add(out, " <", 2);
	at = out->n;
	if (!env_string(in, out, &no_mailbox) || !env_char(in, ' '))
		return false;
	buf_addc(out, '@');
	if (!env_string(in, out, &no_host) || !env_char(in, ')'))
		return false;
	/* Group syntax: "name:" and ";" (RFC 3501 7.4.2). */
	if (no_host && out->n > 0)
		out->p[out->n - 1] = no_mailbox ? ';' : ':';
	else if (at > from)
		buf_addc(out, '>');
	return true;
}

static bool
env_addresses(struct span *in, struct buf *out, bool *is_nil)
{
	bool any = false;

	if (!env_char(in, '('))
		return env_string(in, out, is_nil);
	*is_nil = false;
	while (!env_char(in, ')')) {
		if (any)
			buf_add(out, ", ", 2);
		if (!env_address(in, out))
			return false;
		any = true;
	}
	return true;
}

bool
search_text_envelope(struct span envelope, enum envelope_field field,
    struct buf *out)
{
	bool is_nil = true;

	if (!env_char(&envelope, '('))
		return false;
	for (unsigned i = 0; i <= (unsigned)field; i++) {
		bool ok, addresses = i >= ENV_FROM && i <= ENV_BCC;

		buf_reset(out);
		if (i > 0 && !env_char(&envelope, ' '))
			return false;
		ok = addresses ? env_addresses(&envelope, out, &is_nil) :
		    env_string(&envelope, out, &is_nil);
		if (!ok)
			return false;
	}
	return !is_nil;
}
