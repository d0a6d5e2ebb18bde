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
 * The file is not where the state says: lists the folder, then looks again.
 * Errors: ERR_GONE.
 */
enum err path_find_again(struct folder *f, uint32_t uid, struct arena *a,
    bool locked, struct file_path *out, struct record *rec_out,
    bool *ghost_out);

#endif
