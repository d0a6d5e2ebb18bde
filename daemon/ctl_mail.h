/* loftctl's mail verbs: doveadm's, done by a worker in each account. */
#ifndef DAEMON_CTL_MAIL_H
#define DAEMON_CTL_MAIL_H

#include <stdbool.h>

/* Whether these words begin with a mail verb. */
bool ctl_mail_is(int argc, char **argv);

/*
 * Does it: argv[0] is the verb's first word. format NULL: the verb's own. Returns the
 * exit code.
 */
int ctl_mail(int argc, char **argv, const char *format);

/* Its verbs, one line each with their arguments. */
void ctl_mail_usage(void);

#endif
