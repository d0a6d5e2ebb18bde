/* Opening folders, and the references that SELECT takes on them. */
#include "maildir/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crit.h"
#include "common/fsutil.h"
#include "common/lock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/courier.h"
#include "maildir/folder_keywords.h"
#include "maildir/index.h"
#include "maildir/mailbox_names.h"
#include "maildir/name.h"
#include "maildir/presence.h"
#include "maildir/scan.h"
#include "maildir/seen.h"

enum { LOCK_WAIT_MS = 30000, NAME_TRIES = 20 };

static enum err
take_lock(struct folder *f, int timeout_ms)
{
	enum err e;

	crit_enter(CRIT_LOCK);
	e = lock_file(f->cur_fd, true, timeout_ms, f->name);
	if (e == ERR_OK && (e = db_catch_up(f->acc->db)) != ERR_OK)
		lock_release(f->cur_fd);
	if (e != ERR_OK)
		crit_leave(CRIT_LOCK);
	return e;
}

enum err
folder_lock(struct folder *f)
{
	return take_lock(f, LOCK_WAIT_MS);
}

enum err
folder_try_lock(struct folder *f)
{
	return take_lock(f, 0);
}

void
folder_unlock(struct folder *f)
{
	lock_release(f->cur_fd);
	crit_leave(CRIT_LOCK);
}

/* ---- directories ---- */

bool
folder_is_removed(const struct folder *f)
{
	struct stat st;

	return fstat(f->tmp_fd, &st) == 0 && st.st_nlink == 0;
}

static enum err
open_sub(struct folder *f, const char *name, bool make, int *fd_out)
{
	enum err e = fs_open_dir(f->dir_fd, name, fd_out);

	if (e != ERR_NOTFOUND || !make)
		return e;
	if (mkdirat(f->dir_fd, name, f->acc->dir_mode) == 0 || errno == EEXIST)
		return fs_open_dir(f->dir_fd, name, fd_out);
	/* Deleted while we open it. */
	if (errno == ENOENT)
		return ERR_NOTFOUND;
	log_errno("mailbox %s: mkdir %s", f->name, name);
	return fs_err(errno);
}

/* CONTROL elsewhere: <control>/.INBOX, <control>/.Name (as Dovecot lays it out). */
/* dir: below the mail root; control_dir: below CONTROL. */
static enum err
open_dirs_at(struct folder *f, const char *dir, const char *control_dir,
    bool inbox)
{
	enum err e;

	/* An account of one folder is that folder's directory, whatever its name. */
	if (f->acc->alone != NULL)
		dir = control_dir = ".";
	if ((e = fs_open_dir(f->acc->root_fd, dir, &f->dir_fd)) != ERR_OK)
		return e == ERR_NOTFOUND || e == ERR_PERM ? e : ERR_UNAVAIL;
	/* A directory without cur/ is no mailbox; the INBOX always is one. */
	if ((e = open_sub(f, "cur", inbox, &f->cur_fd)) != ERR_OK)
		return e;
	if ((e = open_sub(f, "new", true, &f->new_fd)) != ERR_OK ||
	    (e = open_sub(f, "tmp", true, &f->tmp_fd)) != ERR_OK)
		return e;
	f->control_fd = f->dir_fd;
	return f->acc->wide_control ? account_open_control(f->acc, control_dir,
	    &f->control_fd) : ERR_OK;
}

static enum err
open_dirs(struct folder *f, struct span name)
{
	char dir[256], control_dir[256];

	name_to_dir(name, dir);
	snprintf(control_dir, sizeof(control_dir), ".%.*s", (int)name.n,
	    name.p);
	return open_dirs_at(f, dir, control_dir, name_is_inbox(name));
}

/* A mailbox that was deleted and that somebody has open still. */
static enum err
open_deleted(struct folder *f, uint32_t id)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "loft/deleted/%u", id);
	return open_dirs_at(f, dir, dir, false);
}

