/*
 * Keywords. Numbers 0-25 are letters in file names, named by dovecot-keywords
 * (shared with Dovecot, written under the uidlist's dotlock); 26-63 exist in the
 * folder's record only. A number never changes its name while messages carry it.
 */
#include "maildir/folder_keywords.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/state.h"
#include "maildir/uidlist.h"

static int64_t
file_mtime(const struct folder *f)
{
	struct stat st;

	if (fstatat(f->control_fd, "dovecot-keywords", &st,
	    AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

bool
folder_keywords_take(struct folder *f, const struct folder_rec *r)
{
	if (f->keywords_gen == r->keywords_gen &&
	    f->keywords.n == r->keywords.n)
		return false;
	f->keywords_gen = r->keywords_gen;
	if (r->keywords.n > KEYWORD_LETTERS)
		f->acc->must_clean = true;
	f->keywords = r->keywords;
	for (unsigned i = 0; i < r->keywords.n; i++)
		f->keywords.name[i] = arena_span(&f->arena,
		    r->keywords.name[i]);
	return true;
}

bool
folder_know_keywords(struct folder *f, uint64_t bits)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	bool changed = false;

	for (unsigned i = 0; i < f->keywords.n; i++)
		if (f->keywords.name[i].n > 0)
			bits &= ~((uint64_t)1 << i);
	if (bits == 0 || db_begin(f->acc->db, false, &t) != ERR_OK)
		return false;
	if (rec_get(t, f->id, &a, &r) == ERR_OK)
		changed = folder_keywords_take(f, &r);
	db_abort(&t);
	arena_free(&a);
	return changed;
}

/* Puts the file's names into the record's; true when something changed. */
static bool
merge(struct folder_rec *r, const struct keywords *file)
{
	bool changed = false;

	for (unsigned i = 0; i < file->n && i < KEYWORD_LETTERS; i++) {
		if (file->name[i].n == 0 ||
		    span_ieq(file->name[i], r->keywords.name[i]))
			continue;
		r->keywords.name[i] = file->name[i];
		if (r->keywords.n <= i)
			r->keywords.n = i + 1;
		changed = true;
	}
	if (changed)
		r->keywords_gen++;
	return changed;
}

enum err
folder_keywords_refresh(struct folder *f)
{
	struct keywords file;
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	int64_t mtime = file_mtime(f);
	enum err e;

	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = rec_get(t, f->id, &a, &r);
	db_abort(&t);
	if (e != ERR_OK || r.keywords_mtime == mtime)
		goto out;
	if ((e = keywords_read(f->control_fd, &a, &file)) != ERR_OK ||
	    (e = account_write(f->acc, &t)) != ERR_OK)
		goto out;
	if ((e = rec_get(t, f->id, &a, &r)) == ERR_OK) {
		merge(&r, &file);
		r.keywords_mtime = mtime;
		e = rec_put(t, &r);
	}
	if (e == ERR_OK) {
		folder_keywords_take(f, &r);
		e = db_commit(&t);
	} else {
		db_abort(&t);
	}
out:
	arena_free(&a);
	return e;
}

/* Bits of the names that exist; how many do not. */
static size_t
known_bits(const struct keywords *k, const struct span *names, size_t n,
    uint64_t *bits)
{
	size_t missing = 0;

	*bits = 0;
	for (size_t i = 0; i < n; i++) {
		int number = keywords_find(k, names[i]);

		if (number < 0)
			missing++;
		else
			*bits |= (uint64_t)1 << number;
	}
	return missing;
}

/* Under the folder lock: before its directories go, a mailbox is marked. */
static enum err
refuse_deleted(struct folder *f)
{
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	enum err e;

	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = rec_get(t, f->id, &a, &r);
	db_abort(&t);
	arena_free(&a);
	/* Sessions that have it open go on until they are told. */
	return e == ERR_OK && r.flags & REC_DELETED && !f->selected ?
	    ERR_NOTFOUND : e;
}

/* With folder lock and dotlock: adds what is missing to file and record. */
static enum err
add_names(struct folder *f, const struct span *names, size_t n, uint64_t *bits)
{
	struct keywords file;
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	unsigned letters;
	int number;
	enum err e;

	if ((e = keywords_read(f->control_fd, &a, &file)) != ERR_OK ||
	    (e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		goto out;
	e = rec_get(t, f->id, &a, &r);
	db_abort(&t);
	if (e != ERR_OK)
		goto out;
	merge(&r, &file);
	letters = r.keywords.n;
	for (size_t i = 0; i < n && e == ERR_OK; i++)
		if (keywords_find(&r.keywords, names[i]) < 0)
			e = keywords_add(&r.keywords, &a, names[i], &number);
	if (e != ERR_OK)
		goto out;
	if (letters < KEYWORD_LETTERS && (e = keywords_write(f->control_fd,
	    &r.keywords, f->acc->sync)) != ERR_OK)
		goto out;
	if ((e = account_write(f->acc, &t)) != ERR_OK)
		goto out;
	{
		struct folder_rec now;

		/* Under the folder lock only keywords can have changed. */
		if ((e = rec_get(t, f->id, &a, &now)) == ERR_OK) {
			now.keywords = r.keywords;
			now.keywords_gen++;
			now.keywords_mtime = file_mtime(f);
			e = rec_put(t, &now);
		}
		if (e != ERR_OK) {
			db_abort(&t);
			goto out;
		}
		folder_keywords_take(f, &now);
	}
	e = db_commit(&t);
	(void)known_bits(&f->keywords, names, n, bits);
out:
	arena_free(&a);
	return e;
}

enum err
folder_keywords(struct folder *f, const struct span *names, size_t n,
    bool create, uint64_t *bits_out)
{
	enum err e;

	if (known_bits(&f->keywords, names, n, bits_out) == 0)
		return ERR_OK;
	/* Perhaps another session has made them meanwhile. */
	if (folder_know_keywords(f, UINT64_MAX) &&
	    known_bits(&f->keywords, names, n, bits_out) == 0)
		return ERR_OK;
	if (!create)
		return ERR_NOTFOUND;
	if (f->read_only)
		return ERR_PERM;
	if ((e = folder_lock(f)) != ERR_OK)
		return e;
	if ((e = refuse_deleted(f)) == ERR_OK &&
	    (e = uidlist_lock(f->control_fd)) == ERR_OK) {
		e = add_names(f, names, n, bits_out);
		uidlist_unlock(f->control_fd);
	}
	folder_unlock(f);
	return e;
}
