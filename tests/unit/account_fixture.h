/* An account in a directory of its own: what unit tests of maildir/ begin with. */
#ifndef TESTS_UNIT_ACCOUNT_FIXTURE_H
#define TESTS_UNIT_ACCOUNT_FIXTURE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"

struct fixture {
	char dir[64];
	struct account *acc;
	struct arena a;
};

/* What it is opened with, to be changed before fixture_open. */
static inline struct account_place
fixture_place(void)
{
	return (struct account_place){ .control_fd = -1, .index_fd = -1,
	    .user = "anna", .client = "test", .sync = false,
	    .max_readers = 126, .map_bytes = 1 << 28, .store_batch = 3,
	    .changed_fd = -1 };
}

static inline void
fixture_open(struct fixture *x, struct account_place p)
{
	p.root_fd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(account_open(&p, &x->acc), ERR_OK);
}

static inline struct fixture *
fixture_new(void)
{
	struct fixture *x = calloc(1, sizeof(*x));

	log_open(2, false, NULL);
	log_set_level(LOG_L_ERROR);
	strcpy(x->dir, "/tmp/loft-test.XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	return x;
}

/* KEEP in the environment leaves the directory. */
static inline int
fixture_end(void **state)
{
	struct fixture *x = *state;

	account_close(&x->acc);
	assert_int_equal(chdir("/"), 0);
	if (getenv("KEEP") == NULL)
		assert_int_equal(fs_remove_tree(AT_FDCWD, x->dir), ERR_OK);
	arena_free(&x->a);
	free(x);
	return 0;
}

/* Relative to the mail root. */
static inline bool
is_there(const struct fixture *x, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", x->dir, name);
	return access(path, F_OK) == 0;
}

static inline void
work_off(struct fixture *x)
{
	while (account_late_work(x->acc))
		continue;
}

static inline enum others_how
keep_others(void *ctx, struct span name)
{
	(void)ctx;
	(void)name;
	return OTHERS_KEEP;
}

#endif
