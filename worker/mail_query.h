/*
 * doveadm's search query (doveadm-search-query(7)): words, one for each key and each of
 * its arguments, "(" and ")", NOT, OR between keys. Mailboxes are keys like others.
 */
#ifndef WORKER_MAIL_QUERY_H
#define WORKER_MAIL_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum { MAIL_QUERY_DEPTH_MAX = 100 };

struct mail_query;

/*
 * Reads all words; the query lives in `a`. At the end of a mailbox's name there may be
 * wildcards. Errors: ERR_SYNTAX: *problem_out says what, as doveadm does; in `a`.
 */
enum err mail_query_read(const struct span *word, size_t n, struct arena *a,
    const struct mail_query **out, const char **problem_out);

enum mail_query_verdict {
	MAIL_QUERY_NONE,	/* no message there can match */
	MAIL_QUERY_SOME,	/* those that the SEARCH keys match */
};

/*
 * What it asks of one mailbox: appends the keys of an IMAP SEARCH, strings as literals
 * (cursor.h). name: in UTF-8. guid: see mail_query_needs_guid.
 */
enum mail_query_verdict mail_query_for(const struct mail_query *q,
    struct span name, struct span guid, char separator, struct buf *out);

/* Whether it asks for mailboxes by their GUID. */
bool mail_query_needs_guid(const struct mail_query *q);

/* Names without wildcards that it has, at most `max`. */
size_t mail_query_names(const struct mail_query *q, struct span *out,
    size_t max);

/*
 * Whether each branch of it names a mailbox; whether each has something else: what
 * expunge asks, to avoid accidents.
 */
bool mail_query_is_bound(const struct mail_query *q);
bool mail_query_is_narrowed(const struct mail_query *q);

#endif
