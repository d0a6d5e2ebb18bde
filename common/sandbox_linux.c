/* seccomp filters through libseccomp, Landlock by its three system calls. */
#include "common/sandbox.h"

#include "common/buf.h"
#include "common/log.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

const char *
sandbox_words(unsigned confined)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
		{ CONFINED_UID, "uid" }, { CONFINED_CHROOT, "chroot" },
		{ CONFINED_NO_RIGHTS, "no-rights" },
		{ CONFINED_SECCOMP, "seccomp" },
		{ CONFINED_LANDLOCK, "landlock" },
		{ CONFINED_MOUNTS, "mounts" }, { CONFINED_IDMAP, "idmap" },
	};
	static struct buf text;

	buf_reset(&text);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if ((confined & words[i].bit) == 0)
			continue;
		if (text.n > 0)
			buf_addc(&text, ' ');
		buf_adds(&text, words[i].word);
	}
	return text.n > 0 ? buf_cstr(&text) : "nothing";
}

/* ---- seccomp ---- */

enum {
	W = SANDBOX_WORKER, P = SANDBOX_POOL, A = SANDBOX_AUTH,
	E = SANDBOX_HELPER, H = SANDBOX_HOME, N = SANDBOX_NOTIFY,
	L = SANDBOX_ALONE,
};

static const struct {
	int number;	/* as libseccomp names it: negative where there is none */
	unsigned profiles;
} calls[] = {
#define CALL(name, profiles) { SCMP_SYS(name), profiles },
#include "common/syscalls.def"
#undef CALL
};
enum { N_CALLS = sizeof(calls) / sizeof(*calls) };

/* Calls that are allowed with certain arguments only. */
static int
allow_arguments(scmp_filter_ctx f, unsigned profiles)
{
	struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	struct scmp_arg_cmp local = SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0);
	struct scmp_arg_cmp probe = SCMP_A1(SCMP_CMP_EQ, 0, 0);
	struct scmp_arg_cmp ask = SCMP_A2(SCMP_CMP_EQ, 0, 0);
	struct scmp_arg_cmp fionread = SCMP_A1(SCMP_CMP_EQ, FIONREAD, 0);
	int r;

	if ((r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
	    &no_exec)) != 0 ||
	    (r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect),
	    1, &no_exec)) != 0)
		return r;
	if ((profiles & (W | P | A | H)) != 0)
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW,
		    SCMP_SYS(socketpair), 1, &local);
	/* "Is he alive?" for locks; a pool may kill in earnest. */
	if (r == 0 && (profiles & W) != 0 && (profiles & P) == 0)
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(kill),
		    1, &probe);
	if (r == 0 && (profiles & P) == 0)
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW,
		    SCMP_SYS(prlimit64), 1, &ask);
	if (r == 0 && (profiles & N) == 0)
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl),
		    1, &fionread);
	return r;
}

enum err
sandbox_allow(unsigned profiles)
{
	scmp_filter_ctx f;
	int r = 0;

	if (SANITIZED)
		return ERR_UNAVAIL;
	f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (f == NULL)
		return ERR_UNAVAIL;
	seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (int i = 0; i < N_CALLS && r == 0; i++)
		if ((calls[i].profiles & profiles) != 0)
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW,
			    calls[i].number, 0);
	if (r == 0)
		r = allow_arguments(f, profiles);
	if (r == 0)
		r = seccomp_load(f);
	seccomp_release(f);
	if (r == 0)
		return ERR_OK;
	errno = -r;
	log_errno("cannot set up the system call filter");
	return ERR_UNAVAIL;
}

enum { DENY_MAX = 64 };

/*
 * A small filter of the form "is it one of these? EPERM". The first filter has
 * looked at the architecture already.
 */
struct deny {
	struct sock_filter code[2 * DENY_MAX];
	unsigned short n;
};

#define OP(code_, k_) (struct sock_filter)BPF_STMT(code_, k_)
#define JUMP(code_, k_, t, f) (struct sock_filter)BPF_JUMP(code_, k_, t, f)

static void
deny_begin(struct deny *d)
{
	d->n = 0;
	d->code[d->n++] = OP(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr));
}

