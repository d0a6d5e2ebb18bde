/*
 * MOVE renames from the source's cur/ to the destination's: that one rename decides
 * who moved the message and is its arrival. With both locks (by directory, so that
 * nobody deadlocks), one transaction adds there and removes here. A crash before it
 * leaves the message in the destination's cur/, where the next scan numbers it, and
 * missing in the source, where the next scan expunges it. Ghosts for sessions that
 * were not told are linked after the transaction, never before: the source would
 * take one for a message to put back.
 *
 * MOVE between two accounts (a folder that others may enter is one) cannot be one
 * transaction, nor one rename where they are two mounts: the files are first in the
 * destination's tmp/, linked or copied and synced, without a lock; then, under both
 * locks, the rename out of the source's cur/ into its tmp/ decides, as for EXPUNGE;
 * the destination's line and transaction follow, then the source's. A crash before
 * the last leaves a claimed ghost, which the source's next scan puts back: there may
 * be a copy, never a loss. The ghost stays until the destination is synced, also where
 * nobody else has the source open.
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
#include "maildir/change_copy.h"
#include "maildir/change_remove.h"
#include "maildir/folder_path.h"
#include "maildir/ghost.h"
#include "maildir/presence.h"
#include "maildir/quota.h"
#include "maildir/scan.h"
#include "maildir/unique.h"

enum { MOVE_TRIES = 50 };

/* By their directories: in the same order whoever asks, between accounts, too. */
static enum err
lock_both(struct folder *f, struct folder *to, bool *both_out)
{
	struct stat a, b;
	struct folder *first = f;
	enum err e;

	*both_out = false;
	if (fstat(f->cur_fd, &a) != 0 || fstat(to->cur_fd, &b) != 0)
		return ERR_IO;
	if (b.st_dev < a.st_dev || (b.st_dev == a.st_dev &&
	    b.st_ino < a.st_ino))
		first = to;
	if ((e = folder_lock(first)) != ERR_OK)
		return e;
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return ERR_OK;
	if ((e = folder_lock(first == f ? to : f)) != ERR_OK)
		folder_unlock(first);
	*both_out = e == ERR_OK;
	return e;
}

static void
unlock_both(struct folder *f, struct folder *to, bool both)
{
	folder_unlock(f);
	if (both)
		folder_unlock(to);
}

struct moving {
	struct folder *f, *to;
	struct incoming *in;
	size_t n;
	uint32_t *uids;			/* of the source, parallel to in */
	bool across;			/* two accounts */
	const char **tmp;		/* then: files in the destination's tmp/, by
					 * position among those asked for; NULL: gone */
	size_t *asked;			/* that position, parallel to in */
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

		e = m->across && m->tmp[i] == NULL ? ERR_GONE :
		    path_of_uid(m->f, uids[i], m->a, &p, &rec, &ghost);
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
		m->asked[m->n] = i;
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
	if (e != ERR_OK || (e = copy_keywords(m->f, m->a, &m->names)) != ERR_OK)
		return e;
	if (m->to->keywords_locked)
		return ERR_OK;
	return copy_map_keywords(&m->names, m->to, true, used, &ignored);
}

/* ---- MOVE between two accounts ---- */

static void
drop_linked(struct moving *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (m->tmp[i] != NULL)
			unlinkat(m->to->tmp_fd, m->tmp[i], 0);
}

/* What is asked for into the destination's tmp/, without a lock. */
static enum err
link_all(struct moving *m, const uint32_t *uids, size_t n)
{
	struct record rec;
	enum err e = ERR_OK;

	m->tmp = arena_array(m->a, n + 1, sizeof(*m->tmp));
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		char tmp[128];
		bool ghost = false;

		unique_name(tmp, sizeof(tmp));
		e = copy_link(m->f, uids[i], m->to, tmp, m->a, &rec, &ghost);
		if (e == ERR_OK && ghost)
			unlinkat(m->to->tmp_fd, tmp, 0);
		else if (e == ERR_OK)
			m->tmp[i] = arena_printf(m->a, "%s", tmp);
		else if (e == ERR_GONE)
			e = ERR_OK;
	}
	KILL_POINT("across-linked");
	return e;
}

