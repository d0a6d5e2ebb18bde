/*
 * How a session learns that its mailbox changed while it waits for its client:
 * through notify, or (tunnel, inetd without a daemon) its own inotify.
 */
#ifndef WORKER_WAKE_H
#define WORKER_WAKE_H

struct session;

/* Says which folder this session has selected (NULL: none any more). */
void wake_select(struct session *s);

/* Also wake for what other programs do in its new/ and cur/ (IDLE begins, ends). */
void wake_idle(struct session *s, int on);

/* Readable when there is a wake-up; -1: there is no way to be woken. */
int wake_fd(const struct session *s);

/* Takes pending wake-ups off the descriptor. A hint only: look at the state. */
void wake_clear(struct session *s);

void wake_free(struct session *s);

#endif
