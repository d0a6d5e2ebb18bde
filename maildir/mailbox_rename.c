/*
 * RENAME is many renames in Maildir++: the intent ("rename" in T_META: from NUL to) is
 * committed first; whoever takes the names lock next finishes it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "maildir/mailbox_names.h"
#include "maildir/name.h"
#include "maildir/others.h"
#include "maildir/presence.h"
#include "maildir/renamed.h"
#include "maildir/state.h"

struct rename_one {
	struct rename_one *next;
	struct span from, to;
	uint32_t id;		/* by the state only */
	enum others_how how;	/* where another session has it open */
	struct account *inner;	/* where it is an account of its own */
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
		if (folder_exists(acc, list->to))
			return ERR_EXISTS;
		if ((e = others_reserve(acc, list->to)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* One RENAME: what is asked for and what is found. */
struct renaming {
	struct span from, to;
	const struct others_policy *policy;
	struct others others;
	bool is_refused, ends_some;
	struct rename_one *dirs;	/* by the directories */
	struct rename_one *names;	/* by the state; with ids */
	struct arena a;
};

/* ---- folders that are accounts of their own ---- */

/* Opened before the transaction, which is short; pinned until they are left. */
static enum err
enter_inner(struct account *acc, struct rename_one *list)
{
	enum err e = ERR_OK;

	for (; list != NULL && e == ERR_OK; list = list->next) {
		if (!alone_is(acc, list->from))
			continue;
		if ((e = alone_get(acc, list->from, &list->inner)) == ERR_OK)
			list->inner->n_folders++;
	}
	return e;
}

static void
leave_inner(struct rename_one *list)
{
	for (; list != NULL; list = list->next) {
		if (list->inner != NULL)
			list->inner->n_folders--;
		list->inner = NULL;
	}
}

/*
 * Who has one of them open. Who opens one between this and the renames has it by its
 * old name for a moment, and follows.
 */
static enum err
meet_inner(struct renaming *m)
{
	for (struct rename_one *r = m->dirs; r != NULL; r = r->next) {
		size_t before = m->others.n;
		struct db_txn *t;
		uint32_t id;
		enum err e;

		if (r->inner == NULL)
			continue;
		if ((e = db_begin(r->inner->db, false, &t)) != ERR_OK)
			return e;
		if ((e = names_get(t, r->from, &id)) == ERR_OK)
			e = others_meet(t, r->inner, id, &m->a, &m->others);
		db_abort(&t);
		if (e != ERR_OK && e != ERR_NOTFOUND)
			return e;
		if (m->others.n == before)
			continue;
		r->how = m->policy->how(m->policy->ctx, r->from);
		m->is_refused |= r->how == OTHERS_REFUSE;
		m->ends_some |= r->how == OTHERS_END;
	}
	return ERR_OK;
}

/* Each puts its new name down, which wakes its sessions. */
static void
name_inner(struct account *acc, const struct rename_one *list)
{
	for (; list != NULL; list = list->next) {
		struct account *inner;
		struct folder *f = NULL;

		if (!alone_is(acc, list->to))
			continue;
		if (alone_get(acc, list->to, &inner) != ERR_OK ||
		    folder_open(inner, list->to, &f) != ERR_OK)
			log_warn("mailbox %s: its sessions hear of its new "
			    "name from who opens it next",
			    log_text(list->to));
		folder_close(&f);
	}
}

/* ---- the tree ---- */

/*
 * Names in the state that lie at or below `from`: by the state, not by the
 * directories, which may have moved.
 */
static enum err
collect_names(struct db_txn *t, struct renaming *m, struct rename_one **out)
{
	struct span from = m->from, to = m->to, k, v;
	struct db_cursor *c = NULL;
	struct rename_one *r;
	enum err e;

	*out = NULL;
	if ((e = db_cursor_open(t, T_NAMES, &c)) == ERR_OK)
		e = db_seek(c, from, &k, &v);
	for (; e == ERR_OK && span_starts(k, from); e = db_next(c, &k, &v)) {
		if ((!span_eq(k, from) && !name_is_below(k, from)) ||
		    v.n != sizeof(r->id))
			continue;
		r = arena_alloc(&m->a, sizeof(*r));
		*r = (struct rename_one){ 0 };
		memcpy(&r->id, v.p, sizeof(r->id));
		r->from = arena_span(&m->a, k);
		r->to = span_of(arena_printf(&m->a, "%.*s%.*s", (int)to.n,
		    to.p, (int)(k.n - from.n), k.p + from.n));
		r->next = *out;
		*out = r;
	}
	db_cursor_close(&c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Who has the mailbox or what is below it open. */
static enum err
meet_all(struct db_txn *t, struct account *acc, struct renaming *m)
{
	enum err e = collect_names(t, m, &m->names);

	m->others = (struct others){ 0 };
	m->is_refused = m->ends_some = false;
	for (struct rename_one *r = m->names; e == ERR_OK && r != NULL;
	    r = r->next) {
		struct folder_rec rec;
		size_t before = m->others.n;

		if ((e = rec_get(t, r->id, &m->a, &rec)) == ERR_NOTFOUND ||
		    (e == ERR_OK && rec.flags & REC_DELETED)) {
			e = ERR_OK;
			continue;
		}
		if (e == ERR_OK)
			e = others_meet(t, acc, r->id, &m->a, &m->others);
		if (m->others.n == before)
			continue;
		r->how = m->policy->how(m->policy->ctx, r->from);
		m->is_refused |= r->how == OTHERS_REFUSE;
		m->ends_some |= r->how == OTHERS_END;
	}
	return e;
}

/*
 * The intent, unless others are in the way: who comes later finds it (folder.c) and
 * waits. A NULL m takes the intent back.
 */
static enum err
put_intent(struct account *acc, struct renaming *m)
{
	struct buf b = { 0 };
	struct db_txn *t;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if (m != NULL && (e = meet_all(t, acc, m)) == ERR_OK &&
	    (e = meet_inner(m)) == ERR_OK && m->is_refused)
		e = ERR_BUSY;
	if (m != NULL)
		buf_add_span(&b, m->from);
	buf_addc(&b, '\0');
	if (m != NULL)
		buf_add_span(&b, m->to);
	if (e == ERR_OK)
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
		alone_move_beside(acc, from, to);
		KILL_POINT("rename-dir");
	}
	return ERR_OK;
}

enum err
rename_record(struct db_txn *t, struct arena *a, uint32_t id,
    struct span from, struct span to)
{
	struct folder_rec r;
	enum err e;

	if ((e = rec_get(t, id, a, &r)) != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if (r.flags & REC_DELETED)
		return ERR_OK;	/* its name stays reserved */
	r.name = to;
	r.modseq = rec_next_modseq(&r);
	if ((e = db_del(t, T_NAMES, from)) != ERR_OK ||
	    (e = names_put(t, to, id)) != ERR_OK ||
	    (e = rec_put(t, &r)) != ERR_OK)
		return e;
	return renamed_put(t, id, from, to);
}

static enum err
rename_records(struct account *acc, struct renaming *m)
{
	struct rename_one *r = NULL;
	struct db_txn *t;
	enum err e;

	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	e = collect_names(t, m, &r);
	if (e == ERR_OK)
		e = renamed_put(t, 0, m->from, m->to);
	for (; r != NULL && e == ERR_OK; r = r->next)
		e = rename_record(t, &m->a, r->id, r->from, r->to);
	if (e == ERR_OK && (e = renamed_prune(t)) == ERR_OK)
		e = db_del(t, T_META, SPAN("rename"));
	if (e != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

static enum err
carry_out(struct account *acc, struct renaming *m,
    const struct rename_one *list)
{
	enum err e, undo;

	if ((e = rename_dirs(acc, list)) == ERR_OK) {
		KILL_POINT("rename-dirs");
		if ((e = rename_records(acc, m)) == ERR_OK &&
		    acc->sync)
			e = fs_sync(acc->root_fd, "mail root");
		if (e == ERR_OK)
			name_inner(acc, list);
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
	undo = put_intent(acc, NULL);
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

enum err
rename_finish(struct account *acc)
{
	struct renaming m = { 0 };
	struct rename_one *list;
	struct db_txn *t;
	struct span v;
	enum err e;

	if ((e = db_begin(acc->db, false, &t)) != ERR_OK)
		return e;
	e = db_get(t, T_META, SPAN("rename"), &v);
	v = e == ERR_OK ? arena_span(&m.a, v) : SPAN_NONE;
	db_abort(&t);
	if (e == ERR_OK && v.n > 1) {
		m.from = span_cut(&v, '\0');
		m.to = v;
		log_warn("finishing the interrupted RENAME of %s to %s",
		    log_text(m.from), log_text(m.to));
		if ((e = collect(acc, m.from, m.to, &m.a, &list)) == ERR_OK)
			e = carry_out(acc, &m, list);
	}
	arena_free(&m.a);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
rename_locked(struct account *acc, struct renaming *m)
{
	struct rename_one *list;
	enum err e;

	m->others = (struct others){ 0 };
	if ((e = collect(acc, m->from, m->to, &m->a, &list)) != ERR_OK)
		return e;
	if (list == NULL)
		return ERR_NOTFOUND;
	if (folder_exists(acc, m->to))
		return ERR_EXISTS;
	m->dirs = list;
	if ((e = others_reserve(acc, m->to)) == ERR_OK &&
	    (e = check_targets(acc, list)) == ERR_OK &&
	    (e = enter_inner(acc, list)) == ERR_OK &&
	    (e = put_intent(acc, m)) == ERR_OK) {
		KILL_POINT("rename-intent");
		e = carry_out(acc, m, list);
	}
	leave_inner(list);
	return e;
}

static void
log_renaming(struct renaming *m, enum err e)
{
	bool any = m->others.n > 0;

	if (e == ERR_OK && !any)
		log_info("Mailbox renamed: %s -> %s", log_text(m->from),
		    log_text(m->to));
	else if (e == ERR_OK)
		log_info("Mailbox renamed: %s -> %s, open in %s, %s",
		    log_text(m->from), log_text(m->to),
		    others_text(&m->others, &m->a), m->ends_some ?
		    "which are ended" : "which follow");
	else if (e == ERR_BUSY && any)
		log_info("Mailbox not renamed: %s, open in %s",
		    log_text(m->from), others_text(&m->others, &m->a));
}

static enum err
rename_mailbox(struct account *acc, struct renaming *m)
{
	enum err e;

	if ((e = presence_join(acc)) != ERR_OK)
		return e;
	for (int attempt = 0; ; attempt++) {
		if ((e = names_lock(acc)) != ERR_OK)
			return e;
		e = rename_locked(acc, m);
		names_unlock(acc);
		if (!others_may_be_dead(acc, e, attempt))
			break;
	}
	log_renaming(m, e);
	return e;
}

/* RENAME INBOX: its messages move, it stays (RFC 3501 6.3.5). */
static enum err
rename_inbox(struct account *acc, struct renaming *m)
{
	struct folder_changes all;
	struct copy_result moved;
	struct folder *inbox = NULL, *target = NULL;
	uint32_t id;
	enum err e, undo;

	if ((e = folder_create(acc, m->to)) != ERR_OK)
		return e;
	if ((e = folder_open(acc, SPAN("INBOX"), &inbox)) == ERR_OK &&
	    (e = folder_open(acc, m->to, &target)) == ERR_OK &&
	    (e = folder_look(inbox, 0, UINT64_MAX, 1, &m->a, &all)) == ERR_OK)
		e = change_move(inbox, all.added, all.n_added, target,
		    m->policy->how(m->policy->ctx, m->from) ==
		    OTHERS_REFUSE, false, &m->a, &moved);
	folder_close(&target);
	folder_close(&inbox);
	if (e == ERR_OK)
		log_renaming(m, e);
	else if (e == ERR_BUSY && (undo = folder_delete(acc, m->to,
	    OTHERS_REFUSE, &id)) != ERR_OK && undo != ERR_BUSY)
		return undo;
	return e;
}

enum err
folder_rename(struct account *acc, struct span from, struct span to,
    const struct others_policy *policy)
{
	struct renaming m = { .from = from, .to = to, .policy = policy };
	enum err e;

	if ((e = name_check(to)) != ERR_OK)
		return e;
	if (name_is_inbox(to))
		return ERR_EXISTS;
	if (name_check(from) != ERR_OK)
		return ERR_NOTFOUND;
	if (name_is_below(to, from) && !name_is_inbox(from))
		return ERR_CANNOT;
	e = name_is_inbox(from) ? rename_inbox(acc, &m) :
	    rename_mailbox(acc, &m);
	if (e == ERR_OK && m.ends_some)
		for (struct rename_one *r = m.names; r != NULL; r = r->next)
			if (r->how == OTHERS_END)
				account_folder_gone(acc, r->id);
	arena_free(&m.a);
	return e;
}
