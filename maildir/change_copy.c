/*
 * COPY and MOVE.
 *
 * COPY links each file into the destination's tmp/ (or copies it where a link
 * cannot be) and goes on as APPEND does.
 *
 * MOVE renames from the source's cur/ to the destination's: that one rename decides
 * who moved the message and is its arrival. With both locks (by folder id, so that
 * nobody deadlocks), one transaction adds there and removes here. A crash before it
 * leaves the message in the destination's cur/, where the next scan numbers it, and
 * missing in the source, where the next scan expunges it. Ghosts for sessions that
 * were not told are linked after the transaction, never before: the source would
 * take one for a message to put back.
 */
#include "maildir/change.h"

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
#include "maildir/change_add.h"
#include "maildir/change_remove.h"
#include "maildir/folder_path.h"
#include "maildir/ghost.h"
#include "maildir/presence.h"
#include "maildir/scan.h"
#include "maildir/unique.h"

enum { MOVE_TRIES = 50 };

/* The keywords' names as they are, not as of the session's last look. */
static enum err
read_keywords(const struct folder *f, struct arena *a, struct keywords *out)
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
static enum err
map_keywords(const struct keywords *from, struct folder *to, bool create,
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
static enum err
link_one(struct folder *f, uint32_t uid, struct folder *to,
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
static enum err
prepare(const struct keywords *names, struct folder *to, bool create,
    const struct record *rec, struct arena *a, struct incoming *in)
{
	in->rec = *rec;
	in->rec.flags &= FLAG_ALL;
	in->rec.save_date = clock_s();
	in->rec.extra = SPAN_NONE;
	in->rec.base = span_of(new_base(a, rec));
	return map_keywords(names, to, create, rec->keywords,
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
	if ((e = presence_join(f->acc)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		char tmp[128];

		unique_name(tmp, sizeof(tmp));
		in[have].from_dir = to->tmp_fd;
		in[have].from_name = arena_printf(a, "%s", tmp);
		e = link_one(f, uids[i], to, in[have].from_name, a, &rec,
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
				e = read_keywords(f, a, &names);
			if (e == ERR_OK)
				e = prepare(&names, to, true, &rec, a,
				    &in[have]);
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

/* ---- MOVE ---- */

static enum err
lock_both(struct folder *f, struct folder *to)
{
	struct folder *first = f->id < to->id ? f : to;
	struct folder *second = first == f ? to : f;
	enum err e;

	if ((e = folder_lock(first)) != ERR_OK)
		return e;
	if (f->id != to->id && (e = folder_lock(second)) != ERR_OK)
		folder_unlock(first);
	return e;
}

static void
unlock_both(struct folder *f, struct folder *to)
{
	if (f->id != to->id)
		folder_unlock(f->id < to->id ? to : f);
	folder_unlock(f->id < to->id ? f : to);
}

struct moving {
	struct folder *f, *to;
	struct incoming *in;
	size_t n;
	uint32_t *uids;			/* of the source, parallel to in */
	struct keywords names;		/* of the source */
	struct removal removal;
	struct others others;		/* in the source */
	bool refuse;			/* while there are any */
	bool whole;			/* nothing when one is gone */
	struct arena *a;
};

/* In the transaction that adds to the destination: away from the source. */
static enum err
remove_moved(struct db_txn *t, void *ctx)
{
	struct moving *m = ctx;
	uint32_t *gone = arena_array(m->a, m->n + 1, sizeof(*gone));
	uint64_t *size = arena_array(m->a, m->n + 1, sizeof(*size));
	struct stat st;
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->in[i].placed) {
			size[n] = m->in[i].rec.size;
			if (size[n] == 0 && fstatat(m->to->cur_fd,
			    m->in[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0)
				size[n] = (uint64_t)st.st_size;
			gone[n++] = m->uids[i];
		}
	m->removal.size = size;
	return n == 0 ? ERR_OK : remove_records(t, m->f, gone, n, &m->removal);
}

/* Where the messages are now; those that are gone are left out. */
static enum err
find_all(struct moving *m, const uint32_t *uids, size_t n, size_t *n_gone)
{
	struct file_path p;
	struct record rec;
	bool ghost;
	enum err e;

	for (size_t i = 0; i < n; i++) {
		struct incoming *in = &m->in[m->n];

		e = path_of_uid(m->f, uids[i], m->a, &p, &rec, &ghost);
		if (e == ERR_OK && !ghost && faccessat(p.dir_fd, p.name, F_OK,
		    AT_SYMLINK_NOFOLLOW) != 0)
			e = path_find_again(m->f, uids[i], m->a, &p, &rec,
			    &ghost);
		if (e == ERR_GONE || (e == ERR_OK && ghost)) {
			/* Who renamed it has won: it is not ours to move. */
			(*n_gone)++;
			continue;
		}
		if (e != ERR_OK)
			return e;
		in->from_dir = p.dir_fd;
		in->from_name = arena_printf(m->a, "%s", p.name);
		m->uids[m->n++] = uids[i];
		in->rec = rec;
	}
	return ERR_OK;
}

/* Readable on for who was not told: a second name of the moved file. */
static void
link_ghosts(struct moving *m)
{
	char ghost[300];

	if (!m->removal.ghosts)
		return;
	for (size_t i = 0; i < m->n; i++) {
		struct record *rec = &m->removal.rec[i];

		if (!m->in[i].placed)
			continue;
		ghost_name(m->uids[i], rec->base, ghost);
		if (linkat(m->to->cur_fd, m->in[i].name, m->f->tmp_fd, ghost,
		    0) != 0)
			log_warn("mailbox %s: message %u is not kept for its "
			    "other sessions: %s", m->f->name, m->uids[i],
			    strerror(errno));
	}
}

/* Keywords of the destination cannot be made under its lock: before. */
static enum err
prepare_all(struct moving *m, const uint32_t *uids, size_t n)
{
	uint64_t used = 0, ignored;
	struct message_info *info = arena_array(m->a, n + 1, sizeof(*info));
	enum err e = folder_read(m->f, uids, n, 0, m->a, info);

	for (size_t i = 0; i < n && e == ERR_OK; i++)
		used |= info[i].keywords;
	if (e != ERR_OK || (e = read_keywords(m->f, m->a, &m->names)) != ERR_OK)
		return e;
	return map_keywords(&m->names, m->to, true, used, &ignored);
}

/* ERR_STATE: a message got a keyword that the destination has not; once more. */
static enum err
move_locked(struct moving *m, const uint32_t *uids, size_t n, size_t *n_gone)
{
	struct record *old;
	enum err e;

	m->n = *n_gone = 0;
	if ((e = find_all(m, uids, n, n_gone)) == ERR_OK && m->whole &&
	    *n_gone > 0)
		e = ERR_GONE;
	if (e != ERR_OK || m->n == 0 ||
	    (e = removal_allow(m->f, m->refuse, m->a, &m->others)) != ERR_OK ||
	    (e = read_keywords(m->f, m->a, &m->names)) != ERR_OK)
		return e;
	old = arena_array(m->a, m->n, sizeof(*old));
	for (size_t i = 0; i < m->n; i++) {
		old[i] = m->in[i].rec;
		e = prepare(&m->names, m->to, false, &old[i], m->a, &m->in[i]);
		if (e != ERR_OK)
			return e == ERR_NOTFOUND ? ERR_STATE : e;
	}
	m->removal.rec = old;
	m->removal.before = scan_cur_mtime(m->f);
	if ((e = change_add(m->to, m->in, m->n, true, remove_moved, m)) ==
	    ERR_OK) {
		KILL_POINT("move-committed");
		link_ghosts(m);
	}
	return e;
}

enum err
change_move(struct folder *f, const uint32_t *uids, size_t n,
    struct folder *to, bool refuse, bool whole, struct arena *a,
    struct copy_result *out)
{
	struct moving m = { .f = f, .to = to, .a = a, .refuse = refuse,
		.whole = whole };
	bool swept = false;
	enum err e;

	*out = (struct copy_result){ .uidvalidity = to->uidvalidity };
	out->from = arena_array(a, n + 1, sizeof(*out->from));
	out->to = arena_array(a, n + 1, sizeof(*out->to));
	m.in = arena_array(a, n + 1, sizeof(*m.in));
	m.uids = arena_array(a, n + 1, sizeof(*m.uids));
	if (f->read_only)
		return ERR_PERM;
	if ((e = presence_join(f->acc)) != ERR_OK)
		return e;
	for (int attempt = 0; ; attempt++) {
		if ((e = prepare_all(&m, uids, n)) != ERR_OK ||
		    (e = lock_both(f, to)) != ERR_OK)
			return e;
		e = move_locked(&m, uids, n, &out->n_gone);
		unlock_both(f, to);
		if (refuse && !swept && others_may_be_dead(f->acc, e, 0)) {
			swept = true;
			continue;
		}
		if (e != ERR_STATE)
			break;
		if (attempt == MOVE_TRIES)
			return ERR_BUSY;
	}
	if (e == ERR_BUSY)
		removal_log(f, 0, "moved", &m.others, a);
	if (e != ERR_OK)
		return e;
	for (size_t i = 0; i < m.n; i++) {
		if (!m.in[i].placed) {
			out->n_gone++;
			continue;
		}
		out->from[out->n] = m.uids[i];
		out->to[out->n++] = m.in[i].rec.uid;
	}
	if (out->n > 0) {
		removal_log(f, out->n, "moved", &m.others, a);
		if (f->acc->sync && (e = fs_sync(f->cur_fd, "cur/")) != ERR_OK)
			return e;
		e = change_sync_added(to, out->to[out->n - 1] + 1);
		account_changed(f->acc, f->id);
	}
	return e;
}
