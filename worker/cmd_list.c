/*
 * LIST LSUB NAMESPACE, with RFC 5258 (extended LIST), RFC 3348 (children), RFC 6154
 * (special use) and OLDNAME (RFC 9051 6.3.9.7).
 */
#include "common/acl.h"
#include "common/config.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "maildir/subs.h"
#include "worker/commands.h"
#include "worker/list.h"
#include "worker/namespace.h"
#include "worker/resp.h"
#include "worker/rights.h"
#include "worker/share.h"
#include "worker/target.h"

#include <stdlib.h>
#include <string.h>

enum { TOLD_MAX = 1 << 16 };	/* bytes of names a session remembers */

static int
compare(const void *a, const void *b)
{
	return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

enum err
list_read_subscriptions(struct listing *l)
{
	enum err e;
	size_t n = 0;

	if (l->subscriptions_read)
		return ERR_OK;
	e = subs_read(l->s->account->control_fd, &l->s->command,
	    &l->subscribed, &l->n_subscribed);
	l->subscriptions_read = e == ERR_OK;
	if (e != ERR_OK || l->n_subscribed == 0)
		return e;
	/* Names of deleted mailboxes that are open somewhere are nobody's. */
	for (size_t i = 0; i < l->n_subscribed; i++)
		if (!folder_is_reserved(l->s->account, l->subscribed[i]))
			l->subscribed[n++] = l->subscribed[i];
	l->n_subscribed = n;
	qsort(l->subscribed, n, sizeof(struct span), compare);
	return ERR_OK;
}

bool
list_is_subscribed(const struct listing *l, struct span storage)
{
	return l->n_subscribed > 0 && bsearch(&storage, l->subscribed,
	    l->n_subscribed, sizeof(struct span), compare) != NULL;
}

bool
list_matches(const struct listing *l, struct span name)
{
	return list_options_match(&l->o, name, l->sep);
}

/* The client's name for a storage name, good until the next call. */
struct span
list_client_name(struct listing *l, struct span storage)
{
	buf_reset(&l->name);
	if (!namespace_from_subscribed(l->s->cfg, storage, &l->name))
		namespace_from_storage(l->s->cfg, storage, &l->name);
	return buf_span(&l->name);
}

static void
write_name(struct session *s, const char *word, const char *attributes,
    char sep, struct span name)
{
	resp_f(s, "* %s (%s) \"%s%c\" ", word, attributes,
	    sep == '"' || sep == '\\' ? "\\" : "", sep);
	resp_astring(s, name);
}

void
list_write(struct session *s, const char *word, const char *attributes,
    char sep, struct span name)
{
	write_name(s, word, attributes, sep, name);
	resp_put(s, "\r\n");
}

/* ---- below whom something is selected (RFC 5258 3.5) ---- */

static bool
is_selected(const struct listing *l, struct span storage, const char *special,
    bool exists)
{
	if (l->o.only_special && (*special == '\0' || !exists))
		return false;
	return !l->o.only_subscribed || list_is_subscribed(l, storage);
}

/* Whether the INBOX of this namespace is the parent of all others ("INBOX."). */
static bool
is_below_inbox(const struct config_namespace *ns)
{
	struct span prefix = span_of(ns->prefix);

	return prefix.n == 6 && span_istarts(prefix, SPAN("INBOX"));
}

/* Adds the parents of a selected name, or with NULL counts them only. */
static size_t
add_parents(struct listing *l, struct span storage, struct parent *to)
{
	bool hidden = !list_matches(l, list_client_name(l, storage));
	size_t n = 0;

	for (size_t i = 1; i < storage.n; i++) {
		if (storage.p[i] != '.')
			continue;
		if (to != NULL)
			to[n] = (struct parent){ { storage.p, i }, hidden };
		n++;
	}
	if (is_below_inbox(namespace_inbox(l->s->cfg)) &&
	    !span_eq(storage, SPAN("INBOX"))) {
		if (to != NULL)
			to[n] = (struct parent){ SPAN("INBOX"), hidden };
		n++;
	}
	return n;
}

/* Parents of all selected names, or with NULL their number. */
static size_t
all_parents(struct listing *l, struct parent *to)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_entries; i++)
		if (is_selected(l, l->entry[i].name, namespace_special_use(
		    l->s->cfg, l->entry[i].name), l->entry[i].exists))
			n += add_parents(l, l->entry[i].name,
			    to == NULL ? NULL : to + n);
	/* Subscribed names that are not there: twice does no harm. */
	for (size_t i = 0; i < l->n_subscribed && !l->o.only_special; i++)
		n += add_parents(l, l->subscribed[i],
		    to == NULL ? NULL : to + n);
	return n;
}

