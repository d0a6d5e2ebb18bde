/*
 * Collects one whole command: lines and literals, within limits. What goes over a
 * limit is read on and forgotten up to the command's real end, so that the next
 * command is found where it begins.
 */
#include "worker/input.h"

#include "common/config.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/session.h"

#include <string.h>

enum {
	MAX_BEFORE_LOGIN = 8 << 10,
	SKIP_BEFORE_LOGIN = 64 << 10,
	SKIP_AFTER_LOGIN = 64 << 20,
	TAIL_MAX = 32,		/* where a literal's marker is looked for */
	IDLE_MS = 50,		/* silence after which buffers are given back */
};

/* Reading lines into a buffer, or past it. */
struct reader {
	struct session *s;
	struct buf *to;
	size_t max;		/* bytes in `to` at most */
	enum err why;		/* not ERR_OK: what follows is skipped */
	uint64_t skipped;
	char tail[TAIL_MAX];	/* the end of the line last read */
	size_t tail_n;
};

struct marker {
	uint64_t size;
	size_t n;		/* bytes of the marker itself */
	bool sync, binary;
};

static void
keep_tail(struct reader *r, const char *p, size_t n)
{
	size_t old = r->tail_n;

	if (n >= TAIL_MAX) {
		memcpy(r->tail, p + n - TAIL_MAX, TAIL_MAX);
		r->tail_n = TAIL_MAX;
		return;
	}
	if (old + n > TAIL_MAX) {
		size_t drop = old + n - TAIL_MAX;

		memmove(r->tail, r->tail + drop, old - drop);
		old -= drop;
	}
	memcpy(r->tail + old, p, n);
	r->tail_n = old + n;
}

/* Text of the command: kept, or counted when it is too much. */
static enum err
add(struct reader *r, const char *p, size_t n)
{
	struct session *s = r->s;
	uint64_t bound = s->state == ST_NOAUTH ? SKIP_BEFORE_LOGIN :
	    SKIP_AFTER_LOGIN;

	if (r->why == ERR_OK) {
		size_t fits = r->max - r->to->n < n ? r->max - r->to->n : n;
		const char *nul = memchr(p, '\0', fits);

		/* What comes before stays: the tag is needed for the answer. */
		if (nul != NULL)
			fits = (size_t)(nul - p);
		buf_add(r->to, p, fits);
		if (fits == n)
			return ERR_OK;
		/* CHAR and CHAR8 exclude NUL (RFC 3501 9). */
		r->why = nul != NULL ? ERR_SYNTAX : ERR_LIMIT;
		n -= fits;
	}
	r->skipped += n;
	if (r->skipped <= bound)
		return ERR_OK;
	session_bye(s, "[TOOBIG] Command is far too long.",
	    "Command is too long");
	return ERR_IO;
}

/* One line up to its LF; the line end is left out of text and tail. */
static enum err
read_line(struct reader *r)
{
	struct conn *c = r->s->conn;
	struct span s;
	const char *lf;
	enum err e;

	r->tail_n = 0;
	do {
		if ((e = conn_peek(c, false, &s)) != ERR_OK)
			return e;
		lf = memchr(s.p, '\n', s.n);
		if (lf != NULL)
			s.n = (size_t)(lf - s.p);
		keep_tail(r, s.p, s.n);
		if ((e = add(r, s.p, s.n)) != ERR_OK)
			return e;
		conn_take(c, s.n + (lf != NULL));
	} while (lf == NULL);
	if (r->tail_n > 0 && r->tail[r->tail_n - 1] == '\r') {
		r->tail_n--;
		if (r->why == ERR_OK)
			r->to->n--;
	}
	return ERR_OK;
}

/* Whether the line just read ends with "{n}", "{n+}" or "~{n}". */
static bool
find_marker(const struct reader *r, struct marker *m)
{
	size_t end = r->tail_n, i;

	*m = (struct marker){ .sync = true };
	if (end == 0 || r->tail[--end] != '}')
		return false;
	if (end > 0 && r->tail[end - 1] == '+') {
		m->sync = false;
		end--;
	}
	for (i = end; i > 0 && r->tail[i - 1] >= '0' && r->tail[i - 1] <= '9';)
		i--;
	/* 19 digits fit into 64 bits */
	if (i == end || i == 0 || end - i > 19 || r->tail[i - 1] != '{')
		return false;
	for (size_t d = i; d < end; d++)
		m->size = m->size * 10 + (uint64_t)(r->tail[d] - '0');
	m->binary = i >= 2 && r->tail[i - 2] == '~';
	m->n = r->tail_n - (i - 1) + m->binary;
	return true;
}

