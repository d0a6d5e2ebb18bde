/* tmp/ to cur/: one message on its way into a folder. */
#ifndef MAILDIR_DELIVER_H
#define MAILDIR_DELIVER_H

#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct folder;

struct deliver {
	struct folder *f;
	int fd;
	char tmp_name[128];	/* in tmp/ */
	char base[200];		/* with ,S= and ,W= once finished */
	uint64_t size, wire_size;
	char last;		/* last byte written, to count bare LFs */
	uint32_t flags;
	uint64_t keywords;
	int64_t internal_date;
	uint32_t uid;		/* given by change_append */
};

/*
 * Makes a file in tmp/ with a unique name (<secs>.M<usecs>P<pid>Q<n>.<host>).
 * Errors: ERR_QUOTA, ERR_PERM, ERR_IO, ERR_UNAVAIL.
 */
enum err deliver_begin(struct folder *f, struct deliver **d_out);

/* Appends bytes as they are to be stored. After an error only abort helps. */
enum err deliver_write(struct deliver *d, const char *p, size_t n);

/*
 * The message is complete: sets mtime (INTERNALDATE), names it with S= and W=,
 * fsyncs it if the account syncs. change_append puts it in place.
 */
enum err deliver_finish(struct deliver *d, uint32_t flags, uint64_t keywords,
    int64_t internal_date);

/* Removes what is left in tmp/ (nothing after change_append). Accepts NULL. */
void deliver_free(struct deliver **d);

#endif
