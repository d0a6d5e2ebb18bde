/* Who is told of what happens in a directory, and who first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "daemon/watch.h"

enum { OWNERS = 3 };

struct owner {
	uint32_t handle;
	unsigned told, first;
};

static char top[64];
static int top_fd, dir_fd[2];
static struct owner owner[OWNERS];	/* of directories 0, 0, 1 */

static void
changed(void *who, bool first)
{
	struct owner *o = who;

	o->told++;
	o->first += first;
}

static void
make(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* What has happened so far. */
static void
read_all(void)
{
	struct pollfd p = { watch_fd(), POLLIN, 0 };

	while (poll(&p, 1, 0) == 1)
		watch_read(changed);
}

static void
forget(void)
{
	read_all();
	for (int i = 0; i < OWNERS; i++)
		owner[i].told = owner[i].first = 0;
}

static int
set_up(void **state)
{
	(void)state;
	strcpy(top, "/tmp/loft-test.XXXXXX");
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		char name[2] = { (char)('a' + i), '\0' };

		assert_int_equal(mkdirat(top_fd, name, 0700), 0);
		dir_fd[i] = openat(top_fd, name, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC);
	}
	assert_int_equal(watch_open(top_fd), ERR_OK);
	for (int i = 0; i < OWNERS; i++)
		assert_int_equal(watch_add(dir_fd[i / 2], &owner[i],
		    false, &owner[i].handle), ERR_OK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		close(dir_fd[i]);
	close(top_fd);
	return fs_remove_tree(AT_FDCWD, top) == ERR_OK ? 0 : -1;
}

static void
all_owners_of_a_directory_are_told_once_and_one_is_the_first(void **state)
{
	(void)state;
	forget();
	make(dir_fd[0], "1");
	make(dir_fd[0], "2");
	read_all();
	assert_int_equal(owner[0].told, 1);
	assert_int_equal(owner[1].told, 1);
	assert_int_equal(owner[0].first + owner[1].first, 1);
	assert_int_equal(owner[2].told, 0);
}

static void
after_an_overflow_all_are_told(void **state)
{
	char name[32];
	unsigned long most = 0;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	(void)state;
	if (f != NULL) {
		if (fscanf(f, "%lu", &most) != 1)
			most = 0;
		fclose(f);
	}
	if (most == 0 || most > 100000)
		skip();
	forget();
	/* Two names in turns: equal events in a row are one. */
	for (unsigned long i = 0; i <= most; i++) {
		snprintf(name, sizeof(name), "x%lu", i % 2);
		make(dir_fd[0], name);
		assert_int_equal(unlinkat(dir_fd[0], name, 0), 0);
	}
	/* This one is lost. */
	make(dir_fd[1], "lost");
	read_all();
	for (int i = 0; i < OWNERS; i++)
		assert_true(owner[i].told > 0);
}

static void
who_left_is_told_nothing(void **state)
{
	(void)state;
	watch_remove(owner[0].handle, &owner[0]);
	forget();
	make(dir_fd[0], "3");
	read_all();
	assert_int_equal(owner[0].told, 0);
	assert_int_equal(owner[1].told, 1);
	assert_int_equal(owner[1].first, 1);
	/* With the last one the watch goes. */
	watch_remove(owner[1].handle, &owner[1]);
	forget();
	make(dir_fd[0], "4");
	read_all();
	assert_int_equal(owner[1].told, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    all_owners_of_a_directory_are_told_once_and_one_is_the_first),
		cmocka_unit_test(after_an_overflow_all_are_told),
		cmocka_unit_test(who_left_is_told_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
