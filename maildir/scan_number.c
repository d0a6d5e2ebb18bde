/*
 * New messages: they move to cur/ and get UIDs, from the uidlist when it names them,
 * else in the order of their names, and their lines are appended and synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/scan_impl.h"

static int
by_name(const void *a, const void *b)
{
	const struct listed *x = *(struct listed *const *)a;
	const struct listed *y = *(struct listed *const *)b;

	return span_cmp(x->base, y->base);
}

static int
by_uid(const void *a, const void *b)
{
	const struct listed *x = *(struct listed *const *)a;
	const struct listed *y = *(struct listed *const *)b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* new/x becomes cur/x:2,... Messages that cannot be moved stay where they are. */
void
scan_move_to_cur(struct scan *s, struct listed *m)
{
	char name[400];

	if (!m->in_new || s->f->read_only ||
	    flags_make_name(m->base, m->flags, m->keywords, m->extra, name) !=
	    ERR_OK)
		return;
	if (renameat2(s->f->new_fd, m->file, s->f->cur_fd, name,
	    RENAME_NOREPLACE) == 0) {
		m->in_new = false;
		s->moved = true;
	} else if (errno == ENOENT) {
		m->skip = true;
	} else if (errno == EEXIST) {
		log_warn("mailbox %s: new/%s has the name of a message in cur/ "
		    "and is left alone; give it another name", s->f->name,
		    log_text(span_of(m->file)));
		m->skip = true;
	} else {
		log_errno("mailbox %s: cannot move new/%s to cur/", s->f->name,
		    log_text(span_of(m->file)));
	}
}

/*
 * A name in cur/ with letters out of order, or without any, gets the form that the
 * state's records lead to. A twin that has it already is what they lead to, then.
 */
void
scan_tidy_name(struct scan *s, const struct listed *m)
{
	char name[400];

	if (!m->odd || m->in_new || m->from_new || s->f->read_only ||
	    flags_make_name(m->base, m->flags, m->keywords, m->extra, name) !=
	    ERR_OK || strcmp(name, m->file) == 0)
		return;
	if (renameat2(s->f->cur_fd, m->file, s->f->cur_fd, name,
	    RENAME_NOREPLACE) == 0)
		s->moved = true;
	else if (errno != ENOENT && errno != EEXIST && errno != EACCES &&
	    errno != EPERM && errno != EROFS)
		log_errno("mailbox %s: cannot rename cur/%s", s->f->name,
		    log_text(span_of(m->file)));
}

/* Takes over what the uidlist says about files that the state does not know. */
static void
adopt_uidlist(struct scan *s)
{
	size_t lines = 0;

	for (size_t i = 0; i < s->ul.n; i++) {
		struct uidlist_entry *en = &s->ul.entry[i];
		struct listed *m = listing_find(&s->l, en->base);

		if (m == NULL)
			continue;
		lines++;
		if (!m->known && en->uid >= s->r.uidnext)
			m->uid = en->uid;
		if (m->known && en->uid != m->uid && en->uid >= s->r.uidnext) {
			/* Somebody gave it another UID: that one counts. */
			scan_add_gone(s, m->uid);
			m->known = false;
			m->uid = en->uid;
		}
	}
	s->r.dead_lines = (uint32_t)(s->ul.n - lines);
	if (s->how == SCAN_ALL && lines < s->r.messages - s->n_gone)
		s->uidlist_lost_lines = true;
}

