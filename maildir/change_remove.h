/* Taking messages out of a folder's state: common to EXPUNGE and MOVE. Internal. */
#ifndef MAILDIR_CHANGE_REMOVE_H
#define MAILDIR_CHANGE_REMOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/db.h"
#include "common/err.h"
#include "maildir/index.h"

struct folder;

struct removal {
	struct record *rec;	/* for callers; not used here */
	int64_t before;		/* cur/'s mtime before the renames */
	bool ghosts;		/* in: the files are ghosts by now; out: or
				 * have to be, for others have the folder open */
	uint64_t modseq;	/* out: of the expunge */
};

/*
 * Removes records (uids ascending), writes one `vanished` record and, if others have
 * the folder open, ghosts. Needs the folder lock.
 */
enum err remove_records(struct db_txn *t, struct folder *f,
    const uint32_t *uids, size_t n, struct removal *removal);

#endif
