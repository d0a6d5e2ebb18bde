/* Internal messages over SOCK_SEQPACKET: fixed bodies, a bounded tail, descriptors. */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

/* Who talks. One bit each, so that a row can name several. */
enum ipc_role {
	ROLE_MASTER = 1,
	ROLE_POOL = 2,
	ROLE_WORKER = 4,
	ROLE_AUTH = 8,
	ROLE_HOME = 16,
	ROLE_NOTIFY = 32,
	ROLE_CTL = 64,
	ROLE_HELPER = 128,	/* auth's, for slow password hashes */
};

enum { IPC_TAIL_MAX = 32768, IPC_FDS_MAX = 4 };

/* Message numbers: MSG_... in the order of ipc.def. */
enum ipc_kind {
#define MSG(name, ...) MSG_##name,
#include "common/ipc.def"
#undef MSG
	MSG_COUNT
};

/* The bodies: fixed-width fields, no pointers, no padding that is not zeroed. */

struct ipc_none {
	uint32_t zero;
};

/* An account, towards notify: device and inode of its mail root. */
struct ipc_folder {
	uint64_t dev, ino;
	uint32_t folder_id;
	uint32_t flags;		/* IPC_FOLDER_* */
};
enum {
	IPC_FOLDER_IDLE = 1,	/* SELECT: wake me for every change */
	IPC_FOLDER_GONE = 2,	/* CHANGED: wake all who have it selected, idle or not */
};

/* Through a door: the socket that comes along belongs to this worker. */
struct ipc_hello {
	uint64_t since;		/* seconds since 1970 */
	int32_t pid;
	int32_t dead;		/* to auth: whose account is to be swept, 0: a worker */
};

/* A role is up; what confines it (CONFINED_*, common/sandbox.h). */
struct ipc_ready {
	uint32_t confined;
	uint32_t zero;
};

/* The socket that comes along leads to this role. */
struct ipc_peer {
	uint32_t role;
	uint32_t zero;
};

/* STOP: no new connections; then, unless `drain`, end those there are. */
struct ipc_stop {
	uint32_t drain;
	uint32_t zero;
};

struct ipc_pool {
	uint32_t idle, login, session, limit;
	uint64_t served;	/* connections taken since the start */
	uint32_t crashes;	/* workers that died of a signal of their own doing */
	uint32_t hung;		/* workers killed because others waited for them */
};

/* A worker: KICK, and each line of the answer to WHO. */
struct ipc_who {
	uint64_t since;		/* seconds since 1970 */
	int32_t pid;
	uint32_t more;		/* 0: the list ends, this is no line */
};

/* One step of SASL. */
struct ipc_sasl {
	uint32_t flags;		/* IPC_SASL_* */
	uint32_t result;	/* AUTH_FAILED: enum ipc_failure */
};
enum {
	IPC_SASL_INITIAL = 1, IPC_SASL_SECURED = 2, IPC_SASL_CANCEL = 4,
	IPC_SASL_TLS = 8,	/* for the log */
};
enum ipc_failure {
	FAILURE_PASSWORD,	/* unknown user or wrong password */
	FAILURE_TEMPORARY,	/* a backend does not answer, mail cannot be opened */
	FAILURE_LIMIT,		/* too many sessions of this user from this address */
	FAILURE_DISABLED,	/* this user may not log in (here) */
	FAILURE_MECHANISM,	/* not offered */
	FAILURE_SYNTAX,		/* a malformed response */
	FAILURE_CANCELLED,	/* by the client */
};

/* A request of auth to home and its answer. */
struct ipc_request {
	uint64_t id;
	uint32_t which;		/* ACCOUNT: which directories are there, or a relay;
				 * ADMIN: the uid of who asks */
	uint32_t result;	/* enum err */
};
enum {
	IPC_ROOT = 1, IPC_CONTROL = 2, IPC_INDEX = 4, IPC_RELAY = 8,
	IPC_DETACHED = 16,	/* ACCOUNT: mounts of their own, `..` leads nowhere */
	IPC_PUBLIC = 32,	/* OPEN_*: nobody's; who owns the directory is its owner */
	IPC_EXISTING = 64,	/* OPEN_ACCOUNT: its root is not made */
	IPC_ONLY_UID = 128,	/* OPEN_ACCOUNT, DELIVER: `result` is a uid; only if it is his */
};

/* A session to be run by a process of its own, with this identity. */
struct ipc_run {
	uint32_t uid, gid;
	uint32_t which;		/* as in ACCOUNT: which directories are there */
	uint32_t zero;
};

/* A password to be verified by a helper process, and its verdict. */
struct ipc_verify {
	uint64_t id;
	uint32_t result;	/* enum err: OK, AUTH no match, NOTFOUND no such scheme */
	uint32_t password_bytes; /* tail: password, then the stored form */
};

struct ipc_message {
	enum ipc_kind kind;
	union {
		struct ipc_none none;
		struct ipc_folder folder;
		struct ipc_hello hello;
		struct ipc_ready ready;
		struct ipc_peer peer;
		struct ipc_stop stop;
		struct ipc_pool pool;
		struct ipc_who who;
		struct ipc_sasl sasl;
		struct ipc_request request;
		struct ipc_verify verify;
		struct ipc_run run;
		unsigned char bytes[64];
	} body;
	struct span tail;	/* into buf */
	int fd[IPC_FDS_MAX];	/* receiver owns them; -1 */
	unsigned n_fds;
	char buf[64 + IPC_TAIL_MAX + 1]; /* as received, then a NUL */
};

/*
 * Sends one message. body: the row's struct; tail and fds may be empty.
 * Errors: ERR_IO peer gone (not logged); ERR_BUSY it would block (non-blocking
 * sockets only).
 */
enum err ipc_send(int fd, enum ipc_kind kind, const void *body,
    struct span tail, const int *fds, unsigned n_fds);

/*
 * Receives one and checks it against its row: sender `from` (or one of several)
 * may send it to `to`, lengths, descriptor count. Anything else is ERR_SYNTAX
 * (logged), fatal for this connection. Errors: ERR_IO closed; ERR_BUSY nothing
 * there (non-blocking).
 */
enum err ipc_receive(int fd, enum ipc_role from, enum ipc_role to,
    struct ipc_message *out);

/*
 * Room for one: mapped, so that no page of it stays with a process for its life. Fatal
 * without memory.
 */
struct ipc_message *ipc_message_new(void);
void ipc_message_free(struct ipc_message **m);

/* Closes the descriptors that came with a message and were not taken (-1). */
void ipc_close_fds(struct ipc_message *m);

/* A connected pair of sockets, close-on-exec. Errors: ERR_IO (logged). */
enum err ipc_pair(int fds[2]);

/*
 * Tails of several texts: each but the last ends with NUL. Takes the next one off
 * the front of *tail; "" when nothing is left.
 */
const char *ipc_text(struct span *tail);

#endif
