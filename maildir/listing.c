/* The file names of a folder in a hash table. */
#include "maildir/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/flags.h"

static uint64_t
hash(struct span s)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ s.n, v;

	for (; s.n >= 8; s.p += 8, s.n -= 8) {
		memcpy(&v, s.p, 8);
		h = (h ^ v) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	v = 0;
	memcpy(&v, s.p, s.n);
	h = (h ^ v) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 29;
}

static uint32_t *
find_slot(const struct listing *l, struct span base)
{
	size_t i = hash(base) & (l->slots - 1);

	while (l->slot[i] != 0 &&
	    !span_eq(l->file[l->slot[i] - 1].base, base))
		i = (i + 1) & (l->slots - 1);
	return &l->slot[i];
}

static void
grow(struct listing *l)
{
	l->cap = l->cap ? l->cap * 2 : 64;
	l->slots = l->cap * 2;
	l->file = realloc(l->file, l->cap * sizeof(*l->file));
	free(l->slot);
	l->slot = calloc(l->slots, sizeof(*l->slot));
	if (l->file == NULL || l->slot == NULL)
		fatal("no memory for %zu file names", l->cap);
	for (size_t i = 0; i < l->n; i++)
		*find_slot(l, l->file[i].base) = (uint32_t)i + 1;
}

/*
 * The state knows base, flags and what it cannot read, not how they were written:
 * only this way is a path found again.
 */
static bool
is_odd(const char *info)
{
	const char *p = info + 3;

	if (strncmp(info, ":2,", 3) != 0)
		return true;
	while (p[0] != '\0' && p[0] != ',' && p[1] != '\0' && p[1] != ',' &&
	    (unsigned char)p[0] < (unsigned char)p[1])
		p++;
	return (p[0] != '\0' && p[0] != ',' && p[1] != '\0' &&
	    p[1] != ',') || strlen(info) > 64;
}

static void
add(struct listing *l, const char *name, bool in_new)
{
	struct flagged_name fn;
	struct listed *f;
	char extra[64];
	uint32_t *slot;
	size_t n = strlen(name);

	if (!flags_parse_name((struct span){ name, n }, &fn, extra))
		return;
	if (l->n == l->cap)
		grow(l);
	slot = find_slot(l, fn.base);
	if (*slot == 0)
		*slot = (uint32_t)++l->n;
	f = &l->file[*slot - 1];
	memset(f, 0, sizeof(*f));
	f->file = arena_dup(&l->arena, name, n + 1);
	f->base = (struct span){ f->file, fn.base.n };
	f->extra = fn.unknown.n > 0 ? arena_span(&l->arena, fn.unknown) :
	    SPAN_NONE;
	f->flags = fn.flags;
	f->keywords = fn.keywords;
	f->size = fn.has_size ? fn.size : 0;
	f->wire_size = fn.has_vsize ? fn.vsize : 0;
	f->in_new = f->from_new = in_new;
	f->odd = is_odd(name + fn.base.n);
}

enum err
listing_add(struct listing *l, int dir_fd, bool in_new)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	DIR *dir;

	if (fd < 0 || (dir = fdopendir(fd)) == NULL) {
		log_errno("cannot list %s", in_new ? "new/" : "cur/");
		if (fd >= 0)
			close(fd);
		return fs_err(errno);
	}
	errno = 0;
	while ((d = readdir(dir)) != NULL)
		/* A link, a pipe or a directory is no message. */
		if (d->d_name[0] != '.' &&
		    (d->d_type == DT_REG || d->d_type == DT_UNKNOWN))
			add(l, d->d_name, in_new);
	if (errno != 0) {
		log_errno("cannot list %s", in_new ? "new/" : "cur/");
		closedir(dir);
		return ERR_IO;
	}
	closedir(dir);
	return ERR_OK;
}

struct listed *
listing_find(const struct listing *l, struct span base)
{
	uint32_t at;

	if (l->n == 0 || (at = *find_slot(l, base)) == 0)
		return NULL;
	return &l->file[at - 1];
}

void
listing_clear(struct listing *l)
{
	free(l->file);
	free(l->slot);
	arena_free(&l->arena);
	memset(l, 0, sizeof(*l));
}
