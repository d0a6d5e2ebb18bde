/* What COPY and MOVE have in common. Internal to maildir/. */
#ifndef MAILDIR_CHANGE_COPY_H
#define MAILDIR_CHANGE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "maildir/change_add.h"
#include "maildir/flags.h"
#include "maildir/index.h"

struct folder;

/* The keywords' names as they are, not as of the session's last look. */
enum err copy_keywords(const struct folder *f, struct arena *a,
    struct keywords *out);

/*
 * Keyword bits of one folder in terms of another. ERR_NOTFOUND: create is false and
 * the other one has not got them all.
 */
enum err copy_map_keywords(const struct keywords *from, struct folder *to,
    bool create, uint64_t bits, uint64_t *out);

/*
 * A message's file under this name in tmp/ of the destination: by a link where that
 * works, else copied and synced. rec and *ghost: what it is here.
 * Errors: ERR_GONE; ERR_NOTFOUND the destination is; those of fs_err.
 */
enum err copy_link(struct folder *f, uint32_t uid, struct folder *to,
    const char *tmp_name, struct arena *a, struct record *rec, bool *ghost);

/* The record that the copy gets; names: f's keywords. */
enum err copy_prepare(const struct folder *f, const struct keywords *names,
    struct folder *to, bool create, const struct record *rec, struct arena *a,
    struct incoming *in);

#endif
