/*
 * BODY[section]<partial>: from a section to bytes on the wire (RFC 3501 6.4.5).
 * Texts go out as literals always, empty ones too, as clients know it from
 * Dovecot; a part that is not there is NIL.
 */
#include "worker/body.h"

#include "maildir/structure.h"
#include "worker/conn.h"
#include "worker/cursor.h"
#include "worker/resp.h"
#include "worker/session.h"

#include <string.h>

enum {
	NUMBERS_MAX = 2 * MIME_DEPTH_MAX,
	FIELDS_MAX = 1000,
};

/* ---- reading ---- */

static const struct {
	const char *word;
	enum body_what what;
} keyword[] = {
	/* the longer ones first: a dot does not end a word */
	{ "HEADER.FIELDS.NOT", BODY_FIELDS_NOT },
	{ "HEADER.FIELDS", BODY_FIELDS },
	{ "HEADER", BODY_HEADER },
	{ "TEXT", BODY_TEXT },
	{ "MIME", BODY_MIME },
};

static void
add_upper(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_addc(b, s.p[i] >= 'a' && s.p[i] <= 'z' ?
		    (char)(s.p[i] - 32) : s.p[i]);
}

/* "(A B)"; the label has names in capitals, quoted if they came as strings. */
static enum err
parse_fields(struct cursor *in, struct body_section *out, struct buf *label)
{
	enum err e;

	if ((e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_char(in, '(')) != ERR_OK)
		return e;
	out->fields = arena_array(in->arena, FIELDS_MAX, sizeof(struct span));
	buf_adds(label, " (");
	for (;;) {
		bool is_string = cursor_peek(in) == '"' ||
		    cursor_peek(in) == '{';
		struct span *name = &out->fields[out->n_fields];
		struct buf upper = { 0 };

		if (out->n_fields == FIELDS_MAX)
			return cursor_fail(in, "too many header names");
		if ((e = cursor_astring(in, name)) != ERR_OK)
			return e;
		out->n_fields++;
		add_upper(&upper, *name);
		if (is_string)
			structure_nstring(upper.n > 0 ? buf_span(&upper) :
			    SPAN(""), label);
		else
			buf_add_span(label, buf_span(&upper));
		buf_clear(&upper);
		if (cursor_take(in, ')')) {
			buf_addc(label, ')');
			return ERR_OK;
		}
		if ((e = cursor_space(in)) != ERR_OK)
			return e;
		buf_addc(label, ' ');
	}
}

