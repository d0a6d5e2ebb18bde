/*
 * ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 7.4.2) as Dovecot writes them,
 * down to the choice between quoted string and literal, so that a client's
 * cache stays good when the server changes. Where we differ: VIOLATIONS.md.
 */
#include "maildir/structure.h"

#include <string.h>

enum { ESCAPES_MAX = 4 };	/* in a quoted string, else a literal */

/* ---- strings ---- */

static void
add_literal(struct span s, struct buf *out)
{
	struct span replacement = SPAN("\xef\xbf\xbd");	/* U+FFFD */
	size_t n, size = s.n;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\0')
			size += replacement.n - 1;
	buf_addc(out, '{');
	buf_add_u64(out, size);
	buf_adds(out, "}\r\n");
	while ((n = span_find(s, '\0')) < s.n) {
		buf_add(out, s.p, n);
		buf_add_span(out, replacement);
		s.p += n + 1;
		s.n -= n + 1;
	}
	buf_add_span(out, s);
}

/* 1: needs a literal, 2: needs an escape. */
static const unsigned char quoting[256] = {
	['\0'] = 1, ['\r'] = 1, ['\n'] = 1, [128 ... 255] = 1,
	['"'] = 2, ['\\'] = 2,
};

void
structure_nstring(struct span s, struct buf *out)
{
	unsigned escapes = 0;
	size_t from = 0;

	if (s.p == NULL) {
		buf_adds(out, "NIL");
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned char how = quoting[(unsigned char)s.p[i]];

		if (how == 1) {
			add_literal(s, out);
			return;
		}
		escapes += how;
	}
	escapes /= 2;
	if (escapes > ESCAPES_MAX) {
		add_literal(s, out);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; escapes > 0 && i < s.n; i++) {
		if (s.p[i] != '"' && s.p[i] != '\\')
			continue;
		buf_add(out, s.p + from, i - from);
		buf_addc(out, '\\');
		from = i;
	}
	buf_add(out, s.p + from, s.n - from);
	buf_addc(out, '"');
}

/*
 * A subject or a name, for people: runs of white space become one blank, none
 * at the ends; a literal as soon as that changed something or a byte is
 * unusual.
 */
static void
add_for_people(struct span s, struct arena *a, struct buf *out)
{
	bool literal = false;
	char *flat;
	size_t n = 0;

	if (s.p == NULL) {
		buf_adds(out, "NIL");
		return;
	}
	flat = arena_alloc(a, s.n);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			if (c != ' ' || n == 0 || flat[n - 1] == ' ')
				literal = true;
			if (n > 0 && flat[n - 1] != ' ')
				flat[n++] = ' ';
			continue;
		}
		if (c == '\0' || c == '"' || c == '\\' || c > 127)
			literal = true;
		flat[n++] = s.p[i];
	}
	if (n > 0 && flat[n - 1] == ' ') {
		n--;
		literal = true;
	}
	s = (struct span){ flat, n };
	if (literal)
		add_literal(s, out);
	else
		structure_nstring(s, out);
}

/* A header value on one line, without blanks in front. */
static struct span
unfold(struct span v, struct arena *a)
{
	struct buf b = { 0 };
	struct span s;

	while (v.n > 0 && (*v.p == ' ' || *v.p == '\t' || *v.p == '\r' ||
	    *v.p == '\n')) {
		v.p++;
		v.n--;
	}
	if (memchr(v.p, '\n', v.n) == NULL)
		return v;
	header_unfold(v, &b);
	s = arena_span(a, buf_span(&b));
	buf_clear(&b);
	return s;
}

/* ---- ENVELOPE ---- */

/* In the order in which ENVELOPE shows them. */
enum env {
	ENV_DATE, ENV_SUBJECT, ENV_FROM, ENV_SENDER, ENV_REPLY_TO, ENV_TO,
	ENV_CC, ENV_BCC, ENV_IN_REPLY_TO, ENV_MESSAGE_ID, ENV_N
};

static const struct span env_name[ENV_N] = {
	[ENV_DATE] = SPAN("Date"), [ENV_SUBJECT] = SPAN("Subject"),
	[ENV_FROM] = SPAN("From"), [ENV_SENDER] = SPAN("Sender"),
	[ENV_REPLY_TO] = SPAN("Reply-To"), [ENV_TO] = SPAN("To"),
	[ENV_CC] = SPAN("Cc"), [ENV_BCC] = SPAN("Bcc"),
	[ENV_IN_REPLY_TO] = SPAN("In-Reply-To"),
	[ENV_MESSAGE_ID] = SPAN("Message-ID"),
};

static bool
is_address_field(unsigned i)
{
	return i >= ENV_FROM && i <= ENV_BCC;
}

