/* `loftctl pw`, and reading secrets. */
#ifndef DAEMON_CTL_PW_H
#define DAEMON_CTL_PW_H

/*
 * A line of standard input, without showing it when that is a terminal. NULL: there is
 * none. Good until the next call.
 */
const char *ctl_secret(const char *prompt);

/* doveadm pw's words, from "pw" on. Exit code; -1: they are wrong. */
int ctl_pw(int argc, char **argv);

#endif
