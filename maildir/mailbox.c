/*
 * CREATE and DELETE, and the lock on names.
 *
 * CREATE  builds loft/new.<pid>.<n>/ and renames it into place: there or not.
 * DELETE  renames the directory to loft/deleted/<folder id>, then the transaction.
 *         A crash between is finished by ghost_recover. Kept for who has it open
 *         (REC_KEPT), its name stays in T_NAMES, so that nobody else gets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crit.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/lock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/ghost.h"
#include "maildir/mailbox_names.h"
#include "maildir/name.h"
#include "maildir/others.h"
#include "maildir/policy_file.h"
#include "maildir/presence.h"
#include "maildir/renamed.h"
#include "maildir/state.h"

enum { NAMES_WAIT_MS = 30000, TAKEN_MAX = 100 };

enum err
names_lock(struct account *acc)
{
	enum err e;

	if (acc->names_fd < 0)
		acc->names_fd = openat(acc->index_fd, "loft/names",
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (acc->names_fd < 0) {
		log_errno("cannot open loft/names");
		return fs_err(errno);
	}
	crit_enter(CRIT_LOCK);
	e = lock_file(acc->names_fd, true, NAMES_WAIT_MS, "loft/names");
	if (e != ERR_OK) {
		crit_leave(CRIT_LOCK);
		return e;
	}
	if ((e = db_catch_up(acc->db)) != ERR_OK ||
	    (e = rename_finish(acc)) != ERR_OK)
		names_unlock(acc);
	return e;
}

void
names_unlock(struct account *acc)
{
	lock_release(acc->names_fd);
	crit_leave(CRIT_LOCK);
}

bool
folder_exists(const struct account *acc, struct span name)
{
	char path[300], dir[256];

	name_to_dir(name, dir);
	snprintf(path, sizeof(path), "%s/cur", dir);
	return name_is_inbox(name) ||
	    faccessat(acc->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- CREATE ---- */

static enum err
build(struct account *acc, const char *path)
{
	static const char *const subs[] = { "cur", "new", "tmp" };
	char sub[128];
	int fd;
	enum err e = fs_mkdir(acc->root_fd, path, acc->dir_mode);

	for (size_t i = 0; i < 3 && e == ERR_OK; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, subs[i]);
		e = fs_mkdir(acc->root_fd, sub, acc->dir_mode);
	}
	if (e != ERR_OK)
		return e;
	/* Tells delivery agents that the Maildir's root is one level up. */
	snprintf(sub, sizeof(sub), "%s/maildirfolder", path);
	fd = openat(acc->root_fd, sub, O_WRONLY | O_CREAT | O_CLOEXEC,
	    acc->file_mode);
	if (fd < 0) {
		log_errno("cannot make %s", sub);
		return fs_err(errno);
	}
	close(fd);
	return ERR_OK;
}

static enum err
create_locked(struct account *acc, struct span name)
{
	static unsigned count;
	char aside[64], dir[256];
	enum err e;

	if (folder_exists(acc, name))
		return ERR_EXISTS;
	if ((e = others_reserve(acc, name)) != ERR_OK)
		return e;
	snprintf(aside, sizeof(aside), "loft/new.%ld.%u", (long)getpid(),
	    ++count);
	name_to_dir(name, dir);
	if ((e = fs_mkdir(acc->root_fd, "loft", 0700)) == ERR_OK)
		e = build(acc, aside);
	if (e == ERR_OK)
		e = alone_inherit(acc, name, aside);
	KILL_POINT("create-built");
	if (e == ERR_OK && renameat2(acc->root_fd, aside, acc->root_fd, dir,
	    RENAME_NOREPLACE) != 0) {
		e = fs_err(errno);
		if (e != ERR_EXISTS)
			log_errno("cannot create mailbox %s", log_text(name));
	}
	if (e != ERR_OK) {
		(void)!fs_remove_tree(acc->root_fd, aside);
		return e;
	}
	if (alone_is(acc, name))
		policy_file_hand_down(acc, name);
	if (acc->sync && (e = fs_sync(acc->root_fd, "mail root")) != ERR_OK)
		return e;
	return renamed_forget(acc, name);
}

