/* loftctl's side of base_dir/loftctl. */
#ifndef DAEMON_CTL_ASK_H
#define DAEMON_CTL_ASK_H

#include <stddef.h>

#include "common/buf.h"

/* Exit codes, as in sysexits.h. */
enum { CTL_USAGE = 64, CTL_NOHOST = 68, CTL_TEMPFAIL = 75, CTL_NOPERM = 77,
	CTL_CONFIG = 78 };

/* Where the master listens: "<base_dir>/loftctl". The text is not copied. */
void ctl_use(const char *socket_path);

/*
 * Sends one request (n words) and reads the answer to its end, for a minute at most.
 * Returns 0, with the text behind "+" in `answer`, or the exit code, after what is to
 * be said was written to stderr. Ends the program when nobody listens, and for words
 * that cannot be sent.
 */
int ctl_ask(const char *const *words, size_t n, struct buf *answer);

#endif
