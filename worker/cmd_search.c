/*
 * SEARCH and UID SEARCH (RFC 3501 6.4.4). Expunged messages never match (RFC
 * 2180 4.3).
 */
#include "common/log.h"
#include "maildir/folder.h"
#include "maildir/folder_flags.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/search.h"
#include "worker/status.h"

#include <string.h>

enum { SLICE = 256, SLICE_INDEX = 1024, SLICE_FLAGS = 16384, BLOCK = 16384,
	NUMBER_ROOM = 16 };

struct search {
	struct session *s;
	struct search_program program;
	struct search_message message;
	struct arena slice;
	struct message_info *info;
	char out[BLOCK];
	size_t out_n;
	bool by_uid;
	uint32_t seq;		/* of the match before */
	enum err failed;	/* first message that could not be read */
};

static enum err
open_message(struct search_message *m, int *fd_out)
{
	struct search *q = m->ctx;

	return folder_open_message(q->s->folder, m->info->uid, fd_out);
}

/* The number of a match; mostly the one after the last. */
static uint32_t
next_seq(struct search *q, uint32_t uid)
{
	const struct view *v = &q->s->view;

	if (q->seq < v->n && v->uids[q->seq] == uid)
		q->seq++;
	else
		q->seq = view_seq(v, uid);
	return q->seq;
}

/*
 * " 17". Always NUMBER_ROOM bytes are copied, most of them in vain: that is a
 * few instructions, where a copy of the right length is a call.
 */
static void
add_number(struct search *q, uint32_t number)
{
	char room[2 * NUMBER_ROOM], *p = room + NUMBER_ROOM;

	if (q->out_n + NUMBER_ROOM > sizeof(q->out)) {
		conn_write(q->s->conn, q->out, q->out_n);
		q->out_n = 0;
	}
	do
		*--p = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	*--p = ' ';
	memcpy(q->out + q->out_n, p, NUMBER_ROOM);
	q->out_n += (size_t)(room + NUMBER_ROOM - p);
}

/* The tests that need more than flags. */
static bool
test(struct search *q, struct message_info *info)
{
	struct search_message *m = &q->message;
	bool match;

	search_begin(m, info);
	match = search_matches(&q->program, m);
	if (m->learned)
		folder_cache_add(q->s->folder, info);
	if (m->failed != ERR_OK && m->failed != ERR_GONE) {
		log_error("mailbox %s: message with UID %u cannot be "
		    "searched: %s", q->s->folder->name, info->uid,
		    err_name(m->failed));
		if (q->failed == ERR_OK)
			q->failed = m->failed;
	}
	return match;
}

/* Whether there are tests that may open files. */
static bool
reads_messages(const struct search_program *p)
{
	return p->costs >= 1U << COST_SIZE;
}

static enum err
search_slice(struct search *q, const uint32_t *uids, size_t n)
{
	const struct search_program *p = &q->program;
	unsigned want = 0;
	enum err e;

	if (p->costs & (1U << COST_ENVELOPE | 1U << COST_SIZE))
		want |= WANT_CACHE;
	if (p->costs & 1U << COST_STAT)
		want |= WANT_STAT;
	arena_clear(&q->slice);
	if ((e = folder_read(q->s->folder, uids, n, want, &q->slice,
	    q->info)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		struct message_info *m = &q->info[i];

		if (((m->flags ^ p->flag_want) & p->flag_mask) != 0 ||
		    m->gone || m->ghost)
			continue;
		if (test(q, m))
			add_number(q, q->by_uid ? m->uid :
			    next_seq(q, m->uid));
		if (reads_messages(p) && conn_is_dead(q->s->conn))
			return ERR_IO;
	}
	return ERR_OK;
}

/*
 * Nothing but flags is asked for: SEARCH UNSEEN of 100,000 messages. first: the
 * number of the first one, where the whole mailbox is searched; else 0.
 */
static enum err
search_flags(struct search *q, const uint32_t *uids, size_t n, uint32_t first)
{
	const struct search_program *p = &q->program;
	uint8_t flags[SLICE_FLAGS], want = (uint8_t)p->flag_want,
	    mask = (uint8_t)(p->flag_mask | FLAGS_GONE);
	enum err e;

	if ((e = folder_flags(q->s->folder, uids, n, flags)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		if ((flags[i] & mask) != want)
			continue;
		add_number(q, q->by_uid ? uids[i] : first > 0 ?
		    first + (uint32_t)i : next_seq(q, uids[i]));
	}
	return ERR_OK;
}

static enum err
search_all(struct search *q)
{
	const struct search_program *p = &q->program;
	const struct view *v = &q->s->view;
	const uint32_t *uids = p->has_uids ? p->uids : v->uids;
	size_t n = p->has_uids ? p->n_uids : v->n, k;
	size_t slice = p->root == NULL ? SLICE_FLAGS :
	    reads_messages(p) ? SLICE : SLICE_INDEX;
	enum err e = ERR_OK;

	if (p->never)
		return ERR_OK;
	if (p->root != NULL)
		q->info = arena_array(&q->s->command, slice < n ? slice : n,
		    sizeof(*q->info));
	for (size_t i = 0; i < n && e == ERR_OK; i += k) {
		k = n - i < slice ? n - i : slice;
		e = p->root == NULL ? search_flags(q, uids + i, k,
		    p->has_uids ? 0 : (uint32_t)i + 1) :
		    search_slice(q, uids + i, k);
	}
	return e;
}

enum err
cmd_search(struct session *s, struct cursor *in, bool by_uid)
{
	struct search q = { .s = s, .by_uid = by_uid };
	enum err e;

	sync_know_keywords(s, UINT64_MAX);
	e = search_parse(in, &s->view, &s->folder->keywords, &q.program);
	if (e == ERR_CHARSET)
		status_set(s, search_charsets(&s->command), NULL);
	if (e != ERR_OK)
		return e;
	q.message.view = &s->view;
	q.message.open = open_message;
	q.message.ctx = &q;
	q.message.arena = &q.slice;
	conn_write(s->conn, "* SEARCH", 8);
	e = search_all(&q);
	conn_write(s->conn, q.out, q.out_n);
	conn_write(s->conn, "\r\n", 2);
	folder_cache_flush(s->folder);
	search_end(&q.message);
	arena_free(&q.slice);
	if (e == ERR_OK && q.failed != ERR_OK) {
		status_set(s, NULL, "Some messages could not be read.");
		e = q.failed;
	}
	return e;
}
