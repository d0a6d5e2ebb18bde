/* Namespaces and the mailboxes named in them. */
#include <strings.h>

#include "common/config_impl.h"
#include "common/config_multi.h"
#include "common/log.h"

/* A namespace being read, and where its settings stand. */
struct reading {
	struct cfg_state *st;
	struct cfg_node *section;
	struct config_namespace *ns;
	struct cfg_location location;
	const struct cfg_node *prefix_at, *location_at;
};

static void
set_bool(struct cfg_state *st, const struct cfg_node *n, const char *value,
    bool *out)
{
	if (!cfg_to_bool(value, out))
		cfg_problem(st, n, CFG_FATAL, "%s = %s: the value must be yes "
		    "or "
		    "no", log_text(span_of(n->key)), log_text(span_of(value)));
}

static void
set_word(struct cfg_state *st, const struct cfg_node *n, const char *value,
    const char *words, const char **out)
{
	struct span rest = span_of(words), w = SPAN_NONE;
	int i = cfg_word_index(words, value);

	if (i < 0) {
		cfg_problem(st, n, CFG_FATAL, "%s = %s: the value must be one "
		    "of "
		    "%s", log_text(span_of(n->key)), log_text(span_of(value)),
		    words);
		return;
	}
	for (; i >= 0; i--)
		w = span_cut(&rest, '|');
	*out = arena_cstr(st->arena, w);
}

/* ---- mailbox NAME { } ---- */

static void
set_policy(struct cfg_state *st, struct cfg_node *n, enum config_multi m,
    struct config_mailbox *box)
{
	const char *value = cfg_value(st, n), *why;

	if (value != NULL && !config_multi_parse(m, value, st->arena,
	    &box->multi[m], &why))
		cfg_problem(st, n, CFG_FATAL, "mailbox %s: %s = %s: the value "
		    "%s", log_text(span_of(box->name)), n->key,
		    log_text(span_of(value)), why);
}

static void
mailbox_setting(struct cfg_state *st, struct cfg_node *n,
    struct config_mailbox *m)
{
	const char *key = n->key, *value, *word = "no";
	struct span rest, w;

	if (!n->is_section && config_multi_find(key) != MULTI_COUNT) {
		set_policy(st, n, config_multi_find(key), m);
		return;
	}
	if (strcmp(key, "multiaccess_ghost_max_size") == 0) {
		cfg_problem(st, n, CFG_FATAL, "mailbox %s: "
		    "multiaccess_ghost_max_size is for all of an account "
		    "together; set it outside of the blocks",
		    log_text(span_of(m->name)));
		return;
	}
	if (cfg_quota_take_mailbox(st, n, m))
		return;
	if (strncmp(key, "mailbox_", 8) == 0)
		key += 8;
	if (n->is_section || (strcmp(key, "auto") != 0 &&
	    strcmp(key, "special_use") != 0 && strcmp(key, "name") != 0)) {
		cfg_ignore(st, n, SCOPE_MAILBOX);
		return;
	}
	if ((value = cfg_value(st, n)) == NULL)
		return;
	if (strcmp(key, "auto") == 0) {
		set_word(st, n, value, "no|create|subscribe", &word);
		m->create = (enum config_auto)cfg_word_index(
		    "no|create|subscribe", word);
	} else if (strcmp(key, "name") == 0) {
		m->name = value;
	} else {
		m->special_use = value;
		rest = span_of(value);
		while ((w = cfg_next_word(&rest)).p != NULL) {
			if (*w.p != '\\')
				cfg_problem(st, n, CFG_NOTE, "mailbox %s: "
				    "special_use %s does not begin with a "
				    "\"\\\" "
				    "(within quotes it is written twice)",
				    log_text(span_of(m->name)), log_text(w));
		}
	}
}

/* What a block says as a whole. */
static void
check_mailbox(struct cfg_state *st, const struct cfg_node *section,
    struct config_mailbox *m)
{
	const char *text = config_multi_contradiction(m->multi);

	if (*m->name == '\0' || strpbrk(m->name, "\n\r") != NULL)
		cfg_problem(st, section, CFG_FATAL,
		    "the mailbox block has no name, or more than a line of it");
	if (text != NULL)
		cfg_problem(st, section, CFG_FATAL, "mailbox %s: %s",
		    log_text(span_of(m->name)), text);
	if (strpbrk(m->name, "*%") == NULL)
		return;
	if (m->create != AUTO_NO || *m->special_use != '\0')
		cfg_problem(st, section, CFG_NOTE, "mailbox %s: auto and "
		    "special_use are for one mailbox, and ignored for a name "
		    "with wildcards", log_text(span_of(m->name)));
	m->create = AUTO_NO;
	m->special_use = "";
}

static void
read_mailbox(struct reading *r, struct cfg_node *section)
{
	struct config_mailbox *m = NULL, **end = &r->ns->mailboxes;

	for (; *end != NULL; end = &(*end)->next) {
		if (strcmp((*end)->name, section->raw) == 0)
			m = *end;
	}
	if (m == NULL) {
		m = arena_alloc(r->st->arena, sizeof *m);
		m->name = section->raw;
		m->special_use = "";
		config_multi_clear(m->multi);
		*end = m;
	}
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		mailbox_setting(r->st, n, m);
	check_mailbox(r->st, section, m);
}

