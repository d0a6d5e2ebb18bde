/* SEARCH keys: read into a small program, cheap tests first, and run. */
#ifndef WORKER_SEARCH_H
#define WORKER_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/flags.h"
#include "maildir/folder.h"
#include "worker/search_text.h"
#include "worker/set.h"

struct cursor;
struct message;
struct view;

/* What a test costs, in ascending order. */
enum search_cost {
	COST_INDEX,	/* flags and numbers */
	COST_STAT,	/* INTERNALDATE */
	COST_SIZE,	/* RFC822.SIZE */
	COST_ENVELOPE,	/* from the cache, or the file's header once */
	COST_HEADER,	/* the file's header */
	COST_BODY,	/* all of the file */
};

/* Bounds: nesting of parentheses, NOT and OR's first argument; keys in all. */
enum { SEARCH_DEPTH_MAX = 200, SEARCH_KEYS_MAX = 20000 };

struct search_node;

struct search_program {
	struct search_node *root;	/* what is left; NULL: nothing */
	unsigned costs;			/* a bit for each search_cost in use */
	/*
	 * Conditions all matches must meet, taken out of the tree: a message's
	 * flags under flag_mask are flag_want, its UID is in uids.
	 */
	uint32_t flag_mask, flag_want;
	bool never;			/* they contradict each other */
	bool has_uids;
	uint32_t *uids;			/* ascending, known to the client */
	size_t n_uids;
};

/*
 * Reads "[CHARSET name] key key ..." up to the end, in the cursor's arena.
 * Sets are resolved in the view, keywords in the folder's.
 * Errors: ERR_SYNTAX; ERR_LIMIT; ERR_CHARSET unknown: search_charsets has the
 * list
 */
enum err search_parse(struct cursor *in, const struct view *view,
    const struct keywords *keywords, struct search_program *out);

/* "BADCHARSET (UTF-8 US-ASCII ...)" in `a`. */
const char *search_charsets(struct arena *a);

/* The message under test, and what was found out about it. */
struct search_message {
	struct message_info *info;
	uint32_t seq;			/* 0: not known yet */
	const struct view *view;
	struct search_text text;
	/* opens the message's file; errors as folder_open_message */
	enum err (*open)(struct search_message *m, int *fd_out);
	void *ctx;			/* for open */
	struct arena *arena;		/* of the slice: learned texts */

	/* reset by search_begin */
	struct message *file;
	bool learned;			/* info has more than before */
	enum err failed;		/* the file cannot be read */
};

/*
 * Whether the message meets the program's tree. flags and UID are asked before.
 */
bool search_matches(const struct search_program *p, struct search_message *m);

/* Before each message; closes the file of the one before. */
void search_begin(struct search_message *m, struct message_info *info);
/* After the last one: gives buffers back. */
void search_end(struct search_message *m);

#endif
