/*
 * The only writer: adding messages. The order of steps, and what a crash leaves:
 *
 *   1 the file is complete in tmp/, synced       tmp/ file, removed by the sweep
 *   2 folder lock, uidlist dotlock               both free themselves
 *   3 rename into cur/                           the next scan finds a new message
 *   4 line in the uidlist                        the same, with that UID
 *   5 transaction (page, counts, modseq)         in the state, not told to anybody
 *   6 unlock; fsync cur/ and the uidlist         as 5
 *   7 transaction (synced_uidnext); notify; OK   -
 *
 * Steps 6 and 7 are outside the lock, so that many writers share one flush of the
 * disk; until 7 no session hears of the UID (law 2).
 */
#include "maildir/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "common/metrics.h"
#include "maildir/account.h"
#include "maildir/change_add.h"
#include "maildir/quota.h"
#include "maildir/scan.h"
#include "maildir/seen.h"
#include "maildir/uidlist.h"

static enum err
read_record(struct folder *f, struct arena *a, struct folder_rec *r)
{
	struct db_txn *t;
	enum err e;

	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = rec_get(t, f->id, a, r);
	db_abort(&t);
	if (e == ERR_OK && r->flags & REC_DELETED)
		e = ERR_NOTFOUND;
	return e;
}

/*
 * The dotlock, with a record that knows the uidlist as it is. What others added
 * meanwhile is taken over first.
 */
static enum err
lock_uidlist(struct folder *f, struct arena *a, struct folder_rec *r)
{
	enum err e;

	for (int attempt = 0; attempt < 5; attempt++) {
		if ((e = read_record(f, a, r)) != ERR_OK)
			return e;
		if (scan_uidlist_is_current(f, r)) {
			if ((e = uidlist_lock(f->control_fd)) != ERR_OK)
				return e;
			if (scan_uidlist_is_current(f, r))
				return ERR_OK;
			uidlist_unlock(f->control_fd);
		}
		if ((e = scan_folder(f, SCAN_ALL, true)) != ERR_OK)
			return e == ERR_GONE ? ERR_UNAVAIL : e;
	}
	log_error("mailbox %s: another program keeps rewriting its uidlist",
	    f->name);
	return ERR_BUSY;
}

/* ---- step 3 ---- */

static void
take_back(struct folder *to, struct incoming *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in[i].placed) {
			(void)renameat(to->cur_fd, in[i].name, in[i].from_dir,
			    in[i].from_name);
			in[i].placed = false;
		}
}

static enum err
place(struct folder *to, struct incoming *in, size_t n, bool may_miss)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = flags_make_name(in[i].rec.base,
		    in[i].rec.flags & FLAG_ALL, in[i].rec.keywords,
		    in[i].rec.extra, in[i].name);

		if (e == ERR_OK && renameat(in[i].from_dir, in[i].from_name,
		    to->cur_fd, in[i].name) == 0) {
			in[i].placed = true;
			continue;
		}
		if (e == ERR_OK && errno == ENOENT && may_miss)
			continue;
		if (e == ERR_OK) {
			e = errno == ENOENT ? ERR_GONE : fs_err(errno);
			log_errno("mailbox %s: cannot put %s in place",
			    to->name, in[i].name);
		}
		take_back(to, in, i);
		return e;
	}
	return ERR_OK;
}

/* ---- step 4 ---- */

static enum err
write_lines(struct folder *to, struct folder_rec *r, struct incoming *in,
    size_t n, struct arena *a)
{
	struct uidlist_entry *en = arena_array(a, n + 1, sizeof(*en));
	struct uidlist l = { .uidvalidity = r->uidvalidity, .version = 3,
		.next_uid = r->uidnext, .inode = r->uidlist_ino,
		.size = r->uidlist_size, .whole = r->uidlist_size,
		.mtime_ns = r->uidlist_mtime };
	uint32_t next = r->uidnext;
	size_t lines = 0;

	if (r->uidnext + (uint64_t)n > UINT32_MAX) {
		log_error("mailbox %s: UIDs are used up; a new UIDVALIDITY is "
		    "needed: remove its dovecot-uidlist", to->name);
		return ERR_LIMIT;
	}
	for (size_t i = 0; i < n; i++)
		if (in[i].placed) {
			in[i].rec.uid = next++;
			en[lines++] = (struct uidlist_entry){
				.uid = in[i].rec.uid, .base = in[i].rec.base };
		}
	if (lines == 0)
		return ERR_OK;
	return uidlist_append(to->control_fd, &l, en, lines, false);
}

/* ---- step 5 ---- */

static enum err
commit(struct folder *to, struct folder_rec *r, struct incoming *in, size_t n,
    int64_t before, struct arena *a, enum err (*also)(struct db_txn *, void *),
    void *ctx)
{
	struct record *rec = arena_array(a, n + 1, sizeof(*rec));
	struct db_txn *t;
	struct usage used;
	uint64_t modseq;
	size_t added = 0;
	enum err e;

	if ((e = account_write(to->acc, &t)) != ERR_OK)
		return e;
	if ((e = quota_before(t, to, &used)) != ERR_OK ||
	    (e = rec_refresh(t, a, r)) != ERR_OK)
		goto fail;
	if (r->flags & REC_DELETED) {
		e = ERR_NOTFOUND;
		goto fail;
	}
	modseq = rec_next_modseq(r);
	for (size_t i = 0; i < n; i++)
		if (in[i].placed) {
			rec[added] = in[i].rec;
			rec[added++].modseq = modseq;
		}
	if ((e = index_append(t, r, rec, added)) != ERR_OK)
		goto fail;
	if (added > 0) {
		r->uidnext = rec[added - 1].uid + 1;
		r->modseq = modseq;
	}
	if (!to->acc->sync)
		r->synced_uidnext = r->uidnext;
	else
		r->unsynced_us = clock_us();
	scan_stamp_uidlist(to, r);
	scan_note_own(to, r, before);
	if ((e = rec_put(t, r)) != ERR_OK ||
	    (also != NULL && (e = also(t, ctx)) != ERR_OK) ||
	    (e = quota_allow(t, to, used)) != ERR_OK)
		goto fail;
	return db_commit(&t);
fail:
	db_abort(&t);
	return e;
}

