/*
 * Reads IMAP grammar out of one collected command. Never reads from the network
 * (but for one thing: the literal of a message is left in the stream, see input.h).
 * One function per grammar rule of RFC 9051 section 9, named after it. Each
 * returns ERR_SYNTAX and remembers where, for the BAD text.
 */
#ifndef WORKER_CURSOR_H
#define WORKER_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"
#include "worker/set.h"

/*
 * A command as input.c collected it: the text of its lines with "{n}" literals in
 * place: the literal's bytes follow the marker "{n}CRLF" directly, as on the wire.
 */
struct cursor {
	struct span text;	/* all of it */
	size_t at;		/* how far it was read */
	const char *problem;	/* what is wrong at `at`, for the BAD text */
	struct arena *arena;	/* command arena: results that need memory */
	bool utf8;		/* UTF8=ACCEPT: 8-bit in quoted strings */
};

/* True when nothing is left. */
bool cursor_is_end(const struct cursor *c);
/* Exactly one space; one byte c; the end. ERR_SYNTAX otherwise. */
enum err cursor_space(struct cursor *c);
enum err cursor_char(struct cursor *c, char ch);
enum err cursor_end(struct cursor *c);
/* The next byte, 0 at the end, and whether it is ch (taken when it is). */
char cursor_peek(const struct cursor *c);
bool cursor_take(struct cursor *c, char ch);
/*
 * A keyword (any case) followed by a non-atom character, by "[" ("BODY[1]": no
 * keyword contains one) or the end; taken if there.
 */
bool cursor_take_word(struct cursor *c, const char *word);

/* atom: at least one character. */
enum err cursor_atom(struct cursor *c, struct span *out);
/*
 * Quoted or literal; escapes removed. More than the grammar allows: bytes above 127
 * in a quoted string (many clients send UTF-8 search terms and passwords so).
 */
enum err cursor_string(struct cursor *c, struct span *out);
/* atom (with "]") or string. */
enum err cursor_astring(struct cursor *c, struct span *out);
/* NIL or string; NIL gives p == NULL. */
enum err cursor_nstring(struct cursor *c, struct span *out);
/* list-mailbox: atom with wildcards, or string. */
enum err cursor_list_mailbox(struct cursor *c, struct span *out);
/* astring naming a mailbox; "inbox" in any case becomes INBOX. */
enum err cursor_mailbox(struct cursor *c, struct span *out);
enum err cursor_number(struct cursor *c, uint32_t *out);
enum err cursor_nz_number(struct cursor *c, uint32_t *out);
enum err cursor_number64(struct cursor *c, uint64_t *out);
/* sequence-set, not resolved. */
enum err cursor_set(struct cursor *c, struct set *out);
/* "date-time" with its quotes. */
enum err cursor_date_time(struct cursor *c, int64_t *out);
/* date, quoted or not: the day number. */
enum err cursor_date(struct cursor *c, int32_t *day_out);

/*
 * flag or "(" flags ")" (the second always if `parens` ). System flags as bits,
 * keywords as names (at most 1,000); \Recent and unknown \Flags are ERR_SYNTAX
 * for STORE, dropped when `lenient` (APPEND).
 */
struct flag_list {
	uint32_t flags;
	struct span *keyword;
	size_t n_keywords;
};
enum err cursor_flags(struct cursor *c, bool parens, bool lenient,
    struct flag_list *out);

/*
 * Sets `problem` and returns ERR_SYNTAX: for rules that live with their command.
 * problem: a phrase without a full stop, "space expected", "unknown search key"; the
 * client sees "BAD Error in FETCH: space expected at "foo"."
 */
enum err cursor_fail(struct cursor *c, const char *problem);

#endif
