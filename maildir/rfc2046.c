/*
 * The tree of parts (RFC 2046 5.1), found in one pass over the text. What counts
 * as a boundary, and what happens beyond the limits, is what Dovecot does, so
 * that part numbers stay the same when the server changes.
 */
#include "maildir/mime.h"

#include <string.h>
#include <strings.h>

enum {
	PACE = 4 << 20,		/* bytes between two calls of `passed` */
	STEP = 1 << 20,		/* looked through for a dash at a time */
};

/* ---- counting line ends ---- */

/*
 * Lines and CRLFs of p[0..n-1], p[-1] being readable, n at most 240. With a
 * constant n and sums of one byte compilers make vector code of it.
 */
static inline void
count_block(const char *p, int n, uint64_t *lines, uint64_t *crlf)
{
	const char *before = p - 1;
	unsigned char all = 0, pairs = 0;

	for (int i = 0; i < n; i++) {
		unsigned char lf = p[i] == '\n';

		all += lf;
		pairs += lf & (before[i] == '\r');
	}
	*lines += all;
	*crlf += pairs;
}

static void
count(const char *p, size_t n, uint64_t *lines, uint64_t *crlf)
{
	for (; n >= 240; n -= 240, p += 240)
		count_block(p, 240, lines, crlf);
	for (; n >= 16; n -= 16, p += 16)
		count_block(p, 16, lines, crlf);
	count_block(p, (int)n, lines, crlf);
}

void
mime_count(struct range *r, const char *p, size_t n, char before)
{
	uint64_t lines = 0, crlf = 0;

	if (n == 0)
		return;
	r->n += n;
	if (*p == '\n') {
		r->lines++;
		r->lf += before != '\r';
	}
	count(p + 1, n - 1, &lines, &crlf);
	r->lines += lines;
	r->lf += lines - crlf;
}

size_t
mime_header_end(struct span text)
{
	const char *p = text.p, *end = text.p + text.n, *lf;

	while (p < end) {
		if (*p == '\n')
			return (size_t)(p + 1 - text.p);
		if (*p == '\r' && end - p > 1 && p[1] == '\n')
			return (size_t)(p + 2 - text.p);
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			break;
		p = lf + 1;
	}
	return text.n;
}

/* ---- the tree ---- */

/* A place in the text, with the line ends counted up to there. */
struct mark {
	size_t at;
	uint64_t lf, lines;
};

/* A multipart whose boundary is looked for. */
struct open_part {
	struct part *part, *last_child;
	struct span boundary;	/* without blanks at its end */
	size_t written;		/* its length with them */
	unsigned depth;
};

struct parser {
	struct span text;
	struct arena *arena;
	struct mark here;	/* the start of a line, or the end */
	struct mark before;	/* here, without the line end in front of it */
	struct part *current;	/* the innermost part that is not finished */
	unsigned depth;		/* its depth, the root's is 0 */
	bool in_header;		/* here is in its header: no type yet */
	struct open_part open[MIME_DEPTH_MAX];
	unsigned n_open;
	unsigned n_parts;
	struct span content_type;	/* of this header, or p == NULL */
	bool in_content_type;	/* continuation lines belong to it */
	void (*passed)(void *ctx, size_t n);
	void *ctx;
	size_t next_pace;
};

static struct range
since(struct mark from, struct mark to)
{
	if (to.at < from.at)
		to = from;
	return (struct range){ .at = from.at, .n = to.at - from.at,
		.lf = to.lf - from.lf, .lines = to.lines - from.lines };
}

/* While a part is open its ranges hold the marks of their starts. */
static struct range
start_at(struct mark m)
{
	return (struct range){ .at = m.at, .lf = m.lf, .lines = m.lines };
}

static struct range
finish(struct range start, struct mark to)
{
	return since((struct mark){ start.at, start.lf, start.lines }, to);
}

