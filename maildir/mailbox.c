/*
 * CREATE, DELETE, RENAME.
 *
 * CREATE  builds loft/new.<pid>.<n>/ and renames it into place: there or not.
 * DELETE  renames the directory to loft/deleted/<folder id>, then the transaction.
 *         A crash between is finished by ghost_recover.
 * RENAME  is many renames in Maildir++: the intent ("rename" in T_META: from NUL to)
 *         is committed first; whoever takes the names lock next finishes it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crit.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/lock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "maildir/ghost.h"
#include "maildir/mailbox_names.h"
#include "maildir/name.h"
#include "maildir/presence.h"
#include "maildir/state.h"

enum { NAMES_WAIT_MS = 30000, RENAMES_KEPT = 1000 };

static enum err finish_rename(struct account *acc);

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
	if ((e = finish_rename(acc)) != ERR_OK)
		names_unlock(acc);
	return e;
}

void
names_unlock(struct account *acc)
{
	lock_release(acc->names_fd);
	crit_leave(CRIT_LOCK);
}

/* Whether a mailbox is there: a directory with cur/ in it. */
static bool
is_there(struct account *acc, struct span name)
{
	char path[300], dir[256];

	name_to_dir(name, dir);
	snprintf(path, sizeof(path), "%s/cur", dir);
	return name_is_inbox(name) ||
	    faccessat(acc->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A name is used again: what was once renamed away from it is history. */
static enum err
forget_renamed(struct account *acc, struct span name)
{
	struct db_txn *t;
	struct span v;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = db_get(t, T_RENAMES, name, &v);
	db_abort(&t);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = db_del(t, T_RENAMES, name)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
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

	if (is_there(acc, name))
		return ERR_EXISTS;
	snprintf(aside, sizeof(aside), "loft/new.%ld.%u", (long)getpid(),
	    ++count);
	name_to_dir(name, dir);
	if ((e = fs_mkdir(acc->root_fd, "loft", 0700)) == ERR_OK)
		e = build(acc, aside);
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
	if (acc->sync && (e = fs_sync(acc->root_fd, "mail root")) != ERR_OK)
		return e;
	return forget_renamed(acc, name);
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
	if ((e = presence_join(acc)) != ERR_OK ||
	    (e = names_lock(acc)) != ERR_OK)
		return e;
	e = create_locked(acc, name);
	names_unlock(acc);
	if (e == ERR_OK)
		log_info("Mailbox created: %s", log_text(name));
	return e;
}

/* ---- DELETE ---- */

/* The control directory of a mailbox that has one elsewhere. */
static void
drop_control(struct account *acc, struct span name)
{
	char dir[256];

	if (!acc->wide_control)
		return;
	snprintf(dir, sizeof(dir), ".%.*s", (int)name.n, name.p);
	(void)!fs_remove_tree(acc->control_fd, dir);
}

static enum err
delete_in(struct db_txn *t, struct account *acc, struct span name,
    uint32_t *id_out)
{
	struct folder_rec r = { 0 };
	struct arena a = { 0 };
	char dir[256], path[64];
	enum err e = names_get(t, name, id_out);

	if (e == ERR_OK)
		e = rec_get(t, *id_out, &a, &r);
	if (e == ERR_NOTFOUND) {
		/* Never opened: an id all the same, for the directory. */
		*id_out = (uint32_t)meta_get(t, "next-folder") + 1;
		e = meta_put(t, "next-folder", *id_out);
		r = (struct folder_rec){ .id = *id_out, .name = name };
	}
	if (e != ERR_OK)
		goto out;
	name_to_dir(name, dir);
	snprintf(path, sizeof(path), "loft/deleted/%u", *id_out);
	if (renameat2(acc->root_fd, dir, acc->root_fd, path,
	    RENAME_NOREPLACE) != 0) {
		e = fs_err(errno);
		if (e != ERR_NOTFOUND)
			log_errno("cannot delete mailbox %s", log_text(name));
		goto out;
	}
	KILL_POINT("delete-renamed");
	r.flags |= REC_DELETED;
	r.modseq = rec_next_modseq(&r);
	if ((e = rec_put(t, &r)) == ERR_OK)
		e = db_del(t, T_NAMES, name);
out:
	arena_free(&a);
	return e;
}

static enum err
delete_locked(struct account *acc, struct span name, uint32_t *id_out)
{
	struct db_txn *t;
	enum err e;

	if (!is_there(acc, name))
		return ERR_NOTFOUND;
	if ((e = fs_mkdir(acc->root_fd, "loft", 0700)) != ERR_OK ||
	    (e = fs_mkdir(acc->root_fd, "loft/deleted", 0700)) != ERR_OK ||
	    (e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = delete_in(t, acc, name, id_out)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	if ((e = db_commit(&t)) != ERR_OK)
		return e;
	drop_control(acc, name);
	if (acc->sync)
		e = fs_sync(acc->root_fd, "mail root");
	return e;
}

enum err
folder_delete(struct account *acc, struct span name)
{
	uint32_t id = 0;
	enum err e;

	if (name_is_inbox(name))
		return ERR_CANNOT;
	if (name_check(name) != ERR_OK)
		return ERR_NOTFOUND;
	if ((e = presence_join(acc)) != ERR_OK ||
	    (e = names_lock(acc)) != ERR_OK)
		return e;
	e = delete_locked(acc, name, &id);
	names_unlock(acc);
	if (e != ERR_OK)
		return e;
	log_info("Mailbox deleted: %s", log_text(name));
	account_folder_gone(acc, id);
	acc->late_deleted = id;
	return ERR_OK;
}

/* ---- RENAME ---- */

struct rename_one {
	struct rename_one *next;
	struct span from, to;
};

/* The mailboxes that a rename touches: itself and what is below. */
static enum err
collect(struct account *acc, struct span from, struct span to,
    struct arena *a, struct rename_one **out)
{
	int fd = openat(acc->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	*out = NULL;
	if (dir == NULL) {
		log_errno("cannot list the mail root");
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	while ((d = readdir(dir)) != NULL) {
		struct rename_one *r;
		struct span name;

		if (!name_from_dir(d->d_name, &name) ||
		    (!span_eq(name, from) && !name_is_below(name, from)))
			continue;
		r = arena_alloc(a, sizeof(*r));
		r->from = arena_span(a, name);
		r->to = span_of(arena_printf(a, "%.*s%.*s", (int)to.n, to.p,
		    (int)(name.n - from.n), name.p + from.n));
		r->next = *out;
		*out = r;
	}
	closedir(dir);
	return ERR_OK;
}

static enum err
check_targets(struct account *acc, const struct rename_one *list)
{
	enum err e;

	for (; list != NULL; list = list->next) {
		if ((e = name_check(list->to)) != ERR_OK)
			return e;
		if (is_there(acc, list->to))
			return ERR_EXISTS;
	}
	return ERR_OK;
}

static enum err
put_intent(struct account *acc, struct span from, struct span to)
{
	struct buf b = { 0 };
	struct db_txn *t;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	buf_add_span(&b, from);
	buf_addc(&b, '\0');
	buf_add_span(&b, to);
	e = db_put(t, T_META, SPAN("rename"), buf_span(&b));
	buf_clear(&b);
	if (e != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

/* The directories. One that has its new name already is done. */
static enum err
rename_dirs(struct account *acc, const struct rename_one *list)
{
	char from[256], to[256];

	for (; list != NULL; list = list->next) {
		name_to_dir(list->from, from);
		name_to_dir(list->to, to);
		if (renameat2(acc->root_fd, from, acc->root_fd, to,
		    RENAME_NOREPLACE) != 0 && errno != ENOENT) {
			enum err e = fs_err(errno);

			log_errno("cannot rename mailbox %s",
			    log_text(list->from));
			return e;
		}
		if (acc->wide_control)
			(void)!renameat(acc->control_fd, from, acc->control_fd,
			    to);
		KILL_POINT("rename-dir");
	}
	return ERR_OK;
}

/* T_RENAMES: u32 folder id, u64 seconds, new name. */
static enum err
put_notice(struct db_txn *t, uint32_t id, struct span from, struct span to)
{
	struct buf b = { 0 };
	uint64_t when = (uint64_t)clock_s();
	enum err e;

	buf_add(&b, &id, sizeof(id));
	buf_add(&b, &when, sizeof(when));
	buf_add_span(&b, to);
	e = db_put(t, T_RENAMES, from, buf_span(&b));
	buf_clear(&b);
	return e == ERR_OK ? db_del(t, T_RENAMES, to) : e;
}

static enum err
rename_record(struct db_txn *t, struct arena *a, struct span from,
    struct span to)
{
	struct folder_rec r;
	uint32_t id;
	enum err e = names_get(t, from, &id);

	if (e == ERR_NOTFOUND)
		return put_notice(t, 0, from, to);
	if (e != ERR_OK || (e = rec_get(t, id, a, &r)) != ERR_OK)
		return e;
	r.name = to;
	r.modseq = rec_next_modseq(&r);
	if ((e = db_del(t, T_NAMES, from)) != ERR_OK ||
	    (e = names_put(t, to, id)) != ERR_OK ||
	    (e = rec_put(t, &r)) != ERR_OK)
		return e;
	return put_notice(t, id, from, to);
}

/*
 * Names in the state that lie at or below `from`: by the state, not by the
 * directories, which have moved.
 */
static enum err
rename_records(struct account *acc, struct span from, struct span to)
{
	struct arena a = { 0 };
	struct rename_one *list = NULL, *r;
	struct db_cursor *c = NULL;
	struct db_txn *t;
	struct span k, v;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if ((e = db_cursor_open(t, T_NAMES, &c)) == ERR_OK)
		e = db_seek(c, from, &k, &v);
	for (; e == ERR_OK && span_starts(k, from); e = db_next(c, &k, &v)) {
		if (!span_eq(k, from) && !name_is_below(k, from))
			continue;
		r = arena_alloc(&a, sizeof(*r));
		r->from = arena_span(&a, k);
		r->to = span_of(arena_printf(&a, "%.*s%.*s", (int)to.n, to.p,
		    (int)(k.n - from.n), k.p + from.n));
		r->next = list;
		list = r;
	}
	db_cursor_close(&c);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	if (e == ERR_OK)
		e = put_notice(t, 0, from, to);
	for (r = list; r != NULL && e == ERR_OK; r = r->next)
		e = rename_record(t, &a, r->from, r->to);
	if (e == ERR_OK)
		e = db_del(t, T_META, SPAN("rename"));
	arena_free(&a);
	if (e != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

static enum err
carry_out(struct account *acc, struct span from, struct span to,
    const struct rename_one *list)
{
	enum err e, undo;

	if ((e = rename_dirs(acc, list)) == ERR_OK) {
		KILL_POINT("rename-dirs");
		if ((e = rename_records(acc, from, to)) == ERR_OK &&
		    acc->sync)
			e = fs_sync(acc->root_fd, "mail root");
		return e;
	}
	/* Back, as far as that goes; the intent goes with it. */
	for (; list != NULL; list = list->next) {
		char there[256], here[256];

		name_to_dir(list->to, there);
		name_to_dir(list->from, here);
		(void)!renameat2(acc->root_fd, there, acc->root_fd, here,
		    RENAME_NOREPLACE);
	}
	undo = put_intent(acc, SPAN(""), SPAN(""));
	return undo == ERR_OK ? e : undo;
}

enum err
names_settle(struct account *acc)
{
	struct db_txn *t;
	struct span v;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = db_get(t, T_META, SPAN("rename"), &v);
	db_abort(&t);
	if (e != ERR_OK || v.n <= 1)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	/* Waits for a living one, does the work of a dead one. */
	if ((e = names_lock(acc)) == ERR_OK)
		names_unlock(acc);
	return e;
}

/* What a dead process had begun. */
static enum err
finish_rename(struct account *acc)
{
	struct arena a = { 0 };
	struct rename_one *list;
	struct db_txn *t;
	struct span v, from;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = db_get(t, T_META, SPAN("rename"), &v);
	v = e == ERR_OK ? arena_span(&a, v) : SPAN_NONE;
	db_abort(&t);
	if (e == ERR_OK && v.n > 1) {
		from = span_cut(&v, '\0');
		log_warn("finishing the interrupted RENAME of %s to %s",
		    log_text(from), log_text(v));
		if ((e = collect(acc, from, v, &a, &list)) == ERR_OK)
			e = carry_out(acc, from, v, list);
	}
	arena_free(&a);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
rename_locked(struct account *acc, struct span from, struct span to,
    struct arena *a)
{
	struct rename_one *list;
	enum err e;

	if ((e = collect(acc, from, to, a, &list)) != ERR_OK)
		return e;
	if (list == NULL)
		return ERR_NOTFOUND;
	if (is_there(acc, to))
		return ERR_EXISTS;
	if ((e = check_targets(acc, list)) != ERR_OK ||
	    (e = put_intent(acc, from, to)) != ERR_OK)
		return e;
	KILL_POINT("rename-intent");
	return carry_out(acc, from, to, list);
}

/* RENAME INBOX: its messages move, it stays (RFC 3501 6.3.5). */
static enum err
rename_inbox(struct account *acc, struct span to, struct arena *a)
{
	struct folder_changes all;
	struct copy_result moved;
	struct folder *inbox = NULL, *target = NULL;
	enum err e;

	if ((e = folder_create(acc, to)) != ERR_OK ||
	    (e = folder_open(acc, SPAN("INBOX"), &inbox)) != ERR_OK ||
	    (e = folder_open(acc, to, &target)) != ERR_OK)
		goto out;
	if ((e = folder_look(inbox, 0, UINT64_MAX, 1, a, &all)) == ERR_OK)
		e = change_move(inbox, all.added, all.n_added, target, a,
		    &moved);
out:
	folder_close(&target);
	folder_close(&inbox);
	return e;
}

enum err
folder_rename(struct account *acc, struct span from, struct span to)
{
	struct arena a = { 0 };
	enum err e;

	if ((e = name_check(to)) != ERR_OK)
		return e;
	if (name_is_inbox(to))
		return ERR_EXISTS;
	if (name_check(from) != ERR_OK)
		return ERR_NOTFOUND;
	if (name_is_below(to, from) && !name_is_inbox(from))
		return ERR_CANNOT;
	if (name_is_inbox(from)) {
		e = rename_inbox(acc, to, &a);
	} else if ((e = presence_join(acc)) == ERR_OK &&
	    (e = names_lock(acc)) == ERR_OK) {
		e = rename_locked(acc, from, to, &a);
		names_unlock(acc);
	}
	if (e == ERR_OK)
		log_info("Mailbox renamed: %s -> %s", log_text(from),
		    log_text(to));
	arena_free(&a);
	return e;
}

enum err
folder_renamed_to(struct account *acc, struct span name, struct arena *a,
    struct span *to_out)
{
	struct folder_rec r;
	struct db_txn *t;
	struct span v;
	uint32_t id;
	enum err e;

	*to_out = SPAN_NONE;
	if (name.n == 0 || name.n > 400)
		return ERR_NOTFOUND;
	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = db_get(t, T_RENAMES, name, &v);
	if (e == ERR_OK && v.n < 12)
		e = ERR_CORRUPT;
	if (e == ERR_OK) {
		memcpy(&id, v.p, sizeof(id));
		*to_out = arena_span(a, (struct span){ v.p + 12, v.n - 12 });
		/* Renamed again since: where it is now. */
		if (id != 0 && rec_get(t, id, a, &r) == ERR_OK)
			*to_out = r.name;
	}
	db_abort(&t);
	return e;
}
