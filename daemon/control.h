/* Answers loftctl. */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include <poll.h>
#include <stddef.h>

#include "common/err.h"
#include "common/ipc.h"

struct master;

/*
 * The socket base_dir/loftctl, for the owner only. Errors: ERR_IO (logged);
 * ERR_EXISTS (logged) another loftd is running there.
 */
enum err control_open(const char *base_dir, int *fd_out);
void control_close(const char *base_dir, int *fd);

enum { CONTROL_MAX = 16 };

/* Descriptors to wait for, n_out of them; at most CONTROL_MAX. */
void control_poll(struct pollfd *fds, size_t *n_out);

/* Accepts, or reads a request and answers it. */
void control_accept(struct master *m);
void control_event(struct master *m, int fd);

/* An answer of auth to a request of a client of ours. */
void control_tested(struct master *m, struct ipc_message *msg);

#endif