/* Takes in the line at `here`. */
static void
next_line(struct parser *q)
{
	const char *p = q->text.p + q->here.at;
	const char *lf = memchr(p, '\n', q->text.n - q->here.at);

	if (lf == NULL) {
		q->here.at = q->text.n;
		q->before = q->here;
		return;
	}
	q->before = q->here;
	q->before.at = (size_t)(lf - q->text.p);
	if (lf > q->text.p && lf[-1] == '\r')
		q->before.at--;
	else
		q->here.lf++;
	q->here.lines++;
	q->here.at = (size_t)(lf + 1 - q->text.p);
	if (q->passed != NULL && q->here.at >= q->next_pace) {
		q->passed(q->ctx, q->here.at);
		q->next_pace = q->here.at + PACE;
	}
}

static void
count_to(struct parser *q, size_t at)
{
	struct range r = { 0 };

	mime_count(&r, q->text.p + q->here.at, at - q->here.at,
	    q->here.at > 0 ? q->text.p[q->here.at - 1] : '\0');
	q->here.at = at;
	q->here.lf += r.lf;
	q->here.lines += r.lines;
	if (q->passed != NULL && q->here.at >= q->next_pace) {
		q->passed(q->ctx, q->here.at);
		q->next_pace = q->here.at + PACE;
	}
}

/*
 * From the line here, which is no boundary, to the next that begins with "--",
 * or to the end. Looking for dashes and counting lines in blocks is several
 * times faster than going from line to line.
 */
static void
next_dashes(struct parser *q)
{
	const char *p = q->text.p + q->here.at + 1;
	const char *end = q->text.p + q->text.n;

	while (p < end) {
		size_t n = (size_t)(end - p);
		const char *dash = memchr(p, '-', n < STEP ? n : STEP);

		if (dash == NULL) {
			p = n < STEP ? end : p + STEP;
		} else if (dash[-1] == '\n' && end - dash > 1 &&
		    dash[1] == '-') {
			/* the line end in front may be the boundary's */
			count_to(q, (size_t)(dash - q->text.p) - 1);
			if (q->here.at > 0 && dash[-2] == '\r')
				q->here.at--;
			next_line(q);
			return;
		} else {
			p = dash + 1;
		}
		/* now and then, but never past a line end */
		if (q->passed != NULL &&
		    p - q->text.p > (ptrdiff_t)q->here.at + STEP)
			count_to(q, (size_t)(p - q->text.p) - (p[-1] == '\n'));
	}
	count_to(q, q->text.n);
	q->before = q->here;
}

/*
 * The open multipart whose boundary the line at `here` begins with: the
 * longest, the innermost of equals (RFC 2046 5.1.2: nothing but the boundary is
 * compared). Returns its place in `open` plus one; 0: none.
 */
static unsigned
match_boundary(const struct parser *q, bool *end_out)
{
	const char *p = q->text.p + q->here.at;
	size_t n = q->text.n - q->here.at, best_n = 0;
	unsigned best = 0;

	if (n < 2 || p[0] != '-' || p[1] != '-')
		return 0;
	p += 2;
	n -= 2;
	for (unsigned i = q->n_open; i > 0; i--) {
		struct span b = q->open[i - 1].boundary;

		if (b.n <= n && (best == 0 || b.n > best_n) &&
		    memcmp(p, b.p, b.n) == 0) {
			best = i;
			best_n = b.n;
		}
	}
	if (best == 0)
		return 0;
	if (n >= q->open[best - 1].written && memcmp(p, q->open[best -
	    1].boundary.p, q->open[best - 1].written) == 0)
		best_n = q->open[best - 1].written;
	*end_out = n >= best_n + 2 && p[best_n] == '-' && p[best_n + 1] == '-';
	return best;
}

/* Hangs a new part in, behind `previous`; its header begins here. */
static struct part *
add_part(struct parser *q, struct part *parent, struct part *previous)
{
	struct part *p = arena_alloc(q->arena, sizeof(*p));

	p->parent = parent;
	p->number = previous == NULL ? 1 : previous->number + 1;
	if (previous != NULL)
		previous->next = p;
	else if (parent != NULL)
		parent->child = p;
	p->type = SPAN("text");
	p->subtype = SPAN("plain");
	p->header = start_at(q->here);
	/* from here on all is one last part */
	if (++q->n_parts >= MIME_PARTS_MAX)
		q->n_open = 0;
	return p;
}

