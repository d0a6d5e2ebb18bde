/* Reading messages and what is known about them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/folder_path.h"
#include "maildir/ghost.h"
#include "maildir/index.h"
#include "maildir/seen.h"

enum { PENDING_MAX = 256, PENDING_BYTES = 512 * 1024 };

/* Walks pages forward to the one that may hold uid. */
static enum err
go_to(struct db_txn *t, uint32_t folder_id, uint32_t uid, struct page_iter *it,
    bool *have)
{
	enum err e;

	if (*have && page_uid(&it->page, it->page.n - 1) >= uid)
		return ERR_OK;
	if (*have && (e = page_iter_next(it)) == ERR_OK &&
	    page_uid(&it->page, it->page.n - 1) >= uid)
		return ERR_OK;
	page_iter_end(it);
	*have = false;
	if ((e = page_iter_begin(t, folder_id, uid, it)) != ERR_OK)
		return e;
	e = page_iter_next(it);
	*have = e == ERR_OK;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Index of uid in the page from `from` on, page.n if it is not there. */
static uint32_t
find_from(const struct page *p, uint32_t uid, uint32_t from)
{
	while (from < p->n && page_uid(p, from) < uid)
		from++;
	return from < p->n && page_uid(p, from) == uid ? from : p->n;
}

static void
set_info(const struct folder *f, struct message_info *m,
    const struct record *rec)
{
	m->flags = seen_flags(f->seen, rec->uid, rec->flags & FLAG_ALL);
	m->keywords = rec->keywords;
	m->modseq = rec->modseq;
	m->size = rec->size;
	m->wire_size = rec->wire_size;
	m->internal_date = rec->internal_date;
	m->save_date = rec->save_date;
}

static enum err
add_cached(struct db_txn *t, const struct folder *f, unsigned want,
    struct arena *a, struct message_info *m)
{
	struct facts c;
	enum err e = cache_get(t, f->id, m->uid, &c);

	if (e == ERR_NOTFOUND || e == ERR_CORRUPT)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	if (m->size == 0)
		m->size = c.size;
	if (c.wire_size != 0)
		m->wire_size = c.wire_size;
	if (m->internal_date == 0)
		m->internal_date = c.internal_date;
	if (want & WANT_CACHE) {
		m->envelope = c.text[0].p ? arena_span(a, c.text[0]) :
		    SPAN_NONE;
		m->body = c.text[1].p ? arena_span(a, c.text[1]) : SPAN_NONE;
		m->bodystructure = c.text[2].p ? arena_span(a, c.text[2]) :
		    SPAN_NONE;
		m->headers = c.text[3].p ? arena_span(a, c.text[3]) : SPAN_NONE;
	}
	return ERR_OK;
}

static int
stat_it(const struct file_path *p, void *ctx)
{
	return fstatat(p->dir_fd, p->name, ctx, AT_SYMLINK_NOFOLLOW) == 0 ? 0 :
	    errno;
}

/* One stat for what nobody asked about this message before. */
static void
add_stat(struct folder *f, struct message_info *m, struct arena *a)
{
	struct stat st;
	bool ghost;
	int error;

	if (path_use(f, m->uid, a, stat_it, &st, NULL, &ghost, &error) !=
	    ERR_OK) {
		m->gone = true;
		return;
	}
	m->size = (uint64_t)st.st_size;
	m->internal_date = st.st_mtim.tv_sec;
	if (!ghost)
		folder_cache_add(f, m);
}

enum err
folder_read(struct folder *f, const uint32_t *uids, size_t n, unsigned want,
    struct arena *a, struct message_info *out)
{
	struct page_iter it = { 0 };
	struct db_txn *t;
	struct record rec;
	struct ghost_when when;
	bool have = false;
	uint32_t at = 0, first = 0;
	enum err e;

	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		struct message_info *m = &out[i];

		memset(m, 0, sizeof(*m));
		m->uid = uids[i];
		if ((e = go_to(t, f->id, uids[i], &it, &have)) != ERR_OK)
			break;
		if (have && page_uid(&it.page, 0) != first) {
			first = page_uid(&it.page, 0);
			at = 0;
		}
		at = have ? find_from(&it.page, uids[i], at) : 0;
		if (have && at < it.page.n) {
			page_record(&it.page, at, &rec);
			set_info(f, m, &rec);
		} else {
			at = 0;
			e = ghost_get(t, f->id, uids[i], &when, &rec);
			if (e == ERR_OK && ghost_is_over(f, &when))
				e = ERR_NOTFOUND;
			m->ghost = e == ERR_OK;
			m->gone = e == ERR_NOTFOUND;
			if (m->gone)
				e = ERR_OK;
			if (m->ghost)
				set_info(f, m, &rec);
		}
		if (e == ERR_OK && !m->gone && (want & WANT_CACHE ||
		    (want & WANT_STAT && (m->size == 0 ||
		    m->internal_date == 0))))
			e = add_cached(t, f, want, a, m);
	}
	page_iter_end(&it);
	db_abort(&t);
	for (size_t i = 0; i < n && e == ERR_OK && want & WANT_STAT; i++)
		if (!out[i].gone && (out[i].internal_date == 0 ||
		    out[i].size == 0))
			add_stat(f, &out[i], a);
	return e == ERR_CORRUPT ? ERR_UNAVAIL : e;
}

