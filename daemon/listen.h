/* Opens, keeps and closes the listening sockets named in the configuration. */
#ifndef DAEMON_LISTEN_H
#define DAEMON_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/err.h"

struct config;
struct config_socket;

enum { LISTEN_MAX = 60 };

struct listener {
	int fd;
	unsigned kind;		/* LISTEN_TLS, ... (common/handover.h) */
	bool is_dual;		/* systemd's, on "::": takes IPv4, too */
	bool is_inherited;
	struct sockaddr_storage address;	/* TCP, or a unix socket's path */
	socklen_t address_bytes;
	const struct config_socket *socket;	/* unix, while it is made: how */
};

struct listeners {
	struct listener at[LISTEN_MAX];
	size_t n;
};

/*
 * Sockets that systemd handed down (LISTEN_FDS); listen_update finds them by address, in
 * whatever order they are. What is no listening TCP socket is closed (logged).
 */
void listen_inherit(struct listeners *out);

/*
 * Makes *set what the configuration wants: sockets whose address is wanted still are
 * kept (and so are connections waiting in them), others are opened and closed. The
 * order is that of the configuration, IMAP's first. A unix socket that cannot be made is
 * logged, and the others are served. Errors: ERR_IO (logged): an address cannot be had,
 * nothing changed.
 */
enum err listen_update(const struct config *cfg, struct listeners *set);

/* Closes all of them; unix sockets leave the file system. */
void listen_close(struct listeners *set);

#endif
