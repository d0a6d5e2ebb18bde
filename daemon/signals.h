/* Turns signals into readable events. */
#ifndef DAEMON_SIGNALS_H
#define DAEMON_SIGNALS_H

/*
 * Blocks SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 and SIGCHLD and returns a descriptor that
 * is readable when one came. Failure is fatal.
 */
int signals_open(void);

/* The next signal's number, 0: none. */
int signals_next(int fd);

#endif
