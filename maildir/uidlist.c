/*
 * dovecot-uidlist: UIDVALIDITY, next UID, UID to base name. The format, and
 * reading it.
 *
 *   3 V<uidvalidity> N<next uid> G<32 hex> [L<modseq floor>] [<others>]\n
 *   <uid>[ <key><value>]... :<base name>\n
 *
 * Header fields come in any order. L is ours: no mod-sequence at or below it is
 * free to be given away (DESIGN 3). Dovecot 2.3 keeps fields that it does not
 * know: it leaves the header alone when it appends, and puts them behind its
 * own when it rewrites, be it for dead lines, damaged lines, a missing GUID, or
 * on `doveadm force-resync` and `mailbox update`. Only when the file is lost or
 * its header is unreadable does Dovecot make one without L: with the
 * UIDVALIDITY of its index, new UIDs for all messages, and another GUID, by
 * which such a file is known. tests/interop/test_dovecot_files.py proves all of
 * it.
 *
 * Keys are capital letters (S and W sizes, P, O and G for POP3 and GUIDs) and
 * are written back as they were found. UIDs ascend. A later line with the same
 * name makes the earlier one void: the file came back and got a new UID.
 *
 * Who writes holds dovecot-uidlist.lock and either appends whole lines or
 * replaces the file by rename. Who reads holds nothing and may see a last line
 * without its end: that line is not there yet. When its writer died, the next
 * one cuts it off, which is safe because no UID is told before its line is
 * whole and synced.
 *
 * Version 1 ("1 <uidvalidity> <next uid>", "<uid> <name>") is old Dovecot's and
 * Courier's; it is read only.
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
#include "common/log.h"

#define COURIER_FILE "courierimapuiddb"

enum { UIDLIST_FILE_MAX = 1 << 30 };

static bool
header_guid(struct uidlist *l, struct span value)
{
	if (value.n != 32)
		return false;
	for (size_t i = 0; i < 32; i++) {
		char c = value.p[i];
		if (c >= 'A' && c <= 'F')
			c = (char)(c - 'A' + 'a');
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f')) {
			l->guid[0] = '\0';
			return false;
		}
		l->guid[i] = c;
	}
	l->guid[32] = '\0';
	return true;
}

/* False: the value cannot be. */
static bool
header_field(struct uidlist *l, struct span field)
{
	struct span value = { field.p + 1, field.n - 1 };
	uint64_t number = 0;

	switch (field.p[0]) {
	case 'V':
		if (!span_to_u64(value, UINT32_MAX, &number) || number == 0)
			return false;
		l->uidvalidity = (uint32_t)number;
		return true;
	case 'N':
		if (!span_to_u64(value, UINT32_MAX, &number) || number == 0)
			return false;
		l->next_uid = (uint32_t)number;
		return true;
	case 'L':
		/* A damaged floor must not cost the UIDs: start without. */
		if (span_to_u64(value, INT64_MAX, &number))
			l->modseq_floor = number;
		return true;
	case 'G':
		/* A damaged GUID is made anew at the next rewrite. */
		(void)header_guid(l, value);
		return true;
	default:
		if (l->other_text.n > 0)
			buf_addc(&l->other_text, ' ');
		buf_add_span(&l->other_text, field);
		l->other = buf_span(&l->other_text);
		return true;
	}
}

static bool
parse_header(struct span line, struct uidlist *l)
{
	struct span field = span_cut(&line, ' ');
	uint64_t number;

	if (!span_to_u64(field, 3, &number) || (number != 1 && number != 3))
		return false;
	l->version = (unsigned)number;
	if (l->version == 1) {
		field = span_cut(&line, ' ');
		if (!span_to_u64(field, UINT32_MAX, &number))
			return false;
		l->uidvalidity = (uint32_t)number;
		field = span_trim(line);
		if (!span_to_u64(field, UINT32_MAX, &number))
			return false;
		l->next_uid = (uint32_t)number;
		return l->uidvalidity != 0 && l->next_uid != 0;
	}
	while (line.p != NULL) {
		field = span_cut(&line, ' ');
		/* A CR is a line end gone astray, wherever its field stands. */
		while (field.n > 0 && field.p[field.n - 1] == '\r')
			field.n--;
		if (field.n > 0 && !header_field(l, field))
			return false;
	}
	return l->uidvalidity != 0 && l->next_uid != 0;
}

