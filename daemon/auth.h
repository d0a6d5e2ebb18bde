/* The auth role: the way of an attempt to log in, file by file. */
#ifndef DAEMON_AUTH_H
#define DAEMON_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/err.h"
#include "common/ipc.h"
#include "daemon/attempt.h"

/* ---- auth.c ---- */

extern struct config *auth_cfg;

/* The attempt failed: tells the worker, after the delay where one is due. */
void auth_fail(struct attempt *t, enum ipc_failure why);

/* Counts an attempt that succeeded; a failed one counts itself. */
void auth_succeeded(const struct attempt *t);

/* Begins an attempt whose mechanism and addresses are set; initial.p NULL: none. */
void auth_begin(struct attempt *t, struct span initial);

/* The client's answer to a challenge. */
void auth_answer(struct attempt *t, struct span response);

/* Whether there is something to read from fd; tag comes back with the event. */
void auth_watch(int fd, uint64_t tag);
void auth_unwatch(int fd);

/* A slow password goes to a helper; auth_verified comes later. */
void auth_verify(struct attempt *t);

/*
 * Asks the system ("passwd", "shadow", "pam" with its service, "userdb"); what it says
 * comes to auth_system_says.
 */
void auth_ask_system(struct attempt *t, const char *what, const char *service);

/* ---- auth_check.c ---- */

/* Whether a passdb or userdb is one that the system has to be asked for. */
bool auth_needs_system(const struct config *cfg);

/* User and password are known: goes on until a passdb agrees, or none is left. */
void auth_check(struct attempt *t);

/*
 * Opens the account of t->tried without a password, for an administrator. Where only a
 * userdb that knows everybody answers, a passdb must know the user too.
 */
void auth_look_up(struct attempt *t);

/* What a helper found (ERR_OK, ERR_AUTH, ...) for the passdb that is asked. */
void auth_verified(struct attempt *t, enum err result);

/* The same of the system, about a password or (found: uid, gid, home) a user. */
void auth_system_says(struct attempt *t, enum err result, struct span found);

/* ---- auth_share.c ---- */

/*
 * A session (t) wants a folder of somebody else: his account is looked up, the folder's
 * list of rights read and judged, and the folder handed over by home, or SHARE is
 * answered with AUTH_FAILED.
 */
void auth_share(struct attempt *t, struct ipc_message *m);

/*
 * A session wants something of such an account that takes all of it: a worker that is
 * handed it (worker/steward.h) does it and answers on the socket that comes along. If
 * there is none, the answer is auth_refuse_asker's: "-67\n" no such user, "-75\n" not
 * now. Forgets t.
 */
void auth_ask_owner(struct attempt *session, struct ipc_message *m);
void auth_refuse_asker(struct attempt *t);

/* Answers SHARERS: who shares with the user of a session. */
void auth_tell_sharers(struct attempt *session);

/* Puts down that he shares with somebody (SHARES), where it is not known yet. */
void auth_note_sharer(struct attempt *session, struct ipc_message *m);

/*
 * The account was found: whether t->asker may see t->folder, or calls the steward.
 * request: as home is asked for the account. Errors: ERR_NOTFOUND he may not;
 * ERR_UNAVAIL (logged); as auth_open_list
 */
enum err auth_admit(struct attempt *t, struct span request);

/* ---- auth_mail.c ---- */

/*
 * A worker that takes mail (session) asks whether there is such a user: FOUND or
 * AUTH_FAILED.
 */
void auth_mail_look_up(struct attempt *session, struct ipc_message *m);

/*
 * It has a message for him: a worker with his account delivers it and answers on the
 * socket that comes along, or auth_refuse_asker does.
 */
void auth_mail_deliver(struct attempt *session, struct ipc_message *m);

/* ---- auth_worker.c ---- */

/*
 * The account was found, and home will be asked for it: the master is to have a worker
 * for t->words begin, whose account comes through a pair, of which t->fd is our end
 * then. What goes wrong after that the worker is told. Errors: ERR_UNAVAIL, ERR_LIMIT
 */
enum err auth_call_worker(struct attempt *t, struct span words);

/* ---- auth_home.c ---- */

/* Asks home for a folder's list of rights. ERR_NOTFOUND: it has none. */
enum err auth_open_list(const struct attempt *t, struct span request,
    int *fd_out);

/* Has home write an entry of acl_shared_dict. */
void auth_write_sharing(struct span key);

/* Asks home for a passwd-file (auth_open_fn), or that of acl_shared_dict. */
enum err auth_open_passwd(const char *path, const char *user, int *fd_out);

/* Hands a user whose password was right to home. */
void auth_open_account(struct attempt *t, const char *uid, const char *gid,
    const char *home, const char *mail);

/*
 * A worker of the pool that serves nobody is handed the account of one that died, and
 * folders of others that it was in, to take away what that one left.
 */
void auth_sweep(struct attempt *t, pid_t dead);

/* Home's socket; takes it over, in place of the one there was. */
void auth_home_use(int fd, uint64_t tag);

/* Reads home's answers. */
void auth_home_hear(void);

/* ---- auth_helper.c ---- */

/* Starts a process that computes slow hashes; *fd_out leads to it. Fatal on failure. */
void auth_helper_start(const struct config *cfg, int *fd_out);

/* ---- auth_system.c ---- */

struct auth_question {
	const char *what, *service, *user, *remote;
	const char *password;
};

/* Starts a process that asks the system; *fd_out leads to it. Fatal on failure. */
void auth_system_start(int *fd_out);

/* ---- auth_pam.c ---- */

/*
 * Authentication and account management of the question's service. Errors: ERR_AUTH
 * wrong, expired or not allowed; ERR_NOTFOUND; ERR_UNAVAIL PAM cannot say (logged).
 */
enum err auth_pam_ask(const struct auth_question *q);

#endif
