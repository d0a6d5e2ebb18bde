/* loftctl policy: what several sessions of a mailbox may do to each other. */
#include "common/config_multi.h"
#include "common/log.h"
#include "maildir/policy_file.h"
#include "worker/admin.h"
#include "worker/namespace.h"
#include "worker/policy.h"

#include <stdbool.h>
#include <stdint.h>

int
admin_policy_get(struct admin *a)
{
	struct buf b = { 0 };
	struct span storage, lines;

	if (namespace_to_storage(a->cfg, a->arg[0], &a->arena, &storage) !=
	    ERR_OK) {
		buf_addf(&a->out, "%s: no mailbox can have this name\n",
		    log_text(a->arg[0]));
		return ADMIN_USAGE;
	}
	policy_describe(a->cfg, a->account, storage, &b);
	buf_adds(&a->out, "setting\tvalue\tsource\tpattern\n");
	for (lines = buf_span(&b); lines.n > 0; buf_addc(&a->out, '\n')) {
		struct span line = span_cut(&lines, '\n');

		for (int i = 0; i < 4; i++) {
			if (i > 0)
				buf_addc(&a->out, '\t');
			admin_word(a, span_cut(&line, '\t'));
		}
	}
	buf_clear(&b);
	return ADMIN_OK;
}

int
admin_policy_list(struct admin *a)
{
	const struct policy_rule *rule;
	size_t n;

	policy_file_rules(a->account, &rule, &n);
	buf_adds(&a->out, "pattern\tsettings\n");
	for (size_t i = 0; i < n; i++) {
		struct buf b = { 0 };

		namespace_from_storage(a->cfg, rule[i].pattern, &b);
		admin_word(a, buf_span(&b));
		buf_addc(&a->out, '\t');
		admin_word(a, rule[i].settings);
		buf_addc(&a->out, '\n');
		buf_clear(&b);
	}
	return ADMIN_OK;
}

/* The setting of that name, with or without "multiaccess_"; false: there is none. */
static bool
find_setting(struct admin *a, struct span name, enum config_multi *out)
{
	const char *text = arena_cstr(&a->arena, name);

	if ((*out = config_multi_find(text)) == MULTI_COUNT)
		*out = config_multi_find(arena_printf(&a->arena,
		    "multiaccess_%s", text));
	if (*out != MULTI_COUNT)
		return true;
	buf_addf(&a->out, "%s: unknown setting\n", log_text(name));
	return false;
}

static int
change(struct admin *a, const int64_t changes[MULTI_COUNT])
{
	const char *problem;
	enum err e = policy_change(a->cfg, a->account, a->arg[0], changes,
	    &a->arena, &problem);

	if (e == ERR_OK)
		return ADMIN_OK;
	if (problem != NULL || e == ERR_SYNTAX || e == ERR_LIMIT) {
		buf_addf(&a->out, "%s: %s\n", log_text(a->arg[0]),
		    problem != NULL ? problem : e == ERR_LIMIT ?
		    "there are too many rules" : "no rule can be of this");
		return ADMIN_USAGE;
	}
	buf_addf(&a->out, "the rules cannot be written (%s); the log says "
	    "why\n", err_name(e));
	return e == ERR_BUSY ? ADMIN_TEMPFAIL : ADMIN_CANTCREAT;
}

int
admin_policy_set(struct admin *a)
{
	int64_t changes[MULTI_COUNT];
	enum config_multi m;

	config_multi_clear(changes);
	for (size_t i = 1; i < a->n; i++) {
		struct span value = a->arg[i], name = span_cut(&value, '=');
		const char *why = "is missing";

		if (!find_setting(a, name, &m))
			return ADMIN_USAGE;
		if (value.p == NULL || !config_multi_parse(m, arena_cstr(
		    &a->arena, value), &a->arena, &changes[m], &why)) {
			buf_addf(&a->out, "%s: the value %s\n",
			    log_text(a->arg[i]), why);
			return ADMIN_USAGE;
		}
	}
	return change(a, changes);
}

int
admin_policy_unset(struct admin *a)
{
	int64_t changes[MULTI_COUNT];
	enum config_multi m;

	config_multi_clear(changes);
	for (int i = 0; i < MULTI_COUNT && a->n == 1; i++)
		changes[i] = POLICY_REMOVE;
	for (size_t i = 1; i < a->n; i++) {
		if (!find_setting(a, a->arg[i], &m))
			return ADMIN_USAGE;
		changes[m] = POLICY_REMOVE;
	}
	return change(a, changes);
}
