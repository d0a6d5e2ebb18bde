/*
 * Names as clients write them (prefix, separator) to storage names and back: the
 * user's own tree (private namespaces that lie in mail_location, the one with
 * inbox=yes first), and those of others, where the prefix may name the owner
 * ("shared/%%u/", "shared/$user/").
 */
#include "worker/namespace.h"

#include "common/config.h"
#include "common/utf7.h"
#include "maildir/name.h"

#include <string.h>

static const struct config_namespace plain = {
	.label = "inbox", .type = "private", .prefix = "", .separator = '.',
	.inbox = true, .list = "yes", .location = "",
};

static bool
is_served(const struct config_namespace *ns)
{
	return !ns->disabled &&
	    (ns->type == NULL || strcmp(ns->type, "private") == 0) &&
	    (ns->inbox || ns->location == NULL || *ns->location == '\0');
}

/* Served, too: those of others. */
static bool
is_shared(const struct config_namespace *ns)
{
	return !ns->disabled && namespace_is_foreign(ns);
}

bool
namespace_any_foreign(const struct config *cfg)
{
	for (const struct config_namespace *ns = cfg->namespaces; ns != NULL;
	    ns = ns->next)
		if (is_shared(ns))
			return true;
	return false;
}

const struct config_namespace *
namespace_inbox(const struct config *cfg)
{
	const struct config_namespace *first = NULL;

	for (const struct config_namespace *ns = cfg->namespaces; ns != NULL;
	    ns = ns->next) {
		if (!is_served(ns))
			continue;
		if (ns->inbox)
			return ns;
		if (first == NULL)
			first = ns;
	}
	return first != NULL ? first : &plain;
}

static struct span
prefix_of(const struct config_namespace *ns)
{
	return ns->prefix == NULL ? SPAN("") : span_of(ns->prefix);
}

/* "inbox.Sent" lies below the prefix "INBOX." as well (RFC 3501 5.1). */
static bool
has_prefix(struct span name, struct span prefix)
{
	if (span_starts(name, prefix))
		return true;
	return prefix.n > 5 && span_istarts(prefix, SPAN("INBOX")) &&
	    span_istarts(name, SPAN("INBOX")) && name.n >= prefix.n &&
	    memcmp(name.p + 5, prefix.p + 5, prefix.n - 5) == 0;
}

bool
namespace_is_foreign(const struct config_namespace *ns)
{
	return ns->type != NULL && strcmp(ns->type, "private") != 0;
}

/* ---- prefixes that name an owner ---- */

struct span
namespace_root(const struct config_namespace *ns)
{
	struct span prefix = prefix_of(ns), rest = prefix;

	while (rest.n > 0) {
		struct span here = rest;

		if (config_owner_variable(&rest) != 0)
			return (struct span){ prefix.p,
			    (size_t)(here.p - prefix.p) };
		rest.p++;
		rest.n--;
	}
	return prefix;
}

static bool
has_owners(const struct config_namespace *ns)
{
	return namespace_is_foreign(ns) &&
	    namespace_root(ns).n < prefix_of(ns).n;
}