/* ---- namespace NAME { } ---- */

static void
set_separator(struct reading *r, const struct cfg_node *n, const char *value)
{
	char c = *value;

	if (c == '\0')
		return;
	if (value[1] != '\0' || c <= ' ' || c == 0x7f || strchr("%*\"&", c) ||
	    (unsigned char)c > 0x7f || (c >= '0' && c <= '9') ||
	    ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		cfg_problem(r->st, n, CFG_FATAL, "separator = %s: it must be "
		    "one character such as \"/\" or \".\"",
		    log_text(span_of(value)));
	else
		r->ns->separator = c;
}

static bool
namespace_setting(struct reading *r, struct cfg_node *n, const char *key,
    const char *value)
{
	struct config_namespace *ns = r->ns;

	if (strcmp(key, "type") == 0) {
		set_word(r->st, n, value, "private|shared|public", &ns->type);
	} else if (strcmp(key, "prefix") == 0) {
		ns->prefix = value;
		r->prefix_at = n;
	} else if (strcmp(key, "separator") == 0) {
		set_separator(r, n, value);
	} else if (strcmp(key, "inbox") == 0) {
		set_bool(r->st, n, value, &ns->inbox);
	} else if (strcmp(key, "hidden") == 0) {
		set_bool(r->st, n, value, &ns->hidden);
	} else if (strcmp(key, "subscriptions") == 0) {
		set_bool(r->st, n, value, &ns->subscriptions);
	} else if (strcmp(key, "disabled") == 0) {
		set_bool(r->st, n, value, &ns->disabled);
	} else if (strcmp(key, "list") == 0) {
		set_word(r->st, n, value, "yes|no|children", &ns->list);
	} else if (strcmp(key, "location") == 0) {
		ns->location = value;
		r->location_at = n;
	} else {
		return false;
	}
	return true;
}

static void read_all(struct reading *r, struct cfg_node *first, int depth);

static void
read_one(struct reading *r, struct cfg_node *n, int depth)
{
	static const char keys[] = "type|prefix|separator|inbox|hidden|"
	    "subscriptions|disabled|list|location";
	const char *key = n->key, *value;
	struct cfg_node *group;

	if (strncmp(key, "namespace_", 10) == 0)
		key += 10;
	if (n->is_section && strcmp(key, "mailbox") == 0) {
		read_mailbox(r, n);
	} else if (n->is_section) {
		cfg_ignore(r->st, n, SCOPE_NAMESPACE);
	} else if (*key == '@') {
		value = cfg_value(r->st, n);
		group = value == NULL ? NULL : cfg_group(r->st, key, value);
		if (group != NULL && depth < CFG_DEPTH_SECTION)
			read_all(r, group, depth + 1);
		else if (value != NULL && cfg_first_time(r->st, "group", key))
			cfg_problem(r->st, n, CFG_NOTE, "%s = %s: there is no "
			    "such group; ignored", log_text(span_of(key)),
			    log_text(span_of(value)));
	} else if (cfg_word_index(keys, key) >= 0) {
		if ((value = cfg_value(r->st, n)) != NULL)
			(void)namespace_setting(r, n, key, value);
	} else if (!cfg_location_take(r->st, &r->location, n)) {
		cfg_ignore(r->st, n, SCOPE_NAMESPACE);
	}
}

static void
read_all(struct reading *r, struct cfg_node *first, int depth)
{
	for (struct cfg_node *n = first; n != NULL; n = n->next)
		read_one(r, n, depth);
}

static bool
is_per_user(const char *path)
{
	return path != NULL && strpbrk(path, "%~") != NULL;
}

char
config_owner_variable(struct span *prefix)
{
	static const struct {
		const char *text;
		char what;
	} variables[] = {
		{ "%%u", 'u' }, { "%%n", 'n' }, { "%%d", 'd' },
		{ "%{owner_user}", 'u' }, { "%{owner_username}", 'n' },
		{ "%{owner_domain}", 'd' },
		{ "$username", 'n' }, { "$user", 'u' }, { "$domain", 'd' },
	};

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		struct span v = span_of(variables[i].text);

		if (!span_starts(*prefix, v))
			continue;
		prefix->p += v.n;
		prefix->n -= v.n;
		return variables[i].what;
	}
	return 0;
}

/* Whether a prefix says more of the owner than a domain. */
static bool
names_owner(const char *prefix)
{
	struct span rest = span_of(prefix);
	char what;

	while (rest.n > 0) {
		if ((what = config_owner_variable(&rest)) == 'u' ||
		    what == 'n')
			return true;
		if (what == 0) {
			rest.p++;
			rest.n--;
		}
	}
	return false;
}

