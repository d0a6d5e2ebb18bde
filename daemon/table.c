/* One set of rows, five spellings. */
#include "daemon/table.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/tabtext.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 80 };

struct column {
	char *name, *title;
	bool bare;		/* shown without its name */
	bool is_text;		/* below it */
	size_t width;
};

struct table {
	FILE *out;
	const struct format *format;
	struct column column[COLUMNS_MAX];
	size_t n;
	size_t at;		/* column of the word that comes */
	bool in_row, in_word, escaped;
	bool any;		/* a row was begun */
	char last;		/* byte written of this word; 0: none */
	struct buf word;	/* where a format wants it whole */
	struct buf rows;	/* words with a NUL behind each, for "table" */
};

/* ---- flow: "name=word name=word" ---- */

static void
write_bytes(struct table *t, const char *p, size_t n)
{
	fwrite(p, 1, n, t->out);
}

static void
flow_begin(struct table *t)
{
	const struct column *c = &t->column[t->at];

	fprintf(t->out, "%s%s%s", t->at > 0 ? " " : "", c->bare ? "" : c->title,
	    c->bare ? "" : "=");
}

static void
line_end(struct table *t)
{
	fputc('\n', t->out);
}

/* ---- tab ---- */

static void
tab_names(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		fprintf(t->out, "%s%s", i > 0 ? "\t" : "", t->column[i].title);
	fputc('\n', t->out);
}

static void
tab_begin(struct table *t)
{
	if (t->at > 0)
		fputc('\t', t->out);
}

static void
tab_bytes(struct table *t, const char *p, size_t n)
{
	struct buf b = { 0 };

	tabtext_escape((struct span){ p, n }, &b);
	if (b.n > 0)
		fwrite(b.p, 1, b.n, t->out);
	buf_clear(&b);
}

/* ---- pager: a line for each word, a form feed between rows ---- */

static void
pager_begin(struct table *t)
{
	const struct column *c = &t->column[t->at];

	if (!c->bare)
		fprintf(t->out, "%s:%s", c->title, c->is_text ? "\n" : " ");
}

static void
pager_end(struct table *t)
{
	if (!t->column[t->at].is_text || t->last != '\n')
		fputc('\n', t->out);
}

static void
pager_row(struct table *t)
{
	if (t->any)
		fputs("\f\n", t->out);
}

/* ---- json ---- */

static void
collect(struct table *t, const char *p, size_t n)
{
	buf_add(&t->word, p, n);
}

/* What is no UTF-8 becomes U+FFFD: there is no other way to say it. */
static void
json_text(FILE *out, struct span s)
{
	size_t n;

	fputc('"', out);
	for (; s.n > 0; s.p += n, s.n -= n) {
		unsigned char c = (unsigned char)*s.p;

		n = span_utf8(s);
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", out);
		else if (c < ' ')
			fprintf(out, "\\u%04x", c);
		else if (n > 0)
			fwrite(s.p, 1, n, out);
		else
			fputs("\\ufffd", out);
		n = n > 0 ? n : 1;
	}
	fputc('"', out);
}

static void
json_begin(struct table *t)
{
	fputc(t->at > 0 ? ',' : '{', t->out);
	json_text(t->out, span_of(t->column[t->at].name));
	fputc(':', t->out);
}

static void
json_end(struct table *t)
{
	json_text(t->out, buf_span(&t->word));
	buf_reset(&t->word);
}

static void
json_row(struct table *t)
{
	fputs(t->any ? "," : "[", t->out);
}

static void
json_row_end(struct table *t)
{
	fputc('}', t->out);
}

static void
json_close(struct table *t)
{
	fputs(t->any ? "]\n" : "[]\n", t->out);
}

/* ---- table ---- */

