/*
 * One account: the gate, the boot file, the state environment.
 *
 * loft/gate  flocked shared by every process that has the environment open;
 *            exclusively by who discards it or marks it clean.
 * loft/boot  "<boot id> <pid namespace> clean|unclean\n", written in place.
 *            "unclean" is synced before the first commit, "clean" only under the
 *            exclusive gate after mdb_env_sync. A reader that finds another boot's
 *            "unclean", or nothing it understands, discards the environment:
 *            LMDB ran without syncs and has no checksums.
 */
#include "maildir/account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/db.h"
#include "common/fsutil.h"
#include "common/ipc.h"
#include "common/lock.h"
#include "common/log.h"
#include "common/quota_rules.h"
#include "maildir/ghost.h"
#include "maildir/mailbox_names.h"
#include "maildir/policy_file.h"
#include "maildir/presence.h"
#include "maildir/quota.h"
#include "maildir/state.h"
#include "maildir/unique.h"

enum { GATE_WAIT_MS = 10000, BOOT_MAX = 128, CLEAN_AFTER_S = 60,
	CHANGED_MS = 100, LATE_MS = 1000, LATE_EACH_MS = 2 };

static char boot_id[48];
static unsigned long long pid_namespace;

void
account_prepare(void)
{
	struct buf b = { .max = 64 };
	struct stat st;

	if (boot_id[0] != '\0')
		return;
	unique_prepare();
	if (fs_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &b) ==
	    ERR_OK) {
		struct span s = span_trim(buf_span(&b));

		snprintf(boot_id, sizeof(boot_id), "%.*s", (int)s.n, s.p);
	}
	buf_clear(&b);
	if (boot_id[0] == '\0')
		snprintf(boot_id, sizeof(boot_id), "unknown");
	if (stat("/proc/self/ns/pid", &st) == 0)
		pid_namespace = st.st_ino;
}

enum trust { TRUST, TRUST_IF_ALONE, DISCARD };

/* What the boot file says about the environment. */
static enum trust
read_boot(struct account *acc)
{
	struct buf b = { .max = BOOT_MAX };
	char id[64], word[16];
	unsigned long long ns;
	enum trust trust = DISCARD;

	acc->marked = false;
	if (fs_read(acc->index_fd, "loft/boot", BOOT_MAX, &b) == ERR_OK &&
	    sscanf(buf_cstr(&b), "%63s %llu %15s", id, &ns, word) == 3) {
		bool clean = strcmp(word, "clean") == 0;
		bool here = strcmp(id, boot_id) == 0;

		if (clean)
			trust = TRUST;
		else if (here && ns == pid_namespace)
			trust = TRUST;
		else if (here)
			trust = TRUST_IF_ALONE;
		acc->marked = here && !clean && ns == pid_namespace;
	}
	buf_clear(&b);
	return trust;
}

static enum err
write_boot(struct account *acc, const char *word)
{
	char line[BOOT_MAX];
	int fd, n;
	enum err e = ERR_OK;

	/* One length for both words: written in place, one sector. */
	n = snprintf(line, sizeof(line), "%s %llu %-7s\n", boot_id,
	    pid_namespace, word);
	fd = openat(acc->index_fd, "loft/boot",
	    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || pwrite(fd, line, (size_t)n, 0) != n ||
	    (acc->sync && fdatasync(fd) != 0)) {
		e = fs_err(errno);
		log_errno("cannot write loft/boot");
	}
	if (fd >= 0)
		close(fd);
	acc->marked = e == ERR_OK && strcmp(word, "unclean") == 0;
	return e;
}

enum err
account_open_control(const struct account *acc, const char *dir, int *fd_out)
{
	enum err e;

	*fd_out = -1;
	if (!acc->wide_control)
		return fs_open_dir(acc->root_fd, dir, fd_out);
	e = fs_mkdir(acc->control_fd, dir, acc->dir_mode);
	return e != ERR_OK ? e : fs_open_dir(acc->control_fd, dir, fd_out);
}

enum err
account_write(struct account *acc, struct db_txn **txn_out)
{
	enum err e;

	*txn_out = NULL;
	if (!acc->marked && (e = write_boot(acc, "unclean")) != ERR_OK)
		return e;
	return db_begin(acc->db, true, txn_out);
}

static void
unlink_state(struct account *acc)
{
	unlinkat(acc->index_fd, "loft/state/data.mdb", 0);
	unlinkat(acc->index_fd, "loft/state/lock.mdb", 0);
}

