/* Finds what other programs changed in new/ and cur/. Internal to maildir/. */
#ifndef MAILDIR_SCAN_H
#define MAILDIR_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/err.h"
#include "maildir/state.h"

struct account;
struct folder;

enum scan_how {
	SCAN_NONE,
	SCAN_NEW,	/* only new/ changed */
	SCAN_ALL,	/* list both */
};

/*
 * What the stamps of a record say against the directories as they are: nothing to
 * do, list new/, list both. at_select: our own renames in cur/ are verified too,
 * else at most every few seconds.
 * Errors: ERR_GONE the folder was removed by hand.
 */
enum err scan_evidence(const struct folder *f, const struct folder_rec *r,
    bool at_select, enum scan_how *how_out);

/*
 * Whether a mailbox that is not open looks as its record says, or as our own renames
 * left it: two looks at directories.
 */
bool scan_is_quiet(const struct account *acc, struct span name,
    const struct folder_rec *r);

/*
 * Brings the state of a folder up to date with its directories: new messages get
 * UIDs (in the uidlist, synced, before anybody hears of them) and move to cur/,
 * flags changed by others are merged, messages removed by others are expunged.
 * Takes the folder lock unless `locked`.
 * Errors: ERR_GONE another UIDVALIDITY: the mailbox is not the one it was;
 *         ERR_UNAVAIL, ERR_QUOTA, ERR_IO
 */
enum err scan_folder(struct folder *f, enum scan_how how, bool locked);

/*
 * For looks on the command path: scans if there is still evidence under the lock.
 * Who holds the lock may be renaming in cur/ and about to say so: then nothing is
 * done, its commit brings the next look. Mail in new/ is waited for.
 */
enum err scan_look(struct folder *f, enum scan_how how);

/*
 * Whether the uidlist is still as the record says; needs no lock to ask, but the
 * answer lasts only under the dotlock.
 */
bool scan_uidlist_is_current(const struct folder *f,
    const struct folder_rec *r);

/* Notes the uidlist's identity in the record. */
void scan_stamp_uidlist(const struct folder *f, struct folder_rec *r);

/*
 * After renames of ours in cur/: *r remembers its mtime as our own doing if `before`
 * (from scan_cur_mtime, under the lock, before the first rename) was one we knew.
 */
int64_t scan_cur_mtime(const struct folder *f);
void scan_note_own(const struct folder *f, struct folder_rec *r,
    int64_t before);

#endif
