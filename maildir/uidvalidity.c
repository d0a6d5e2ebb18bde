/*
 * The account's counter of UIDVALIDITYs, shared with Dovecot.
 *
 * The name of the empty file dovecot-uidvalidity.<8 hex> is the last value
 * given away; who renames it to a higher one has that value for itself. The
 * file dovecot-uidvalidity (8 hex digits) only remembers which name to try
 * first: it may be old, absent or broken.
 *
 * Among our own processes a lock on the directory does it: where there is no file
 * yet, two could make the same one (the first of them renamed meanwhile), and a
 * listing beside a rename may miss the name that is there.
 */
#include "maildir/uidlist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crit.h"
#include "common/fsutil.h"
#include "common/lock.h"
#include "common/log.h"

#define COUNTER "dovecot-uidvalidity"

enum {
	TRIES = 1000,		/* Dovecot's processes may race us for the next value */
	MISSED = 3,		/* listings without the file before we believe them */
	LOCK_WAIT_MS = 10000,
};

static bool
from_hex(struct span s, uint32_t *value_out)
{
	uint32_t v = 0;

	if (s.n != 8)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*value_out = v;
	return true;
}

/* What dovecot-uidvalidity remembers; 0: nothing of use. */
static uint32_t
remembered(int control_fd)
{
	struct buf text = { 0 };
	uint32_t value = 0;

	if (fs_read(control_fd, COUNTER, 64, &text) == ERR_OK)
		(void)from_hex(span_trim(buf_span(&text)), &value);
	buf_clear(&text);
	return value;
}

/* The highest value that a file name gives; 0: there is none. */
static enum err
find_highest(int control_fd, uint32_t *value_out)
{
	struct dirent *entry;
	DIR *dir = NULL;
	int fd = openat(control_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*value_out = 0;
	if (fd < 0 || (dir = fdopendir(fd)) == NULL) {
		int error = errno;
		log_errno("list files for " COUNTER);
		if (fd >= 0)
			close(fd);
		return fs_err(error) == ERR_PERM ? ERR_PERM : ERR_IO;
	}
	while ((entry = readdir(dir)) != NULL) {
		struct span name = span_of(entry->d_name);
		struct span head = SPAN(COUNTER ".");
		uint32_t value;
		if (!span_starts(name, head))
			continue;
		name.p += head.n;
		name.n -= head.n;
		if (from_hex(name, &value) && value > *value_out)
			*value_out = value;
	}
	closedir(dir);
	return ERR_OK;
}

/*
 * Takes `to` for ourselves, coming from `from` (0: there is no file yet).
 * ERR_BUSY: somebody else was faster.
 */
static enum err
take(int control_fd, uint32_t from, uint32_t to)
{
	char old[40], name[40];
	int fd, error;

	snprintf(old, sizeof old, COUNTER ".%08x", from);
	snprintf(name, sizeof name, COUNTER ".%08x", to);
	if (from == 0) {
		fd = openat(control_fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
		if (fd >= 0) {
			close(fd);
			return ERR_OK;
		}
	} else {
		/* Not over a name that exists: its value was given away. */
		if (renameat2(control_fd, old, control_fd, name,
		    RENAME_NOREPLACE) == 0)
			return ERR_OK;
		if (errno == EINVAL &&
		    renameat(control_fd, old, control_fd, name) == 0)
			return ERR_OK;
	}
	error = errno;
	if (error == EEXIST || error == ENOENT)
		return ERR_BUSY;
	log_errno("make %s", name);
	return fs_err(error);
}

static enum err
remember(int control_fd, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof text, "%08x", value);
	return fs_replace_as_dir(control_fd, COUNTER, span_of(text), false);
}

/* `from` 0: what is remembered was no name that is there. Needs the lock. */
static enum err
next_locked(int control_fd, uint32_t above, uint32_t *value_out)
{
	uint32_t hint = remembered(control_fd), from = hint, to;
	enum err e;

	for (int i = 0; i < TRIES; i++) {
		if (from == 0 &&
		    (e = find_highest(control_fd, &from)) != ERR_OK)
			return e;
		/* Dovecot may be renaming it just now. */
		if (from == 0 && hint != 0 && i < MISSED)
			continue;
		to = from != 0 ? from : (uint32_t)clock_s() - 1;
		if (to < above)
			to = above;
		if (from == 0 && to < hint)
			to = hint;
		if (to == UINT32_MAX) {
			log_error(COUNTER ": no UIDVALIDITY is left");
			return ERR_IO;
		}
		*value_out = to + 1;
		if ((e = take(control_fd, from, to + 1)) != ERR_BUSY)
			return e;
		from = 0;
	}
	log_error(COUNTER ": others were faster %d times", TRIES);
	return ERR_IO;
}

enum err
uidvalidity_next(int control_fd, uint32_t above, uint32_t *value_out)
{
	enum err e;
	int fd = openat(control_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*value_out = 0;
	if (fd < 0) {
		e = fs_err(errno);
		log_errno("cannot open the control directory");
		return e;
	}
	crit_enter(CRIT_LOCK);
	e = lock_file(fd, true, LOCK_WAIT_MS, COUNTER);
	if (e == ERR_OK && (e = next_locked(control_fd, above, value_out)) ==
	    ERR_OK) {
		/* The name decides, the file only saves a listing next time. */
		if (remember(control_fd, *value_out) != ERR_OK)
			log_warn(COUNTER ": could not be written");
		e = fs_sync(control_fd, "control directory");
	}
	close(fd);		/* and with it the lock */
	crit_leave(CRIT_LOCK);
	return e;
}
