#include "maildir/courier.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/flags.h"
#include "maildir/folder.h"
#include "maildir/listing.h"
#include "maildir/uidlist.h"

#define DIRECTORY "courierimapkeywords"

enum { LIST_MAX = 64 << 20, UPDATE_MAX = 64 << 10 };

/* What a message is to have, beside its entry in the listing. */
struct wanted {
	uint64_t bits;
	uint64_t age;		/* of the file that says so; 0: the list */
};

struct import {
	struct listing l;	/* cur/ */
	struct wanted *wanted;
	struct keywords keywords;
	struct arena arena;
	unsigned left_out;	/* keywords without a letter */
};

static struct wanted *
find(const struct import *m, struct span base)
{
	const struct listed *file = listing_find(&m->l, base);

	return file == NULL ? NULL : &m->wanted[file - m->l.file];
}

/* The bit of a keyword; 0: it can have none. */
static uint64_t
bit_of(struct import *m, struct span name)
{
	int number = keywords_find(&m->keywords, name);

	if (number < 0 && (m->keywords.n == KEYWORD_LETTERS ||
	    keywords_add(&m->keywords, &m->arena, name, &number) != ERR_OK)) {
		m->left_out++;
		return 0;
	}
	return (uint64_t)1 << number;
}

static void
take_line(struct import *m, struct span line, const uint64_t *bit, size_t n)
{
	struct wanted *w = find(m, span_cut(&line, ':'));
	uint64_t number;

	if (w == NULL)
		return;
	w->bits = 0;
	while (line.p != NULL)
		if (span_to_u64(span_cut(&line, ' '), UINT32_MAX, &number) &&
		    number < n)
			w->bits |= bit[number];
}

static void
take_list(struct import *m, struct span text)
{
	uint64_t bit[1024];
	size_t n = 0;
	struct span line;

	while (text.n > 0 && (line = span_cut(&text, '\n')).n > 0)
		if (n < sizeof(bit) / sizeof(bit[0]))
			bit[n++] = bit_of(m, line);
	while (text.n > 0)
		take_line(m, span_cut(&text, '\n'), bit, n);
}

/* ".5901.1234.M5P6.host": how new, and of which message. False: nothing of the kind. */
static bool
parse_update(const char *file, uint64_t *age_out, struct span *base_out)
{
	struct span s = span_of(file);

	*age_out = UINT64_MAX;
	*base_out = s;
	if (*file == ':')
		return false;
	if (*file != '.')
		return true;
	s.p++;
	s.n--;
	if (!span_to_u64(span_cut(&s, '.'), UINT64_MAX - 1, age_out) ||
	    s.p == NULL || *age_out == 0)
		return false;
	*base_out = s;
	return true;
}

static enum err
take_update(struct import *m, int dir_fd, const char *file)
{
	struct buf text = { 0 };
	struct wanted *w;
	struct span base, rest, line;
	uint64_t age;
	enum err e;

	if (!parse_update(file, &age, &base) || (w = find(m, base)) == NULL ||
	    age <= w->age)
		return ERR_OK;
	if ((e = fs_read(dir_fd, file, UPDATE_MAX, &text)) == ERR_OK) {
		w->age = age;
		w->bits = 0;
		for (rest = buf_span(&text); rest.n > 0;)
			if ((line = span_cut(&rest, '\n')).n > 0)
				w->bits |= bit_of(m, line);
	}
	buf_clear(&text);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
take_updates(struct import *m, int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	enum err e = ERR_OK;

	if (dir == NULL) {
		e = fs_err(errno);
		log_errno("cannot read " DIRECTORY);
		fs_close(&fd);
		return e;
	}
	while (e == ERR_OK && (d = readdir(dir)) != NULL)
		e = take_update(m, dir_fd, d->d_name);
	closedir(dir);
	return e;
}

static enum err
read_all(struct import *m, const struct folder *f, int dir_fd)
{
	struct buf text = { 0 };
	enum err e;

	if ((e = listing_add(&m->l, f->cur_fd, false)) != ERR_OK)
		return e;
	m->wanted = calloc(m->l.n + 1, sizeof(*m->wanted));
	if (m->wanted == NULL)
		fatal("no memory");
	e = fs_read(dir_fd, ":list", LIST_MAX, &text);
	if (e == ERR_OK)
		take_list(m, buf_span(&text));
	buf_clear(&text);
	return e == ERR_OK || e == ERR_NOTFOUND ? take_updates(m, dir_fd) : e;
}

static enum err
rename_all(const struct import *m, const struct folder *f)
{
	for (size_t i = 0; i < m->l.n; i++) {
		const struct listed *file = &m->l.file[i];
		uint64_t bits = file->keywords | m->wanted[i].bits;
		char to[400];

		if (bits == file->keywords || flags_make_name(file->base,
		    file->flags, bits, file->extra, to) != ERR_OK)
			continue;
		if (renameat(f->cur_fd, file->file, f->cur_fd, to) != 0 &&
		    errno != ENOENT) {
			log_errno("mailbox %s: cannot give message %s its "
			    "keywords", f->name, file->file);
			return fs_err(errno);
		}
		KILL_POINT("courier-renamed");
	}
	return ERR_OK;
}

static enum err
import(struct import *m, struct folder *f, int dir_fd)
{
	enum err e;

	if ((e = read_all(m, f, dir_fd)) != ERR_OK ||
	    (e = rename_all(m, f)) != ERR_OK || m->keywords.n == 0)
		return e;
	if (m->left_out > 0)
		log_warn("mailbox %s: Courier's keywords beyond %d, or that "
		    "are none, are not taken over (%u mentions)", f->name,
		    KEYWORD_LETTERS, m->left_out);
	log_info("mailbox %s: took over %u keywords of Courier's", f->name,
	    m->keywords.n);
	return keywords_write(f->control_fd, &m->keywords, f->acc->sync);
}

static bool
is_there(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
has_ours(const struct folder *f)
{
	return is_there(f->control_fd, "dovecot-keywords") ||
	    is_there(f->control_fd, "dovecot-uidlist");
}

enum err
courier_take_keywords(struct folder *f)
{
	struct import m = { 0 };
	int dir_fd = -1;
	enum err e;

	if (!is_there(f->dir_fd, DIRECTORY) || has_ours(f))
		return ERR_OK;
	if ((e = folder_lock(f)) != ERR_OK)
		return e;
	if ((e = fs_open_dir(f->dir_fd, DIRECTORY, &dir_fd)) == ERR_OK &&
	    (e = uidlist_lock(f->control_fd)) == ERR_OK) {
		/* Another session may have been quicker. */
		if (!has_ours(f))
			e = import(&m, f, dir_fd);
		uidlist_unlock(f->control_fd);
	}
	folder_unlock(f);
	fs_close(&dir_fd);
	free(m.wanted);
	listing_clear(&m.l);
	arena_free(&m.arena);
	return e;
}
