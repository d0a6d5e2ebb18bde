/* Settings that Loft has no use for: ignored and why, fatal, or unknown. */
#include <strings.h>

#include "common/config_impl.h"
#include "common/log.h"

enum reason {
#define REASON(id, text) REASON_##id,
#include "common/config_ignored.def"
};

static const char *const reasons[] = {
#define REASON(id, text) [REASON_##id] = text,
#include "common/config_ignored.def"
};

static const struct known {
	enum cfg_scope scope;
	enum reason reason;
	const char *names;
} known[] = {
#define KNOWN(scope, reason, names) { SCOPE_##scope, REASON_##reason, names },
#include "common/config_ignored.def"
};

static const struct must {
	enum cfg_scope scope;
	const char *names, *values, *text;
} musts[] = {
#define MUST(scope, names, values, text) { SCOPE_##scope, names, values, text },
#include "common/config_ignored.def"
};

/* What a scope knows besides the rows: for the nearest name. */
static const char *const honoured[] = {
	[SCOPE_TOP] = "auth_allow_cleartext ssl_server_cert_file "
	    "ssl_server_key_file ssl_server_alt_cert_file "
	    "ssl_server_alt_key_file mail_driver mail_path mail_inbox_path "
	    "mail_index_path mail_control_path mail_volatile_path "
	    "mailbox_list_layout mailbox_list_utf8 dovecot_config_version "
	    "dovecot_storage_version",
	[SCOPE_SECTION] = "passdb userdb namespace service protocol plugin "
	    "group protocols mail_plugins auth_mechanisms ssl_server "
	    "local_name",
	[SCOPE_SERVICE] = "inet_listener process_min_avail process_limit",
	[SCOPE_LISTENER] = "port ssl haproxy address listen mode user "
	    "group",
	[SCOPE_NAMESPACE] = "type prefix separator inbox hidden list "
	    "subscriptions disabled location mailbox",
	[SCOPE_MAILBOX] = "auto special_use",
	[SCOPE_PASSDB] = "driver args default_password_scheme "
	    "passwd_file_path auth_username_format password fields",
	[SCOPE_USERDB] = "driver args passwd_file_path auth_username_format "
	    "fields default_fields",
	[SCOPE_PLUGIN] = "",
};

/* Whether a list of names has this one; "x_*" is all that begin so. */
static bool
lists(const char *names, const char *name)
{
	struct span rest = span_of(names), w;

	while ((w = cfg_next_word(&rest)).p != NULL) {
		if (w.p[w.n - 1] == '*' ? span_starts(span_of(name),
		    (struct span){ w.p, w.n - 1 }) : span_eq(w, span_of(name)))
			return true;
	}
	return false;
}

/* Letters to change, put in or leave out to make a out of b; at most `max`. */
static unsigned
distance(struct span a, struct span b, unsigned max)
{
	unsigned row[65], left, above;

	if (a.n > 64 || b.n > 64 || a.n >= b.n + max || b.n >= a.n + max)
		return max;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		left = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			above = row[j];
			row[j] = left + (a.p[i - 1] != b.p[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			left = above;
		}
	}
	return row[b.n] < max ? row[b.n] : max;
}

struct nearest {
	struct span name, best;
	unsigned distance;
};

static void
compare(struct nearest *n, const char *names)
{
	struct span rest = span_of(names), w;
	unsigned d;

	while ((w = cfg_next_word(&rest)).p != NULL) {
		if (w.p[w.n - 1] == '*')
			continue;
		d = distance(n->name, w, n->distance);
		if (d < n->distance) {
			n->distance = d;
			n->best = w;
		}
	}
}

