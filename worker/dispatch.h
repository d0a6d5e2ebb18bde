/*
 * Finds the row of a command, checks the state, runs it, syncs the view, writes the
 * tagged line, resets the command arena.
 */
#ifndef WORKER_DISPATCH_H
#define WORKER_DISPATCH_H

#include <stdbool.h>

struct session;

/*
 * Reads and runs one command. False: the session is over (connection dead, LOGOUT,
 * BYE was sent).
 */
bool dispatch_one(struct session *s);

#endif
