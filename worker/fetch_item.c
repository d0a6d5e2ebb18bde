/*
 * One short function per FETCH item, and the program that strings them
 * together.
 */
#include "worker/fetch_item.h"

#include "common/date.h"
#include "maildir/message.h"
#include "worker/conn.h"
#include "worker/cursor.h"
#include "worker/session.h"

#include <string.h>

enum { ITEMS_MAX = 1000, BLOCK = 16384 };

/* ---- writing ---- */

void
fetch_write_flush(struct fetch_write *w)
{
	if (w->out.n > 0)
		conn_write(w->s->conn, w->out.p, w->out.n);
	buf_reset(&w->out);
}

void
fetch_write_clear(struct fetch_write *w)
{
	buf_clear(&w->out);
	buf_clear(&w->memo.text);
}

static void
add_word(struct buf *b, struct span word)
{
	buf_add_span(b, word);
	buf_addc(b, ' ');
}

/* "\Seen $Forwarded work" */
static void
make_flags(const struct keywords *k, uint32_t flags, uint64_t bits,
    bool recent, struct buf *out)
{
	size_t from = out->n;

	for (uint32_t bit = 1; bit & FLAG_ALL; bit <<= 1)
		if (flags & bit)
			add_word(out, span_of(flags_wire(bit)));
	if (recent)
		add_word(out, SPAN("\\Recent"));
	for (unsigned i = 0; i < k->n && bits >> i != 0; i++)
		if (bits >> i & 1 && k->name[i].n > 0)
			add_word(out, k->name[i]);
	if (out->n > from)
		out->n--;
}

static struct span
flags_text(struct fetch_write *w, uint32_t flags, uint64_t keywords,
    bool recent)
{
	struct flag_memo *m = &w->memo;
	size_t i = (flags ^ (recent ? 37 : 0) ^ keywords * 11 ^
	    keywords >> 32) % (sizeof(m->slot) / sizeof(*m->slot));

	if (!m->slot[i].used || m->slot[i].flags != flags ||
	    m->slot[i].keywords != keywords || m->slot[i].recent != recent) {
		if (m->text.n > BLOCK)
			memset(m->slot, 0, sizeof(m->slot)), m->text.n = 0;
		m->slot[i].used = true;
		m->slot[i].flags = flags;
		m->slot[i].keywords = keywords;
		m->slot[i].recent = recent;
		m->slot[i].at = (uint32_t)m->text.n;
		make_flags(&w->s->folder->keywords, flags, keywords, recent,
		    &m->text);
		m->slot[i].n = (uint32_t)m->text.n - m->slot[i].at;
	}
	return (struct span){ m->text.p + m->slot[i].at, m->slot[i].n };
}

static void
write_flags(struct fetch_write *w, const struct fetch_item *item)
{
	const struct message_info *m = w->info;
	struct span text = flags_text(w, m->flags, m->keywords,
	    view_is_recent(&w->s->view, m->uid));

	(void)item;
	buf_add(&w->out, "FLAGS (", 7);
	buf_add_span(&w->out, text);
	buf_addc(&w->out, ')');
}

static void
write_uid(struct fetch_write *w, const struct fetch_item *item)
{
	(void)item;
	buf_add(&w->out, "UID ", 4);
	buf_add_u64(&w->out, w->info->uid);
}

static void
write_internaldate(struct fetch_write *w, const struct fetch_item *item)
{
	char date[32];

	(void)item;
	date_format_imap(w->info->internal_date, date);
	buf_adds(&w->out, "INTERNALDATE \"");
	buf_adds(&w->out, date);
	buf_addc(&w->out, '"');
}

static void
write_size(struct fetch_write *w, const struct fetch_item *item)
{
	(void)item;
	buf_add(&w->out, "RFC822.SIZE ", 12);
	buf_add_u64(&w->out, w->info->wire_size);
}

static void
write_envelope(struct fetch_write *w, const struct fetch_item *item)
{
	(void)item;
	buf_add(&w->out, "ENVELOPE ", 9);
	buf_add_span(&w->out, w->info->envelope);
}

