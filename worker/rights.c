/*
 * Lists of rights (dovecot-acl) in folders' directories. What was read last is kept by
 * account, because it is asked before each command.
 */
#include "worker/rights.h"

#include "common/acl.h"
#include "common/fsutil.h"
#include "common/lock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/flags.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "worker/session.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST "dovecot-acl"
#define LIST_LOCK "dovecot-acl.lock"

enum { LOCK_WAIT_MS = 10000, LOCK_STALE_S = 30 };

enum err
rights_read(int dir_fd, struct buf *out)
{
	enum err e = fs_read(dir_fd, LIST, ACL_FILE_MAX, out);

	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static unsigned
judge(int dir_fd, const struct acl_who *who)
{
	struct acl_entry *entry;
	struct arena a = { 0 };
	struct buf text = { 0 };
	unsigned rights = 0;
	size_t n;

	/* In doubt nobody but the owner. */
	if (rights_read(dir_fd, &text) != ERR_OK) {
		log_error("a list of rights cannot be read: nobody but the "
		    "owner is let in");
		rights = who->owner ? ACL_ALL : 0;
	} else {
		acl_read(buf_span(&text), &a, &entry, &n);
		rights = acl_rights(entry, n, who);
	}
	if (who->owner)
		rights |= RIGHTS_OF_OWNER;
	buf_clear(&text);
	arena_free(&a);
	return rights;
}

struct acl_who
rights_who(const struct session *s, bool owner)
{
	return (struct acl_who){ span_of(s->user),
		s->groups == NULL ? SPAN_NONE : span_of(s->groups), owner };
}

unsigned
rights_of(struct account *in, const struct acl_who *who)
{
	struct stat now = { 0 };

	if (fstatat(in->root_fd, LIST, &now, AT_SYMLINK_NOFOLLOW) != 0)
		now = (struct stat){ 0 };
	if (!in->rights_known || !fs_is_same(&now, &in->rights_was)) {
		in->rights = judge(in->root_fd, who);
		in->rights_was = now;
		in->rights_known = true;
	}
	return in->rights;
}

unsigned
rights_at(int root_fd, struct span storage, const struct acl_who *who)
{
	unsigned rights = who->owner ? ACL_ALL : 0;
	char dir[256];
	int fd;

	name_to_dir(storage, dir);
	if (fs_open_dir(root_fd, dir, &fd) == ERR_OK) {
		rights = judge(fd, who);
		close(fd);
	}
	return rights;
}

bool
rights_apply(struct folder *f, unsigned rights)
{
	bool keywords_locked = (rights & ACL_WRITE) == 0, is_new;
	uint32_t locked = 0;

	if (keywords_locked)
		locked = FLAG_ALL & ~(uint32_t)(FLAG_SEEN | FLAG_DELETED);
	if ((rights & ACL_SEEN) == 0)
		locked |= FLAG_SEEN;
	if ((rights & ACL_DELETED) == 0)
		locked |= FLAG_DELETED;
	is_new = locked != f->locked_flags ||
	    keywords_locked != f->keywords_locked;
	f->locked_flags = locked;
	f->keywords_locked = keywords_locked;
	return is_new;
}

/* ---- changing ---- */

static unsigned
rights_in(struct span text, struct span id, bool negative)
{
	struct acl_entry *entry;
	struct arena a = { 0 };
	unsigned rights = 0;
	size_t n;

	acl_read(text, &a, &entry, &n);
	for (size_t i = 0; i < n; i++)
		if (entry[i].negative == negative && span_eq(entry[i].id, id))
			rights |= entry[i].rights;
	arena_free(&a);
	return rights;
}

static enum err
change_locked(int dir_fd, struct span id, bool negative, char how,
    unsigned rights, bool sync)
{
	struct buf text = { 0 }, out = { 0 };
	unsigned was;
	enum err e = rights_read(dir_fd, &text);

	if (e != ERR_OK)
		goto out;
	was = rights_in(buf_span(&text), id, negative);
	if (how == '+')
		rights |= was;
	else if (how == '-')
		rights = was & ~rights;
	/* Nothing is left, and nobody said that it is to be said. */
	if (how == 'x' || (rights == 0 && (how == '-' || negative)))
		rights = ACL_REMOVE;
	e = acl_change(buf_span(&text), id, negative, rights, &out);
	if (e == ERR_OK)
		e = fs_replace_as_dir(dir_fd, LIST, buf_span(&out), sync);
out:
	buf_clear(&text);
	buf_clear(&out);
	return e;
}

enum err
rights_change(int dir_fd, struct span id, bool negative, char how,
    unsigned rights, bool sync)
{
	enum err e = dotlock_take(dir_fd, LIST_LOCK, LOCK_WAIT_MS,
	    LOCK_STALE_S);

	if (e != ERR_OK)
		return e;
	e = change_locked(dir_fd, id, negative, how, rights, sync);
	dotlock_release(dir_fd, LIST_LOCK);
	return e;
}
