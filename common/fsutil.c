/* Files: read whole, replace durably, open beneath, remove trees. */
#include "common/fsutil.h"
#include "common/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	READ_LEAST = 4096, READ_MOST = 1 << 20, NAME_TRIES = 3, TREE_DEPTH = 64
};

enum err
fs_err(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_PERM;
	case EDQUOT:
		return ERR_QUOTA;
	default:
		return ERR_IO;
	}
}

static const char *
text(const char *name)
{
	return log_text(span_of(name));
}

/* Logs errno, but not that something is absent, and translates it. */
static enum err
fail(const char *doing, const char *name)
{
	enum err e = fs_err(errno);

	if (e != ERR_NOTFOUND)
		log_errno("%s %s", doing, text(name));
	return e;
}

/* read(2) where pread(2) cannot: pipes have no place in them. */
static ssize_t
read_at(int fd, void *p, size_t n, off_t at)
{
	ssize_t got;

	do {
		got = pread(fd, p, n, at);
		if (got == -1 && errno == ESPIPE)
			got = read(fd, p, n);
	} while (got == -1 && errno == EINTR);
	return got;
}

static enum err
read_all(int fd, const char *name, size_t max, struct buf *out)
{
	size_t have = 0;

	if (out->max != 0 && max > out->max - out->n)
		max = out->max - out->n;
	for (;;) {
		/* Where all that is allowed was read, one byte more tells
		 * "too much" from "just enough". */
		char probe, *p = &probe;
		size_t step = 1;
		ssize_t got;

		if (have < max) {
			step = have < READ_LEAST ? READ_LEAST :
			    have > READ_MOST ? READ_MOST : have;
			step = step < max - have ? step : max - have;
			p = buf_reserve(out, step);
			if (p == NULL)
				return ERR_LIMIT;
		}
		got = read_at(fd, p, step, (off_t)have);
		if (got == -1) {
			log_errno("reading %s", text(name));
			return ERR_IO;
		}
		if (got == 0)
			return ERR_OK;
		if (p == &probe) {
			log_error("reading %s: larger than %zu bytes",
			    text(name), max);
			return ERR_LIMIT;
		}
		have += (size_t)got;
		out->n += (size_t)got;
	}
}

enum err
fs_read(int dir_fd, const char *name, size_t max, struct buf *out)
{
	/* Non-blocking: a FIFO in the file's place must not hang us. */
	int fd = openat(dir_fd, name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	enum err e;

	if (fd == -1)
		return fail("opening", name);
	if (fstat(fd, &st) == -1) {
		log_errno("stat %s", text(name));
		e = ERR_IO;
	} else if (!S_ISREG(st.st_mode)) {
		log_error("reading %s: not a regular file", text(name));
		e = ERR_IO;
	} else if (st.st_size > 0 && (uint64_t)st.st_size > max) {
		log_error("reading %s: larger than %zu bytes", text(name), max);
		e = ERR_LIMIT;
	} else {
		e = read_all(fd, name, max, out);
	}
	close(fd);
	return e;
}

enum err
fs_read_fd(int fd, size_t max, struct buf *out)
{
	char name[32];

	snprintf(name, sizeof(name), "descriptor %d", fd);
	return read_all(fd, name, max, out);
}

enum err
fs_write(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done == -1 && errno == EINTR)
			continue;
		if (done == -1)
			return fs_err(errno);
		at += done;
		n -= (size_t)done;
	}
	return ERR_OK;
}

enum err
fs_sync(int fd, const char *what)
{
	int rc;

	do
		rc = fsync(fd);
	while (rc == -1 && errno == EINTR);
	/* EINVAL: a file system without fsync for this kind of file. */
	if (rc == -1 && errno != EINVAL) {
		log_errno("fsync %s", text(what));
		return errno == EDQUOT ? ERR_QUOTA : ERR_IO;
	}
	return ERR_OK;
}

