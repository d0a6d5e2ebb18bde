/* Identity, root directory, rights and limits, in the one right order. */
#include "common/privs.h"

#include "common/fsutil.h"
#include "common/log.h"
#include "common/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum err
privs_keep(uint64_t capabilities)
{
	struct __user_cap_header_struct head = {
		_LINUX_CAPABILITY_VERSION_3, 0
	};
	struct __user_cap_data_struct data[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		data[i].permitted = (uint32_t)(capabilities >> (32 * i));
		data[i].effective = data[i].permitted;
	}
	if (syscall(SYS_capset, &head, data) == 0)
		return ERR_OK;
	log_errno("cannot give up capabilities");
	return ERR_PERM;
}

enum err
privs_drop(int root_fd, uid_t uid, gid_t gid, unsigned *confined_out)
{
	unsigned confined = 0;

	*confined_out = 0;
	if (root_fd >= 0 && fchdir(root_fd) == 0 && chroot(".") == 0)
		confined |= CONFINED_CHROOT;
	if (uid != (uid_t)-1) {
		if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0) {
			log_errno("cannot become uid %u gid %u",
			    (unsigned)uid, (unsigned)gid);
			return ERR_PERM;
		}
		confined |= CONFINED_UID;
	} else if ((confined & CONFINED_CHROOT) != 0 &&
	    privs_keep(0) != ERR_OK) {
		return ERR_PERM;
	}
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && geteuid() != 0)
		confined |= CONFINED_NO_RIGHTS;
	*confined_out = confined;
	return ERR_OK;
}

static bool
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);
	bool ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return ok;
}

enum err
privs_namespace(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER) < 0)
		return ERR_UNAVAIL;
	if (!write_text("/proc/self/setgroups", "deny"))
		return ERR_UNAVAIL;
	snprintf(map, sizeof(map), "%u %u 1", (unsigned)gid, (unsigned)gid);
	if (!write_text("/proc/self/gid_map", map))
		return ERR_UNAVAIL;
	snprintf(map, sizeof(map), "%u %u 1", (unsigned)uid, (unsigned)uid);
	if (!write_text("/proc/self/uid_map", map))
		return ERR_UNAVAIL;
	return ERR_OK;
}

/* "0 0 a, a b 1, a+1 .., b a 1, b+1 ..": every id itself, but a and b swapped. */
static void
swap_map(unsigned a, unsigned b, char *out, size_t n)
{
	unsigned low = a < b ? a : b, high = a < b ? b : a;
	size_t used = 0;

	*out = '\0';
#define ADD(inside, outside, count) \
	if ((count) > 0 && used < n) \
		used += (size_t)snprintf(out + used, n - used, "%u %u %u\n", \
		    inside, outside, (unsigned)(count))
	ADD(0U, 0U, low);
	ADD(low, high, low == high ? 0 : 1);
	ADD(low == high ? low : low + 1, low == high ? low : low + 1,
	    low == high ? 0 : high - low - 1);
	ADD(high, low, 1);
	ADD(high + 1, high + 1, UINT32_MAX - 1 - high);
#undef ADD
}

/* The namespace lives as long as a process or a descriptor is in it. */
__attribute__((noreturn)) static void
wait_in_namespace(int ready)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(1);
	/* Or the parent may not open our namespace without CAP_SYS_PTRACE. */
	prctl(PR_SET_DUMPABLE, 1);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	/* Until the parent has its descriptor, which closes this pipe. */
	while (read(ready, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

enum err
privs_swap_namespace(uid_t worker_uid, gid_t worker_gid, uid_t owner_uid,
    gid_t owner_gid, int *ns_fd_out)
{
	char path[64], map[256], c;
	int pair[2], ns = -1;
	pid_t pid;
	ssize_t n;

	*ns_fd_out = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_errno("cannot make a pair of sockets");
		return ERR_UNAVAIL;
	}
	if ((pid = fork()) == 0) {
		close(pair[0]);
		wait_in_namespace(pair[1]);
	}
	close(pair[1]);
	do
		n = pid < 0 ? -1 : read(pair[0], &c, 1);
	while (n < 0 && pid > 0 && errno == EINTR);
	if (n == 1) {
		snprintf(path, sizeof(path), "/proc/%ld/uid_map", (long)pid);
		swap_map(worker_uid, owner_uid, map, sizeof(map));
		bool ok = write_text(path, map);
		snprintf(path, sizeof(path), "/proc/%ld/gid_map", (long)pid);
		swap_map(worker_gid, owner_gid, map, sizeof(map));
		ok = ok && write_text(path, map);
		snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
		if (ok)
			ns = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (ns < 0)
		log_errno("cannot make a user namespace for uid %u",
		    (unsigned)owner_uid);
	close(pair[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	*ns_fd_out = ns;
	return ns >= 0 ? ERR_OK : ERR_UNAVAIL;
}

void
privs_allow_files(uint64_t n)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= n)
		return;
	if (l.rlim_max < n) {
		struct rlimit more = { n, n };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return;
		n = l.rlim_max;
	}
	l.rlim_cur = n;
	setrlimit(RLIMIT_NOFILE, &l);
}

enum err
privs_open_empty(const char *parent, int *fd_out)
{
	char path[4200];

	*fd_out = -1;
	snprintf(path, sizeof(path), "%s/empty-XXXXXX", parent);
	if (mkdtemp(path) == NULL) {
		log_errno("cannot make a directory in %s", parent);
		return ERR_IO;
	}
	chmod(path, 0555);
	*fd_out = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd_out < 0)
		log_errno("cannot open the directory %s", path);
	rmdir(path);
	return *fd_out >= 0 ? ERR_OK : ERR_IO;
}
