/*
 * Quota settings of both dialects, kept in 2.3's words (plugin { quota = ... }), in which
 * config_print writes them; common/quota_rules.h says what they mean.
 */
#include <strings.h>

#include "common/config_impl.h"
#include "common/log.h"
#include "common/quota_rules.h"

static const char *
find(const struct config *cfg, const char *name)
{
	const char *value = NULL;

	for (const struct quota_setting *s = cfg->quota; s != NULL; s = s->next)
		if (strcmp(s->name, name) == 0)
			value = s->value;
	return value;
}

static void
add(struct cfg_state *st, struct quota_setting **list, const char *name,
    const char *value)
{
	struct quota_setting *s;

	while (*list != NULL && strcmp((*list)->name, name) != 0)
		list = &(*list)->next;
	if (*list == NULL) {
		s = arena_alloc(st->arena, sizeof(*s));
		s->name = name;
		*list = s;
	}
	(*list)->value = value;
}

/* By itself: what it says may be wrong whatever else is said. */
static const char *
problem_with(const char *name, const char *value, bool of_mailbox)
{
	struct quota_setting alone = { .name = name, .value = value };
	struct quota_setting root = { &alone, "quota", "count" };
	bool is_rule = strncmp(name, "quota_rule", strlen("quota_rule")) == 0;
	struct arena a = { 0 };
	struct quota q;
	const char *at, *why;
	enum err e;

	/* Rules are read in the order of their numbers. */
	if (is_rule)
		alone.name = "quota_rule";
	e = quota_rules_read(of_mailbox ? NULL : &root, &a, &q, &at, &why);
	if (of_mailbox)
		e = quota_rules_add(&q, "x", &alone, &a, &at, &why);
	arena_free(&a);
	return e == ERR_OK ? NULL : why;
}

static bool
check(struct cfg_state *st, const struct cfg_node *n, const char *name,
    const char *value, bool of_mailbox)
{
	const char *why = problem_with(name, value, of_mailbox);
	bool is_root = strcmp(name, "quota") == 0;

	/* What is counted otherwise is not counted here; that takes nobody's mail. */
	if (why != NULL)
		cfg_problem(st, n, is_root ? CFG_NOTE : CFG_FATAL,
		    "%s = %s: the value %s%s", name, log_text(span_of(value)),
		    why, is_root ? "; no quota is kept" : "");
	return why == NULL;
}

bool
cfg_quota_take(struct cfg_state *st, struct cfg_node *n)
{
	const char *value;

	if (n->is_section || !quota_rules_has(n->key))
		return false;
	if ((value = cfg_value(st, n)) != NULL &&
	    check(st, n, n->key, value, false))
		add(st, &st->cfg->quota, n->key, value);
	return true;
}

bool
cfg_quota_take_mailbox(struct cfg_state *st, struct cfg_node *n,
    struct config_mailbox *box)
{
	const char *value;

	if (n->is_section || !quota_rules_has_mailbox(n->key))
		return false;
	if ((value = cfg_value(st, n)) != NULL &&
	    check(st, n, n->key, value, true))
		add(st, &box->quota, n->key, value);
	return true;
}

/* 2.4 lets one leave out the "quota_" within the block. */
static const char *
full_key(struct arena *a, const char *key)
{
	return strncmp(key, "quota_", 6) == 0 ? key :
	    arena_printf(a, "quota_%s", key);
}

struct root {
	const char *driver, *name;
	bool enforce, hidden;
};

static void
root_setting(struct cfg_state *st, struct cfg_node *n, struct root *r)
{
	const char *key = full_key(st->arena, n->key), *value;
	bool *flag = strcmp(key, "quota_enforce") == 0 ? &r->enforce :
	    strcmp(key, "quota_hidden") == 0 ? &r->hidden : NULL;
	struct cfg_node named = *n;

	named.key = key;
	if (n->is_section || (flag == NULL && strcmp(key, "quota_driver") !=
	    0 && strcmp(key, "quota_name") != 0)) {
		if (!cfg_quota_take(st, &named))
			cfg_ignore(st, n->is_section ? n : &named, SCOPE_TOP);
	} else if ((value = cfg_value(st, n)) == NULL) {
		return;
	} else if (flag == NULL) {
		*(strcmp(key, "quota_driver") == 0 ? &r->driver : &r->name) =
		    value;
	} else if (!cfg_to_bool(value, flag)) {
		cfg_problem(st, n, CFG_FATAL, "%s = %s: the value must be yes "
		    "or no", key, log_text(span_of(value)));
	}
}

void
cfg_apply_quota(struct cfg_state *st, struct cfg_node *section)
{
	struct root r = { "count", section->raw, true, false };
	const char *text;

	if (find(st->cfg, "quota") != NULL) {
		cfg_problem(st, section, CFG_IGNORED, "quota %s is ignored: "
		    "one quota root is kept, the first",
		    log_text(span_of(section->raw)));
		return;
	}
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		root_setting(st, n, &r);
	text = arena_printf(st->arena, "%s:%s%s%s", r.driver, r.name,
	    r.enforce ? "" : ":noenforcing", r.hidden ? ":hidden" : "");
	if (!check(st, section, "quota", text, false))
		return;
	add(st, &st->cfg->quota, "quota", text);
	/* In 2.4 no limits come from maildirsize. */
	if (find(st->cfg, "quota_storage_size") == NULL)
		add(st, &st->cfg->quota, "quota_storage_size", "0");
}
