/* Files: read whole, replace durably, remove trees. */
#ifndef COMMON_FSUTIL_H
#define COMMON_FSUTIL_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * Reads a regular file (O_NOFOLLOW) of at most max bytes, appended to out.
 * Errors: ERR_NOTFOUND; ERR_LIMIT larger; ERR_PERM; ERR_IO (the last three
 * logged).
 */
enum err fs_read(int dir_fd, const char *name, size_t max, struct buf *out);

/* All of fd from its start. Same errors. */
enum err fs_read_fd(int fd, size_t max, struct buf *out);

/* Writes everything, across EINTR and short writes. Not logged, errno kept. */
enum err fs_write(int fd, const void *p, size_t n);

/*
 * Replaces `name` in dir_fd: writes `name`.tmp.<pid>, fsyncs it when `sync`,
 * renames it over `name`, fsyncs the directory when `sync`. mode: as for open(2),
 * under the umask.
 * Errors: ERR_QUOTA (EDQUOT), ERR_PERM, ERR_IO (ENOSPC too); all logged; the old
 * file is untouched.
 */
enum err fs_replace(int dir_fd, const char *name, struct span data, mode_t mode,
    bool sync);

/* The same with the mode that files in dir_fd have by its own: without x. */
enum err fs_replace_as_dir(int dir_fd, const char *name, struct span data,
    bool sync);

/* Whether a file is the one it was, and unchanged: inode, size and mtime. */
bool fs_is_same(const struct stat *a, const struct stat *b);

/* fsync of a directory or a file. Logged. */
enum err fs_sync(int fd, const char *what);

/*
 * Opens a directory for reading beneath dir_fd: never through "..", from "/", or
 * through a symbolic link (anywhere in the path with openat2, at its end without).
 * Errors: ERR_NOTFOUND; ERR_PERM, ERR_IO (logged, with path; a link is ERR_IO).
 */
enum err fs_open_dir(int dir_fd, const char *name, int *fd_out);

/* mkdir unless it is there. Errors as fs_replace. */
enum err fs_mkdir(int dir_fd, const char *name, mode_t mode);

/*
 * Removes a file or a tree, never through a symbolic link or into another file
 * system. Absent is OK. Errors: ERR_IO (logged).
 */
enum err fs_remove_tree(int dir_fd, const char *name);

/* Translates errno: ENOENT/ENOTDIR NOTFOUND, EEXIST EXISTS, EACCES/EPERM/EROFS PERM,
 * EDQUOT QUOTA, else IO. */
enum err fs_err(int errnum);

/* The name of a network file system that fd lies on, or NULL when local. */
const char *fs_network_name(int fd);

/* Closes a descriptor unless it is -1, and makes it -1. */
void fs_close(int *fd);

#endif
