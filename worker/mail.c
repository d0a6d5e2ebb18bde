/* A worker for loftctl's mail verbs: reads the request, finds the verb, writes rows. */
#include "worker/mail.h"

#include "common/log.h"
#include "common/tabtext.h"
#include "common/utf7.h"
#include "maildir/account.h"
#include "worker/admin.h"
#include "worker/conn.h"
#include "worker/namespace.h"
#include "worker/session.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { READ_MS = 60000, WRITE_MS = 600000 };

static const struct row {
	const char *verb;
	void (*run)(struct mail *m);
	bool changes;
} rows[] = {
#define MAIL(verb, handler, changes) { verb, handler, changes },
#include "worker/mail.def"
#undef MAIL
};

/* ---- what comes back ---- */

static void
put(struct mail *m, struct span text)
{
	conn_write(m->s->conn, text.p, text.n);
}

/* A line with this first byte. */
static void
line(struct mail *m, const char *tag, struct span text)
{
	struct buf b = { 0 };

	buf_adds(&b, tag);
	tabtext_escape(text, &b);
	buf_addc(&b, '\n');
	put(m, buf_span(&b));
	buf_clear(&b);
}

void
mail_names(struct mail *m, const char *names)
{
	struct span rest = span_of(names);

	if (m->named)
		return;
	m->named = true;
	put(m, SPAN("H"));
	while (rest.p != NULL) {
		put(m, span_cut(&rest, ' '));
		put(m, rest.p != NULL ? SPAN("\t") : SPAN("\n"));
	}
}

void
mail_cell_begin(struct mail *m)
{
	put(m, m->in_row ? SPAN("\t") : SPAN("R"));
	m->in_row = true;
}

void
mail_cell_add(struct mail *m, const char *p, size_t n)
{
	struct buf b = { 0 };

	/* In pieces: a message may be of gigabytes. */
	for (size_t k; n > 0; p += k, n -= k) {
		k = n < 16384 ? n : 16384;
		buf_reset(&b);
		tabtext_escape((struct span){ p, k }, &b);
		put(m, buf_span(&b));
	}
	buf_clear(&b);
}

void
mail_cell(struct mail *m, struct span text)
{
	mail_cell_begin(m);
	mail_cell_add(m, text.p, text.n);
}

void
mail_cell_f(struct mail *m, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	mail_cell(m, buf_span(&b));
	buf_clear(&b);
}

void
mail_row(struct mail *m)
{
	put(m, m->in_row ? SPAN("\n") : SPAN("R\n"));
	m->in_row = false;
}

void
mail_text(struct mail *m, struct span text)
{
	line(m, "I", text);
}

void
mail_fail(struct mail *m, int code, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	line(m, "E", buf_span(&b));
	buf_clear(&b);
	if (m->code == 0)
		m->code = code;
}

static int
code_of(enum err e)
{
	switch (e) {
	case ERR_OK:
		return 0;
	case ERR_SYNTAX:
	case ERR_CHARSET:
		return MAIL_USAGE;
	case ERR_NOTFOUND:
	case ERR_GONE:
		return MAIL_NOTFOUND;
	case ERR_EXISTS:
	case ERR_CANNOT:
	case ERR_STATE:
		return MAIL_NOTPOSSIBLE;
	case ERR_PERM:
	case ERR_AUTH:
		return MAIL_NOPERM;
	case ERR_LIMIT:
	case ERR_QUOTA:
	case ERR_BUSY:
	case ERR_CORRUPT:
	case ERR_UNAVAIL:
	case ERR_IO:
		return MAIL_TEMPFAIL;
	}
	return MAIL_TEMPFAIL;
}

/* What doveadm says where IMAP's text is not there. */
static const char *
text_of(const struct mail *m, enum err e, struct span subject)
{
	if (m->s->status_text != NULL)
		return m->s->status_text;
	if (e == ERR_EXISTS)
		return "Mailbox already exists";
	if (e == ERR_NOTFOUND && subject.p != NULL)
		return "Mailbox doesn't exist";
	return err_name(e);
}

void
mail_error(struct mail *m, const char *what, struct span subject, enum err e)
{
	if (e == ERR_OK)
		return;
	if (subject.p == NULL)
		mail_fail(m, code_of(e), "%s: %s", what,
		    text_of(m, e, subject));
	else
		mail_fail(m, code_of(e), "%s %.*s: %s", what, (int)subject.n,
		    subject.p, text_of(m, e, subject));
	m->s->status_text = m->s->status_code = NULL;
}

void
mail_progress(struct mail *m, size_t done, size_t all)
{
	struct buf b = { 0 };

	buf_addf(&b, "P%zu\t%zu\n", done, all);
	put(m, buf_span(&b));
	buf_clear(&b);
	conn_flush(m->s->conn);
}

bool
mail_is_over(const struct mail *m)
{
	return m->stopped || conn_is_dead(m->s->conn);
}

/* ---- mailboxes ---- */

