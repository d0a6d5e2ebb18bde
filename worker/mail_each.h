/* The mailboxes and messages that a query is about. */
#ifndef WORKER_MAIL_EACH_H
#define WORKER_MAIL_EACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct folder_entry;
struct mail;
struct mail_query;

/* One mailbox, selected, with what was found in it. */
struct mail_found {
	struct span name;	/* in UTF-8 */
	const char *guid;
	uint32_t *uids;		/* ascending, at least one */
	size_t n;
};

/*
 * Reads the query in m's arguments from this one on. NULL: it was refused (an error was
 * written).
 */
const struct mail_query *mail_each_query(struct mail *m, size_t from);

/*
 * Selects each mailbox in which something can match, looks for messages, and calls
 * use() where there are some. Errors are written, the others go on.
 */
void mail_each(struct mail *m, const struct mail_query *q, bool read_only,
    void (*use)(struct mail *m, const struct mail_found *found, void *ctx),
    void *ctx);

/*
 * Calls use() for each mailbox of ours that one of m's arguments from this one on names,
 * with wildcards or not; all where there is none. name: in UTF-8.
 */
void mail_for_masks(struct mail *m, size_t from, void (*use)(struct mail *m,
    const struct folder_entry *entry, struct span name, void *ctx),
    void *ctx);

/* Whether one of these arguments names it. */
bool mail_is_asked_for(const struct mail *m, size_t from, struct span name);

#endif