static void
write_bodystructure(struct fetch_write *w, const struct fetch_item *item)
{
	(void)item;
	buf_add(&w->out, "BODYSTRUCTURE ", 14);
	buf_add_span(&w->out, w->info->bodystructure);
}

static void
write_body(struct fetch_write *w, const struct fetch_item *item)
{
	(void)item;
	buf_add(&w->out, "BODY ", 5);
	buf_add_span(&w->out, w->info->body);
}

/* Counts for the logout line: a header, or (part of) a body. */
static void
write_section(struct fetch_write *w, const struct fetch_item *item)
{
	struct session *s = w->s;
	const struct body_section *b = &item->section;
	uint64_t before, n;

	fetch_write_flush(w);
	before = conn_bytes_out(s->conn);
	if (w->file != NULL)
		body_write(s, b, w->file);
	else
		body_write_header(s, b, w->info->headers);
	n = conn_bytes_out(s->conn) - before;
	if (b->what == BODY_ALL || b->what == BODY_TEXT) {
		s->n_bodies++;
		s->n_body_bytes += n;
	} else {
		s->n_headers++;
		s->n_header_bytes += n;
	}
}

static void
begin(struct fetch_write *w, uint32_t seq)
{
	buf_add(&w->out, "* ", 2);
	buf_add_u64(&w->out, seq);
	buf_add(&w->out, " FETCH (", 8);
}

static void
end(struct fetch_write *w)
{
	buf_add(&w->out, ")\r\n", 3);
	if (w->out.n >= BLOCK)
		fetch_write_flush(w);
}

void
fetch_write_message(struct fetch_write *w, const struct fetch_program *p,
    uint32_t seq, bool with_flags)
{
	begin(w, seq);
	for (size_t i = 0; i < p->n; i++) {
		if (i > 0)
			buf_addc(&w->out, ' ');
		p->item[i].row->write(w, &p->item[i]);
	}
	if (with_flags) {
		buf_addc(&w->out, ' ');
		write_flags(w, NULL);
	}
	end(w);
}

void
fetch_write_nil(struct fetch_write *w, const struct fetch_program *p,
    uint32_t seq, uint32_t uid)
{
	begin(w, seq);
	for (size_t i = 0; i < p->n; i++) {
		const struct fetch_item *item = &p->item[i];

		if (i > 0)
			buf_addc(&w->out, ' ');
		if (item->section.label.n > 0) {
			buf_add_span(&w->out, item->section.label);
			buf_adds(&w->out, " \"\"");
		} else if (item->row->nil != NULL) {
			buf_adds(&w->out, item->row->nil);
		} else {
			buf_addf(&w->out, "UID %u", uid);
		}
	}
	end(w);
}

/* ---- reading ---- */

static const struct fetch_row rows[] = {
#define ITEM(name, write, needs, nil, source) \
	{ name, write, needs, nil, source },
#include "worker/fetch_items.def"
#undef ITEM
};

/* BODY[...] and BODY.PEEK[...]; the needs depend on the section. */
static const struct fetch_row
    section_row = { "BODY[]", write_section, NEED_FILE | SETS_SEEN, NULL,
    "RFC 3501 6.4.5" },
    whole_row = { "BODY[]", write_section, NEED_FILE | NEED_WHOLE | SETS_SEEN,
    NULL, "RFC 3501 6.4.5" },
    header_row = { "BODY[HEADER]", write_section, NEED_HEADER | SETS_SEEN,
    NULL, "RFC 3501 6.4.5" };

