/*
 * passwd-files, kept in memory whole, with a hash index of where each user's line
 * begins: 100,000 users are read in a few hundredths of a second and found in a
 * microsecond. A file that changed is read again. Whether it did, the descriptor
 * says that stays open: writing, renaming and replacing all change its inode. Only
 * a directory or link exchanged further up goes unseen for a second.
 */
#include "daemon/auth_file.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/fsutil.h"
#include "common/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 30, LOOK_MS = 1000, FILES_MAX = 1000 };

struct file {
	struct file *next;
	char *path;
	struct buf text;
	uint32_t *slot;		/* offset of a line + 1; 0: empty */
	size_t n_slots;		/* a power of two */
	int fd;			/* of what was read, -1 */
	struct stat was;	/* fd, when it was read */
	uint64_t looked_ms;	/* when its path was last opened */
};

static struct file *files;
static size_t n_files;
static uint64_t seed;	/* so that nobody can choose names that collide */

static uint64_t
hash(struct span s)
{
	uint64_t h = 1469598103934665603ULL ^ seed;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211ULL;
	return h ^ h >> 29;
}

static void
free_file(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	buf_clear(&f->text);
	free(f->slot);
	free(f);
}

void
auth_file_forget(void)
{
	while (files != NULL) {
		struct file *next = files->next;

		free_file(files);
		files = next;
	}
	n_files = 0;
}

static struct file *
file_of(const char *path)
{
	struct file *f;

	for (f = files; f != NULL; f = f->next)
		if (strcmp(f->path, path) == 0)
			return f;
	/* Paths with %d: names that were tried must not fill memory. */
	if (n_files >= FILES_MAX)
		auth_file_forget();
	if ((f = calloc(1, sizeof(*f))) == NULL ||
	    (f->path = strdup(path)) == NULL)
		fatal("no memory for a passwd-file");
	f->fd = -1;
	f->text = (struct buf){ .secret = true };
	f->next = files;
	files = f;
	n_files++;
	return f;
}

static struct span
line_at(const struct file *f, size_t at)
{
	struct span rest = { f->text.p + at, f->text.n - at };

	return span_cut(&rest, '\n');
}

static struct span
name_of(struct span line)
{
	return span_cut(&line, ':');
}

static void
index_lines(struct file *f)
{
	size_t lines = 1, at = 0;

	for (size_t i = 0; i < f->text.n; i++)
		lines += f->text.p[i] == '\n';
	free(f->slot);
	f->n_slots = 16;
	while (f->n_slots < 2 * lines)
		f->n_slots *= 2;
	if ((f->slot = calloc(f->n_slots, sizeof(*f->slot))) == NULL)
		fatal("no memory for %zu users", lines);
	while (at < f->text.n) {
		struct span line = line_at(f, at), name = name_of(line);
		size_t i = hash(name) & (f->n_slots - 1);

		/* The first line of a name counts. */
		while (f->slot[i] != 0 &&
		    !span_eq(name_of(line_at(f, f->slot[i] - 1)), name))
			i = (i + 1) & (f->n_slots - 1);
		if (f->slot[i] == 0 && name.n > 0 && *name.p != '#')
			f->slot[i] = (uint32_t)(at + 1);
		at += line.n + 1;
	}
}

static bool
is_unchanged(const struct file *f, const struct stat *now)
{
	const struct stat *was = &f->was;

	return f->fd >= 0 && now->st_dev == was->st_dev &&
	    now->st_ino == was->st_ino && now->st_size == was->st_size &&
	    now->st_nlink == was->st_nlink &&
	    now->st_mtim.tv_sec == was->st_mtim.tv_sec &&
	    now->st_mtim.tv_nsec == was->st_mtim.tv_nsec &&
	    now->st_ctim.tv_sec == was->st_ctim.tv_sec &&
	    now->st_ctim.tv_nsec == was->st_ctim.tv_nsec;
}

/* Reads what `fd` is, unless that is what we have. Takes fd over. */
static enum err
take(struct file *f, int fd)
{
	struct buf text = { .secret = true };
	struct stat st;
	enum err e;

	if (fstat(fd, &st) < 0) {
		log_errno("passwd-file %s", f->path);
		close(fd);
		return ERR_UNAVAIL;
	}
	if (is_unchanged(f, &st)) {
		close(fd);
		return ERR_OK;
	}
	if ((e = fs_read_fd(fd, FILE_MAX, &text)) != ERR_OK) {
		log_error("passwd-file %s cannot be read", f->path);
		buf_clear(&text);
		close(fd);
		return ERR_UNAVAIL;
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = fd;
	f->was = st;
	buf_clear(&f->text);
	f->text = text;
	index_lines(f);
	return ERR_OK;
}

static enum err
look(struct file *f, const char *user, bool fresh, auth_open_fn *open)
{
	uint64_t now = clock_mono_ms();
	struct stat st;
	int fd;
	enum err e;

	if (!fresh && f->fd >= 0 && now - f->looked_ms < LOOK_MS &&
	    fstat(f->fd, &st) == 0 && is_unchanged(f, &st))
		return ERR_OK;
	if ((e = open(f->path, user, &fd)) != ERR_OK)
		return ERR_UNAVAIL;
	if ((e = take(f, fd)) == ERR_OK)
		f->looked_ms = now;
	return e;
}

/* "hash[13]": a mark of libpam-pwdfile. */
static struct span
without_mark(struct span password)
{
	if (span_ends(password, SPAN("[13]")) ||
	    span_ends(password, SPAN("[34]")))
		password.n -= 4;
	return password;
}

enum err
auth_file_find(const char *path, const char *user, struct span key,
    bool fresh, auth_open_fn *open, struct auth_entry *out)
{
	struct file *f;
	enum err e;

	*out = (struct auth_entry){ 0 };
	if (seed == 0)
		random_bytes(&seed, sizeof(seed));
	f = file_of(path);
	if ((e = look(f, user, fresh, open)) != ERR_OK)
		return e;
	if (key.n == 0 || f->n_slots == 0)
		return ERR_NOTFOUND;
	for (size_t i = hash(key) & (f->n_slots - 1); f->slot[i] != 0;
	    i = (i + 1) & (f->n_slots - 1)) {
		struct span line = line_at(f, f->slot[i] - 1);

		if (!span_eq(name_of(line), key))
			continue;
		line = span_trim(line);
		span_cut(&line, ':');
		out->password = without_mark(span_cut(&line, ':'));
		out->uid = span_cut(&line, ':');
		out->gid = span_cut(&line, ':');
		span_cut(&line, ':');
		out->home = span_cut(&line, ':');
		span_cut(&line, ':');
		out->extra = line;
		return ERR_OK;
	}
	return ERR_NOTFOUND;
}

bool
auth_extra(struct span extra, const char *key, struct span *value_out)
{
	*value_out = SPAN("");
	while (extra.p != NULL) {
		struct span word = span_cut(&extra, ' '), name;

		name = span_cut(&word, '=');
		if (!span_eq(name, span_of(key)))
			continue;
		if (word.p != NULL)
			*value_out = word;
		return true;
	}
	return false;
}
