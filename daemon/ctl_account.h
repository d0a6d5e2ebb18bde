/* loftctl's verbs about sessions and accounts. */
#ifndef DAEMON_CTL_ACCOUNT_H
#define DAEMON_CTL_ACCOUNT_H

/* Each takes its name as argv[0] and returns an exit code; -1: show the usage. */
int ctl_who(int argc, char **argv);
int ctl_sessions(int argc, char **argv);
int ctl_ghosts(int argc, char **argv);
int ctl_kick(int argc, char **argv);
int ctl_policy(int argc, char **argv);
int ctl_quota(int argc, char **argv);

#endif