/* Places on a screen, near enough: bytes that begin a character of UTF-8. */
static size_t
places(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
measure(struct column *c, struct span word)
{
	if (places(word) > c->width)
		c->width = places(word);
}

/* A NUL in a word would end it. */
static void
table_end(struct table *t)
{
	for (size_t i = 0; i < t->word.n; i++)
		if (t->word.p[i] == '\0')
			t->word.p[i] = '?';
	measure(&t->column[t->at], buf_span(&t->word));
	buf_add_span(&t->rows, buf_span(&t->word));
	buf_addc(&t->rows, '\0');
	buf_reset(&t->word);
}

static void
table_word(const struct table *t, size_t i, struct span word)
{
	fprintf(t->out, "%s%.*s", i > 0 ? " " : "", (int)word.n, word.p);
	for (size_t k = places(word); i + 1 < t->n && k < t->column[i].width;
	    k++)
		fputc(' ', t->out);
	if (i + 1 == t->n)
		fputc('\n', t->out);
}

static void
table_all(struct table *t)
{
	struct span rest = buf_span(&t->rows);
	bool titles = false;

	for (size_t i = 0; i < t->n; i++)
		titles |= !t->column[i].bare;
	for (size_t i = 0; titles && i < t->n; i++)
		measure(&t->column[i], span_of(t->column[i].title));
	for (size_t i = 0; titles && i < t->n; i++)
		table_word(t, i, span_of(t->column[i].title));
	for (size_t i = 0; rest.n > 0; i = (i + 1) % t->n)
		table_word(t, i, span_cut(&rest, '\0'));
}

static void
nothing(struct table *t)
{
	(void)t;
}

static const struct format {
	const char *name;
	void (*names)(struct table *t);
	void (*row)(struct table *t);
	void (*begin)(struct table *t);
	void (*bytes)(struct table *t, const char *p, size_t n);
	void (*end)(struct table *t);
	void (*row_end)(struct table *t);
	void (*close)(struct table *t);
} formats[] = {
	{ "flow", nothing, nothing, flow_begin, write_bytes, nothing,
	    line_end, nothing },
	{ "tab", tab_names, nothing, tab_begin, tab_bytes, nothing, line_end,
	    nothing },
	{ "pager", nothing, pager_row, pager_begin, write_bytes, pager_end,
	    nothing, nothing },
	{ "json", nothing, json_row, json_begin, collect, json_end,
	    json_row_end, json_close },
	{ "table", nothing, nothing, nothing, collect, table_end, nothing,
	    table_all },
};

static const struct format *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

bool
table_is_format(const char *name)
{
	return find(name) != NULL;
}

/* ---- rows as they come ---- */

struct table *
table_open(FILE *out, const char *format)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal("no memory for a list");
	t->out = out;
	t->format = find(format);
	return t;
}

static char *
copy(struct span s)
{
	char *p = strndup(s.n == 0 ? "" : s.p, s.n);

	if (p == NULL)
		fatal("no memory for the name of a column");
	return p;
}

void
table_names(struct table *t, struct span line)
{
	if (t->n > 0 || line.n == 0)
		return;
	while (line.p != NULL && t->n < COLUMNS_MAX) {
		struct column *c = &t->column[t->n++];
		struct span title = span_cut(&line, '\t'), name;

		c->bare = title.n > 0 && *title.p == '=';
		c->is_text = title.n > 0 && *title.p == '+';
		if (c->bare || c->is_text)
			title.p++, title.n--;
		name = span_cut(&title, ':');
		c->name = copy(name);
		c->title = copy(title.p == NULL ? name : title);
	}
	t->format->names(t);
}

static void
begin_word(struct table *t)
{
	if (!t->in_row) {
		t->format->row(t);
		t->any = t->in_row = true;
	}
	if (t->in_word || t->at >= t->n)
		return;
	t->in_word = true;
	t->last = '\0';
	t->format->begin(t);
}

static void
end_word(struct table *t)
{
	begin_word(t);
	if (t->at < t->n)
		t->format->end(t);
	t->in_word = false;
	t->at++;
}

static void
end_row(struct table *t)
{
	end_word(t);
	while (t->at < t->n)
		end_word(t);
	t->format->row_end(t);
	t->in_row = false;
	t->at = 0;
}

static void
add(struct table *t, const char *p, size_t n)
{
	begin_word(t);
	if (t->at >= t->n || n == 0)
		return;
	t->format->bytes(t, p, n);
	t->last = p[n - 1];
}

static void
add_escaped(struct table *t, char c)
{
	char byte;

	tabtext_byte(c, &byte);
	add(t, &byte, 1);
	t->escaped = false;
}

void
table_feed(struct table *t, struct span s)
{
	for (size_t n; s.n > 0; s.p += n, s.n -= n) {
		n = 1;
		if (t->escaped)
			add_escaped(t, *s.p);
		else if (*s.p == '\001')
			t->escaped = true;
		else if (*s.p == '\t')
			end_word(t);
		else if (*s.p == '\n')
			end_row(t);
		else {
			while (n < s.n && strchr("\001\t\n", s.p[n]) == NULL)
				n++;
			add(t, s.p, n);
		}
	}
}

void
table_close(struct table **tp)
{
	struct table *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	t->format->close(t);
	for (size_t i = 0; i < t->n; i++) {
		free(t->column[i].name);
		free(t->column[i].title);
	}
	buf_clear(&t->word);
	buf_clear(&t->rows);
	free(t);
}

void
table_print(FILE *out, const char *format, struct span rows)
{
	struct table *t = table_open(out, format);

	table_names(t, span_cut(&rows, '\n'));
	table_feed(t, rows);
	table_close(&t);
}
