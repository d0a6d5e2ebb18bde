/* Local delivery: one message into one account, by LMTP or the LDA. */
#ifndef WORKER_LOCAL_H
#define WORKER_LOCAL_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

struct account;
struct config;

struct local_mail {
	int fd;			/* the message, read by position */
	struct span header;	/* fields to put in front of it */
	struct span mailbox;	/* where to, in UTF-8 as clients see names; "": the INBOX */
	bool create, subscribe;	/* it, where it is missing, whatever the configuration says */
};

/*
 * Delivers: OK means synced, with its UID, in the state, and that idling sessions were
 * told. A mailbox that is missing is made (lda_mailbox_autocreate); where it cannot be
 * had the message goes to the INBOX instead, as Dovecot does it. Logs where it went, or
 * why it did not.
 * Errors: ERR_QUOTA, ERR_PERM, ERR_UNAVAIL, ERR_IO, ERR_BUSY, ERR_LIMIT: it was not
 * delivered, or nobody knows (a crash of the disk at the last sync).
 */
enum err local_deliver(const struct config *cfg, struct account *acc,
    const struct local_mail *mail);

#endif