static void
enter(struct parser *q, struct part *p, unsigned depth)
{
	q->current = p;
	q->depth = depth;
	q->in_header = true;
	q->content_type = SPAN_NONE;
	q->in_content_type = false;
}

static struct span
find_boundary(const struct param *params, struct arena *a)
{
	const struct param *p;

	for (p = param_join(params, a); p != NULL; p = p->next)
		if (span_ieq(p->name, SPAN("boundary")))
			break;
	return p != NULL ? p->value : param_find(params, "boundary", a);
}

/* Type of the current part. boundary_out: p == NULL is none. */
static void
set_type(struct parser *q, struct part *p, struct span *boundary_out)
{
	struct span type, subtype;
	struct param *params = NULL;

	*boundary_out = SPAN_NONE;
	if (p->parent != NULL && p->parent->is_multipart &&
	    span_ieq(p->parent->subtype, SPAN("digest"))) {
		p->type = SPAN("message");
		p->subtype = SPAN("rfc822");
	}
	if (q->content_type.p != NULL && content_parse(q->content_type,
	    q->arena, &type, &subtype, &params) == ERR_OK &&
	    (subtype.n > 0 || span_ieq(type, SPAN("text")))) {
		/* copies: the tree may outlive the text */
		p->type = arena_span(q->arena, type);
		p->subtype = subtype.n > 0 ? arena_span(q->arena, subtype) :
		    SPAN("plain");
	}
	p->is_multipart = span_ieq(p->type, SPAN("multipart"));
	p->is_message = span_ieq(p->type, SPAN("message")) &&
	    span_ieq(p->subtype, SPAN("rfc822"));
	if ((p->is_multipart || p->is_message) &&
	    (q->depth + 1 >= MIME_DEPTH_MAX || q->n_parts >= MIME_PARTS_MAX)) {
		p->is_multipart = p->is_message = false;
		p->type = SPAN("application");
		p->subtype = SPAN("octet-stream");
	}
	if (p->is_multipart)
		*boundary_out = find_boundary(params, q->arena);
}

/* The header of the current part ends at `end`, its body begins there. */
static void
end_header(struct parser *q, struct mark end, struct span *boundary_out)
{
	struct part *p = q->current;

	if (end.at < p->header.at)
		end = (struct mark){ p->header.at, p->header.lf,
			p->header.lines };
	if (q->in_content_type)
		q->content_type.n = (size_t)(q->text.p + end.at -
		    q->content_type.p);
	p->header = finish(p->header, end);
	p->body = start_at(end);
	set_type(q, p, boundary_out);
	q->in_header = false;
}

static void
close_part(struct parser *q, struct part *p, struct mark end)
{
	struct span unused;

	if (q->in_header)
		end_header(q, end, &unused);
	if (end.at < p->body.at && p->header.n == 0)
		end = (struct mark){ p->body.at, p->body.lf, p->body.lines };
	if (end.at < p->body.at) {
		/* the line end before the boundary was the header's */
		struct range cut = since(end, (struct mark){ p->body.at,
		    p->body.lf, p->body.lines });

		p->header.n -= cut.n;
		p->header.lf -= cut.lf;
		p->header.lines -= cut.lines;
		p->body = start_at(end);
		if (p->child != NULL)	/* an empty message */
			p->child->header.at = p->child->body.at = end.at;
	}
	p->body = finish(p->body, end);
	if (p->child == NULL && (p->is_message || p->is_multipart)) {
		struct part *empty = add_part(q, p, NULL);

		empty->header = empty->body = (struct range){
			.at = p->body.at + p->body.n };
	}
}

/* Finishes all parts from the current one up to, not including, `stop`. */
static void
close_parts(struct parser *q, const struct part *stop, struct mark end)
{
	for (; q->current != stop; q->current = q->current->parent)
		close_part(q, q->current, end);
}

