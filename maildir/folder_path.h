/* Where a message's file is. Internal to maildir/. */
#ifndef MAILDIR_FOLDER_PATH_H
#define MAILDIR_FOLDER_PATH_H

#include <stdint.h>

#include "common/db.h"
#include "common/err.h"
#include "maildir/index.h"

struct folder;

struct file_path {
	int dir_fd;		/* cur/, new/ or tmp/ of the folder: not owned */
	char name[400];
	bool dirty;		/* the name does not have the record's flags yet */
};

/* Of a record as the state has it, its `dirty` flags considered. */
enum err path_of_record(struct db_txn *t, const struct folder *f,
    const struct record *rec, struct file_path *out);

/*
 * Of a UID, in a transaction of its own; ghosts are found in tmp/.
 * rec_out (NULL: not wanted): its texts live in `a`. Errors: ERR_GONE.
 */
enum err path_of_uid(const struct folder *f, uint32_t uid, struct arena *a,
    struct file_path *out, struct record *rec_out, bool *ghost_out);

/*
 * Does something with a message's file by its name: use() returns 0 or an errno. Where
 * that is ENOENT the name is looked up again, at last under the folder's lock and after
 * a listing, so that neither sessions that change flags nor other programs can make a
 * message seem gone. Errors: ERR_GONE; ERR_IO use() failed otherwise, not logged.
 */
enum err path_use(struct folder *f, uint32_t uid, struct arena *a,
    int (*use)(const struct file_path *p, void *ctx), void *ctx,
    struct record *rec_out, bool *ghost_out, int *error_out);

/*
 * The file is not where the state says: lists the folder, then looks again. Needs the
 * folder lock. Errors: ERR_GONE.
 */
enum err path_find_again(struct folder *f, uint32_t uid, struct arena *a,
    struct file_path *out, struct record *rec_out, bool *ghost_out);

#endif
