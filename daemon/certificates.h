/* Files of certificates and keys: notices when they were replaced. */
#ifndef DAEMON_CERTIFICATES_H
#define DAEMON_CERTIFICATES_H

#include <stdbool.h>

struct config;

/*
 * From now on those of this configuration. inotify watches their directories; what it
 * cannot see (a link's target elsewhere, a network file system) is looked at once a
 * minute.
 */
void certificates_follow(const struct config *cfg);

/* Readable when something happened in such a directory; -1: no inotify. */
int certificates_fd(void);

/* Reads what happened: they are looked at when it has been quiet for a moment. */
void certificates_hear(void);

/* Milliseconds until they are to be looked at; -1: there are none. */
int certificates_due(void);

/*
 * Looks, if it is time: true when it is worth reading them, because one is not what it
 * was at the last look, or there was none yet. One that is missing just now is no change.
 */
bool certificates_changed(void);

#endif
