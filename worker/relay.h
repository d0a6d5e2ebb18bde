/*
 * Sessions of owners whose ids cannot be mapped: a process with the owner's identity
 * runs the session, the worker that has the client (and its TLS) passes bytes on.
 */
#ifndef WORKER_RELAY_H
#define WORKER_RELAY_H

#include "common/err.h"

struct session;

/*
 * The worker's side, after the login: waits for the session's greeting, answers the
 * client's command with it and passes bytes on until one side ends. The connection is
 * dead afterwards. Takes fd over. Errors: ERR_UNAVAIL the session did not start (the
 * client was told nothing).
 */
enum err relay_run(struct session *s, const char *user, int fd);

/* `loft-worker --session user remote local id mechanism TLS`: the session's side. */
int relay_main(int argc, char **argv);

#endif
