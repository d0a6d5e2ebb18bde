/* What somebody may do in a folder that is an account of its own (RFC 4314). */
#ifndef WORKER_RIGHTS_H
#define WORKER_RIGHTS_H

#include <stdbool.h>

#include "common/acl.h"
#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct account;
struct folder;
struct session;

/* What an owner has whatever his list says: or nobody could mend it. */
enum { RIGHTS_OF_OWNER = ACL_LOOKUP | ACL_ADMIN };

/* The user of a session and his groups. owner: of the account that is entered. */
struct acl_who rights_who(const struct session *s, bool owner);

/* ACL_*, by the folder's list as it is now: one fstatat when it did not change. */
unsigned rights_of(struct account *in, const struct acl_who *who);

/*
 * The same of a mailbox by its directory, which need not be open: for LIST. storage "":
 * the root.
 */
unsigned rights_at(int root_fd, struct span storage,
    const struct acl_who *who);

/* The text of the list; empty where there is none. Errors: ERR_IO, ERR_LIMIT. */
enum err rights_read(int dir_fd, struct buf *out);

/*
 * Changes an entry of the list in a folder's directory, and makes the file where there
 * is none. how: '+' adds rights, '-' takes some away, '=' sets them, 'x' removes the
 * entry.
 * Errors: as acl_change; ERR_BUSY; ERR_PERM; ERR_QUOTA; ERR_IO
 */
enum err rights_change(int dir_fd, struct span id, bool negative, char how,
    unsigned rights, bool sync);

/*
 * An open folder's flags and keywords can be changed as far as these rights (s, t and
 * w) go. True: that is not as it was.
 */
bool rights_apply(struct folder *f, unsigned rights);

#endif
