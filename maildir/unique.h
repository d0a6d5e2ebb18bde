/* Names for new message files. */
#ifndef MAILDIR_UNIQUE_H
#define MAILDIR_UNIQUE_H

#include <stddef.h>

/*
 * "<seconds>.M<microseconds>P<pid>Q<n>.<host>": unique on this host and, by the
 * host, beyond (Maildir specification; the shape is Dovecot's). At most 120 bytes.
 */
void unique_name(char *out, size_t size);

/* Loads the host name: before a chroot with its own UTS view, once. */
void unique_prepare(void);

#endif
