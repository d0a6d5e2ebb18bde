/*
 * Writing dovecot-uidlist: whole lines at its end, or all of it anew. The
 * format is described in uidlist.c.
 */
#include "maildir/uidlist.h"
#include "maildir/uidlist_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/lock.h"
#include "common/log.h"

enum { LOCK_TIMEOUT_MS = 30000, LOCK_STALE_S = 120 };

static enum err
add_lines(struct buf *b, const struct uidlist_entry *e, size_t n,
    uint32_t *next_uid)
{
	for (size_t i = 0; i < n; i++) {
		struct span base = e[i].base;
		if (e[i].uid == 0 || e[i].uid > UID_MAX ||
		    (i > 0 && e[i].uid <= e[i - 1].uid))
			panic("uidlist: UID %u after %u", e[i].uid,
			    i > 0 ? e[i - 1].uid : 0);
		if (!uidlist_base_is_sound(base) ||
		    span_find(base, ':') < base.n ||
		    span_find(base, '\n') < base.n) {
			log_error(UIDLIST_FILE ": no line can hold the name %s",
			    log_text(base));
			return ERR_CANNOT;
		}
		buf_add_u64(b, e[i].uid);
		if (e[i].keys.n > 0) {
			buf_addc(b, ' ');
			buf_add_span(b, e[i].keys);
		}
		buf_add(b, " :", 2);
		buf_add_span(b, base);
		buf_addc(b, '\n');
		if (*next_uid <= e[i].uid)
			*next_uid = e[i].uid + 1;
	}
	return ERR_OK;
}

static void
add_header(struct buf *b, struct uidlist *l)
{
	unsigned char id[16];

	if (l->guid[0] == '\0') {
		if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
			fatal_errno("getrandom");
		for (size_t i = 0; i < sizeof id; i++)
			snprintf(l->guid + 2 * i, 3, "%02x", id[i]);
	}
	buf_addf(b, "3 V%u N%u G%s", l->uidvalidity, l->next_uid, l->guid);
	if (l->modseq_floor != 0) {
		buf_add(b, " L", 2);
		buf_add_u64(b, l->modseq_floor);
	}
	if (l->other.n > 0) {
		buf_addc(b, ' ');
		buf_add_span(b, l->other);
	}
	buf_addc(b, '\n');
}

/* What was imported and what is new, as one file. */
static enum err
write_imported(int dir_fd, struct uidlist *l, const struct uidlist_entry *e,
    size_t n, bool sync)
{
	struct uidlist_entry *all = calloc(l->n + n, sizeof *all);
	enum err result;

	if (all == NULL)
		fatal("uidlist: no memory for %zu lines", l->n + n);
	if (l->n > 0)
		memcpy(all, l->entry, l->n * sizeof *all);
	memcpy(all + l->n, e, n * sizeof *all);
	result = uidlist_write(dir_fd, l, all, l->n + n, sync);
	free(all);
	return result;
}

static enum err
append_text(int fd, struct uidlist *l, struct span text, bool sync)
{
	struct stat st;
	int error;

	if (fstat(fd, &st) < 0 || !uidlist_has_identity(l, &st)) {
		log_error(UIDLIST_FILE ": changed under our lock");
		return ERR_IO;
	}
	/* A dead writer's half line, which nobody counts. */
	if (l->whole < l->size && ftruncate(fd, (off_t)l->whole) < 0) {
		error = errno;
		log_errno("truncate " UIDLIST_FILE);
		return fs_err(error);
	}
	if (fs_write(fd, text.p, text.n) != ERR_OK ||
	    (sync && fdatasync(fd) < 0) || fstat(fd, &st) < 0) {
		error = errno;
		log_errno("append to " UIDLIST_FILE);
		if (ftruncate(fd, (off_t)l->whole) < 0)
			log_errno("truncate " UIDLIST_FILE);
		if (fstat(fd, &st) == 0)
			uidlist_set_identity(l, &st);
		return fs_err(error);
	}
	uidlist_set_identity(l, &st);
	l->whole = l->size;
	return ERR_OK;
}

