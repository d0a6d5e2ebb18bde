/* Values of settings: files read, $references followed. */
#include <stdlib.h>

#include "common/config_impl.h"
#include "common/log.h"

/* The last setting `key` of a section that was read before `seq`. */
static struct cfg_node *
last_in(struct cfg_node *section, struct span key, uint32_t seq)
{
	struct cfg_node *found = NULL;

	for (struct cfg_node *n = section->first; n != NULL; n = n->next) {
		if (!n->is_section && n->seq < seq &&
		    span_eq(span_of(n->key), key))
			found = n;
	}
	return found;
}

/* The nearest setting `key`: in the section of `from`, else further out. */
static struct cfg_node *
in_scope(struct cfg_node *from, struct span key, uint32_t seq)
{
	struct cfg_node *found = NULL;

	for (struct cfg_node *s = from->parent; s != NULL && found == NULL;
	    s = s->parent)
		found = last_in(s, key, seq);
	return found;
}

/* "service/imap/process_limit" from the top; the last one there is. */
static struct cfg_node *
by_path(struct cfg_node *section, struct span path, int depth)
{
	struct span kind = path, name, rest, key;
	struct cfg_node *found = NULL, *hit;

	kind = span_cut(&path, '/');
	if (path.p == NULL || depth > CFG_DEPTH_SECTION)
		return last_in(section, kind, UINT32_MAX);
	rest = path;
	name = span_cut(&rest, '/');
	for (struct cfg_node *n = section->first; n != NULL; n = n->next) {
		if (!n->is_section || !span_eq(span_of(n->key), kind))
			continue;
		key = rest.p != NULL && span_eq(span_of(n->raw), name) ? rest :
		    path;
		if ((hit = by_path(n, key, depth + 1)) != NULL)
			found = hit;
	}
	return found;
}

/* "$imap-login:x": x in the last section of that kind or name, before `seq`. */
static struct cfg_node *
by_section(struct cfg_node *section, struct span name, struct span key,
    uint32_t seq)
{
	struct cfg_node *found = NULL, *hit;

	for (struct cfg_node *n = section->first; n != NULL; n = n->next) {
		if (!n->is_section || n->seq > seq)
			continue;
		hit = by_section(n, name, key, seq);
		if (hit == NULL && (span_eq(span_of(n->key), name) ||
		    span_eq(span_of(n->raw), name)))
			hit = last_in(n, key, seq);
		if (hit != NULL)
			found = hit;
	}
	return found;
}

static const char *evaluate(struct cfg_state *st, struct cfg_node *n,
    int depth);

/*
 * What "$name" stands for, or NULL. 2.3 looks only at what was written before;
 * 2.4 ($SET:) at the whole, unless a setting refers to itself.
 */
static const char *
lookup(struct cfg_state *st, struct cfg_node *from, struct span name, int depth)
{
	struct cfg_node *n;
	const char *v;
	size_t row;

	if (span_starts(name, SPAN("ENV:"))) {
		v = getenv(arena_cstr(st->arena,
		    (struct span){ name.p + 4, name.n - 4 }));
		return v == NULL ? "" : arena_cstr(st->arena, span_of(v));
	}
	if (span_starts(name, SPAN("SET:"))) {
		name = (struct span){ name.p + 4, name.n - 4 };
		n = span_find(name, '/') < name.n ?
		    by_path(&st->root, name, 0) :
		    in_scope(from, name, span_eq(name, span_of(from->key)) ?
		    from->seq : UINT32_MAX);
	} else if (span_find(name, ':') < name.n) {
		struct span key = name, section = span_cut(&key, ':');

		n = by_section(&st->root, section, key, from->seq);
	} else {
		n = in_scope(from, name, from->seq);
	}
	if (n != NULL)
		return evaluate(st, n, depth + 1);
	row = cfg_option_find(arena_cstr(st->arena, name));
	if (row < cfg_option_count)
		return cfg_options[row].initial;
	/* Dovecot's own defaults that configurations refer to. */
	if (span_eq(name, SPAN("mail_plugins")))
		return "";
	if (span_eq(name, SPAN("default_internal_group")))
		return "dovecot";
	return NULL;
}

static bool
is_name_start(char c)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* raw with every word that is "$name" replaced. False: problem reported. */
static bool
replace(struct cfg_state *st, struct cfg_node *n, struct buf *out, int depth)
{
	struct span rest = span_of(n->raw);
	const char *v;

	for (bool first = true; rest.p != NULL; first = false) {
		struct span word = span_cut(&rest, ' ');

		if (!first)
			buf_addc(out, ' ');
		if (word.n < 2 || *word.p != '$' || !is_name_start(word.p[1])) {
			buf_add_span(out, word);
			continue;
		}
		v = lookup(st, n, (struct span){ word.p + 1, word.n - 1 },
		    depth);
		if (v == NULL) {
			cfg_problem(st, n, CFG_FATAL, "%s refers to %s, which "
			    "has no value here; for a plain \"$\" use quotes",
			    log_text(span_of(n->key)), log_text(word));
			return false;
		}
		buf_adds(out, v);
	}
	return true;
}

static bool
read_value(struct cfg_state *st, struct cfg_node *n, struct buf *out)
{
	const char *path = cfg_relative(st->arena, n->file, n->raw);
	const char *why = NULL;

	if (st->no_files)
		return true;
	n->raw = path;
	if (*path == '\0')
		why = "there is no file name after \"<\"";
	else if (cfg_read_file(path, out, &why) == ERR_OK &&
	    memchr(out->p == NULL ? "" : out->p, '\0', out->n) != NULL)
		why = "has a NUL byte in it";
	if (why == NULL)
		return true;
	cfg_problem(st, n, CFG_FATAL, "%s: cannot read %s: %s",
	    log_text(span_of(n->key)), log_text(span_of(path)), why);
	return false;
}

static const char *
evaluate(struct cfg_state *st, struct cfg_node *n, int depth)
{
	struct buf out = { .max = n->is_file ? CFG_FILE_MAX : CFG_REF_MAX,
		.secret = true };
	bool good;

	if (n->eval == EVAL_DONE)
		return n->value;
	if (n->eval != EVAL_NOT_YET || depth > CFG_DEPTH_REF)
		return NULL;
	if (!n->is_file && (n->quoted || strchr(n->raw, '$') == NULL)) {
		n->eval = EVAL_DONE;
		return n->value = n->raw;
	}
	n->eval = EVAL_BUSY;
	good = n->is_file ? read_value(st, n, &out) :
	    replace(st, n, &out, depth);
	if (out.over && good) {
		good = false;
		cfg_problem(st, n, CFG_FATAL, "%s is longer than %zu bytes",
		    log_text(span_of(n->key)), out.max);
	}
	if (good)
		n->value = arena_cstr(st->arena, n->is_file ? buf_span(&out) :
		    span_trim(buf_span(&out)));
	n->eval = good ? EVAL_DONE : EVAL_BAD;
	buf_clear(&out);
	return n->value;
}

const char *
cfg_value(struct cfg_state *st, struct cfg_node *n)
{
	return evaluate(st, n, 0);
}
