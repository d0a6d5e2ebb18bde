/* One recipient of a message that LMTP takes, from RCPT to the answer after DATA. */
#ifndef WORKER_RECIPIENT_H
#define WORKER_RECIPIENT_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

struct lmtp;

enum recipient_result {
	RECIPIENT_SAVED,
	RECIPIENT_UNKNOWN,	/* no such user */
	RECIPIENT_FULL,		/* over quota */
	RECIPIENT_FULL_NOW,	/* the same, to be tried again */
	RECIPIENT_LATER,	/* not delivered, or nobody knows */
};

struct recipient {
	struct recipient *next;
	struct span address;	/* as it is written in headers and answers */
	struct span user;	/* as auth has it */
	struct span mailbox;	/* "": INBOX */
	bool create, subscribe;	/* it, where it is missing */
	struct recipient *same;	/* named before: it gets one copy */
	unsigned number;	/* from 1 */
	int fd;			/* where its delivery is answered; -1: none runs */
	enum recipient_result result;
};

/*
 * Asks auth whether there is such a user; *user_out is his name as auth has it, in
 * l->line. SAVED stands for "yes".
 */
enum recipient_result recipient_look_up(struct lmtp *l, struct span user,
    struct span *user_out);

/*
 * Has a worker that is handed the account deliver the message (l->spool); `header` comes
 * in front of it. recipient_end waits for what comes of it, and sets r->result.
 */
void recipient_begin(struct lmtp *l, struct recipient *r, struct span header);
void recipient_end(struct lmtp *l, struct recipient *r);

/* In l->line: "<session id>", ":T2" for the second message, ":R3" for the third recipient. */
const char *recipient_session(struct lmtp *l, const struct recipient *r);

#endif
