/*
 * Finds what changed in new/ and cur/ since the last time.
 *
 * The folder lock is held throughout, so that renames of our own cannot be taken
 * for somebody else's. A name missing from one listing is not an expunge: it must
 * be missing from a second one of an unchanged directory too.
 */
#include "maildir/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/ghost.h"
#include "maildir/index.h"
#include "maildir/listing.h"
#include "maildir/uidlist.h"

enum {
	TICK_NS = 20 * 1000 * 1000,	/* directory times may be this coarse */
	VERIFY_US = 5 * 1000 * 1000,	/* our own renames are verified so seldom */
	UNSTABLE_US = 1000 * 1000,	/* and a listing of a busy cur/ so soon */
	SLICE = 100 * PAGE_RECORDS,	/* records added in one transaction */
};

static int64_t
mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

int64_t
scan_cur_mtime(const struct folder *f)
{
	struct stat st;

	return fstat(f->cur_fd, &st) == 0 ? mtime_ns(&st) : 0;
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
	if (mtime_ns(&new) != r->new_mtime)
		*how_out = SCAN_NEW;
	mtime = mtime_ns(&cur);
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
	    mtime_ns(&st) == r->uidlist_mtime;
}

void
scan_stamp_uidlist(const struct folder *f, struct folder_rec *r)
{
	struct stat st;

	if (!stat_uidlist(f, &st))
		return;
	r->uidlist_ino = st.st_ino;
	r->uidlist_size = (uint64_t)st.st_size;
	r->uidlist_mtime = mtime_ns(&st);
}

/* A flag change found, to be applied; by UID. */
struct found {
	uint32_t uid;
	uint32_t flags;		/* wanted, with RECORD_NEW */
	uint64_t keywords;
	struct span extra;
	uint32_t disk_flags;	/* what the file name says */
	uint64_t disk_keywords;
	bool dirty;		/* the name has to follow */
	bool was_dirty;
};

struct scan {
	struct folder *f;
	struct folder_rec r;
	struct listing l;
	enum scan_how how;
	bool first;		/* the folder has no messages in the state yet */
	bool have_uidlist, uidlist_missing, uidlist_lost_lines;
	bool listed_all;	/* cur/ is in the listing */
	bool no_write;		/* we may not write the uidlist */
	bool moved;		/* we changed cur/ ourselves */
	bool rewrite;		/* the uidlist is to be written whole, after */
	struct uidlist ul;
	struct found *found;
	size_t n_found, cap_found;
	uint32_t *gone;
	size_t n_gone, cap_gone;
	struct listed **added;
	size_t n_added;
	struct record *rec;	/* room for one slice of them */
	int64_t cur_mtime, new_mtime, now_ns;
	struct arena arena;
};

static void *
grown(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 64;
	if ((p = realloc(p, *cap * size)) == NULL)
		fatal("no memory for a scan");
	return p;
}

/* ---- listing ---- */

static enum err
list(struct scan *s)
{
	struct stat st;
	enum err e;

	s->now_ns = (int64_t)clock_us() * 1000;
	s->cur_mtime = scan_cur_mtime(s->f);
	s->new_mtime = fstat(s->f->new_fd, &st) == 0 ? mtime_ns(&st) : 0;
	if ((e = listing_add(&s->l, s->f->new_fd, true)) != ERR_OK)
		return e;
	s->listed_all = s->how == SCAN_ALL;
	if (s->listed_all)
		e = listing_add(&s->l, s->f->cur_fd, false);
	return e;
}

/* ---- comparing with the state ---- */

