/* A worker that serves no client: it does one thing with an account, and says how it went. */
#ifndef WORKER_ADMIN_H
#define WORKER_ADMIN_H

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/span.h"

struct account;
struct config;
struct ipc_message;

enum { ADMIN_ARGS_MAX = 24 };

/* Exit codes of loftctl (sysexits). */
enum {
	ADMIN_OK = 0, ADMIN_USAGE = 64, ADMIN_NOUSER = 67,
	ADMIN_UNAVAILABLE = 69, ADMIN_CANTCREAT = 73, ADMIN_TEMPFAIL = 75,
	ADMIN_NOPERM = 77,
};

/* One command. Texts live as long as it does. */
struct admin {
	const struct config *cfg;
	struct account *account;
	uint32_t uid;		/* who asks */
	struct span arg[ADMIN_ARGS_MAX];
	size_t n;
	int fd;			/* where the answer goes */
	int message_fd;		/* what is to be delivered; -1: nothing is */
	struct arena arena;
	struct buf out;		/* the answer: rows with a first row of column names,
				 * words separated by TAB; or a sentence */
};

/*
 * Waits for the account that ADMIN's first socket brings, confines the process to it,
 * runs the command in m's tail (admin.def; words, each with a NUL) and answers on the
 * second one: "+\n" or "-<code>\n", then text. Errors are part of the answer.
 */
void admin_run(const struct config *cfg, struct ipc_message *m, int notify_fd);

/* A name from the account as one word of a row: what could end it becomes '?'. */
void admin_word(struct admin *a, struct span text);

/* The rows of admin.def: each returns an exit code; `out` then says why, if not 0. */
#define ADMIN(word, handler, ...) int handler(struct admin *a);
#include "worker/admin.def"
#undef ADMIN

#endif