static struct folder *
new_folder(struct account *acc, struct span name)
{
	struct folder *f = calloc(1, sizeof(*f));

	if (f == NULL)
		fatal("no memory");
	f->acc = acc;
	acc->n_folders++;
	f->dir_fd = f->cur_fd = f->new_fd = f->tmp_fd = f->control_fd = -1;
	f->name = arena_cstr(&f->arena, name);
	return f;
}

static void
free_folder(struct folder **folder)
{
	struct folder *f = *folder;

	if (f == NULL)
		return;
	folder_cache_flush(f);
	f->acc->n_folders--;
	if (f->control_fd != f->dir_fd)
		fs_close(&f->control_fd);
	fs_close(&f->tmp_fd);
	fs_close(&f->new_fd);
	fs_close(&f->cur_fd);
	fs_close(&f->dir_fd);
	arena_free(&f->arena);
	arena_free(&f->pending_arena);
	free(f->pending);
	seen_close(&f->seen);
	free(f);
	*folder = NULL;
}

/* ---- identity ---- */

/* Whether a record is of the directory that we opened. */
static bool
is_same(const struct folder_rec *r, const struct stat *st)
{
	return r->dir_ino == st->st_ino && r->dir_dev == (uint64_t)st->st_dev;
}

/* Marks a folder as gone: its sessions end, its records go with the last one. */
static enum err
mark_deleted(struct db_txn *t, struct account *acc, struct folder_rec *r)
{
	r->flags |= REC_DELETED;
	r->modseq = rec_next_modseq(r);
	acc->late_deleted = r->id;
	return rec_put(t, r);
}

/* Looks the name up; *known says whether its record is of this directory. */
static enum err
find_record(struct db_txn *t, struct folder *f, struct span name,
    const struct stat *st, struct arena *a, struct folder_rec *r, bool *known)
{
	uint32_t id;
	enum err e;

	*known = false;
	/* An account of one folder has one name, perhaps an earlier one. */
	e = f->acc->alone != NULL ? names_first(t, &id) :
	    names_get(t, name, &id);
	if (e != ERR_OK)
		return e;
	if ((e = rec_get(t, id, a, r)) != ERR_OK)
		return e;
	if ((*known = is_same(r, st) && !(r->flags & REC_DELETED)))
		f->id = id;
	return ERR_OK;
}

/*
 * Whether the name leads to the directory that we opened, and no RENAME is under
 * way: between its directories and its records a name is nobody's. In a write
 * transaction, which a DELETE holds while it renames.
 */
static enum err
check_name(struct db_txn *t, struct folder *f, struct span name,
    const struct stat *st)
{
	struct stat there;
	struct span v;
	char dir[256];
	enum err e = db_get(t, T_META, SPAN("rename"), &v);

	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	if (e == ERR_OK && v.n > 1)
		return ERR_STATE;
	/* Where there is one folder only, no name leads elsewhere. */
	if (f->acc->alone != NULL)
		return ERR_OK;
	name_to_dir(name, dir);
	return fstatat(f->acc->root_fd, dir, &there, 0) == 0 &&
	    there.st_ino == st->st_ino && there.st_dev == st->st_dev ?
	    ERR_OK : ERR_STATE;
}

/*
 * A folder the state has not met, or another one under a name it knows. force: f's
 * record is of an earlier one. ERR_STATE: the name moved meanwhile; look again.
 */
