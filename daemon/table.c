/* One set of rows, four spellings. */
#include "daemon/table.h"

#include <string.h>

enum { COLUMNS_MAX = 16 };

struct table {
	struct span name[COLUMNS_MAX];
	size_t n;
	size_t width[COLUMNS_MAX];
	FILE *out;
	bool first;		/* no row was written yet */
};

/* Places on a screen, near enough: bytes that begin a character of UTF-8. */
static size_t
columns(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* ---- one row in each format ---- */

static void
row_flow(const struct table *t, const struct span *word)
{
	for (size_t i = 0; i < t->n; i++)
		fprintf(t->out, "%s%.*s=%.*s", i > 0 ? " " : "",
		    (int)t->name[i].n, t->name[i].p, (int)word[i].n, word[i].p);
	fputc('\n', t->out);
}

static void
row_tab(const struct table *t, const struct span *word)
{
	for (size_t i = 0; i < t->n; i++)
		fprintf(t->out, "%s%.*s", i > 0 ? "\t" : "", (int)word[i].n,
		    word[i].p);
	fputc('\n', t->out);
}

static void
row_table(const struct table *t, const struct span *word)
{
	for (size_t i = 0; i < t->n; i++) {
		fprintf(t->out, "%s%.*s", i > 0 ? " " : "", (int)word[i].n,
		    word[i].p);
		for (size_t k = columns(word[i]); i + 1 < t->n &&
		    k < t->width[i]; k++)
			fputc(' ', t->out);
	}
	fputc('\n', t->out);
}

static void
json_text(FILE *out, struct span s)
{
	fputc('"', out);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ')
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void
row_json(const struct table *t, const struct span *word)
{
	fputs(t->first ? "[" : ",", t->out);
	for (size_t i = 0; i < t->n; i++) {
		fputc(i > 0 ? ',' : '{', t->out);
		json_text(t->out, t->name[i]);
		fputc(':', t->out);
		json_text(t->out, word[i]);
	}
	fputc('}', t->out);
}

static const struct format {
	const char *name;
	void (*row)(const struct table *t, const struct span *word);
	bool names;		/* the names are a row, too */
} formats[] = {
	{ "flow", row_flow, false },
	{ "tab", row_tab, true },
	{ "table", row_table, true },
	{ "json", row_json, false },
};

static const struct format *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

/* ---- all of them ---- */

static size_t
split(struct span line, struct span *word)
{
	size_t n = 0;

	while (line.p != NULL && n < COLUMNS_MAX)
		word[n++] = span_cut(&line, '\t');
	for (size_t i = n; i < COLUMNS_MAX; i++)
		word[i] = SPAN("");
	return n;
}

static void
measure(struct table *t, struct span rows)
{
	struct span word[COLUMNS_MAX];

	while (rows.n > 0) {
		split(span_cut(&rows, '\n'), word);
		for (size_t i = 0; i < t->n; i++)
			if (columns(word[i]) > t->width[i])
				t->width[i] = columns(word[i]);
	}
}

bool
table_is_format(const char *name)
{
	return find(name) != NULL;
}

void
table_print(FILE *out, const char *format, struct span rows)
{
	const struct format *f = find(format);
	struct table t = { .out = out, .first = true };
	struct span word[COLUMNS_MAX], all = rows;

	t.n = rows.n == 0 ? 0 : split(span_cut(&rows, '\n'), t.name);
	measure(&t, all);
	if (f->names && t.n > 0)
		f->row(&t, t.name);
	for (; rows.n > 0; t.first = false) {
		split(span_cut(&rows, '\n'), word);
		f->row(&t, word);
	}
	if (f->row == row_json)
		fputs(t.first ? "[]\n" : "]\n", out);
}
