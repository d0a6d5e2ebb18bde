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

/* An account, towards notify: device and inode of its mail root. */
struct ipc_folder {
	uint64_t dev, ino;
	uint32_t folder_id;
	uint32_t flags;		/* IPC_FOLDER_* */
};
enum { IPC_FOLDER_IDLE = 1 };

struct ipc_message {
	enum ipc_kind kind;
	union {
		struct ipc_folder folder;
		unsigned char bytes[512];
	} body;
	struct span tail;	/* into buf */
	int fd[IPC_FDS_MAX];	/* receiver owns them; -1 */
	unsigned n_fds;
	char buf[IPC_TAIL_MAX + 1];
};

/*
 * Sends one message. body: the row's struct; tail and fds may be empty.
 * Errors: ERR_IO peer gone (not logged); ERR_BUSY it would block (non-blocking
 * sockets only).
 */
enum err ipc_send(int fd, enum ipc_kind kind, const void *body,
    struct span tail, const int *fds, unsigned n_fds);

/*
 * Receives one and checks it against its row: sender `from` may send it to `to`,
 * lengths, descriptor count. Anything else is ERR_SYNTAX (logged), fatal for this
 * connection. Errors: ERR_IO closed; ERR_BUSY nothing there (non-blocking).
 */
enum err ipc_receive(int fd, enum ipc_role from, enum ipc_role to,
    struct ipc_message *out);

/* Closes the descriptors that came with a message and were not taken (-1). */
void ipc_close_fds(struct ipc_message *m);

/* A connected pair of sockets, close-on-exec. Errors: ERR_IO (logged). */
enum err ipc_pair(int fds[2]);

#endif
