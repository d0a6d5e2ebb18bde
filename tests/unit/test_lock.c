/* File locks with a deadline; dotlocks as Dovecot takes them. */
#include "common/lock.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/fsutil.h"
#include "common/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char base[] = "/tmp/loft-lock-XXXXXX";
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
	clock_set(0);
	close(dir);
	return fs_remove_tree(AT_FDCWD, base) == ERR_OK ? 0 : -1;
}

static int
open_lock(void)
{
	int fd = openat(dir, "gate", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd != -1);
	return fd;
}

static void
a_lock_excludes_until_it_is_released(void **state)
{
	int a = open_lock(), b = open_lock();

	(void)state;
	assert_int_equal(lock_file(a, false, 0, "gate"), ERR_OK);
	assert_int_equal(lock_file(b, false, 0, "gate"), ERR_OK);
	assert_int_equal(lock_file(b, true, 0, "gate"), ERR_BUSY);
	lock_release(a);
	assert_int_equal(lock_file(b, true, 0, "gate"), ERR_OK);
	assert_int_equal(lock_file(a, false, 0, "gate"), ERR_BUSY);
	lock_release(b);
	assert_int_equal(lock_file(a, true, 0, "gate"), ERR_OK);
	assert_int_equal(lock_file(-1, true, 0, "gate"), ERR_IO);
	close(a);
	close(b);
}

static void
waiting_ends_at_the_deadline(void **state)
{
	int a = open_lock(), b = open_lock();
	uint64_t start = clock_mono_ms(), took;

	(void)state;
	assert_int_equal(lock_file(a, true, 0, "gate"), ERR_OK);
	assert_int_equal(lock_file(b, true, 80, "gate"), ERR_BUSY);
	took = clock_mono_ms() - start;
	assert_in_range(took, 79, 5000);
	close(a);
	close(b);
}

static void
the_lock_of_a_process_that_dies_is_had_at_once(void **state)
{
	int fd = open_lock(), ready[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int mine = open_lock();

		if (lock_file(mine, true, 0, "gate") == ERR_OK)
			(void)!write(ready[1], "x", 1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(lock_file(fd, true, 0, "gate"), ERR_BUSY);
	kill(pid, SIGKILL);
	assert_int_equal(lock_file(fd, true, 5000, "gate"), ERR_OK);
	waitpid(pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
	close(fd);
}

/* ---- dotlocks ---- */

static const char *
own_host(void)
{
	static struct utsname u;

	uname(&u);
	return u.nodename;
}

static void
put_lock(const char *text)
{
	int fd = openat(dir, "x.lock", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(fs_write(fd, text, strlen(text)), ERR_OK);
	close(fd);
}

static bool
is_there(void)
{
	struct stat st;

	return fstatat(dir, "x.lock", &st, 0) == 0;
}

static void
a_dotlock_says_who_holds_it(void **state)
{
	struct buf b = { 0 };
	char want[400];

	(void)state;
	assert_int_equal(dotlock_take(dir, "x.lock", 0, 60), ERR_OK);
	assert_int_equal(fs_read(dir, "x.lock", 1000, &b), ERR_OK);
	snprintf(want, sizeof(want), "%ld:%s", (long)getpid(), own_host());
	assert_string_equal(buf_cstr(&b), want);
	dotlock_release(dir, "x.lock");
	assert_false(is_there());
	dotlock_release(dir, "x.lock");
	assert_int_equal(dotlock_take(dir, "none/x.lock", 0, 60), ERR_IO);
	buf_clear(&b);
}

static void
a_live_holder_is_waited_for(void **state)
{
	char text[400];
	uint64_t start = clock_mono_ms();

	(void)state;
	/* Our parent lives. */
	snprintf(text, sizeof(text), "%ld:%s", (long)getppid(), own_host());
	put_lock(text);
	assert_int_equal(dotlock_take(dir, "x.lock", 60, 60), ERR_BUSY);
	assert_in_range(clock_mono_ms() - start, 59, 5000);
	assert_true(is_there());
	/* Another's lock is not ours to remove. */
	dotlock_release(dir, "x.lock");
	assert_true(is_there());
	/* Another host's process is not judged by our numbers. */
	put_lock("999999999:elsewhere.example");
	assert_int_equal(dotlock_take(dir, "x.lock", 0, 60), ERR_BUSY);
	put_lock("rubbish");
	assert_int_equal(dotlock_take(dir, "x.lock", 0, 60), ERR_BUSY);
}

static void
the_lock_of_the_dead_is_broken_at_once(void **state)
{
	char text[400];
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, &status, 0);
	snprintf(text, sizeof(text), "%ld:%s\n", (long)pid, own_host());
	put_lock(text);
	assert_int_equal(dotlock_take(dir, "x.lock", 0, 60), ERR_OK);
	dotlock_release(dir, "x.lock");
	assert_false(is_there());
}

static void
an_old_lock_is_broken(void **state)
{
	uint64_t start = clock_mono_ms();

	(void)state;
	put_lock("1:elsewhere.example");
	/* By the age of the file. */
	clock_set(clock_us() + 61000000);
	assert_int_equal(dotlock_take(dir, "x.lock", 0, 60), ERR_OK);
	dotlock_release(dir, "x.lock");
	/* By our own watch, when the file's date is in the future. */
	clock_set(clock_us() - 3600000000);
	put_lock("1:elsewhere.example");
	assert_int_equal(dotlock_take(dir, "x.lock", 5000, 1), ERR_OK);
	assert_in_range(clock_mono_ms() - start, 1000, 4500);
}

static void
an_empty_lock_does_not_stay(void **state)
{
	(void)state;
	put_lock("");
	assert_int_equal(dotlock_take(dir, "x.lock", 0, 60), ERR_BUSY);
	assert_int_equal(dotlock_take(dir, "x.lock", 5000, 60), ERR_OK);
}

/*
 * Several take and leave the lock, some die with it: never do two hold it. The
 * counters are not atomic: only the lock keeps them together.
 */
static void
only_one_holds_a_dotlock(void **state)
{
	enum { WORKERS = 4, ROUNDS = 150 };
	volatile unsigned *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned done = 0;
	int status;

	(void)state;
	for (unsigned w = 0; w < WORKERS * ROUNDS; w++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (dotlock_take(dir, "x.lock", 20000, 60) != ERR_OK ||
			    shared[0]++ != 0)
				_exit(1);
			shared[1]++;
			for (volatile int i = 0; i < 1000; i++)
				;
			shared[0]--;
			/* A third dies without giving it back. */
			if (w % 3 != 0)
				dotlock_release(dir, "x.lock");
			_exit(0);
		}
		if (w >= WORKERS) {
			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
			done++;
		}
	}
	while (done++ < WORKERS * ROUNDS) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(shared[1], WORKERS * ROUNDS);
	munmap((void *)(uintptr_t)shared, 4096);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_lock_excludes_until_it_is_released),
		TEST(waiting_ends_at_the_deadline),
		TEST(the_lock_of_a_process_that_dies_is_had_at_once),
		TEST(a_dotlock_says_who_holds_it),
		TEST(a_live_holder_is_waited_for),
		TEST(the_lock_of_the_dead_is_broken_at_once),
		TEST(an_old_lock_is_broken),
		TEST(an_empty_lock_does_not_stay),
		TEST(only_one_holds_a_dotlock),
	};

	log_open(open("/dev/null", O_WRONLY), false, NULL);
	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