static void
collect_parents(struct listing *l)
{
	size_t n = all_parents(l, NULL), out = 0;

	l->parent = arena_array(&l->s->command, n + 1, sizeof(*l->parent));
	n = all_parents(l, l->parent);
	/* A struct parent begins with its name. */
	qsort(l->parent, n, sizeof(*l->parent), compare);
	for (size_t i = 0; i < n; i++) {
		if (out > 0 && span_eq(l->parent[out - 1].name,
		    l->parent[i].name))
			l->parent[out - 1].hidden |= l->parent[i].hidden;
		else
			l->parent[out++] = l->parent[i];
	}
	l->n_parents = out;
}

/* NULL: nothing below is selected. */
static const struct parent *
as_parent(const struct listing *l, struct span storage)
{
	return l->n_parents == 0 ? NULL : bsearch(&storage, l->parent,
	    l->n_parents, sizeof(*l->parent), compare);
}

/* ---- extended data items ---- */

/* Each rename is told once to a session. */
static bool
was_told(struct session *s, const struct folder_rename *r)
{
	struct span rest = buf_span(&s->renames_told);

	while (rest.n > 0) {
		struct span from = span_cut(&rest, '\0');

		if (span_eq(from, r->from) &&
		    span_eq(span_cut(&rest, '\0'), r->to))
			return true;
	}
	if (s->renames_told.n > TOLD_MAX)
		buf_reset(&s->renames_told);	/* rather twice */
	buf_add_span(&s->renames_told, r->from);
	buf_addc(&s->renames_told, '\0');
	buf_add_span(&s->renames_told, r->to);
	buf_addc(&s->renames_told, '\0');
	return false;
}

/* The rename to tell of with this name; NULL: none, or the client knows. */
static const struct folder_rename *
old_name(const struct listing *l, struct span storage)
{
	const struct folder_rename *r = l->n_renames == 0 ? NULL :
	    bsearch(&storage, l->rename, l->n_renames, sizeof(*l->rename),
	    compare);

	return r == NULL || was_told(l->s, r) ? NULL : r;
}

/* A line of LIST with what RFC 5258 puts at its end. */
static void
write_extended(struct listing *l, const char *attributes, struct span storage,
    const struct parent *parent)
{
	const struct folder_rename *old = old_name(l, storage);
	const char *gap = " (";

	write_name(l->s, "LIST", attributes, l->sep,
	    list_client_name(l, storage));
	if (parent != NULL) {
		resp_f(l->s, "%s\"CHILDINFO\" (%s%s%s)", gap,
		    l->o.only_subscribed ? "\"SUBSCRIBED\"" : "",
		    l->o.only_subscribed && l->o.only_special ? " " : "",
		    l->o.only_special ? "\"SPECIAL-USE\"" : "");
		gap = " ";
	}
	if (old != NULL) {
		resp_f(l->s, "%s\"OLDNAME\" (", gap);
		resp_astring(l->s, list_client_name(l, old->from));
		resp_put(l->s, ")");
	}
	resp_put(l->s, parent != NULL || old != NULL ? ")\r\n" : "\r\n");
}

/* ---- LIST ---- */

/* What a LIST with an empty name asks for: separator and root (RFC 3501 6.3.8). */
static void
write_root(struct listing *l, const char *word, struct span reference)
{
	struct span prefix = span_of(namespace_inbox(l->s->cfg)->prefix);
	struct span root = SPAN("");

	if (prefix.n > 0 && span_starts(reference, prefix))
		root = prefix;
	list_write(l->s, word, "\\Noselect", l->sep, root);
}

void
list_attribute(struct buf *b, const char *attribute)
{
	if (b->n > 0)
		buf_addc(b, ' ');
	buf_adds(b, attribute);
}

