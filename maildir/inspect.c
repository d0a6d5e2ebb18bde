/* What there is in another server's Maildir, without leaving a trace. */
#include "maildir/inspect.h"

#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/name.h"
#include "maildir/uidlist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_MAX = 64 << 20, SAMPLE = 3, EXAMPLE_MAX = 300 };

/* The time of access stays where it may. */
static int
open_quietly(int dir_fd, const char *name, int flags)
{
	int fd;

	flags |= O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	fd = openat(dir_fd, name, flags | O_NOATIME);
	return fd < 0 && errno == EPERM ? openat(dir_fd, name, flags) : fd;
}

static DIR *
list(int dir_fd, const char *name)
{
	int fd = open_quietly(dir_fd, name, O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d == NULL && fd >= 0)
		close(fd);
	return d;
}

static bool
exists(int dir_fd, const char *name)
{
	struct stat sb;

	return fstatat(dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
example(struct inspection *out, const char *folder)
{
	if (out->example.n < EXAMPLE_MAX)
		buf_addf(&out->example, "%s%s", out->example.n > 0 ? ", " : "",
		    log_text(span_of(folder)));
}

/* ---- messages ---- */

static bool
is_packed(int dir_fd, const char *name)
{
	static const char *const magic[] = { "\x1f\x8b", "BZh", ("\xfd" "7zXZ"),
		"\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18" };
	int fd = open_quietly(dir_fd, name, O_NOFOLLOW);
	char head[8] = { 0 };
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	if (fd >= 0)
		close(fd);
	for (size_t i = 0; n > 0 && i < sizeof(magic) / sizeof(*magic); i++)
		if (memcmp(head, magic[i], strlen(magic[i])) == 0)
			return true;
	return false;
}

/* ",S=123": the size that the name claims; false: it claims none. */
static bool
claimed_size(const char *name, uint64_t *out)
{
	const char *s = strstr(name, ",S="), *colon = strchr(name, ':');

	return s != NULL && (colon == NULL || s < colon) &&
	    span_to_u64((struct span){ s + 3, strspn(s + 3, "0123456789") },
	    UINT64_MAX, out) && s[3] >= '0' && s[3] <= '9';
}

static void
look_at_message(int dir_fd, const char *name, unsigned *sampled,
    struct inspection *out)
{
	const char *flags = strstr(name, ":2,");
	struct stat sb;
	uint64_t size;

	if (fstatat(dir_fd, name, &sb, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(sb.st_mode))
		return;
	out->messages++;
	out->bytes += (uint64_t)sb.st_size;
	if (flags != NULL && strchr(flags + 3, 'Z') != NULL)
		out->compressed++;
	else if ((*sampled)++ < SAMPLE && is_packed(dir_fd, name))
		out->compressed++;
	else if (claimed_size(name, &size) && size != (uint64_t)sb.st_size)
		out->wrong_sizes++;
}

/* ERR_NOTFOUND: there is no such directory. */
static enum err
look_at_messages(int folder_fd, const char *sub, struct inspection *out)
{
	DIR *d = list(folder_fd, sub);
	unsigned sampled = 0;
	struct dirent *e;

	if (d == NULL)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_PERM;
	while ((e = readdir(d)) != NULL)
		if (*e->d_name != '.')
			look_at_message(dirfd(d), e->d_name, &sampled, out);
	closedir(d);
	return ERR_OK;
}

/* ---- a folder ---- */

/* False: there is no such file, or it cannot be read. */
static bool
read_quietly(int dir_fd, const char *name, struct buf *text)
{
	int fd = open_quietly(dir_fd, name, O_NOFOLLOW);
	bool good = fd >= 0 && fs_read_fd(fd, LIST_MAX, text) == ERR_OK;

	if (fd >= 0)
		close(fd);
	return good;
}

static void
look_at_list(int control_fd, bool has_mail, const char *folder,
    struct inspection *out)
{
	struct buf text = { .max = LIST_MAX };
	struct uidlist l = { 0 };

	if (!exists(control_fd, "dovecot-uidlist")) {
		out->courier |= exists(control_fd, "courierimapuiddb");
		out->no_lists += has_mail && !exists(control_fd,
		    "courierimapuiddb");
		return;
	}
	if (!read_quietly(control_fd, "dovecot-uidlist", &text) ||
	    uidlist_parse(buf_span(&text), &l) != ERR_OK) {
		out->bad_lists++;
		example(out, folder);
	}
	uidlist_clear(&l);
	buf_clear(&text);
}

static void
look_at_keywords(int control_fd, const char *folder, struct inspection *out)
{
	struct buf text = { .max = LIST_MAX };
	struct span rest, line;
	unsigned n = 0;

	if (read_quietly(control_fd, "dovecot-keywords", &text)) {
		rest = buf_span(&text);
		while (rest.p != NULL) {
			line = span_cut(&rest, '\n');
			n += line.n > 0;
		}
	}
	if (n >= 26) {
		out->keywords_full++;
		example(out, folder);
	}
	buf_clear(&text);
}

static enum err
look_at_folder(int fd, int control_fd, const char *folder,
    struct inspection *out)
{
	uint64_t before = out->messages;
	enum err e = look_at_messages(fd, "cur", out);

	if (e == ERR_NOTFOUND)
		return e;
	if (e != ERR_OK || look_at_messages(fd, "new", out) != ERR_OK) {
		out->unreadable++;
		example(out, folder);
		return ERR_OK;
	}
	out->folders++;
	look_at_list(control_fd, out->messages > before, folder, out);
	look_at_keywords(control_fd, folder, out);
	out->acl |= exists(control_fd, "dovecot-acl");
	out->private_seen |= exists(fd, "dovecot.index.pvt") ||
	    exists(fd, "dovecot.index.pvt.log");
	return ERR_OK;
}

static void
look_at_entry(int root_fd, int control_root, const char *entry, char separator,
    struct inspection *out)
{
	struct span name;
	struct stat sb;
	int fd, control_fd;

	if (*entry != '.' || strcmp(entry, ".") == 0 ||
	    strcmp(entry, "..") == 0 || strncmp(entry, "..DOVECOT-", 10) == 0)
		return;
	if (fstatat(root_fd, entry, &sb, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	/* Where it leads is not looked at: even that leaves a trace. */
	if (S_ISLNK(sb.st_mode)) {
		out->foreign_links++;
		example(out, entry);
		return;
	}
	if (!S_ISDIR(sb.st_mode))
		return;
	if ((fd = open_quietly(root_fd, entry, O_DIRECTORY)) < 0) {
		out->unreadable++;
		example(out, entry);
		return;
	}
	control_fd = control_root < 0 ? fd :
	    open_quietly(control_root, entry, O_DIRECTORY);
	if (look_at_folder(fd, control_fd < 0 ? fd : control_fd, entry, out) ==
	    ERR_OK && !name_from_dir(entry, &name)) {
		out->bad_names++;
		example(out, entry);
	} else if (separator != '.' && memchr(entry, separator,
	    strlen(entry)) != NULL) {
		out->separators++;
		example(out, entry);
	}
	if (control_fd >= 0 && control_fd != fd)
		close(control_fd);
	close(fd);
}

enum err
inspect(const char *root, const char *control, char separator,
    struct inspection *out)
{
	DIR *d = list(AT_FDCWD, root);
	struct dirent *e;
	int control_fd = -1;

	if (d == NULL)
		return errno == ENOENT ? ERR_NOTFOUND :
		    errno == EACCES ? ERR_PERM : ERR_IO;
	if (control != NULL && strcmp(control, root) != 0)
		control_fd = open_quietly(AT_FDCWD, control, O_DIRECTORY);
	out->dbox |= exists(dirfd(d), "storage") ||
	    exists(dirfd(d), "mailboxes") || exists(dirfd(d), "dbox-Mails");
	out->quota |= exists(dirfd(d), "maildirsize");
	out->sieve |= exists(dirfd(d), "../.dovecot.sieve") ||
	    exists(dirfd(d), "../sieve");
	if (look_at_folder(dirfd(d), control_fd < 0 ? dirfd(d) : control_fd,
	    "INBOX", out) != ERR_OK && out->folders == 0)
		log_debug("%s has no INBOX", log_text(span_of(root)));
	while ((e = readdir(d)) != NULL)
		look_at_entry(dirfd(d), control_fd, e->d_name, separator, out);
	if (control_fd >= 0)
		close(control_fd);
	closedir(d);
	return ERR_OK;
}

void
inspect_clear(struct inspection *i)
{
	buf_clear(&i->example);
	*i = (struct inspection){ 0 };
}
