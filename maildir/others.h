/*
 * Other sessions in the way of CREATE, DELETE, RENAME and EXPUNGE (RFC 2180).
 * Internal to maildir/.
 */
#ifndef MAILDIR_OTHERS_H
#define MAILDIR_OTHERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/db.h"
#include "common/err.h"
#include "common/span.h"

struct account;

/* Who was met; in the caller's arena. */
struct others {
	size_t n;
	const char *list;	/* the first few, for the log */
};

/* Adds who has a folder open, other than we. Within any transaction. */
enum err others_meet(struct db_txn *t, const struct account *acc,
    uint32_t folder_id, struct arena *a, struct others *o);

/* "2 other sessions (anna from 192.0.2.1 pid 77, ...)" */
const char *others_text(const struct others *o, struct arena *a);

/*
 * Whether a name is that of a deleted mailbox which somebody has open still, and
 * which keeps it (REC_KEPT). ERR_BUSY: it is.
 */
enum err others_reserve(struct account *acc, struct span name);

/*
 * After ERR_BUSY, before the second attempt: true when that is worth it, for sessions
 * that are in the way may be dead. Without any lock held.
 */
bool others_may_be_dead(struct account *acc, enum err e, int attempt);

#endif
