/*
 * COPY links each file into the destination's tmp/ (or copies it where a link cannot
 * be) and goes on as APPEND does.
 */
#include "maildir/change_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/change.h"
#include "maildir/change_add.h"
#include "maildir/folder_path.h"
#include "maildir/ghost.h"
#include "maildir/presence.h"
#include "maildir/scan.h"
#include "maildir/seen.h"
#include "maildir/unique.h"

/* The keywords' names as they are, not as of the session's last look. */
enum err
copy_keywords(const struct folder *f, struct arena *a, struct keywords *out)
{
	struct folder_rec r;
	struct db_txn *t;
	enum err e;

	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	if ((e = rec_get(t, f->id, a, &r)) == ERR_OK)
		*out = r.keywords;
	db_abort(&t);
	return e;
}

/* Whether all of these bits have names. */
static bool
has_names(const struct keywords *k, uint64_t bits)
{
	for (unsigned i = 0; i < KEYWORD_MAX; i++)
		if (bits >> i & 1 && (i >= k->n || k->name[i].n == 0))
			return false;
	return true;
}

/*
 * Keyword bits of one folder in terms of another. ERR_NOTFOUND: create is false and
 * the other one has not got them all.
 */
enum err
copy_map_keywords(const struct keywords *from, struct folder *to, bool create,
    uint64_t bits, uint64_t *out)
{
	struct span names[KEYWORD_MAX];
	size_t n = 0;

	*out = 0;
	for (unsigned i = 0; i < from->n; i++)
		if (bits >> i & 1 && from->name[i].n > 0)
			names[n++] = from->name[i];
	return n == 0 ? ERR_OK : folder_keywords(to, names, n, create, out);
}

/* The copy's name: a new unique part, the sizes of the old one if it had them. */
static char *
new_base(struct arena *a, const struct record *rec)
{
	char unique[128];

	unique_name(unique, sizeof(unique));
	if (rec->size == 0 || rec->wire_size == 0)
		return arena_printf(a, "%s", unique);
	return arena_printf(a, "%s,S=%llu,W=%llu", unique,
	    (unsigned long long)rec->size, (unsigned long long)rec->wire_size);
}

static enum err
copy_bytes(struct folder *to, int fd, const char *tmp_name)
{
	char buf[65536];
	struct stat st;
	struct timespec times[2];
	ssize_t n = -1;
	int out = openat(to->tmp_fd, tmp_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    to->acc->file_mode);
	enum err e = ERR_OK;

	if (out < 0)
		return fs_err(errno);
	while (e == ERR_OK && (n = read(fd, buf, sizeof(buf))) > 0)
		e = fs_write(out, buf, (size_t)n);
	if (e == ERR_OK && n == 0 && fstat(fd, &st) == 0) {
		times[0] = st.st_atim;
		times[1] = st.st_mtim;
		if (futimens(out, times) != 0 ||
		    (to->acc->sync && fsync(out) != 0))
			e = fs_err(errno);
	} else {
		e = fs_err(errno);
	}
	close(out);
	return e;
}

struct linking {
	struct folder *to;
	const char *tmp_name;
};

static int
link_it(const struct file_path *p, void *ctx)
{
	const struct linking *l = ctx;

	return linkat(p->dir_fd, p->name, l->to->tmp_fd, l->tmp_name, 0) == 0 ?
	    0 : errno;
}

/* One file into tmp/ of the destination, by link where that works. */
enum err
copy_link(struct folder *f, uint32_t uid, struct folder *to,
    const char *tmp_name, struct arena *a, struct record *rec, bool *ghost)
{
	struct linking l = { to, tmp_name };
	int fd, error;
	enum err e = path_use(f, uid, a, link_it, &l, rec, ghost, &error);

	if (e == ERR_GONE && folder_is_removed(to))
		return ERR_NOTFOUND;
	if (e != ERR_IO || error == 0)
		return e;
	if (error != EXDEV && error != EMLINK && error != EPERM &&
	    error != EOPNOTSUPP) {
		errno = error;
		log_errno("mailbox %s: cannot link message %u", f->name, uid);
		return fs_err(error);
	}
	if ((e = folder_open_message(f, uid, &fd)) != ERR_OK)
		return e;
	if ((e = copy_bytes(to, fd, tmp_name)) != ERR_OK) {
		log_errno("mailbox %s: cannot copy message %u", f->name, uid);
		unlinkat(to->tmp_fd, tmp_name, 0);
	}
	close(fd);
	return e;
}

static void
drop_tmp(struct folder *to, const struct incoming *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!in[i].placed)
			unlinkat(to->tmp_fd, in[i].from_name, 0);
}

/* The record that the copy gets. */
enum err
copy_prepare(const struct folder *f, const struct keywords *names,
    struct folder *to, bool create, const struct record *rec, struct arena *a,
    struct incoming *in)
{
	in->rec = *rec;
	in->rec.flags = seen_flags(f->seen, rec->uid, rec->flags);
	in->rec.flags &= FLAG_ALL & ~to->locked_flags;
	in->rec.save_date = clock_s();
	in->rec.extra = SPAN_NONE;
	in->rec.base = span_of(new_base(a, rec));
	in->rec.keywords = 0;
	if (to->keywords_locked)
		return ERR_OK;
	return copy_map_keywords(names, to, create, rec->keywords,
	    &in->rec.keywords);
}

enum err
change_copy(struct folder *f, const uint32_t *uids, size_t n,
    struct folder *to, bool whole, struct arena *a, struct copy_result *out)
{
	struct incoming *in = arena_array(a, n + 1, sizeof(*in));
	struct keywords names = { .n = 0 };
	struct record rec;
	size_t have = 0;
	bool ghost;
	enum err e = ERR_OK;

	*out = (struct copy_result){ .uidvalidity = to->uidvalidity };
	out->from = arena_array(a, n + 1, sizeof(*out->from));
	out->to = arena_array(a, n + 1, sizeof(*out->to));
	if ((e = presence_join(f->acc)) != ERR_OK ||
	    (e = presence_join(to->acc)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		char tmp[128];

		unique_name(tmp, sizeof(tmp));
		in[have].from_dir = to->tmp_fd;
		in[have].from_name = arena_printf(a, "%s", tmp);
		e = copy_link(f, uids[i], to, in[have].from_name, a, &rec,
		    &ghost);
		if (e == ERR_GONE && !whole) {
			out->n_gone++;
			e = ERR_OK;
			continue;
		}
		if (e == ERR_OK) {
			out->from[have] = uids[i];
			/* A number never changes its name. */
			if (!has_names(&names, rec.keywords))
				e = copy_keywords(f, a, &names);
			if (e == ERR_OK)
				e = copy_prepare(f, &names, to, true, &rec,
				    a, &in[have]);
			have++;
			/* With none so far there was a time with all. */
			if (e == ERR_OK && whole && ghost)
				e = ERR_GONE;
		}
	}
	KILL_POINT("copy-linked");
	if (e == ERR_OK && have > 0 && (e = folder_lock(to)) == ERR_OK) {
		e = change_add(to, in, have, false, NULL, NULL);
		folder_unlock(to);
	}
	if (e == ERR_OK && have > 0)
		e = change_sync_added(to, in[have - 1].rec.uid + 1);
	drop_tmp(to, in, have);
	for (size_t i = 0; i < have; i++)
		out->to[i] = in[i].rec.uid;
	out->n = e == ERR_OK ? have : 0;
	return e;
}
