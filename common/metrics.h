/*
 * What a worker counts, in its page of the scoreboard: plain additions, nothing that
 * another process waits for. The pool adds the pages up, the master the pools.
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
	METRICS_COMMANDS = 56,	/* rows of worker/commands.def at most */
	METRICS_BOUNDS = 10,	/* of the histogram, then one for all above */
};

/* Upper bounds of a command's duration, in microseconds. */
extern const uint32_t metrics_bound_us[METRICS_BOUNDS];

enum metrics_reply { REPLY_OK, REPLY_NO, REPLY_BAD, REPLY_COUNT };

enum metrics_event {
	EVENT_STORED,		/* messages put into a mailbox by us */
	EVENT_EXPUNGED,
	EVENT_GHOST_MADE,
	EVENT_GHOST_GONE,
	EVENT_UNTOLD,		/* no counter: expunges its client waits for now */
	EVENT_COUNT
};

struct metrics_command {
	_Atomic uint32_t bucket[METRICS_BOUNDS + 1];
	_Atomic uint32_t reply[REPLY_COUNT];
	_Atomic uint64_t sum_us;
};

struct metrics_slot {
	struct metrics_command command[METRICS_COMMANDS];
	_Atomic uint32_t event[EVENT_COUNT];
};

/* Where this process counts; without a call it counts nowhere. */
void metrics_set_slot(struct metrics_slot *slot);

/* A command (its row's number) was answered. */
void metrics_command(size_t row, uint64_t us, enum metrics_reply reply);

/* n more of an event. */
void metrics_count(enum metrics_event event, uint32_t n);

/* Expunges that the client of this session has not been told of, at its last look. */
void metrics_set_untold(uint32_t n);

/* ---- sums ---- */

enum { METRICS_VALUES = METRICS_BOUNDS + 1 + REPLY_COUNT + 1 };

/*
 * The numbers of one command: buckets, replies, microseconds; or under METRICS_EVENTS
 * those of events, under METRICS_AUTH of logins by enum metrics_login. What METRICS tells.
 */
struct metrics_record {
	char name[16];
	uint64_t value[METRICS_VALUES];
};

#define METRICS_EVENTS	"*events"
#define METRICS_AUTH	"*auth"

enum metrics_login {
	LOGIN_SUCCESS, LOGIN_PASSWORD, LOGIN_TEMPORARY, LOGIN_LIMIT,
	LOGIN_DISABLED, LOGIN_MECHANISM, LOGIN_SYNTAX, LOGIN_CANCELLED,
	LOGIN_COUNT
};

enum { METRICS_RECORDS = METRICS_COMMANDS + 2 };

struct metrics_sum {
	struct metrics_record at[METRICS_RECORDS];
	size_t n;
};

/* The record of a name, a new one if need be; NULL: there are too many. */
struct metrics_record *metrics_find(struct metrics_sum *sum, const char *name);

/* Adds what a worker counted; name_of says what a row's command is called, NULL: no row. */
void metrics_add_slot(struct metrics_sum *sum, struct metrics_slot *slot,
    const char *(*name_of)(size_t row));

/* Adds one sum to another. */
void metrics_add(struct metrics_sum *sum, const struct metrics_sum *more);

#endif
