/* Looks at the mail of an account that another server keeps, and changes nothing. */
#ifndef MAILDIR_INSPECT_H
#define MAILDIR_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

/* What was found; numbers of messages and bytes, of folders where it says so. */
struct inspection {
	uint64_t folders, messages, bytes;
	uint64_t keywords_full;		/* folders whose 26 letters are all taken */
	uint64_t wrong_sizes;		/* S= is not the file's size */
	uint64_t compressed;		/* Z flag, or begins as gzip, bzip2, xz, zstd, lz4 */
	uint64_t foreign_links;		/* folders that are symbolic links */
	uint64_t bad_lists;		/* folders whose uidlist cannot be read */
	uint64_t no_lists;		/* folders with mail and without a uidlist */
	uint64_t bad_names;		/* directories that are no mailbox name */
	uint64_t separators;		/* names with the client's separator in them */
	uint64_t unreadable;		/* folders that cannot be read */
	bool dbox, private_seen, sieve, quota, acl, courier;
	struct buf example;		/* the folders that it is about, a few */
};

/*
 * Adds what is in the mail root, by its path. separator: what divides names for
 * clients. No file is created, written, renamed or locked; no time of access changes
 * where the caller may ask for that (O_NOATIME: the owner, root).
 * Errors: ERR_NOTFOUND there is none; ERR_PERM, ERR_IO it cannot be read.
 */
enum err inspect(const char *root, const char *control, char separator,
    struct inspection *out);

/* Frees it, and makes it empty again. */
void inspect_clear(struct inspection *i);

#endif
