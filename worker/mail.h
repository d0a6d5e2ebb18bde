/*
 * loftctl's mail verbs (mail.def): doveadm's commands, done in one account by a process
 * that is confined to it, with a session that no client has. What they change goes the
 * way of IMAP's commands: the same policies, the same locks, others are told.
 *
 * The row of admin.def (mail_run) takes connection and account over. After the "+" loftctl
 * sends a line: the verb, options ("-s", "-mSent"), "--",
 * arguments; words as in common/tabtext.h, names in UTF-8. What comes back is lines,
 * their first byte says which:
 *
 *   H names of columns ("=name": shown without it, "+name": a text, below it;
 *     "name:Title")
 *   R a row       E an error, as doveadm words it       I a line of text
 *   P done, in all: how far it is                       . exit code; the last line
 *
 * A verb that takes a message asks for it with ">" and is sent pieces: a line with the
 * number of bytes, then these; 0 is the end.
 */
#ifndef WORKER_MAIL_H
#define WORKER_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "worker/target.h"

struct admin;
struct session;

/* doveadm's exit codes. */
enum {
	MAIL_USAGE = 64, MAIL_NOTPOSSIBLE = 65, MAIL_NOTFOUND = 68,
	MAIL_UNAVAILABLE = 69, MAIL_TEMPFAIL = 75, MAIL_NOPERM = 77,
};

enum { MAIL_REQUEST_MAX = 1 << 20, MAIL_WORDS_MAX = 10000 };

/* One verb at work. */
struct mail {
	struct session *s;	/* its conn leads to loftctl */
	uint32_t uid;		/* of who asks */
	struct span verb;
	struct span *option;	/* "s", "mSent" */
	size_t n_options;
	struct span *arg;
	size_t n;
	struct arena arena;	/* as long as the verb */
	bool named;		/* columns have their names */
	bool in_row;
	bool stopped;		/* an error that ends all */
	int code;		/* the first that was not 0 */
};

/* Takes a request line apart, in m's arena. Errors: ERR_SYNTAX, ERR_LIMIT. */
enum err mail_read_request(struct span line, struct mail *m);

/* An option's value, "" where it has none. */
bool mail_option(const struct mail *m, char letter, struct span *value_out);

/* ---- what comes back ---- */

/* Names of columns, parted by spaces; the first time. */
void mail_names(struct mail *m, const char *names);

/* A cell of a row; mail_row ends it. */
void mail_cell(struct mail *m, struct span text);
void mail_cell_f(struct mail *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void mail_row(struct mail *m);

/* A cell in pieces: begin, any number of adds. */
void mail_cell_begin(struct mail *m);
void mail_cell_add(struct mail *m, const char *p, size_t n);

/* A line of text, or of an error with the code that counts if it is the first. */
void mail_text(struct mail *m, struct span text);
void mail_fail(struct mail *m, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same for an enum err. what: "Can't open mailbox", subject: its name (p NULL:
 * nothing is said of one).
 */
void mail_error(struct mail *m, const char *what, struct span subject,
    enum err e);

/* How far the verb is in this account; sends what was written. */
void mail_progress(struct mail *m, size_t done, size_t all);

/* Whether loftctl is gone, or nothing more is to be done. */
bool mail_is_over(const struct mail *m);

/* ---- mailboxes ---- */

/* A mailbox by its name in UTF-8. Errors: as namespace_find. */
enum err mail_target(struct mail *m, struct span name, struct target *out);

/* The name of one of ours in UTF-8; in m's arena. */
struct span mail_name(struct mail *m, struct span storage);

/* As IMAP has it, whole or (utf8) as people write it; of any name. */
struct span mail_utf8(struct mail *m, struct span imap_name);

/* Each row of mail.def. */
#define MAIL(verb, handler, changes) void handler(struct mail *m);
#include "worker/mail.def"
#undef MAIL

#endif