static void
add_addresses(const struct address *p, struct arena *a, struct buf *out)
{
	if (p == NULL) {
		buf_adds(out, "NIL");
		return;
	}
	buf_addc(out, '(');
	for (; p != NULL; p = p->next) {
		buf_addc(out, '(');
		add_for_people(p->name, a, out);
		buf_addc(out, ' ');
		structure_nstring(p->route, out);
		buf_addc(out, ' ');
		structure_nstring(p->mailbox, out);
		buf_addc(out, ' ');
		structure_nstring(p->host, out);
		buf_addc(out, ')');
	}
	buf_addc(out, ')');
}

static struct span
bounded(struct span header)
{
	if (header.n > MIME_HEADER_MAX)
		header.n = MIME_HEADER_MAX;
	return header;
}

/* Fields that come twice: addresses add up, of the others the last counts. */
static void
collect_envelope(struct span header, struct arena *a, struct span *text,
    struct address **list)
{
	struct address **last[ENV_N] = { 0 };
	struct header_iter it;
	struct header_field f;
	unsigned i;

	header_init(&it, bounded(header));
	while (header_next(&it, &f)) {
		for (i = 0; i < ENV_N; i++)
			if (f.name.n == env_name[i].n &&
			    span_ieq(f.name, env_name[i]))
				break;
		if (i == ENV_N)
			continue;
		if (is_address_field(i)) {
			if (last[i] == NULL)
				last[i] = &list[i];
			*last[i] = address_parse(f.value, a);
			while (*last[i] != NULL)
				last[i] = &(*last[i])->next;
		} else {
			text[i] = f.value;
		}
	}
}

void
structure_envelope(struct span header, struct arena *a, struct buf *out)
{
	struct span text[ENV_N] = { 0 };
	struct address *list[ENV_N] = { 0 };

	collect_envelope(header, a, text, list);
	if (list[ENV_SENDER] == NULL)
		list[ENV_SENDER] = list[ENV_FROM];
	if (list[ENV_REPLY_TO] == NULL)
		list[ENV_REPLY_TO] = list[ENV_FROM];
	for (unsigned i = 0; i < ENV_N; i++) {
		buf_addc(out, i == 0 ? '(' : ' ');
		if (is_address_field(i))
			add_addresses(list[i], a, out);
		else if (i == ENV_SUBJECT)
			add_for_people(text[i], a, out);
		else if (text[i].p == NULL)
			buf_adds(out, "NIL");
		else
			structure_nstring(unfold(text[i], a), out);
	}
	buf_addc(out, ')');
}

/* ---- BODY and BODYSTRUCTURE ---- */

/* The fields of a part's header that are shown; p == NULL: not there. */
struct content {
	struct param *params;		/* of the type */
	struct span id, description, encoding, md5, disposition, language,
	    location;
};

/* What the tree walk carries along. */
struct walk {
	struct span text;
	struct arena *arena;
	struct buf *out;
	bool extended;
};

static const struct {
	struct span name;
	size_t field;
} content_field[] = {
	{ SPAN("Content-ID"), offsetof(struct content, id) },
	{ SPAN("Content-Description"), offsetof(struct content, description) },
	{ SPAN("Content-Transfer-Encoding"),
	    offsetof(struct content, encoding) },
	{ SPAN("Content-MD5"), offsetof(struct content, md5) },
	{ SPAN("Content-Disposition"), offsetof(struct content, disposition) },
	{ SPAN("Content-Language"), offsetof(struct content, language) },
	{ SPAN("Content-Location"), offsetof(struct content, location) },
};

static struct span
slice(struct span text, struct range r)
{
	return (struct span){ text.p + r.at, (size_t)r.n };
}

/* Of fields that come twice the first counts, but the last disposition. */
static struct content
read_content(const struct walk *w, const struct part *p)
{
	struct content c = { 0 };
	struct span type, subtype;
	struct header_iter it;
	struct header_field f;
	bool has_type = false;

	header_init(&it, bounded(slice(w->text, p->header)));
	while (header_next(&it, &f)) {
		if (!span_istarts(f.name, SPAN("Content-")))
			continue;
		if (!has_type && span_ieq(f.name, SPAN("Content-Type"))) {
			has_type = true;
			if (content_parse(f.value, w->arena, &type, &subtype,
			    &c.params) != ERR_OK)
				c.params = NULL;
			continue;
		}
		for (size_t i = 0; i < sizeof(content_field) /
		    sizeof(content_field[0]); i++) {
			struct span *s = (struct span *)(void *)((char *)&c +
			    content_field[i].field);

			if (span_ieq(f.name, content_field[i].name) &&
			    (s->p == NULL || s == &c.disposition))
				*s = unfold(f.value, w->arena);
		}
	}
	return c;
}

