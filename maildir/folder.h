/* One folder: found, opened, created, renamed, deleted, listed. */
#ifndef MAILDIR_FOLDER_H
#define MAILDIR_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/flags.h"

struct account;
struct uidlist;

struct pending_facts;
struct seen;

/* An open folder. Bound to its identity, never to its name. */
struct folder {
	struct account *acc;
	uint32_t id;		/* in the state */
	uint32_t uidvalidity;
	char guid[40];
	char *name;		/* storage name as of the last look; in `arena` */
	bool read_only;		/* EXAMINE, or the file system is */
	bool selected;		/* holds a reference, a cursor */
	/* What this session may not change (RFC 4314): such bits stay as they are. */
	uint32_t locked_flags;
	bool keywords_locked;
	bool uncounted;		/* quota: what comes was here before (MOVE) */
	int dir_fd, cur_fd, new_fd, tmp_fd;
	int control_fd;		/* where its uidlist and keywords are; may equal dir_fd */
	struct keywords keywords;	/* as of the last look */
	uint32_t keywords_gen;
	uint32_t n_ghosts;	/* as of the last look */
	struct arena arena;
	uint64_t cursor;	/* expunged_told as last written */
	uint64_t cursor_ms;	/* when */
	struct seen *seen;	/* \Seen of this user alone; NULL: all share it */
	uint64_t own_modseq[8];	/* our latest changes, for sync to keep quiet */
	unsigned own_at;
	struct pending_facts *pending;	/* learned, not yet in the cache */
	size_t n_pending, pending_bytes;
	struct arena pending_arena;
};

/* What SELECT reports and the first view, taken in one transaction. */
struct folder_snapshot {
	uint32_t *uids;		/* ascending; malloc'ed for the caller (view) */
	size_t n;
	uint32_t uidnext;
	uint64_t modseq;	/* HIGHESTMODSEQ */
	uint32_t recent_from;	/* UIDs from here on are \Recent to this session */
	uint32_t unseen_uid;	/* first without \Seen, 0: none */
	bool keywords_full;	/* no new keywords possible: no \* */
};

/*
 * Opens a folder for a session: brings the state up to date with the disk, then
 * registers session, reference and cursor and reads the view in one write
 * transaction. Errors: ERR_NOTFOUND; ERR_UNAVAIL (mount gone, link that leads out,
 * state damaged: logged); ERR_PERM; ERR_IO
 */
enum err folder_select(struct account *acc, struct span name, bool read_only,
    struct folder **folder_out, struct folder_snapshot *snap_out);

/*
 * Opens a folder as a target or for STATUS: no reference, no view. Also
 * up to date with the disk. Errors as folder_select.
 */
enum err folder_open(struct account *acc, struct span name,
    struct folder **folder_out);

/* Gives reference and cursor back (selected), closes. Accepts NULL. */
void folder_close(struct folder **folder);

/*
 * The folder's lock (flock on its cur/), which every writer of ours takes; reported
 * through common/crit.h. For maildir/ only. Errors: ERR_BUSY, ERR_IO.
 */
enum err folder_lock(struct folder *f);
/* Without waiting: ERR_BUSY when somebody has it. */
enum err folder_try_lock(struct folder *f);
void folder_unlock(struct folder *f);

/*
 * Opens a folder by its id in the state: for sweeps and late work. For maildir/
 * only. Errors: ERR_NOTFOUND, ERR_UNAVAIL.
 */
enum err folder_open_id(struct account *acc, uint32_t id,
    struct folder **folder_out);

/*
 * Whether its directories were removed: somebody deleted the mailbox, and nothing can
 * be made in it any more (ENOENT). For maildir/ only.
 */
bool folder_is_removed(const struct folder *f);

/* Remembers a change of ours, so that sync keeps quiet about it. */
void folder_note_own(struct folder *f, uint64_t modseq);

/* ---- what changed ---- */

struct changed_message {
	uint32_t uid;
	uint32_t flags;
	uint64_t keywords;
	uint64_t modseq;
};

