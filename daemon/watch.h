/* One interface to inotify: who wants to know of which directory. */
#ifndef DAEMON_WATCH_H
#define DAEMON_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/*
 * Opens the one inotify instance. root_fd: where the working directory is between
 * calls (watching changes it). Errors: ERR_IO (logged)
 */
enum err watch_open(int root_fd);

/* Readable when something happened. */
int watch_fd(void);

/*
 * Watches a directory lent as a descriptor (which stays the caller's) on behalf of
 * `owner`; several may watch the same. all: each of them is told as if first. Mail
 * delivered, removed or renamed counts, and what is written to the files in it.
 * *handle_out: for watch_remove, 0 on failure.
 * Errors: ERR_LIMIT the kernel's limit; ERR_IO (both logged once a minute).
 */
enum err watch_add(int dir_fd, void *owner, bool all, uint32_t *handle_out);

/* The owner no longer wants it. 0 is nothing. */
void watch_remove(uint32_t handle, void *owner);

/*
 * Reads what happened; calls `changed` for each owner of a directory, once. first: of
 * the first owner of each. After an overflow of the kernel's queue, for all there are.
 */
void watch_read(void (*changed)(void *owner, bool first));

#endif
