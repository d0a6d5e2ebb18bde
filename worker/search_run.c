/* Runs a SEARCH program over the selected mailbox. */
#include "worker/search_run.h"

#include "common/log.h"
#include "maildir/folder.h"
#include "maildir/folder_flags.h"
#include "worker/conn.h"
#include "worker/search.h"
#include "worker/session.h"

enum { SLICE = 256, SLICE_INDEX = 1024, SLICE_FLAGS = 16384 };

struct search {
	struct session *s;
	const struct search_program *program;
	struct search_message message;
	struct arena slice;
	struct message_info *info;
	uint32_t *found;	/* room for all of them */
	size_t n_found;
	enum err failed;	/* first message that could not be read */
};

static enum err
open_message(struct search_message *m, int *fd_out)
{
	struct search *q = m->ctx;

	return folder_open_message(q->s->folder, m->info->uid, fd_out);
}

/* The tests that need more than flags. */
static bool
test(struct search *q, struct message_info *info)
{
	struct search_message *m = &q->message;
	bool match;

	search_begin(m, info);
	match = search_matches(q->program, m);
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
	const struct search_program *p = q->program;
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
			q->found[q->n_found++] = m->uid;
		if (reads_messages(p) && conn_is_dead(q->s->conn))
			return ERR_IO;
	}
	return ERR_OK;
}

/* Nothing but flags is asked for: SEARCH UNSEEN of 100,000 messages. */
static enum err
search_flags(struct search *q, const uint32_t *uids, size_t n)
{
	const struct search_program *p = q->program;
	uint8_t flags[SLICE_FLAGS], want = (uint8_t)p->flag_want,
	    mask = (uint8_t)(p->flag_mask | FLAGS_GONE);
	enum err e;

	if ((e = folder_flags(q->s->folder, uids, n, flags)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++)
		if ((flags[i] & mask) == want)
			q->found[q->n_found++] = uids[i];
	return ERR_OK;
}

static enum err
search_all(struct search *q, struct arena *a)
{
	const struct search_program *p = q->program;
	const struct view *v = &q->s->view;
	const uint32_t *uids = p->has_uids ? p->uids : v->uids;
	size_t n = p->has_uids ? p->n_uids : v->n, k;
	size_t slice = p->root == NULL ? SLICE_FLAGS :
	    reads_messages(p) ? SLICE : SLICE_INDEX;
	enum err e = ERR_OK;

	if (p->never)
		return ERR_OK;
	q->found = arena_array(a, n, sizeof(*q->found));
	if (p->root != NULL)
		q->info = arena_array(a, slice < n ? slice : n,
		    sizeof(*q->info));
	for (size_t i = 0; i < n && e == ERR_OK; i += k) {
		k = n - i < slice ? n - i : slice;
		e = p->root == NULL ? search_flags(q, uids + i, k) :
		    search_slice(q, uids + i, k);
	}
	return e;
}

enum err
search_run(struct session *s, const struct search_program *p, struct arena *a,
    uint32_t **uids_out, size_t *n_out, enum err *unreadable_out)
{
	struct search q = { .s = s, .program = p };
	enum err e;

	q.message.view = &s->view;
	q.message.open = open_message;
	q.message.ctx = &q;
	q.message.arena = &q.slice;
	e = search_all(&q, a);
	folder_cache_flush(s->folder);
	search_end(&q.message);
	arena_free(&q.slice);
	*uids_out = q.found;
	*n_out = q.n_found;
	*unreadable_out = q.failed;
	return e;
}