/* Why a namespace of others cannot be served; NULL: it can. */
static const char *
obstacle(struct reading *r, const struct config_namespace *ns)
{
	struct mail_location l;
	const char *problem = NULL;

	if (*ns->prefix == '\0')
		return "it needs a prefix";
	if (strcmp(ns->type, "shared") == 0)
		return names_owner(ns->prefix) ? NULL : "its prefix must say "
		    "whose mailboxes it has, as in shared/%%u/";
	if (*ns->location == '\0')
		return "it needs a location";
	if (mail_location_parse(ns->location, r->st->arena, &l, &problem) !=
	    ERR_OK)
		return problem != NULL ? problem : "its location is none";
	if (is_per_user(l.path) || is_per_user(l.control) ||
	    is_per_user(l.index) || is_per_user(l.volatile_dir))
		return "its path, CONTROL, INDEX and VOLATILEDIR must be the "
		    "same for all users, who meet there";
	return NULL;
}

static void
check_served(struct reading *r, struct config_namespace *ns)
{
	const char *name = *ns->label != '\0' ? log_text(span_of(ns->label)) :
	    log_text(span_of(ns->prefix)), *why;

	if (ns->disabled)
		return;
	if (strcmp(ns->type, "private") != 0) {
		if ((why = obstacle(r, ns)) != NULL) {
			cfg_problem(r->st, r->section, CFG_NOTE, "namespace "
			    "%s is not served: %s", name, why);
			ns->disabled = true;
			return;
		}
		r->st->cfg->acl = ACL_VFILE;
		ns->private_seen = strstr(ns->location, ":INDEXPVT=") != NULL;
	} else if (!ns->inbox && *ns->location != '\0') {
		cfg_problem(r->st, r->section, CFG_NOTE, "namespace %s: a "
		    "second place for a user's mail is not served yet; clients "
		    "do not see it", name);
	}
}

void
cfg_apply_namespace(struct cfg_state *st, struct cfg_node *section)
{
	struct config_namespace *ns = arena_alloc(st->arena, sizeof *ns), **end;
	struct reading r = { .st = st, .section = section, .ns = ns };
	const char *text;
	size_t n;

	ns->label = section->raw;
	ns->type = "private";
	ns->prefix = ns->location = "";
	ns->separator = '.';
	ns->subscriptions = true;
	ns->list = "yes";
	read_all(&r, section->first, 0);
	text = cfg_location_text(st, &r.location, &st->mail);
	if (*text != '\0')
		ns->location = text;
	if (*ns->location != '\0' && (ns->inbox ||
	    strcmp(ns->type, "private") == 0))
		cfg_location_check(st, ns->location, r.location_at != NULL ?
		    r.location_at : section);
	n = strlen(ns->prefix);
	if (n > 0 && ns->prefix[n - 1] != ns->separator && !ns->disabled)
		cfg_problem(st, r.prefix_at, CFG_FATAL, "prefix = %s: it must "
		    "end with the separator "
		    "\"%c\"", log_text(span_of(ns->prefix)),
		    ns->separator);
	check_served(&r, ns);
	for (end = &st->cfg->namespaces; *end != NULL; end = &(*end)->next)
		continue;
	*end = ns;
}

static void
add_default(struct cfg_state *st)
{
	struct config_namespace *ns = arena_alloc(st->arena, sizeof *ns);

	*ns = (struct config_namespace){ .label = "inbox", .type = "private",
		.prefix = "", .separator = '.', .inbox = true,
		.subscriptions = true, .list = "yes", .location = "" };
	st->cfg->namespaces = ns;
}

void
cfg_finish_namespaces(struct cfg_state *st)
{
	const struct config_namespace *inbox = NULL;

	if (st->cfg->namespaces == NULL)
		add_default(st);
	for (struct config_namespace *ns = st->cfg->namespaces; ns != NULL;
	    ns = ns->next) {
		if (!ns->inbox || ns->disabled)
			continue;
		if (inbox != NULL)
			cfg_problem(st, NULL, CFG_FATAL, "two namespaces (%s "
			    "and %s) have inbox = yes: INBOX can be in one "
			    "only",
			    log_text(span_of(inbox->label)),
			    log_text(span_of(ns->label)));
		inbox = ns;
	}
	if (inbox == NULL) {
		cfg_problem(st, NULL, CFG_FATAL, "no namespace has inbox = "
		    "yes: clients would not find INBOX");
		return;
	}
	if (strcmp(inbox->type, "private") != 0)
		cfg_problem(st, NULL, CFG_FATAL, "namespace %s: INBOX must be "
		    "in a private namespace", log_text(span_of(inbox->label)));
	for (struct config_namespace *ns = st->cfg->namespaces; ns != NULL;
	    ns = ns->next) {
		if (!ns->disabled && strcmp(ns->list, "no") != 0 &&
		    ns->separator != inbox->separator)
			cfg_problem(st, NULL, CFG_FATAL, "namespaces %s and %s "
			    "have separators \"%c\" and \"%c\"; all that are "
			    "listed need the "
			    "same", log_text(span_of(inbox->label)),
			    log_text(span_of(ns->label)), inbox->separator,
			    ns->separator);
	}
}
