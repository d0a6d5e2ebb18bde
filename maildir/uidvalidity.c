/*
 * The account's counter of UIDVALIDITYs, shared with Dovecot.
 *
 * The name of the empty file dovecot-uidvalidity.<8 hex> is the last value
 * given away; who renames it to a higher one has that value for itself. The
 * file dovecot-uidvalidity (8 hex digits) only remembers which name to try
 * first: it may be old, absent or broken.
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
#include "common/fsutil.h"
#include "common/log.h"

#define COUNTER "dovecot-uidvalidity"

/* More than any number of sessions that race for the next value. */
enum { TRIES = 1000 };

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
	struct stat st;
	char text[16];

	if (fstat(control_fd, &st) < 0) {
		log_errno("stat of the control directory");
		return ERR_IO;
	}
	snprintf(text, sizeof text, "%08x", value);
	return fs_replace(control_fd, COUNTER, span_of(text),
	    st.st_mode & 0666, false);
}

enum err
uidvalidity_next(int control_fd, uint32_t above, uint32_t *value_out)
{
	uint32_t from = remembered(control_fd), to;
	enum err e;

	*value_out = 0;
	for (int i = 0; i < TRIES; i++) {
		if (from == 0 &&
		    (e = find_highest(control_fd, &from)) != ERR_OK)
			return e;
		to = from != 0 ? from : (uint32_t)clock_s() - 1;
		if (to < above)
			to = above;
		if (to == UINT32_MAX) {
			log_error(COUNTER ": no UIDVALIDITY is left");
			return ERR_IO;
		}
		to++;
		if ((e = take(control_fd, from, to)) == ERR_OK)
			goto taken;
		if (e != ERR_BUSY)
			return e;
		from = 0;
	}
	log_error(COUNTER ": others were faster %d times", TRIES);
	return ERR_IO;
taken:
	*value_out = to;
	/* The name decides, the file only saves a listing next time. */
	if (remember(control_fd, to) != ERR_OK)
		log_warn(COUNTER ": could not be written");
	return fs_sync(control_fd, "control directory");
}
