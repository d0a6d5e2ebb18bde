/* fetch: what doveadm shows of messages. */
#include "common/date.h"
#include "common/log.h"
#include "maildir/folder.h"
#include "maildir/message.h"
#include "maildir/structure.h"
#include "worker/mail.h"
#include "worker/mail_each.h"
#include "worker/session.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SLICE = 256, FIELDS_MAX = 64, PART_DEPTH_MAX = 32 };

struct fetch;

/* One field that was asked for. */
struct field {
	void (*write)(struct fetch *f, const struct field *field);
	struct span name;	/* hdr.NAME: the header's */
	bool decoded;		/* ".utf8" */
	bool unixtime;		/* ".unixtime" */
	uint32_t number[PART_DEPTH_MAX];	/* body.1.2 */
	size_t n_numbers;
};

struct fetch {
	struct mail *m;
	struct field field[FIELDS_MAX];
	size_t n;
	const struct mail_found *found;
	const struct message_info *info;
	struct message *file;	/* NULL: not opened yet */
	enum err failed;	/* it cannot be */
	struct arena slice;
};

/* Opened once, when the first field needs it. */
static struct message *
file_of(struct fetch *f)
{
	int fd;

	if (f->file == NULL && f->failed == ERR_OK && (f->failed =
	    folder_open_message(f->m->s->folder, f->info->uid, &fd)) == ERR_OK)
		f->failed = message_open(fd, &f->file);
	return f->file;
}

/* ---- the fields ---- */

static void
write_user(struct fetch *f, const struct field *field)
{
	(void)field;
	mail_cell(f->m, span_of(f->m->s->user));
}

static void
write_mailbox(struct fetch *f, const struct field *field)
{
	(void)field;
	mail_cell(f->m, f->found->name);
}

static void
write_mailbox_guid(struct fetch *f, const struct field *field)
{
	(void)field;
	mail_cell(f->m, span_of(f->found->guid));
}

static void
write_seq(struct fetch *f, const struct field *field)
{
	(void)field;
	mail_cell_f(f->m, "%u", view_seq(&f->m->s->view, f->info->uid));
}

static void
write_uid(struct fetch *f, const struct field *field)
{
	(void)field;
	mail_cell_f(f->m, "%u", f->info->uid);
}

static void
write_guid(struct fetch *f, const struct field *field)
{
	struct span name = SPAN("");

	(void)field;
	if (folder_message_name(f->m->s->folder, f->info->uid, &f->slice,
	    &name) != ERR_OK)
		f->failed = ERR_GONE;
	mail_cell(f->m, name);
}

/* System flags in the order of their bits, then keywords. */
static void
write_flags(struct fetch *f, const struct field *field)
{
	struct session *s = f->m->s;
	struct keywords *k = &s->folder->keywords;
	uint64_t bits = f->info->keywords;
	struct buf b = { 0 };

	(void)field;
	folder_know_keywords(s->folder, bits);
	for (uint32_t bit = 1; bit & FLAG_ALL; bit <<= 1)
		if (f->info->flags & bit)
			buf_addf(&b, "%s ", flags_wire(bit));
	if (view_is_recent(&s->view, f->info->uid))
		buf_adds(&b, "\\Recent ");
	for (unsigned i = 0; i < k->n; i++)
		if (bits >> i & 1 && k->name[i].n > 0)
			buf_addf(&b, "%.*s ", (int)k->name[i].n, k->name[i].p);
	mail_cell(f->m, (struct span){ b.p, b.n > 0 ? b.n - 1 : 0 });
	buf_clear(&b);
}

static void
write_modseq(struct fetch *f, const struct field *field)
{
	(void)field;
	mail_cell_f(f->m, "%llu", (unsigned long long)f->info->modseq);
}

/* A text as it is stored, page by page where it is large. */
static void
write_stored(struct fetch *f, struct span text)
{
	mail_cell_begin(f->m);
	if (text.p != NULL)
		mail_cell_add(f->m, text.p, text.n);
}

static void
write_text(struct fetch *f, const struct field *field)
{
	struct message *file = file_of(f);

	(void)field;
	write_stored(f, file == NULL ? SPAN_NONE : file->text);
}

static struct span
header(struct fetch *f)
{
	if (f->info->headers.p != NULL)
		return f->info->headers;
	return file_of(f) == NULL ? SPAN_NONE : message_header(f->file);
}

static void
write_hdr(struct fetch *f, const struct field *field)
{
	(void)field;
	write_stored(f, file_of(f) == NULL ? SPAN_NONE :
	    message_header(f->file));
}

static void
write_body(struct fetch *f, const struct field *field)
{
	struct message *file = file_of(f);
	struct span text = SPAN_NONE;

	(void)field;
	if (file != NULL) {
		text = file->text;
		text.p += message_header(file).n;
		text.n -= message_header(file).n;
	}
	write_stored(f, text);
}

