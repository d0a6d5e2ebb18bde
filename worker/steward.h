/*
 * A worker with the account of an owner that does what somebody else wants of it and
 * may: list what is for his eyes, CREATE, DELETE and RENAME mailboxes. He has single
 * folders at most; this takes the directory that they are in.
 */
#ifndef WORKER_STEWARD_H
#define WORKER_STEWARD_H

#include "worker/admin.h"

/*
 * steward_run (admin.def, "for"): words are who asks, his groups, and
 *
 *   list               mailboxes that he may look up: storage name, rights as a
 *                      number, 1 if it has new messages or 0; parted by TAB
 *   create NAME        with the right k in the mailbox above it, or in the root of a
 *                      public namespace
 *   delete NAME        x
 *   rename FROM TO     x, and k above TO
 *   renamed NAME       the name now of one that had this name; l
 *
 * The exit code is 0; `out` is an enum err as a number, then lines; of ERR_BUSY
 * "reserved" where the name wanted is that of a deleted mailbox that is open still.
 */

#endif
