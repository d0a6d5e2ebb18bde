/* Adding files to a folder: common to APPEND, COPY and MOVE. Internal to maildir/. */
#ifndef MAILDIR_CHANGE_ADD_H
#define MAILDIR_CHANGE_ADD_H

#include <stddef.h>
#include <stdint.h>

#include "common/db.h"
#include "common/err.h"
#include "maildir/index.h"

struct folder;

/* A file on its way into `to`->cur_fd. */
struct incoming {
	struct record rec;	/* all but uid and modseq */
	int from_dir;		/* where the file is now; renamed from there */
	const char *from_name;
	char name[400];		/* in cur/ */
	bool placed;
	bool seen;		/* by this user, where \Seen is his own */
};

/*
 * Renames the files into cur/ (all or none), gives them UIDs and commits. Needs the
 * lock of `to`. Afterwards, without the lock, change_sync_added must be called
 * before anybody is told.
 * also(): runs in the same transaction, for MOVE's source; NULL: nothing. A file
 * that is gone (ENOENT) is left out when may_miss (placed stays false), else it
 * is ERR_GONE.
 */
enum err change_add(struct folder *to, struct incoming *in, size_t n,
    bool may_miss, enum err (*also)(struct db_txn *t, void *ctx), void *ctx);

/* Syncs cur/ and the uidlist; UIDs below `upto` may be told from then on. */
enum err change_sync_added(struct folder *to, uint32_t upto);

#endif
