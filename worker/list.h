/* LIST and LSUB at work: what cmd_list.c and list_others.c have in common. */
#ifndef WORKER_LIST_H
#define WORKER_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "worker/list_options.h"

struct folder_entry;
struct folder_rename;
struct session;

/* A name with selected names below it (RFC 5258 3.5). */
struct parent {
	struct span name;
	bool hidden;		/* one of those is not shown itself */
};

/* One LIST or LSUB, and what it works with. */
struct listing {
	struct session *s;
	struct list_options o;
	char sep;
	bool subscriptions_read;
	struct span *subscribed;	/* sorted */
	size_t n_subscribed;
	struct folder_entry *entry;
	size_t n_entries;
	struct parent *parent;		/* RECURSIVEMATCH; sorted by name */
	size_t n_parents;
	struct folder_rename *rename;	/* extended; sorted by the new name */
	size_t n_renames;
	struct buf name;	/* the client's name of the entry at hand */
};

/* Whether a name as the client knows it is asked for. */
bool list_matches(const struct listing *l, struct span name);

/* The client's name for a storage name, good until the next call. */
struct span list_client_name(struct listing *l, struct span storage);

/* The list of subscriptions, read once and sorted. Errors: as subs_read. */
enum err list_read_subscriptions(struct listing *l);

/* Whether a name, as that list has it, is in it. */
bool list_is_subscribed(const struct listing *l, struct span storage);

/* "* LIST (attributes) sep name" */
void list_write(struct session *s, const char *word, const char *attributes,
    char sep, struct span name);

/* Appends to such attributes. */
void list_attribute(struct buf *b, const char *attribute);

/*
 * Mailboxes of others that may be looked up, and the levels above them. Takes those
 * that are subscribed out of l->subscribed: what was shown is not gone.
 * Errors: ERR_UNAVAIL (logged): some may be missing
 */
enum err list_others(struct listing *l);

#endif