static enum err
make_record(struct folder *f, struct span name, const struct stat *st,
    bool force)
{
	struct folder_rec r, fresh = { .name = name };
	struct arena a = { 0 };
	struct db_txn *t;
	uint32_t was = f->id;
	bool known;
	enum err e;

	if ((e = account_write(f->acc, &t)) != ERR_OK)
		return e;
	if ((e = check_name(t, f, name, st)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	e = find_record(t, f, name, st, &a, &r, &known);
	if (e == ERR_OK && known && (!force || f->id != was)) {
		db_abort(&t);
		arena_free(&a);
		return ERR_OK;		/* another process was faster */
	}
	if (e == ERR_OK && f->acc->alone != NULL)
		e = db_del(t, T_NAMES, r.name);
	if (e == ERR_OK && !(r.flags & REC_DELETED))
		e = mark_deleted(t, f->acc, &r);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	fresh.id = (uint32_t)meta_get(t, "next-folder") + 1;
	fresh.dir_dev = st->st_dev;
	fresh.dir_ino = st->st_ino;
	if (e == ERR_OK && (e = meta_put(t, "next-folder", fresh.id)) ==
	    ERR_OK && (e = names_put(t, name, fresh.id)) == ERR_OK &&
	    (e = rec_put(t, &fresh)) == ERR_OK)
		e = db_commit(&t);
	else
		db_abort(&t);
	arena_free(&a);
	f->id = fresh.id;
	return e;
}

/*
 * A folder that is an account of its own was renamed, by its owner or by another
 * program: whoever opens it next by its new name puts that down.
 */
static enum err
take_name(struct folder *f, struct span name)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if ((e = account_write(f->acc, &t)) != ERR_OK)
		return e;
	if ((e = rec_get(t, f->id, &a, &r)) == ERR_OK &&
	    !span_eq(r.name, name))
		e = rename_record(t, &a, f->id, r.name, name);
	if (e == ERR_OK)
		e = db_commit(&t);
	else
		db_abort(&t);
	arena_free(&a);
	if (e == ERR_OK)
		account_folder_gone(f->acc, f->id);
	return e;
}

/* Finds or makes the record; brings it up to date. select: to the last rename. */
static enum err
attach(struct folder *f, struct span name, bool select)
{
	enum scan_how how = SCAN_ALL;
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	struct stat st;
	bool known = false;
	enum err e;

	if (fstat(f->dir_fd, &st) != 0)
		return ERR_IO;
	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = find_record(t, f, name, &st, &a, &r, &known);
	db_abort(&t);
	if (e == ERR_OK && known && !span_eq(r.name, name) &&
	    (e = take_name(f, name)) != ERR_OK) {
		arena_free(&a);
		return e;
	}
	if (e == ERR_OK && known && r.uidnext > 0 &&
	    !(r.flags & REC_IMPORTING)) {
		e = scan_evidence(f, &r, select, &how);
		if (e == ERR_OK && select && how == SCAN_NONE &&
		    !scan_uidlist_is_current(f, &r))
			how = SCAN_ALL;
	} else if ((e == ERR_OK && !known) || e == ERR_NOTFOUND) {
		if ((e = courier_take_keywords(f)) == ERR_OK)
			e = make_record(f, name, &st, false);
	}
	arena_free(&a);
	for (int attempt = 0; e == ERR_OK && how != SCAN_NONE; attempt++) {
		/* Before the scan: it takes letters for what the file says. */
		if ((e = folder_keywords_refresh(f)) != ERR_OK)
			return e;
		e = scan_folder(f, how, false);
		if (e != ERR_GONE || attempt > 0)
			return e == ERR_GONE ? ERR_UNAVAIL : e;
		/* Another UIDVALIDITY: another mailbox, as far as clients go. */
		how = SCAN_ALL;
		e = make_record(f, name, &st, true);
	}
	return e == ERR_GONE ? ERR_NOTFOUND : e;
}

/* What callers see of the record. */
static void
take_record(struct folder *f, const struct folder_rec *r)
{
	f->uidvalidity = r->uidvalidity;
	f->n_ghosts = r->n_ghosts;
	memcpy(f->guid, r->guid, sizeof(f->guid));
	folder_keywords_take(f, r);
}

/* Where \Seen is the user's own: once it is known which mailbox it is. */
static enum err
open_seen(struct folder *f)
{
	enum err e;

	if (!f->acc->private_seen || f->acc->outer == NULL || f->seen != NULL)
		return ERR_OK;
	if ((e = seen_open(f->acc->outer, f, &f->seen)) != ERR_CANNOT)
		return e;
	log_warn("mailbox %s: its dovecot-uidlist has no GUID, so that \\Seen "
	    "is shared by all who read it", f->name);
	return ERR_OK;
}

static enum err
open_by_name(struct account *acc, struct span name, bool select,
    bool read_only, struct folder **folder_out)
{
	struct folder *f;
	enum err e, settled;

	*folder_out = NULL;
	if ((e = name_check(name)) != ERR_OK)
		return ERR_NOTFOUND;
	if (name_is_inbox(name))
		name = SPAN("INBOX");
	if (acc->alone != NULL && !span_eq(name, span_of(acc->alone)))
		return ERR_NOTFOUND;
	for (int attempt = 0; attempt < NAME_TRIES; attempt++) {
		f = new_folder(acc, name);
		f->read_only = read_only;
		if ((e = open_dirs(f, name)) != ERR_OK ||
		    (e = attach(f, name, select)) != ERR_OK)
			free_folder(&f);
		*folder_out = f;
		if (e != ERR_STATE)
			return e;
		/* Waits for a RENAME that is under way. */
		if ((settled = names_settle(acc)) != ERR_OK)
			return settled;
	}
	return ERR_BUSY;
}

enum err
folder_open(struct account *acc, struct span name, struct folder **folder_out)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e = open_by_name(acc, name, false, false, folder_out);

	if (e != ERR_OK)
		return e;
	if ((e = db_begin(acc->db, false, &t)) == ERR_OK) {
		if ((e = rec_get(t, (*folder_out)->id, &a, &r)) == ERR_OK)
			take_record(*folder_out, &r);
		db_abort(&t);
	}
	arena_free(&a);
	if (e == ERR_OK)
		e = open_seen(*folder_out);
	if (e != ERR_OK)
		free_folder(folder_out);
	return e;
}

