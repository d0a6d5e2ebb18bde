/* Brings the view up to date and tells the client. */
#ifndef WORKER_SYNC_H
#define WORKER_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct session;

enum sync_kind {
	SYNC_NONE,	/* say nothing */
	SYNC_KEEP,	/* everything but EXPUNGE: numbers stay valid */
	SYNC_ALL,	/* everything */
};

/*
 * Untagged EXISTS, RECENT, FETCH (FLAGS), FLAGS and, if allowed, EXPUNGE for
 * what changed since the last time. Writes nothing when nothing changed (one
 * read transaction, two fstat). EXPUNGE is kept back while a pipelined command
 * that uses numbers is buffered, but for what the running command itself
 * expunged. A deleted mailbox ends the session with "* BYE Mailbox FOO has been
 * deleted." (policy disconnect). Nothing is done without a selected mailbox.
 * Errors: ERR_UNAVAIL the state was lost: BYE was sent.
 */
enum err sync_client(struct session *s, enum sync_kind kind);

/*
 * For the loop that waits for the next command: call it when wake_fd(s) is
 * readable (conn_wait says CONN_WOKEN), selected or not. Takes the wake-up and
 * says nothing, for no command is in progress, unless the mailbox was deleted
 * (or renamed, under that policy): then BYE is sent and the connection is dead,
 * within the wake-up's time. So the loop is
 *
 *	while ((w = conn_wait(c, wake_fd(s), ms)) == CONN_WOKEN)
 *		sync_woken(s);
 *
 * and ends by itself: conn_wait says CONN_CLOSED for a dead connection.
 */
void sync_woken(struct session *s);

/*
 * " UID n" goes into untagged FETCH when s->by_uid. Writes "* seq FETCH (FLAGS
 * (...))".
 */
void sync_write_flags(struct session *s, uint32_t seq, uint32_t uid,
    uint32_t flags, uint64_t keywords);

/*
 * Keywords that are about to be shown: the client hears of new ones first, and
 * none is left out because another session made it a moment ago. Never within a
 * response.
 */
void sync_know_keywords(struct session *s, uint64_t keywords);

/*
 * "FLAGS (...)" and "OK [PERMANENTFLAGS (...)]", as SELECT and a new keyword
 * need.
 */
void sync_write_flag_lists(struct session *s);

/*
 * Looks at what we may do in the selected mailbox now: before each command, and with
 * each look. False: nothing any more; the session was told BYE.
 */
bool sync_rights(struct session *s);

#endif
