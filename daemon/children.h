/* The master's children: starts roles and pools, notices their deaths. */
#ifndef DAEMON_CHILDREN_H
#define DAEMON_CHILDREN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct child;
struct config;
struct ipc_message;
struct master;
struct pool;

/* The doors of auth and notify, which outlive both. Errors: ERR_IO (logged). */
enum err children_prepare(struct master *m);

/* Starts a role; its peer is told. Errors: ERR_IO (logged). */
enum err children_start_role(struct master *m, struct child *c);

/* Starts a pool with this configuration. Errors: ERR_IO (logged), ERR_LIMIT. */
enum err children_start_pool(struct master *m, const struct config *cfg);

/* The pool that serves or will; NULL: none. */
struct pool *children_active_pool(struct master *m);

/* Auth has a question for a worker with somebody's account (STEWARD). */
void children_call_steward(struct master *m, const struct ipc_message *msg);

/* Starts a session that home asks for (RUN); the descriptors stay the message's. */
void children_run_session(struct master *m, struct ipc_message *msg);

/* Sends STOP; drain: sessions go on. */
void children_stop_pool(struct pool *p, bool drain);

/* Reaps everything that ended; roles and the active pool are put down for a restart. */
void children_reap(struct master *m);

/* Starts what is due to be started again. Returns ms until the next, -1: none. */
int children_restart(struct master *m);

/* A new configuration for auth, home and notify. */
void children_reconfigure(struct master *m, const struct config *cfg);

/* Whether any process of a pool, dead or alive, is left. */
bool children_any_pool(struct master *m);

/* A signal to every process of every pool, orphans included. */
void children_signal_pools(struct master *m, int sig);

#endif
