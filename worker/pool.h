/* The ways in which loft-worker gets its connection: pool, inetd, tunnel. */
#ifndef WORKER_POOL_H
#define WORKER_POOL_H

/*
 * Keeps a stock of ready workers on listening sockets that the master handed down
 * (descriptors: see common/roles.h). Returns the exit status.
 */
int pool_main(int argc, char **argv);

/* Serves the one connection on descriptor 0; auth and home as for a pool. */
int inetd_main(int argc, char **argv);

/*
 * Serves the calling user's own mail on descriptors 0 and 1, without a login:
 * `loft-worker -P [-c FILE]`.
 */
int tunnel_main(int argc, char **argv);

#endif