/* The known name that differs in less than a third of its letters, or none. */
static struct span
nearest(const char *name, enum cfg_scope scope)
{
	struct nearest n = { .name = span_of(name) };

	n.distance = (unsigned)(n.name.n / 3 + 1);
	compare(&n, honoured[scope]);
	for (size_t i = 0; i < cfg_option_count; i++) {
		if (scope == SCOPE_TOP &&
		    strchr(cfg_options[i].name, '/') == NULL)
			compare(&n, cfg_options[i].name);
	}
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].scope == scope)
			compare(&n, known[i].names);
	}
	for (size_t i = 0; i < sizeof musts / sizeof *musts; i++) {
		if (musts[i].scope == scope)
			compare(&n, musts[i].names);
	}
	return n.best;
}

/* The name with the blocks it is in, as an administrator would say it. */
static const char *
full_name(struct cfg_state *st, const struct cfg_node *n, enum cfg_scope scope)
{
	const struct cfg_node *p = n->parent;
	struct buf b = { 0 };
	const char *s;

	if (n->is_section) {
		buf_adds(&b, log_text(span_of(n->key)));
		if (*n->raw != '\0')
			buf_addf(&b, " %s", log_text(span_of(n->raw)));
	} else {
		if (p->parent != NULL && scope != SCOPE_TOP) {
			buf_adds(&b, log_text(span_of(p->key)));
			if (*p->raw != '\0')
				buf_addf(&b, " %s", log_text(span_of(p->raw)));
			buf_adds(&b, ": ");
		}
		buf_adds(&b, log_text(span_of(n->key)));
	}
	s = arena_cstr(st->arena, buf_span(&b));
	buf_clear(&b);
	return s;
}

/* True when the row is about it: whether fatal or in order. */
static bool
is_must(struct cfg_state *st, struct cfg_node *n, enum cfg_scope scope,
    const char *name)
{
	const char *value;

	for (size_t i = 0; i < sizeof musts / sizeof *musts; i++) {
		const struct must *m = &musts[i];

		if (m->scope != scope || !lists(m->names, n->key))
			continue;
		value = n->is_section ? "{" : cfg_value(st, n);
		if (value != NULL && *value != '\0' &&
		    (*m->values == '\0' ||
		    cfg_word_index(m->values, value) < 0))
			cfg_problem(st, n, CFG_FATAL, "%s%s%.60s: %s", name,
			    n->is_section ? "" : " = ",
			    n->is_section ? "" : log_text(span_of(value)),
			    m->text);
		return true;
	}
	return false;
}

static const struct known *
find_known(const char *name, enum cfg_scope scope)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i].scope == scope && lists(known[i].names, name))
			return &known[i];
	}
	return NULL;
}

void
cfg_ignore(struct cfg_state *st, struct cfg_node *n, enum cfg_scope scope)
{
	const char *name = full_name(st, n, scope);
	enum cfg_scope top = n->is_section ? SCOPE_SECTION : SCOPE_TOP;
	const struct known *k;
	struct span near;

	/* In 2.4 a setting may stand in any block, whatever it does there. */
	if (is_must(st, n, scope, name) ||
	    (scope != SCOPE_TOP && is_must(st, n, top, name)))
		return;
	k = find_known(n->key, scope);
	if (k == NULL)
		k = find_known(n->key, top);
	if (!cfg_first_time(st, "ignored", name))
		return;
	if (k != NULL) {
		cfg_problem(st, n, CFG_IGNORED, "%s is ignored: %s", name,
		    reasons[k->reason]);
		return;
	}
	if (!n->is_section && scope != SCOPE_TOP &&
	    (cfg_option_find(n->key) < cfg_option_count ||
	    lists(honoured[SCOPE_TOP], n->key))) {
		cfg_problem(st, n, CFG_NOTE, "%s has no effect here: it counts "
		    "outside of blocks only", name);
		return;
	}
	near = nearest(n->key, n->is_section && scope == SCOPE_TOP ?
	    SCOPE_SECTION : scope);
	cfg_problem(st, n, CFG_NOTE, near.p == NULL ?
	    "%s is unknown and ignored" :
	    "%s is unknown and ignored; did you mean %.*s?", name, (int)near.n,
	    near.p);
}
