/*
 * Only in the test build: XBREAKOUT tries to get out of what confines a worker and
 * says what worked. Nothing should, before login as after it.
 */
#ifdef LOFT_TEST_HOOKS
#include "common/buf.h"
#include "common/config.h"
#include "common/span.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/cursor.h"
#include "worker/resp.h"
#include "worker/session.h"
#include "worker/share.h"
#include "worker/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the test names: a file of another account, a sibling's pid. */
static const char *other_file;
static pid_t sibling;
static struct session *session;

/* Each returns 0 when it got out, else an errno. */
static int
result(long r)
{
	return r < 0 ? errno : 0;
}

static int
readable(int dir, const char *path)
{
	char c;
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC), saved;

	if (fd < 0)
		return errno;
	saved = read(fd, &c, 1) == 1 ? 0 : errno != 0 ? errno : EIO;
	close(fd);
	return saved;
}

static int
open_passwd(void)
{
	return readable(AT_FDCWD, "/etc/passwd");
}

static int
open_other_account(void)
{
	return readable(AT_FDCWD, other_file);
}

/* From every descriptor there is, up as far as it goes. */
static int
open_dotdot(void)
{
	char path[256] = "";
	int last = ENOENT, r;

	for (int up = 0; up < 20; up++) {
		strcat(path, "../");
		for (int fd = -1; fd < 64; fd++) {
			char there[300];

			snprintf(there, sizeof(there), "%setc/passwd", path);
			r = readable(fd < 0 ? AT_FDCWD : fd, there);
			if (r == 0)
				return 0;
			if (r != EBADF && r != ENOTDIR)
				last = r;
		}
	}
	return last;
}

static int
open_proc(void)
{
	return readable(AT_FDCWD, "/proc/self/status");
}

static int
write_outside(void)
{
	int fd = open("/tmp/loft-breakout", O_WRONLY | O_CREAT | O_CLOEXEC,
	    0600);

	if (fd < 0)
		return errno;
	close(fd);
	/* An empty root is not outside; but nothing may be made there. */
	unlink("/tmp/loft-breakout");
	return 0;
}

static int
write_root(void)
{
	int fd = open("/loft-breakout", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	unlink("/loft-breakout");
	return 0;
}

static int
new_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int
new_unix_socket(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
new_packet_socket(void)
{
	return result(socketpair(AF_TIPC, SOCK_STREAM, 0, (int[2]){ 0 }));
}

static int
exec_shell(void)
{
	char *argv[] = { (char *)(uintptr_t)"sh", NULL };

	return result(execv("/bin/sh", argv));
}

static int
exec_memory(void)
{
	char *argv[] = { (char *)(uintptr_t)"x", NULL };
	int fd = memfd_create("x", 0);

	return fd < 0 ? errno : result(fexecve(fd, argv, argv + 1));
}

static int
exec_mapping(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
exec_protect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int
fork_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return result(pid);
}

static int
trace_sibling(void)
{
	return result(ptrace(PTRACE_ATTACH, sibling, NULL, NULL));
}

static int
read_sibling(void)
{
	char c;
	struct iovec here = { &c, 1 }, there = { (void *)&session, 1 };

	return result(process_vm_readv(sibling, &here, 1, &there, 1, 0));
}

static int
kill_sibling(void)
{
	return result(kill(sibling, SIGCONT));
}

static int
kill_parent(void)
{
	return result(kill(getppid(), SIGCONT));
}

static int
thread_kill_sibling(void)
{
	return result(syscall(SYS_tgkill, sibling, sibling, SIGCONT));
}

static int
queue_to_sibling(void)
{
	return result(sigqueue(sibling, SIGCONT, (union sigval){ 0 }));
}

static int
handle(void)
{
	struct {
		struct file_handle head;
		unsigned char room[128];
	} h = { .head.handle_bytes = sizeof(h.room) };
	int mount_id, fd;

	if (name_to_handle_at(session->account == NULL ? AT_FDCWD :
	    session->account->root_fd, ".", &h.head, &mount_id, 0) < 0)
		h.head.handle_type = 1, h.head.handle_bytes = 8;
	fd = open_by_handle_at(session->account == NULL ? AT_FDCWD :
	    session->account->root_fd, &h.head, O_RDONLY);
	return result(fd);
}

/* What lies beside a folder of somebody else that is selected. */
static int
open_beside(void)
{
	int top = session->folder == NULL ? AT_FDCWD :
	    session->folder->acc->root_fd, fd;

	fd = openat(top, "../.Private/cur", O_RDONLY);
	return result(fd >= 0 ? fd : openat(top, "../../Maildir/.Private",
	    O_RDONLY));
}

static int
mount_something(void)
{
	return result(mount("none", "/", "tmpfs", 0, NULL));
}

static int
clone_mount(void)
{
	return result(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE));
}

static int
new_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int
change_root(void)
{
	return result(chroot("."));
}

static int
become_root(void)
{
	return result(setresuid(0, 0, 0));
}

static int
make_device(void)
{
	return result(mknodat(session->account == NULL ? AT_FDCWD :
	    session->account->root_fd, "dev", S_IFBLK | 0600, 0x800));
}

static int
make_link_out(void)
{
	return result(symlinkat("/etc", session->account == NULL ? AT_FDCWD :
	    session->account->root_fd, "link"));
}

static int
load_bpf(void)
{
	union bpf_attr attr = { 0 };

	return result(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
}

static int
use_io_uring(void)
{
	struct io_uring_params params = { 0 };

	return result(syscall(SYS_io_uring_setup, 1, &params));
}

static int
watch_performance(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };

	return result(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0));
}

