/* The one session object: connection, account, view, arenas, state. */
#ifndef WORKER_SESSION_H
#define WORKER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "worker/input.h"
#include "worker/view.h"

struct account;
struct config;
struct config_namespace;
struct conn;
struct folder;
struct tls;

/* Bits, so that a command row can name several. */
enum session_state {
	ST_NOAUTH = 1,
	ST_AUTH = 2,
	ST_SELECTED = 4,
	ST_LOGOUT = 8,
	ST_ANY = 7,
	ST_LOGGEDIN = 6,
};

enum { SESSION_ID_BYTES = 48 };

struct session {
	enum session_state state;
	struct conn *conn;
	const struct config *cfg;
	struct tls *tls_context;	/* NULL: no STARTTLS */
	struct input input;
	struct arena command;		/* cleared after the tagged line */
	struct arena life;		/* until the end */

	/* who it is */
	char *user;			/* NULL before login */
	const char *groups;		/* "staff,sales", for lists of rights; NULL: none */
	char session_id[SESSION_ID_BYTES];	/* for log lines */
	struct sockaddr_storage remote, local;
	bool tls_from_start;		/* imaps */
	bool is_tunnel;			/* -P */
	bool delivers;			/* mail of others, and nothing else */
	bool is_tls_elsewhere;		/* the worker has TLS (relayed), or a proxy */
	bool is_trusted;		/* login_trusted_networks */
	bool is_detached;		/* its directories are mounts of their own */
	bool start_tls;			/* STARTTLS: handshake after the tagged OK */

	/* the mailbox */
	struct account *account;
	struct folder *folder;		/* NULL unless ST_SELECTED */
	const struct config_namespace *folder_ns;
	char *folder_owner;		/* "": our own, or nobody's; in folder's arena */
	unsigned folder_rights;		/* ACL_*, as of the last look */
	struct view view;

	struct buf renames_told;	/* old and new name, each with a NUL (OLDNAME) */

	/* towards auth and notify; -1: not there (tunnel) */
	int auth_fd, notify_fd;
	struct wake *wake;		/* worker/wake.h */

	/* what dispatch needs for the tagged line */
	const char *status_code;	/* set by status_set: "TRYCREATE" */
	const char *status_text;
	bool by_uid;			/* the running command is a UID form */
	bool idling;
	unsigned bad_commands;		/* since the last good one */
	unsigned failed_logins;
	char tried_user[128];		/* for log lines before login */
	char tried_method[24];		/* "PLAIN" */
	bool tried_plaintext;		/* refused: a password without TLS */
	bool logged_id;			/* the client's ID was logged */
	bool enabled_utf8, enabled_condstore, enabled_qresync, enabled_rev2;

	/* for the logout line */
	time_t connected_at;
	uint64_t connected_ms, command_ms;	/* clock_mono_ms; of the last command's end */
	char command_name[24];		/* "UID FETCH", the last one; "" none */
	uint64_t n_deleted, n_expunged, n_header_bytes, n_headers;
	uint64_t n_body_bytes, n_bodies;
};

/* A session on a connection, not logged in. Takes nothing over but conn. */
struct session *session_new(struct conn *conn, const struct config *cfg);

/* Sixteen characters for log lines that mean nothing: "Xf3q0a...". */
void session_make_id(char out[SESSION_ID_BYTES]);

/* Gives everything back: folder, account, connection. */
void session_free(struct session **s);

/*
 * Greeting, then commands until the connection ends or LOGOUT. Logs the end
 * ("Disconnected: Logged out in=... out=..." and friends).
 */
void session_run(struct session *s);

/* SIGTERM: say BYE when next waiting for the client. Async-signal-safe. */
void session_request_stop(void);

/*
 * Logged in with an opened account (taken over): logs the "Login:" line, sets state
 * and the prefix of log lines, makes the configured mailboxes (auto=create,
 * auto=subscribe) that are missing.
 */
void session_logged_in(struct session *s, const char *user,
    struct account *account);

/* Leaves the selected mailbox, if any: view and reference go. */
void session_unselect(struct session *s);

/*
 * "* BYE text", flush, and the end: conn is dead afterwards. `why` is for the log
 * ("Inactivity", "Too many invalid commands").
 */
void session_bye(struct session *s, const char *text, const char *why);

#endif
