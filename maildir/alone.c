/*
 * Accounts of single folders. One that an owner opens is found by its directory, one
 * of somebody else by whose it is and its name; both hang on the account of the
 * session, in the order of their last use.
 */
#include "maildir/alone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/mailbox_names.h"
#include "maildir/name.h"
#include "maildir/state.h"
#include "maildir/uidlist.h"

#define LIST "dovecot-acl"

enum {
	INNER_MAX = 8,		/* open at a time, but for those in use */
	LIST_MAX = 64 << 10,
};

bool
alone_is(const struct account *acc, struct span name)
{
	char path[300], dir[256];

	if (!acc->how.shares || name_is_inbox(name) ||
	    name_check(name) != ERR_OK)
		return false;
	name_to_dir(name, dir);
	snprintf(path, sizeof(path), "%s/" LIST, dir);
	return faccessat(acc->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
alone_has_state(const struct account *acc, struct span name)
{
	char path[300], dir[256];

	name_to_dir(name, dir);
	snprintf(path, sizeof(path), "%s/loft/state/data.mdb", dir);
	return faccessat(acc->index_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether the folder is there still, and has the name that it is known by here. */
static bool
is_there(struct account *in)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	struct stat st;
	uint32_t id;
	enum err e;
	bool there;

	if (fstat(in->root_fd, &st) != 0 || st.st_nlink == 0 ||
	    db_begin(in->db, false, &t) != ERR_OK)
		return false;
	e = names_get(t, span_of(in->alone), &id);
	there = e == ERR_OK && rec_get(t, id, &a, &r) == ERR_OK &&
	    !(r.flags & REC_DELETED);
	/* One of ours that was never opened has no name yet. */
	if (e == ERR_NOTFOUND && in->key == NULL)
		there = true;
	db_abort(&t);
	arena_free(&a);
	return there;
}

void
alone_trim(struct account *acc)
{
	struct account **at = &acc->inner;
	unsigned n = 0;

	while (*at != NULL) {
		struct account *in = *at;

		if (in->n_folders > 0 || (++n <= INNER_MAX && is_there(in))) {
			at = &in->next;
			continue;
		}
		*at = in->next;
		account_close(&in);
	}
}

/* To the front of the list. */
static struct account *
use(struct account *acc, struct account **at)
{
	struct account *in = *at;

	*at = in->next;
	in->next = acc->inner;
	acc->inner = in;
	return in;
}

/* By its directory: an environment must not be opened twice in a process. */
static struct account **
find_open(struct account *acc, const struct stat *dir)
{
	struct account **at = &acc->inner;

	while (*at != NULL && ((*at)->ino != dir->st_ino ||
	    (*at)->dev != dir->st_dev))
		at = &(*at)->next;
	return at;
}

/* account_open goes where the state lies; the owner's is where we belong. */
static enum err
open_inner(struct account *acc, struct span key, struct span name, int fd[3],
    struct account **out)
{
	struct account_place place = acc->how;
	char *text = strndup(name.p, name.n);
	char *whose = key.n > 0 ? strndup(key.p, key.n) : NULL;
	enum err e;

	if (text == NULL || (key.n > 0 && whose == NULL))
		fatal("no memory");
	place.root_fd = fd[0];
	place.control_fd = fd[1];
	place.index_fd = fd[2];
	place.wide_control = fd[1] >= 0;
	place.changed_fd = acc->changed_fd;
	place.shares = place.sweep = false;
	place.alone = text;
	e = account_open(&place, out);
	free(text);
	if (fchdir(acc->index_fd) != 0)
		fatal_errno("cannot return to the index directory");
	if (e != ERR_OK) {
		free(whose);
		return e;
	}
	(*out)->key = whose;
	(*out)->outer = acc;
	(*out)->asker = acc->asker;
	/* Nobody uses it yet: make room first. */
	alone_trim(acc);
	(*out)->next = acc->inner;
	acc->inner = *out;
	return ERR_OK;
}

/* Its directories, of which those in CONTROL and INDEX may have to be made. */
static enum err
open_places(const struct account *acc, struct span name, int fd[3])
{
	char dir[256];
	enum err e;

	name_to_dir(name, dir);
	fd[0] = fd[1] = fd[2] = -1;
	if ((e = fs_open_dir(acc->root_fd, dir, &fd[0])) == ERR_OK &&
	    acc->wide_control)
		e = account_open_control(acc, dir, &fd[1]);
	if (e == ERR_OK && acc->index_fd != acc->root_fd &&
	    (!acc->wide_control || acc->index_fd != acc->control_fd) &&
	    (e = fs_mkdir(acc->index_fd, dir, 0700)) == ERR_OK)
		e = fs_open_dir(acc->index_fd, dir, &fd[2]);
	if (e == ERR_OK)
		return ERR_OK;
	for (int i = 0; i < 3; i++)
		fs_close(&fd[i]);
	return e;
}

static enum err
stat_dir(const struct account *acc, struct span name, struct stat *out)
{
	char dir[256];

	if (name_is_inbox(name) || name_check(name) != ERR_OK)
		return ERR_NOTFOUND;
	name_to_dir(name, dir);
	return fstatat(acc->root_fd, dir, out, AT_SYMLINK_NOFOLLOW) == 0 ?
	    ERR_OK : fs_err(errno);
}

/* It may have been renamed since it was opened. */
static void
call_it(struct account *in, struct span name)
{
	char *now;

	if (span_eq(name, span_of(in->alone)))
		return;
	if ((now = strndup(name.p, name.n)) == NULL)
		fatal("no memory");
	free(in->alone);
	in->alone = now;
}

enum err
alone_get(struct account *acc, struct span name, struct account **out)
{
	struct account **at;
	struct stat st;
	int fd[3];
	enum err e;

	*out = NULL;
	if ((e = stat_dir(acc, name, &st)) != ERR_OK)
		return e;
	if (*(at = find_open(acc, &st)) != NULL) {
		*out = use(acc, at);
		call_it(*out, name);
		return ERR_OK;
	}
	if ((e = open_places(acc, name, fd)) != ERR_OK)
		return e;
	return open_inner(acc, SPAN_NONE, name, fd, out);
}

enum err
alone_find(struct account *acc, struct span key, struct span name,
    struct account **out)
{
	struct account **at = &acc->inner;

	*out = NULL;
	for (; *at != NULL; at = &(*at)->next) {
		if ((*at)->key == NULL ||
		    !span_eq(span_of((*at)->key), key) ||
		    !span_eq(span_of((*at)->alone), name) ||
		    !is_there(*at))
			continue;
		*out = use(acc, at);
		return ERR_OK;
	}
	return ERR_NOTFOUND;
}

enum err
alone_add(struct account *acc, struct span key, struct span name, int fd[3],
    struct account **out)
{
	struct stat st, ours;
	struct account *in = NULL;
	enum err e = fstat(fd[0], &st) == 0 ? ERR_OK : fs_err(errno);

	*out = NULL;
	/* One of ours is ours, by whatever name it was reached. */
	if (e == ERR_OK && stat_dir(acc, name, &ours) == ERR_OK &&
	    ours.st_ino == st.st_ino && ours.st_dev == st.st_dev)
		e = ERR_NOTFOUND;
	if (e == ERR_OK && (in = *find_open(acc, &st)) == NULL)
		return open_inner(acc, key, name, fd, out);
	for (int i = 0; i < 3; i++)
		fs_close(&fd[i]);
	if (e != ERR_OK)
		return e;
	/* Somebody's whose name was spelled in another way. */
	if (in->key == NULL || !span_eq(span_of(in->key), key))
		return ERR_NOTFOUND;
	call_it(in, name);
	*out = in;
	return ERR_OK;
}

/* The list of rights of the nearest mailbox above; empty: there is none. */
static enum err
read_above(const struct account *acc, struct span name, struct buf *out)
{
	char dir[256], path[300];
	enum err e;

	while (name_up(&name) && !folder_exists(acc, name))
		;
	/* An INBOX's list is not one for all that lies beside it. */
	if (name.n == 0 && *acc->user != '\0')
		return ERR_OK;
	name_to_dir(name, dir);
	snprintf(path, sizeof(path), "%s/" LIST, dir);
	e = fs_read(acc->root_fd, path, LIST_MAX, out);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Where its dovecot-uidlist will be looked for. */
static enum err
open_control(const struct account *acc, struct span name, const char *built,
    int *fd_out)
{
	char dir[256];

	name_to_dir(name, dir);
	return account_open_control(acc, acc->wide_control ? dir : built,
	    fd_out);
}

enum err
alone_inherit(struct account *acc, struct span name, const char *built)
{
	struct uidlist l = { 0 };
	struct buf text = { 0 };
	int fd = -1;
	enum err e;

	if (!acc->how.shares)
		return ERR_OK;
	if ((e = read_above(acc, name, &text)) == ERR_OK && text.n > 0 &&
	    (e = fs_open_dir(acc->root_fd, built, &fd)) == ERR_OK) {
		e = fs_replace_as_dir(fd, LIST, buf_span(&text), acc->sync);
		fs_close(&fd);
		if (e == ERR_OK && (e = uidvalidity_next(acc->control_fd, 0,
		    &l.uidvalidity)) == ERR_OK && (e = open_control(acc, name,
		    built, &fd)) == ERR_OK)
			e = uidlist_write(fd, &l, NULL, 0, acc->sync);
		fs_close(&fd);
	}
	buf_clear(&text);
	return e;
}

bool
alone_is_entered(const struct account *acc, uint32_t id)
{
	char path[64];
	bool used;
	int fd;

	snprintf(path, sizeof(path), "loft/deleted/%u/loft/gate", id);
	fd = openat(acc->index_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	used = flock(fd, LOCK_EX | LOCK_NB) != 0;
	close(fd);
	return used;
}

static void
move_in(int dir_fd, const char *from, const char *to)
{
	bool deleted = strncmp(to, "loft/deleted/", 13) == 0;

	if (deleted && (fs_mkdir(dir_fd, "loft", 0700) != ERR_OK ||
	    fs_mkdir(dir_fd, "loft/deleted", 0700) != ERR_OK))
		return;
	if (renameat(dir_fd, from, dir_fd, to) != 0 && errno != ENOENT &&
	    deleted)
		(void)!fs_remove_tree(dir_fd, from);
}

void
alone_move_beside(const struct account *acc, const char *from, const char *to)
{
	if (acc->wide_control)
		move_in(acc->control_fd, from, to);
	if (acc->index_fd != acc->root_fd && acc->index_fd != acc->control_fd)
		move_in(acc->index_fd, from, to);
}