static int
use_keyring(void)
{
	return result(syscall(SYS_keyctl, 0, -3, 1));
}

static int
catch_faults(void)
{
	return result(syscall(SYS_userfaultfd, 1));
}

/* What nobody may have done for him in bert's account, who shares Team only. */
static int
misuse_steward(void)
{
	static const char *const words[][3] = {
		{ "policy-set", "*", "delete=refuse" }, { "ghosts-release" },
		{ "delete", "Private" }, { "delete", "Team" },
		{ "create", "Mine" }, { "create", "Team.Mine" },
		{ "rename", "Private", "Team.Mine" },
		{ "rename", "INBOX", "Mine" }, { "delete", "../anna" },
	};
	struct target t = { .owner = SPAN("bert") };
	struct buf answer = { 0 };
	struct span word[3];
	int r = EACCES;

	if (!share_is_possible(session))
		return r;
	for (t.ns = session->cfg->namespaces; t.ns != NULL; t.ns = t.ns->next)
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			size_t n = 0;

			for (; n < 3 && words[i][n] != NULL; n++)
				word[n] = span_of(words[i][n]);
			if (share_ask(session, &t, word, n, &answer) == ERR_OK)
				r = 0;
		}
	buf_clear(&answer);
	return r;
}

static const struct {
	const char *name;
	int (*try)(void);
} attempts[] = {
	{ "open-passwd", open_passwd }, { "open-other", open_other_account },
	{ "open-dotdot", open_dotdot }, { "open-beside", open_beside },
	{ "open-proc", open_proc },
	{ "write-tmp", write_outside }, { "write-root", write_root },
	{ "socket", new_socket }, { "unix-socket", new_unix_socket },
	{ "other-socketpair", new_packet_socket },
	{ "exec", exec_shell }, { "exec-memory", exec_memory },
	{ "map-exec", exec_mapping }, { "protect-exec", exec_protect },
	{ "fork", fork_child },
	{ "ptrace", trace_sibling }, { "read-memory", read_sibling },
	{ "kill-sibling", kill_sibling }, { "kill-pool", kill_parent },
	{ "tgkill", thread_kill_sibling }, { "sigqueue", queue_to_sibling },
	{ "open-by-handle", handle },
	{ "mount", mount_something }, { "open-tree", clone_mount },
	{ "unshare", new_namespace }, { "chroot", change_root },
	{ "setuid", become_root }, { "mknod", make_device },
	{ "symlink", make_link_out }, { "bpf", load_bpf },
	{ "io-uring", use_io_uring }, { "perf", watch_performance },
	{ "steward", misuse_steward },
	{ "keyctl", use_keyring }, { "userfaultfd", catch_faults },
};

/* XBREAKOUT other-file sibling-pid */
enum err
cmd_xbreakout(struct session *s, struct cursor *in, bool by_uid)
{
	struct span path;
	uint32_t pid;
	enum err e;

	(void)by_uid;
	if ((e = cursor_astring(in, &path)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_number(in, &pid)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	session = s;
	other_file = arena_cstr(&s->command, path);
	sibling = (pid_t)pid;
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		int r;

		errno = 0;
		r = attempts[i].try();
		if (r == 0)
			resp_f(s, "* XBREAKOUT %s OK\r\n", attempts[i].name);
		else
			resp_f(s, "* XBREAKOUT %s FAILED %d %s\r\n",
			    attempts[i].name, r, strerrorname_np(r));
	}
	return ERR_OK;
}
#else
/* An empty translation unit is not allowed. */
extern int worker_test_hooks;
#endif
