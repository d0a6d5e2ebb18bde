/* What a process of the server finds when it starts: descriptors by number. */
#ifndef COMMON_HANDOVER_H
#define COMMON_HANDOVER_H

#include <stdbool.h>

#include "common/err.h"

struct config;

enum {
	FD_CONTROL = 3,		/* to the master, -: closed in inetd */
	FD_CONFIG = 4,		/* the configuration as text, with secrets */
	FD_DOOR = 5,		/* auth, notify: where workers' sockets come in */
	FD_AUTH_DOOR = 5,	/* pool: the other end of auth's door */
	FD_PEER = 6,		/* auth: to home; home: to auth */
	FD_NOTIFY_DOOR = 6,	/* pool: the other end of notify's door */
	FD_EMPTY = 7,		/* the empty directory */
	FD_MAIL_DOOR = 8,	/* auth's for workers that take mail; pool: its other end */
	FD_LISTEN = 9,		/* pool: listening sockets, from here on */
	FD_INFO_LOG = 100,	/* info_log_path, where that is set */
};

/* What a pool is told of each of its listening sockets, in one digit. */
enum {
	LISTEN_TLS = 1,		/* from the first byte (after a PROXY header) */
	LISTEN_PROXIED = 2,	/* begins with a PROXY header */
	LISTEN_LMTP = 4,	/* speaks LMTP, not IMAP */
	LISTEN_LDA = 8,		/* the same for loft-lda, and nothing else */
};

/*
 * Reads and parses a configuration text. Errors: ERR_SYNTAX, ERR_IO (logged).
 */
enum err handover_config(int fd, struct config **cfg_out);

/*
 * The other side: a configuration as a sealed memory file, with secrets, at its
 * start. Errors: ERR_IO (logged).
 */
enum err handover_config_fd(const struct config *cfg, int *fd_out);

/* Logs to descriptor 2 or syslog, as configured, with this prefix. */
void handover_log(const struct config *cfg, const char *prefix);

#endif
