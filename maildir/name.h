/*
 * Mailbox names. Inside Loft a mailbox is named by its *storage name*: modified
 * UTF-7, levels separated by ".", no namespace prefix, "INBOX" in capitals.
 * On disk (Maildir++) it is the directory "." + storage name; INBOX is the root
 * itself. Namespaces with prefix and separator are worker/namespace.c's affair.
 */
#ifndef MAILDIR_NAME_H
#define MAILDIR_NAME_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

/*
 * Whether a storage name can exist: not empty, at most 200 bytes, valid modified
 * UTF-7, no "/" and no control characters, no empty level, no level "." or
 * "..", no leading "~". Errors: ERR_CANNOT.
 */
enum err name_check(struct span name);

/*
 * Directory of a mailbox relative to the mail root: "." for INBOX, else
 * "." + name. The name must have passed name_check. out: 256 bytes.
 */
void name_to_dir(struct span name, char out[256]);

/*
 * Storage name of a directory entry of the mail root; false: not a mailbox
 * (no leading dot, ".", "..", "..DOVECOT-TRASHED", a name that is not valid).
 */
bool name_from_dir(const char *entry, struct span *name_out);

/* "INBOX" in any case (RFC 3501 5.1). */
bool name_is_inbox(struct span name);

/* Whether `name` lies below `parent` ("a.b" below "a"). */
bool name_is_below(struct span name, struct span parent);

/* Takes the last level off a storage name; false: it was the only one. */
bool name_up(struct span *name);

/*
 * Whether a name matches a LIST pattern with "*" and "%" (RFC 3501 6.3.8), for
 * the given separator; linear in the length but for the number of wildcards
 * (no exponential blow-up). "INBOX" at the start matches in any case.
 */
bool name_matches(struct span name, struct span pattern, char sep);

#endif
