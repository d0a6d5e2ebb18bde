/*
 * Names as clients write them (prefix, separator) to storage names and back. What
 * is served today is the user's own tree: private namespaces that lie in
 * mail_location, the one with inbox=yes first.
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

/* The served namespace with the longest prefix that fits. */
static const struct config_namespace *
namespace_of(const struct config *cfg, struct span name)
{
	const struct config_namespace *best = NULL;
	const struct config_namespace *ns = cfg->namespaces;

	if (ns == NULL)
		return &plain;
	for (; ns != NULL; ns = ns->next)
		if (is_served(ns) && has_prefix(name, prefix_of(ns)) &&
		    (best == NULL || prefix_of(ns).n > prefix_of(best).n))
			best = ns;
	return best;
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
namespace_to_storage(const struct config *cfg, struct span name,
    struct arena *a, struct span *storage_out)
{
	const struct config_namespace *ns;
	struct span prefix;

	*storage_out = SPAN_NONE;
	if (name.n == 0)
		return ERR_CANNOT;
	if (name_is_inbox(name)) {
		*storage_out = SPAN("INBOX");
		return ERR_OK;
	}
	if ((ns = namespace_of(cfg, name)) == NULL)
		return ERR_NOTFOUND;
	prefix = prefix_of(ns);
	name.p += prefix.n;
	name.n -= prefix.n;
	if (name.n > 0 && name.p[name.n - 1] == ns->separator)
		name.n--;
	/* "INBOX.INBOX" or "INBOX/" must not become a second INBOX. */
	if (name.n == 0 || (name_is_inbox(name) && prefix.n > 0))
		return ERR_CANNOT;
	if (name_is_inbox(name)) {
		*storage_out = SPAN("INBOX");
		return ERR_OK;
	}
	return join_levels(name, ns->separator, a, storage_out);
}

void
namespace_from_storage(const struct config *cfg, struct span storage,
    struct buf *out)
{
	const struct config_namespace *ns = namespace_inbox(cfg);
	size_t from;

	if (span_eq(storage, SPAN("INBOX"))) {
		buf_add_span(out, storage);
		return;
	}
	buf_add_span(out, prefix_of(ns));
	from = out->n;
	buf_add_span(out, storage);
	if (ns->separator == '.')
		return;
	for (; from < out->n; from++)
		if (out->p[from] == '.')
			out->p[from] = ns->separator;
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
