/*
 * The policies of a mailbox for several sessions. Of all that is said of it, counts,
 * for each setting: a rule of the account's loft-policy (run time), a mailbox block
 * of the configuration, the global setting. Among rules and among blocks one without
 * wildcards, else that with most other characters; of two such the first.
 */
#include "worker/policy.h"

#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "maildir/policy_file.h"
#include "worker/namespace.h"
#include "worker/session.h"

enum { EXACT = 1 << 16 };

/* What is said of each setting so far, and how close to the mailbox's name. */
struct found {
	int64_t value[MULTI_COUNT];
	int rank[MULTI_COUNT];			/* 0: nothing */
	struct span pattern[MULTI_COUNT];	/* as it is written */
	bool at_run_time[MULTI_COUNT];
};

/* 0: the pattern does not match. */
static int
rank_of(struct span pattern, struct span storage)
{
	int literals = 1;
	bool wild = false;

	if (!name_matches(storage, pattern, '.'))
		return 0;
	for (size_t i = 0; i < pattern.n; i++) {
		bool w = pattern.p[i] == '*' || pattern.p[i] == '%';

		wild |= w;
		literals += !w;
	}
	return wild ? literals : EXACT;
}

static void
offer(struct found *f, int m, int64_t value, int rank, struct span pattern,
    bool at_run_time)
{
	if (rank <= f->rank[m])
		return;
	f->value[m] = value;
	f->rank[m] = rank;
	f->pattern[m] = pattern;
	f->at_run_time[m] = at_run_time;
}

/* What a rule says of a setting; false: nothing, or nothing that can be. */
static bool
rule_value(const struct policy_rule *rule, int m, struct arena *a,
    int64_t *value_out)
{
	const char *name = config_multi_name((enum config_multi)m), *why;
	struct span text;

	if (!policy_rule_value(rule, name, &text))
		return false;
	if (config_multi_parse((enum config_multi)m, arena_cstr(a, text), a,
	    value_out, &why))
		return true;
	log_debug("loft-policy: %s = %s: the value %s", name, log_text(text),
	    why);
	return false;
}

static void
ask_rules(struct account *acc, struct span storage, struct arena *a,
    struct found *f)
{
	const struct policy_rule *rule;
	size_t n;
	int64_t value;

	policy_file_rules(acc, &rule, &n);
	for (size_t i = 0; i < n; i++) {
		int rank = rank_of(rule[i].pattern, storage);

		for (int m = 0; rank > 0 && m < MULTI_COUNT; m++)
			if (rule_value(&rule[i], m, a, &value))
				offer(f, m, value, rank, rule[i].pattern, true);
	}
}

static void
ask_block(const struct config_namespace *ns, const struct config_mailbox *b,
    struct span storage, struct arena *a, struct found *f)
{
	struct span pattern = SPAN_NONE;
	int rank = 0;

	for (int m = 0; m < MULTI_COUNT; m++) {
		if (b->multi[m] == MULTI_UNSET)
			continue;
		if (pattern.p == NULL) {
			if (namespace_pattern(ns, span_of(b->name), a,
			    &pattern) != ERR_OK)
				return;
			rank = rank_of(pattern, storage);
		}
		offer(f, m, b->multi[m], rank, span_of(b->name), false);
	}
}

static struct found
find(const struct config *cfg, struct account *acc, struct span storage,
    struct arena *a)
{
	const struct config_namespace *ns = namespace_inbox(cfg);
	struct found f = { 0 }, blocks = { 0 };

	/* A folder of ours that is an account of its own: the rules are ours. */
	if (acc->outer != NULL && acc->key == NULL)
		acc = acc->outer;
	ask_rules(acc, storage, a, &f);
	for (const struct config_mailbox *b = ns->mailboxes; b != NULL;
	    b = b->next)
		ask_block(ns, b, storage, a, &blocks);
	for (int m = 0; m < MULTI_COUNT; m++) {
		if (f.rank[m] == 0)
			offer(&f, m, blocks.value[m], blocks.rank[m],
			    blocks.pattern[m], false);
		if (f.rank[m] == 0)
			f.value[m] = config_multi_global(cfg,
			    (enum config_multi)m);
	}
	return f;
}

struct policy
policy_for(const struct config *cfg, struct account *acc, struct span storage)
{
	struct arena a = { 0 };
	struct found f = find(cfg, acc, storage, &a);

	arena_free(&a);
	return (struct policy){
		.deletion = (enum multi_delete)f.value[MULTI_DELETE],
		.renaming = (enum multi_rename)f.value[MULTI_RENAME],
		.expunging = (enum multi_expunge)f.value[MULTI_EXPUNGE],
		.storing = (enum multi_store)f.value[MULTI_STORE],
		.copying = (enum multi_copy)f.value[MULTI_COPY],
		.seeing = (enum multi_seen)f.value[MULTI_SEEN],
		.ghost_max_age_ms = (uint64_t)f.value[MULTI_GHOST_MAX_AGE],
	};
}

struct policy
policy_get(const struct session *s)
{
	return policy_for(s->cfg, s->folder->acc, span_of(s->folder->name));
}

void
policy_describe(const struct config *cfg, struct account *acc,
    struct span storage, struct buf *out)
{
	struct arena a = { 0 };
	struct found f = find(cfg, acc, storage, &a);

	for (int m = 0; m < MULTI_COUNT; m++) {
		buf_addf(out, "%s\t", config_multi_name((enum config_multi)m));
		config_multi_text((enum config_multi)m, f.value[m], out);
		if (f.rank[m] == 0)
			buf_adds(out, "\tglobal\t\n");
		else
			buf_addf(out, "\t%s\t%.*s\n", f.at_run_time[m] ?
			    "run time" : "mailbox block", (int)f.pattern[m].n,
			    f.pattern[m].p);
	}
	arena_free(&a);
}