/* Marked, children, existence: as RFC 3501 7.2.2 and RFC 5258 3 name them. */
static void
add_attributes(const struct listing *l, const struct folder_entry *entry,
    bool has_children, const char *special, struct buf *b)
{
	if (!entry->exists)
		list_attribute(b, l->o.extended ? "\\NonExistent" :
		    "\\Noselect");
	list_attribute(b, has_children ? "\\HasChildren" :
	    "\\HasNoChildren");
	if (entry->exists)
		list_attribute(b, entry->has_new ? "\\Marked" : "\\UnMarked");
	if ((l->o.only_subscribed || l->o.tell_subscribed) &&
	    list_is_subscribed(l, entry->name))
		list_attribute(b, "\\Subscribed");
	if (*special != '\0')
		list_attribute(b, special);
}

static void
write_rights(struct listing *l, struct span storage)
{
	struct session *s = l->s;
	struct acl_who who = rights_who(s, true);
	struct target t = { .ns = namespace_inbox(s->cfg), .owner = SPAN(""),
		.storage = storage };

	resp_myrights(s, &t, alone_is(s->account, storage) ?
	    rights_at(s->account->root_fd, storage, &who) : ACL_ALL);
}

static void
list_entry(struct listing *l, const struct folder_entry *entry)
{
	const struct config_namespace *ns = namespace_inbox(l->s->cfg);
	const char *special = namespace_special_use(l->s->cfg, entry->name);
	const struct parent *parent = as_parent(l, entry->name);
	bool has_children = entry->has_children;
	struct buf attributes = { 0 };

	if (!is_selected(l, entry->name, special, entry->exists) &&
	    (parent == NULL || !parent->hidden))
		return;
	if (!list_matches(l, list_client_name(l, entry->name)))
		return;
	if (is_below_inbox(ns) && span_eq(entry->name, SPAN("INBOX")))
		has_children = l->n_entries > 1;
	add_attributes(l, entry, has_children, special, &attributes);
	write_extended(l, buf_cstr(&attributes), entry->name, parent);
	if (l->o.tell_rights && entry->exists)
		write_rights(l, entry->name);
	buf_clear(&attributes);
}

/* The levels of a prefix ("Mail/") that are no mailboxes themselves. */
static void
list_prefix(struct listing *l, bool empty)
{
	const struct config_namespace *ns = namespace_inbox(l->s->cfg);
	struct span prefix = span_of(ns->prefix);

	if (is_below_inbox(ns) || l->o.only_special || l->o.only_subscribed)
		return;
	for (size_t i = 0; i < prefix.n; i++) {
		struct span level = { prefix.p, i };

		if (prefix.p[i] == l->sep && list_matches(l, level))
			list_write(l->s, "LIST", empty ?
			    "\\Noselect \\HasNoChildren" :
			    "\\Noselect \\HasChildren", l->sep, level);
	}
}

/* Whether LIST has shown a name as one of the tree. */
static bool
is_entry(const struct span *there, size_t n, struct span storage)
{
	return bsearch(&storage, there, n, sizeof(*there), compare) != NULL;
}

/*
 * Subscribed names that are not there any more (RFC 5258 3.1: \NonExistent), and
 * parents of such, where nothing else is.
 */
static void
list_gone(struct listing *l)
{
	size_t n = l->n_entries;
	struct span *there = arena_array(&l->s->command, n + 1, sizeof(*there));

	for (size_t i = 0; i < n; i++)
		there[i] = l->entry[i].name;
	qsort(there, n, sizeof(*there), compare);
	for (size_t i = 0; i < l->n_subscribed; i++) {
		struct span name = l->subscribed[i];

		if (!is_entry(there, n, name) &&
		    list_matches(l, list_client_name(l, name)))
			write_extended(l, "\\NonExistent \\Subscribed", name,
			    as_parent(l, name));
	}
	for (size_t i = 0; i < l->n_parents; i++) {
		const struct parent *p = &l->parent[i];

		if (p->hidden && !list_is_subscribed(l, p->name) &&
		    !is_entry(there, n, p->name) &&
		    list_matches(l, list_client_name(l, p->name)))
			write_extended(l, "\\NonExistent", p->name, p);
	}
}

static enum err
list_all(struct listing *l)
{
	enum err e;

	if ((l->o.only_subscribed || l->o.tell_subscribed) &&
	    (e = list_read_subscriptions(l)) != ERR_OK)
		return e;
	if ((e = folder_list(l->s->account, &l->s->command, &l->entry,
	    &l->n_entries)) != ERR_OK)
		return e;
	if (l->o.extended && (e = folder_renames(l->s->account,
	    &l->s->command, &l->rename, &l->n_renames)) != ERR_OK)
		return e;
	if (l->o.recursive)
		collect_parents(l);
	for (size_t i = 0; i < l->n_entries; i++)
		list_entry(l, &l->entry[i]);
	list_prefix(l, l->n_entries <= 1);
	e = list_others(l);
	if (l->o.only_subscribed && !l->o.only_special)
		list_gone(l);
	return e;
}

