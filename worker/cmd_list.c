/*
 * LIST LSUB NAMESPACE, with the attributes of RFC 3348 (children) and RFC 6154
 * (special use), and as much of RFC 5258's options as RFC 6154 needs.
 */
#include "common/config.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "maildir/subs.h"
#include "worker/commands.h"
#include "worker/namespace.h"
#include "worker/resp.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERNS_MAX = 100 };

/* The options of one LIST, and what it works with. */
struct listing {
	struct session *s;
	struct span pattern[PATTERNS_MAX];	/* with the reference in front */
	size_t n_patterns;
	char sep;
	bool extended;		/* any option: RFC 5258 rather than RFC 3501 */
	bool only_special, only_subscribed, tell_subscribed;
	struct span *subscribed;	/* sorted */
	size_t n_subscribed;
	struct buf name;	/* the client's name of the entry at hand */
};

static int
compare(const void *a, const void *b)
{
	return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

static enum err
read_subscriptions(struct listing *l)
{
	enum err e = subs_read(l->s->account->control_fd, &l->s->command,
	    &l->subscribed, &l->n_subscribed);
	size_t n = 0;

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

static bool
is_subscribed(const struct listing *l, struct span storage)
{
	return l->n_subscribed > 0 && bsearch(&storage, l->subscribed,
	    l->n_subscribed, sizeof(struct span), compare) != NULL;
}

static bool
matches(const struct listing *l, struct span name)
{
	for (size_t i = 0; i < l->n_patterns; i++)
		if (name_matches(name, l->pattern[i], l->sep))
			return true;
	return false;
}

/* The client's name for a storage name, good until the next call. */
static struct span
client_name(struct listing *l, struct span storage)
{
	buf_reset(&l->name);
	namespace_from_storage(l->s->cfg, storage, &l->name);
	return buf_span(&l->name);
}

static void
write_entry(struct session *s, const char *word, const char *attributes,
    char sep, struct span name)
{
	resp_f(s, "* %s (%s) \"%s%c\" ", word, attributes,
	    sep == '"' || sep == '\\' ? "\\" : "", sep);
	resp_astring(s, name);
	resp_put(s, "\r\n");
}

/* ---- arguments ---- */

/* "(" option *(SP option) ")" before the reference. */
static enum err
read_selection(struct listing *l, struct cursor *in)
{
	if (!cursor_take(in, '('))
		return ERR_OK;
	l->extended = true;
	if (cursor_take(in, ')'))
		return cursor_space(in);
	do {
		if (cursor_take_word(in, "SPECIAL-USE"))
			l->only_special = true;
		else if (cursor_take_word(in, "SUBSCRIBED"))
			l->only_subscribed = true;
		else if (!cursor_take_word(in, "REMOTE"))
			return cursor_fail(in, "unknown selection option");
	} while (cursor_take(in, ' '));
	return cursor_take(in, ')') ? cursor_space(in) :
	    cursor_fail(in, "\")\" expected");
}

/* SP "RETURN (" option *(SP option) ")", or nothing. */
static enum err
read_return(struct listing *l, struct cursor *in)
{
	enum err e;

	if (!cursor_take(in, ' '))
		return ERR_OK;
	l->extended = true;
	if (!cursor_take_word(in, "RETURN"))
		return cursor_fail(in, "RETURN expected");
	if ((e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_char(in, '(')) != ERR_OK)
		return e;
	if (cursor_take(in, ')'))
		return ERR_OK;
	do {
		/* The other two are told without being asked for. */
		if (cursor_take_word(in, "SUBSCRIBED"))
			l->tell_subscribed = true;
		else if (!cursor_take_word(in, "SPECIAL-USE") &&
		    !cursor_take_word(in, "CHILDREN"))
			return cursor_fail(in, "unknown return option");
	} while (cursor_take(in, ' '));
	return cursor_char(in, ')');
}

/* A pattern is read below the reference (RFC 3501 6.3.8): simply after it. */
static enum err
read_pattern(struct listing *l, struct cursor *in, struct span reference)
{
	struct span p;
	enum err e;

	if (l->n_patterns == PATTERNS_MAX)
		return cursor_fail(in, "too many patterns");
	if ((e = cursor_list_mailbox(in, &p)) != ERR_OK)
		return e;
	if (reference.n > 0 && p.n > 0) {
		char *both = arena_alloc(&l->s->command, reference.n + p.n);

		memcpy(both, reference.p, reference.n);
		memcpy(both + reference.n, p.p, p.n);
		p = (struct span){ both, reference.n + p.n };
	}
	l->pattern[l->n_patterns++] = p;
	return ERR_OK;
}

static enum err
read_patterns(struct listing *l, struct cursor *in, struct span reference)
{
	enum err e;

	if (!cursor_take(in, '('))
		return read_pattern(l, in, reference);
	l->extended = true;
	do {
		if ((e = read_pattern(l, in, reference)) != ERR_OK)
			return e;
	} while (cursor_take(in, ' '));
	return cursor_char(in, ')');
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
	write_entry(l->s, word, "\\Noselect", l->sep, root);
}

static void
add_attribute(struct buf *b, const char *attribute)
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
		add_attribute(b, l->extended ? "\\NonExistent" :
		    "\\Noselect");
	add_attribute(b, has_children ? "\\HasChildren" :
	    "\\HasNoChildren");
	if (entry->exists)
		add_attribute(b, entry->has_new ? "\\Marked" : "\\UnMarked");
	if ((l->only_subscribed || l->tell_subscribed) &&
	    is_subscribed(l, entry->name))
		add_attribute(b, "\\Subscribed");
	if (*special != '\0')
		add_attribute(b, special);
}

/* Whether the INBOX of this namespace is the parent of all others ("INBOX."). */
static bool
is_below_inbox(const struct config_namespace *ns)
{
	struct span prefix = span_of(ns->prefix);

	return prefix.n == 6 && span_istarts(prefix, SPAN("INBOX"));
}

static void
list_entry(struct listing *l, const struct folder_entry *entry, bool alone)
{
	const struct config_namespace *ns = namespace_inbox(l->s->cfg);
	const char *special = namespace_special_use(l->s->cfg, entry->name);
	bool has_children = entry->has_children;
	struct buf attributes = { 0 };
	struct span name;

	if (l->only_special && (*special == '\0' || !entry->exists))
		return;
	if (l->only_subscribed && !is_subscribed(l, entry->name))
		return;
	name = client_name(l, entry->name);
	if (!matches(l, name))
		return;
	if (is_below_inbox(ns) && span_eq(entry->name, SPAN("INBOX")))
		has_children = !alone;
	add_attributes(l, entry, has_children, special, &attributes);
	write_entry(l->s, "LIST", buf_cstr(&attributes), l->sep, name);
	buf_clear(&attributes);
}

/* The levels of a prefix ("Mail/") that are no mailboxes themselves. */
static void
list_prefix(struct listing *l, bool empty)
{
	const struct config_namespace *ns = namespace_inbox(l->s->cfg);
	struct span prefix = span_of(ns->prefix);

	if (is_below_inbox(ns) || l->only_special || l->only_subscribed)
		return;
	for (size_t i = 0; i < prefix.n; i++) {
		struct span level = { prefix.p, i };

		if (prefix.p[i] == l->sep && matches(l, level))
			write_entry(l->s, "LIST", empty ?
			    "\\Noselect \\HasNoChildren" :
			    "\\Noselect \\HasChildren", l->sep, level);
	}
}

/* Subscribed names that are not there any more (RFC 5258 3.1: \NonExistent). */
static void
list_gone(struct listing *l, const struct folder_entry *entries, size_t n)
{
	struct span *there = arena_array(&l->s->command, n + 1, sizeof(*there));
	struct span name;

	for (size_t i = 0; i < n; i++)
		there[i] = entries[i].name;
	qsort(there, n, sizeof(*there), compare);
	for (size_t i = 0; i < l->n_subscribed; i++) {
		if (bsearch(&l->subscribed[i], there, n, sizeof(*there),
		    compare) != NULL)
			continue;
		name = client_name(l, l->subscribed[i]);
		if (matches(l, name))
			write_entry(l->s, "LIST", "\\NonExistent \\Subscribed",
			    l->sep, name);
	}
}

static enum err
list_all(struct listing *l)
{
	struct folder_entry *entries;
	size_t n;
	enum err e;

	if ((l->only_subscribed || l->tell_subscribed) &&
	    (e = read_subscriptions(l)) != ERR_OK)
		return e;
	if ((e = folder_list(l->s->account, &l->s->command, &entries, &n)) !=
	    ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++)
		list_entry(l, &entries[i], n == 1);
	list_prefix(l, n <= 1);
	if (l->only_subscribed && !l->only_special)
		list_gone(l, entries, n);
	return ERR_OK;
}

enum err
cmd_list(struct session *s, struct cursor *in, bool by_uid)
{
	struct listing l = { .s = s, .sep = namespace_separator(s->cfg) };
	struct span reference;
	enum err e;

	(void)by_uid;
	if ((e = read_selection(&l, in)) != ERR_OK ||
	    (e = cursor_astring(in, &reference)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = read_patterns(&l, in, reference)) != ERR_OK ||
	    (e = read_return(&l, in)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (l.n_patterns == 1 && l.pattern[0].n == 0 && !l.only_special &&
	    !l.only_subscribed)
		write_root(&l, "LIST", reference);
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

		if (storage.p[i] != '.' || is_subscribed(l, parent) ||
		    (shown.n > i && memcmp(shown.p, storage.p, i + 1) == 0))
			continue;
		name = client_name(l, parent);
		if (matches(l, name))
			write_entry(l->s, "LSUB", "\\Noselect", l->sep, name);
	}
}

enum err
cmd_lsub(struct session *s, struct cursor *in, bool by_uid)
{
	struct listing l = { .s = s, .sep = namespace_separator(s->cfg) };
	struct span reference, shown = SPAN_NONE, name;
	bool percent;
	enum err e;

	(void)by_uid;
	if ((e = cursor_astring(in, &reference)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = read_pattern(&l, in, reference)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (l.pattern[0].n == 0) {
		write_root(&l, "LSUB", reference);
		return ERR_OK;
	}
	if ((e = read_subscriptions(&l)) != ERR_OK)
		return e;
	percent = span_find(l.pattern[0], '%') < l.pattern[0].n;
	for (size_t i = 0; i < l.n_subscribed; i++) {
		if (i > 0 && span_eq(l.subscribed[i], l.subscribed[i - 1]))
			continue;
		name = client_name(&l, l.subscribed[i]);
		if (matches(&l, name)) {
			write_entry(s, "LSUB", "", l.sep, name);
		} else if (percent) {
			lsub_parents(&l, l.subscribed[i], shown);
			shown = l.subscribed[i];
		}
	}
	buf_clear(&l.name);
	return ERR_OK;
}

/* ---- NAMESPACE ---- */

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
	resp_f(s, " \"%s%c\")) NIL NIL\r\n", ns->separator == '"' ||
	    ns->separator == '\\' ? "\\" : "", ns->separator);
	return ERR_OK;
}