/* ---- changing ---- */

/* What a pattern says after the change, checked against itself. */
static const char *
contradiction(struct account *acc, struct span pattern,
    const int64_t change[MULTI_COUNT], struct arena *a)
{
	const struct policy_rule *rule;
	int64_t value[MULTI_COUNT], v;
	size_t n;

	config_multi_clear(value);
	policy_file_rules(acc, &rule, &n);
	for (size_t i = 0; i < n; i++)
		for (int m = 0; m < MULTI_COUNT; m++)
			if (span_eq(rule[i].pattern, pattern) &&
			    rule_value(&rule[i], m, a, &v))
				value[m] = v;
	for (int m = 0; m < MULTI_COUNT; m++) {
		if (change[m] == POLICY_REMOVE)
			value[m] = MULTI_UNSET;
		else if (change[m] != MULTI_UNSET)
			value[m] = change[m];
	}
	return config_multi_contradiction(value);
}

static enum err
matches_any(struct account *acc, struct span pattern, struct arena *a,
    bool *any_out)
{
	struct folder_entry *entry;
	size_t n;
	enum err e = folder_list(acc, a, &entry, &n);

	*any_out = false;
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		*any_out |= entry[i].exists &&
		    name_matches(entry[i].name, pattern, '.');
	return e;
}

/* Taking out needs no mailbox any more: only something to take out. */
static bool
only_removes(const int64_t change[MULTI_COUNT])
{
	bool only = true;

	for (int m = 0; m < MULTI_COUNT; m++)
		only &= change[m] == POLICY_REMOVE || change[m] == MULTI_UNSET;
	return only;
}

static bool
has_rule(struct account *acc, struct span pattern)
{
	const struct policy_rule *rule;
	bool any = false;
	size_t n;

	policy_file_rules(acc, &rule, &n);
	for (size_t i = 0; i < n; i++)
		any |= span_eq(rule[i].pattern, pattern);
	return any;
}

/* A value without spaces ("30mins"), as the file has it. */
static struct span
file_value(int m, int64_t value, struct arena *a)
{
	struct buf text = { 0 };
	struct span out;
	size_t n = 0;

	config_multi_text((enum config_multi)m, value, &text);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != ' ')
			text.p[n++] = text.p[i];
	out = arena_span(a, (struct span){ text.p, n });
	buf_clear(&text);
	return out;
}

static enum err
write_change(struct account *acc, struct span pattern,
    const int64_t change[MULTI_COUNT], struct arena *a)
{
	struct policy_setting set[MULTI_COUNT];
	size_t n = 0;

	for (int m = 0; m < MULTI_COUNT; m++) {
		if (change[m] == MULTI_UNSET)
			continue;
		set[n].name = span_of(config_multi_name((enum config_multi)m));
		set[n++].value = change[m] == POLICY_REMOVE ? SPAN_NONE :
		    file_value(m, change[m], a);
	}
	return policy_file_set(acc, pattern, set, n);
}

enum err
policy_change(const struct config *cfg, struct account *acc,
    struct span pattern, const int64_t change[MULTI_COUNT], struct arena *a,
    const char **problem_out)
{
	const struct config_namespace *ns = namespace_inbox(cfg);
	struct span prefix = span_of(ns->prefix), storage;
	bool any;
	enum err e;

	*problem_out = NULL;
	if (prefix.n > 0 && span_starts(pattern, prefix)) {
		pattern.p += prefix.n;
		pattern.n -= prefix.n;
	}
	if (namespace_pattern(ns, pattern, a, &storage) != ERR_OK) {
		*problem_out = "no mailbox can have such a name";
		return ERR_SYNTAX;
	}
	if ((*problem_out = contradiction(acc, storage, change, a)) != NULL)
		return ERR_SYNTAX;
	if (only_removes(change) && !has_rule(acc, storage)) {
		*problem_out = "there is no such rule";
		return ERR_NOTFOUND;
	}
	if (only_removes(change))
		return write_change(acc, storage, change, a);
	if ((e = matches_any(acc, storage, a, &any)) != ERR_OK)
		return e;
	if (!any) {
		*problem_out = "there is no such mailbox";
		return ERR_NOTFOUND;
	}
	return write_change(acc, storage, change, a);
}

/* ---- what it means ---- */

enum others_how
policy_delete(const struct policy *p)
{
	static const enum others_how how[] = {
		[DELETE_REFUSE] = OTHERS_REFUSE, [DELETE_GHOST] = OTHERS_KEEP,
		[DELETE_DISCONNECT] = OTHERS_END,
	};

	return how[p->deletion];
}

enum others_how
policy_rename(const struct policy *p)
{
	static const enum others_how how[] = {
		[RENAME_REFUSE] = OTHERS_REFUSE,
		[RENAME_DISCONNECT] = OTHERS_END,
		[RENAME_FOLLOW] = OTHERS_KEEP,
	};

	return how[p->renaming];
}

bool
policy_keeps_messages(const struct policy *p)
{
	return p->expunging == EXPUNGE_REFUSE;
}

static uint64_t
ghost_max_age(void *ctx, struct account *acc, struct span storage)
{
	return policy_for(ctx, acc, storage).ghost_max_age_ms;
}

void
policy_limits(const struct config *cfg, struct account_place *place)
{
	place->ghost_max_age = ghost_max_age;
	/* Handed back as it is. */
	place->ghost_ctx = (void *)(uintptr_t)cfg;
	place->ghost_max_bytes = cfg->multiaccess_ghost_max_size;
}