/* Where \Seen is the user's own, it is none of the file's flags. */
static void
take_seen(const struct folder *to, struct incoming *in, size_t n)
{
	for (size_t i = 0; i < n && to->seen != NULL; i++) {
		in[i].seen |= (in[i].rec.flags & FLAG_SEEN) != 0;
		in[i].rec.flags &= ~(uint32_t)FLAG_SEEN;
	}
}

/* The messages are there; what goes wrong now was logged. */
static void
put_seen(const struct folder *to, const struct incoming *in, size_t n,
    struct arena *a)
{
	uint32_t *uids;
	size_t k = 0;

	if (to->seen == NULL)
		return;
	uids = arena_alloc(a, (n + 1) * sizeof(*uids));
	for (size_t i = 0; i < n; i++)
		if (in[i].seen && in[i].placed)
			uids[k++] = in[i].rec.uid;
	if (k > 0)
		(void)!seen_set(to->seen, uids, k, true, to->acc->sync);
}

enum err
change_add(struct folder *to, struct incoming *in, size_t n, bool may_miss,
    enum err (*also)(struct db_txn *, void *), void *ctx)
{
	struct folder_rec r;
	struct arena a = { 0 };
	int64_t before;
	enum err e;

	if ((e = lock_uidlist(to, &a, &r)) != ERR_OK) {
		arena_free(&a);
		return e;
	}
	take_seen(to, in, n);
	before = scan_cur_mtime(to);
	if ((e = place(to, in, n, may_miss)) == ERR_OK) {
		KILL_POINT("add-placed");
		if ((e = write_lines(to, &r, in, n, &a)) == ERR_OK) {
			KILL_POINT("add-uidlist");
			e = commit(to, &r, in, n, before, &a, also, ctx);
		}
		if (e != ERR_OK)
			take_back(to, in, n);
	}
	uidlist_unlock(to->control_fd);
	KILL_POINT("add-committed");
	if (e == ERR_OK)
		put_seen(to, in, n, &a);
	arena_free(&a);
	return e;
}

/* ---- steps 6 and 7 ---- */

static enum err
sync_uidlist(struct folder *f)
{
	int fd = openat(f->control_fd, "dovecot-uidlist",
	    O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	enum err e = ERR_OK;

	if (fd < 0 && errno == ENOENT && folder_is_removed(f))
		return ERR_NOTFOUND;
	if (fd < 0 || fdatasync(fd) != 0) {
		log_errno("mailbox %s: cannot sync dovecot-uidlist", f->name);
		e = fs_err(errno);
	}
	if (fd >= 0)
		close(fd);
	return e;
}

enum err
change_sync_added(struct folder *to, uint32_t upto)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if (to->acc->sync) {
		/*
		 * The list first: its sync commits the file system's journal,
		 * rename included, and that of cur/ finds nothing left to do.
		 */
		if ((e = sync_uidlist(to)) != ERR_OK ||
		    (e = fs_sync(to->cur_fd, "cur/")) != ERR_OK)
			return e;
		KILL_POINT("add-synced");
		if ((e = account_write(to->acc, &t)) != ERR_OK)
			return e;
		e = rec_get(t, to->id, &a, &r);
		if (e == ERR_OK && r.synced_uidnext < upto) {
			r.synced_uidnext = upto;
			e = rec_put(t, &r);
		}
		arena_free(&a);
		if (e != ERR_OK) {
			db_abort(&t);
			return e;
		}
		if ((e = db_commit(&t)) != ERR_OK)
			return e;
	}
	account_changed(to->acc, to->id);
	return ERR_OK;
}

enum err
change_settle(struct folder *f)
{
	struct folder_rec r;
	struct arena a = { 0 };
	enum err e = read_record(f, &a, &r);

	arena_free(&a);
	if (e != ERR_OK || r.uidnext == r.synced_uidnext)
		return e;
	return change_sync_added(f, r.uidnext);
}

/* ---- APPEND ---- */

enum err
change_append(struct folder *f, struct deliver **d, size_t n)
{
	struct arena a = { 0 };
	struct incoming *in = arena_array(&a, n + 1, sizeof(*in));
	enum err e;

	for (size_t i = 0; i < n; i++) {
		in[i].from_dir = f->tmp_fd;
		in[i].from_name = d[i]->tmp_name;
		in[i].rec = (struct record){
			.flags = d[i]->flags & FLAG_ALL & ~f->locked_flags,
			.keywords = d[i]->keywords, .size = d[i]->size,
			.wire_size = d[i]->wire_size,
			.internal_date = d[i]->internal_date,
			.save_date = clock_s(), .base = span_of(d[i]->base) };
	}
	if ((e = folder_lock(f)) == ERR_OK) {
		e = change_add(f, in, n, false, NULL, NULL);
		folder_unlock(f);
	}
	for (size_t i = 0; i < n && e == ERR_OK; i++)
		d[i]->uid = in[i].rec.uid;
	if (e == ERR_OK && n > 0)
		e = change_sync_added(f, d[n - 1]->uid + 1);
	if (e == ERR_OK)
		metrics_count(EVENT_STORED, (uint32_t)n);
	arena_free(&a);
	return e;
}
