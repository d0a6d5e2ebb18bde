/*
 * The only writer. Always in this order (DESIGN 7): files in place and synced;
 * folder lock; uidlist appended and synced; one transaction (pages, vanished,
 * counts, modseq); unlock; notify told. A crash between any two steps is repaired
 * by the next look (tests/crash kills at each).
 */
#ifndef MAILDIR_CHANGE_H
#define MAILDIR_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "maildir/deliver.h"
#include "maildir/folder.h"

/*
 * Finished messages become part of the folder, all or none, UIDs ascending without
 * other UIDs between in the order given (d[i]->uid is set).
 * Errors: ERR_QUOTA, ERR_PERM, ERR_IO, ERR_UNAVAIL, ERR_LIMIT (UIDs used up):
 * nothing was added.
 */
enum err change_append(struct folder *f, struct deliver **d, size_t n);

/*
 * Makes sure that messages whose writer died before its sync are on disk, so that
 * sessions may hear of them. For maildir/ only.
 */
enum err change_settle(struct folder *f);

enum store_op { STORE_SET, STORE_ADD, STORE_REMOVE };

struct store_result {
	struct changed_message *done;	/* every message stored to, new flags; in `a` */
	size_t n_done;
	bool *foreign;		/* done[i] had changes this session was not told of */
	uint32_t *gone;		/* UIDs asked for that are expunged */
	size_t n_gone;
	uint64_t modseq;	/* of this change; 0: nothing changed */
};

/*
 * Changes flags and keywords of messages (uids ascending). told: the session's
 * mark, for `foreign`. Up to account.store_batch file names are changed before it
 * returns, the others by account_late_work. \Recent cannot be changed. whole: none
 * of them when one is expunged, told or not (RFC 2180 4.2.4).
 * Errors: ERR_GONE (whole: nothing was done); ERR_PERM read-only; ERR_QUOTA; ERR_IO;
 * ERR_UNAVAIL
 */
enum err change_store(struct folder *f, const uint32_t *uids, size_t n,
    enum store_op op, uint32_t flags, uint64_t keywords, uint64_t told,
    bool whole, struct arena *a, struct store_result *out);

struct expunge_result {
	uint32_t *done;		/* UIDs expunged by us; in `a` */
	size_t n_done;
	size_t n_kept;		/* ERR_BUSY: how many would have been */
};

/*
 * Expunges those of `uids` (ascending; NULL: all) that carry \Deleted. They become
 * ghosts while another session may name them. The deciding step is the rename out
 * of cur/. refuse: not while another session has the folder open (RFC 2180 4.1.4).
 * Errors: ERR_BUSY (refuse: nothing was done); ERR_PERM, ERR_IO, ERR_UNAVAIL; what
 * was done before is done.
 */
enum err change_expunge(struct folder *f, const uint32_t *uids, size_t n,
    bool refuse, struct arena *a, struct expunge_result *out);

struct copy_result {
	uint32_t uidvalidity;	/* of the destination */
	uint32_t *from, *to;	/* pairs, `from` ascending, `to` ascending; in `a` */
	size_t n;
	size_t n_gone;		/* asked for and expunged for good: not copied */
};

/*
 * Copies messages with flags, keywords and dates (hard links where the file system
 * lets us). Ghosts are copied too. All or nothing but for those that are gone; whole:
 * nothing when one is expunged, told or not (RFC 2180 4.4.1). Errors: ERR_GONE
 * (whole); as change_append; the destination is then as it was.
 */
enum err change_copy(struct folder *f, const uint32_t *uids, size_t n,
    struct folder *to, bool whole, struct arena *a, struct copy_result *out);

/*
 * Moves: who renames a message out of the source's cur/ has won it; others find it
 * gone. Each arrives once. refuse: as for change_expunge; whole: as for change_copy.
 * Errors as change_copy, ERR_BUSY; after an error what was claimed is put back.
 */
enum err change_move(struct folder *f, const uint32_t *uids, size_t n,
    struct folder *to, bool refuse, bool whole, struct arena *a,
    struct copy_result *out);

#endif
