/*
 * Keywords as Courier-IMAP kept them, in courierimapkeywords/ of a folder:
 *
 *   :list           keywords, one a line; an empty line; then for each message that has
 *                   any "<base name>:<number> <number>...", counted from 0
 *   <base name>     what changed since: the keywords of that message, one a line
 *   .<n>.<base>     the same, older; the largest n counts
 *
 * They are taken over when a folder is first opened that has neither a dovecot-keywords
 * nor a dovecot-uidlist, and left as they are.
 */
#ifndef MAILDIR_COURIER_H
#define MAILDIR_COURIER_H

#include "common/err.h"

struct folder;

/*
 * Gives the messages in cur/ the letters of their keywords, then writes
 * dovecot-keywords. Whoever is killed in between begins again. Of more than 26 keywords
 * the first are taken (logged). Takes folder lock and dotlock.
 * Errors: ERR_BUSY, ERR_IO, ERR_PERM, ERR_QUOTA (logged)
 */
enum err courier_take_keywords(struct folder *f);

#endif