enum err
cmd_list(struct session *s, struct cursor *in, bool by_uid)
{
	struct listing l = { .s = s, .sep = namespace_separator(s->cfg) };
	enum err e;

	(void)by_uid;
	if ((e = list_options_read(in, &s->command, &l.o)) != ERR_OK)
		return e;
	if (l.o.pattern[0].n == 0 && !l.o.extended)
		write_root(&l, "LIST", l.o.reference);
	else
		e = list_all(&l);
	buf_clear(&l.name);
	return e;
}

/* ---- LSUB ---- */

/*
 * RFC 3501 6.3.9: with "%", a name that is not subscribed but has subscribed names
 * below it is shown with \Noselect. `shown` is the last name that led to this:
 * names are sorted, so those below one parent follow each other.
 */
static void
lsub_parents(struct listing *l, struct span storage, struct span shown)
{
	struct span name;

	for (size_t i = 1; i < storage.n; i++) {
		struct span parent = { storage.p, i };

		if (storage.p[i] != '.' || list_is_subscribed(l, parent) ||
		    (shown.n > i && memcmp(shown.p, storage.p, i + 1) == 0))
			continue;
		name = list_client_name(l, parent);
		if (list_matches(l, name))
			list_write(l->s, "LSUB", "\\Noselect", l->sep, name);
	}
}

enum err
cmd_lsub(struct session *s, struct cursor *in, bool by_uid)
{
	struct listing l = { .s = s, .sep = namespace_separator(s->cfg) };
	struct span shown = SPAN_NONE, name;
	bool percent;
	enum err e;

	(void)by_uid;
	if ((e = list_options_read_lsub(in, &s->command, &l.o)) != ERR_OK)
		return e;
	if (l.o.pattern[0].n == 0) {
		write_root(&l, "LSUB", l.o.reference);
		return ERR_OK;
	}
	if ((e = list_read_subscriptions(&l)) != ERR_OK)
		return e;
	percent = span_find(l.o.pattern[0], '%') < l.o.pattern[0].n;
	for (size_t i = 0; i < l.n_subscribed; i++) {
		if (i > 0 && span_eq(l.subscribed[i], l.subscribed[i - 1]))
			continue;
		name = list_client_name(&l, l.subscribed[i]);
		if (list_matches(&l, name)) {
			list_write(s, "LSUB", "", l.sep, name);
		} else if (percent) {
			lsub_parents(&l, l.subscribed[i], shown);
			shown = l.subscribed[i];
		}
	}
	buf_clear(&l.name);
	return ERR_OK;
}

/* ---- NAMESPACE ---- */

/* Those of one kind: "((prefix separator) ...)" or NIL (RFC 2342 5). */
static void
write_namespaces(struct session *s, const char *type)
{
	const struct config_namespace *ns = share_is_possible(s) ?
	    s->cfg->namespaces : NULL;
	bool any = false;

	for (; ns != NULL; ns = ns->next) {
		if (ns->disabled || ns->hidden || strcmp(ns->type, type) != 0)
			continue;
		resp_put(s, any ? "(" : "((");
		resp_nstring(s, namespace_root(ns));
		resp_f(s, " \"%c\")", ns->separator);
		any = true;
	}
	resp_put(s, any ? ")" : "NIL");
}

enum err
cmd_namespace(struct session *s, struct cursor *in, bool by_uid)
{
	const struct config_namespace *ns = namespace_inbox(s->cfg);
	enum err e = cursor_end(in);

	(void)by_uid;
	if (e != ERR_OK)
		return e;
	resp_put(s, "* NAMESPACE ((");
	resp_nstring(s, ns->prefix == NULL ? SPAN("") : span_of(ns->prefix));
	resp_f(s, " \"%s%c\")) ", ns->separator == '"' ||
	    ns->separator == '\\' ? "\\" : "", ns->separator);
	write_namespaces(s, "shared");
	resp_put(s, " ");
	write_namespaces(s, "public");
	resp_put(s, "\r\n");
	return ERR_OK;
}
