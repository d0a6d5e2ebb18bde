/* Taking messages out of a folder's state: common to EXPUNGE and MOVE. Internal. */
#ifndef MAILDIR_CHANGE_REMOVE_H
#define MAILDIR_CHANGE_REMOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/db.h"
#include "common/err.h"
#include "maildir/index.h"
#include "maildir/others.h"

struct folder;

struct removal {
	struct record *rec;	/* for callers; not used here */
	int64_t before;		/* cur/'s mtime before the renames */
	bool ghosts;		/* in: the files are ghosts by now; out: or
				 * have to be, for others have the folder open */
	uint64_t modseq;	/* out: of the expunge */
	const uint64_t *size;	/* of the files, where the state does not know,
				 * by position in uids; NULL: ghosts tell */
	size_t at;		/* position */
};

/*
 * Who else has the folder open, so that what is removed has to become ghosts. Needs
 * the folder lock, which who opens it takes. ERR_BUSY: there is somebody and that is to
 * be refused.
 */
enum err removal_allow(struct folder *f, bool refuse, struct arena *a,
    struct others *others_out);

/*
 * One line about what was removed from under others, or was not (n is 0) because of
 * them; none if there are no others. done: "expunged".
 */
void removal_log(const struct folder *f, size_t n, const char *done,
    const struct others *others, struct arena *a);

/*
 * Removes records (uids ascending), writes one `vanished` record and, if others have
 * the folder open, ghosts. Needs the folder lock.
 */
enum err remove_records(struct db_txn *t, struct folder *f,
    const uint32_t *uids, size_t n, struct removal *removal);

#endif
