/* Connections that come through a proxy: for whom it speaks. */
#ifndef WORKER_PROXIED_H
#define WORKER_PROXIED_H

#include <stdbool.h>

struct session;

/*
 * Reads the PROXY header off the connection, not a byte more, and gives the session the
 * client's addresses. False (logged): who connected is not trusted, or sent no such
 * header in time; the connection is to be cut without a word.
 */
bool proxied_begin(struct session *s, int fd);

#endif