static void
read_keys(struct uidlist_entry *e)
{
	struct span rest = e->keys, key;

	while (rest.p != NULL) {
		key = span_cut(&rest, ' ');
		if (key.n < 2)
			continue;
		struct span value = { key.p + 1, key.n - 1 };
		if (key.p[0] == 'S')
			(void)span_to_u64(value, INT64_MAX, &e->size);
		else if (key.p[0] == 'W')
			(void)span_to_u64(value, INT64_MAX, &e->vsize);
	}
}

static bool
has_byte(struct span s, char c)
{
	return memchr(s.p, c, s.n) != NULL;
}

bool
uidlist_base_is_sound(struct span base)
{
	return base.n > 0 && base.n <= BASE_MAX && base.p[0] != '.' &&
	    !has_byte(base, '/') && !has_byte(base, '\0') &&
	    !has_byte(base, '\r');
}

/* As Dovecot does: files that went through other systems end lines with CRLF. */
static const char *
without_cr(const char *p, const char *end)
{
	return end > p && end[-1] == '\r' ? end - 1 : end;
}

/* One line without its end. False: damaged. */
static bool
parse_line(const char *p, const char *end, unsigned version, uint32_t last_uid,
    struct uidlist_entry *e)
{
	const char *name, *colon;
	uint64_t uid = 0;

	*e = (struct uidlist_entry){ 0 };
	for (; p < end && *p >= '0' && *p <= '9' && uid <= UID_MAX; p++)
		uid = uid * 10 + (unsigned)(*p - '0');
	if (p == end || *p != ' ' || uid <= last_uid || uid > UID_MAX)
		return false;
	e->uid = (uint32_t)uid;
	name = p + 1;
	if (version == 3 && (name == end || *name != ':')) {
		p = memmem(name, (size_t)(end - name), " :", 2);
		if (p == NULL)
			return false;
		e->keys = (struct span){ name, (size_t)(p - name) };
		read_keys(e);
		name = p + 1;
	}
	if (version == 3)
		name++;
	colon = memchr(name, ':', (size_t)(end - name));
	e->base = (struct span){ name, (size_t)((colon ? colon : end) - name) };
	return uidlist_base_is_sound(e->base);
}

struct slot {
	uint32_t hash;
	uint32_t number;	/* of the entry, counted from 1 */
};