/* Opens the directory in which `name` lies and finds its last part. */
static int
open_parent(int dir_fd, const char *name, const char **last_out)
{
	const char *slash = strrchr(name, '/');
	char dir[PATH_MAX] = ".";

	*last_out = slash == NULL ? name : slash + 1;
	if (**last_out == '\0' || strcmp(*last_out, ".") == 0 ||
	    strcmp(*last_out, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	if (slash != NULL &&
	    (size_t)snprintf(dir, sizeof(dir), "%.*s", slash == name ? 1 :
	    (int)(slash - name), name) >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return openat(dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Syncs the directory in which `name` lies. */
static enum err
sync_parent(int dir_fd, const char *name)
{
	const char *last;
	int fd = open_parent(dir_fd, name, &last);
	enum err e;

	if (fd == -1) {
		log_errno("opening the directory of %s", text(name));
		return ERR_IO;
	}
	e = fs_sync(fd, name);
	close(fd);
	return e;
}

/* A file that was not there before; a name left by the dead is taken over. */
static int
open_new(int dir_fd, const char *name, mode_t mode)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, mode);

		if (fd != -1 || errno != EEXIST)
			return fd;
		if (unlinkat(dir_fd, name, 0) == -1 && errno != ENOENT)
			return -1;
	}
	errno = EEXIST;
	return -1;
}

/* An absent directory or a name in the way is no answer to a write. */
static enum err
write_err(int errnum)
{
	enum err e = fs_err(errnum);

	return e == ERR_NOTFOUND || e == ERR_EXISTS ? ERR_IO : e;
}

enum err
fs_replace(int dir_fd, const char *name, struct span data, mode_t mode,
    bool sync)
{
	char temp[PATH_MAX];
	enum err e;
	int fd = -1;

	if ((size_t)snprintf(temp, sizeof(temp), "%s.tmp.%ld", name,
	    (long)getpid()) >= sizeof(temp)) {
		log_error("replacing %s: name too long", text(name));
		return ERR_IO;
	}
	fd = open_new(dir_fd, temp, mode);
	if (fd == -1) {
		log_errno("creating %s", text(temp));
		return write_err(errno);
	}
	if (fs_write(fd, data.p, data.n) != ERR_OK) {
		e = write_err(errno);
		log_errno("writing %s", text(temp));
		goto out;
	}
	if (sync && (e = fs_sync(fd, temp)) != ERR_OK)
		goto out;
	if (close(fd) == -1) {
		fd = -1;
		e = write_err(errno);
		log_errno("closing %s", text(temp));
		goto out;
	}
	fd = -1;
	if (renameat(dir_fd, temp, dir_fd, name) == -1) {
		e = write_err(errno);
		log_errno("renaming %s to %s", text(temp), text(name));
		goto out;
	}
	return sync ? sync_parent(dir_fd, name) : ERR_OK;
out:
	if (fd != -1)
		close(fd);
	unlinkat(dir_fd, temp, 0);
	return e;
}

enum err
fs_replace_as_dir(int dir_fd, const char *name, struct span data, bool sync)
{
	struct stat st;

	if (fstat(dir_fd, &st) != 0) {
		log_errno("stat of the directory of %s", text(name));
		return ERR_IO;
	}
	return fs_replace(dir_fd, name, data, st.st_mode & 0666, sync);
}

bool
fs_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Whether a path stays beneath its start by its words alone. */
static bool
is_beneath(const char *name)
{
	struct span rest = span_of(name);

	if (rest.n == 0 || rest.p[0] == '/')
		return false;
	while (rest.p != NULL)
		if (span_eq(span_cut(&rest, '/'), SPAN("..")))
			return false;
	return true;
}

/* For kernels and filters without openat2. */
static int
open_dir_plain(int dir_fd, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
	struct stat st;
	int fd;

	if (!is_beneath(name)) {
		errno = *name == '\0' ? ENOENT : EXDEV;
		return -1;
	}
	fd = openat(dir_fd, name, flags);
	if (fd == -1 && errno == ENOTDIR) {
		/* Both flags together say ENOTDIR for a symbolic link too. */
		if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISLNK(st.st_mode))
			errno = ELOOP;
		else
			errno = ENOTDIR;
	}
	return fd;
}

/* Not logged. */
static int
open_dir(int dir_fd, const char *name)
{
	static bool no_openat2;
	/* No O_NOFOLLOW: it would make ENOTDIR of ELOOP. */
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	long fd = -1;

	/* EAGAIN: something was renamed meanwhile, the kernel is not sure. */
	for (int i = 0; i < NAME_TRIES && !no_openat2; i++) {
		fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
		if (fd != -1 || errno != EAGAIN) {
			no_openat2 = fd == -1 &&
			    (errno == ENOSYS || errno == EPERM);
			break;
		}
	}
	return no_openat2 ? open_dir_plain(dir_fd, name) : (int)fd;
}

enum err
fs_open_dir(int dir_fd, const char *name, int *fd_out)
{
	*fd_out = open_dir(dir_fd, name);
	if (*fd_out != -1)
		return ERR_OK;
	if (errno == ELOOP || errno == EXDEV) {
		log_error("opening directory %s: a symbolic link or a path "
		    "that leads out is not followed; mount the directory here "
		    "instead", text(name));
		return ERR_IO;
	}
	return fail("opening directory", name);
}

enum err
fs_mkdir(int dir_fd, const char *name, mode_t mode)
{
	struct stat st;

	if (mkdirat(dir_fd, name, mode) == 0)
		return ERR_OK;
	if (errno == EEXIST && fstatat(dir_fd, name, &st, 0) == 0) {
		if (S_ISDIR(st.st_mode))
			return ERR_OK;
		errno = ENOTDIR;
	}
	log_errno("mkdir %s", text(name));
	return write_err(errno);
}

static bool remove_tree(int dir_fd, const char *name, dev_t dev, int depth);

/* Removes what is in a directory, until a look finds nothing more. */
static bool
empty_dir(int fd, dev_t dev, int depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	bool ok = true, again;
	int saved_errno;

	if (d == NULL) {
		close(fd);
		return false;
	}
	do {
		again = false;
		errno = 0;
		while (ok && (entry = readdir(d)) != NULL) {
			if (strcmp(entry->d_name, ".") == 0 ||
			    strcmp(entry->d_name, "..") == 0)
				continue;
			ok = remove_tree(dirfd(d), entry->d_name, dev, depth);
			again = true;
			errno = ok ? 0 : errno;
		}
		ok = ok && errno == 0;
		/* Removing while reading may make readdir skip names. */
		rewinddir(d);
	} while (ok && again);
	saved_errno = errno;
	closedir(d);
	errno = saved_errno;
	return ok;
}

/* False with errno; absent is fine. dev: file system to stay in. */
static bool
remove_tree(int dir_fd, const char *name, dev_t dev, int depth)
{
	struct stat st;
	int fd;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;
	if (depth == 0) {
		errno = ELOOP;
		return false;
	}
	fd = open_dir(dir_fd, name);
	if (fd == -1) {
		if (errno == ENOTDIR)
			errno = EPERM;
		return errno == ENOENT;
	}
	if (fstat(fd, &st) == -1 || st.st_dev != dev) {
		close(fd);
		errno = EXDEV;
		return false;
	}
	if (!empty_dir(fd, st.st_dev, depth - 1))
		return false;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

enum err
fs_remove_tree(int dir_fd, const char *name)
{
	const char *last;
	int parent_fd = open_parent(dir_fd, name, &last);
	struct stat st;
	bool ok;

	if (parent_fd == -1 && errno == ENOENT)
		return ERR_OK;
	/* The parent's file system: a mount point at the top stays too. */
	ok = parent_fd != -1 && fstat(parent_fd, &st) == 0 &&
	    remove_tree(parent_fd, last, st.st_dev, TREE_DEPTH);
	if (!ok)
		log_errno("removing %s", text(name));
	if (parent_fd != -1)
		close(parent_fd);
	return ok ? ERR_OK : ERR_IO;
}

/*
 * A FUSE file system may be anything; its kind stands in mountinfo only, which
 * a chroot does not have: then it counts as local.
 */
static const char *
fuse_network_name(int fd)
{
	static const char *const kinds[] = { "fuse.sshfs", "fuse.glusterfs",
		"fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.juicefs",
		"fuse.davfs", "fuse.curlftpfs", "fuse.moosefs", "fuse.mfs" };
	struct stat st;
	unsigned major_no, minor_no;
	const char *found = NULL;
	char line[4096];
	FILE *f;

	if (fstat(fd, &st) == -1 ||
	    (f = fopen("/proc/self/mountinfo", "re")) == NULL)
		return NULL;
	while (found == NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *kind = strstr(line, " - ");

		if (kind == NULL || sscanf(line, "%*u %*u %u:%u", &major_no,
		    &minor_no) != 2 ||
		    makedev(major_no, minor_no) != st.st_dev)
			continue;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
			if (strncmp(kind + 3, kinds[i],
			    strlen(kinds[i])) == 0)
				found = kinds[i];
	}
	fclose(f);
	return found;
}

/* Numbers: statfs(2) and linux/magic.h. */
const char *
fs_network_name(int fd)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} kinds[] = {
		{ 0x00006969, "nfs" }, { 0x0000517B, "smb" },
		{ 0xFF534D42, "cifs" }, { 0xFE534D42, "smb2" },
		{ 0x5346414F, "afs" }, { 0x6B414653, "afs" },
		{ 0x00C36400, "ceph" }, { 0x01021997, "9p" },
		{ 0x73757245, "coda" }, { 0x0000564C, "ncpfs" },
		{ 0x0BD00BD0, "lustre" }, { 0x01161970, "gfs2" },
		{ 0x7461636F, "ocfs2" }, { 0x47504653, "gpfs" },
		{ 0xAAD7AAEA, "panfs" }, { 0x19830326, "beegfs" },
		{ 0x786F4256, "vboxsf" }, { 0xBACBACBC, "vmhgfs" },
	};
	enum { FUSE_MAGIC = 0x65735546 };
	struct statfs fs;

	if (fstatfs(fd, &fs) == -1)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if ((uint32_t)fs.f_type == kinds[i].magic)
			return kinds[i].name;
	return (uint32_t)fs.f_type == FUSE_MAGIC ? fuse_network_name(fd) : NULL;
}

void
fs_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
