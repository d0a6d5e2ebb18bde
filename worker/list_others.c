/*
 * LIST of mailboxes of others. What somebody may see in an account its steward says
 * (steward.h); in which accounts to look, the namespaces say, acl_shared_dict, the
 * subscriptions and the patterns themselves.
 */
#include "common/acl.h"
#include "common/config.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "worker/list.h"
#include "worker/mailbox.h"
#include "worker/namespace.h"
#include "worker/resp.h"
#include "worker/session.h"
#include "worker/share.h"
#include "worker/target.h"

#include <stdlib.h>
#include <string.h>

/* A mailbox, or (storage.p NULL) a level above some. */
struct entry {
	struct span name;
	struct target t;
	bool has_new, has_children;
};

/* Those found so far, and the accounts that were asked. */
struct search {
	struct listing *l;
	struct buf entries, asked;	/* asked: namespace NUL owner NUL */
	struct span *sharer;		/* users who share something, once known */
	size_t n_sharers;
	bool sharers_known;
};

static void
write_entry(struct listing *l, const struct entry *e, bool subscribed)
{
	bool exists = e->t.storage.p != NULL;
	struct buf b = { 0 };

	if (!exists)
		list_attribute(&b, l->o.extended ? "\\NonExistent" :
		    "\\Noselect");
	list_attribute(&b, e->has_children ? "\\HasChildren" :
	    "\\HasNoChildren");
	if (exists)
		list_attribute(&b, e->has_new ? "\\Marked" : "\\UnMarked");
	if (subscribed)
		list_attribute(&b, "\\Subscribed");
	list_write(l->s, "LIST", buf_cstr(&b), e->t.ns->separator, e->name);
	if (l->o.tell_rights && exists)
		resp_myrights(l->s, &e->t, e->t.rights);
	buf_clear(&b);
}

/* ---- what is subscribed ---- */

static void
list_subscribed(struct listing *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n_subscribed; i++) {
		struct span stored = l->subscribed[i];
		struct entry e = { .name = arena_span(&l->s->command,
		    list_client_name(l, stored)) };

		if (namespace_is_subscribed(l->s->cfg, stored) != NULL &&
		    list_matches(l, e.name) && namespace_find(l->s->cfg,
		    e.name, &l->s->command, &e.t.ns, &e.t.owner,
		    &e.t.storage) == ERR_OK && target_is_foreign(&e.t) &&
		    target_enter(l->s, &e.t, ACL_LOOKUP) == ERR_OK)
			write_entry(l, &e, true);
		else
			l->subscribed[n++] = stored;
	}
	l->n_subscribed = n;
}

/* ---- where to look ---- */

/* Whether names that begin with the prefix, or levels of it, can match a pattern. */
static bool
can_match(struct span pattern, struct span prefix, char sep)
{
	size_t n = 0;

	while (n < pattern.n && pattern.p[n] != '*' && pattern.p[n] != '%')
		n++;
	if (n >= prefix.n)
		return span_starts(pattern, prefix);
	return span_starts(prefix, (struct span){ pattern.p, n }) &&
	    (n < pattern.n || prefix.p[n] == sep);
}

static bool
is_wanted(const struct search *s, const struct config_namespace *ns,
    struct span prefix)
{
	for (size_t i = 0; i < s->l->o.n_patterns; i++) {
		struct span pattern = s->l->o.pattern[i];

		/* "list = no": only where it is named. */
		if (can_match(pattern, prefix, ns->separator) &&
		    (strcmp(ns->list, "no") != 0 ||
		    span_starts(pattern, namespace_root(ns))))
			return true;
	}
	return false;
}

/* True the first time. */
static bool
note_asked(struct search *s, const struct config_namespace *ns,
    struct span owner)
{
	struct span rest = buf_span(&s->asked);

	while (rest.n > 0) {
		struct span label = span_cut(&rest, '\0');

		if (span_eq(label, span_of(ns->prefix)) &&
		    span_eq(span_cut(&rest, '\0'), owner))
			return false;
	}
	buf_adds(&s->asked, ns->prefix);
	buf_addc(&s->asked, '\0');
	buf_add_span(&s->asked, owner);
	buf_addc(&s->asked, '\0');
	return true;
}

/* ---- what is there ---- */

static void
add_entry(struct search *s, const struct target *t, bool has_new)
{
	struct arena *a = &s->l->s->command;
	struct entry e = { .t = *t, .has_new = has_new }, level = { .t = *t,
		.has_children = true };
	struct buf name = { 0 };

	target_name(t, &name);
	e.name = arena_span(a, buf_span(&name));
	buf_add(&s->entries, &e, sizeof(e));
	buf_clear(&name);
	level.t.storage = SPAN_NONE;
	for (size_t i = 1; i < e.name.n; i++) {
		if (e.name.p[i] != t->ns->separator)
			continue;
		level.name = (struct span){ e.name.p, i };
		buf_add(&s->entries, &level, sizeof(level));
	}
}

/* Lines of "list" (steward.h). */
static enum err
look_into(struct search *s, const struct config_namespace *ns,
    struct span owner)
{
	struct span word = SPAN("list"), rest;
	struct buf prefix = { 0 }, answer = { 0 };
	struct target t = { .ns = ns, .owner = owner };
	uint64_t rights;
	enum err e = ERR_OK;

