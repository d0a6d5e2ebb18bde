/* One message on its way into a folder: written to tmp/, named, synced. */
#include "maildir/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/presence.h"
#include "maildir/unique.h"

enum err
deliver_begin(struct folder *f, struct deliver **d_out)
{
	struct deliver *d = calloc(1, sizeof(*d));
	enum err e;

	*d_out = NULL;
	if (d == NULL)
		fatal("no memory");
	/* A session's death is noticed, and what it left in tmp/ removed. */
	if ((e = presence_join(f->acc)) != ERR_OK) {
		free(d);
		return e;
	}
	d->f = f;
	unique_name(d->tmp_name, sizeof(d->tmp_name));
	d->fd = openat(f->tmp_fd, d->tmp_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    f->acc->file_mode);
	if (d->fd < 0 && errno == ENOENT && folder_is_removed(f)) {
		free(d);
		return ERR_NOTFOUND;
	}
	if (d->fd < 0) {
		e = fs_err(errno);
		log_errno("mailbox %s: cannot make a file in tmp/", f->name);
		free(d);
		return e;
	}
	*d_out = d;
	return ERR_OK;
}

enum err
deliver_write(struct deliver *d, const char *p, size_t n)
{
	const char *q = p, *end = p + n;

	if (n == 0)
		return ERR_OK;
	if (fs_write(d->fd, p, n) != ERR_OK) {
		log_errno("mailbox %s: cannot write to tmp/%s", d->f->name,
		    d->tmp_name);
		return fs_err(errno);
	}
	d->size += n;
	d->wire_size += n;
	/* Every LF without its CR counts twice on the wire. */
	while ((q = memchr(q, '\n', (size_t)(end - q))) != NULL) {
		char before = q > p ? q[-1] : d->last;

		d->wire_size += before != '\r';
		q++;
	}
	d->last = end[-1];
	return ERR_OK;
}

enum err
deliver_finish(struct deliver *d, uint32_t flags, uint64_t keywords,
    int64_t internal_date)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = internal_date } };
	enum err e;

	d->flags = flags;
	d->keywords = keywords;
	d->internal_date = internal_date;
	snprintf(d->base, sizeof(d->base), "%s,S=%llu,W=%llu", d->tmp_name,
	    (unsigned long long)d->size, (unsigned long long)d->wire_size);
	if (futimens(d->fd, times) != 0) {
		log_errno("mailbox %s: cannot set the date of tmp/%s",
		    d->f->name, d->tmp_name);
		return fs_err(errno);
	}
	if (d->f->acc->sync && (e = fs_sync(d->fd, d->tmp_name)) != ERR_OK)
		return e;
	KILL_POINT("deliver-finished");
	close(d->fd);
	d->fd = -1;
	return ERR_OK;
}

void
deliver_free(struct deliver **dp)
{
	struct deliver *d = *dp;

	if (d == NULL)
		return;
	if (d->fd >= 0)
		close(d->fd);
	/* Given a UID, it has left tmp/. */
	if (d->uid == 0)
		unlinkat(d->f->tmp_fd, d->tmp_name, 0);
	free(d);
	*dp = NULL;
}