static bool
put(void *ctx, const char *p, size_t n)
{
	struct mail *m = ctx;

	mail_cell_add(m, p, n);
	return !mail_is_over(m);
}

/* body.1.2: as BODY[1.2] has it, with CRLF. */
static void
write_section(struct fetch *f, const struct field *field)
{
	struct message *file = file_of(f);
	const struct part *part = file == NULL ? NULL :
	    mime_find(message_parts(file), field->number, field->n_numbers);

	mail_cell_begin(f->m);
	if (part != NULL)
		message_send(file, &part->body, 0, UINT64_MAX, put, f->m);
}

/* hdr.subject: each of that name on a line of its own. */
static void
write_header(struct fetch *f, const struct field *field)
{
	struct header_iter it;
	struct header_field h;
	struct buf b = { 0 }, value = { 0 };

	header_init(&it, header(f));
	while (header_next(&it, &h)) {
		if (h.name.p == NULL || !span_ieq(h.name, field->name))
			continue;
		buf_reset(&value);
		if (field->decoded)
			rfc2047_decode(span_trim(h.value), &value);
		else
			header_unfold(span_trim(h.value), &value);
		if (b.n > 0)
			buf_addc(&b, '\n');
		buf_add_span(&b, buf_span(&value));
	}
	mail_cell(f->m, buf_span(&b));
	buf_clear(&value);
	buf_clear(&b);
}

static void
write_size_physical(struct fetch *f, const struct field *field)
{
	(void)field;
	mail_cell_f(f->m, "%llu", (unsigned long long)f->info->size);
}

static void
write_size_virtual(struct fetch *f, const struct field *field)
{
	uint64_t size = f->info->wire_size;

	(void)field;
	if (size == 0 && file_of(f) != NULL)
		size = message_wire_size(f->file);
	mail_cell_f(f->m, "%llu", (unsigned long long)size);
}

/* "2022-02-01 10:00:01", in local time. */
static void
write_time(struct fetch *f, const struct field *field, int64_t when)
{
	time_t t = (time_t)when;
	char text[40] = "";
	struct tm tm;

	if (field->unixtime) {
		mail_cell_f(f->m, "%lld", (long long)when);
		return;
	}
	if (localtime_r(&t, &tm) != NULL)
		strftime(text, sizeof(text), "%F %T", &tm);
	mail_cell(f->m, span_of(text));
}

static void
write_received(struct fetch *f, const struct field *field)
{
	write_time(f, field, f->info->internal_date);
}

static void
write_saved(struct fetch *f, const struct field *field)
{
	write_time(f, field, f->info->save_date != 0 ? f->info->save_date :
	    f->info->internal_date);
}

/* Of the Date field, with the zone that it says: "... (+0100)". */
static void
write_sent(struct fetch *f, const struct field *field)
{
	struct header_field h;
	struct span zone = SPAN("+0000");
	char text[40] = "";
	struct tm tm;
	uint64_t digits;
	int64_t when;
	int32_t day;
	time_t t;

	if (!header_find(header(f), SPAN("Date"), &h) ||
	    date_parse_mail(h.value, &when, &day) != ERR_OK) {
		mail_cell(f->m, SPAN(""));
		return;
	}
	if (field->unixtime) {
		write_time(f, field, when);
		return;
	}
	for (size_t i = 0; i + 5 <= h.value.n; i++)
		if ((h.value.p[i] == '+' || h.value.p[i] == '-') &&
		    span_to_u64((struct span){ h.value.p + i + 1, 4 }, 9999,
		    &digits))
			zone.p = h.value.p + i;
	t = (time_t)when;
	if (localtime_r(&t, &tm) != NULL)
		strftime(text, sizeof(text), "%F %T", &tm);
	mail_cell_f(f->m, "%s (%.5s)", text, zone.p);
}

/* "(a b c)" without its parentheses. */
static void
write_list(struct fetch *f, struct span text)
{
	if (text.n >= 2) {
		text.p++;
		text.n -= 2;
	}
	mail_cell(f->m, text);
}

static void
write_imap_envelope(struct fetch *f, const struct field *field)
{
	struct buf b = { 0 };

	(void)field;
	if (f->info->envelope.p != NULL)
		buf_add_span(&b, f->info->envelope);
	else if (file_of(f) != NULL)
		structure_envelope(message_header(f->file), &f->slice, &b);
	write_list(f, buf_span(&b));
	buf_clear(&b);
}

static void
write_structure(struct fetch *f, struct span known, bool extended)
{
	struct buf b = { 0 };

	if (known.p != NULL)
		buf_add_span(&b, known);
	else if (file_of(f) != NULL)
		structure_body(f->file->text, message_parts(f->file), extended,
		    &f->slice, &b);
	write_list(f, buf_span(&b));
	buf_clear(&b);
}