static enum err
read_literal(struct reader *r, uint64_t left)
{
	struct conn *c = r->s->conn;
	struct span s;
	enum err e;

	while (left > 0) {
		if ((e = conn_peek(c, false, &s)) != ERR_OK)
			return e;
		if (s.n > left)
			s.n = (size_t)left;
		if ((e = add(r, s.p, s.n)) != ERR_OK)
			return e;
		conn_take(c, s.n);
		left -= s.n;
	}
	return ERR_OK;
}

/* Cuts "tag name rest" apart; tag and name are empty where they are wrong. */
static void
split(struct span text, struct span *tag, struct span *name, struct span *rest)
{
	size_t i = 0;

	*tag = *name = *rest = (struct span){ text.p, 0 };
	/* tag: 1*<any ASTRING-CHAR except "+"> */
	while (i < text.n && text.p[i] > ' ' && text.p[i] < 127 &&
	    strchr("(){%*\"\\+", text.p[i]) == NULL)
		i++;
	if (i == 0 || i == text.n || text.p[i] != ' ') {
		/* A lone tag can still be answered to. */
		if (i == text.n)
			tag->n = i;
		return;
	}
	tag->n = i;
	text.p += i + 1;
	text.n -= i + 1;
	*rest = text;
	*name = span_cut(rest, ' ');
	if (rest->p == NULL)
		*rest = (struct span){ name->p + name->n, 0 };
}

/* Whether a marker at the end of the text so far is a message's. */
static bool
is_message_position(const struct reader *r, const struct marker *m)
{
	struct span tag, name, rest;
	const struct command *row;

	split((struct span){ r->to->p, r->to->n - m->n }, &tag, &name, &rest);
	row = command_find(name);
	return row != NULL && (row->flags & CF_MESSAGE) != 0 && rest.n > 0;
}

/*
 * Lines and literals up to the end of the command, or to a message literal.
 * any_message: every literal is one.
 */
static enum err
collect(struct reader *r, bool any_message)
{
	struct input *in = &r->s->input;
	struct marker m;
	enum err e;

	for (;;) {
		if ((e = read_line(r)) != ERR_OK)
			return e;
		if (!find_marker(r, &m))
			break;
		if (r->why == ERR_OK &&
		    (any_message || is_message_position(r, &m))) {
			r->to->n -= m.n;
			in->has_literal = true;
			in->literal_sync = m.sync;
			in->literal_binary = m.binary;
			in->literal_size = in->literal_left = m.size;
			return ERR_OK;
		}
		if (r->why == ERR_OK && m.size + 2 > r->max - r->to->n)
			r->why = ERR_LIMIT;
		/* Not asked for, it does not come: the command ends here. */
		if (m.sync && r->why != ERR_OK)
			break;
		if (m.sync)
			conn_write(r->s->conn, "+ OK\r\n", 6);
		if (r->why == ERR_OK)
			buf_add(r->to, "\r\n", 2);
		if ((e = read_literal(r, m.size)) != ERR_OK)
			return e;
	}
	in->unfinished = false;
	return r->why;
}

static size_t
text_max(const struct session *s)
{
	return s->state == ST_NOAUTH ? MAX_BEFORE_LOGIN :
	    (size_t)s->cfg->max_line;
}

/* A silent client costs as little as possible. */
static void
wait_idle(struct session *s)
{
	if (conn_wait(s->conn, -1, IDLE_MS) != CONN_TIMEOUT)
		return;
	conn_release_buffers(s->conn);
	input_clear(&s->input);
}

enum err
input_command(struct session *s, struct span *tag_out, struct span *name_out,
    struct span *rest_out)
{
	struct input *in = &s->input;
	struct reader r = { .s = s, .to = &in->text, .max = text_max(s) };
	enum err e;