struct folder_changes {
	bool deleted;			/* the mailbox is gone: BYE */
	bool lost;			/* and nothing is left of it in the state */
	char *renamed_from, *renamed_to; /* storage names when that changed, or NULL */
	uint64_t modseq;		/* highest now */
	uint32_t uidnext;
	uint32_t recent_from;		/* first of the new ones that is \Recent to us; 0 none */
	uint32_t *added;		/* UIDs >= the known uidnext, ascending */
	size_t n_added;
	struct changed_message *changed; /* uid < known uidnext, modseq > told, not our own */
	size_t n_changed;
	uint32_t *expunged;		/* UIDs, ascending, modseq > expunged_told */
	size_t n_expunged;
	bool keywords_changed;		/* send FLAGS and PERMANENTFLAGS again */
};

/*
 * What a session has not been told: looks at the disk first when there is evidence
 * (two fstat), scans if so; one read transaction; returns at once with nothing
 * when the folder's modseq is `told`. Arrays live in `a`.
 * told: changes up to here are known; expunged_told: expunges likewise.
 * Errors: ERR_UNAVAIL the state was condemned: BYE [UNAVAILABLE]; ERR_IO
 */
enum err folder_look(struct folder *f, uint64_t told, uint64_t expunged_told,
    uint32_t known_uidnext, struct arena *a, struct folder_changes *out);

/*
 * Lists all of the folder and takes over what is there, whether there is evidence that
 * something changed or not. Errors: as folder_select.
 */
enum err folder_resync(struct folder *f);

/*
 * The client has been told of all expunges up to modseq. Written to the shared
 * cursor only while the folder has ghosts, at most once a second.
 */
void folder_told(struct folder *f, uint64_t expunged_told);

/* Whether a modseq belongs to a change this session made (for .SILENT). */
bool folder_is_own(const struct folder *f, uint64_t modseq);

/* ---- messages ---- */

/*
 * WANT_CACHE: the cached texts. WANT_STAT: size and internal_date are known (one
 * stat the first time; without it they are 0 where nobody asked before).
 */
enum { WANT_CACHE = 1, WANT_STAT = 2 };

struct message_info {
	uint32_t uid;
	bool gone;		/* neither here nor a ghost */
	bool ghost;		/* expunged, still readable */
	uint32_t flags;
	uint64_t keywords;
	uint64_t modseq;
	uint64_t size;		/* bytes on disk */
	uint64_t wire_size;	/* RFC822.SIZE; 0: not known yet */
	int64_t internal_date;	/* seconds since 1970 */
	int64_t save_date;
	struct span envelope, body, bodystructure; /* cached text; p == NULL: none */
	struct span headers;	/* the cached header block, p == NULL: none */
};

/*
 * Facts about messages, in the order of `uids` (ascending), in one read
 * transaction. Copies into `a`; call in slices of a few hundred.
 * Errors: ERR_UNAVAIL, ERR_IO.
 */
enum err folder_read(struct folder *f, const uint32_t *uids, size_t n,
    unsigned want, struct arena *a, struct message_info *out);

/*
 * Opens a message's file for reading, ghosts included; finds it again when another
 * program renamed it. Errors: ERR_GONE; ERR_PERM; ERR_IO.
 */
enum err folder_open_message(struct folder *f, uint32_t uid, int *fd_out);

/*
 * The base name of a message's file (without its flags), which is what Dovecot has as
 * its GUID; in `a`. Errors: ERR_GONE.
 */
enum err folder_message_name(struct folder *f, uint32_t uid, struct arena *a,
    struct span *name_out);

/*
 * Remembers facts learned from a message. Collected and committed in slices;
 * folder_cache_flush commits the rest (call at the end of a command).
 */
void folder_cache_add(struct folder *f, const struct message_info *facts);
void folder_cache_flush(struct folder *f);

/*
 * Keyword numbers for names (any case), making new ones if create.
 * Errors: ERR_LIMIT no more keywords; ERR_SYNTAX; ERR_NOTFOUND (create is false:
 * bits of the known ones are still given); ERR_IO; ERR_QUOTA; ERR_PERM
 */
enum err folder_keywords(struct folder *f, const struct span *names, size_t n,
    bool create, uint64_t *bits_out);

