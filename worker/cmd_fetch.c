/* FETCH: walks the messages, opens each file at most once, or not at all. */
#include "common/log.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "maildir/message.h"
#include "maildir/structure.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/fetch_item.h"
#include "worker/policy.h"
#include "worker/status.h"

/* Messages a slice: facts are read in one transaction, then it is let go. */
enum { SLICE = 256, SLICE_INDEX = 1024 };

struct fetch {
	struct session *s;
	struct fetch_program program;
	struct fetch_write out;
	enum multi_expunge policy;
	struct arena slice;		/* what one slice needs */
	struct buf scratch;
	struct message_info *info;
	bool *seen;			/* info[i] got \Seen by this command */
	uint32_t seq;			/* of the message before */
	size_t n_sent, n_gone;
	enum err failed;		/* of the first that was not readable */
};

/* Whether the policy shows this message as it was. */
static bool
is_shown(const struct fetch *f, const struct message_info *m)
{
	return !m->gone && (!m->ghost || f->policy == EXPUNGE_GHOST);
}

/* The number of a UID; mostly the one after the last. */
static uint32_t
next_seq(struct fetch *f, uint32_t uid)
{
	const struct view *v = &f->s->view;

	if (f->seq < v->n && v->uids[f->seq] == uid)
		f->seq++;
	else
		f->seq = view_seq(v, uid);
	return f->seq;
}

static bool
needs_file(const struct fetch_program *p, const struct message_info *m)
{
	unsigned needs = p->needs;

	return needs & NEED_FILE ||
	    (needs & NEED_HEADER && m->headers.p == NULL) ||
	    (needs & NEED_ENVELOPE && m->envelope.p == NULL) ||
	    (needs & NEED_STRUCTURE &&
	    (m->body.p == NULL || m->bodystructure.p == NULL)) ||
	    (needs & NEED_SIZE && m->wire_size == 0);
}

static enum err
open_file(struct fetch *f, uint32_t uid, struct message **out)
{
	int fd;
	enum err e;

	*out = NULL;
	if ((e = folder_open_message(f->s->folder, uid, &fd)) != ERR_OK ||
	    (e = message_open(fd, out)) != ERR_OK) {
		if (e != ERR_GONE)
			log_error("mailbox %s: message with UID %u cannot be "
			    "read: %s", f->s->folder->name, uid, err_name(e));
	}
	return e;
}

static struct span
keep_scratch(struct fetch *f)
{
	struct span text = arena_span(&f->slice, buf_span(&f->scratch));

	buf_reset(&f->scratch);
	return text;
}

/* Takes from the open file what the items need, and remembers it. */
static void
learn(struct fetch *f, struct message *file, struct message_info *m)
{
	unsigned needs = f->program.needs;
	bool learned = false;

	if (needs & NEED_ENVELOPE && m->envelope.p == NULL) {
		structure_envelope(message_header(file), &f->slice,
		    &f->scratch);
		m->envelope = keep_scratch(f);
		learned = true;
	}
	if (needs & NEED_STRUCTURE &&
	    (m->body.p == NULL || m->bodystructure.p == NULL)) {
		const struct part *root = message_parts(file);

		structure_body(file->text, root, false, &f->slice,
		    &f->scratch);
		m->body = keep_scratch(f);
		structure_body(file->text, root, true, &f->slice,
		    &f->scratch);
		m->bodystructure = keep_scratch(f);
		learned = true;
	}
	/* A W= in the name may be wrong; the literal will be right. */
	if (needs & NEED_WHOLE || (needs & NEED_SIZE && m->wire_size == 0)) {
		uint64_t size = message_wire_size(file);

		learned |= size != m->wire_size;
		m->wire_size = size;
	}
	if (learned && !m->ghost)
		folder_cache_add(f->s->folder, m);
}

static void
write_gone(struct fetch *f, const struct message_info *m)
{
	f->n_gone++;
	if (f->policy == EXPUNGE_NIL)
		fetch_write_nil(&f->out, &f->program, next_seq(f, m->uid),
		    m->uid);
}

static void
write_message(struct fetch *f, struct message_info *m, bool seen)
{
	struct message *file = NULL;
	enum err e = ERR_GONE;

	if (is_shown(f, m))
		e = needs_file(&f->program, m) ?
		    open_file(f, m->uid, &file) : ERR_OK;
	if (e == ERR_GONE) {
		write_gone(f, m);
		return;
	}
	if (e != ERR_OK) {
		if (f->failed == ERR_OK)
			f->failed = e;
		return;
	}
	if (file != NULL)
		learn(f, file, m);
	f->out.info = m;
	f->out.file = file;
	fetch_write_message(&f->out, &f->program, next_seq(f, m->uid),
	    seen && !f->program.has_flags);
	f->n_sent++;
	message_close(&file);
}

/*
 * BODY[...] sets \Seen: for a slice at once, before its texts go out, so that
 * the response that has the text has the flag too. A failure does not keep the
 * texts from the client.
 */
