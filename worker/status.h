/* Turns an error code into OK, NO, BAD and a response code. */
#ifndef WORKER_STATUS_H
#define WORKER_STATUS_H

#include "common/err.h"
#include "common/span.h"

struct session;

/*
 * Overrides for the running command's tagged line: `code` is what goes between the
 * brackets (NULL: what the error implies; "": none), `text` the human part (NULL:
 * the usual). Both must live until the tagged line (s->command).
 */
void status_set(struct session *s, const char *code, const char *text);

/*
 * Writes "tag OK|NO|BAD [code] text". `name`: the command's, for "FETCH completed".
 * ERR_SYNTAX and ERR_STATE are BAD, all others NO.
 */
void status_write(struct session *s, struct span tag, const char *name,
    enum err e);

/* An untagged one: "* NO [code] text". kind: "OK", "NO", "BAD", "BYE". */
void status_untagged(struct session *s, const char *kind, const char *code,
    const char *text);

#endif