/* With the gate held exclusively by us alone: away with the environment. */
static enum err
discard(struct account *acc, const char *why)
{
	enum err e;

	log_info("state of user %s is rebuilt from the Maildir: %s", acc->user,
	    why);
	unlink_state(acc);
	if ((e = fs_remove_tree(acc->index_fd, "loft/sessions")) != ERR_OK ||
	    (e = fs_mkdir(acc->index_fd, "loft/sessions", 0700)) != ERR_OK)
		return e;
	return write_boot(acc, "unclean");
}

/* Takes the gate and makes sure that what is behind it can be trusted. */
static enum err
enter_gate(struct account *acc)
{
	enum trust trust;
	enum err e;

	e = lock_file(acc->gate_fd, false, GATE_WAIT_MS, "loft/gate");
	if (e != ERR_OK)
		return ERR_UNAVAIL;
	if ((trust = read_boot(acc)) == TRUST)
		return ERR_OK;
	/* Somebody else may hold it now and be doing the same: look again. */
	lock_release(acc->gate_fd);
	e = lock_file(acc->gate_fd, true, trust == DISCARD ? GATE_WAIT_MS : 0,
	    "loft/gate");
	if (e != ERR_OK && trust == TRUST_IF_ALONE) {
		log_error("state of user %s is in use from another pid "
		    "namespace (container?); LMDB cannot be shared across "
		    "them: run both in one, or give one its own INDEX",
		    acc->user);
		return ERR_UNAVAIL;
	}
	if (e != ERR_OK)
		return ERR_UNAVAIL;
	trust = read_boot(acc);
	if (trust == DISCARD)
		e = discard(acc, "it is new, or of an earlier boot that did "
		    "not end cleanly");
	else if (trust == TRUST_IF_ALONE)
		e = write_boot(acc, "unclean");
	if (e == ERR_OK)
		e = lock_file(acc->gate_fd, false, GATE_WAIT_MS, "loft/gate");
	return e;
}

/*
 * Deleted mailboxes of a state before this one, which nobody can have open: their
 * numbers would be given again.
 */
