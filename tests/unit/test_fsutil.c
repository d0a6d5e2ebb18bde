/* Files: read whole, replace durably, open beneath, remove trees. */
#include "common/fsutil.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char base[] = "/tmp/loft-fsutil-XXXXXX";
static int dir = -1;

static int
setup(void **state)
{
	(void)state;
	strcpy(base + strlen(base) - 6, "XXXXXX");
	if (mkdtemp(base) == NULL)
		return -1;
	dir = open(base, O_RDONLY | O_DIRECTORY);
	return dir == -1 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(dir);
	return fs_remove_tree(AT_FDCWD, base) == ERR_OK ? 0 : -1;
}

static void
put_file(const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(fs_write(fd, text, strlen(text)), ERR_OK);
	close(fd);
}

static bool
is_there(const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static unsigned
count_files(void)
{
	char command[100];
	unsigned n = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", base);
	p = popen(command, "r");
	assert_int_equal(fscanf(p, "%u", &n), 1);
	pclose(p);
	return n;
}

static void
a_file_is_read_whole(void **state)
{
	struct buf b = { 0 }, big = { 0 };

	(void)state;
	put_file("f", "hello");
	assert_int_equal(fs_read(dir, "f", 5, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), "hello");
	/* Appended. */
	assert_int_equal(fs_read(dir, "f", 100, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), "hellohello");
	for (int i = 0; i < 50000; i++)
		buf_addf(&big, "%05d\n", i);
	assert_int_equal(fs_replace(dir, "big", buf_span(&big), 0600, false),
	    ERR_OK);
	buf_reset(&b);
	assert_int_equal(fs_read(dir, "big", big.n, &b), ERR_OK);
	assert_true(span_eq(buf_span(&b), buf_span(&big)));
	put_file("empty", "");
	buf_reset(&b);
	assert_int_equal(fs_read(dir, "empty", 0, &b), ERR_OK);
	assert_int_equal(b.n, 0);
	buf_clear(&b);
	buf_clear(&big);
}

static void
what_cannot_be_read_says_why(void **state)
{
	struct buf b = { 0 }, small = { .max = 3 };

	(void)state;
	put_file("f", "hello");
	assert_int_equal(fs_read(dir, "none", 5, &b), ERR_NOTFOUND);
	assert_int_equal(fs_read(dir, "f/x", 5, &b), ERR_NOTFOUND);
	assert_int_equal(fs_read(dir, "f", 4, &b), ERR_LIMIT);
	assert_int_equal(fs_read(dir, "f", 5, &small), ERR_LIMIT);
	small.max = 5;
	buf_reset(&small);
	assert_int_equal(fs_read(dir, "f", 5, &small), ERR_OK);
	assert_int_equal(symlinkat("f", dir, "link"), 0);
	assert_int_equal(fs_read(dir, "link", 5, &b), ERR_IO);
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	assert_int_equal(fs_read(dir, "d", 5, &b), ERR_IO);
	/* Would hang if it were opened to wait for a writer. */
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(fs_read(dir, "fifo", 5, &b), ERR_IO);
	assert_int_equal(b.n, 0);
	buf_clear(&b);
	buf_clear(&small);
}

static void
descriptors_and_pipes_are_read_from_their_start(void **state)
{
	struct buf b = { 0 };
	int fd, p[2];

	(void)state;
	put_file("f", "hello");
	fd = openat(dir, "f", O_RDONLY);
	lseek(fd, 3, SEEK_SET);
	assert_int_equal(fs_read_fd(fd, 10, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), "hello");
	close(fd);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(fs_write(p[1], "piped", 5), ERR_OK);
	close(p[1]);
	buf_reset(&b);
	assert_int_equal(fs_read_fd(p[0], 10, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), "piped");
	close(p[0]);
	assert_int_equal(fs_read_fd(-1, 10, &b), ERR_IO);
	buf_clear(&b);
}

static void
replace_is_whole_and_leaves_nothing_beside(void **state)
{
	struct buf b = { 0 };
	char temp[64];

	(void)state;
	assert_int_equal(fs_replace(dir, "f", SPAN("one"), 0600, true), ERR_OK);
	/* Left by a predecessor with our number. */
	snprintf(temp, sizeof(temp), "f.tmp.%ld", (long)getpid());
	put_file(temp, "rubbish that is longer");
	assert_int_equal(fs_replace(dir, "f", SPAN("two"), 0600, true), ERR_OK);
	assert_int_equal(fs_read(dir, "f", 10, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), "two");
	assert_int_equal(count_files(), 1);
	/* In a directory below. */
	assert_int_equal(fs_mkdir(dir, "d", 0700), ERR_OK);
	assert_int_equal(fs_replace(dir, "d/g", SPAN_NONE, 0600, true), ERR_OK);
	assert_true(is_there("d/g"));
	/* Failures leave the old file. */
	assert_int_equal(fs_replace(dir, "none/g", SPAN("x"), 0600, true),
	    ERR_IO);
	assert_int_equal(fs_replace(dir, "d", SPAN("x"), 0600, true), ERR_IO);
	assert_int_equal(count_files(), 2);
	buf_clear(&b);
}

/* A full disk, by the limit of a file's size. */
static void
a_write_that_fails_leaves_the_old_file(void **state)
{
	struct buf b = { 0 };
	int status;
	pid_t pid;

	(void)state;
	put_file("f", "old");
	pid = fork();
	if (pid == 0) {
		struct rlimit limit = { 1, 1 };

		close(STDERR_FILENO);
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(fs_replace(dir, "f", SPAN("new text"), 0600, true) ==
		    ERR_IO ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(fs_read(dir, "f", 10, &b), ERR_OK);
	assert_string_equal(buf_cstr(&b), "old");
	assert_int_equal(count_files(), 1);
	buf_clear(&b);
}

static void
directories_open_beneath_and_not_through_links(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(fs_mkdir(dir, "d", 0700), ERR_OK);
	assert_int_equal(fs_mkdir(dir, "d", 0700), ERR_OK);
	assert_int_equal(fs_mkdir(dir, "d/e", 0700), ERR_OK);
	put_file("f", "x");
	assert_int_equal(fs_mkdir(dir, "f", 0700), ERR_IO);
	assert_int_equal(symlinkat("d", dir, "link"), 0);
	assert_int_equal(fs_open_dir(dir, "d/e", &fd), ERR_OK);
	close(fd);
	assert_int_equal(fs_open_dir(dir, ".", &fd), ERR_OK);
	close(fd);
	assert_int_equal(fs_open_dir(dir, "none", &fd), ERR_NOTFOUND);
	assert_int_equal(fd, -1);
	assert_int_equal(fs_open_dir(dir, "f", &fd), ERR_NOTFOUND);
	assert_int_equal(fs_open_dir(dir, "link", &fd), ERR_IO);
	assert_int_equal(fs_open_dir(dir, "..", &fd), ERR_IO);
	assert_int_equal(fs_open_dir(dir, "d/../..", &fd), ERR_IO);
	assert_int_equal(fs_open_dir(dir, "/tmp", &fd), ERR_IO);
}

/* As an old kernel, or a filter that does not know the call. */
static bool
forbid_openat2(unsigned errnum)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void
without_openat2_it_is_the_same(void **state)
{
	static const unsigned errnums[] = { ENOSYS, EPERM };
	int status;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (!forbid_openat2(errnums[i]))
				_exit(77);
			directories_open_beneath_and_not_through_links(NULL);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(status, 0);
		assert_int_equal(fs_remove_tree(AT_FDCWD, base), ERR_OK);
		assert_int_equal(mkdir(base, 0700), 0);
		close(dir);
		dir = open(base, O_RDONLY | O_DIRECTORY);
	}
}

static void
a_tree_goes_and_links_are_not_followed(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(fs_mkdir(dir, "keep", 0700), ERR_OK);
	put_file("keep/f", "x");
	assert_int_equal(fs_mkdir(dir, "t", 0700), ERR_OK);
	assert_int_equal(fs_mkdir(dir, "t/a", 0700), ERR_OK);
	assert_int_equal(fs_mkdir(dir, "t/a/b", 0700), ERR_OK);
	assert_int_equal(symlinkat("../keep", dir, "t/link"), 0);
	assert_int_equal(symlinkat("../../keep/f", dir, "t/a/link"), 0);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "t/a/%d", i);
		put_file(name, "");
	}
	assert_int_equal(fs_remove_tree(dir, "t"), ERR_OK);
	assert_false(is_there("t"));
	assert_true(is_there("keep/f"));
	assert_int_equal(fs_remove_tree(dir, "t"), ERR_OK);
	assert_int_equal(fs_remove_tree(dir, "keep/f"), ERR_OK);
	assert_false(is_there("keep/f"));
	assert_int_equal(symlinkat("keep", dir, "l"), 0);
	assert_int_equal(fs_remove_tree(dir, "l"), ERR_OK);
	assert_true(is_there("keep"));
	assert_false(is_there("l"));
	/* Never upwards. */
	assert_int_equal(fs_remove_tree(dir, ".."), ERR_IO);
	assert_true(is_there("keep"));
}