	namespace_name(ns, owner, SPAN(""), &prefix);
	if (is_wanted(s, ns, buf_span(&prefix)) && note_asked(s, ns, owner))
		e = share_ask(s->l->s, &t, &word, 1, &answer);
	for (rest = buf_span(&answer); e == ERR_OK && rest.n > 0; ) {
		struct span line = span_cut(&rest, '\n');

		t.storage = arena_span(&s->l->s->command,
		    span_cut(&line, '\t'));
		if (!span_to_u64(span_cut(&line, '\t'), ACL_ALL, &rights))
			continue;
		t.rights = (unsigned)rights;
		add_entry(s, &t, span_eq(line, SPAN("1")));
	}
	buf_clear(&prefix);
	buf_clear(&answer);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* The owner that the beginning of a text names, if it does. */
static enum err
look_into_named(struct search *s, const struct config_namespace *ns,
    struct span text)
{
	struct arena *a = &s->l->s->command;
	struct span owner;
	size_t n = 0;

	while (n < text.n && text.p[n] != '*' && text.p[n] != '%')
		n++;
	/* "shared/anna" and "shared/anna/" alike; "shared/a*" names nobody. */
	text = n == text.n ? span_of(arena_printf(a, "%.*s%c", (int)n, text.p,
	    ns->separator)) : (struct span){ text.p, n };
	if (!namespace_owner(ns, text, a, &owner))
		return ERR_OK;
	return look_into(s, ns, owner);
}

static enum err
look_into_owners(struct search *s, const struct config_namespace *ns)
{
	struct listing *l = s->l;
	enum err e = ERR_OK;

	if (!is_wanted(s, ns, namespace_root(ns)))
		return ERR_OK;
	if (!s->sharers_known && (e = share_owners(l->s, &s->sharer,
	    &s->n_sharers)) != ERR_OK)
		return e;
	s->sharers_known = true;
	for (size_t i = 0; i < s->n_sharers && e == ERR_OK; i++)
		e = look_into(s, ns, s->sharer[i]);
	for (size_t i = 0; i < l->o.n_patterns && e == ERR_OK; i++)
		e = look_into_named(s, ns, l->o.pattern[i]);
	for (size_t i = 0; i < l->n_subscribed && e == ERR_OK; i++)
		if (namespace_is_subscribed(l->s->cfg, l->subscribed[i]) == ns)
			e = look_into_named(s, ns, list_client_name(l,
			    l->subscribed[i]));
	return e;
}

static enum err
look_everywhere(struct search *s)
{
	enum err e, result = ERR_OK;

	for (const struct config_namespace *ns = s->l->s->cfg->namespaces;
	    ns != NULL; ns = ns->next) {
		if (ns->disabled || !namespace_is_foreign(ns))
			continue;
		e = strcmp(ns->type, "public") == 0 ?
		    look_into(s, ns, SPAN("")) : look_into_owners(s, ns);
		if (e != ERR_OK)
			result = e;
	}
	return result;
}

/* ---- showing it ---- */

static int
compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = span_cmp(x->name, y->name);

	return order != 0 ? order : (x->t.storage.p == NULL) -
	    (y->t.storage.p == NULL);
}

/* As the list of subscriptions has it. */
static bool
is_subscribed(struct listing *l, const struct target *t)
{
	struct buf name = { 0 };
	bool found;

	if (!l->o.tell_subscribed || t->storage.p == NULL)
		return false;
	namespace_subscribed(t->ns, t->owner, t->storage, &name);
	found = list_is_subscribed(l, buf_span(&name));
	buf_clear(&name);
	return found;
}

/* A level that is a mailbox of ours has been shown as that. */
static bool
is_ours(struct session *s, struct span name)
{
	struct span storage;

	return namespace_to_storage(s->cfg, name, &s->command, &storage) ==
	    ERR_OK && folder_exists(s->account, storage);
}

static void
show(struct search *s)
{
	struct entry *e = (void *)s->entries.p;
	size_t n = s->entries.n / sizeof(*e);

	qsort(e, n, sizeof(*e), compare);
	for (size_t i = 0; i < n; i++) {
		struct entry *this = &e[i];

		/* The mailbox comes first, the levels of that name after it. */
		while (i + 1 < n && span_eq(this->name, e[i + 1].name))
			this->has_children |= e[++i].has_children;
		if (list_options_match(&s->l->o, this->name,
		    this->t.ns->separator) && (this->t.storage.p != NULL ||
		    !is_ours(s->l->s, this->name)))
			write_entry(s->l, this, is_subscribed(s->l, &this->t));
	}
}

enum err
list_others(struct listing *l)
{
	struct search s = { .l = l };
	enum err e;

	if (!share_is_possible(l->s) || l->o.only_special)
		return ERR_OK;
	if ((e = list_read_subscriptions(l)) != ERR_OK)
		return e;
	if (l->o.only_subscribed) {
		list_subscribed(l);
		return ERR_OK;
	}
	e = look_everywhere(&s);
	if (s.entries.n > 0)
		show(&s);
	buf_clear(&s.entries);
	buf_clear(&s.asked);
	return e;
}
