/* The tests behind SEARCH keys. */
#include "worker/search_test.h"

#include "common/clock.h"
#include "common/date.h"
#include "maildir/message.h"
#include "maildir/structure.h"
#include "worker/view.h"

/* ---- facts of the message ---- */

void
search_begin(struct search_message *m, struct message_info *info)
{
	message_close(&m->file);
	m->info = info;
	m->seq = 0;
	m->learned = false;
	m->failed = ERR_OK;
}

void
search_end(struct search_message *m)
{
	message_close(&m->file);
	search_text_clear(&m->text);
}

/* The file; NULL when it cannot be read: `failed` says why. */
static struct message *
file_of(struct search_message *m)
{
	int fd;

	if (m->file != NULL || m->failed != ERR_OK)
		return m->file;
	if ((m->failed = m->open(m, &fd)) == ERR_OK)
		m->failed = message_open(fd, &m->file);
	return m->file;
}

static struct span
envelope_of(struct search_message *m)
{
	struct buf text = { 0 };

	if (m->info->envelope.p == NULL && file_of(m) != NULL) {
		structure_envelope(message_header(m->file), m->arena, &text);
		m->info->envelope = arena_span(m->arena, buf_span(&text));
		buf_clear(&text);
		m->learned = true;
	}
	return m->info->envelope;
}

static bool
envelope_field(struct search_message *m, enum envelope_field field,
    struct span *out)
{
	struct span envelope = envelope_of(m);

	if (envelope.p == NULL ||
	    !search_text_envelope(envelope, field, &m->text.raw))
		return false;
	*out = m->text.raw.n > 0 ? buf_span(&m->text.raw) : SPAN("");
	return true;
}

/* ---- tests ---- */

static bool
test_all(struct search_message *m, const struct search_node *n)
{
	(void)m;
	(void)n;
	return true;
}

static bool
test_flag(struct search_message *m, const struct search_node *n)
{
	return (m->info->flags & n->row->flag) != 0;
}

static bool
test_no_flag(struct search_message *m, const struct search_node *n)
{
	return (m->info->flags & n->row->flag) == 0;
}

static bool
test_keyword(struct search_message *m, const struct search_node *n)
{
	return (m->info->keywords & n->keyword) != 0 ||
	    (m->info->flags & n->flag) != 0;
}

static bool
test_no_keyword(struct search_message *m, const struct search_node *n)
{
	return !test_keyword(m, n);
}

static bool
test_recent(struct search_message *m, const struct search_node *n)
{
	(void)n;
	return view_is_recent(m->view, m->info->uid);
}

static bool
test_new(struct search_message *m, const struct search_node *n)
{
	return test_recent(m, n) && !(m->info->flags & FLAG_SEEN);
}

static bool
test_old(struct search_message *m, const struct search_node *n)
{
	return !test_recent(m, n);
}

static bool
test_uids(struct search_message *m, const struct search_node *n)
{
	return set_has(&n->set, m->info->uid);
}

static bool
test_numbers(struct search_message *m, const struct search_node *n)
{
	if (m->seq == 0)
		m->seq = view_seq(m->view, m->info->uid);
	return set_has(&n->set, m->seq);
}

static bool
test_before(struct search_message *m, const struct search_node *n)
{
	return date_day_local(m->info->internal_date) < n->day;
}

static bool
test_on(struct search_message *m, const struct search_node *n)
{
	return date_day_local(m->info->internal_date) == n->day;
}

static bool
test_since(struct search_message *m, const struct search_node *n)
{
	return date_day_local(m->info->internal_date) >= n->day;
}

/* RFC 5032 3: within the last so many seconds. */
static bool
is_within(int64_t t, uint64_t seconds)
{
	if (seconds > UINT32_MAX)
		seconds = UINT32_MAX;
	return t > (int64_t)clock_s() - (int64_t)seconds;
}

static bool
test_older(struct search_message *m, const struct search_node *n)
{
	return !is_within(m->info->internal_date, n->number);
}

static bool
test_younger(struct search_message *m, const struct search_node *n)
{
	return is_within(m->info->internal_date, n->number);
}

/* Where it is not known when a message came: its date (RFC 8514 4.3). */
static int64_t
saved(const struct search_message *m)
{
	return m->info->save_date != 0 ? m->info->save_date :
	    m->info->internal_date;
}

static bool
test_savedbefore(struct search_message *m, const struct search_node *n)
{
	return date_day_local(saved(m)) < n->day;
}

static bool
test_savedon(struct search_message *m, const struct search_node *n)
{
	return date_day_local(saved(m)) == n->day;
}

static bool
test_savedsince(struct search_message *m, const struct search_node *n)
{
	return date_day_local(saved(m)) >= n->day;
}

