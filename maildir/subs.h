/* The subscriptions file (Dovecot's, versions 1 and 2). */
#ifndef MAILDIR_SUBS_H
#define MAILDIR_SUBS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

/*
 * All subscribed storage names (levels joined with "."), in file order. Absent
 * is an empty list (a courierimapsubscribed is imported then). Names live in
 * `a`.
 * Errors: ERR_IO, ERR_PERM.
 */
enum err subs_read(int control_fd, struct arena *a, struct span **names_out,
    size_t *n_out);

/*
 * Subscribes or unsubscribes one name, under subscriptions.lock, by temp and
 * rename; keeps the version that the file has (new files: 2). changed_out:
 * false when it was so already.
 * Errors: ERR_BUSY, ERR_IO, ERR_QUOTA, ERR_PERM.
 */
enum err subs_set(int control_fd, struct span name, bool subscribed, bool sync,
    bool *changed_out);

#endif
