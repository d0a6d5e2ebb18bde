/* Where a message's file is. */
#include "maildir/folder_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/ghost.h"
#include "maildir/listing.h"
#include "maildir/scan.h"

enum err
path_of_record(struct db_txn *t, const struct folder *f,
    const struct record *rec, struct file_path *out)
{
	struct key k = key_u32_u32(f->id, rec->uid);
	uint32_t flags = rec->flags & FLAG_ALL;
	uint64_t keywords = rec->keywords;
	struct span v;
	enum err e;

	e = db_get(t, T_DIRTY, key_span(&k), &v);
	out->dirty = e == ERR_OK && v.n == 12;
	if (out->dirty) {
		memcpy(&flags, v.p, 4);
		memcpy(&keywords, v.p + 4, 8);
	} else if (e != ERR_OK && e != ERR_NOTFOUND) {
		return e;
	}
	out->dir_fd = rec->flags & RECORD_NEW ? f->new_fd : f->cur_fd;
	if (rec->flags & RECORD_NEW && flags == 0 && keywords == 0 &&
	    rec->extra.n == 0) {
		/* As it was delivered: without ":2,". */
		if (rec->base.n >= sizeof(out->name))
			return ERR_CORRUPT;
		memcpy(out->name, rec->base.p, rec->base.n);
		out->name[rec->base.n] = '\0';
		return ERR_OK;
	}
	return flags_make_name(rec->base, flags, keywords, rec->extra,
	    out->name);
}

enum err
path_of_uid(const struct folder *f, uint32_t uid, struct arena *a,
    struct file_path *out, struct record *rec_out, bool *ghost_out)
{
	struct record rec;
	struct db_txn *t;
	struct ghost_when when;
	enum err e;

	*ghost_out = false;
	if ((e = db_begin(f->acc->db, false, &t)) != ERR_OK)
		return e;
	e = index_get(t, f->id, uid, &rec);
	if (e == ERR_OK) {
		e = path_of_record(t, f, &rec, out);
	} else if (e == ERR_NOTFOUND &&
	    (e = ghost_get(t, f->id, uid, &when, &rec)) == ERR_OK) {
		if (ghost_is_over(f, &when))
			e = ERR_NOTFOUND;
		*ghost_out = true;
		out->dir_fd = f->tmp_fd;
		out->dirty = false;
		ghost_name(uid, rec.base, out->name);
	}
	if (e == ERR_OK && rec_out != NULL) {
		*rec_out = rec;
		rec_out->base = arena_span(a, rec.base);
		rec_out->extra = arena_span(a, rec.extra);
	}
	db_abort(&t);
	return e == ERR_NOTFOUND ? ERR_GONE : e;
}

/* Where we may not rename what is spelled in another way, by its base name. */
static enum err
use_listed(struct folder *f, uint32_t uid, struct arena *a,
    int (*use)(const struct file_path *p, void *ctx), void *ctx,
    struct record *rec_out, bool *ghost_out, int *error_out)
{
	struct listing l = { 0 };
	const struct listed *found;
	struct record rec;
	struct file_path p;
	enum err e = path_of_uid(f, uid, a, &p, &rec, ghost_out);

	if (e != ERR_OK || *ghost_out)
		return e == ERR_OK ? ERR_NOTFOUND : e;
	if ((e = listing_add(&l, f->new_fd, true)) == ERR_OK &&
	    (e = listing_add(&l, f->cur_fd, false)) == ERR_OK) {
		found = listing_find(&l, rec.base);
		if (found == NULL) {
			e = ERR_NOTFOUND;
		} else {
			p.dir_fd = found->in_new ? f->new_fd : f->cur_fd;
			snprintf(p.name, sizeof(p.name), "%s", found->file);
			*error_out = use(&p, ctx);
			e = *error_out == 0 ? ERR_OK :
			    *error_out == ENOENT ? ERR_NOTFOUND : ERR_IO;
		}
	}
	listing_clear(&l);
	if (rec_out != NULL)
		*rec_out = rec;
	return e;
}

/* One try. ERR_NOTFOUND: no such file; ERR_GONE: no such message. */
static enum err
try_use(struct folder *f, uint32_t uid, struct arena *a,
    int (*use)(const struct file_path *p, void *ctx), void *ctx,
    struct record *rec_out, bool *ghost_out, int *error_out)
{
	struct file_path p;
	enum err e = path_of_uid(f, uid, a, &p, rec_out, ghost_out);

	if (e != ERR_OK || (*error_out = use(&p, ctx)) == 0)
		return e;
	return *error_out == ENOENT ? ERR_NOTFOUND : ERR_IO;
}

enum err
path_use(struct folder *f, uint32_t uid, struct arena *a,
    int (*use)(const struct file_path *p, void *ctx), void *ctx,
    struct record *rec_out, bool *ghost_out, int *error_out)
{
	enum err e = ERR_NOTFOUND, lock;

	*error_out = 0;
	for (int attempt = 0; attempt < 2 && e == ERR_NOTFOUND; attempt++)
		e = try_use(f, uid, a, use, ctx, rec_out, ghost_out, error_out);
	if (e != ERR_NOTFOUND)
		return e;
	/* Where flags change all the time no name is good for long. */
	*error_out = 0;
	if ((lock = folder_lock(f)) != ERR_OK)
		return lock;
	e = try_use(f, uid, a, use, ctx, rec_out, ghost_out, error_out);
	for (int attempt = 0; attempt < 3 && e == ERR_NOTFOUND; attempt++) {
		/* Another program renamed it, or took it away. */
		*error_out = 0;
		if ((e = scan_folder(f, SCAN_ALL, true)) == ERR_OK)
			e = try_use(f, uid, a, use, ctx, rec_out, ghost_out,
			    error_out);
	}
	/* Another program may rename it between the listing and its use. */
	for (int i = 0; e == ERR_NOTFOUND && i < 3; i++)
		e = use_listed(f, uid, a, use, ctx, rec_out, ghost_out,
		    error_out);
	folder_unlock(f);
	return e == ERR_NOTFOUND ? ERR_GONE : e;
}

enum err
path_find_again(struct folder *f, uint32_t uid, struct arena *a,
    struct file_path *out, struct record *rec_out, bool *ghost_out)
{
	enum err e = scan_folder(f, SCAN_ALL, true);

	if (e != ERR_OK)
		return e;
	return path_of_uid(f, uid, a, out, rec_out, ghost_out);
}

enum err
folder_message_name(struct folder *f, uint32_t uid, struct arena *a,
    struct span *name_out)
{
	struct record rec = { 0 };
	struct file_path path;
	bool ghost;
	enum err e = path_of_uid(f, uid, a, &path, &rec, &ghost);

	*name_out = rec.base;
	return e;
}
