/* LIST and STATUS: what mailboxes there are, and what is in one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/index.h"
#include "maildir/name.h"
#include "maildir/scan.h"
#include "maildir/seen.h"

struct names {
	struct span *v;
	size_t n, cap;
	struct arena *a;
};

static void
push(struct names *l, struct span name)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		if ((l->v = realloc(l->v, l->cap * sizeof(*l->v))) == NULL)
			fatal("no memory for %zu mailboxes", l->cap);
	}
	l->v[l->n++] = name;
}

/* Level by level: a child comes right after its parent and its siblings. */
static int
by_level(const void *pa, const void *pb)
{
	const struct span *a = pa, *b = pb;
	size_t n = a->n < b->n ? a->n : b->n;
	bool ai = name_is_inbox(*a), bi = name_is_inbox(*b);

	if (ai != bi)
		return ai ? -1 : 1;
	for (size_t i = 0; i < n; i++) {
		int x = a->p[i] == '.' ? 0 : (unsigned char)a->p[i];
		int y = b->p[i] == '.' ? 0 : (unsigned char)b->p[i];

		if (x != y)
			return x - y;
	}
	return a->n < b->n ? -1 : a->n > b->n;
}

/* Known to the state, or a directory with cur/. */
static bool
is_mailbox(struct db_txn *t, struct account *acc, struct span name,
    const char *dir)
{
	char path[300];
	uint32_t id;

	if (names_get(t, name, &id) == ERR_OK)
		return true;
	snprintf(path, sizeof(path), "%s/cur", dir);
	return faccessat(acc->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum err
read_root(struct account *acc, struct names *l)
{
	int fd = openat(acc->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct db_txn *t;
	struct dirent *d;
	enum err e;

	if (dir == NULL) {
		log_errno("cannot list the mail root of user %s", acc->user);
		if (fd >= 0)
			close(fd);
		return ERR_UNAVAIL;
	}
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK) {
		closedir(dir);
		return e;
	}
	while ((d = readdir(dir)) != NULL) {
		struct span name;

		if ((d->d_type == DT_DIR || d->d_type == DT_UNKNOWN) &&
		    name_from_dir(d->d_name, &name) &&
		    is_mailbox(t, acc, name, d->d_name))
			push(l, arena_span(l->a, name));
	}
	db_abort(&t);
	closedir(dir);
	return ERR_OK;
}

/* Parents of name that are not in the list yet go before it. */
static size_t
add_parents(struct folder_entry *out, size_t n, struct span name)
{
	for (size_t i = 0; i < name.n; i++) {
		struct span parent = { name.p, i };
		bool there = false;

		if (name.p[i] != '.')
			continue;
		/* Only the path down to the last entry can hold it. */
		for (size_t j = n; j-- > 0 && !there;) {
			there = span_eq(out[j].name, parent);
			if (!there && !name_is_below(out[j].name, parent))
				break;
		}
		if (!there)
			out[n++] = (struct folder_entry){ .name = parent };
	}
	return n;
}

enum err
folder_list(struct account *acc, struct arena *a,
    struct folder_entry **entries_out, size_t *n_out)
{
	struct names l = { .a = a };
	struct folder_entry *out;
	size_t n = 0, levels = 1;
	enum err e;

	*entries_out = NULL;
	*n_out = 0;
	push(&l, SPAN("INBOX"));
	if ((e = read_root(acc, &l)) != ERR_OK) {
		free(l.v);
		return e;
	}
	qsort(l.v, l.n, sizeof(*l.v), by_level);
	for (size_t i = 0; i < l.n; i++) {
		levels++;
		for (size_t j = 0; j < l.v[i].n; j++)
			levels += l.v[i].p[j] == '.';
	}
	out = arena_array(a, levels, sizeof(*out));
	for (size_t i = 0; i < l.n; i++) {
		if (i > 0 && span_eq(l.v[i], l.v[i - 1]))
			continue;
		n = add_parents(out, n, l.v[i]);
		out[n++] = (struct folder_entry){ .name = l.v[i],
			.exists = true };
	}
	for (size_t i = 0; i + 1 < n; i++)
		out[i].has_children = name_is_below(out[i + 1].name,
		    out[i].name);
	/* Children of INBOX sort after it, but not always next to it. */
	for (size_t i = 1; i < n && !out[0].has_children; i++)
		out[0].has_children = name_is_below(out[i].name, out[0].name);
	free(l.v);
	*entries_out = out;
	*n_out = n;
	return ERR_OK;
}

/* ---- STATUS ---- */

static enum err
count_recent(struct db_txn *t, const struct folder_rec *r, uint32_t *out)
{
	struct page_iter it;
	enum err e;

	*out = 0;
	if (r->first_recent >= r->uidnext)
		return ERR_OK;
	e = page_iter_begin(t, r->id, r->first_recent, &it);
	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK)
		for (uint32_t i = 0; i < it.page.n; i++)
			*out += page_uid(&it.page, i) >= r->first_recent;
	page_iter_end(&it);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Where \Seen is the user's own, nothing counts it. */
static enum err
count_unseen(struct db_txn *t, const struct folder *f, uint32_t *out)
{
	struct page_iter it;
	enum err e = page_iter_begin(t, f->id, 0, &it);

	*out = 0;
	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK)
		for (uint32_t i = 0; i < it.page.n; i++)
			*out += seen_flags(f->seen, page_uid(&it.page, i),
			    0) == 0;
	page_iter_end(&it);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
count_deleted(struct db_txn *t, const struct folder_rec *r, uint64_t *out)
{
	struct page_iter it;
	struct record rec;
	enum err e = page_iter_begin(t, r->id, 0, &it);

	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK)
		for (uint32_t i = 0; i < it.page.n; i++)
			if (page_flags(&it.page, i) & FLAG_DELETED) {
				page_record(&it.page, i, &rec);
				*out += rec.size;
			}
	page_iter_end(&it);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
folder_get_status(struct account *acc, struct span name,
    bool deleted_bytes, struct folder_status *out)
{
	struct folder *f;
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	memset(out, 0, sizeof(*out));
	if ((e = folder_open(acc, name, &f)) != ERR_OK)
		return e;
	if ((e = db_begin(acc->db, false, &t)) == ERR_OK) {
		if ((e = rec_get(t, f->id, &a, &r)) == ERR_OK &&
		    (e = count_recent(t, &r, &out->recent)) == ERR_OK) {
			out->messages = r.messages;
			out->unseen = r.unseen;
			out->deleted = r.deleted;
			out->uidnext = r.synced_uidnext;
			out->uidvalidity = r.uidvalidity;
			out->modseq = r.modseq;
			out->size_bytes = r.wire_size;
			memcpy(out->guid, r.guid, sizeof(out->guid));
			if (f->seen != NULL)
				e = count_unseen(t, f, &out->unseen);
			if (e == ERR_OK && deleted_bytes && r.deleted > 0)
				e = count_deleted(t, &r, &out->deleted_bytes);
		}
		db_abort(&t);
	}
	arena_free(&a);
	folder_close(&f);
	return e;
}
