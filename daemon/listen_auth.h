/* The auth socket's places in the file system: made by the master, used by auth. */
#ifndef DAEMON_LISTEN_AUTH_H
#define DAEMON_LISTEN_AUTH_H

struct master;

/*
 * Makes the sockets that the configuration names (service auth { unix_listener }) and
 * sends them to auth; others that were made before are removed. A socket that cannot
 * be made is logged, and the others are served.
 */
void listen_auth_update(struct master *m);

/* Removes them all. */
void listen_auth_end(void);

#endif
