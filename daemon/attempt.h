/* An attempt to log in, the table of all of them, and who is counted. */
#ifndef DAEMON_ATTEMPT_H
#define DAEMON_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/ipc.h"
#include "common/span.h"
#include "daemon/sasl.h"

/* What home was asked to open for a session: OPEN_ACCOUNT's `which` and tail. */
struct attempt_opened {
	unsigned which;
	struct span request;
};

/* Of one session: its account, then folders of others. */
enum { ATTEMPT_OPENED_MAX = 9 };

/* Below are no ids of attempts. */
enum { ATTEMPT_FIRST_ID = 100 };

enum attempt_phase {
	PHASE_IDLE,		/* nothing was asked, or it failed */
	PHASE_SASL,		/* a challenge is out */
	PHASE_VERIFYING,	/* a helper computes */
	PHASE_DERIVING,		/* so it does, keys of SCRAM */
	PHASE_ASKING,		/* the system is asked about the password */
	PHASE_LOOKING,		/* and about the user */
	PHASE_OPENING,		/* home opens the account */
	PHASE_DELAY,		/* the failure is kept back */
	PHASE_SESSION,		/* logged in; the socket stays as long as the session */
};

struct attempt_list {
	struct attempt *first, *last;
};

/* A worker's socket, or a question of loftctl (fd -1). */
struct attempt {
	uint64_t id;
	int fd;
	pid_t pid;
	uint64_t since;			/* seconds since 1970 */
	enum attempt_phase phase;
	struct attempt *next, *before;	/* in its list */
	struct attempt_list *list;	/* the one it is in, NULL: none */
	uint64_t due_ms;
	enum ipc_failure failure;
	uint64_t test_id;		/* of a question of loftctl */
	uint64_t mta;			/* a client of the auth socket; 0: none */

	/* the attempt; memory in `arena` */
	struct arena arena;
	struct sasl sasl;
	const char *session, *remote, *local, *mechanism;
	bool tls;
	const char *tried;		/* the name as it came */
	const char *user;		/* normalised */
	const char *groups;		/* in lists of rights: "staff,sales" */
	const char *settings;		/* of this user: "name=value" a line */
	unsigned passdb, userdb;	/* numbers of those that are asked */
	struct span question;		/* for the system, without the password */
	struct span stored;		/* what its password is compared with */
	struct span derive;		/* what SCRAM derives keys from */
	struct sasl_binding binding;
	struct span extra;		/* fields of its entry */
	bool temporary;			/* a passdb could not be asked */

	/* a session's */
	char *name, *address;		/* malloc'ed; NULL before */
	char *member_of;		/* groups, so too */
	struct attempt_opened *opened;	/* malloc'ed, as what they name */
	size_t n_opened;
	bool aside;			/* serves no client: auth_sweep, auth_look_up */
	size_t sweeps;			/* so many accounts are still to come */
	bool takes_mail;		/* came through the mail door */
	bool once;			/* a question of its own: gone when it is answered */
	bool looks;			/* LOOK_UP: nothing is opened */
	int mail_fd;			/* DELIVER: the message; -1 */
	bool only_uid;			/* and only where the account is that uid's */
	uint32_t uid;
	bool shares;			/* about the account of somebody else */
	uint64_t session_id;		/* whose attempt asked */
	struct span request;		/* what home is asked */
	bool is_public;			/* which is nobody's */
	const char *asker, *asker_groups;	/* for whom; in `arena` */
	const char *folder;		/* this one is wanted, by its storage name; "" */
	struct span words;		/* or a worker that does this; p NULL */
	struct counter *counter;	/* of user and address, NULL: not counted */
};

/* An id is never used twice; NULL: no such attempt (any more). */
struct attempt *attempt_by_id(uint64_t id);

/* Slot i of the table, NULL: free; false past its end. For looking at all. */
bool attempt_at(size_t i, struct attempt **out);

/* A new one, idle. Takes fd over. */
struct attempt *attempt_new(int fd);

/* The next of a tail's texts, in the attempt's memory. */
const char *attempt_text(struct attempt *t, struct span *tail);

/*
 * Remembers what home was asked for it: a copy. The account comes first; of folders the
 * latest are kept.
 */
void attempt_keep(struct attempt *t, unsigned which, struct span request);

/*
 * What home was asked for the session of this worker, one that goes on or one of the
 * last that ended. 0: nothing is known. Good until the next attempt_free.
 */
size_t attempt_opened_by(pid_t pid, const struct attempt_opened **out);

/* Closes its socket and forgets it, wherever it is listed or counted. */
void attempt_free(struct attempt *t);

/* What it learned of one attempt is wiped; a session stays one. */
void attempt_forget(struct attempt *t);

/* Into a list after another (NULL: to the front), and out of the one it is in. */
void attempt_enqueue(struct attempt_list *list, struct attempt *t,
    struct attempt *after);
void attempt_dequeue(struct attempt *t);

/*
 * Counts its user and address, at most limit (0: any number).
 * Errors: ERR_LIMIT there are as many already.
 */
enum err attempt_count(struct attempt *t, uint64_t limit);
void attempt_uncount(struct attempt *t);

#endif