/* The boundary of open[k] is here. */
static void
at_boundary(struct parser *q, unsigned k, bool is_end)
{
	struct open_part *o = &q->open[k];
	uint64_t lines = q->here.lines;

	close_parts(q, o->part, q->before);
	q->depth = o->depth;
	q->n_open = is_end ? k : k + 1;
	next_line(q);
	/* its line end is its own, even if another boundary follows */
	q->before = q->here;
	/* a boundary that the end of the file cuts off begins nothing */
	if (is_end || q->here.lines == lines)
		return;
	o->last_child = add_part(q, o->part, o->last_child);
	enter(q, o->last_child, o->depth + 1);
}

/* The line here belongs to a header. */
static void
header_line(struct parser *q)
{
	const char *p = q->text.p + q->here.at;
	size_t n = q->text.n - q->here.at, i = strlen("content-type");

	if (*p != ' ' && *p != '\t') {
		if (q->in_content_type)
			q->content_type.n = (size_t)(p - q->content_type.p);
		q->in_content_type = false;
		if ((*p | 0x20) == 'c' && q->content_type.p == NULL && n > i &&
		    strncasecmp(p, "content-type", i) == 0) {
			while (i < n && (p[i] == ' ' || p[i] == '\t'))
				i++;
			if (i < n && p[i] == ':') {
				q->content_type.p = p + i + 1;
				q->in_content_type = true;
			}
		}
	}
	next_line(q);
}

/* The empty line is here. */
static void
begin_body(struct parser *q)
{
	struct part *p = q->current;
	struct span boundary;

	next_line(q);
	end_header(q, q->here, &boundary);
	if (p->is_message) {
		enter(q, add_part(q, p, NULL), q->depth + 1);
	} else if (boundary.p != NULL) {
		struct open_part *o = &q->open[q->n_open++];

		*o = (struct open_part){ .part = p, .boundary = boundary,
			.written = boundary.n, .depth = q->depth };
		/* RFC 2046 5.1.1: blanks at its end do not count */
		while (o->boundary.n > 0 &&
		    o->boundary.p[o->boundary.n - 1] == ' ')
			o->boundary.n--;
	}
}

/* No boundary can come any more: only line ends are counted. */
static void
count_rest(struct parser *q)
{
	size_t n = q->text.n - q->here.at;

	count_to(q, q->passed != NULL && n > PACE ? q->here.at + PACE :
	    q->text.n);
}

static bool
is_empty_line(const struct parser *q)
{
	const char *p = q->text.p + q->here.at;

	return *p == '\n' || (*p == '\r' && q->text.n - q->here.at > 1 &&
	    p[1] == '\n');
}

void
mime_parse_paced(struct span text, struct arena *a, struct part **root_out,
    void (*passed)(void *ctx, size_t n), void *ctx)
{
	struct parser q = { .text = text, .arena = a, .passed = passed,
		.ctx = ctx, .next_pace = PACE };
	bool is_end = false;
	unsigned k;

	*root_out = add_part(&q, NULL, NULL);
	enter(&q, *root_out, 0);
	while (q.here.at < text.n) {
		if (q.n_open > 0 && (k = match_boundary(&q, &is_end)) > 0)
			at_boundary(&q, k - 1, is_end);
		else if (q.in_header && is_empty_line(&q))
			begin_body(&q);
		else if (q.in_header)
			header_line(&q);
		else if (q.n_open == 0)
			count_rest(&q);
		else
			next_dashes(&q);
	}
	close_parts(&q, NULL, q.here);
}

void
mime_parse(struct span text, struct arena *a, struct part **root_out)
{
	mime_parse_paced(text, a, root_out, NULL, NULL);
}

const struct part *
mime_find(const struct part *root, const uint32_t *numbers, size_t n)
{
	const struct part *p = root;
	bool is_root = true;	/* p is a message that was not gone into yet */

	for (size_t i = 0; i < n; i++) {
		if (!is_root && p->is_message) {
			p = p->child;
			is_root = true;
		}
		if (p->is_multipart) {
			p = p->child;
			while (p != NULL && p->number != numbers[i])
				p = p->next;
			if (p == NULL)
				return NULL;
		} else if (!is_root || numbers[i] != 1) {
			return NULL;
		}
		is_root = false;
	}
	return p;
}
