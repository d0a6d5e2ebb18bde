/* doveadm's search query, read into a tree; for each mailbox it becomes a SEARCH. */
#include "worker/mail_query.h"

#include "common/clock.h"
#include "common/date.h"
#include "maildir/name.h"
#include "worker/search_test.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum kind { Q_AND, Q_OR, Q_NOT, Q_MAILBOX, Q_GUID, Q_KEY };

struct mail_query {
	enum kind kind;
	struct mail_query *child, *next;
	struct span text;	/* Q_MAILBOX, Q_GUID: which; Q_KEY: as IMAP has it */
};

struct reader {
	const struct span *word;
	size_t n, at;
	struct arena *a;
	const char *problem;
};

static enum err
fail(struct reader *r, const char *what, struct span about)
{
	r->problem = arena_printf(r->a, "%s%.*s", what, (int)about.n, about.p);
	return ERR_SYNTAX;
}

static bool
take(struct reader *r, const char *word)
{
	if (r->at == r->n || !span_ieq(r->word[r->at], span_of(word)))
		return false;
	r->at++;
	return true;
}

static struct mail_query *
new_node(struct reader *r, enum kind kind)
{
	struct mail_query *q = arena_alloc(r->a, sizeof(*q));

	*q = (struct mail_query){ .kind = kind };
	return q;
}

static struct span
upper(struct arena *a, struct span word)
{
	char *p = arena_alloc(a, word.n + 1);

	for (size_t i = 0; i < word.n; i++)
		p[i] = (char)toupper((unsigned char)word.p[i]);
	return (struct span){ p, word.n };
}

/* ---- arguments ---- */

/* "30", "2days", "1 week": seconds. */
static bool
read_interval(struct span text, uint64_t *out)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {
		{ "seconds", 1 }, { "minutes", 60 }, { "hours", 3600 },
		{ "days", 86400 }, { "weeks", 604800 },
	};
	size_t n = 0;
	uint64_t number;

	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	if (!span_to_u64((struct span){ text.p, n }, INT32_MAX, &number))
		return false;
	text = span_trim((struct span){ text.p + n, text.n - n });
	if (span_ieq(text, SPAN("min")) || span_ieq(text, SPAN("mins")))
		text = SPAN("minutes");
	if (span_ieq(text, SPAN("sec")) || span_ieq(text, SPAN("secs")))
		text = SPAN("seconds");
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (text.n > 0 && span_istarts(span_of(units[i].name), text)) {
			*out = number * units[i].seconds;
			return true;
		}
	return false;
}

/* "2022-02-01" and IMAP's "1-Feb-2022". */
static bool
read_day(struct arena *a, struct span text, const char **imap_out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct span rest = text, year = span_cut(&rest, '-');
	struct span month = span_cut(&rest, '-');
	uint64_t y, mon, d;
	int32_t day;

	if (year.n == 4 && span_to_u64(year, 9999, &y) &&
	    span_to_u64(month, 12, &mon) && mon > 0 &&
	    span_to_u64(rest, 31, &d) && d > 0)
		*imap_out = arena_printf(a, "%u-%.3s-%04u", (unsigned)d,
		    months + 3 * (mon - 1), (unsigned)y);
	else
		*imap_out = arena_cstr(a, text);
	return date_parse_day(span_of(*imap_out), &day) == ERR_OK;
}

/* A key that takes a day, and what asks the same to the second. */
static const struct {
	const char *name, *exact;
} exact_keys[] = {
	{ "BEFORE", "OLDER" }, { "SINCE", "YOUNGER" },
	{ "SAVEDBEFORE", "SAVEDOLDER" }, { "SAVEDSINCE", "SAVEDYOUNGER" },
};

static const char *
exact_key(struct span name)
{
	for (size_t i = 0; i < sizeof(exact_keys) / sizeof(*exact_keys); i++)
		if (span_eq(name, span_of(exact_keys[i].name)))
			return exact_keys[i].exact;
	return NULL;
}

/* A day, a time since 1970, or how long ago: "2022-02-01", "1643709601", "2d". */
static enum err
read_date(struct reader *r, struct span name, struct span text,
    struct buf *out)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t now = (uint64_t)clock_s(), ago, at;
	const char *exact = exact_key(name), *day;
	struct tm tm;
	time_t t;

	if (read_day(r->a, text, &day)) {
		buf_addf(out, "%.*s %s", (int)name.n, name.p, day);
		return ERR_OK;
	}
	if (span_to_u64(text, INT64_MAX, &at))
		ago = at < now ? now - at : 0;
	else if (!read_interval(text, &ago))
		return fail(r, "Invalid search date parameter: ", text);
	if (ago > now)
		ago = now;
	if (exact != NULL) {
		buf_addf(out, "%s %llu", exact, (unsigned long long)ago + 1);
		return ERR_OK;
	}
	t = (time_t)(now - ago);
	localtime_r(&t, &tm);
	buf_addf(out, "%.*s %d-%.3s-%04d", (int)name.n, name.p, tm.tm_mday,
	    months + 3 * tm.tm_mon, tm.tm_year + 1900);
	return ERR_OK;
}