	*tag_out = *name_out = *rest_out = SPAN_NONE;
	buf_reset(&in->text);
	in->has_literal = false;
	wait_idle(s);
	in->unfinished = true;
	e = collect(&r, false);
	if (e == ERR_IO) {
		in->unfinished = false;
		return e;
	}
	split(buf_span(&in->text), tag_out, name_out, rest_out);
	if (e == ERR_OK && name_out->n == 0)
		return ERR_SYNTAX;
	return e;
}

/* ---- message literals ---- */

enum err
input_literal_begin(struct session *s)
{
	struct input *in = &s->input;

	if (in->literal_sync)
		conn_write(s->conn, "+ OK\r\n", 6);
	in->literal_sync = false;
	return conn_is_dead(s->conn) ? ERR_IO : ERR_OK;
}

enum err
input_literal_read(struct session *s, struct span *out)
{
	struct input *in = &s->input;
	enum err e;

	*out = SPAN_NONE;
	if (in->literal_left == 0) {
		in->has_literal = false;
		return ERR_OK;
	}
	if ((e = conn_peek(s->conn, false, out)) != ERR_OK) {
		in->has_literal = in->unfinished = false;
		return e;
	}
	if (out->n > in->literal_left)
		out->n = (size_t)in->literal_left;
	/* The bytes stay in the buffer until the next read. */
	conn_take(s->conn, out->n);
	in->literal_left -= out->n;
	return ERR_OK;
}

void
input_literal_skip(struct session *s)
{
	struct input *in = &s->input;
	struct span piece;

	if (!in->has_literal)
		return;
	if (in->literal_sync) {
		/* Never asked for, so it never comes: the command is over. */
		in->has_literal = in->unfinished = false;
		return;
	}
	if (in->literal_left > s->cfg->max_message) {
		in->has_literal = in->unfinished = false;
		session_bye(s, "[TOOBIG] Message is far too large.",
		    "Literal is too large");
		return;
	}
	do {
		if (input_literal_read(s, &piece) != ERR_OK)
			return;
	} while (in->has_literal);
}

enum err
input_continue(struct session *s, struct span *line_out)
{
	struct buf line = { 0 };
	struct reader r = { .s = s, .to = &line, .max = text_max(s) };
	enum err e;

	*line_out = SPAN_NONE;
	s->input.has_literal = false;
	if (!s->input.unfinished)
		return ERR_OK;
	e = collect(&r, true);
	if (e == ERR_OK)
		*line_out = arena_span(&s->command, buf_span(&line));
	else if (e == ERR_IO)
		s->input.unfinished = false;
	buf_clear(&line);
	return e;
}

void
input_finish(struct session *s)
{
	struct input *in = &s->input;
	struct buf none = { 0 };

	while (in->unfinished) {
		struct reader r = { .s = s, .to = &none, .why = ERR_LIMIT };

		input_literal_skip(s);
		if (!in->unfinished)
			break;
		if (collect(&r, false) == ERR_IO)
			in->unfinished = false;
	}
	in->has_literal = false;
}

/* ---- other lines ---- */

enum err
input_line(struct session *s, size_t max, struct buf *out)
{
	/* One byte more for a CR that is taken off again. */
	struct reader r = { .s = s, .to = out, .max = out->n + max + 1 };
	size_t before = out->n;
	enum err e = read_line(&r);

	if (e == ERR_OK)
		e = r.why;
	if (e == ERR_OK && out->n - before > max)
		e = ERR_LIMIT;
	return e;
}

bool
input_has_pipelined_numbers(struct session *s)
{
	struct span all, tag, name, rest;

	if (!conn_has_input(s->conn) ||
	    conn_peek(s->conn, false, &all) != ERR_OK)
		return false;
	/*
	 * A literal's bytes may look like a command; an EXPUNGE then waits once
	 * more, which does no harm.
	 */
	while (all.p != NULL) {
		const struct command *row;

		split(span_cut(&all, '\n'), &tag, &name, &rest);
		row = command_find(span_trim(name));
		if (row != NULL && (row->flags & CF_NUMBERS) != 0)
			return true;
	}
	return false;
}

void
input_clear(struct input *in)
{
	buf_clear(&in->text);
}