static void
write_imap_body(struct fetch *f, const struct field *field)
{
	(void)field;
	write_structure(f, f->info->body, false);
}

static void
write_imap_bodystructure(struct fetch *f, const struct field *field)
{
	(void)field;
	write_structure(f, f->info->bodystructure, true);
}

/* ---- which fields ---- */

static const struct row {
	const char *name;
	void (*write)(struct fetch *f, const struct field *field);
} rows[] = {
#define FIELD(name, write) { name, write },
#include "worker/mail_fields.def"
#undef FIELD
};

/* Takes `end` off the end of a name. */
static bool
take_end(struct span *name, const char *end)
{
	if (!span_ends(*name, span_of(end)))
		return false;
	name->n -= strlen(end);
	return true;
}

static bool
read_section(struct span text, struct field *out)
{
	uint64_t number;

	while (text.p != NULL) {
		if (out->n_numbers == PART_DEPTH_MAX || !span_to_u64(
		    span_cut(&text, '.'), UINT32_MAX, &number) || number == 0)
			return false;
		out->number[out->n_numbers++] = (uint32_t)number;
	}
	out->write = write_section;
	return true;
}

static bool
read_field(struct span name, struct field *out)
{
	struct span rest = name, first = span_cut(&rest, '.');

	*out = (struct field){ 0 };
	if (span_eq(first, SPAN("hdr")) && rest.n > 0) {
		out->decoded = take_end(&rest, ".utf8");
		out->name = rest;
		out->write = write_header;
		return true;
	}
	if (span_eq(first, SPAN("body")) && rest.n > 0)
		return read_section(rest, out);
	if (span_eq(first, SPAN("date")))
		out->unixtime = take_end(&name, ".unixtime");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_eq(name, span_of(rows[i].name)))
			out->write = rows[i].write;
	return out->write != NULL;
}

/* Which are shown as a text below their name. */
static bool
is_text(const struct field *f)
{
	return f->write == write_text || f->write == write_hdr ||
	    f->write == write_body || f->write == write_section;
}

static bool
read_fields(struct fetch *f)
{
	struct mail *m = f->m;
	struct span rest = m->arg[0];
	struct buf names = { 0 };
	bool good = true;

	while (rest.p != NULL && good) {
		struct span word = span_cut(&rest, ' ');

		if (word.n == 0)
			continue;
		good = f->n < FIELDS_MAX && read_field(word, &f->field[f->n]);
		if (!good)
			mail_fail(m, MAIL_TEMPFAIL, "Unknown fetch field: %.*s",
			    (int)word.n, word.p);
		else
			buf_addf(&names, "%s%s%.*s", f->n == 0 ? "" : " ",
			    is_text(&f->field[f->n]) ? "+" : "", (int)word.n,
			    word.p);
		f->n += good;
	}
	if (good)
		mail_names(m, buf_cstr(&names));
	buf_clear(&names);
	return good;
}

/* ---- messages ---- */

static void
write_message(struct fetch *f, const struct message_info *info)
{
	if (info->gone || info->ghost)
		return;
	f->info = info;
	f->failed = ERR_OK;
	for (size_t i = 0; i < f->n; i++)
		f->field[i].write(f, &f->field[i]);
	if (f->n > 0)
		mail_row(f->m);
	message_close(&f->file);
	if (f->failed != ERR_OK && f->failed != ERR_GONE)
		mail_fail(f->m, MAIL_TEMPFAIL, "Message with UID %u in mailbox "
		    "%.*s cannot be read: %s", info->uid,
		    (int)f->found->name.n, f->found->name.p,
		    err_name(f->failed));
}

static void
fetch(struct mail *m, const struct mail_found *found, void *ctx)
{
	struct fetch *f = ctx;
	struct message_info *info;
	enum err e = ERR_OK;

	f->found = found;
	for (size_t i = 0, k; i < found->n && e == ERR_OK &&
	    !mail_is_over(m); i += k) {
		k = found->n - i < SLICE ? found->n - i : SLICE;
		arena_clear(&f->slice);
		info = arena_array(&f->slice, k, sizeof(*info));
		e = folder_read(m->s->folder, found->uids + i, k,
		    WANT_CACHE | WANT_STAT, &f->slice, info);
		for (size_t j = 0; e == ERR_OK && j < k && !mail_is_over(m);
		    j++)
			write_message(f, &info[j]);
	}
	mail_error(m, "Mailbox", found->name, e);
}

void
mail_fetch(struct mail *m)
{
	struct fetch f = { .m = m };
	const struct mail_query *q = mail_each_query(m, 1);

	if (q != NULL && read_fields(&f))
		mail_each(m, q, true, fetch, &f);
	arena_free(&f.slice);
}
