/* Folders of somebody else: asked of auth, handed over by home. */
#ifndef WORKER_SHARE_H
#define WORKER_SHARE_H

#include <stdbool.h>

#include "common/err.h"

struct session;
struct target;

/*
 * Whether this session can come to any: there are such, auth is there to ask, and what
 * it has are mounts of their own, so that it is confined without Landlock.
 */
bool share_is_possible(const struct session *s);

/*
 * Root, control and index directory of a folder of somebody else (-1: none), which auth
 * gives to who may look it up. They are the caller's. Errors: ERR_NOTFOUND no such
 * user, folder or right; ERR_UNAVAIL (logged).
 */
enum err share_open(struct session *s, const struct target *t, int fd[3]);

#endif