/*
 * Makes sure that f->keywords has the names of these bits, which others may have made
 * since the last look. True: f->keywords changed, and the client should hear of it.
 */
bool folder_know_keywords(struct folder *f, uint64_t bits);

/* ---- mailboxes ---- */

/*
 * What is done about other sessions that have a mailbox open, or one below it that
 * is renamed too (RFC 2180 3). Decided in the transaction that makes it so.
 */
enum others_how {
	OTHERS_REFUSE,		/* ERR_BUSY while there are any */
	/*
	 * They go on. What is renamed has a new name for them; of what is deleted
	 * nobody gets the name (ERR_BUSY from CREATE, RENAME) until the last left.
	 */
	OTHERS_KEEP,
	OTHERS_END,		/* they are woken, and are to end */
};

/* What is done about others in the mailbox of that storage name. */
struct others_policy {
	enum others_how (*how)(void *ctx, struct span name);
	void *ctx;
};

/*
 * CREATE. Built aside and put in place by one rename. Missing parents stay
 * missing (listed as \NonExistent), as Dovecot does it.
 * Errors: ERR_EXISTS, ERR_BUSY, ERR_CANNOT, ERR_PERM, ERR_QUOTA, ERR_IO.
 */
enum err folder_create(struct account *acc, struct span name);

/*
 * DELETE: one rename into loft/deleted/, then the transaction. With inferiors the
 * mailbox goes, they stay (RFC 9051 6.3.5). id_out: which one it was (0: none).
 * Errors: ERR_NOTFOUND; ERR_CANNOT (INBOX); ERR_BUSY; ERR_PERM; ERR_IO
 */
enum err folder_delete(struct account *acc, struct span name,
    enum others_how how, uint32_t *id_out);

/*
 * RENAME, inferiors included; INBOX moves its messages to the new mailbox. Each
 * mailbox that others have open is asked for what is done; one that refuses is enough.
 * The intent is in the state first. Errors: ERR_NOTFOUND, ERR_EXISTS, ERR_BUSY,
 * ERR_CANNOT, ERR_PERM, ERR_QUOTA, ERR_IO
 */
enum err folder_rename(struct account *acc, struct span from, struct span to,
    const struct others_policy *policy);

/* Whether a deleted mailbox of that name is open somewhere, and keeps the name. */
bool folder_is_reserved(struct account *acc, struct span name);

/*
 * Where a name went: the new name of a mailbox that was renamed away from it, until
 * the old name is used again (30 days, 1,000 names). ERR_NOTFOUND: never heard of it.
 */
enum err folder_renamed_to(struct account *acc, struct span name,
    struct arena *a, struct span *to_out);

struct folder_rename {
	struct span to, from;	/* storage names */
};

/*
 * All renames that are remembered, sorted by the name that the mailbox has now.
 * Errors: as folder_renamed_to, but none is no error.
 */
enum err folder_renames(struct account *acc, struct arena *a,
    struct folder_rename **out, size_t *n_out);

struct folder_entry {
	struct span name;	/* storage name */
	bool exists;		/* false: only a parent of others (\NonExistent) */
	bool has_children;
	bool has_new;		/* something in new/ or first_recent: \Marked */
};

/*
 * All mailboxes, sorted by name, INBOX first, missing parents included. One
 * readdir of the mail root when its mtime changed, else from the state.
 * Errors: ERR_UNAVAIL, ERR_IO.
 */
enum err folder_list(struct account *acc, struct arena *a,
    struct folder_entry **entries_out, size_t *n_out);

/* Whether a mailbox is there: a directory with cur/ in it. */
bool folder_exists(const struct account *acc, struct span name);

struct folder_status {
	uint32_t messages, recent, unseen, deleted;
	uint32_t uidnext, uidvalidity;
	uint64_t modseq, size_bytes;	/* wire size of all */
	uint64_t deleted_bytes;		/* on disk, of those with \Deleted, if asked for */
	char guid[33];
};

/*
 * STATUS: from the folder's record, after a look at the disk. Errors as
 * folder_open.
 */
enum err folder_get_status(struct account *acc, struct span name,
    bool deleted_bytes, struct folder_status *out);

#endif
