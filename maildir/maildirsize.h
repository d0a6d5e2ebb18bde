/*
 * The file maildirsize, which Dovecot, Courier, maildrop, Exim and vpopmail keep: their
 * count of an account's mail. Ours is in the state; the file is made to agree.
 */
#ifndef MAILDIR_MAILDIRSIZE_H
#define MAILDIR_MAILDIRSIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct account;

enum { MAILDIRSIZE_MAX = 5120 };	/* larger: to be written anew */

struct maildirsize {
	uint64_t bytes_limit, messages_limit;	/* 0: none */
	uint64_t bytes, messages;		/* sums of all lines */
	unsigned lines;				/* below the limits */
};

/*
 * Takes the file's text apart. False: it is to be written anew (no limits, a line that
 * is none or has no end, a sum below 0, too long); the limits are set all the same
 * where they could be read, else 0.
 */
bool maildirsize_parse(struct span text, struct maildirsize *out);

/*
 * Makes the file agree with the state's count: a line is appended, or the whole
 * replaced. Where somebody else wrote into it, mailboxes are looked at first, because
 * he will have changed mail too. Takes the limits over from it where none are set.
 * Errors: ERR_QUOTA, ERR_PERM, ERR_IO (logged); as db_begin
 */
enum err maildirsize_agree(struct account *acc);

/* Reads the limits that are set nowhere else. Nothing is an error: none are known. */
void maildirsize_read_limits(struct account *acc);

#endif