struct opening {
	int fd;
	char name[400];		/* for the log */
};

static int
open_it(const struct file_path *p, void *ctx)
{
	struct opening *o = ctx;

	memcpy(o->name, p->name, sizeof(o->name));
	o->fd = openat(p->dir_fd, p->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NOCTTY | O_NONBLOCK);	/* a pipe must not hold us */
	return o->fd >= 0 ? 0 : errno;
}

enum err
folder_open_message(struct folder *f, uint32_t uid, int *fd_out)
{
	struct arena a = { 0 };
	struct opening o = { .fd = -1 };
	bool ghost;
	int error;
	enum err e = path_use(f, uid, &a, open_it, &o, NULL, &ghost, &error);

	if (e == ERR_IO && error != 0) {
		errno = error;
		log_errno("mailbox %s: cannot open message %u (%s)", f->name,
		    uid, log_text(span_of(o.name)));
		e = fs_err(error);
	}
	*fd_out = o.fd;
	arena_free(&a);
	return e;
}

/* ---- the cache ---- */

struct pending_facts {
	uint32_t uid;
	struct facts facts;
};

void
folder_cache_add(struct folder *f, const struct message_info *m)
{
	struct pending_facts *p;
	struct span text[4] = { m->envelope, m->body, m->bodystructure,
		m->headers };

	if (m->ghost || m->gone)
		return;
	if (f->pending == NULL &&
	    (f->pending = calloc(PENDING_MAX, sizeof(*f->pending))) == NULL)
		fatal("no memory");
	p = &f->pending[f->n_pending++];
	p->uid = m->uid;
	p->facts = (struct facts){ .size = m->size, .wire_size = m->wire_size,
		.internal_date = m->internal_date };
	for (int i = 0; i < 4; i++) {
		p->facts.text[i] = text[i].p ?
		    arena_span(&f->pending_arena, text[i]) : SPAN_NONE;
		f->pending_bytes += text[i].n;
	}
	if (f->n_pending == PENDING_MAX || f->pending_bytes > PENDING_BYTES)
		folder_cache_flush(f);
}

/* Adds to what the cache holds already. */
static enum err
flush_one(struct db_txn *t, const struct folder *f,
    const struct pending_facts *p)
{
	struct facts old, new = p->facts;
	struct record rec;
	enum err e;

	/* Expunged meanwhile: nothing to remember. */
	if ((e = index_get(t, f->id, p->uid, &rec)) != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	e = cache_get(t, f->id, p->uid, &old);
	if (e == ERR_OK) {
		if (new.size == 0)
			new.size = old.size;
		if (new.wire_size == 0)
			new.wire_size = old.wire_size;
		if (new.internal_date == 0)
			new.internal_date = old.internal_date;
		for (int i = 0; i < 4; i++)
			if (new.text[i].p == NULL && old.text[i].p != NULL)
				new.text[i] = arena_span(
				    &((struct folder *)(uintptr_t)f)->
				    pending_arena, old.text[i]);
	} else if (e != ERR_NOTFOUND && e != ERR_CORRUPT) {
		return e;
	}
	return cache_put(t, f->id, p->uid, &new);
}

void
folder_cache_flush(struct folder *f)
{
	struct db_txn *t;
	enum err e = ERR_OK;

	if (f->n_pending > 0 && account_write(f->acc, &t) == ERR_OK) {
		for (size_t i = 0; i < f->n_pending && e == ERR_OK; i++)
			e = flush_one(t, f, &f->pending[i]);
		if (e == ERR_OK)
			e = db_commit(&t);
		else
			db_abort(&t);
		if (e != ERR_OK)
			log_warn("mailbox %s: %zu cached facts were not kept "
			    "(%s)", f->name, f->n_pending, err_name(e));
	}
	free(f->pending);
	f->pending = NULL;
	f->n_pending = f->pending_bytes = 0;
	arena_free(&f->pending_arena);
}
