/* loftctl's side of base_dir/loftctl. */
#ifndef DAEMON_CTL_ASK_H
#define DAEMON_CTL_ASK_H

#include <stddef.h>

#include "common/buf.h"

/* Exit codes, as in sysexits.h. */
enum { CTL_USAGE = 64, CTL_NOINPUT = 66, CTL_NOUSER = 67, CTL_NOHOST = 68,
	CTL_TEMPFAIL = 75, CTL_NOPERM = 77, CTL_CONFIG = 78 };

/* What we are called: "loftctl", or "doveadm" (argv[0] of main, once). */
void ctl_set_name(const char *argv0);
const char *ctl_name(void);

/* The configuration file. The text is not copied. */
void ctl_set_config_path(const char *config_path);
const char *ctl_config_path(void);

/* "doveadm: Error: ..." to stderr. */
void ctl_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Where the master listens: "<base_dir>/loftctl". The text is not copied. */
void ctl_use(const char *socket_path);

/*
 * Sends one request (n words) and reads the answer to its end, for a minute at most.
 * Returns 0, with the text behind "+" in `answer`, or the exit code, after what is to
 * be said was written to stderr. Ends the program when nobody listens, and for words
 * that cannot be sent.
 */
int ctl_ask(const char *const *words, size_t n, struct buf *answer);

/*
 * The same for a request whose answer goes on as a conversation: 0 with the connection,
 * which is the caller's, after "+"; else the exit code, and what is to be said.
 */
int ctl_talk(const char *const *words, size_t n, int *fd_out,
    struct buf *said_out);

#endif
