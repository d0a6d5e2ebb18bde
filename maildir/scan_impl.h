/* A scan's inner parts, shared by scan*.c only. */
#ifndef MAILDIR_SCAN_IMPL_H
#define MAILDIR_SCAN_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/listing.h"
#include "maildir/scan.h"
#include "maildir/state.h"
#include "maildir/uidlist.h"

struct record;

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

/* ---- scan_stamp.c ---- */

/* Nanoseconds since 1970. */
int64_t scan_mtime_ns(const struct stat *st);

/*
 * With the last transaction of a scan: *s->r remembers what was listed, as far as its
 * times can be trusted. Before the last: the mark of an import in progress.
 */
void scan_set_stamps(struct scan *s, bool last);

/* ---- scan_compare.c ---- */

/* Lists new/, and cur/ where s->how says so. Errors: as listing_add. */
enum err scan_list(struct scan *s);

/*
 * Both directories were listed: every record against its file. Fills s->found and
 * s->gone; files that are known are marked. Errors: as db_begin, ERR_CORRUPT.
 */
enum err scan_compare_all(struct scan *s);

/*
 * new/ alone was listed: a file with the base name of a message in cur/ is none of its
 * own and stays where it is. Errors: as scan_compare_all.
 */
enum err scan_leave_twins(struct scan *s);

/*
 * Takes out of s->gone what a second listing has, during which neither directory
 * changed. A folder that is never quiet keeps its messages until it is.
 * Errors: ERR_IO, as scan_compare_all.
 */
enum err scan_confirm_gone(struct scan *s);

/* Notes that a message is gone. */
void scan_add_gone(struct scan *s, uint32_t uid);

/* ---- scan_number.c ---- */

/* new/x becomes cur/x:2,... What cannot be moved stays where it is. */
void scan_move_to_cur(struct scan *s, struct listed *m);

/* A name in cur/ that is not spelled as we spell it is renamed. */
void scan_tidy_name(struct scan *s, const struct listed *m);

/*
 * UIDs for s->added, in the uidlist and synced. dotlock_out: set when the uidlist's
 * lock was taken; the caller gives it back. Errors: ERR_BUSY the uidlist changed just
 * now: again, with both listed; ERR_GONE another UIDVALIDITY; ERR_UNAVAIL, ERR_IO.
 */
enum err scan_number(struct scan *s, bool *dotlock_out);

/* ---- scan_apply.c ---- */

/* Everything into the state; notify is told. Errors: as db_commit. */
enum err scan_apply(struct scan *s);

/* The uidlist anew, from the state, after scan_apply; needs the dotlock. */
enum err scan_rewrite_uidlist(struct scan *s);

#endif
