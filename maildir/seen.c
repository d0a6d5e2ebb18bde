/* Private \Seen. Chunks of the file that were asked for are kept in memory. */
#include "maildir/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/crit.h"
#include "common/fsutil.h"
#include "common/lock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/flags.h"
#include "maildir/folder.h"

#define DIR_NAME "loft-seen"
#define MAGIC "LoftSeen 1\n"

enum {
	COUNT_AT = 16, BITS_AT = 512,
	CHUNK = 512,			/* bytes: 4,096 UIDs */
	LOCK_WAIT_MS = 10000,
};

struct chunk {
	uint32_t number;		/* UIDs from number * 8 * CHUNK on */
	unsigned char bits[CHUNK];
};

struct seen {
	int dir_fd, fd;			/* fd -1: nothing was ever seen */
	char name[80];
	mode_t mode;
	uint64_t count;			/* of changes, as of the last look */
	struct chunk *chunk;		/* by number */
	size_t n, at;
};

/* ---- the file ---- */

/* Names of files are made of it, and it comes from another account. */
static bool
is_guid(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

static enum err
read_at(const struct seen *s, off_t at, void *p, size_t n)
{
	size_t have = 0;

	memset(p, 0, n);
	while (s->fd >= 0 && have < n) {
		ssize_t r = pread(s->fd, (char *)p + have, n - have,
		    at + (off_t)have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			log_errno(DIR_NAME "/%s: cannot read", s->name);
			return fs_err(errno);
		}
		if (r == 0)
			break;		/* what is not there is not seen */
		have += (size_t)r;
	}
	return ERR_OK;
}

static enum err
write_at(const struct seen *s, off_t at, const void *p, size_t n)
{
	ssize_t w;

	while ((w = pwrite(s->fd, p, n, at)) < 0 && errno == EINTR)
		;
	if (w == (ssize_t)n)
		return ERR_OK;
	if (w >= 0)
		errno = ENOSPC;
	log_errno(DIR_NAME "/%s: cannot write", s->name);
	return fs_err(errno);
}

static enum err
read_count(const struct seen *s, uint64_t *out)
{
	unsigned char raw[8];
	enum err e = read_at(s, COUNT_AT, raw, sizeof(raw));

	*out = 0;
	for (int i = 7; i >= 0; i--)
		*out = *out << 8 | raw[i];
	return e;
}

static enum err
write_count(const struct seen *s, uint64_t count)
{
	unsigned char raw[8];

	for (int i = 0; i < 8; i++)
		raw[i] = (unsigned char)(count >> 8 * i);
	return write_at(s, COUNT_AT, raw, sizeof(raw));
}

static enum err
check_magic(const struct seen *s)
{
	char magic[COUNT_AT] = "", right[COUNT_AT] = MAGIC;
	struct stat st;
	enum err e = read_at(s, 0, magic, sizeof(magic));

	/* Made, and its maker died. */
	if (e == ERR_OK && fstat(s->fd, &st) == 0 && st.st_size == 0)
		return ERR_OK;
	if (e == ERR_OK && memcmp(magic, right, sizeof(magic)) != 0) {
		log_error(DIR_NAME "/%s is no file of what was seen; remove "
		    "it to begin a new one", s->name);
		e = ERR_CORRUPT;
	}
	return e;
}

/* make: also the directory; else ERR_NOTFOUND. */
static enum err
open_file(struct seen *s, bool make)
{
	char path[96];
	enum err e;

	snprintf(path, sizeof(path), DIR_NAME "/%s", s->name);
	if (make && (e = fs_mkdir(s->dir_fd, DIR_NAME, 0700)) != ERR_OK)
		return e;
	s->fd = openat(s->dir_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK | (make ? O_CREAT : 0), s->mode);
	if (s->fd < 0 && errno == ENOENT && !make)
		return ERR_NOTFOUND;
	if (s->fd < 0) {
		log_errno("cannot open %s", path);
		return fs_err(errno);
	}
	return check_magic(s);
}

enum err
seen_open(const struct account *own, const struct folder *f, struct seen **out)
{
	struct seen *s;
	enum err e;

	*out = NULL;
	if (!is_guid(f->guid))
		return ERR_CANNOT;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal("no memory");
	s->fd = -1;
	s->dir_fd = own->control_fd;
	s->mode = own->file_mode;
	snprintf(s->name, sizeof(s->name), "%s.%u", f->guid, f->uidvalidity);
	if ((e = open_file(s, false)) == ERR_NOTFOUND)
		e = ERR_OK;
	if (e == ERR_OK && (e = read_count(s, &s->count)) == ERR_OK)
		*out = s;
	else
		seen_close(&s);
	return e;
}

void
seen_close(struct seen **s)
{
	if (*s == NULL)
		return;
	fs_close(&(*s)->fd);
	free((*s)->chunk);
	free(*s);
	*s = NULL;
}

/* ---- chunks ---- */

static size_t
find(const struct seen *s, uint32_t number)
{
	size_t lo = 0, hi = s->n;

	/* Mostly the one as last time. */
	if (s->at < s->n && s->chunk[s->at].number == number)
		return s->at;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->chunk[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Read the first time. */
static enum err
get(struct seen *s, uint32_t uid, struct chunk **out)
{
	uint32_t number = uid / 8 / CHUNK;
	size_t i = find(s, number);
	enum err e;

	s->at = i;
	if (i < s->n && s->chunk[i].number == number) {
		*out = &s->chunk[i];
		return ERR_OK;
	}
	if (s->n % 16 == 0) {
		s->chunk = realloc(s->chunk, (s->n + 16) * sizeof(*s->chunk));
		if (s->chunk == NULL)
			fatal("no memory");
	}
	memmove(&s->chunk[i + 1], &s->chunk[i], (s->n++ - i) *
	    sizeof(*s->chunk));
	s->chunk[i].number = number;
	e = read_at(s, BITS_AT + (off_t)number * CHUNK, s->chunk[i].bits,
	    CHUNK);
	*out = &s->chunk[i];
	return e;
}

uint32_t
seen_flags(struct seen *s, uint32_t uid, uint32_t flags)
{
	struct chunk *c;

	if (s == NULL)
		return flags;
	flags &= ~(uint32_t)FLAG_SEEN;
	if (get(s, uid, &c) == ERR_OK &&
	    (c->bits[uid / 8 % CHUNK] >> uid % 8 & 1) != 0)
		flags |= FLAG_SEEN;
	return flags;
}

/* ---- changing ---- */

/* What the file says now of a chunk is what is changed. */
static enum err
change_chunk(struct seen *s, const uint32_t *uids, size_t n, bool on)
{
	uint32_t number = uids[0] / 8 / CHUNK;
	off_t at = BITS_AT + (off_t)number * CHUNK;
	unsigned char now[CHUNK];
	struct chunk *mine;
	enum err e;

	if ((e = get(s, uids[0], &mine)) != ERR_OK ||
	    (e = read_at(s, at, now, CHUNK)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		unsigned char bit = (unsigned char)(1 << uids[i] % 8);
		size_t byte = uids[i] / 8 % CHUNK;

		now[byte] = on ? now[byte] | bit : now[byte] & ~bit;
		mine->bits[byte] = on ? mine->bits[byte] | bit :
		    mine->bits[byte] & ~bit;
	}
	return write_at(s, at, now, CHUNK);
}

static enum err
set_locked(struct seen *s, const uint32_t *uids, size_t n, bool on)
{
	char magic[COUNT_AT] = MAGIC;
	uint64_t count;
	size_t from = 0;
	enum err e = read_count(s, &count);

	if (e == ERR_OK && count == 0)
		e = write_at(s, 0, magic, sizeof(magic));
	while (e == ERR_OK && from < n) {
		size_t to = from;

		while (to < n && uids[to] / 8 / CHUNK == uids[from] / 8 / CHUNK)
			to++;
		e = change_chunk(s, &uids[from], to - from, on);
		from = to;
	}
	if (e != ERR_OK)
		return e;
	if ((e = write_count(s, count + 1)) == ERR_OK && s->count == count)
		s->count++;	/* nothing to be looked at but ours */
	return e;
}

enum err
seen_set(struct seen *s, const uint32_t *uids, size_t n, bool on, bool sync)
{
	enum err e;

	if (n == 0)
		return ERR_OK;
	if (s->fd < 0 && (e = open_file(s, true)) != ERR_OK)
		return e;
	crit_enter(CRIT_LOCK);
	if ((e = lock_file(s->fd, true, LOCK_WAIT_MS, DIR_NAME)) == ERR_OK) {
		e = set_locked(s, uids, n, on);
		lock_release(s->fd);
	}
	crit_leave(CRIT_LOCK);
	if (e == ERR_OK && sync && fdatasync(s->fd) != 0) {
		log_errno(DIR_NAME "/%s: cannot sync", s->name);
		e = fs_err(errno);
	}
	return e;
}

/* ---- what others changed ---- */

static void
compare(const struct chunk *c, const unsigned char *now, struct buf *uids)
{
	uint32_t uid = c->number * CHUNK * 8;

	for (unsigned i = 0; i < CHUNK; i++, uid += 8)
		for (unsigned bit = 0; now[i] != c->bits[i] && bit < 8; bit++) {
			uint32_t changed = uid + bit;

			if (((now[i] ^ c->bits[i]) >> bit & 1) != 0)
				buf_add(uids, &changed, sizeof(changed));
		}
}

enum err
seen_look(struct seen *s, struct arena *a, uint32_t **uids_out, size_t *n_out)
{
	unsigned char now[CHUNK];
	struct buf uids = { 0 };
	uint64_t count;
	enum err e;

	*uids_out = NULL;
	*n_out = 0;
	if (s->fd < 0 && (e = open_file(s, false)) != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if ((e = read_count(s, &count)) != ERR_OK || count == s->count)
		return e;
	for (size_t i = 0; i < s->n && e == ERR_OK; i++) {
		struct chunk *c = &s->chunk[i];

		if ((e = read_at(s, BITS_AT + (off_t)c->number * CHUNK, now,
		    CHUNK)) != ERR_OK)
			break;
		compare(c, now, &uids);
		memcpy(c->bits, now, CHUNK);
	}
	if (e == ERR_OK)
		s->count = count;
	*n_out = uids.n / sizeof(**uids_out);
	*uids_out = arena_dup(a, uids.p, uids.n);
	buf_clear(&uids);
	return e;
}