static void
mark_seen(struct fetch *f, size_t n)
{
	struct store_result r = { 0 };
	uint32_t *uids = arena_array(&f->slice, n, sizeof(*uids));
	size_t k = 0, at = 0;

	for (size_t i = 0; i < n; i++) {
		const struct message_info *m = &f->info[i];

		f->seen[i] = false;
		if (!m->gone && !m->ghost && !(m->flags & FLAG_SEEN))
			uids[k++] = m->uid;
	}
	if (k == 0 || change_store(f->s->folder, uids, k, STORE_ADD, FLAG_SEEN,
	    0, f->s->view.told, false, &f->slice, &r) != ERR_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		struct message_info *m = &f->info[i];

		while (at < r.n_done && r.done[at].uid < m->uid)
			at++;
		if (at < r.n_done && r.done[at].uid == m->uid) {
			m->flags = r.done[at].flags;
			m->keywords = r.done[at].keywords;
			f->seen[i] = true;
		}
	}
}

/* Between two responses. */
static void
know_keywords(struct fetch *f, size_t n)
{
	uint64_t keywords = 0;

	for (size_t i = 0; i < n; i++)
		keywords |= f->info[i].keywords;
	if (keywords == 0)
		return;
	fetch_write_flush(&f->out);
	sync_know_keywords(f->s, keywords);
}

static enum err
fetch_slice(struct fetch *f, const uint32_t *uids, size_t n)
{
	unsigned needs = f->program.needs, want = 0;
	enum err e;

	if (needs & (NEED_ENVELOPE | NEED_STRUCTURE | NEED_SIZE))
		want |= WANT_CACHE;
	if (needs & NEED_STAT)
		want |= WANT_STAT;
	arena_clear(&f->slice);
	if ((e = folder_read(f->s->folder, uids, n, want, &f->slice,
	    f->info)) != ERR_OK)
		return e;
	if (needs & SETS_SEEN && !f->s->folder->read_only &&
	    !(f->s->folder->locked_flags & FLAG_SEEN))
		mark_seen(f, n);
	know_keywords(f, n);
	for (size_t i = 0; i < n; i++) {
		if (conn_is_dead(f->s->conn))
			return ERR_IO;
		write_message(f, &f->info[i], f->seen[i]);
	}
	return ERR_OK;
}

/* RFC 2180 4.1; a file that could not be read weighs more. */
static enum err
verdict(struct fetch *f)
{
	if (f->failed != ERR_OK) {
		status_set(f->s, NULL, "Some messages could not be read.");
		return f->failed;
	}
	if (f->n_gone == 0 || (f->policy == EXPUNGE_NIL && f->n_sent > 0))
		return ERR_OK;
	status_set(f->s, NULL, f->n_sent > 0 ?
	    "Some of the requested messages no longer exist." :
	    "The messages are no longer available.");
	return ERR_GONE;
}

/* RFC 2180 4.1.3: where nothing survives, only a NO. */
static enum err
all_gone(struct fetch *f, const uint32_t *uids, size_t n, bool *out)
{
	enum err e;

	*out = true;
	for (size_t i = 0; i < n && *out; i += SLICE) {
		size_t k = n - i < SLICE ? n - i : SLICE;

		if ((e = folder_read(f->s->folder, uids + i, k, 0, &f->slice,
		    f->info)) != ERR_OK)
			return e;
		for (size_t j = 0; j < k; j++)
			if (is_shown(f, &f->info[j]))
				*out = false;
	}
	return ERR_OK;
}

static enum err
fetch_all(struct fetch *f, const uint32_t *uids, size_t n)
{
	size_t slice = f->program.needs & ~(unsigned)NEED_STAT ? SLICE :
	    SLICE_INDEX;
	bool none = false;
	enum err e;

	if (slice > n)
		slice = n;
	f->info = arena_array(&f->s->command, slice > SLICE ? slice : SLICE,
	    sizeof(*f->info));
	f->seen = arena_array(&f->s->command, slice, sizeof(*f->seen));
	if (f->policy == EXPUNGE_NIL) {
		if ((e = all_gone(f, uids, n, &none)) != ERR_OK)
			return e;
		if (none) {
			f->n_gone = n;
			return verdict(f);
		}
	}
	for (size_t i = 0; i < n; i += slice) {
		if ((e = fetch_slice(f, uids + i,
		    n - i < slice ? n - i : slice)) != ERR_OK)
			return e;
	}
	return verdict(f);
}

enum err
cmd_fetch(struct session *s, struct cursor *in, bool by_uid)
{
	struct fetch f = { .s = s, .policy = policy_get(s).expunging };
	uint32_t *uids;
	size_t n;
	enum err e;

	if ((e = view_read(&s->view, in, by_uid, &uids, &n)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = fetch_parse(in, by_uid, &f.program)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK || n == 0)
		return e;
	f.out.s = s;
	e = fetch_all(&f, uids, n);
	fetch_write_flush(&f.out);
	folder_cache_flush(s->folder);
	fetch_write_clear(&f.out);
	buf_clear(&f.scratch);
	arena_free(&f.slice);
	return e;
}
