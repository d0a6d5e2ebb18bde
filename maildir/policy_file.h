/* The policies of an account's mailboxes that were set at run time. */
#ifndef MAILDIR_POLICY_FILE_H
#define MAILDIR_POLICY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

struct account;

/* What is said of mailboxes whose storage names match `pattern` ("*" and "%"). */
struct policy_rule {
	struct span pattern;
	struct span settings;	/* "name=value name=value" */
};

/* In memory, as of the last look. */
struct policy_file;

/*
 * The account's rules in the order of the file, read again only where the file looks
 * different from last time (one fstatat). Good until the next call. What cannot be
 * read is logged, and the rules stay those of the last look.
 */
void policy_file_rules(struct account *acc,
    const struct policy_rule **rules_out, size_t *n_out);

struct policy_setting {
	struct span name;
	struct span value;	/* p NULL: to be taken out */
};

/*
 * Changes settings of one pattern, all or none. Values are not checked here, but that
 * they have no space, line end or "=". Temp, sync and rename under loft-policy.lock.
 * Errors: ERR_LIMIT too many rules; ERR_SYNTAX; ERR_BUSY, ERR_PERM, ERR_QUOTA, ERR_IO.
 */
enum err policy_file_set(struct account *acc, struct span pattern,
    const struct policy_setting *set, size_t n);

/*
 * A mailbox that is an account of its own (alone.h) gets a copy of the account's rules:
 * who is handed it alone cannot read them where they are. policy_file_set does this for
 * all of them. Errors are logged: the mailbox keeps the copy it had.
 */
void policy_file_hand_down(struct account *acc, struct span storage);

/* The value of a setting of a rule; false: it says nothing of it. */
bool policy_rule_value(const struct policy_rule *rule, const char *name,
    struct span *value_out);

/* Gives the memory back. Accepts NULL in *file. */
void policy_file_free(struct policy_file **file);

#endif
