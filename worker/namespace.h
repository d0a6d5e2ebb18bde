/* Names as clients write them (prefix, separator) to storage names and back. */
#ifndef WORKER_NAMESPACE_H
#define WORKER_NAMESPACE_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct config;
struct config_mailbox;
struct config_namespace;

/*
 * Storage name ("Lists.c", "INBOX") for a name from the client, by the account's
 * namespaces. A name outside every namespace is ERR_NOTFOUND; one that can never
 * be (name_check, the storage separator in it) ERR_CANNOT.
 * A trailing separator is dropped (CREATE "foo/").
 */
enum err namespace_to_storage(const struct config *cfg, struct span name,
    struct arena *a, struct span *storage_out);

/*
 * Where the mailbox of that name is: its namespace, its owner ("" in our own and in a
 * public namespace; as the name spells it) and its storage name in there. Texts live
 * in `a`. Errors as namespace_to_storage.
 */
enum err namespace_find(const struct config *cfg, struct span name,
    struct arena *a, const struct config_namespace **ns_out,
    struct span *owner_out, struct span *storage_out);

/* Whether it is of mailboxes that belong to others (type shared or public). */
bool namespace_is_foreign(const struct config_namespace *ns);

/* Whether there are any of mailboxes that belong to others. */
bool namespace_any_foreign(const struct config *cfg);

/* Its place among all of the configuration, from 0. */
unsigned namespace_number(const struct config *cfg,
    const struct config_namespace *ns);

/* Its prefix, up to the first variable that stands for an owner: "shared/". */
struct span namespace_root(const struct config_namespace *ns);

/* Appends the client's name for a mailbox in any namespace. */
void namespace_name(const struct config_namespace *ns, struct span owner,
    struct span storage, struct buf *out);

/*
 * Whether a text begins with the namespace's prefix, and the owner that it names: in
 * `a`, "" where the prefix names none.
 */
bool namespace_owner(const struct config_namespace *ns, struct span text,
    struct arena *a, struct span *owner_out);

/*
 * Mailboxes of others in the list of subscriptions (maildir/subs.h): a storage name that
 * begins with the prefix, its "." within levels as "/". namespace_is_subscribed: the
 * namespace that it is of; NULL: it is of one of ours.
 */
void namespace_subscribed(const struct config_namespace *ns, struct span owner,
    struct span storage, struct buf *out);
const struct config_namespace *namespace_is_subscribed(
    const struct config *cfg, struct span name);
bool namespace_from_subscribed(const struct config *cfg, struct span name,
    struct buf *out);

/* Appends the client's name for a storage name of our own. */
void namespace_from_storage(const struct config *cfg, struct span storage,
    struct buf *out);

/* The namespace of the INBOX: what LIST shows. Never NULL (a plain one then). */
const struct config_namespace *namespace_inbox(const struct config *cfg);

/*
 * Storage name of a mailbox that the configuration names (UTF-8 or as clients
 * write it, without the prefix). Errors: ERR_CANNOT a name that can never be.
 */
enum err namespace_mailbox(const struct config_namespace *ns,
    const struct config_mailbox *m, struct arena *a,
    struct span *storage_out);

/*
 * A pattern of mailboxes ("*", "%") as storage has names: for what the configuration
 * or an administrator writes, UTF-8 or as clients write it, without the prefix.
 * Errors: ERR_CANNOT: no mailbox can ever match it.
 */
enum err namespace_pattern(const struct config_namespace *ns,
    struct span text, struct arena *a, struct span *storage_out);

/* The separator of the inbox namespace. */
char namespace_separator(const struct config *cfg);

/* special_use of a mailbox by its storage name: "\\Sent", or "" . */
const char *namespace_special_use(const struct config *cfg,
    struct span storage);

#endif
