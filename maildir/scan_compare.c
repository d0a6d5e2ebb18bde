/*
 * The directories' listing against the state's records: flags that others changed,
 * messages that are missing. A name missing from one listing is not an expunge: it
 * must be missing from a second one of an unchanged directory too.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/ghost.h"
#include "maildir/index.h"
#include "maildir/scan_impl.h"

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

enum err
scan_list(struct scan *s)
{
	struct stat st;
	enum err e;

	s->now_ns = (int64_t)clock_us() * 1000;
	s->cur_mtime = scan_cur_mtime(s->f);
	s->new_mtime = fstat(s->f->new_fd, &st) == 0 ? scan_mtime_ns(&st) : 0;
	if ((e = listing_add(&s->l, s->f->new_fd, true)) != ERR_OK)
		return e;
	s->listed_all = s->how == SCAN_ALL;
	if (s->listed_all)
		e = listing_add(&s->l, s->f->cur_fd, false);
	return e;
}

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

void
scan_add_gone(struct scan *s, uint32_t uid)
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

/*
 * When new/ alone was listed: a file with the base name of a message in cur/ is none
 * of its own. It stays where it is.
 */
enum err
scan_leave_twins(struct scan *s)
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

enum err
scan_compare_all(struct scan *s)
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
				scan_move_to_cur(s, file);
				scan_tidy_name(s, file);
				e = compare(t, s, &rec, file);
			} else if (s->how == SCAN_ALL && !put_back(s, &rec)) {
				scan_add_gone(s, rec.uid);
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
enum err
scan_confirm_gone(struct scan *s)
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
		    scan_mtime_ns(&b1) == scan_mtime_ns(&a1) &&
		    scan_mtime_ns(&b2) == scan_mtime_ns(&a2))
			return ERR_OK;
	}
	s->n_gone = 0;
	s->cur_mtime = 0;
	return ERR_OK;
}