static void
errnos_have_their_codes(void **state)
{
	(void)state;
	assert_int_equal(fs_err(ENOENT), ERR_NOTFOUND);
	assert_int_equal(fs_err(ENOTDIR), ERR_NOTFOUND);
	assert_int_equal(fs_err(EEXIST), ERR_EXISTS);
	assert_int_equal(fs_err(EROFS), ERR_PERM);
	assert_int_equal(fs_err(EDQUOT), ERR_QUOTA);
	assert_int_equal(fs_err(ENOSPC), ERR_IO);
	assert_int_equal(fs_err(EIO), ERR_IO);
}

static void
this_file_system_is_local(void **state)
{
	(void)state;
	assert_null(fs_network_name(dir));
	assert_null(fs_network_name(-1));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_read_whole),
		TEST(what_cannot_be_read_says_why),
		TEST(descriptors_and_pipes_are_read_from_their_start),
		TEST(replace_is_whole_and_leaves_nothing_beside),
		TEST(a_write_that_fails_leaves_the_old_file),
		TEST(directories_open_beneath_and_not_through_links),
		TEST(without_openat2_it_is_the_same),
		TEST(a_tree_goes_and_links_are_not_followed),
		TEST(errnos_have_their_codes),
		TEST(this_file_system_is_local),
	};

	log_open(open("/dev/null", O_WRONLY), false, NULL);
	return cmocka_run_group_tests_name("fsutil", tests, NULL, NULL);
}
