/*
 * The file of acl_shared_dict: who shares mailboxes with whom, as Dovecot keeps it. Two
 * lines an entry:
 *
 *   shared/shared-boxes/user/<with whom>/<owner>	(or group/<name>/<owner>,
 *   1							 or anyone/<owner>)
 *
 * In names "\\|" is a "/", "\\\\" a "\\". The file says where to look; what may be
 * seen there, lists of rights say.
 */
#ifndef DAEMON_SHARING_H
#define DAEMON_SHARING_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"

enum { SHARING_FILE_MAX = 4 << 20, SHARING_OWNERS_MAX = 30000 /* bytes of names */ };

/*
 * Appends who shares with this user or his groups ("a,b"), but himself: names, each
 * with a NUL, none twice. False: there are more than fit.
 */
bool sharing_owners(struct span text, struct span user, struct span groups,
    struct buf *out);

/*
 * The key for an identifier of a list ("user=bert"). False: none is for others' eyes
 * ("owner"), or a name cannot be in a line.
 */
bool sharing_key(struct span owner, struct span id, struct buf *out);

/* Whether the file has the key; a key that home is asked to write is one. */
bool sharing_has(struct span text, struct span key);
bool sharing_is_key(struct span key);

#endif