/* A name that can be a user's: it becomes part of questions to auth. */
static bool
is_owner(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '/' ||
		    (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

/*
 * Takes the prefix off the front of the name; false: it does not lie below. The owner
 * is in `a`, or "".
 */
static bool
take_prefix(const struct config_namespace *ns, struct span *name,
    struct arena *a, struct span *owner)
{
	struct span prefix = prefix_of(ns), rest = *name;
	struct span part[2] = { SPAN_NONE, SPAN_NONE };	/* user or name, domain */

	*owner = SPAN("");
	if (!has_owners(ns)) {
		if (!has_prefix(rest, prefix))
			return false;
		name->p += prefix.n;
		name->n -= prefix.n;
		return true;
	}
	while (prefix.n > 0) {
		char what = config_owner_variable(&prefix);

		if (what != 0) {
			struct span value = { rest.p, 0 };

			while (value.n < rest.n && (prefix.n == 0 ||
			    rest.p[value.n] != *prefix.p))
				value.n++;
			if (!is_owner(value))
				return false;
			part[what == 'd'] = value;
			rest.p += value.n;
			rest.n -= value.n;
		} else if (rest.n > 0 && *rest.p == *prefix.p) {
			rest.p++;
			rest.n--;
			prefix.p++;
			prefix.n--;
		} else {
			return false;
		}
	}
	if (part[0].n == 0)
		return false;
	*owner = part[1].n == 0 ? arena_span(a, part[0]) : span_of(arena_printf(
	    a, "%.*s@%.*s", (int)part[0].n, part[0].p, (int)part[1].n,
	    part[1].p));
	*name = rest;
	return true;
}

bool
namespace_owner(const struct config_namespace *ns, struct span text,
    struct arena *a, struct span *owner_out)
{
	return take_prefix(ns, &text, a, owner_out);
}

/* Its prefix, with the owner's name in place of the variables. */
static void
add_prefix(const struct config_namespace *ns, struct span owner,
    struct buf *out)
{
	struct span rest = prefix_of(ns), domain = owner;
	struct span user = span_cut(&domain, '@');

	if (!namespace_is_foreign(ns)) {
		buf_add_span(out, rest);
		return;
	}
	while (rest.n > 0) {
		char what = config_owner_variable(&rest);

		if (what != 0) {
			buf_add_span(out, what == 'u' ? owner : what == 'n' ?
			    user : domain);
			continue;
		}
		buf_addc(out, *rest.p);
		rest.p++;
		rest.n--;
	}
}

/* ---- names ---- */

/* The namespace with the longest prefix that fits; what is left of the name. */
static const struct config_namespace *
namespace_of(const struct config *cfg, struct span *name, struct arena *a,
    struct span *owner)
{
	const struct config_namespace *best = NULL;
	const struct config_namespace *ns = cfg->namespaces;
	struct span shortest = *name, who;

	*owner = SPAN("");
	if (ns == NULL)
		return &plain;
	for (; ns != NULL; ns = ns->next) {
		struct span rest = *name;

		if ((!is_served(ns) && !is_shared(ns)) ||
		    !take_prefix(ns, &rest, a, &who) ||
		    (best != NULL && rest.n >= shortest.n))
			continue;
		best = ns;
		shortest = rest;
		*owner = who;
	}
	*name = shortest;
	return best;
}

unsigned
namespace_number(const struct config *cfg, const struct config_namespace *ns)
{
	unsigned n = 0;

	for (const struct config_namespace *i = cfg->namespaces;
	    i != NULL && i != ns; i = i->next)
		n++;
	return n;
}

/* Levels of `name`, parted by sep, joined with ".". */
static enum err
join_levels(struct span name, char sep, struct arena *a, struct span *out)
{
	char *p = arena_alloc(a, name.n + 1);

	if (sep != '.' && memchr(name.p, '.', name.n) != NULL)
		return ERR_CANNOT;
	for (size_t i = 0; i < name.n; i++)
		p[i] = name.p[i] == sep ? '.' : name.p[i];
	*out = (struct span){ p, name.n };
	return name_check(*out);
}

enum err
namespace_find(const struct config *cfg, struct span name, struct arena *a,
    const struct config_namespace **ns_out, struct span *owner_out,
    struct span *storage_out)
{
	const struct config_namespace *ns;
	struct span rest = name;
	bool at_root;

	*storage_out = SPAN_NONE;
	*owner_out = SPAN("");
	*ns_out = namespace_inbox(cfg);
	if (name.n == 0)
		return ERR_CANNOT;
	if (name_is_inbox(name)) {
		*storage_out = SPAN("INBOX");
		return ERR_OK;
	}
	if ((ns = namespace_of(cfg, &rest, a, owner_out)) == NULL)
		return ERR_NOTFOUND;
	*ns_out = ns;
	at_root = rest.n == name.n;
	if (rest.n > 0 && rest.p[rest.n - 1] == ns->separator)
		rest.n--;
	/* "INBOX.INBOX" or "INBOX/" must not become a second INBOX. */
	if (rest.n == 0 || (name_is_inbox(rest) && !at_root &&
	    !namespace_is_foreign(ns)))
		return ERR_CANNOT;
	if (name_is_inbox(rest)) {
		*storage_out = SPAN("INBOX");
		return ERR_OK;
	}
	return join_levels(rest, ns->separator, a, storage_out);
}

enum err
namespace_to_storage(const struct config *cfg, struct span name,
    struct arena *a, struct span *storage_out)
{
	const struct config_namespace *ns;
	struct span owner;
	enum err e = namespace_find(cfg, name, a, &ns, &owner, storage_out);

	return e == ERR_OK && namespace_is_foreign(ns) ? ERR_NOTFOUND : e;
}

void
namespace_name(const struct config_namespace *ns, struct span owner,
    struct span storage, struct buf *out)
{
	size_t from;

	if (span_eq(storage, SPAN("INBOX")) && !namespace_is_foreign(ns)) {
		buf_add_span(out, storage);
		return;
	}
	add_prefix(ns, owner, out);
	from = out->n;
	buf_add_span(out, storage);
	if (ns->separator == '.')
		return;
	for (; from < out->n; from++)
		if (out->p[from] == '.')
			out->p[from] = ns->separator;
}

/* Levels are parted by "." there, and a "." within one is a "/". */
static char
in_list(char c, char sep)
{
	return c == sep ? '.' : c == '.' ? '/' : c;
}

void
namespace_subscribed(const struct config_namespace *ns, struct span owner,
    struct span storage, struct buf *out)
{
	size_t from = out->n;

	add_prefix(ns, owner, out);
	for (; from < out->n; from++)
		out->p[from] = in_list(out->p[from], ns->separator);
	buf_add_span(out, storage);
}

const struct config_namespace *
namespace_is_subscribed(const struct config *cfg, struct span name)
{
	for (const struct config_namespace *ns = cfg->namespaces; ns != NULL;
	    ns = ns->next) {
		struct span root = namespace_root(ns);
		size_t i = 0;

		if (!is_shared(ns) || root.n == 0 || root.n > name.n)
			continue;
		while (i < root.n && name.p[i] == in_list(root.p[i],
		    ns->separator))
			i++;
		if (i == root.n)
			return ns;
	}
	return NULL;
}

bool
namespace_from_subscribed(const struct config *cfg, struct span name,
    struct buf *out)
{
	const struct config_namespace *ns = namespace_is_subscribed(cfg, name);

	for (size_t i = 0; ns != NULL && i < name.n; i++)
		buf_addc(out, name.p[i] == '.' ? ns->separator :
		    name.p[i] == '/' ? '.' : name.p[i]);
	return ns != NULL;
}

void
namespace_from_storage(const struct config *cfg, struct span storage,
    struct buf *out)
{
	namespace_name(namespace_inbox(cfg), SPAN(""), storage, out);
}

char
namespace_separator(const struct config *cfg)
{
	return namespace_inbox(cfg)->separator;
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

/* What a configuration has in UTF-8, as mailboxes have it. */
static enum err
to_utf7(struct span *name, struct arena *a)
{
	struct buf utf7 = { 0 };
	enum err e = ERR_OK;

	if (is_ascii(*name))
		return ERR_OK;
	if (utf7_from_utf8(*name, &utf7) == ERR_OK)
		*name = arena_span(a, buf_span(&utf7));
	else
		e = ERR_CANNOT;
	buf_clear(&utf7);
	return e;
}

enum err
namespace_mailbox(const struct config_namespace *ns,
    const struct config_mailbox *m, struct arena *a, struct span *storage_out)
{
	struct span name = span_of(m->name);
	enum err e;

	*storage_out = SPAN_NONE;
	if ((e = to_utf7(&name, a)) != ERR_OK)
		return e;
	if (name_is_inbox(name)) {
		*storage_out = SPAN("INBOX");
		return ERR_OK;
	}
	return join_levels(name, ns->separator, a, storage_out);
}

enum err
namespace_pattern(const struct config_namespace *ns, struct span text,
    struct arena *a, struct span *storage_out)
{
	char *p;
	enum err e;

	*storage_out = SPAN_NONE;
	if (text.n == 0 || (e = to_utf7(&text, a)) != ERR_OK)
		return ERR_CANNOT;
	if (ns->separator != '.' && memchr(text.p, '.', text.n) != NULL)
		return ERR_CANNOT;
	if (name_is_inbox(text))
		text = SPAN("INBOX");
	p = arena_alloc(a, text.n + 1);
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] < ' ')
			return ERR_CANNOT;
		p[i] = text.p[i] == ns->separator ? '.' : text.p[i];
	}
	*storage_out = (struct span){ p, text.n };
	/* Without wildcards it is a name, or never one. */
	if (memchr(p, '*', text.n) != NULL || memchr(p, '%', text.n) != NULL)
		return ERR_OK;
	return name_check(*storage_out);
}

/* Compares without memory: LIST asks for thousands of names. */
static bool
is_mailbox(const struct config_namespace *ns, const struct config_mailbox *m,
    struct span storage)
{
	struct span name = span_of(m->name);
	struct arena a = { 0 };
	struct span converted;
	bool same = true;

	if (name.n == storage.n) {
		for (size_t i = 0; same && i < name.n; i++)
			same = storage.p[i] == (name.p[i] == ns->separator ?
			    '.' : name.p[i]);
		if (same)
			return true;
	}
	if (is_ascii(name))
		return false;
	same = namespace_mailbox(ns, m, &a, &converted) == ERR_OK &&
	    span_eq(converted, storage);
	arena_free(&a);
	return same;
}

const char *
namespace_special_use(const struct config *cfg, struct span storage)
{
	const struct config_namespace *ns = namespace_inbox(cfg);

	for (const struct config_mailbox *m = ns->mailboxes; m != NULL;
	    m = m->next)
		if (m->special_use != NULL && *m->special_use != '\0' &&
		    is_mailbox(ns, m, storage))
			return m->special_use;
	return "";
}