static uint64_t
mix(uint64_t a, uint64_t b)
{
	unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

/* Seeded, so that nobody's file names can be chosen to collide. */
static uint32_t
hash_name(struct span s, uint64_t seed)
{
	uint64_t h = seed ^ s.n, word[2];

	for (; s.n >= 16; s.p += 16, s.n -= 16) {
		memcpy(word, s.p, 16);
		h = mix(h ^ word[0], seed + UINT64_C(0x9e3779b97f4a7c15) +
		    word[1]);
	}
	word[0] = word[1] = 0;
	memcpy(word, s.p, s.n);
	h = mix(h ^ word[0], seed + UINT64_C(0xd6e8feb86659fd93) + word[1]);
	h = mix(h, UINT64_C(0x9e3779b97f4a7c15));
	return (uint32_t)h;
}

/* Marks an entry of no name when a later one has its name; how many. */
static size_t
find_dead(struct uidlist_entry *entry, size_t n)
{
	size_t size = 16, dead = 0;
	struct slot *table;
	uint64_t seed = 0;

	while (size < n * 2)
		size *= 2;
	if ((table = calloc(size, sizeof *table)) == NULL)
		fatal("uidlist: no memory for %zu names", n);
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		fatal_errno("getrandom");
	for (size_t i = 0; i < n; i++) {
		uint32_t h = hash_name(entry[i].base, seed);
		struct slot *s = &table[h & (size - 1)];
		while (s->number != 0 && (s->hash != h ||
		    !span_eq(entry[s->number - 1].base, entry[i].base)))
			s = s + 1 < table + size ? s + 1 : table;
		if (s->number != 0) {
			/* The slot goes on with the later one. */
			entry[s->number - 1].uid = 0;
			dead++;
		}
		*s = (struct slot){ h, (uint32_t)i + 1 };
	}
	free(table);
	return dead;
}

static void
drop_dead(struct uidlist *l)
{
	size_t n = 0;

	l->dead = find_dead(l->entry, l->n);
	if (l->dead == 0)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (l->entry[i].uid != 0)
			l->entry[n++] = l->entry[i];
	l->n = n;
}

static struct uidlist_entry *
room_for_one(struct uidlist *l, size_t *cap)
{
	if (l->n == *cap) {
		size_t more = *cap * 2;
		void *p = reallocarray(l->entry, more, sizeof *l->entry);
		if (p == NULL)
			fatal("uidlist: no memory for %zu lines", more);
		l->entry = p;
		*cap = more;
	}
	return &l->entry[l->n];
}

static size_t
parse_lines(struct span text, struct uidlist *l)
{
	const char *p = text.p, *end = text.p + text.n, *eol;
	uint32_t last_uid = 0;
	size_t damaged = 0, cap = text.n / 64 + 16;

	if ((l->entry = calloc(cap, sizeof *l->entry)) == NULL)
		fatal("uidlist: no memory for %zu lines", cap);
	for (; p < end; p = eol + 1) {
		struct uidlist_entry *e = room_for_one(l, &cap);
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			break;
		if (!parse_line(p, without_cr(p, eol), l->version, last_uid,
		    e)) {
			damaged++;
			continue;
		}
		last_uid = e->uid;
		l->n++;
	}
	l->whole = (size_t)(p - text.p);
	if (last_uid >= l->next_uid)
		l->next_uid = last_uid + 1;
	return damaged;
}

enum err
uidlist_parse(struct span text, struct uidlist *out)
{
	size_t head = span_find(text, '\n'), damaged;
	const char *end = text.p + head;

	*out = (struct uidlist){ 0 };
	while (end > text.p && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	if (head == text.n ||
	    !parse_header((struct span){ text.p, (size_t)(end - text.p) },
	    out)) {
		log_error(UIDLIST_FILE ": damaged header");
		uidlist_clear(out);
		return ERR_CORRUPT;
	}
	text.p += head + 1;
	text.n -= head + 1;
	damaged = parse_lines(text, out);
	out->whole += head + 1;
	if (damaged > 0)
		log_warn(UIDLIST_FILE ": skipped %zu damaged lines", damaged);
	drop_dead(out);
	return ERR_OK;
}

void
uidlist_clear(struct uidlist *l)
{
	free(l->entry);
	buf_clear(&l->text);
	buf_clear(&l->other_text);
	*l = (struct uidlist){ 0 };
}

int64_t
uidlist_mtime_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

void
uidlist_set_identity(struct uidlist *l, const struct stat *st)
{
	l->inode = st->st_ino;
	l->size = (uint64_t)st->st_size;
	l->mtime_ns = uidlist_mtime_ns(st);
}

bool
uidlist_has_identity(const struct uidlist *l, const struct stat *st)
{
	return l->inode == st->st_ino && l->size == (uint64_t)st->st_size &&
	    l->mtime_ns == uidlist_mtime_ns(st);
}

enum err
uidlist_open(int dir_fd, const char *name, int flags, int *fd_out)
{
	int error;

	*fd_out = openat(dir_fd, name,
	    flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd_out >= 0)
		return ERR_OK;
	error = errno;
	if (error != ENOENT)
		log_errno("open %s", name);
	return fs_err(error);
}

static enum err
read_list(int fd, struct uidlist *out)
{
	struct buf text = { 0 };
	struct stat st;
	enum err e;

	/* Before reading: what grows meanwhile makes it look outdated. */
	if (fstat(fd, &st) < 0) {
		log_errno("stat " UIDLIST_FILE);
		return ERR_IO;
	}
	if (!S_ISREG(st.st_mode)) {
		log_error(UIDLIST_FILE ": not a regular file");
		return ERR_IO;
	}
	if (st.st_size > 0 && st.st_size <= UIDLIST_FILE_MAX)
		(void)buf_reserve(&text, (size_t)st.st_size + 1);
	e = fs_read_fd(fd, UIDLIST_FILE_MAX, &text);
	if (e == ERR_OK)
		e = uidlist_parse(buf_span(&text), out);
	if (e != ERR_OK) {
		buf_clear(&text);
		return e;
	}
	out->text = text;
	uidlist_set_identity(out, &st);
	return ERR_OK;
}

enum err
uidlist_read(int dir_fd, struct uidlist *out)
{
	int fd;
	enum err e;

	*out = (struct uidlist){ 0 };
	if ((e = uidlist_open(dir_fd, UIDLIST_FILE, O_RDONLY, &fd)) == ERR_OK) {
		e = read_list(fd, out);
		close(fd);
		return e;
	}
	if (e != ERR_NOTFOUND)
		return e;
	if ((e = uidlist_open(dir_fd, COURIER_FILE, O_RDONLY, &fd)) != ERR_OK)
		return e;
	e = read_list(fd, out);
	close(fd);
	out->inode = out->size = 0;
	out->mtime_ns = 0;
	return e;
}

bool
uidlist_is_current(int dir_fd, const struct uidlist *l)
{
	struct stat st;

	if (fstatat(dir_fd, UIDLIST_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return uidlist_has_identity(l, &st);
	return errno == ENOENT && l->inode == 0;
}