static enum err
disk_flags(struct db_txn *t, const struct scan *s, const struct record *rec,
    uint32_t *flags, uint64_t *keywords, bool *dirty)
{
	struct key k = key_u32_u32(s->r.id, rec->uid);
	struct span v;
	enum err e;

	*flags = rec->flags & FLAG_ALL;
	*keywords = rec->keywords;
	*dirty = false;
	if (s->r.n_dirty == 0)
		return ERR_OK;
	e = db_get(t, T_DIRTY, key_span(&k), &v);
	if (e == ERR_OK && v.n == 12) {
		memcpy(flags, v.p, 4);
		memcpy(keywords, v.p + 4, 8);
		*dirty = true;
	}
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/*
 * Compares a record with its file's name. What others changed since the name was
 * last written wins over what it was, and adds to what we changed.
 */
static enum err
compare(struct db_txn *t, struct scan *s, const struct record *rec,
    const struct listed *file)
{
	const uint64_t letters = ((uint64_t)1 << KEYWORD_LETTERS) - 1;
	uint32_t was, theirs = file->flags, flags = rec->flags & FLAG_ALL;
	uint64_t was_kw, kw = rec->keywords;
	struct found *c;
	bool dirty, new = (rec->flags & RECORD_NEW) != 0;
	enum err e;

	if (theirs == flags && file->keywords == (kw & letters) &&
	    file->in_new == new && span_eq(file->extra, rec->extra) &&
	    s->r.n_dirty == 0)
		return ERR_OK;
	e = disk_flags(t, s, rec, &was, &was_kw, &dirty);
	if (e != ERR_OK)
		return e;
	was_kw &= letters;
	flags = (flags & ~(was ^ theirs)) | (theirs & (was ^ theirs));
	kw = (kw & ~(was_kw ^ file->keywords)) |
	    (file->keywords & (was_kw ^ file->keywords));
	if (flags == (rec->flags & FLAG_ALL) && kw == rec->keywords &&
	    file->in_new == new && span_eq(file->extra, rec->extra) &&
	    theirs == was && file->keywords == was_kw)
		return ERR_OK;
	s->found = grown(s->found, s->n_found, &s->cap_found,
	    sizeof(*s->found));
	c = &s->found[s->n_found++];
	*c = (struct found){ .uid = rec->uid,
		.flags = flags | (file->in_new ? RECORD_NEW : 0),
		.keywords = kw, .extra = arena_span(&s->arena, file->extra),
		.disk_flags = theirs, .disk_keywords = file->keywords,
		.dirty = flags != theirs || (kw & letters) != file->keywords,
		.was_dirty = dirty };
	return ERR_OK;
}

static void
add_gone(struct scan *s, uint32_t uid)
{
	s->gone = grown(s->gone, s->n_gone, &s->cap_gone, sizeof(*s->gone));
	s->gone[s->n_gone++] = uid;
}

/* A crash between claiming a message and its transaction: back into cur/. */
static bool
put_back(struct scan *s, const struct record *rec)
{
	char ghost[300], name[400];
	struct stat st;

	ghost_name(rec->uid, rec->base, ghost);
	if (fstatat(s->f->tmp_fd, ghost, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    flags_make_name(rec->base, rec->flags & FLAG_ALL, rec->keywords,
	    rec->extra, name) != ERR_OK)
		return false;
	if (renameat(s->f->tmp_fd, ghost, s->f->cur_fd, name) != 0)
		return false;
	s->moved = true;
	log_warn("mailbox %s: message %u was being removed when its process "
	    "died; it is back", s->f->name, rec->uid);
	return true;
}

static void move_to_cur(struct scan *s, struct listed *m);
static void tidy_name(struct scan *s, const struct listed *m);

/*
 * When new/ alone was listed: a file with the base name of a message in cur/ is none
 * of its own. It stays where it is.
 */
static enum err
leave_twins(struct scan *s)
{
	struct page_iter it;
	struct db_txn *t;
	struct record rec;
	enum err e;

	if (s->r.messages == 0 || s->l.n == 0)
		return ERR_OK;
	if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = page_iter_begin(t, s->r.id, 0, &it);
	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK) {
		for (uint32_t i = 0; i < it.page.n; i++) {
			struct listed *file;

			page_record(&it.page, i, &rec);
			if ((file = listing_find(&s->l, rec.base)) == NULL)
				continue;
			file->known = file->skip = true;
			file->uid = rec.uid;
			log_warn("mailbox %s: new/%s has the base name of a "
			    "message in cur/ and is left alone; give it "
			    "another name", s->f->name,
			    log_text(span_of(file->file)));
		}
	}
	page_iter_end(&it);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
compare_all(struct scan *s)
{
	struct page_iter it;
	struct db_txn *t;
	struct record rec;
	enum err e;

	if (s->r.messages == 0)
		return ERR_OK;
	if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = page_iter_begin(t, s->r.id, 0, &it);
	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK) {
		for (uint32_t i = 0; e == ERR_OK && i < it.page.n; i++) {
			struct listed *file;

			page_record(&it.page, i, &rec);
			file = listing_find(&s->l, rec.base);
			if (file != NULL) {
				file->known = true;
				file->uid = rec.uid;
				move_to_cur(s, file);
				tidy_name(s, file);
				e = compare(t, s, &rec, file);
			} else if (s->how == SCAN_ALL && !put_back(s, &rec)) {
				add_gone(s, rec.uid);
			}
		}
	}
	page_iter_end(&it);
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Takes UIDs that turned up again out of s->gone. */
static enum err
recheck_gone(struct scan *s, const struct listing *again)
{
	struct record rec;
	struct db_txn *t;
	size_t left = 0;
	enum err e;

	if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
		return e;
	for (size_t i = 0; i < s->n_gone && e == ERR_OK; i++) {
		e = index_get(t, s->r.id, s->gone[i], &rec);
		if (e == ERR_OK && listing_find(again, rec.base) == NULL)
			s->gone[left++] = s->gone[i];
	}
	s->n_gone = left;
	db_abort(&t);
	return e;
}

/*
 * Confirms what was missing: a second listing during which neither directory
 * changed. A folder that is never quiet keeps its messages until it is.
 */
static enum err
confirm_gone(struct scan *s)
{
	if (s->n_gone == 0)
		return ERR_OK;
	for (int attempt = 0; attempt < 3; attempt++) {
		struct listing again = { 0 };
		struct stat b1, b2, a1, a2;
		enum err e = ERR_OK;

		if (fstat(s->f->cur_fd, &b1) != 0 ||
		    fstat(s->f->new_fd, &b2) != 0)
			return ERR_IO;
		if ((e = listing_add(&again, s->f->new_fd, true)) == ERR_OK &&
		    (e = listing_add(&again, s->f->cur_fd, false)) == ERR_OK)
			e = recheck_gone(s, &again);
		listing_clear(&again);
		if (e != ERR_OK)
			return e;
		if (fstat(s->f->cur_fd, &a1) == 0 &&
		    fstat(s->f->new_fd, &a2) == 0 &&
		    mtime_ns(&b1) == mtime_ns(&a1) &&
		    mtime_ns(&b2) == mtime_ns(&a2))
			return ERR_OK;
	}
	s->n_gone = 0;
	s->cur_mtime = 0;
	return ERR_OK;
}

/* ---- new messages ---- */

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
static void
move_to_cur(struct scan *s, struct listed *m)
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
static void
tidy_name(struct scan *s, const struct listed *m)
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
			add_gone(s, m->uid);
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
	e = uidvalidity_next(s->f->acc->control_fd, 0, &r->uidvalidity);
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
		if (!m->skip)
			move_to_cur(s, m);
		if (!m->skip)
			tidy_name(s, m);
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

/* ---- applying ---- */

struct apply {
	struct scan *s;
	uint64_t modseq;
	size_t at;
	struct db_txn *t;
	enum err e;
};

static enum index_verdict
apply_found(struct record *rec, void *ctx)
{
	struct apply *a = ctx;
	struct found *c = &a->s->found[a->at++];
	struct key k = key_u32_u32(a->s->r.id, rec->uid);

	if ((rec->flags & FLAG_ALL) != (c->flags & FLAG_ALL) ||
	    rec->keywords != c->keywords)
		rec->modseq = a->modseq;
	rec->flags = c->flags;
	rec->keywords = c->keywords;
	rec->extra = c->extra;
	if (c->dirty) {
		char v[12];

		memcpy(v, &c->disk_flags, 4);
		memcpy(v + 4, &c->disk_keywords, 8);
		a->e = db_put(a->t, T_DIRTY, key_span(&k),
		    (struct span){ v, 12 });
		if (!c->was_dirty)
			a->s->r.n_dirty++;
	} else if (c->was_dirty) {
		a->e = db_del(a->t, T_DIRTY, key_span(&k));
		a->s->r.n_dirty--;
	}
	return INDEX_CHANGED;
}

static enum index_verdict
apply_gone(struct record *rec, void *ctx)
{
	struct apply *a = ctx;
	struct key k = key_u32_u32(a->s->r.id, rec->uid);

	if (a->s->r.n_dirty > 0) {
		struct span v;

		if (db_get(a->t, T_DIRTY, key_span(&k), &v) == ERR_OK)
			a->s->r.n_dirty--;
		a->e = db_del(a->t, T_DIRTY, key_span(&k));
	}
	if (a->e == ERR_OK)
		a->e = db_del(a->t, T_CACHE, key_span(&k));
	return INDEX_REMOVE;
}

static enum err
apply_changes(struct db_txn *t, struct scan *s, uint64_t modseq)
{
	struct apply a = { .s = s, .modseq = modseq, .t = t };
	uint32_t *uids;
	enum err e;

	if (s->n_found > 0) {
		uids = arena_array(&s->arena, s->n_found, sizeof(*uids));
		for (size_t i = 0; i < s->n_found; i++)
			uids[i] = s->found[i].uid;
		e = index_update(t, &s->r, uids, s->n_found, apply_found, &a);
		if (e != ERR_OK || (e = a.e) != ERR_OK)
			return e;
	}
	if (s->n_gone > 0) {
		struct key k = key_u32_u64(s->r.id, modseq);

		index_sort_uids(s->gone, s->n_gone);
		e = index_update(t, &s->r, s->gone, s->n_gone, apply_gone, &a);
		if (e != ERR_OK || (e = a.e) != ERR_OK)
			return e;
		s->r.dead_lines += (uint32_t)s->n_gone;
		e = db_put(t, T_VANISHED, key_span(&k), (struct span){
		    (const char *)s->gone, s->n_gone * sizeof(*s->gone) });
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err
append_added(struct db_txn *t, struct scan *s, uint64_t modseq, size_t at,
    size_t n)
{
	struct record *rec = s->rec;
	enum err e;

	if (rec == NULL)
		rec = s->rec = arena_array(&s->arena, SLICE < s->n_added ?
		    SLICE : s->n_added, sizeof(*rec));
	for (size_t i = 0; i < n; i++) {
		const struct listed *m = s->added[at + i];

		rec[i] = (struct record){ .uid = m->uid,
			.flags = m->flags | (m->in_new ? RECORD_NEW : 0),
			.keywords = m->keywords, .modseq = modseq,
			.size = m->size, .wire_size = m->wire_size,
			.base = m->base, .extra = m->extra };
	}
	if ((e = index_append(t, &s->r, rec, n)) != ERR_OK)
		return e;
	if (n > 0 && rec[n - 1].uid >= s->r.uidnext)
		s->r.uidnext = rec[n - 1].uid + 1;
	return ERR_OK;
}

static void
set_stamps(struct scan *s, bool last)
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

/* One transaction, or for a large import several of bounded size. */
static enum err
apply(struct scan *s)
{
	uint64_t modseq;
	size_t at = 0;
	bool changed = s->n_found + s->n_gone + s->n_added > 0 || s->first;
	enum err e;

	do {
		size_t n = s->n_added - at < SLICE ? s->n_added - at : SLICE;
		bool last = at + n == s->n_added;
		struct db_txn *t;

		if ((e = account_write(s->f->acc, &t)) != ERR_OK)
			return e;
		e = rec_refresh(t, &s->arena, &s->r);
		modseq = rec_next_modseq(&s->r);
		if (s->r.modseq_floor >= modseq)
			modseq = s->r.modseq_floor + 1;
		if (e == ERR_OK && at == 0)
			e = apply_changes(t, s, modseq);
		if (e == ERR_OK)
			e = append_added(t, s, modseq, at, n);
		if (changed)
			s->r.modseq = modseq;
		if (s->first && s->r.vanished_since == 0)
			s->r.vanished_since = modseq;
		if (!s->rewrite)
			s->r.synced_uidnext = s->r.uidnext;
		set_stamps(s, last);
		if (e == ERR_OK)
			e = rec_put(t, &s->r);
		if (e != ERR_OK) {
			db_abort(&t);
			return e;
		}
		if ((e = db_commit(&t)) != ERR_OK)
			return e;
		at += n;
	} while (at < s->n_added);
	if (changed)
		account_changed(s->f->acc, s->r.id);
	return ERR_OK;
}

/* ---- the whole uidlist ---- */

struct lines {
	struct uidlist_entry *en;
	size_t n;
	struct arena *a;
};

static enum err
collect_lines(struct db_txn *t, uint32_t id, struct lines *l)
{
	struct page_iter it;
	struct record rec;
	enum err e = page_iter_begin(t, id, 0, &it);

	while (e == ERR_OK && (e = page_iter_next(&it)) == ERR_OK)
		for (uint32_t i = 0; i < it.page.n; i++) {
			page_record(&it.page, i, &rec);
			l->en[l->n++] = (struct uidlist_entry){ .uid = rec.uid,
				.base = arena_span(l->a, rec.base) };
		}
	page_iter_end(&it);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Keys (sizes, POP3 UIDLs, GUIDs) of lines stay with their messages. */
static void
keep_keys(const struct uidlist *old, struct lines *l)
{
	size_t j = 0;

	for (size_t i = 0; i < l->n; i++) {
		while (j < old->n && old->entry[j].uid < l->en[i].uid)
			j++;
		if (j < old->n && old->entry[j].uid == l->en[i].uid)
			l->en[i].keys = old->entry[j].keys;
	}
}

/* Header values and lines as a new file. l: what is in the folder. */
static enum err
write_uidlist(struct folder *f, struct folder_rec *r, struct lines *l)
{
	struct uidlist header = { 0 };
	enum err e = uidlist_read(f->control_fd, &header);

	if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_CORRUPT)
		return e;
	keep_keys(&header, l);
	header.uidvalidity = r->uidvalidity;
	header.next_uid = r->uidnext;
	/* Mod-sequences are promised a day ahead of what was given. */
	header.modseq_floor = rec_next_modseq(r) + (uint64_t)86400 * 1000000;
	if (r->guid[0] != '\0')
		memcpy(header.guid, r->guid, sizeof(header.guid));
	e = uidlist_write(f->control_fd, &header, l->en, l->n, f->acc->sync);
	if (e == ERR_OK) {
		memcpy(r->guid, header.guid, sizeof(header.guid));
		r->dead_lines = 0;
	}
	uidlist_clear(&header);
	return e;
}

/* All lines: after an import those that were added, else from the state. */
static enum err
write_lines(struct scan *s)
{
	struct lines l = { .a = &s->arena };
	struct db_txn *t;
	enum err e = ERR_OK;

	l.en = arena_array(&s->arena, (size_t)s->r.messages + s->n_added + 1,
	    sizeof(*l.en));
	if (s->first) {
		for (; l.n < s->n_added; l.n++)
			l.en[l.n] = (struct uidlist_entry){
				.uid = s->added[l.n]->uid,
				.base = s->added[l.n]->base };
	} else {
		if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
			return e;
		e = collect_lines(t, s->r.id, &l);
		db_abort(&t);
	}
	return e == ERR_OK ? write_uidlist(s->f, &s->r, &l) : e;
}

/* ---- the whole of it ---- */

static enum err
load_record(struct scan *s)
{
	struct db_txn *t;
	bool done = true;
	enum err e;

	if ((e = db_begin(s->f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = rec_get(t, s->f->id, &s->arena, &s->r);
	db_abort(&t);
	if (e != ERR_OK)
		return e;
	/* Who has it open still may go on with what is there. */
	if (s->r.flags & REC_DELETED && !s->f->selected)
		return ERR_GONE;
	if (s->r.flags & REC_IMPORTING) {
		/* The first import was cut off: from the beginning. */
		do {
			struct folder_rec keep = s->r;

			if ((e = account_write(s->f->acc, &t)) != ERR_OK)
				return e;
			e = state_drop_folder(t, s->r.id, 10000, &done);
			keep.messages = keep.unseen = keep.deleted = 0;
			keep.n_dirty = keep.n_ghosts = 0;
			keep.size = keep.wire_size = keep.uidnext = 0;
			keep.uidlist_ino = 0;
			if (e == ERR_OK)
				e = rec_put(t, &keep);
			if (e != ERR_OK) {
				db_abort(&t);
				return e;
			}
			if ((e = db_commit(&t)) != ERR_OK)
				return e;
			s->r = keep;
		} while (!done);
	}
	s->first = s->r.uidnext == 0;
	return ERR_OK;
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
static enum err
number(struct scan *s, bool *dotlock)
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

static enum err
rewrite_uidlist(struct scan *s)
{
	struct db_txn *t;
	enum err e;

	if ((e = write_lines(s)) != ERR_OK)
		return e;
	KILL_POINT("scan-rewritten");
	scan_stamp_uidlist(s->f, &s->r);
	s->r.synced_uidnext = s->r.uidnext;
	if ((e = account_write(s->f->acc, &t)) != ERR_OK)
		return e;
	if ((e = rec_refresh(t, &s->arena, &s->r)) != ERR_OK ||
	    (e = rec_put(t, &s->r)) != ERR_OK) {
		db_abort(&t);
		return e;
	}
	return db_commit(&t);
}

static enum err
scan_locked(struct scan *s)
{
	bool dotlock = false;
	enum err e;

	if ((e = load_record(s)) != ERR_OK)
		return e;
	if (s->first || s->r.n_new != 0 ||
	    !scan_uidlist_is_current(s->f, &s->r))
		s->how = SCAN_ALL;
	if ((e = list(s)) != ERR_OK)
		return e;
	if ((e = s->listed_all ? compare_all(s) : leave_twins(s)) != ERR_OK ||
	    (e = confirm_gone(s)) != ERR_OK)
		return e;
	e = number(s, &dotlock);
	s->rewrite = dotlock && (s->uidlist_missing || s->uidlist_lost_lines ||
	    /* Half a line of a dead writer: nobody may append to it. */
	    (s->have_uidlist && s->ul.whole < s->ul.size) ||
	    (s->r.dead_lines > 32 &&
	    s->r.dead_lines > (s->r.messages + s->n_added) / 3));
	if (e == ERR_OK)
		e = apply(s);
	if (e == ERR_OK && s->rewrite)
		e = rewrite_uidlist(s);
	if (dotlock)
		uidlist_unlock(s->f->control_fd);
	if (e == ERR_OK && s->r.n_dirty > 0)
		s->f->acc->late_store = s->r.id;
	return e;
}

static void
scan_clear(struct scan *s)
{
	listing_clear(&s->l);
	if (s->have_uidlist)
		uidlist_clear(&s->ul);
	free(s->found);
	free(s->gone);
	arena_free(&s->arena);
}

enum err
scan_folder(struct folder *f, enum scan_how how, bool locked)
{
	enum err e;

	if (how == SCAN_NONE)
		return ERR_OK;
	if (!locked && (e = folder_lock(f)) != ERR_OK)
		return e;
	for (int attempt = 0; ; attempt++) {
		struct scan s = { .f = f, .how = how };

		e = scan_locked(&s);
		scan_clear(&s);
		if (e != ERR_BUSY || attempt == 2)
			break;
		how = SCAN_ALL;
	}
	if (!locked)
		folder_unlock(f);
	return e;
}

enum err
scan_look(struct folder *f, enum scan_how how)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if (how == SCAN_NEW) {
		if ((e = folder_lock(f)) != ERR_OK)
			return e;
	} else if ((e = folder_try_lock(f)) != ERR_OK) {
		return e == ERR_BUSY ? ERR_OK : e;
	}
	if ((e = db_begin(f->acc->db, false, &t)) == ERR_OK) {
		e = rec_get(t, f->id, &a, &r);
		db_abort(&t);
	}
	if (e == ERR_OK && (e = scan_evidence(f, &r, false, &how)) == ERR_OK)
		e = scan_folder(f, how, true);
	folder_unlock(f);
	arena_free(&a);
	return e;
}
