/*
 * Stamps: what directories and uidlist looked like when they were last verified, and
 * what evidence there is that they are different now.
 */
#include <fcntl.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "maildir/scan_impl.h"

enum {
	TICK_NS = 20 * 1000 * 1000,	/* directory times may be this coarse */
	VERIFY_US = 5 * 1000 * 1000,	/* our own renames are verified so seldom */
	UNSTABLE_US = 1000 * 1000,	/* and a listing of a busy cur/ so soon */
};

int64_t
scan_mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

int64_t
scan_cur_mtime(const struct folder *f)
{
	struct stat st;

	return fstat(f->cur_fd, &st) == 0 ? scan_mtime_ns(&st) : 0;
}

void
scan_note_own(const struct folder *f, struct folder_rec *r, int64_t before)
{
	if (before != 0 && (before == r->cur_own || before == r->cur_mtime))
		r->cur_own = scan_cur_mtime(f);
}

enum err
scan_evidence(const struct folder *f, const struct folder_rec *r,
    bool at_select, enum scan_how *how_out)
{
	struct stat cur, new;
	int64_t mtime;

	*how_out = SCAN_NONE;
	if (fstat(f->cur_fd, &cur) != 0 || fstat(f->new_fd, &new) != 0) {
		log_errno("cannot look at mailbox %s", f->name);
		return ERR_IO;
	}
	if (cur.st_nlink == 0)
		return ERR_GONE;
	if (scan_mtime_ns(&new) != r->new_mtime)
		*how_out = SCAN_NEW;
	mtime = scan_mtime_ns(&cur);
	if (mtime == r->cur_mtime)
		return ERR_OK;
	/*
	 * Negative: listed when it was too young to be trusted. As long as we
	 * have not renamed since, it is listed again.
	 */
	if (mtime != r->cur_own || at_select || mtime == -r->cur_mtime ||
	    clock_us() - r->scanned_us >
	    (r->cur_mtime <= 0 ? UNSTABLE_US : VERIFY_US))
		*how_out = SCAN_ALL;
	return ERR_OK;
}

bool
scan_is_quiet(const struct account *acc, struct span name,
    const struct folder_rec *r)
{
	char dir[256], path[300];
	struct stat cur, new;

	name_to_dir(name, dir);
	snprintf(path, sizeof(path), "%s/cur", dir);
	if (fstatat(acc->root_fd, path, &cur, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	snprintf(path, sizeof(path), "%s/new", dir);
	if (fstatat(acc->root_fd, path, &new, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	return scan_mtime_ns(&new) == r->new_mtime &&
	    (scan_mtime_ns(&cur) == r->cur_mtime ||
	    scan_mtime_ns(&cur) == r->cur_own);
}

static bool
stat_uidlist(const struct folder *f, struct stat *st)
{
	return fstatat(f->control_fd, "dovecot-uidlist", st,
	    AT_SYMLINK_NOFOLLOW) == 0;
}

bool
scan_uidlist_is_current(const struct folder *f, const struct folder_rec *r)
{
	struct stat st;

	return stat_uidlist(f, &st) && st.st_ino == r->uidlist_ino &&
	    (uint64_t)st.st_size == r->uidlist_size &&
	    scan_mtime_ns(&st) == r->uidlist_mtime;
}

void
scan_stamp_uidlist(const struct folder *f, struct folder_rec *r)
{
	struct stat st;

	if (!stat_uidlist(f, &st))
		return;
	r->uidlist_ino = st.st_ino;
	r->uidlist_size = (uint64_t)st.st_size;
	r->uidlist_mtime = scan_mtime_ns(&st);
}

void
scan_set_stamps(struct scan *s, bool last)
{
	struct folder_rec *r = &s->r;
	bool cur_stable = s->now_ns - s->cur_mtime > TICK_NS;
	bool new_stable = s->now_ns - s->new_mtime > TICK_NS;

	if (!last) {
		r->flags |= REC_IMPORTING;
		return;
	}
	r->flags &= ~(uint32_t)REC_IMPORTING;
	/* A time that may still see changes is not remembered: look once more. */
	r->new_mtime = new_stable ? s->new_mtime : 0;
	if (s->listed_all) {
		r->cur_mtime = cur_stable ? s->cur_mtime : -s->cur_mtime;
		/* Expected until it is verified: our renames go on from here. */
		r->cur_own = s->moved ? scan_cur_mtime(s->f) : s->cur_mtime;
		r->scanned_us = clock_us();
	} else if (s->moved) {
		scan_note_own(s->f, r, s->cur_mtime);
	}
	r->n_new = 0;
	for (size_t i = 0; i < s->l.n; i++)
		r->n_new += s->l.file[i].in_new && !s->l.file[i].skip;
	scan_stamp_uidlist(s->f, r);
}