enum err
folder_create(struct account *acc, struct span name)
{
	enum err e;

	if ((e = name_check(name)) != ERR_OK)
		return e;
	if (name_is_inbox(name))
		return ERR_EXISTS;
	/* Our death in the middle is noticed. */
	if ((e = presence_join(acc)) != ERR_OK)
		return e;
	for (int attempt = 0; ; attempt++) {
		if ((e = names_lock(acc)) != ERR_OK)
			return e;
		e = create_locked(acc, name);
		names_unlock(acc);
		if (!others_may_be_dead(acc, e, attempt))
			break;
	}
	if (e == ERR_OK)
		log_info("Mailbox created: %s", log_text(name));
	return e;
}

/* ---- DELETE ---- */

/* One DELETE: what is asked for and what is found. */
struct deletion {
	struct span name;
	enum others_how how;
	uint32_t id;
	struct others others;
	struct arena a;
	/* Where the mailbox is an account of its own; its sessions are in there. */
	struct account *inner;
	struct db_txn *inner_txn;
	struct folder_rec inner_rec;
};

/* ---- one that is an account of its own ---- */

/* Begins the transaction in which it is left, and adds its sessions to the others. */
static enum err
meet_inner(struct deletion *d)
{
	uint32_t id;
	enum err e;

	d->inner_rec.id = 0;
	if ((e = account_write(d->inner, &d->inner_txn)) == ERR_OK &&
	    (e = names_first(d->inner_txn, &id)) == ERR_OK &&
	    (e = rec_get(d->inner_txn, id, &d->a, &d->inner_rec)) == ERR_OK)
		e = others_meet(d->inner_txn, d->inner, id, &d->a, &d->others);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/*
 * After the directory went and our own transaction: a death before leaves its sessions
 * with a mailbox that goes when they do.
 */
static void
leave_inner(struct deletion *d)
{
	struct folder_rec *r = &d->inner_rec;
	bool kept = d->how == OTHERS_KEEP && d->others.n > 0;

	if (r->id == 0) {
		db_abort(&d->inner_txn);
		return;
	}
	r->flags |= REC_DELETED | REC_TAKEN | (kept ? REC_KEPT : 0);
	r->modseq = rec_next_modseq(r);
	if (rec_put(d->inner_txn, r) != ERR_OK)
		db_abort(&d->inner_txn);
	else if (db_commit(&d->inner_txn) == ERR_OK && !kept)
		account_folder_gone(d->inner, r->id);
	d->inner->late_deleted = r->id;
}

/* ---- the deletion ---- */

static enum err
new_doomed(struct db_txn *t, struct deletion *d, struct folder_rec *r)
{
	d->id = (uint32_t)meta_get(t, "next-folder") + 1;
	*r = (struct folder_rec){ .id = d->id, .name = d->name };
	return meta_put(t, "next-folder", d->id);
}

/* The record of what is to be deleted; one with a new id if it has none. */
static enum err
find_doomed(struct db_txn *t, struct deletion *d, struct folder_rec *r,
    bool *is_new)
{
	enum err e = names_get(t, d->name, &d->id);

	if (e == ERR_OK)
		e = rec_get(t, d->id, &d->a, r);
	/* What has the name now was made by another program, and never opened. */
	*is_new = e == ERR_NOTFOUND || (e == ERR_OK && r->flags & REC_DELETED);
	return *is_new ? new_doomed(t, d, r) : e;
}

/*
 * Out of the tree. What a process that died before its transaction left under the
 * number is marked by the next sweep; this one gets another.
 */
static enum err
move_away(struct db_txn *t, struct account *acc, struct deletion *d,
    struct folder_rec *r, bool *is_new)
{
	char dir[256], path[64];
	enum err e;

	name_to_dir(d->name, dir);
	for (int tries = 0; ; tries++) {
		snprintf(path, sizeof(path), "loft/deleted/%u", d->id);
		if (renameat2(acc->root_fd, dir, acc->root_fd, path,
		    RENAME_NOREPLACE) == 0)
			return ERR_OK;
		e = fs_err(errno);
		if (e != ERR_EXISTS || tries == TAKEN_MAX)
			break;
		if ((e = new_doomed(t, d, r)) != ERR_OK)
			return e;
		*is_new = true;
	}
	if (e != ERR_NOTFOUND)
		log_errno("cannot delete mailbox %s", log_text(d->name));
	return e;
}

static enum err
delete_in(struct db_txn *t, struct account *acc, struct deletion *d)
{
	struct folder_rec r = { 0 };
	bool is_new;
	enum err e;

	d->others = (struct others){ 0 };
	if ((e = find_doomed(t, d, &r, &is_new)) != ERR_OK ||
	    (e = others_meet(t, acc, d->id, &d->a, &d->others)) != ERR_OK ||
	    (d->inner != NULL && (e = meet_inner(d)) != ERR_OK))
		return e;
	if (d->how == OTHERS_REFUSE && d->others.n > 0)
		return ERR_BUSY;
	if ((e = move_away(t, acc, d, &r, &is_new)) != ERR_OK)
		return e;
	KILL_POINT("delete-renamed");
	r.flags |= REC_DELETED;
	if (d->how == OTHERS_KEEP && d->others.n > 0)
		r.flags |= REC_KEPT;
	r.modseq = rec_next_modseq(&r);
	if ((e = rec_put(t, &r)) != ERR_OK)
		return e;
	/* A kept one keeps its name. */
	if (r.flags & REC_KEPT)
		return is_new ? names_put(t, d->name, d->id) : ERR_OK;
	return is_new ? ERR_OK : db_del(t, T_NAMES, d->name);
}

static enum err
delete_locked(struct account *acc, struct deletion *d)
{
	char dir[256], path[64];
	struct db_txn *t;
	enum err e;

	if (!folder_exists(acc, d->name))
		return ERR_NOTFOUND;
	if ((e = fs_mkdir(acc->root_fd, "loft", 0700)) != ERR_OK ||
	    (e = fs_mkdir(acc->root_fd, "loft/deleted", 0700)) != ERR_OK ||
	    (e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = delete_in(t, acc, d)) != ERR_OK) {
		db_abort(&t);
		db_abort(&d->inner_txn);
		return e;
	}
	if ((e = db_commit(&t)) != ERR_OK) {
		db_abort(&d->inner_txn);
		return e;
	}
	KILL_POINT("delete-committed");
	if (d->inner != NULL)
		leave_inner(d);
	name_to_dir(d->name, dir);
	snprintf(path, sizeof(path), "loft/deleted/%u", d->id);
	alone_move_beside(acc, dir, path);
	if (acc->sync)
		e = fs_sync(acc->root_fd, "mail root");
	return e;
}

/* One line: who (the prefix says) deleted what under whom. */
static void
log_deletion(struct deletion *d, enum err e)
{
	static const char *const fate[] = {
		[OTHERS_REFUSE] = "", [OTHERS_END] = "which are ended",
		[OTHERS_KEEP] = "which keep it until they leave",
	};
	bool any = d->others.n > 0;

	if (e == ERR_OK && !any)
		log_info("Mailbox deleted: %s", log_text(d->name));
	else if (e == ERR_OK)
		log_info("Mailbox deleted: %s, open in %s, %s",
		    log_text(d->name), others_text(&d->others, &d->a),
		    fate[d->how]);
	else if (e == ERR_BUSY && any)
		log_info("Mailbox not deleted: %s, open in %s",
		    log_text(d->name), others_text(&d->others, &d->a));
}

enum err
folder_delete(struct account *acc, struct span name, enum others_how how,
    uint32_t *id_out)
{
	struct deletion d = { .name = name, .how = how };
	enum err e;

	*id_out = 0;
	if (name_is_inbox(name))
		return ERR_CANNOT;
	if (name_check(name) != ERR_OK)
		return ERR_NOTFOUND;
	if ((e = presence_join(acc)) != ERR_OK ||
	    (alone_is(acc, name) && (e = alone_get(acc, name, &d.inner)) !=
	    ERR_OK))
		return e;
	for (int attempt = 0; ; attempt++) {
		if ((e = names_lock(acc)) != ERR_OK)
			return e;
		e = delete_locked(acc, &d);
		names_unlock(acc);
		if (d.inner != NULL && e == ERR_BUSY && attempt == 0 &&
		    presence_sweep(d.inner, true) != ERR_OK)
			break;
		if (!others_may_be_dead(acc, e, attempt))
			break;
	}
	log_deletion(&d, e);
	if (e == ERR_OK) {
		*id_out = acc->late_deleted = d.id;
		if (how != OTHERS_KEEP)
			account_folder_gone(acc, d.id);
		alone_trim(acc);
	}
	arena_free(&d.a);
	return e;
}

bool
folder_is_reserved(struct account *acc, struct span name)
{
	return others_reserve(acc, name) == ERR_BUSY &&
	    !folder_exists(acc, name);
}