static void
add_params(const struct walk *w, const struct param *p, bool is_text)
{
	bool has_charset = false;
	char sep = '(';

	p = param_join(p, w->arena);
	if (p == NULL && !is_text) {
		buf_adds(w->out, "NIL");
		return;
	}
	for (; p != NULL; p = p->next) {
		has_charset |= span_ieq(p->name, SPAN("charset"));
		buf_addc(w->out, sep);
		structure_nstring(p->name, w->out);
		buf_addc(w->out, ' ');
		structure_nstring(p->value, w->out);
		sep = ' ';
	}
	if (is_text && !has_charset) {
		buf_addc(w->out, sep);
		buf_adds(w->out, "\"charset\" \"us-ascii\"");
	}
	buf_addc(w->out, ')');
}

/* The first word of a value that should be one word. */
static struct span
first_word(const struct walk *w, struct span value)
{
	struct span word, unused;
	struct param *params;

	if (value.p == NULL ||
	    content_parse(value, w->arena, &word, &unused, &params) != ERR_OK)
		return SPAN_NONE;
	return word;
}

/* disposition, language and location: the end of every extended form. */
static void
add_extension(const struct walk *w, const struct content *c)
{
	struct span word, unused, rest = c->language;
	struct param *params;
	char sep = '(';

	buf_addc(w->out, ' ');
	if (c->disposition.p != NULL && content_parse(c->disposition, w->arena,
	    &word, &unused, &params) == ERR_OK) {
		buf_addc(w->out, '(');
		structure_nstring(word, w->out);
		buf_addc(w->out, ' ');
		add_params(w, params, false);
		buf_addc(w->out, ')');
	} else {
		buf_adds(w->out, "NIL");
	}
	buf_addc(w->out, ' ');
	while (rest.p != NULL) {
		word = first_word(w, span_cut(&rest, ','));
		if (word.p == NULL)
			continue;
		buf_addc(w->out, sep);
		structure_nstring(word, w->out);
		sep = ' ';
	}
	buf_adds(w->out, sep == '(' ? "NIL" : ")");
	buf_addc(w->out, ' ');
	structure_nstring(c->location, w->out);
}

static void add_part(const struct walk *w, const struct part *p);

static void
add_multipart(const struct walk *w, const struct part *p)
{
	struct content c;

	for (const struct part *child = p->child; child != NULL;
	    child = child->next) {
		buf_addc(w->out, '(');
		add_part(w, child);
		buf_addc(w->out, ')');
	}
	buf_addc(w->out, ' ');
	structure_nstring(p->subtype, w->out);
	if (!w->extended)
		return;
	c = read_content(w, p);
	buf_addc(w->out, ' ');
	add_params(w, c.params, false);
	add_extension(w, &c);
}

static uint64_t
wire_size(struct range r)
{
	return r.n + r.lf;
}

static void
add_leaf(const struct walk *w, const struct part *p)
{
	struct content c = read_content(w, p);
	bool is_text = span_ieq(p->type, SPAN("text"));
	struct span encoding = first_word(w, c.encoding);

	structure_nstring(p->type, w->out);
	buf_addc(w->out, ' ');
	structure_nstring(p->subtype, w->out);
	buf_addc(w->out, ' ');
	add_params(w, c.params, is_text);
	buf_addc(w->out, ' ');
	structure_nstring(c.id, w->out);
	buf_addc(w->out, ' ');
	structure_nstring(c.description, w->out);
	buf_addc(w->out, ' ');
	structure_nstring(encoding.p == NULL ? SPAN("7bit") : encoding, w->out);
	buf_addc(w->out, ' ');
	buf_add_u64(w->out, wire_size(p->body));
	if (p->is_message) {
		buf_addc(w->out, ' ');
		structure_envelope(slice(w->text, p->child->header), w->arena,
		    w->out);
		buf_adds(w->out, " (");
		add_part(w, p->child);
		buf_addc(w->out, ')');
	}
	if (is_text || p->is_message) {
		buf_addc(w->out, ' ');
		buf_add_u64(w->out, p->body.lines);
	}
	if (!w->extended)
		return;
	buf_addc(w->out, ' ');
	structure_nstring(c.md5, w->out);
	add_extension(w, &c);
}

/* Without the parentheses around. No deeper than MIME_DEPTH_MAX. */
static void
add_part(const struct walk *w, const struct part *p)
{
	if (p->is_multipart)
		add_multipart(w, p);
	else
		add_leaf(w, p);
}

void
structure_body(struct span text, const struct part *root, bool extended,
    struct arena *a, struct buf *out)
{
	struct walk w = { text, a, out, extended };

	buf_addc(out, '(');
	add_part(&w, root);
	buf_addc(out, ')');
}
