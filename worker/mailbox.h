/* Mailbox names as arguments of commands. */
#ifndef WORKER_MAILBOX_H
#define WORKER_MAILBOX_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

struct session;
struct cursor;
struct target;

/*
 * Reads a mailbox argument: whose and where, not yet reached; texts in s->command. A
 * name that can never be is not an error of grammar: *bad_out gets ERR_NOTFOUND or
 * ERR_CANNOT, so that the rest can be parsed first. Errors: ERR_SYNTAX.
 */
enum err mailbox_argument(struct session *s, struct cursor *in,
    struct target *t_out, enum err *bad_out);

/*
 * For the NO to a name that is not there: says [NEWNAME old new] (RFC 2060 7.1) when
 * the mailbox was renamed, else sets `otherwise` as the response code (NULL: what
 * ERR_NOTFOUND implies, "TRYCREATE"). Returns ERR_NOTFOUND.
 */
enum err mailbox_missing(struct session *s, const struct target *t,
    const char *otherwise);

/*
 * For the NO to what other sessions are in the way of (RFC 2180 3.1, 4.1.4), or, of a
 * name that a deleted mailbox has still, "still in use" (3.2). Returns ERR_BUSY.
 */
enum err mailbox_in_use(struct session *s, const struct target *t);

/* The same of the selected mailbox. */
enum err mailbox_selected_in_use(struct session *s);

#endif