enum err
uidlist_append(int dir_fd, struct uidlist *l,
    const struct uidlist_entry *e, size_t n, bool sync)
{
	uint32_t next_uid = l->next_uid;
	struct buf text = { 0 };
	enum err result;
	int fd = -1;

	if (n == 0)
		return ERR_OK;
	if (e[0].uid < l->next_uid)
		panic("uidlist: UID %u again, next is %u", e[0].uid,
		    l->next_uid);
	if (l->version != 3)
		return write_imported(dir_fd, l, e, n, sync);
	result = add_lines(&text, e, n, &next_uid);
	if (result == ERR_OK)
		result = uidlist_open(dir_fd, UIDLIST_FILE, O_WRONLY | O_APPEND,
		    &fd);
	if (result == ERR_OK) {
		result = append_text(fd, l, buf_span(&text), sync);
	} else if (result == ERR_NOTFOUND) {
		log_error(UIDLIST_FILE ": removed under our lock");
		result = ERR_IO;
	}
	if (result == ERR_OK)
		l->next_uid = next_uid;
	if (fd >= 0)
		close(fd);
	buf_clear(&text);
	return result;
}

/* A rewritten file is newer than the one before, even within a clock tick. */
static void
make_newer(int fd, int64_t than_ns, struct stat *st)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	if (uidlist_mtime_ns(st) > than_ns)
		return;
	times[1].tv_sec = (than_ns + 1000) / 1000000000;
	times[1].tv_nsec = (than_ns + 1000) % 1000000000;
	if (futimens(fd, times) < 0 || fstat(fd, st) < 0)
		log_errno("set time of " UIDLIST_FILE);
}

static enum err
replace_list(int dir_fd, struct uidlist *l, struct span text, bool sync)
{
	struct stat st, old;
	char temp[64];
	int fd, error;

	snprintf(temp, sizeof temp, UIDLIST_FILE ".tmp.%ld", (long)getpid());
	if (fstat(dir_fd, &st) < 0) {
		log_errno("stat of a folder");
		return ERR_IO;
	}
	/* Ours from before a crash, or nobody's: we hold the lock. */
	(void)unlinkat(dir_fd, temp, 0);
	fd = openat(dir_fd, temp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    st.st_mode & 0666);
	if (fd < 0) {
		error = errno;
		log_errno("create %s", temp);
		return fs_err(error);
	}
	if (fs_write(fd, text.p, text.n) != ERR_OK || fstat(fd, &st) < 0)
		goto failed;
	if (fstatat(dir_fd, UIDLIST_FILE, &old, AT_SYMLINK_NOFOLLOW) == 0)
		make_newer(fd, uidlist_mtime_ns(&old), &st);
	if ((sync && fsync(fd) < 0) ||
	    renameat(dir_fd, temp, dir_fd, UIDLIST_FILE) < 0)
		goto failed;
	close(fd);
	uidlist_set_identity(l, &st);
	l->whole = l->size;
	l->version = 3;
	return sync ? fs_sync(dir_fd, "directory of " UIDLIST_FILE) : ERR_OK;
failed:
	error = errno;
	log_errno("write %s", temp);
	close(fd);
	(void)unlinkat(dir_fd, temp, 0);
	return fs_err(error);
}

enum err
uidlist_write(int dir_fd, struct uidlist *header,
    const struct uidlist_entry *e, size_t n, bool sync)
{
	struct buf lines = { 0 }, text = { 0 };
	enum err result;

	if (header->uidvalidity == 0)
		panic("uidlist: no UIDVALIDITY");
	if (header->next_uid == 0)
		header->next_uid = 1;
	/* The header comes first and says what the lines come to. */
	result = add_lines(&lines, e, n, &header->next_uid);
	if (result == ERR_OK) {
		add_header(&text, header);
		buf_add_span(&text, buf_span(&lines));
		result = replace_list(dir_fd, header, buf_span(&text), sync);
	}
	buf_clear(&lines);
	buf_clear(&text);
	return result;
}

enum err
uidlist_lock(int dir_fd)
{
	return dotlock_take(dir_fd, UIDLIST_FILE ".lock", LOCK_TIMEOUT_MS,
	    LOCK_STALE_S);
}

void
uidlist_unlock(int dir_fd)
{
	dotlock_release(dir_fd, UIDLIST_FILE ".lock");
}
