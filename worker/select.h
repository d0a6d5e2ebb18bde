/* A mailbox becomes the session's selected one. */
#ifndef WORKER_SELECT_H
#define WORKER_SELECT_H

#include <stdbool.h>

#include "common/err.h"

struct folder_snapshot;
struct session;
struct target;

/*
 * Reaches, opens and looks at a mailbox; nothing is selected before. Without any right
 * to change something it is read-only (RFC 4314 5.2). The snapshot's UIDs go to the
 * view. Errors: as target_enter, folder_select; nothing is selected then.
 */
enum err select_target(struct session *s, struct target *t, bool read_only,
    struct folder_snapshot *snap_out);

#endif
