/* One account: its directories, its state environment, its session. */
#ifndef MAILDIR_ACCOUNT_H
#define MAILDIR_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/state.h"

struct account;
struct db;
struct db_txn;
struct policy_file;
struct quota;

/* What an account is opened with. Descriptors are taken over. */
struct account_place {
	int root_fd;		/* mail root; `..` leads nowhere */
	int control_fd;		/* CONTROL, or -1: the root */
	int index_fd;		/* VOLATILEDIR or INDEX, or -1: the root */
	const char *user;	/* for logs and presence; copied */
	const char *client;	/* "192.0.2.1" or "tunnel"; copied */
	bool sync;		/* fsync before OK (mail_fsync is not "never") */
	bool wide_control;	/* control_fd is separate: folders have their own dir in it */
	unsigned max_readers;	/* process limit */
	uint64_t map_bytes;	/* address space for the state */
	unsigned store_batch;	/* messages renamed before the OK; 0: all */
	/* for how long a mailbox's ghosts are kept, in ms; 0: not. NULL: for ever */
	uint64_t (*ghost_max_age)(void *ctx, struct account *acc,
	    struct span storage);
	void *ghost_ctx;
	uint64_t ghost_max_bytes;	/* and how much of them; 0: no limit */
	int changed_fd;		/* socket to notify, or -1 */
	bool sweep;		/* somebody died just now: look, however lately one looked */
	bool shares;		/* folders with a list of rights are accounts of their own */
	const struct quota *quota;	/* common/quota_rules.h, of its user; NULL: none */
	bool delivers;		/* mail comes in: the last message may go over the quota */
	/* Such a one (alone.h): its mailbox's storage name; copied. NULL: a whole account */
	const char *alone;
};

struct account {
	int root_fd, control_fd, index_fd;
	int gate_fd;		/* flock shared while open */
	int names_fd;		/* loft/names, once it was needed; -1 */
	int session_fd;		/* flocked file in loft/sessions, -1: none yet */
	uint64_t session;	/* our session id in the state, 0: none yet */
	struct db *db;
	char *user, *client;
	bool sync, wide_control;
	unsigned store_batch;
	uint64_t (*ghost_max_age)(void *ctx, struct account *acc,
	    struct span storage);
	void *ghost_ctx;
	uint64_t ghost_max_bytes;
	uint64_t ghosts_seen_ms;	/* when the oldest were last looked for */
	int changed_fd;
	struct policy_file *policy;	/* policy_file.h; NULL: nothing was read */
	uint64_t dev, ino;	/* of the root: the account's name towards notify */
	mode_t dir_mode, file_mode;
	bool must_clean;	/* keywords beyond the letters live in the state only */
	bool marked;		/* the boot file says "unclean" for our boot */
	/* work put off until the tagged OK is out, by folder id; 0: none */
	uint32_t late_store, late_ghosts, late_deleted;
	uint32_t changed;	/* that notify has not been told of */
	uint64_t changed_ms;
	size_t n_sessions;	/* about how many, when one last had to say what it was told of */
	struct {
		uint32_t folder_id;
		bool read_only;
		uint64_t modseq;
	} late_told;		/* the cursor that is to be written */
	struct account_place how;	/* as it was opened; no descriptors */
	char *alone;		/* the only mailbox, or NULL */
	unsigned n_folders;	/* open ones */
	bool late_quota;	/* quota.h: others have to be told of the count */
	bool quota_inner;	/* and a folder that is an account of its own changed */
	bool quota_prepared;
	struct usage file_limits;	/* of maildirsize, where none are set */
	pid_t asker;		/* we act for this session: it is no other one; 0: none */
	/* Accounts of single folders, by alone.h: those reached from here. */
	struct account *inner, *next, *outer;
	char *key;		/* whose, where it is not ours */
	bool private_seen;	/* \Seen there is ours alone, and kept in `outer` (seen.h) */
	/* What its list of rights says of us (worker/rights.h), and of which file. */
	bool rights_known;
	unsigned rights;
	struct stat rights_was;
};

/*
 * Opens the directory of a folder below CONTROL, made if need be; where CONTROL is not
 * apart, the folder's own. dir: as name_to_dir makes it. Errors as fs_open_dir, fs_mkdir.
 */
enum err account_open_control(const struct account *acc, const char *dir,
    int *fd_out);

/*
 * Begins a write transaction; the boot file says "unclean", synced, before the
 * first one. For maildir/ only. Errors as db_begin, ERR_IO.
 */
enum err account_write(struct account *acc, struct db_txn **txn_out);

/*
 * Tells notify that something was committed in a folder. A hint: errors are
 * nobody's business.
 */
void account_changed(struct account *acc, uint32_t folder_id);

/* The same for a folder that is gone: wakes sessions that do not idle, too. */
void account_folder_gone(struct account *acc, uint32_t folder_id);

/*
 * Reads what a chroot hides (boot id, pid namespace, host name). Call once per
 * process family, before chroot; account_open does it when nobody did.
 */
void account_prepare(void);

/*
 * Opens an account: takes the gate, trusts or discards the state environment
 * (DESIGN 3: another boot that was not clean, or no state at all, is rebuilt from
 * the Maildir as folders are entered), opens it, sweeps what the dead left.
 * The working directory becomes the index directory.
 * Errors: ERR_UNAVAIL network file system, other pid namespace, root missing
 *         (logged with what to do); ERR_PERM; ERR_QUOTA; ERR_IO
 */
enum err account_open(const struct account_place *place,
    struct account **account_out);

/*
 * Gives the session, references and ghosts back. The environment is marked clean
 * when nobody else has it open.
 */
void account_close(struct account **account);

/*
 * A slice of the work that was put off until the tagged OK was out (renames for
 * flags of many messages, unlinking ghosts nobody refers to): about a millisecond.
 * True: there is more; call again unless the client wants something. What is left
 * when the session ends is done by account_close.
 */
bool account_late_work(struct account *acc);

/* Whether there is any. */
bool account_has_late_work(const struct account *acc);

/*
 * How many ms a session that idles lets it wait: another time for each session of the
 * account, so that they come one after the other, however many were woken at once.
 */
uint64_t account_late_after_ms(const struct account *acc);

/* Tells notify what account_changed has put off: to be called after the OK went out. */
void account_tell_changed(struct account *acc);

#endif
