/* Who is here and what is kept for whom, for an administrator to look at. */
#ifndef MAILDIR_CENSUS_H
#define MAILDIR_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

struct account;

/* A session of the account; tunnel's and inetd's are among them. */
struct census_session {
	uint64_t id, pid;
	struct span user, client;	/* client: its address, or "tunnel" */
	uint32_t folder_id;		/* what it has selected, 0: nothing */
	struct span mailbox;		/* storage name of that; p NULL: none */
	bool read_only;
	bool deleted;			/* that mailbox was deleted */
	uint64_t cursor;		/* expunges up to this modseq were told */
	uint64_t backlog;		/* messages expunged past it */
	uint64_t ghosts;		/* of those, how many are still readable */
};

/*
 * All sessions, by their ids; in `a`. A cursor is what was written last (folder_told),
 * so that a backlog is at most too large by what was told within a second.
 * Errors: as db_begin, ERR_CORRUPT.
 */
enum err census_sessions(struct account *acc, struct arena *a,
    struct census_session **out, size_t *n_out);

/* What is kept: an expunged message, or (uid 0) a deleted mailbox that is open. */
struct census_ghost {
	uint32_t folder_id, uid;
	struct span mailbox;		/* storage name */
	uint64_t modseq;		/* sessions with a cursor below it have it */
	uint64_t since_us, bytes;	/* 0: not known */
};

/*
 * All of them, or those of one mailbox (name p NULL: all), in order of folder and UID;
 * in `a`. Errors: as census_sessions.
 */
enum err census_ghosts(struct account *acc, struct span name, struct arena *a,
    struct census_ghost **out, size_t *n_out);

/*
 * Gives up expunged messages of one mailbox (p NULL: of all) as if they had become too
 * old: file, then record. n_out: how many are gone. Errors: as census_sessions.
 */
enum err census_release(struct account *acc, struct span name, size_t *n_out);

#endif
