/* Makes CAPABILITY from all tables and the configuration. */
#ifndef WORKER_CAPABILITY_H
#define WORKER_CAPABILITY_H

#include <stdbool.h>

#include "common/buf.h"

struct session;

/* Appends "IMAP4rev1 ..." as it stands in the session's present state. */
void capability_list(const struct session *s, struct buf *out);

/* "CAPABILITY IMAP4rev1 ..." in s->command: a response code for status_set. */
const char *capability_code(struct session *s);

/* TLS, or the client is on this host. */
bool capability_is_secured(const struct session *s);

/*
 * Whether passwords in the clear are refused now: disable_plaintext_auth, no TLS,
 * and the client is not on this host.
 */
bool capability_login_disabled(const struct session *s);

#endif
