/* The configuration: reading it whole, with all that is to be said about it. */
#include "common/config.h"

#include <stdlib.h>

#include "common/config_impl.h"
#include "common/digest.h"
#include "common/log.h"

/* A problem and where it belongs in the order of reading. */
struct ordered_problem {
	struct config_problem p;
	uint32_t seq;
};

struct cfg_told {
	struct cfg_told *next;
	const char *scope, *name;
};

static void
add_in_order(struct cfg_state *st, struct ordered_problem *o)
{
	struct config_problem **at = &st->problems;

	while (*at != NULL && ((struct ordered_problem *)*at)->seq <= o->seq)
		at = &(*at)->next;
	o->p.next = *at;
	*at = &o->p;
}

void
cfg_problem(struct cfg_state *st, const struct cfg_node *at,
    enum cfg_level level, const char *fmt, ...)
{
	struct ordered_problem *o;
	struct buf text = { .max = 2000 };
	va_list ap;

	st->failed = st->failed || level == CFG_FATAL;
	if (++st->problem_count > CFG_PROBLEMS_MAX + 1)
		return;
	o = arena_alloc(st->arena, sizeof *o);
	o->seq = at == NULL || at->seq == 0 ? UINT32_MAX : at->seq;
	o->p.file = at == NULL || at->file == NULL ? st->cfg->path : at->file;
	o->p.line = at == NULL ? 0 : at->line;
	o->p.is_fatal = level == CFG_FATAL;
	o->p.is_ignored = level == CFG_IGNORED;
	if (st->problem_count > CFG_PROBLEMS_MAX) {
		o->seq = UINT32_MAX;
		o->p.is_fatal = true;
		o->p.text = "there is more to be said than is shown here";
		st->failed = true;
	} else {
		va_start(ap, fmt);
		buf_addv(&text, fmt, ap);
		va_end(ap);
		o->p.text = arena_cstr(st->arena, buf_span(&text));
		buf_clear(&text);
	}
	add_in_order(st, o);
}

bool
cfg_first_time(struct cfg_state *st, const char *scope, const char *name)
{
	struct cfg_told *t;

	for (t = st->told; t != NULL; t = t->next) {
		if (strcmp(t->scope, scope) == 0 && strcmp(t->name, name) == 0)
			return false;
	}
	t = arena_alloc(st->arena, sizeof *t);
	t->scope = arena_cstr(st->arena, span_of(scope));
	t->name = arena_cstr(st->arena, span_of(name));
	t->next = st->told;
	st->told = t;
	return true;
}

static struct config *
new_config(const char *path)
{
	struct config *cfg = calloc(1, sizeof *cfg);
	const char *why;

	if (cfg == NULL)
		fatal("out of memory");
	cfg->path = arena_cstr(&cfg->arena, span_of(path));
	for (size_t i = 0; i < cfg_option_count; i++) {
		if (!cfg_option_set(cfg, &cfg_options[i],
		    cfg_options[i].initial, &cfg->arena, &why))
			panic("default of %s: %s", cfg_options[i].name, why);
	}
	return cfg;
}

enum err
cfg_parse(struct span text, const char *path, bool no_files,
    struct config **cfg_out, struct config_problem **problems_out)
{
	struct cfg_state st = { .no_files = no_files };

	st.cfg = *cfg_out = new_config(path);
	st.arena = &st.cfg->arena;
	st.root.raw = st.root.key = "";
	st.set_at = arena_array(st.arena, cfg_option_count, sizeof *st.set_at);
	cfg_read_text(&st, text, st.cfg->path, &st.root);
	cfg_apply(&st);
	cfg_finish_listeners(&st);
	cfg_finish_namespaces(&st);
	cfg_finish_auth(&st);
	*problems_out = st.problems;
	return st.failed ? ERR_SYNTAX : ERR_OK;
}

enum err
config_parse(struct span text, const char *path, struct config **cfg_out,
    struct config_problem **problems_out)
{
	return cfg_parse(text, path, false, cfg_out, problems_out);
}

enum err
config_load(const char *path, struct config **cfg_out,
    struct config_problem **problems_out)
{
	struct buf text = { .secret = true };
	const char *why = NULL;
	enum err e = cfg_read_file(path, &text, &why);

	if (e == ERR_OK) {
		e = config_parse(buf_span(&text), path, cfg_out, problems_out);
	} else {
		struct cfg_state st = { .cfg = new_config(path) };

		if (e != ERR_NOTFOUND && e != ERR_PERM)
			e = ERR_IO;
		st.arena = &st.cfg->arena;
		cfg_problem(&st, NULL, CFG_FATAL, "the configuration file %s",
		    why);
		*cfg_out = st.cfg;
		*problems_out = st.problems;
	}
	buf_clear(&text);
	return e;
}

/* The arena gives memory back as it is. */
static void
wipe(const char *secret)
{
	if (secret != NULL)
		secret_wipe((char *)(uintptr_t)secret, strlen(secret));
}

bool
config_serves(const struct config *cfg, const char *protocol)
{
	struct span words = span_of(cfg->protocols);

	while (words.n > 0)
		if (span_eq(span_cut(&words, ' '), span_of(protocol)))
			return true;
	return false;
}

void
config_free(struct config **cfg)
{
	struct arena a;

	if (*cfg == NULL)
		return;
	wipe((*cfg)->ssl_key);
	wipe((*cfg)->ssl_alt_key);
	for (struct config_host *h = (*cfg)->hosts; h != NULL; h = h->next) {
		wipe(h->pem[PEM_KEY].text);
		wipe(h->pem[PEM_ALT_KEY].text);
	}
	for (struct config_passdb *p = (*cfg)->passdb; p != NULL; p = p->next)
		wipe(p->password);
	a = (*cfg)->arena;
	free(*cfg);
	arena_free(&a);
	*cfg = NULL;
}

bool
config_needs_restart(const struct config *now, const struct config *next,
    struct buf *names)
{
	struct buf a = { 0 }, b = { 0 };
	size_t before = names->n;

	for (size_t i = 0; i < cfg_option_count; i++) {
		if (cfg_options[i].reload)
			continue;
		buf_reset(&a);
		buf_reset(&b);
		cfg_option_text(now, &cfg_options[i], &a);
		cfg_option_text(next, &cfg_options[i], &b);
		if (span_eq(buf_span(&a), buf_span(&b)))
			continue;
		if (names->n > 0)
			buf_addc(names, ' ');
		buf_adds(names, cfg_options[i].name);
	}
	buf_clear(&a);
	buf_clear(&b);
	return names->n > before;
}
