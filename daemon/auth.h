/* The auth role: its clients (workers) and the way of an attempt to log in. */
#ifndef DAEMON_AUTH_H
#define DAEMON_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "common/ipc.h"
#include "daemon/sasl.h"

enum attempt_phase {
	PHASE_IDLE,		/* nothing was asked, or it failed */
	PHASE_SASL,		/* a challenge is out */
	PHASE_VERIFYING,	/* a helper computes */
	PHASE_OPENING,		/* home opens the account */
	PHASE_DELAY,		/* the failure is kept back */
	PHASE_SESSION,		/* logged in; the socket stays as long as the session */
};

/* A worker's socket, or a question of loftctl (fd -1). */
struct attempt {
	uint64_t id;
	int fd;
	pid_t pid;
	uint64_t since;			/* seconds since 1970 */
	enum attempt_phase phase;
	struct attempt *next, *before;	/* in the delay list or a helper's queue */
	bool is_queued;
	uint64_t due_ms;
	enum ipc_failure failure;
	uint64_t test_id;		/* of a question of loftctl */

	/* the attempt; memory in `arena` */
	struct arena arena;
	struct sasl sasl;
	const char *session, *remote, *local, *mechanism;
	const char *tried;		/* the name as it came */
	const char *user;		/* normalised */
	unsigned passdb;		/* number of the one that is asked */
	struct span stored;		/* what its password is compared with */
	struct span extra;		/* fields of its entry */
	bool temporary;			/* a passdb could not be asked */

	/* a session's */
	char *name, *address;		/* malloc'ed; NULL before */
	struct counter *counter;	/* of user and address, NULL: not counted */
};

/* ---- auth.c ---- */

extern struct config *auth_cfg;

/* Asks home for a passwd-file (auth_open_fn). */
enum err auth_open_passwd(const char *path, const char *user, int *fd_out);

/* Hands a user whose password was right to home. */
void auth_open_account(struct attempt *t, const char *uid, const char *gid,
    const char *home, const char *mail);

/* The attempt failed: tells the worker, after the delay where one is due. */
void auth_fail(struct attempt *t, enum ipc_failure why);

/* Counts user and address. ERR_LIMIT: there are too many sessions already. */
enum err auth_count(struct attempt *t);

/* A slow password goes to a helper; auth_verified comes later. */
void auth_verify(struct attempt *t);

/* ---- auth_check.c ---- */

/* User and password are known: goes on until a passdb agrees, or none is left. */
void auth_check(struct attempt *t);

/* What a helper found (ERR_OK, ERR_AUTH, ...) for the passdb that is asked. */
void auth_verified(struct attempt *t, enum err result);

/* ---- auth_helper.c ---- */

/* Starts a process that computes slow hashes; *fd_out leads to it. Fatal on failure. */
void auth_helper_start(const struct config *cfg, int *fd_out);

#endif
