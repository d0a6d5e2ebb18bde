/* Unix sockets that a service block names: made, given away, removed. */
#ifndef DAEMON_LISTEN_UNIX_H
#define DAEMON_LISTEN_UNIX_H

#include <stddef.h>
#include <sys/un.h>

#include "common/err.h"

struct config;
struct config_socket;

/* Bytes of a path, with its NUL. */
enum { LISTEN_UNIX_PATH = sizeof(((struct sockaddr_un){ 0 }).sun_path) };

/*
 * Where it lies: a path that is not absolute is one in base_dir. service ("auth") is for
 * the log. Errors: ERR_LIMIT too long for a socket (logged).
 */
enum err listen_unix_path(const struct config *cfg, const char *service,
    const struct config_socket *s, char out[LISTEN_UNIX_PATH]);

/*
 * Makes the socket and listens on it; a socket that is there is taken out of the way,
 * nothing else is. Nobody gets in before it has its owner and mode.
 * Errors: ERR_NOTFOUND no such user or group, ERR_PERM, ERR_IO; all logged.
 */
enum err listen_unix_open(const char *path, const char *service,
    const struct config_socket *s, int *fd_out);

/* Owner and mode once more, for one that is kept over a reload. Errors so too. */
enum err listen_unix_give(const char *path, const char *service,
    const struct config_socket *s);

#endif
