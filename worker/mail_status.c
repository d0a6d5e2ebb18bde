/* mailbox status: what doveadm shows of mailboxes. */
#include "common/acl.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/message.h"
#include "worker/mail.h"
#include "worker/mail_each.h"
#include "worker/select.h"
#include "worker/session.h"

#include <stddef.h>
#include <string.h>

enum { SLICE = 256 };

/* ---- fields ---- */

enum width { W32, W64, TEXT };

static const struct field {
	const char *name;
	size_t at;
	enum width width;
	bool adds_up;
} fields[] = {
#define FIELD(name, member, width, adds_up) \
	{ name, offsetof(struct folder_status, member), width, adds_up }
	FIELD("messages", messages, W32, true),
	FIELD("recent", recent, W32, true),
	FIELD("uidnext", uidnext, W32, false),
	FIELD("uidvalidity", uidvalidity, W32, false),
	FIELD("unseen", unseen, W32, true),
	FIELD("highestmodseq", modseq, W64, false),
	FIELD("vsize", size_bytes, W64, true),
	FIELD("guid", guid, TEXT, false),
#undef FIELD
};

enum { N_FIELDS = sizeof(fields) / sizeof(*fields) };

struct status {
	unsigned wanted;
	bool total;
	uint64_t sum[N_FIELDS];
};

/* "messages unseen", "all". */
static bool
read_fields(struct mail *m, struct status *st)
{
	struct span rest = m->arg[0];

	while (rest.p != NULL) {
		struct span word = span_cut(&rest, ' ');
		size_t i = 0;

		while (i < N_FIELDS && !span_eq(word, span_of(fields[i].name)))
			i++;
		if (span_eq(word, SPAN("all")))
			st->wanted = (1U << N_FIELDS) - 1;
		else if (i < N_FIELDS)
			st->wanted |= 1U << i;
		else if (word.n > 0) {
			mail_fail(m, MAIL_USAGE, "Unknown status field: %.*s",
			    (int)word.n, word.p);
			m->stopped = true;
			return false;
		}
	}
	for (size_t i = 0; st->total && i < N_FIELDS; i++)
		if (!fields[i].adds_up)
			st->wanted &= ~(1U << i);
	return true;
}

/* ---- vsize ---- */

/* One that nobody asked about before is read, and remembered. */
static enum err
size_of(struct folder *f, struct message_info *info, uint64_t *sum)
{
	struct message *file = NULL;
	enum err e = ERR_OK;
	int fd;

	if (info->gone || info->ghost)
		return ERR_OK;
	if (info->wire_size == 0 && (e = folder_open_message(f, info->uid,
	    &fd)) == ERR_OK && (e = message_open(fd, &file)) == ERR_OK) {
		info->wire_size = message_wire_size(file);
		folder_cache_add(f, info);
	}
	message_close(&file);
	*sum += info->wire_size;
	return e == ERR_GONE ? ERR_OK : e;
}

/* The sum of all sizes with CRLF: no record has it where other programs deliver. */
static enum err
add_sizes(struct mail *m, struct target *t, uint64_t *sum)
{
	struct session *s = m->s;
	struct folder_snapshot snap;
	struct message_info info[SLICE];
	struct arena slice = { 0 };
	enum err e = select_target(s, t, true, &snap);

	*sum = 0;
	for (size_t i = 0, k; e == ERR_OK && i < s->view.n; i += k) {
		k = s->view.n - i < SLICE ? s->view.n - i : SLICE;
		arena_clear(&slice);
		e = folder_read(s->folder, s->view.uids + i, k, WANT_CACHE,
		    &slice, info);
		for (size_t j = 0; e == ERR_OK && j < k; j++)
			e = size_of(s->folder, &info[j], sum);
	}
	if (s->folder != NULL)
		folder_cache_flush(s->folder);
	session_unselect(s);
	arena_free(&slice);
	return e;
}

/* ---- rows ---- */

static uint64_t
number(const struct folder_status *f, const struct field *field)
{
	const char *p = (const char *)f + field->at;
	uint32_t small;
	uint64_t large;

	if (field->width == W64) {
		memcpy(&large, p, sizeof(large));
		return large;
	}
	memcpy(&small, p, sizeof(small));
	return small;
}

static bool
wants(const struct status *st, const char *name)
{
	for (size_t i = 0; i < N_FIELDS; i++)
		if (strcmp(fields[i].name, name) == 0)
			return st->wanted & 1U << i;
	return false;
}

static void
show_status(struct mail *m, const struct folder_entry *entry,
    struct span name, void *ctx)
{
	struct status *st = ctx;
	struct folder_status f = { 0 };
	struct target t;
	enum err e;

	if (!entry->exists)
		return;
	if ((e = mail_target(m, name, &t)) != ERR_OK ||
	    (e = target_enter(m->s, &t, ACL_READ)) != ERR_OK ||
	    (e = folder_get_status(t.account, t.storage, false, &f)) !=
	    ERR_OK ||
	    (wants(st, "vsize") &&
	    (e = add_sizes(m, &t, &f.size_bytes)) != ERR_OK)) {
		mail_error(m, "Failed to lookup status of mailbox", name, e);
		return;
	}
	if (!st->total)
		mail_cell(m, name);
	for (size_t i = 0; i < N_FIELDS; i++) {
		if ((st->wanted & 1U << i) == 0)
			continue;
		if (st->total)
			st->sum[i] += number(&f, &fields[i]);
		else if (fields[i].width == TEXT)
			mail_cell(m, span_of((const char *)&f + fields[i].at));
		else
			mail_cell_f(m, "%llu",
			    (unsigned long long)number(&f, &fields[i]));
	}
	if (!st->total)
		mail_row(m);
}

/* A name without wildcards is to be there. */
static void
complain_of_missing(struct mail *m)
{
	struct target t;

	for (size_t i = 1; i < m->n; i++)
		if (span_find(m->arg[i], '*') == m->arg[i].n &&
		    span_find(m->arg[i], '%') == m->arg[i].n &&
		    (mail_target(m, m->arg[i], &t) != ERR_OK ||
		    target_is_foreign(&t) ||
		    !folder_exists(m->s->account, t.storage)))
			mail_error(m, "Failed to lookup status of mailbox",
			    m->arg[i], ERR_NOTFOUND);
}

void
mail_status(struct mail *m)
{
	struct status st = { .total = mail_option(m, 't',
	    &(struct span){ 0 }) };
	struct buf names = { 0 };

	if (!read_fields(m, &st))
		return;
	if (!st.total)
		buf_adds(&names, "=mailbox ");
	for (size_t i = 0; i < N_FIELDS; i++)
		if (st.wanted & 1U << i)
			buf_addf(&names, "%s ", fields[i].name);
	if (names.n > 0)
		names.n--;
	mail_names(m, buf_cstr(&names));
	buf_clear(&names);
	mail_for_masks(m, 1, show_status, &st);
	complain_of_missing(m);
	for (size_t i = 0; st.total && i < N_FIELDS; i++)
		if (st.wanted & 1U << i)
			mail_cell_f(m, "%llu", (unsigned long long)st.sum[i]);
	if (st.total)
		mail_row(m);
}