static void
put_aside(int dir_fd, const char *aside)
{
	if (faccessat(dir_fd, "loft/deleted", F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    renameat(dir_fd, "loft/deleted", dir_fd, aside) != 0)
		log_errno("cannot put loft/deleted aside");
}

static enum err
begin_state(struct account *acc)
{
	struct db_txn *t;
	char aside[64];
	enum err e;

	snprintf(aside, sizeof(aside), "loft/new.%ld.0", (long)getpid());
	if ((e = account_write(acc, &t)) != ERR_OK)
		return e;
	if (meta_get(t, "version") == STATE_VERSION) {
		db_abort(&t);
		return ERR_OK;		/* another process was faster */
	}
	put_aside(acc->root_fd, aside);
	if (acc->wide_control)
		put_aside(acc->control_fd, aside);
	if ((e = meta_put(t, "version", STATE_VERSION)) == ERR_OK)
		e = db_commit(&t);
	else
		db_abort(&t);
	if (e == ERR_OK && (e = fs_remove_tree(acc->root_fd, aside)) ==
	    ERR_OK && acc->wide_control)
		e = fs_remove_tree(acc->control_fd, aside);
	return e;
}

static enum err
open_state(struct account *acc, const struct account_place *place)
{
	struct db_txn *t = NULL;
	uint64_t version;
	enum err e;

	for (int attempt = 0; attempt < 2; attempt++) {
		e = db_open("loft/state", state_tables, T_COUNT,
		    place->map_bytes, place->max_readers, &acc->db);
		if (e == ERR_OK)
			e = db_begin(acc->db, false, &t);
		if (e == ERR_OK) {
			version = meta_get(t, "version");
			db_abort(&t);
			if (version == STATE_VERSION)
				return ERR_OK;
			if (version == 0)
				return begin_state(acc);
			e = ERR_CORRUPT;
		}
		db_close(&acc->db);
		if (e != ERR_CORRUPT)
			return e;
		/* Whoever still has it open notices the missing link and ends. */
		if ((e = discard(acc, "it is damaged or of another version")) !=
		    ERR_OK)
			return e;
	}
	return ERR_UNAVAIL;
}

static enum err
make_dirs(struct account *acc)
{
	static const char *const dirs[] = { "loft", "loft/state",
		"loft/sessions" };
	enum err e = ERR_OK;

	/* Once made they stay: one call tells. */
	if (faccessat(acc->index_fd, "loft/sessions", F_OK, 0) == 0)
		return ERR_OK;
	for (size_t i = 0; i < 3 && e == ERR_OK; i++)
		e = fs_mkdir(acc->index_fd, dirs[i], 0700);
	return e;
}

enum err
account_open(const struct account_place *place, struct account **account_out)
{
	struct account *acc = calloc(1, sizeof(*acc));
	const char *network;
	struct stat st;
	enum err e = ERR_UNAVAIL;

	*account_out = NULL;
	if (acc == NULL)
		fatal("no memory");
	account_prepare();
	acc->root_fd = place->root_fd;
	acc->control_fd = place->control_fd >= 0 ? place->control_fd :
	    place->root_fd;
	acc->index_fd = place->index_fd >= 0 ? place->index_fd : place->root_fd;
	acc->gate_fd = acc->session_fd = acc->names_fd = -1;
	acc->changed_fd = place->changed_fd;
	acc->sync = place->sync;
	acc->wide_control = place->wide_control;
	acc->store_batch = place->store_batch;
	acc->ghost_max_age = place->ghost_max_age;
	acc->ghost_ctx = place->ghost_ctx;
	acc->ghost_max_bytes = place->ghost_max_bytes;
	acc->user = strdup(place->user);
	acc->client = strdup(place->client);
	if (place->alone != NULL)
		acc->alone = strdup(place->alone);
	if (acc->user == NULL || acc->client == NULL ||
	    (place->alone != NULL && acc->alone == NULL))
		fatal("no memory");
	acc->how = *place;
	acc->how.root_fd = acc->how.control_fd = acc->how.index_fd = -1;
	acc->how.user = acc->user;
	acc->how.client = acc->client;
	acc->how.alone = NULL;
	/* What others count is looked at once a session. */
	acc->late_quota = place->quota != NULL && place->quota->is_on &&
	    place->alone == NULL;
	if (fstat(acc->root_fd, &st) != 0 || st.st_nlink == 0) {
		log_errno("mail root of user %s is gone", acc->user);
		goto fail;
	}
	acc->dev = st.st_dev;
	acc->ino = st.st_ino;
	acc->dir_mode = st.st_mode & 0777;
	acc->file_mode = st.st_mode & 0666;
	if ((network = fs_network_name(acc->index_fd)) != NULL) {
		log_error("state of user %s would lie on %s, where LMDB cannot "
		    "work; set INDEX or VOLATILEDIR in mail_location to a "
		    "local disk", acc->user, network);
		goto fail;
	}
	if (fchdir(acc->index_fd) != 0) {
		log_errno("cannot enter the index directory of user %s",
		    acc->user);
		goto fail;
	}
	if ((e = make_dirs(acc)) != ERR_OK)
		goto fail;
	acc->gate_fd = openat(acc->index_fd, "loft/gate",
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (acc->gate_fd < 0) {
		e = fs_err(errno);
		log_errno("cannot open loft/gate of user %s", acc->user);
		goto fail;
	}
	if ((e = enter_gate(acc)) != ERR_OK ||
	    (e = open_state(acc, place)) != ERR_OK ||
	    (e = presence_sweep(acc, place->sweep)) != ERR_OK ||
	    (e = names_settle(acc)) != ERR_OK)
		goto fail;
	*account_out = acc;
	return ERR_OK;
fail:
	account_close(&acc);
	return e;
}

/* Whoever is the last to have been told of the oldest ghost sweeps. */
static void
write_cursor(struct account *acc)
{
	uint32_t id = acc->late_told.folder_id;
	struct folder_rec r;
	struct arena a = { 0 };
	struct db_txn *t;
	bool last = false;
	enum err e;

	acc->late_told.folder_id = 0;
	if (account_write(acc, &t) != ERR_OK)
		return;
	e = presence_told(t, acc, id, acc->late_told.modseq,
	    acc->late_told.read_only);
	if (e == ERR_OK && (e = rec_get(t, id, &a, &r)) == ERR_OK) {
		last = r.n_ghosts > 0 && !presence_is_behind(t, id, 0,
		    r.oldest_ghost);
		e = db_commit(&t);
	} else {
		db_abort(&t);
	}
	arena_free(&a);
	if (e == ERR_OK && last)
		acc->late_ghosts = id;
}

bool
account_late_work(struct account *acc)
{
	uint32_t id;

	for (struct account *in = acc->inner; in != NULL; in = in->next)
		if (account_has_late_work(in)) {
			account_late_work(in);
			return account_has_late_work(acc);
		}
	if (acc->late_told.folder_id != 0) {
		write_cursor(acc);
	} else if ((id = acc->late_ghosts) != 0) {
		acc->late_ghosts = 0;
		ghost_sweep(acc, id);
	} else if ((id = acc->late_deleted) != 0) {
		acc->late_deleted = 0;
		ghost_drop_folder(acc, id);
	} else if ((id = acc->late_store) != 0) {
		acc->late_store = 0;
		if (ghost_late_renames(acc, id))
			acc->late_store = id;
	} else if (acc->late_quota) {
		quota_tell(acc);
	}
	return account_has_late_work(acc);
}

bool
account_has_late_work(const struct account *acc)
{
	for (const struct account *in = acc->inner; in != NULL; in = in->next)
		if (account_has_late_work(in))
			return true;
	return acc->late_told.folder_id != 0 || acc->late_ghosts != 0 ||
	    acc->late_deleted != 0 || acc->late_store != 0 || acc->late_quota;
}

uint64_t
account_late_after_ms(const struct account *acc)
{
	uint64_t spread_ms = LATE_MS;
	size_t n = acc->n_sessions;

	for (const struct account *in = acc->inner; in != NULL; in = in->next)
		n = n > in->n_sessions ? n : in->n_sessions;
	if (spread_ms < n * LATE_EACH_MS)
		spread_ms = n * LATE_EACH_MS;
	return LATE_MS + (uint64_t)getpid() % (spread_ms / LATE_EACH_MS) *
	    LATE_EACH_MS;
}

/*
 * Without notify (tunnel, inetd, notify replaced): a byte into loft/changed. The
 * daemon watches loft/ for its idle sessions, and not the state, or each of its own
 * commits would wake all of them.
 */
static void
leave_word(struct account *acc)
{
	int fd = openat(acc->index_fd, "loft/changed",
	    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	(void)!pwrite(fd, "\n", 1, 0);
	close(fd);
}

static void
tell_notify(struct account *acc, uint32_t folder_id, uint32_t flags)
{
	struct ipc_folder body = { .dev = acc->dev, .ino = acc->ino,
		.folder_id = folder_id, .flags = flags };

	/* A notify that died has a successor, which we meet when we select. */
	if (acc->changed_fd < 0 || ipc_send(acc->changed_fd,
	    MSG_FOLDER_CHANGED, &body, SPAN_NONE, NULL, 0) != ERR_OK)
		leave_word(acc);
}

void
account_tell_changed(struct account *acc)
{
	uint32_t id = acc->changed;

	acc->changed = 0;
	if (id != 0)
		tell_notify(acc, id, 0);
	for (struct account *in = acc->inner; in != NULL; in = in->next)
		account_tell_changed(in);
}

/*
 * Put off, so that the client has its answer before all others are woken; but not
 * by a command that takes its time.
 */
void
account_changed(struct account *acc, uint32_t folder_id)
{
	uint64_t now = clock_mono_ms();

	quota_changed(acc);
	if (acc->changed != 0 && (acc->changed != folder_id ||
	    now - acc->changed_ms >= CHANGED_MS))
		account_tell_changed(acc);
	if (acc->changed == 0)
		acc->changed_ms = now;
	acc->changed = folder_id;
}

void
account_folder_gone(struct account *acc, uint32_t folder_id)
{
	quota_changed(acc);
	tell_notify(acc, folder_id, IPC_FOLDER_GONE);
}

/*
 * Clean costs three syncs, and the next session one more: accounts that are entered
 * and left all the time (web mail) pay it once in a while. Left unclean, the state
 * is rebuilt after a reboot; only what is nowhere else makes it worth it at once.
 */
static bool
is_worth_cleaning(const struct account *acc)
{
	struct stat st;

	/* Removed with its folder. */
	if (fstat(acc->gate_fd, &st) != 0 || st.st_nlink == 0)
		return false;
	return acc->must_clean ||
	    fstatat(acc->index_fd, "loft/boot", &st, 0) != 0 ||
	    clock_s() - st.st_mtim.tv_sec >= CLEAN_AFTER_S ||
	    clock_s() < st.st_mtim.tv_sec;
}

void
account_close(struct account **account)
{
	struct account *acc = *account;

	if (acc == NULL)
		return;
	while (acc->inner != NULL) {
		struct account *in = acc->inner;

		acc->inner = in->next;
		account_close(&in);
	}
	if (acc->db != NULL) {
		while (account_late_work(acc))
			continue;
		account_tell_changed(acc);
		presence_part(acc);
		/* The last one out leaves it clean, unless it just became unclean. */
		if (acc->marked && is_worth_cleaning(acc) &&
		    flock(acc->gate_fd, LOCK_EX | LOCK_NB) == 0 &&
		    db_sync(acc->db) == ERR_OK &&
		    write_boot(acc, "clean") != ERR_OK)
			log_warn("state of user %s stays marked unclean",
			    acc->user);
		db_close(&acc->db);
	}
	fs_close(&acc->gate_fd);
	fs_close(&acc->names_fd);
	if (acc->index_fd != acc->root_fd)
		fs_close(&acc->index_fd);
	if (acc->control_fd != acc->root_fd)
		fs_close(&acc->control_fd);
	fs_close(&acc->root_fd);
	policy_file_free(&acc->policy);
	free(acc->user);
	free(acc->client);
	free(acc->alone);
	free(acc->key);
	free(acc);
	*account = NULL;
}