enum err
folder_open_id(struct account *acc, uint32_t id, struct folder **folder_out)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct folder *f;
	struct db_txn *t;
	struct stat st;
	enum err e;

	*folder_out = NULL;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = rec_get(t, id, &a, &r);
	db_abort(&t);
	if (e == ERR_OK) {
		f = new_folder(acc, r.name);
		f->id = id;
		e = r.flags & REC_DELETED ? open_deleted(f, id) :
		    open_dirs(f, r.name);
		if (e == ERR_OK &&
		    (fstat(f->dir_fd, &st) != 0 || !is_same(&r, &st)))
			e = ERR_NOTFOUND;	/* renamed just now */
		if (e == ERR_OK)
			take_record(f, &r);
		else
			free_folder(&f);
		*folder_out = f;
	}
	arena_free(&a);
	return e;
}

/* ---- SELECT ---- */

static enum err
read_view(struct db_txn *t, const struct folder *f, const struct folder_rec *r,
    struct folder_snapshot *snap)
{
	struct page_iter it;
	enum err e;

	snap->uids = malloc(((size_t)r->messages + 1) * sizeof(*snap->uids));
	if (snap->uids == NULL)
		fatal("no memory for %u messages", r->messages);
	e = page_iter_begin(t, r->id, 0, &it);
	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK) {
		for (uint32_t i = 0; i < it.page.n; i++) {
			uint32_t uid = page_uid(&it.page, i);

			if (uid >= r->synced_uidnext ||
			    snap->n == r->messages)
				break;
			snap->uids[snap->n++] = uid;
			if (snap->unseen_uid == 0 &&
			    !(seen_flags(f->seen, uid, page_flags(&it.page,
			    i)) & FLAG_SEEN))
				snap->unseen_uid = uid;
		}
	}
	page_iter_end(&it);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/*
 * Whether the folder has the name still that it was opened by: a RENAME that is under
 * way has counted who is here. ERR_STATE: look again.
 */
static enum err
check_renamed(struct db_txn *t, const struct folder *f,
    const struct folder_rec *r)
{
	struct span v;
	enum err e = db_get(t, T_META, SPAN("rename"), &v);

	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	return (e == ERR_OK && v.n > 1) ||
	    !span_eq(r->name, span_of(f->name)) ? ERR_STATE : ERR_OK;
}

