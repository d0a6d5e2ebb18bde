/*
 * Dovecot's auth socket, for MTAs that let users authenticate (`service auth {
 * unix_listener }`): the server's side of the protocol in auth_line.h. An answer says
 * that the password is right, and who that is; nothing is opened.
 */
#ifndef DAEMON_AUTH_SOCKET_H
#define DAEMON_AUTH_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"
#include "common/span.h"

struct attempt;

/* Sockets to accept on, in place of those before; takes them over. */
void auth_socket_use(const int *fd, size_t n);

/* An event with this tag; false: it is none of ours. */
bool auth_socket_event(uint64_t tag);

/* The ends of an attempt that has t->mta; all forget t, but the first. */
void auth_socket_challenge(struct attempt *t, struct span text);
void auth_socket_agreed(struct attempt *t);
void auth_socket_failed(struct attempt *t, enum ipc_failure why);

#endif