enum err
mail_target(struct mail *m, struct span name, struct target *out)
{
	struct session *s = m->s;
	struct buf b = { 0 };
	enum err e;

	*out = (struct target){ 0 };
	if (span_ieq(name, SPAN("INBOX")))
		name = SPAN("INBOX");
	if ((e = utf7_from_utf8(name, &b)) == ERR_OK)
		e = namespace_find(s->cfg, arena_span(&m->arena, buf_span(&b)),
		    &m->arena, &out->ns, &out->owner, &out->storage);
	buf_clear(&b);
	return e;
}

struct span
mail_utf8(struct mail *m, struct span name)
{
	struct buf b = { 0 };
	struct span out = name;

	if (utf7_to_utf8(name, &b) == ERR_OK)
		out = buf_span(&b);
	out = arena_span(&m->arena, out);
	buf_clear(&b);
	return out;
}

struct span
mail_name(struct mail *m, struct span storage)
{
	struct buf b = { 0 };
	struct span out;

	namespace_from_storage(m->s->cfg, storage, &b);
	out = mail_utf8(m, buf_span(&b));
	buf_clear(&b);
	return out;
}

/* ---- the request ---- */

bool
mail_option(const struct mail *m, char letter, struct span *value_out)
{
	*value_out = SPAN("");
	for (size_t i = 0; i < m->n_options; i++)
		if (m->option[i].n > 0 && *m->option[i].p == letter) {
			*value_out = (struct span){ m->option[i].p + 1,
				m->option[i].n - 1 };
			return true;
		}
	return false;
}

enum err
mail_read_request(struct span text, struct mail *m)
{
	bool options = true;
	size_t n = 1;
	struct span word;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\t';
	if (n > MAIL_WORDS_MAX)
		return ERR_LIMIT;
	m->option = arena_array(&m->arena, n, sizeof(*m->option));
	m->arg = arena_array(&m->arena, n, sizeof(*m->arg));
	if (tabtext_unescape(span_cut(&text, '\t'), &m->arena, &m->verb) !=
	    ERR_OK)
		return ERR_SYNTAX;
	while (text.p != NULL) {
		if (tabtext_unescape(span_cut(&text, '\t'), &m->arena,
		    &word) != ERR_OK)
			return ERR_SYNTAX;
		if (!options)
			m->arg[m->n++] = word;
		else if (span_eq(word, SPAN("--")))
			options = false;
		else if (word.n >= 2 && *word.p == '-')
			m->option[m->n_options++] =
			    (struct span){ word.p + 1, word.n - 1 };
		else
			return ERR_SYNTAX;
	}
	return options ? ERR_SYNTAX : ERR_OK;
}

static enum err
read_line(struct conn *c, struct buf *out)
{
	struct span piece;
	enum err e;
	size_t n;

	out->max = MAIL_REQUEST_MAX;
	while ((e = conn_peek(c, false, &piece)) == ERR_OK && !out->over) {
		n = span_find(piece, '\n');
		buf_add(out, piece.p, n);
		conn_take(c, n < piece.n ? n + 1 : n);
		if (n < piece.n)
			break;
	}
	return out->over ? ERR_LIMIT : e;
}

static const struct row *
find(struct span verb)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_eq(verb, span_of(rows[i].verb)))
			return &rows[i];
	return NULL;
}

static void
log_change(const struct mail *m)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < m->n && i < 16; i++)
		buf_addf(&b, " %s", log_text(m->arg[i]));
	log_info("uid %u, user %s: %s%s: %s", m->uid, m->s->user,
	    log_text(m->verb), b.n > 0 ? buf_cstr(&b) : "",
	    m->code == 0 ? "done" : "failed");
	buf_clear(&b);
}

static void
serve(struct mail *m)
{
	struct buf text = { 0 };
	const struct row *row = NULL;
	struct buf end = { 0 };

	if (read_line(m->s->conn, &text) == ERR_OK &&
	    mail_read_request(buf_span(&text), m) == ERR_OK)
		row = find(m->verb);
	if (row == NULL) {
		mail_fail(m, MAIL_USAGE, "no such command");
	} else {
		row->run(m);
		session_unselect(m->s);
		account_tell_changed(m->s->account);
		if (row->changes)
			log_change(m);
	}
	buf_addf(&end, ".%d\n", m->code);
	put(m, buf_span(&end));
	conn_flush(m->s->conn);
	buf_clear(&end);
	buf_clear(&text);
}

int
mail_run(struct admin *a)
{
	struct mail m = { .uid = a->uid,
		.s = session_new(conn_new(a->fd, a->fd), a->cfg) };

	m.s->account = a->account;
	a->account = NULL;
	a->fd = -1;
	m.s->user = strdup(m.s->account->user);
	if (m.s->user == NULL)
		fatal("no memory for a name");
	m.s->state = ST_AUTH;
	conn_set_timeouts(m.s->conn, READ_MS, WRITE_MS);
	serve(&m);
	session_free(&m.s);
	arena_free(&m.arena);
	return m.code;
}
