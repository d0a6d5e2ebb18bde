/*
 * Quota settings: what they are called in Dovecot 2.3 (plugin { quota_rule = ... }) and
 * 2.4 (quota_storage_size = ...), and the limits that they make for a mailbox.
 */
#ifndef COMMON_QUOTA_RULES_H
#define COMMON_QUOTA_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

/* As it is written: the later of two of one name counts. */
struct quota_setting {
	struct quota_setting *next;
	const char *name, *value;
};

enum { QUOTA_RULES_MAX = 256 };

/* What is allowed in some mailboxes beyond (or, negative, below) the limit of all. */
struct quota_rule {
	const char *mask;	/* "*" any text, "?" any character */
	bool ignore;		/* what is in it is not counted */
	int64_t bytes, messages;
	int64_t bytes_percent, messages_percent;	/* of the limit of all */
};

/* The quota of one user. */
struct quota {
	bool is_on;
	const char *name;	/* of the quota root, as clients see it */
	bool maildirsize;	/* the file is kept (driver "maildir") */
	bool enforce;		/* false: counted, never refused */
	bool hidden;		/* clients are not told of it */
	/* No limit is set: those in maildirsize count, where there are any. */
	bool limits_from_file;
	uint64_t bytes, messages;	/* the limits; 0: none */
	/* Mail delivery may go over by so much with the message that fills it. */
	uint64_t grace_bytes, grace_percent;
	uint64_t max_mail_bytes;	/* of one message; 0: any */
	const char *exceeded;	/* what who is refused is told */
	bool tempfail;		/* delivery is refused for the time being only */
	struct quota_rule *rule;
	size_t n_rules;
	bool ignores;		/* a rule has `ignore` */
};

struct quota_limits {
	bool ignored;		/* the mailbox is not counted */
	uint64_t bytes, messages;	/* 0: no limit */
};

/* Whether a setting of that name is about quotas, in which dialect ever. */
bool quota_rules_has(const char *name);

/* Whether it may stand in a block of one mailbox (2.4). */
bool quota_rules_has_mailbox(const char *name);

/*
 * The quota that settings make; texts are those of the settings or live in `a`. No
 * setting "quota": is_on is false. Errors: ERR_SYNTAX with *name_out the setting's name
 * and *why_out what is wrong with its value; the others are evaluated all the same.
 */
enum err quota_rules_read(const struct quota_setting *set, struct arena *a,
    struct quota *out, const char **name_out, const char **why_out);

/*
 * One more rule, of a mailbox's own settings (2.4), after those there are. Errors: as
 * quota_rules_read; ERR_LIMIT too many.
 */
enum err quota_rules_add(struct quota *q, const char *mask,
    const struct quota_setting *set, struct arena *a, const char **name_out,
    const char **why_out);

/*
 * The limits for what is added to a mailbox. limits: those of all (q's own, or what
 * the file says). The first rule whose mask fits counts.
 */
struct quota_limits quota_rules_limits(const struct quota *q, uint64_t bytes,
    uint64_t messages, struct span mailbox);

#endif