static void
deny_call(struct deny *d, int number)
{
	if (number < 0 || d->n + 4 >= 2 * DENY_MAX)
		return;
	d->code[d->n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number,
	    0, 1);
	d->code[d->n++] = OP(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
}

/* Denied unless the low half of the argument is zero. */
static void
deny_unless_zero(struct deny *d, int number, unsigned argument)
{
	uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) +
	    argument * sizeof(uint64_t));

	if (d->n + 6 >= 2 * DENY_MAX)
		return;
	d->code[d->n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number,
	    0, 4);
	d->code[d->n++] = OP(BPF_LD | BPF_W | BPF_ABS, at);
	d->code[d->n++] = JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	d->code[d->n++] = OP(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	d->code[d->n++] = OP(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
}

static enum err
deny_load(struct deny *d)
{
	struct sock_fprog prog = { .filter = d->code };

	if (SANITIZED)
		return ERR_UNAVAIL;
	d->code[d->n++] = OP(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prog.len = d->n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0)
		return ERR_OK;
	log_errno("cannot set up the system call filter");
	return ERR_UNAVAIL;
}

enum err
sandbox_drop(enum sandbox_profile profile)
{
	struct deny d;

	deny_begin(&d);
	for (int i = 0; i < N_CALLS; i++)
		if ((calls[i].profiles & (W | (unsigned)profile)) ==
		    (unsigned)profile &&
		    calls[i].number != SCMP_SYS(kill) &&
		    calls[i].number != SCMP_SYS(prlimit64))
			deny_call(&d, calls[i].number);
	deny_unless_zero(&d, SCMP_SYS(kill), 1);
	deny_unless_zero(&d, SCMP_SYS(prlimit64), 2);
	return deny_load(&d);
}

enum err
sandbox_session(void)
{
	static const int gone[] = {
		SCMP_SYS(accept4), SCMP_SYS(seccomp),
		SCMP_SYS(landlock_create_ruleset),
		SCMP_SYS(landlock_add_rule), SCMP_SYS(landlock_restrict_self),
		SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
		SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	};
	struct deny d;

	deny_begin(&d);
	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		deny_call(&d, gone[i]);
	return deny_load(&d);
}

/* ---- Landlock ---- */

/* The kernel's interface; only additions ever, so newer fields are spelled out. */
struct ruleset_attr {
	uint64_t access_fs, access_net, scoped;
};
struct beneath_attr {
	uint64_t access;
	int32_t parent_fd;
} __attribute__((packed));

enum {
	FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4, FS_REMOVE_FILE = 1 << 5, FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8, FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14,
	ALL_FS_2 = (1 << 14) - 1, ALL_FS_3 = (1 << 15) - 1,
	ALL_FS_5 = (1 << 16) - 1,
	ALL_NET = 3, ALL_SCOPED = 3,
	OURS = FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR |
	    FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER |
	    FS_TRUNCATE,
	RULE_PATH_BENEATH = 1,
};

int
sandbox_landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);

	return v < 0 ? 0 : (int)v;
}

enum err
sandbox_landlock(const int *dir_fds, size_t n)
{
	int version = sandbox_landlock_version();
	struct ruleset_attr attr = { 0 };
	size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
	int fd;

	if (version < 2)
		return ERR_UNAVAIL;
	attr.access_fs = version >= 5 ? ALL_FS_5 : version >= 3 ? ALL_FS_3 :
	    ALL_FS_2;
	attr.access_net = version >= 4 ? ALL_NET : 0;
	attr.scoped = version >= 6 ? ALL_SCOPED : 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		goto failed;
	for (size_t i = 0; i < n; i++) {
		struct beneath_attr rule = {
			OURS & attr.access_fs, dir_fds[i]
		};

		if (dir_fds[i] >= 0 && syscall(SYS_landlock_add_rule, fd,
		    RULE_PATH_BENEATH, &rule, 0) < 0)
			goto failed;
	}
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		goto failed;
	close(fd);
	return ERR_OK;
failed:
	log_errno("cannot confine to the account's directories");
	if (fd >= 0)
		close(fd);
	return ERR_IO;
}
