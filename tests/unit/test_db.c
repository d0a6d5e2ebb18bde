/* What LMDB does not promise by itself when processes are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/db.h"
#include "common/fsutil.h"
#include "common/log.h"

enum { META_BYTES = 4096 };

static const char *const tables[] = { "t" };
static char dir[64];
static bool dies_at_meta;

/*
 * LMDB writes through this. The last write of a commit is that of a meta page, smaller
 * than a page; what readers look at is set after it.
 */
ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t r = syscall(SYS_pwrite64, fd, p, n, at);

	if (dies_at_meta && n < META_BYTES)
		raise(SIGKILL);
	return r;
}

static struct db *
open_it(void)
{
	struct db *db;

	assert_int_equal(db_open(".", tables, 1, 1 << 24, 16, &db), ERR_OK);
	return db;
}

static void
put(struct db *db, struct span value)
{
	struct db_txn *t;

	assert_int_equal(db_begin(db, true, &t), ERR_OK);
	assert_int_equal(db_put(t, 0, SPAN("key"), value), ERR_OK);
	assert_int_equal(db_commit(&t), ERR_OK);
}

static bool
is_value(struct db *db, struct span wanted)
{
	struct db_txn *t;
	struct span v;
	bool same;

	assert_int_equal(db_begin(db, false, &t), ERR_OK);
	same = db_get(t, 0, SPAN("key"), &v) == ERR_OK && span_eq(v, wanted);
	db_abort(&t);
	return same;
}

/* Waits for a word, then dies in a commit. An environment does not outlive fork. */
static _Noreturn void
victim(int fd)
{
	struct db *db;
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(1);
	db = open_it();
	dies_at_meta = true;
	put(db, SPAN("new"));
	_exit(2);
}

static void
what_one_committed_who_was_killed_over_it_is_seen(void **state)
{
	int pair[2], status;
	struct db *db;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		victim(pair[0]);
	db = open_it();
	put(db, SPAN("old"));
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* It is there, but readers do not know yet: who decides looks first. */
	assert_true(is_value(db, SPAN("old")));
	assert_int_equal(db_catch_up(db), ERR_OK);
	assert_true(is_value(db, SPAN("new")));
	assert_int_equal(db_catch_up(db), ERR_OK);
	db_close(&db);
	close(pair[0]);
	close(pair[1]);
}

static int
set_up(void **state)
{
	(void)state;
	log_open(2, false, NULL);
	log_set_level(LOG_L_ERROR);
	strcpy(dir, "/tmp/loft-test.XXXXXX");
	return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return chdir("/") != 0 || fs_remove_tree(AT_FDCWD, dir) != ERR_OK;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_one_committed_who_was_killed_over_it_is_seen, set_up,
		    tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
