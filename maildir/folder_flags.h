/* The flags of many messages at once. */
#ifndef MAILDIR_FOLDER_FLAGS_H
#define MAILDIR_FOLDER_FLAGS_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct folder;

enum { FLAGS_GONE = 128 };

/*
 * System flags (FLAG_*) of messages, in the order of `uids` (ascending);
 * FLAGS_GONE for those that are expunged, ghosts too. One read transaction, a
 * few nanoseconds a message, nothing else is read: for SEARCH over large
 * mailboxes. Errors: ERR_UNAVAIL, ERR_IO.
 */
enum err folder_flags(struct folder *f, const uint32_t *uids, size_t n,
    uint8_t *flags_out);

#endif
