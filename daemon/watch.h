/* One interface to inotify: who wants to know of which directory. */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include <stdint.h>

#include "common/err.h"

struct watcher;

/*
 * Opens the one inotify instance. root_fd: where the working directory is between
 * calls (watching changes it). Errors: ERR_IO (logged)
 */
enum err watch_open(int root_fd);

/* Readable when something happened. */
int watch_fd(void);

/*
 * Watches a directory lent as a descriptor (which stays the caller's) on behalf of
 * `owner`; several may watch the same. Mail delivered, removed or renamed counts,
 * and commits to the files in it. *handle_out: for watch_remove, 0 on failure.
 * Errors: ERR_LIMIT the kernel's limit (logged once a minute); ERR_IO.
 */
enum err watch_add(int dir_fd, void *owner, uint32_t *handle_out);

/* The owner no longer wants it. 0 is nothing. */
void watch_remove(uint32_t handle, void *owner);

/* Reads what happened; calls `changed` for each owner of a directory, once. */
void watch_read(void (*changed)(void *owner));

#endif
