/* Flags and keywords: letters in file names, dovecot-keywords. */
#ifndef MAILDIR_FLAGS_H
#define MAILDIR_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

/*
 * System flags, as bits. $Forwarded is a keyword like any other: Dovecot keeps it so,
 * and does not look at the letter P, which stays in names where others put it.
 */
enum {
	FLAG_ANSWERED = 1,	/* R */
	FLAG_FLAGGED = 2,	/* F */
	FLAG_DELETED = 4,	/* T */
	FLAG_SEEN = 8,		/* S */
	FLAG_DRAFT = 16,	/* D */
	FLAG_ALL = 31,
};

/* Keywords 0-25 have letters a-z in file names; 26-63 live in the state only. */
enum { KEYWORD_LETTERS = 26, KEYWORD_MAX = 64 };

/* A message's file name taken apart; spans point into it. */
struct flagged_name {
	struct span base;	/* without ":2,..." */
	uint32_t flags;		/* FLAG_* */
	uint64_t keywords;	/* bits 0-25 */
	struct span unknown;	/* what we do not know, in extra_buf; see below */
	bool has_info;		/* it had ":2," */
	bool has_size, has_vsize;
	uint64_t size, vsize;	/* S= and W=, when has_ */
};

/*
 * Takes a file name of cur/ or new/ apart (names as in the Maildir
 * specification and Dovecot's ",S=" ",W="). Unknown letters and anything after
 * a second comma are preserved: `extra` receives them as "<letters>[,<rest>]",
 * written to extra_buf (64 bytes; longer is cut off at a letter); out->unknown
 * is the part of extra_buf in use. The base ends at the first ":", as Dovecot
 * has it.
 * False: not a message (leading dot, empty base, "/", a line end or NUL, which
 * no uidlist could hold, or over 255 bytes).
 */
bool flags_parse_name(struct span file, struct flagged_name *out,
    char extra_buf[64]);

/*
 * File name for a base with flags: "<base>:2,<letters in ASCII order>", with
 * unknown letters of `extra` merged in and its ",rest" at the end. out: 400
 * bytes. Errors: ERR_LIMIT the name would be longer than 255 bytes.
 */
enum err flags_make_name(struct span base, uint32_t flags, uint64_t keywords,
    struct span extra, char out[400]);

/*
 * The wire name of a system flag bit, "\\Answered"; "" for anything else.
 */
const char *flags_wire(uint32_t bit);

/* The bit for a wire name in any case; 0 for a keyword or an unknown \Flag. */
uint32_t flags_from_wire(struct span name);

/* Names of a folder's keywords, by number. Unused numbers have n == 0. */
struct keywords {
	struct span name[KEYWORD_MAX];
	unsigned n;	/* highest used number + 1 */
};

/*
 * Reads dovecot-keywords ("<index> <keyword>\n"; broken lines are skipped and
 * logged once). Absent is an empty set. Names live in `a`.
 * Errors: ERR_IO, ERR_PERM.
 */
enum err keywords_read(int dir_fd, struct arena *a, struct keywords *out);

/*
 * Writes numbers 0-25 of `k` as dovecot-keywords, durably, by rename. Needs:
 * the uidlist dotlock.
 * Errors: ERR_IO, ERR_QUOTA, ERR_PERM.
 */
enum err keywords_write(int dir_fd, const struct keywords *k, bool sync);

/* Number of a keyword (compared without case), -1 when it has none. */
int keywords_find(const struct keywords *k, struct span name);

/*
 * Adds a keyword under the lowest free number. Errors: ERR_LIMIT all 64 used;
 * ERR_SYNTAX not an atom, or longer than 100 bytes.
 */
enum err keywords_add(struct keywords *k, struct arena *a, struct span name,
    int *number_out);

#endif
