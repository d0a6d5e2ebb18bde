/* Folders of somebody else: asked of auth, handed over by home. */
#ifndef WORKER_SHARE_H
#define WORKER_SHARE_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

struct buf;
struct session;
struct target;

/*
 * Whether this session can come to any: there are such, auth is there to ask, and what
 * it has are mounts of their own, so that it is confined without Landlock.
 */
bool share_is_possible(const struct session *s);

/*
 * Root, control and index directory of a folder of somebody else (-1: none), which auth
 * gives to who may look it up. They are the caller's. Errors: ERR_NOTFOUND no such
 * user, folder or right; ERR_UNAVAIL (logged).
 */
enum err share_open(struct session *s, const struct target *t, int fd[3]);

/*
 * Users who have let this one's user see something (acl_shared_dict); in s->command.
 * Errors: ERR_UNAVAIL (logged).
 */
enum err share_owners(struct session *s, struct span **out, size_t *n_out);

/* Has it put down that the session's user lets an identifier see something. */
void share_note(struct session *s, struct span id);

/*
 * Has something done by a worker that is handed the account of t's owner: words as in
 * steward.h. *answer_out: what follows the result; the caller's, also after an error.
 * Errors: what the steward says; ERR_NOTFOUND no such user; ERR_UNAVAIL (logged)
 */
enum err share_ask(struct session *s, const struct target *t,
    const struct span *word, size_t n, struct buf *answer_out);

#endif