static bool
test_savedolder(struct search_message *m, const struct search_node *n)
{
	return !is_within(saved(m), n->number);
}

static bool
test_savedyounger(struct search_message *m, const struct search_node *n)
{
	return is_within(saved(m), n->number);
}

/* RFC822.SIZE against a number: -1, 0, 1; false: not known. */
static bool
compare_size(struct search_message *m, uint64_t number, int *out)
{
	struct message_info *i = m->info;

	if (i->wire_size == 0 && file_of(m) != NULL) {
		i->wire_size = message_wire_size(m->file);
		m->learned = true;
	}
	*out = i->wire_size < number ? -1 : i->wire_size > number;
	return m->failed == ERR_OK;
}

static bool
test_larger(struct search_message *m, const struct search_node *n)
{
	int c;

	return compare_size(m, n->number, &c) && c > 0;
}

static bool
test_smaller(struct search_message *m, const struct search_node *n)
{
	int c;

	return compare_size(m, n->number, &c) && c < 0;
}

static bool
test_envelope(struct search_message *m, const struct search_node *n)
{
	struct span value;

	return envelope_field(m, n->row->field, &value) &&
	    search_text_in_value(&m->text, value, n->text);
}

/* The day as written; without a readable Date: nothing matches. */
static bool
sent_day(struct search_message *m, int32_t *day)
{
	struct span value;
	int64_t t;

	return envelope_field(m, ENV_DATE, &value) &&
	    date_parse_mail(value, &t, day) == ERR_OK;
}

static bool
test_sentbefore(struct search_message *m, const struct search_node *n)
{
	int32_t day;

	return sent_day(m, &day) && day < n->day;
}

static bool
test_senton(struct search_message *m, const struct search_node *n)
{
	int32_t day;

	return sent_day(m, &day) && day == n->day;
}

static bool
test_sentsince(struct search_message *m, const struct search_node *n)
{
	int32_t day;

	return sent_day(m, &day) && day >= n->day;
}

static bool
test_header(struct search_message *m, const struct search_node *n)
{
	struct span header = m->info->headers;

	if (header.p == NULL && file_of(m) != NULL)
		header = message_header(m->file);
	return header.p != NULL &&
	    search_text_in_field(&m->text, header, n->name, n->text);
}

static bool
test_body(struct search_message *m, const struct search_node *n)
{
	return file_of(m) != NULL &&
	    search_text_in_body(&m->text, m->file, n->text);
}

static bool
test_text(struct search_message *m, const struct search_node *n)
{
	return file_of(m) != NULL && (search_text_in_header(&m->text,
	    message_header(m->file), n->text) ||
	    search_text_in_body(&m->text, m->file, n->text));
}

bool
search_test(struct search_message *m, const struct search_node *n)
{
	if (n->row != NULL)
		return n->row->test(m, n) != n->negate;
	for (const struct search_node *c = n->child; c != NULL; c = c->next)
		if (search_test(m, c) == n->any)
			return n->any != n->negate;
	return n->any == n->negate;
}

bool
search_matches(const struct search_program *p, struct search_message *m)
{
	return p->root == NULL ||
	    (search_test(m, p->root) && m->failed == ERR_OK);
}

/* ---- the table ---- */

static const struct search_row rows[] = {
#define KEY(name, argument, cost, test, kind, flag, field, source) \
	{ name, argument, cost, test, kind, flag, \
	(enum envelope_field)(field), source },
#include "worker/search_keys.def"
#undef KEY
};

static const struct search_row
    numbers_row = { "sequence-set", ARG_SET, COST_INDEX, test_numbers,
    KIND_NUMBERS, 0, ENV_DATE, "RFC 3501 6.4.4" },
    subject_row = { "HEADER Subject", ARG_HEADER, COST_ENVELOPE, test_envelope,
    KIND_OTHER, 0, ENV_SUBJECT, "RFC 3501 6.4.4" },
    message_id_row = { "HEADER Message-ID", ARG_HEADER, COST_ENVELOPE,
    test_envelope, KIND_OTHER, 0, ENV_MESSAGE_ID, "RFC 3501 6.4.4" },
    header_row = { "HEADER", ARG_HEADER, COST_HEADER, test_header, KIND_OTHER,
    0, ENV_DATE, "RFC 3501 6.4.4" };

const struct search_row *
search_test_find(struct span name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (span_ieq(span_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

const struct search_row *
search_test_numbers(void)
{
	return &numbers_row;
}

const struct search_row *
search_test_header(struct span field)
{
	return span_ieq(field, SPAN("Subject")) ? &subject_row :
	    span_ieq(field, SPAN("Message-ID")) ? &message_id_row : &header_row;
}
