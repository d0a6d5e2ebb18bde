/*
 * Lines that an MTA sends to the auth socket (Dovecot's auth protocol, 1.2), fields
 * parted by TAB:
 *
 *   VERSION major minor            CPID pid
 *   AUTH id mechanism name[=value]... [resp=base64]
 *   CONT id base64                 CANCEL id
 *
 * Values are escaped (common/tabtext.h).
 */
#ifndef DAEMON_AUTH_LINE_H
#define DAEMON_AUTH_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

enum auth_verb {
	AUTH_LINE_VERSION, AUTH_LINE_CPID, AUTH_LINE_AUTH, AUTH_LINE_CONT,
	AUTH_LINE_CANCEL,
	AUTH_LINE_OTHER,	/* of a later version: to be passed over */
};

struct auth_line {
	enum auth_verb verb;
	uint32_t number;		/* major version, pid or id */
	const char *mechanism, *service, *remote, *local, *session;
	bool secured;
	struct span response;		/* decoded; p NULL: there is none */
};

/*
 * Takes a line (without its LF) apart; texts live in `a`, and are "" where nothing is
 * said. Errors: ERR_SYNTAX.
 */
enum err auth_line_read(struct span line, struct arena *a,
    struct auth_line *out);

#endif