static enum err
parse_keyword(struct cursor *in, struct body_section *out, struct buf *label)
{
	for (size_t i = 0; i < sizeof(keyword) / sizeof(keyword[0]); i++) {
		if (!cursor_take_word(in, keyword[i].word))
			continue;
		out->what = keyword[i].what;
		if (out->what == BODY_MIME && out->n_numbers == 0)
			return cursor_fail(in, "MIME needs a part number");
		buf_adds(label, keyword[i].word);
		if (out->what == BODY_FIELDS || out->what == BODY_FIELDS_NOT)
			return parse_fields(in, out, label);
		return ERR_OK;
	}
	return cursor_fail(in, "section expected");
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What is between the brackets. */
static enum err
parse_section(struct cursor *in, struct body_section *out, struct buf *label)
{
	enum err e;

	out->numbers = arena_array(in->arena, NUMBERS_MAX, sizeof(uint32_t));
	while (is_digit(cursor_peek(in))) {
		if (out->n_numbers == NUMBERS_MAX)
			return cursor_fail(in, "section too deep");
		if ((e = cursor_nz_number(in,
		    &out->numbers[out->n_numbers])) != ERR_OK)
			return e;
		buf_add_u64(label, out->numbers[out->n_numbers++]);
		if (!cursor_take(in, '.'))
			return ERR_OK;
		buf_addc(label, '.');
		if (!is_digit(cursor_peek(in)))
			return parse_keyword(in, out, label);
	}
	if (cursor_peek(in) == ']')
		return ERR_OK;
	return parse_keyword(in, out, label);
}

/* "<from.max>", if it is there. */
static enum err
parse_partial(struct cursor *in, struct body_section *out, struct buf *label)
{
	enum err e;

	if (!cursor_take(in, '<'))
		return ERR_OK;
	if ((e = cursor_number64(in, &out->from)) != ERR_OK ||
	    (e = cursor_char(in, '.')) != ERR_OK ||
	    (e = cursor_number64(in, &out->max)) != ERR_OK)
		return e;
	if (out->max == 0)
		return cursor_fail(in, "number above 0 expected");
	out->partial = true;
	buf_addc(label, '<');
	buf_add_u64(label, out->from);
	buf_addc(label, '>');
	return cursor_char(in, '>');
}

enum err
body_parse(struct cursor *in, bool peek, struct body_section *out)
{
	struct buf label = { 0 };
	enum err e;

	*out = (struct body_section){ .peek = peek, .max = UINT64_MAX };
	buf_adds(&label, "BODY[");
	if ((e = cursor_char(in, '[')) == ERR_OK &&
	    (e = parse_section(in, out, &label)) == ERR_OK &&
	    (e = cursor_char(in, ']')) == ERR_OK) {
		buf_addc(&label, ']');
		e = parse_partial(in, out, &label);
	}
	if (e == ERR_OK)
		out->label = arena_span(in->arena, buf_span(&label));
	buf_clear(&label);
	return e;
}

bool
body_needs_header_only(const struct body_section *b)
{
	return b->n_numbers == 0 && (b->what == BODY_HEADER ||
	    b->what == BODY_FIELDS || b->what == BODY_FIELDS_NOT);
}

/* ---- writing ---- */

static uint64_t
wire_size(struct range r)
{
	return r.n + r.lf;
}

/* "label {n}CRLF" of a text that has `size` bytes; how many will follow. */
static uint64_t
begin(struct session *s, const struct body_section *b, uint64_t size)
{
	uint64_t n = 0;

	if (!b->partial)
		n = size;
	else if (b->from < size)
		n = size - b->from < b->max ? size - b->from : b->max;
	resp_span(s, b->label);
	resp_put(s, " ");
	resp_literal(s, n);
	return n;
}

static void
write_nil(struct session *s, const struct body_section *b)
{
	resp_span(s, b->label);
	resp_put(s, " NIL");
}

static bool
put(void *ctx, const char *p, size_t n)
{
	struct session *s = ctx;

	resp_span(s, (struct span){ p, n });
	return !conn_is_dead(s->conn);
}

/* A stored range of the message. */
static void
write_range(struct session *s, const struct body_section *b, struct message *m,
    const struct range *r)
{
	uint64_t n = begin(s, b, wire_size(*r));

	if (n > 0 && message_send(m, r, b->partial ? b->from : 0, n, put, s) <
	    n && !conn_is_dead(s->conn))
		/* a literal was announced that cannot be kept */
		conn_kill(s->conn, "Message file was truncated");
}

/* ---- subsets of a header ---- */

/* Takes wire bytes; lets those of the asked part through. */
struct sieve {
	struct session *s;	/* NULL: only counts */
	uint64_t skip, left;
	uint64_t n;		/* wire bytes seen */
};

static void
sift(struct sieve *v, const char *p, size_t n)
{
	v->n += n;
	if (v->s == NULL)
		return;
	if (n <= v->skip) {
		v->skip -= n;
		return;
	}
	p += v->skip;
	n -= (size_t)v->skip;
	v->skip = 0;
	if (n > v->left)
		n = (size_t)v->left;
	v->left -= n;
	if (n > 0)
		resp_span(v->s, (struct span){ p, n });
}

/* One stored field in wire form: CRLF, and 0x80 for NUL. */
static void
sift_text(struct sieve *v, struct span t)
{
	size_t from = 0;

	for (size_t i = 0; i < t.n; i++) {
		bool bare = t.p[i] == '\n' && (i == 0 || t.p[i - 1] != '\r');

		if (!bare && t.p[i] != '\0')
			continue;
		sift(v, t.p + from, i - from);
		if (bare)
			sift(v, "\r\n", 2);
		else
			sift(v, "\x80", 1);
		from = i + 1;
	}
	sift(v, t.p + from, t.n - from);
}

static bool
is_asked(const struct body_section *b, struct span name)
{
	if (name.p == NULL)
		return false;
	for (size_t i = 0; i < b->n_fields; i++)
		if (span_ieq(b->fields[i], name))
			return true;
	return false;
}

/*
 * The fields that are asked for. FIELDS ends with the empty line always;
 * FIELDS.NOT has it if the message has one (RFC 3501 7.4.2, under BODY[]).
 */
static void
sift_fields(struct sieve *v, const struct body_section *b, struct span header)
{
	bool wanted = b->what == BODY_FIELDS;
	struct header_iter it;
	struct header_field f;

	header_init(&it, header);
	while (header_next(&it, &f)) {
		if (is_asked(b, f.name) != wanted)
			continue;
		sift_text(v, f.whole);
		if (wanted && f.whole.p[f.whole.n - 1] != '\n')
			sift(v, "\r\n", 2);
	}
	if (wanted || it.rest.n > 0)
		sift(v, "\r\n", 2);
}

static void
sift_header(struct sieve *v, const struct body_section *b, struct span header)
{
	if (b->what == BODY_HEADER)
		sift_text(v, header);
	else
		sift_fields(v, b, header);
}

void
body_write_header(struct session *s, const struct body_section *b,
    struct span header)
{
	struct sieve count = { 0 }, out = { .s = s, .skip = b->from };

	sift_header(&count, b, header);
	out.left = begin(s, b, count.n);
	if (out.left > 0)
		sift_header(&out, b, header);
}

/* ---- sections ---- */

static void
write_part(struct session *s, const struct body_section *b, struct message *m)
{
	const struct part *p = mime_find(message_parts(m), b->numbers,
	    b->n_numbers);

	if (p != NULL && b->what == BODY_MIME) {
		write_range(s, b, m, &p->header);
	} else if (p != NULL && b->what == BODY_ALL) {
		write_range(s, b, m, &p->body);
	} else if (p == NULL || !p->is_message) {
		/* HEADER and TEXT are of messages only (RFC 3501 6.4.5) */
		write_nil(s, b);
	} else if (b->what == BODY_TEXT) {
		write_range(s, b, m, &p->child->body);
	} else if (b->what == BODY_HEADER) {
		write_range(s, b, m, &p->child->header);
	} else {
		body_write_header(s, b, (struct span){ m->text.p +
		    p->child->header.at, (size_t)p->child->header.n });
	}
}

void
body_write(struct session *s, const struct body_section *b, struct message *m)
{
	struct span header;
	struct range r;

	if (b->n_numbers > 0) {
		write_part(s, b, m);
		return;
	}
	if (b->what == BODY_ALL) {
		message_wire_size(m);
		write_range(s, b, m, &m->whole);
		return;
	}
	header = message_header(m);
	if (b->what == BODY_FIELDS || b->what == BODY_FIELDS_NOT) {
		body_write_header(s, b, header);
		return;
	}
	r = message_range(m, 0, header.n);
	if (b->what == BODY_TEXT) {
		/* what is not header; the whole is counted once */
		message_wire_size(m);
		r = (struct range){ .at = r.n, .n = m->whole.n - r.n,
			.lf = m->whole.lf - r.lf };
	}
	write_range(s, b, m, &r);
}
