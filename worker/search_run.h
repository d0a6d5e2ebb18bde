/* Runs a SEARCH program over the selected mailbox. */
#ifndef WORKER_SEARCH_RUN_H
#define WORKER_SEARCH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"

struct search_program;
struct session;

/*
 * The UIDs of the view that match, ascending, in `a`; none that is expunged, told or not
 * (RFC 2180 4.3). unreadable_out: some messages could not be read (logged) and count
 * as no matches. Errors: ERR_IO the connection is dead; as folder_read.
 */
enum err search_run(struct session *s, const struct search_program *p,
    struct arena *a, uint32_t **uids_out, size_t *n_out,
    enum err *unreadable_out);

#endif
