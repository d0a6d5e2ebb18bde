/*
 * Metrics: the master adds up what pools and auth counted and hands the text, in the
 * format of OpenMetrics 1.0, to whoever connects to base_dir/metrics or metrics_listen.
 */
#ifndef DAEMON_SCRAPE_H
#define DAEMON_SCRAPE_H

#include <stddef.h>

#include "common/buf.h"
#include "common/config.h"

struct ipc_message;
struct master;
struct pool;
struct pollfd;

enum { SCRAPE_SOCKETS = 9 };	/* the unix socket, and what a name stands for */

/* What a pool counted (METRICS); what auth counted. */
void scrape_hear_pool(struct master *m, struct pool *p,
    const struct ipc_message *msg);
void scrape_hear_auth(const struct ipc_message *msg);

/* It ended: takes its last words off its socket and keeps its sums. */
void scrape_pool_ended(struct master *m, struct pool *p);
void scrape_auth_ended(void);

/* Asks everybody, for a second each at most, and writes it all down. */
void scrape_text(struct master *m, struct buf *out);

/* ---- scrape_socket.c ---- */

/* Opens what there is to listen on; a failure is logged and costs the metrics only. */
void scrape_open(const struct config *cfg);
void scrape_close(const struct config *cfg);

/* Descriptors to wait for; at most SCRAPE_SOCKETS. */
void scrape_poll(struct pollfd *fds, size_t *n_out);

/* Somebody connected: a process without rights hears and answers him. */
void scrape_accept(struct master *m, int fd);

#endif
