/*
 * The file dovecot-acl of a mailbox: who may do what (RFC 4314). A line is
 *
 *   identifier SPACE letters [SPACE ":" named rights]
 *
 * with the identifiers, strongest first: group-override=NAME, user=NAME, owner,
 * group=NAME, authenticated, anyone. A "-" before one takes rights away. An identifier
 * with spaces stands in quotes. Lines that are none of these, and named rights, are
 * kept as they are and mean nothing.
 */
#ifndef COMMON_ACL_H
#define COMMON_ACL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* One bit a right, in RFC 4314's order (2.1). */
enum {
	ACL_LOOKUP = 1,		/* l */
	ACL_READ = 2,		/* r */
	ACL_SEEN = 4,		/* s */
	ACL_WRITE = 8,		/* w */
	ACL_INSERT = 16,	/* i */
	ACL_POST = 32,		/* p */
	ACL_CREATE = 64,	/* k */
	ACL_DELETE = 128,	/* x: the mailbox */
	ACL_DELETED = 256,	/* t: \Deleted */
	ACL_EXPUNGE = 512,	/* e */
	ACL_ADMIN = 1024,	/* a */
	ACL_ALL = 2047,
};

enum { ACL_FILE_MAX = 64 << 10, ACL_ENTRIES_MAX = 1000 };

struct acl_entry {
	struct span id;		/* "user=anna", without the "-" and quotes */
	bool negative;
	unsigned rights;
};

/* Who asks. groups: names, parted by ",". */
struct acl_who {
	struct span user, groups;
	bool owner;		/* of the account that the mailbox is in */
};

/*
 * The entries of a file's text, which they point into (`a` for what was quoted), at
 * most ACL_ENTRIES_MAX.
 */
void acl_read(struct span text, struct arena *a, struct acl_entry **out,
    size_t *n_out);

/*
 * What someone may do. The strongest identifier that matches counts; of several as
 * strong, all together. What negative ones say is taken away. An owner about whom
 * nothing is said as "user" or "owner" has all rights, others have none.
 */
unsigned acl_rights(const struct acl_entry *entry, size_t n,
    const struct acl_who *who);

/* Letters in RFC 4314's order: "lrswipkxtea". */
void acl_letters(unsigned rights, struct buf *out);

/*
 * Rights from letters, also the old "c" (k and x) and "d" (e, t and x; RFC 4314
 * 2.1.1). Errors: ERR_SYNTAX: a letter that is no right.
 */
enum err acl_parse(struct span letters, unsigned *out);

/* In place of rights: the entry is removed. Without rights it says "none". */
enum { ACL_REMOVE = 1 << 16 };

/*
 * The text of the file after a change: the entry of this identifier gets these rights,
 * or is removed. Everything else stays.
 * Errors: ERR_SYNTAX no such identifier is possible; ERR_LIMIT too many entries, or
 * too large.
 */
enum err acl_change(struct span text, struct span id, bool negative,
    unsigned rights, struct buf *out);

/* Whether it can be an identifier of the file. */
bool acl_is_identifier(struct span id);

#endif