static const struct fetch_row *
find_row(struct span name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_ieq(span_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

/* Letters, digits and dots: "[" is part of an atom and must not be taken. */
static struct span
item_name(struct cursor *in)
{
	size_t from = in->at;

	for (;;) {
		char c = cursor_peek(in);

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '.')
			return (struct span){ in->text.p + from,
			    in->at - from };
		in->at++;
	}
}

/* RFC822, RFC822.HEADER and RFC822.TEXT are sections under another name. */
static void
make_section(const struct fetch_row *row, struct body_section *b)
{
	if (row->write != write_section)
		return;
	b->what = row->needs & NEED_HEADER ? BODY_HEADER :
	    row->needs & NEED_WHOLE ? BODY_ALL : BODY_TEXT;
	b->peek = (row->needs & SETS_SEEN) == 0;
	b->label = span_of(row->name);
}

static enum err
read_section(struct cursor *in, bool peek, struct fetch_item *item)
{
	enum err e = body_parse(in, peek, &item->section);

	item->row = body_needs_header_only(&item->section) ? &header_row :
	    item->section.what == BODY_ALL && item->section.n_numbers == 0 ?
	    &whole_row : &section_row;
	return e;
}

static bool
has_row(const struct fetch_program *p, const struct fetch_row *row)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->item[i].row == row)
			return true;
	return false;
}

static enum err
add_item(struct cursor *in, struct fetch_program *p,
    const struct fetch_item *item)
{
	unsigned needs = item->row->needs;

	if (item->section.label.n == 0 && has_row(p, item->row))
		return ERR_OK;
	if (p->n == ITEMS_MAX)
		return ERR_LIMIT;
	/* Full at 8, 16, 32...: doubled. */
	if (p->n == 0 || (p->n >= 8 && (p->n & (p->n - 1)) == 0)) {
		struct fetch_item *more = arena_array(in->arena,
		    p->n == 0 ? 8 : 2 * p->n, sizeof(*more));

		if (p->n > 0)
			memcpy(more, p->item, p->n * sizeof(*more));
		p->item = more;
	}
	p->item[p->n++] = *item;
	if (item->section.peek)
		needs &= ~(unsigned)SETS_SEEN;
	p->needs |= needs;
	if (item->row->write == write_flags)
		p->has_flags = true;
	return ERR_OK;
}

static enum err
add_name(struct cursor *in, struct fetch_program *p, const char *name)
{
	struct fetch_item item = { .row = find_row(span_of(name)) };

	return add_item(in, p, &item);
}

static enum err
read_item(struct cursor *in, struct fetch_program *p)
{
	struct fetch_item item = { 0 };
	size_t from = in->at;
	struct span name = item_name(in);
	bool peek = span_ieq(name, SPAN("BODY.PEEK"));
	enum err e;

	if (cursor_peek(in) == '[' &&
	    (peek || span_ieq(name, SPAN("BODY")))) {
		if ((e = read_section(in, peek, &item)) != ERR_OK)
			return e;
		return add_item(in, p, &item);
	}
	if ((item.row = find_row(name)) == NULL) {
		in->at = from;
		return cursor_fail(in, "unknown FETCH item");
	}
	make_section(item.row, &item.section);
	return add_item(in, p, &item);
}

/* Macros stand alone (RFC 3501 6.4.5). */
static bool
read_macro(struct cursor *in, struct fetch_program *p, enum err *e)
{
	static const char *const items[] = { "FLAGS", "INTERNALDATE",
	    "RFC822.SIZE", "ENVELOPE", "BODY" };
	size_t n = cursor_take_word(in, "FAST") ? 3 :
	    cursor_take_word(in, "ALL") ? 4 :
	    cursor_take_word(in, "FULL") ? 5 : 0;

	*e = ERR_OK;
	for (size_t i = 0; i < n && *e == ERR_OK; i++)
		*e = add_name(in, p, items[i]);
	return n > 0;
}

enum err
fetch_parse(struct cursor *in, bool by_uid, struct fetch_program *out)
{
	enum err e;

	*out = (struct fetch_program){ 0 };
	if (by_uid && (e = add_name(in, out, "UID")) != ERR_OK)
		return e;
	if (read_macro(in, out, &e))
		return e;
	if (!cursor_take(in, '('))
		return read_item(in, out);
	do {
		if ((e = read_item(in, out)) != ERR_OK)
			return e;
	} while (cursor_take(in, ' '));
	return cursor_char(in, ')');
}
