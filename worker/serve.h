/* One worker: confines itself, takes a connection, serves it, ends. */
#ifndef WORKER_SERVE_H
#define WORKER_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct config;
struct ipc_message;
struct scoreboard_slot;
struct session;
struct tls;

/* What a worker inherits; descriptors are the pool's until it forked. */
struct serve {
	const struct config *cfg;
	struct tls *tls;		/* NULL: no TLS */
	int auth_door, notify_door;	/* -1: none */
	int mail_door;			/* to auth, for who takes mail; -1 */
	int empty_fd;			/* the empty directory, -1: no chroot */
	int taken_fd;			/* eventfd: "I took a connection", -1: nobody asks */
	int alive_fd;			/* hangs up when the pool is gone, -1 */
	const int *listen_fd;
	const char *listen_kind;	/* '0' + LISTEN_* for each */
	size_t n_listen;
	uid_t uid;			/* to become; (uid_t)-1: stay */
	gid_t gid;
	struct scoreboard_slot *slot;	/* NULL: none */
	bool aside;			/* serves no client */
};

/*
 * The life of a forked worker: confinement, sockets to auth and notify, accept,
 * session. Never returns.
 */
__attribute__((noreturn)) void serve_next(const struct serve *v);

/* A worker that serves nobody, but sweeps the account of the one that died. */
__attribute__((noreturn)) void serve_sweep(const struct serve *v, pid_t dead);

/* A worker that serves loftctl: does what ADMIN asks, answers, ends. */
__attribute__((noreturn)) void serve_admin(const struct serve *v,
    struct ipc_message *m);

/* For those who look from outside: a command of the session has ended just now. */
void serve_note_command(uint64_t now_ms);

/* The same for a connection that is there already (inetd). */
__attribute__((noreturn)) void serve_this(const struct serve *v, int in_fd,
    int out_fd);

/*
 * A socket of our own to auth, through a door of its; dead: whose account is to be swept
 * (0: none). -1: there is none (logged).
 */
int serve_connect_auth(int door, pid_t dead);

/*
 * The first confinement: identity, empty root, no capabilities, no new rights.
 * Returns what is in force (CONFINED_*).
 * Errors: ERR_UNAVAIL `confinement = required` and something is missing (logged).
 */
enum err serve_confine(const struct serve *v, unsigned *confined_out);

/*
 * The second one, at login: only beneath these directories (negative ones are
 * skipped). In force for ever. Errors as above.
 */
enum err serve_confine_session(struct session *s, const int *dir_fds,
    size_t n);

/* The TLS context, warmed up; NULL: ssl = no, or no certificate. Fatal: a bad one. */
struct tls *serve_tls(const struct config *cfg);

/* Wipes what no worker needs: passwords of passdbs, the private key's text. */
void serve_forget_secrets(struct config *cfg);

/*
 * Who workers will be (v->uid, v->gid): see place_worker. Without root: tries a
 * user namespace for the chroot. Errors: ERR_NOTFOUND (logged).
 */
enum err serve_identity(const struct config *cfg, struct serve *v);

/* SIGTERM ends a session at its next boundary; SIGPIPE is an error of write. */
void serve_signals(void);

#endif
