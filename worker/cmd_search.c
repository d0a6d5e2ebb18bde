/* SEARCH and UID SEARCH (RFC 3501 6.4.4). Expunged messages never match (RFC 2180 4.3). */
#include "common/log.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/search.h"
#include "worker/status.h"

enum { SLICE = 256, SLICE_INDEX = 1024, BLOCK = 16384 };

struct search {
	struct session *s;
	struct search_program program;
	struct search_message message;
	struct arena slice;
	struct message_info *info;
	struct buf out;
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

/* " 17"; the message after the last match is likely. */
static void
add_match(struct search *q, uint32_t uid)
{
	const struct view *v = &q->s->view;

	buf_addc(&q->out, ' ');
	if (q->by_uid) {
		buf_add_u64(&q->out, uid);
	} else {
		if (q->seq < v->n && v->uids[q->seq] == uid)
			q->seq++;
		else
			q->seq = view_seq(v, uid);
		buf_add_u64(&q->out, q->seq);
	}
	if (q->out.n >= BLOCK) {
		conn_write(q->s->conn, q->out.p, q->out.n);
		buf_reset(&q->out);
	}
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
		if (p->root == NULL || test(q, m))
			add_match(q, m->uid);
		if (reads_messages(p) && conn_is_dead(q->s->conn))
			return ERR_IO;
	}
	return ERR_OK;
}

static enum err
search_all(struct search *q)
{
	const struct view *v = &q->s->view;
	const uint32_t *uids = q->program.has_uids ? q->program.uids : v->uids;
	size_t n = q->program.has_uids ? q->program.n_uids : v->n;
	size_t slice = reads_messages(&q->program) ? SLICE : SLICE_INDEX;
	enum err e = ERR_OK;

	if (q->program.never)
		n = 0;
	if (slice > n)
		slice = n;
	q->info = arena_array(&q->s->command, slice, sizeof(*q->info));
	for (size_t i = 0; i < n && e == ERR_OK; i += slice)
		e = search_slice(q, uids + i, n - i < slice ? n - i : slice);
	return e;
}

enum err
cmd_search(struct session *s, struct cursor *in, bool by_uid)
{
	struct search q = { .s = s, .by_uid = by_uid };
	enum err e;

	e = search_parse(in, &s->view, &s->folder->keywords, &q.program);
	if (e == ERR_CHARSET)
		status_set(s, search_charsets(&s->command), NULL);
	if (e != ERR_OK)
		return e;
	q.message.view = &s->view;
	q.message.open = open_message;
	q.message.ctx = &q;
	q.message.arena = &q.slice;
	buf_adds(&q.out, "* SEARCH");
	e = search_all(&q);
	buf_adds(&q.out, "\r\n");
	conn_write(s->conn, q.out.p, q.out.n);
	folder_cache_flush(s->folder);
	search_end(&q.message);
	buf_clear(&q.out);
	arena_free(&q.slice);
	if (e == ERR_OK && q.failed != ERR_OK) {
		status_set(s, NULL, "Some messages could not be read.");
		e = q.failed;
	}
	return e;
}
