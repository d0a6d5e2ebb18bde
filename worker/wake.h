/*
 * How a session learns that its mailbox changed while it waits for its client:
 * through notify, or (tunnel, inetd without a daemon) its own inotify.
 */
#ifndef WORKER_WAKE_H
#define WORKER_WAKE_H

#include "common/err.h"

struct session;

/* Notify's door, inherited from the pool: where a worker's socket is handed in. */
void wake_set_door(int fd);

/* A new socket to notify. Errors: ERR_NOTFOUND there is no door; ERR_IO. */
enum err wake_connect(int *fd_out);

/* Says which folder this session has selected (NULL: none any more). */
void wake_select(struct session *s);

/* Also wake for what other programs do in its new/ and cur/ (IDLE begins, ends). */
void wake_idle(struct session *s, int on);

/* Readable when there is a wake-up; -1: there is no way to be woken. */
int wake_fd(const struct session *s);

/* Takes pending wake-ups off the descriptor. A hint only: look at the state. */
void wake_clear(struct session *s);

/* Gives what it holds back; s->notify_fd stays the session's. */
void wake_free(struct session *s);

#endif