/* Reference, cursor, \Recent and the view, in one transaction. */
static enum err
enter(struct folder *f, struct folder_snapshot *snap)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	/* Nobody expunges meanwhile, thinking that we are not here. */
	if ((e = folder_lock(f)) != ERR_OK)
		return e;
	if ((e = account_write(f->acc, &t)) != ERR_OK) {
		folder_unlock(f);
		return e;
	}
	if ((e = rec_get(t, f->id, &a, &r)) == ERR_OK &&
	    r.flags & REC_DELETED)
		e = ERR_NOTFOUND;
	if (e == ERR_OK && (e = check_renamed(t, f, &r)) == ERR_OK &&
	    (e = presence_enter(t, f->acc, f->id, r.modseq,
	    f->read_only)) == ERR_OK) {
		take_record(f, &r);
		e = open_seen(f);
	}
	if (e == ERR_OK && (e = read_view(t, f, &r, snap)) == ERR_OK) {
		snap->uidnext = r.synced_uidnext;
		snap->modseq = f->cursor = r.modseq;
		snap->recent_from = r.first_recent;
		snap->keywords_full = r.keywords.n == KEYWORD_MAX;
		if (!f->read_only && r.first_recent < r.synced_uidnext) {
			r.first_recent = r.synced_uidnext;
			e = rec_put(t, &r);
		}
	}
	arena_free(&a);
	if (e == ERR_OK)
		e = db_commit(&t);
	else
		db_abort(&t);
	folder_unlock(f);
	f->selected = e == ERR_OK;
	return e;
}

static enum err
open_and_enter(struct account *acc, struct span name, bool read_only,
    struct folder **folder_out, struct folder_snapshot *snap)
{
	enum err e;

	if ((e = open_by_name(acc, name, true, read_only, folder_out)) !=
	    ERR_OK)
		return e;
	if ((e = enter(*folder_out, snap)) != ERR_OK) {
		free(snap->uids);
		snap->uids = NULL;
		(*folder_out)->selected = false;
		free_folder(folder_out);
	}
	return e;
}

enum err
folder_select(struct account *acc, struct span name, bool read_only,
    struct folder **folder_out, struct folder_snapshot *snap_out)
{
	enum err e, settled;

	memset(snap_out, 0, sizeof(*snap_out));
	*folder_out = NULL;
	if ((e = presence_join(acc)) != ERR_OK ||
	    (e = presence_sweep(acc, false)) != ERR_OK)
		return e;
	for (int attempt = 0; ; attempt++) {
		e = open_and_enter(acc, name, read_only, folder_out, snap_out);
		if (e != ERR_STATE)
			break;
		if (attempt == NAME_TRIES)
			return ERR_BUSY;
		/* Waits for a RENAME that is under way. */
		if ((settled = names_settle(acc)) != ERR_OK)
			return settled;
	}
	if (e != ERR_OK)
		return e;
	if ((*folder_out)->n_ghosts > 0) {
		/* Perhaps of sessions that died before they could sweep. */
		acc->late_ghosts = (*folder_out)->id;
	}
	return e;
}

void
folder_close(struct folder **folder)
{
	struct folder *f = *folder;
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if (f == NULL)
		return;
	if (f->acc->late_told.folder_id == f->id)
		f->acc->late_told.folder_id = 0;
	if (f->selected && account_write(f->acc, &t) == ERR_OK) {
		if ((e = presence_leave(t, f->acc, f->id)) == ERR_OK &&
		    (e = rec_get(t, f->id, &a, &r)) == ERR_OK) {
			if (r.flags & REC_DELETED)
				f->acc->late_deleted = f->id;
			else if (r.n_ghosts > 0 && !presence_is_behind(t,
			    f->id, 0, r.oldest_ghost))
				f->acc->late_ghosts = f->id;
		}
		if (e == ERR_OK || e == ERR_NOTFOUND)
			e = db_commit(&t);
		else
			db_abort(&t);
		if (e != ERR_OK)
			log_warn("mailbox %s: its reference is left to the "
			    "sweep", f->name);
		arena_free(&a);
	}
	free_folder(folder);
}