static enum err
read_uidlist(struct scan *s)
{
	enum err e;

	if (s->have_uidlist)
		uidlist_clear(&s->ul);
	s->have_uidlist = s->uidlist_missing = false;
	e = uidlist_read(s->f->control_fd, &s->ul);
	if (e == ERR_NOTFOUND || e == ERR_CORRUPT) {
		s->uidlist_missing = true;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e == ERR_PERM ? ERR_UNAVAIL : e;
	s->have_uidlist = true;
	if (s->r.uidvalidity != 0 && s->ul.uidvalidity != s->r.uidvalidity) {
		log_warn("mailbox %s: UIDVALIDITY changed from %u to %u by "
		    "another program", s->f->name, s->r.uidvalidity,
		    s->ul.uidvalidity);
		return ERR_GONE;
	}
	return ERR_OK;
}

/*
 * The directory with the counter of UIDVALIDITYs. A folder of ours that is an account of
 * its own has it from ours: its name may be given again.
 */
static int
counter_of(const struct account *acc)
{
	return acc->outer != NULL && acc->key == NULL ?
	    acc->outer->control_fd : acc->control_fd;
}

/* The header values of the folder, taken from the file or made. */
static enum err
settle_header(struct scan *s)
{
	struct folder_rec *r = &s->r;
	enum err e;

	if (s->have_uidlist) {
		r->uidvalidity = s->ul.uidvalidity;
		if (s->ul.next_uid > r->uidnext)
			r->uidnext = s->ul.next_uid;
		if (s->ul.modseq_floor > r->modseq_floor)
			r->modseq_floor = s->ul.modseq_floor;
		if (r->guid[0] == '\0')
			snprintf(r->guid, sizeof(r->guid), "%s", s->ul.guid);
		return ERR_OK;
	}
	if (r->uidvalidity != 0)
		return ERR_OK;	/* we know better than the missing file */
	e = uidvalidity_next(counter_of(s->f->acc), 0, &r->uidvalidity);
	return e;
}

/* Lines for the messages in s->added that the file does not have. */
static enum err
append_lines(struct scan *s, uint32_t from_uid)
{
	struct uidlist_entry *en;
	struct uidlist bare = { .uidvalidity = s->r.uidvalidity,
		.next_uid = from_uid, .version = 3,
		.inode = s->r.uidlist_ino, .size = s->r.uidlist_size,
		.whole = s->r.uidlist_size,
		.mtime_ns = s->r.uidlist_mtime };
	size_t n = 0;
	enum err e;

	en = arena_array(&s->arena, s->n_added, sizeof(*en));
	for (size_t i = 0; i < s->n_added; i++)
		if (s->added[i]->uid >= from_uid)
			en[n++] = (struct uidlist_entry){
				.uid = s->added[i]->uid,
				.base = s->added[i]->base };
	if (n == 0)
		return ERR_OK;
	e = uidlist_append(s->f->control_fd, s->have_uidlist ? &s->ul : &bare,
	    en, n, s->f->acc->sync);
	KILL_POINT("scan-uidlist");
	return e;
}

/*
 * The last UID was given, or a damaged line says so: the mailbox starts anew with
 * another UIDVALIDITY. The list is kept aside.
 */
static enum err
uids_used_up(struct scan *s)
{
	log_error("mailbox %s: UIDs are used up (%u comes next); it starts "
	    "again with a new UIDVALIDITY, the old dovecot-uidlist is kept as "
	    "dovecot-uidlist.full", s->f->name, s->r.uidnext);
	if (renameat(s->f->control_fd, "dovecot-uidlist", s->f->control_fd,
	    "dovecot-uidlist.full") != 0) {
		log_errno("cannot rename dovecot-uidlist");
		return ERR_UNAVAIL;
	}
	return ERR_GONE;
}

/* A name without its size costs a look: what is not known could not be counted. */
static uint64_t
size_of(const struct scan *s, const struct listed *m)
{
	struct stat st;

	return fstatat(m->in_new ? s->f->new_fd : s->f->cur_fd, m->file, &st,
	    AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

/* Gathers new messages, moves them to cur/ and gives them UIDs. */
static enum err
number_added(struct scan *s)
{
	uint32_t from, next;
	size_t fresh = 0;
	enum err e;

	if (s->have_uidlist || s->uidlist_missing) {
		if (s->have_uidlist && s->first && s->r.uidnext < 1)
			s->r.uidnext = 1;
		if (s->have_uidlist)
			adopt_uidlist(s);
	}
	if ((e = settle_header(s)) != ERR_OK)
		return e;
	if (s->r.uidnext == 0)
		s->r.uidnext = 1;
	from = next = s->r.uidnext;
	s->added = arena_array(&s->arena, s->l.n + 1, sizeof(*s->added));
	for (size_t i = 0; i < s->l.n; i++) {
		struct listed *m = &s->l.file[i];

		if (m->known)
			continue;
		m->skip = s->no_write && m->uid == 0;
		if (!m->skip && m->size == 0)
			m->size = size_of(s, m);
		if (!m->skip)
			scan_move_to_cur(s, m);
		if (!m->skip)
			scan_tidy_name(s, m);
		if (!m->skip)
			s->added[s->n_added++] = m;
		if (!m->skip && m->uid == 0)
			fresh++;
		if (!m->skip && m->uid >= next)
			next = m->uid + 1;
	}
	KILL_POINT("scan-moved");
	if (s->n_added == 0)
		return ERR_OK;
	/* Those without a UID in order of their names: that is of arrival. */
	qsort(s->added, s->n_added, sizeof(*s->added), by_name);
	if (next + (uint64_t)fresh > UINT32_MAX)
		return uids_used_up(s);
	for (size_t i = 0; i < s->n_added; i++)
		if (s->added[i]->uid == 0)
			s->added[i]->uid = next++;
	if (fresh < s->n_added)
		qsort(s->added, s->n_added, sizeof(*s->added), by_uid);
	if (s->uidlist_missing || s->uidlist_lost_lines)
		return ERR_OK;		/* written whole, later */
	if (fresh == 0)
		return ERR_OK;
	return append_lines(s, s->have_uidlist && s->ul.next_uid > from ?
	    s->ul.next_uid : from);
}

/* With the dotlock: UIDs, uidlist. */
static enum err
number_locked(struct scan *s)
{
	enum err e;

	if (!scan_uidlist_is_current(s->f, &s->r) || s->first) {
		if (!s->listed_all)
			return ERR_BUSY;	/* changed just now: list both */
		if ((e = read_uidlist(s)) != ERR_OK)
			return e;
	}
	return number_added(s);
}

/* What is to be \Recent after an import: the newest that came from new/. */
static void
settle_recent(struct scan *s)
{
	size_t i = s->n_added;

	if (!s->first)
		return;
	while (i > 0 && s->added[i - 1]->from_new)
		i--;
	if (i < s->n_added)
		s->r.first_recent = s->added[i]->uid;
	else if (i > 0)
		s->r.first_recent = s->added[i - 1]->uid + 1;
	else
		s->r.first_recent = s->r.uidnext;
}

/* Takes the dotlock if there is something to write. */
enum err
scan_number(struct scan *s, bool *dotlock)
{
	size_t n_unknown = 0;
	enum err e;

	for (size_t i = 0; i < s->l.n; i++)
		n_unknown += !s->l.file[i].known;
	if (n_unknown == 0 && !s->first &&
	    scan_uidlist_is_current(s->f, &s->r))
		return ERR_OK;
	e = uidlist_lock(s->f->control_fd);
	if (e == ERR_OK)
		*dotlock = true;
	else if (e == ERR_PERM)
		s->no_write = true;	/* what has no UID stays unknown */
	else
		return e;
	if ((e = number_locked(s)) == ERR_OK)
		settle_recent(s);
	return e;
}