/* "100", "10k", "1M". */
static enum err
read_size(struct reader *r, struct span text, uint64_t *out)
{
	static const char units[] = "bkmgt";
	const char *unit = text.n == 0 ? NULL : strchr(units,
	    tolower((unsigned char)text.p[text.n - 1]));
	struct span digits = text;

	if (unit != NULL && *unit != '\0')
		digits.n--;
	if (!span_to_u64(digits, UINT32_MAX, out))
		return fail(r, "Invalid size: ", text);
	for (; unit != NULL && *unit != '\0' && unit > units; unit--)
		*out *= 1024;
	return ERR_OK;
}

static void
add_string(struct buf *out, struct span text)
{
	buf_addf(out, " {%zu}\r\n", text.n);
	buf_add_span(out, text);
}

static enum err
next(struct reader *r, struct span name, struct span *out)
{
	if (r->at == r->n)
		return fail(r, arena_printf(r->a, "Missing parameter for "
		    "search key (for search key: %.*s)", (int)name.n, name.p),
		    SPAN(""));
	*out = r->word[r->at++];
	return ERR_OK;
}

static enum err
read_arguments(struct reader *r, const struct search_row *row,
    struct span name, struct buf *out)
{
	struct span text;
	uint64_t number;
	enum err e;

	if (row->argument != ARG_DATE)
		buf_add_span(out, name);
	if (row->argument == ARG_NONE)
		return ERR_OK;
	if ((e = next(r, name, &text)) != ERR_OK)
		return e;
	switch (row->argument) {
	case ARG_NONE:
		break;
	case ARG_HEADER:
		add_string(out, text);
		if ((e = next(r, name, &text)) == ERR_OK)
			add_string(out, text);
		return e;
	case ARG_STRING:
		add_string(out, text);
		break;
	case ARG_KEYWORD:
	case ARG_SET:
		buf_addf(out, " %.*s", (int)text.n, text.p);
		break;
	case ARG_DATE:
		return read_date(r, name, text, out);
	case ARG_NUMBER:
		if ((e = read_size(r, text, &number)) != ERR_OK)
			return e;
		buf_addf(out, " %llu", (unsigned long long)number);
		break;
	}
	return ERR_OK;
}

/* ---- keys ---- */

static bool
is_set(struct span word)
{
	for (size_t i = 0; i < word.n; i++)
		if (strchr("0123456789:,*", word.p[i]) == NULL)
			return false;
	return word.n > 0;
}

static enum err
read_key(struct reader *r, struct mail_query **out)
{
	struct span name = upper(r->a, r->word[r->at]);
	const struct search_row *row = search_test_find(name);
	struct buf text = { 0 };
	enum err e;

	if (span_eq(name, SPAN("MAILBOX")) ||
	    span_eq(name, SPAN("X-MAILBOX")) ||
	    span_eq(name, SPAN("MAILBOX-GUID"))) {
		*out = new_node(r, name.n > 9 ? Q_GUID : Q_MAILBOX);
		r->at++;
		return next(r, name, &(*out)->text);
	}
	*out = new_node(r, Q_KEY);
	if (is_set(name)) {
		(*out)->text = name;
		r->at++;
		return ERR_OK;
	}
	if (row == NULL)
		return fail(r, "Unknown argument ", name);
	r->at++;
	if ((e = read_arguments(r, row, name, &text)) == ERR_OK)
		(*out)->text = arena_span(r->a, buf_span(&text));
	buf_clear(&text);
	return e;
}

static enum err read_list(struct reader *r, unsigned depth,
    struct mail_query **out);

static enum err
read_term(struct reader *r, unsigned depth, struct mail_query **out)
{
	enum err e;

	*out = NULL;
	if (depth > MAIL_QUERY_DEPTH_MAX)
		return fail(r, "Query is too deep", SPAN(""));
	if (take(r, "NOT")) {
		if (r->at == r->n)
			return fail(r, "Missing parameter for NOT", SPAN(""));
		*out = new_node(r, Q_NOT);
		return read_term(r, depth + 1, &(*out)->child);
	}
	if (!take(r, "("))
		return read_key(r, out);
	if ((e = read_list(r, depth + 1, out)) != ERR_OK)
		return e;
	return take(r, ")") ? ERR_OK : fail(r, "Missing ')'", SPAN(""));
}

/* Keys with OR between all of them, or between none. */
static enum err
read_list(struct reader *r, unsigned depth, struct mail_query **out)
{
	struct mail_query **end;
	size_t n = 0, ors = 0;
	enum err e;

	*out = new_node(r, Q_AND);
	end = &(*out)->child;
	while (r->at < r->n && !span_eq(r->word[r->at], SPAN(")"))) {
		if (n > 0 && take(r, "OR"))
			ors++;
		if (ors != 0 && ors != n)
			return fail(r, "Use parenthesis when mixing ANDs and "
			    "ORs", SPAN(""));
		if (r->at == r->n)
			return fail(r, "Missing parameter for OR", SPAN(""));
		if ((e = read_term(r, depth, end)) != ERR_OK)
			return e;
		end = &(*end)->next;
		n++;
	}
	if (n == 0)
		return fail(r, "Empty search query", SPAN(""));
	if (ors > 0)
		(*out)->kind = Q_OR;
	return ERR_OK;
}