/* Who renames a file out of cur/ has it. Those that are gone are left out. */
static enum err
claim_all(struct moving *m, struct record *old, struct incoming *from,
    size_t *n_gone)
{
	size_t n = 0;
	char ghost[300];

	for (size_t i = 0; i < m->n; i++) {
		struct incoming in = m->in[i];

		ghost_name(m->uids[i], old[i].base, ghost);
		if (renameat(in.from_dir, in.from_name, m->f->tmp_fd, ghost) !=
		    0) {
			if (errno != ENOENT) {
				log_errno("mailbox %s: cannot move message %u",
				    m->f->name, m->uids[i]);
				m->n = n;
				return fs_err(errno);
			}
			(*n_gone)++;
			continue;
		}
		from[n] = in;
		in.from_dir = m->to->tmp_fd;
		in.from_name = m->tmp[m->asked[i]];
		m->in[n] = in;
		old[n] = old[i];
		m->uids[n++] = m->uids[i];
	}
	m->n = n;
	KILL_POINT("across-claimed");
	return ERR_OK;
}

/* The destination would not have them. */
static void
give_back(struct moving *m, const struct record *old,
    const struct incoming *from)
{
	char ghost[300];

	for (size_t i = 0; i < m->n; i++) {
		ghost_name(m->uids[i], old[i].base, ghost);
		if (renameat(m->f->tmp_fd, ghost, from[i].from_dir,
		    from[i].from_name) != 0)
			log_warn("mailbox %s: message %u is put back by the "
			    "next look", m->f->name, m->uids[i]);
	}
}

static enum err
move_across(struct moving *m, struct record *old, size_t *n_gone)
{
	struct incoming *from = arena_array(m->a, m->n + 1, sizeof(*from));
	struct db_txn *t;
	enum err e = claim_all(m, old, from, n_gone);

	if (e == ERR_OK && m->whole && *n_gone > 0)
		e = ERR_GONE;
	if (e == ERR_OK && m->n > 0)
		e = change_add(m->to, m->in, m->n, false, NULL, NULL);
	if (e != ERR_OK) {
		give_back(m, old, from);
		return e;
	}
	KILL_POINT("across-added");
	m->removal.rec = old;
	m->removal.ghosts = true;
	if (m->n == 0 || (e = account_write(m->f->acc, &t)) != ERR_OK)
		return e;
	if ((e = remove_records(t, m->f, m->uids, m->n, &m->removal)) ==
	    ERR_OK)
		return db_commit(&t);
	db_abort(&t);
	return e;
}

/* ---- either ---- */

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
	    (e = copy_keywords(m->f, m->a, &m->names)) != ERR_OK)
		return e;
	old = arena_array(m->a, m->n, sizeof(*old));
	for (size_t i = 0; i < m->n; i++) {
		old[i] = m->in[i].rec;
		e = copy_prepare(m->f, &m->names, m->to, false, &old[i],
		    m->a, &m->in[i]);
		if (e != ERR_OK)
			return e == ERR_NOTFOUND ? ERR_STATE : e;
	}
	m->removal.rec = old;
	m->removal.before = scan_cur_mtime(m->f);
	if (m->across)
		return move_across(m, old, n_gone);
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
		.whole = whole, .across = f->acc != to->acc };
	bool swept = false, both;
	enum err e;

	*out = (struct copy_result){ .uidvalidity = to->uidvalidity };
	out->from = arena_array(a, n + 1, sizeof(*out->from));
	out->to = arena_array(a, n + 1, sizeof(*out->to));
	m.in = arena_array(a, n + 1, sizeof(*m.in));
	m.uids = arena_array(a, n + 1, sizeof(*m.uids));
	m.asked = arena_array(a, n + 1, sizeof(*m.asked));
	if (f->read_only)
		return ERR_PERM;
	/* In the transaction of the destination there is more, but only there. */
	to->uncounted = m.across && !quota_is_foreign(f->acc, to->acc);
	if ((e = presence_join(f->acc)) != ERR_OK ||
	    (e = presence_join(to->acc)) != ERR_OK ||
	    (m.across && (e = link_all(&m, uids, n)) != ERR_OK))
		goto drop;
	for (int attempt = 0; ; attempt++) {
		if ((e = prepare_all(&m, uids, n)) != ERR_OK ||
		    (e = lock_both(f, to, &both)) != ERR_OK)
			goto drop;
		e = move_locked(&m, uids, n, &out->n_gone);
		unlock_both(f, to, both);
		if (refuse && !swept && others_may_be_dead(f->acc, e, 0)) {
			swept = true;
			continue;
		}
		if (e != ERR_STATE)
			break;
		if (attempt == MOVE_TRIES) {
			e = ERR_BUSY;
			goto drop;
		}
	}
	if (e == ERR_BUSY)
		removal_log(f, 0, "moved", &m.others, a);
	if (e != ERR_OK)
		goto drop;
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
			goto drop;
		e = change_sync_added(to, out->to[out->n - 1] + 1);
		account_changed(f->acc, f->id);
	}
drop:
	/* What arrived is not there any more under these names. */
	if (m.tmp != NULL)
		drop_linked(&m, n);
	return e;
}