enum err
mail_query_read(const struct span *word, size_t n, struct arena *a,
    const struct mail_query **out, const char **problem_out)
{
	struct reader r = { .word = word, .n = n, .a = a };
	struct mail_query *q = NULL;
	enum err e = read_list(&r, 0, &q);

	if (e == ERR_OK && r.at < n)
		e = fail(&r, "Unexpected ')'", SPAN(""));
	*out = q;
	*problem_out = r.problem;
	return e;
}

/* ---- one mailbox ---- */

struct place {
	struct span name, guid;
	char separator;
};

/* Of no message, of every one, of those that meet the text. */
enum truth { NEVER, ALWAYS, PERHAPS };

static enum truth
of(bool yes)
{
	return yes ? ALWAYS : NEVER;
}

static enum truth write_node(const struct mail_query *q,
    const struct place *p, struct buf *out);

/*
 * "(a b)" for AND, "(NOT (NOT a NOT b))" for OR. A child that decides decides for all;
 * one that changes nothing is left out.
 */
static enum truth
write_children(const struct mail_query *q, const struct place *p,
    struct buf *out)
{
	bool any = q->kind == Q_OR;
	enum truth decides = any ? ALWAYS : NEVER, t;
	size_t from = out->n, n = 0;

	buf_adds(out, any ? "(NOT (" : "(");
	for (const struct mail_query *c = q->child; c != NULL; c = c->next) {
		size_t before = out->n;

		buf_adds(out, any ? n > 0 ? " NOT " : "NOT " :
		    n > 0 ? " " : "");
		t = write_node(c, p, out);
		if (t == decides) {
			out->n = from;
			return t;
		}
		if (t == PERHAPS)
			n++;
		else
			out->n = before;
	}
	if (n == 0)
		out->n = from;
	else
		buf_adds(out, any ? "))" : ")");
	return n > 0 ? PERHAPS : any ? NEVER : ALWAYS;
}

/* Adds nothing unless it returns PERHAPS. */
static enum truth
write_node(const struct mail_query *q, const struct place *p, struct buf *out)
{
	size_t from = out->n;
	enum truth t;

	switch (q->kind) {
	case Q_AND:
	case Q_OR:
		return write_children(q, p, out);
	case Q_NOT:
		buf_adds(out, "NOT ");
		if ((t = write_node(q->child, p, out)) == PERHAPS)
			return t;
		out->n = from;
		return of(t == NEVER);
	case Q_MAILBOX:
		return of(name_matches(p->name, span_ieq(q->text,
		    SPAN("INBOX")) ? SPAN("INBOX") : q->text, p->separator));
	case Q_GUID:
		return of(span_ieq(q->text, p->guid));
	case Q_KEY:
		buf_add_span(out, q->text);
		return PERHAPS;
	}
	return NEVER;
}

enum mail_query_verdict
mail_query_for(const struct mail_query *q, struct span name,
    struct span guid, char separator, struct buf *out)
{
	const struct place p = { name, guid, separator };
	enum truth t = write_node(q, &p, out);

	if (t == ALWAYS)
		buf_adds(out, "ALL");
	return t == NEVER ? MAIL_QUERY_NONE : MAIL_QUERY_SOME;
}

/* ---- what it is like ---- */

bool
mail_query_needs_guid(const struct mail_query *q)
{
	for (const struct mail_query *c = q->child; c != NULL; c = c->next)
		if (mail_query_needs_guid(c))
			return true;
	return q->kind == Q_GUID;
}

size_t
mail_query_names(const struct mail_query *q, struct span *out, size_t max)
{
	size_t n = 0;

	for (const struct mail_query *c = q->child; c != NULL; c = c->next)
		n += mail_query_names(c, out + n, max - n);
	if (q->kind == Q_MAILBOX && n < max &&
	    span_find(q->text, '*') == q->text.n &&
	    span_find(q->text, '%') == q->text.n)
		out[n++] = q->text;
	return n;
}

/* Whether a leaf of that sort is in each branch. */
static bool
has(const struct mail_query *q, bool mailbox)
{
	bool all = true, any = false;

	if (q->kind >= Q_MAILBOX)
		return (q->kind != Q_KEY) == mailbox;
	for (const struct mail_query *c = q->child; c != NULL; c = c->next) {
		all &= has(c, mailbox);
		any |= has(c, mailbox);
	}
	/* NOT MAILBOX names none. */
	if (q->kind == Q_NOT && mailbox)
		return false;
	return q->kind == Q_OR ? all : any;
}

bool
mail_query_is_bound(const struct mail_query *q)
{
	return has(q, true);
}

bool
mail_query_is_narrowed(const struct mail_query *q)
{
	return has(q, false);
}
