/* Certificates and keys: of the server, and of names that clients ask for (SNI). */
#include "common/config_impl.h"
#include "common/log.h"

/* 2.3's name, a text or "<path"; 2.4's, a path. */
static const struct {
	const char *name, *file;
} pems[PEM_COUNT] = {
	[PEM_CERT] = { "ssl_cert", "ssl_server_cert_file" },
	[PEM_KEY] = { "ssl_key", "ssl_server_key_file" },
	[PEM_ALT_CERT] = { "ssl_alt_cert", "ssl_server_alt_cert_file" },
	[PEM_ALT_KEY] = { "ssl_alt_key", "ssl_server_alt_key_file" },
};

const char **
config_pem(struct config *cfg, enum config_pem_kind kind)
{
	switch (kind) {
	case PEM_CERT:
		return &cfg->ssl_cert;
	case PEM_KEY:
		return &cfg->ssl_key;
	case PEM_ALT_CERT:
		return &cfg->ssl_alt_cert;
	case PEM_ALT_KEY:
	case PEM_COUNT:
		break;
	}
	return &cfg->ssl_alt_key;
}

const char *
config_pem_name(enum config_pem_kind kind)
{
	return pems[kind].name;
}

/* ---- settings ---- */

/* 2.4: a path instead of "<path"; "inline:" for the text itself. */
static void
take_path(struct cfg_state *st, struct cfg_node *n, const char **text,
    const char **path)
{
	const char *value = cfg_value(st, n);

	if (value == NULL)
		return;
	*path = NULL;
	if (strncmp(value, "inline:", 7) == 0) {
		value += 7;
	} else if (!n->is_file && *value != '\0' && *value != '-') {
		n->is_file = true;
		n->raw = value;
		n->eval = EVAL_NOT_YET;
		if ((value = cfg_value(st, n)) == NULL)
			return;
	}
	if (n->is_file)
		*path = n->raw;
	*text = value;
}

static void
take_text(struct cfg_state *st, struct cfg_node *n, const char **text,
    const char **path)
{
	const char *value = cfg_value(st, n);

	if (value == NULL)
		return;
	if (!n->is_file && *value == '/' && strchr(value, '\n') == NULL) {
		cfg_problem(st, n, CFG_FATAL, "%s is a path; write %s = <%s, "
		    "so that the file is read", n->key, n->key,
		    log_text(span_of(value)));
		return;
	}
	*path = n->is_file ? n->raw : NULL;
	*text = value;
}

/* Which one a setting is; PEM_COUNT: none. */
static enum config_pem_kind
kind_of(const char *key, bool *is_path)
{
	int i = 0;

	for (; i < PEM_COUNT; i++) {
		*is_path = strcmp(key, pems[i].file) == 0;
		if (*is_path || strcmp(key, pems[i].name) == 0)
			break;
	}
	return (enum config_pem_kind)i;
}

static bool
take(struct cfg_state *st, struct cfg_node *n, struct config_pem pem[PEM_COUNT])
{
	bool is_path;
	enum config_pem_kind kind = kind_of(n->key, &is_path);

	if (kind == PEM_COUNT)
		return false;
	(is_path ? take_path : take_text)(st, n, &pem[kind].text,
	    &pem[kind].path);
	return true;
}

static size_t
row_of(enum config_pem_kind kind)
{
	return cfg_option_find(pems[kind].name);
}

bool
cfg_tls_take(struct cfg_state *st, struct cfg_node *n)
{
	struct config_pem pem[PEM_COUNT];
	bool is_path;
	enum config_pem_kind kind = kind_of(n->key, &is_path);

	if (kind == PEM_COUNT)
		return false;
	st->set_at[row_of(kind)] = n;
	pem[kind] = (struct config_pem){ *config_pem(st->cfg, kind),
		st->cfg->pem_path[kind] };
	take(st, n, pem);
	*config_pem(st->cfg, kind) = pem[kind].text;
	st->cfg->pem_path[kind] = pem[kind].path;
	return true;
}

/* ---- local_name ---- */

static void
take_host_settings(struct cfg_state *st, struct cfg_node *section,
    struct config_host *h)
{
	for (struct cfg_node *n = section->first; n != NULL; n = n->next) {
		/* 2.4: "ssl_server { cert_file = ... }" */
		if (n->is_section && strcmp(n->key, "ssl_server") == 0) {
			take_host_settings(st, n, h);
			continue;
		}
		if (strcmp(section->key, "ssl_server") == 0 &&
		    strncmp(n->key, "ssl_", 4) != 0)
			n->key = arena_printf(st->arena, "ssl_server_%s",
			    n->key);
		if ((n->is_section || !take(st, n, h->pem)) &&
		    cfg_first_time(st, "local_name", n->key))
			cfg_problem(st, n, CFG_IGNORED, "local_name %s: %s is "
			    "ignored: a name has a certificate and a key of "
			    "its own and nothing else; what stands outside of "
			    "the block counts", log_text(span_of(section->raw)),
			    log_text(span_of(n->key)));
	}
}

void
cfg_apply_local_name(struct cfg_state *st, struct cfg_node *section)
{
	struct config_host *h = arena_alloc(st->arena, sizeof *h), **end;

	*h = (struct config_host){ .names = section->raw };
	for (int i = 0; i < PEM_COUNT; i++)
		h->pem[i].text = "";
	take_host_settings(st, section, h);
	if (*h->names == '\0')
		cfg_problem(st, section, CFG_FATAL, "local_name needs the name "
		    "that clients ask for");
	/* Nothing of its own: shown what all are shown. */
	if (*h->pem[PEM_CERT].text == '\0')
		return;
	/* One key for several certificates stands outside. */
	if (*h->pem[PEM_KEY].text == '\0')
		h->pem[PEM_KEY] = (struct config_pem){ st->cfg->ssl_key,
			st->cfg->pem_path[PEM_KEY] };
	for (end = &st->cfg->hosts; *end != NULL; end = &(*end)->next)
		continue;
	*end = h;
}

/* ---- checks ---- */

/* Whether a file could not be read, which is a problem of its own. */
static bool
is_bad(const struct cfg_state *st, enum config_pem_kind kind)
{
	const struct cfg_node *at = st->set_at[row_of(kind)];

	return at != NULL && at->eval == EVAL_BAD;
}

static void
check_pair(struct cfg_state *st)
{
	struct config *cfg = st->cfg;
	const struct cfg_node *at = st->set_at[cfg_option_find("ssl")];

	if ((*cfg->ssl_cert != '\0' && *cfg->ssl_key != '\0') ||
	    is_bad(st, PEM_CERT) || is_bad(st, PEM_KEY))
		return;
	if (*cfg->ssl_cert != '\0' || *cfg->ssl_key != '\0' || at != NULL) {
		cfg_problem(st, at, CFG_FATAL, "ssl is %s, but %s is not set; "
		    "set it, or ssl = no to go without TLS",
		    cfg->ssl == SSL_REQUIRED ? "required" : "yes",
		    *cfg->ssl_cert == '\0' ? "ssl_cert" : "ssl_key");
		return;
	}
	cfg->ssl = SSL_NO;
	cfg_problem(st, NULL, CFG_NOTE, "ssl_cert and ssl_key are not set: TLS "
	    "is not offered");
}

void
cfg_finish_tls(struct cfg_state *st)
{
	static const char versions[] = "ANY|LATEST|SSLv3|TLSv1|TLSv1.1|TLSv1.2|"
	    "TLSv1.3";
	struct config *cfg = st->cfg;

	if (cfg_word_index(versions, cfg->ssl_min_protocol) < 0)
		cfg_problem(st, st->set_at[cfg_option_find("ssl_min_protocol")],
		    CFG_FATAL, "ssl_min_protocol = %s: the value must be one "
		    "of %s", log_text(span_of(cfg->ssl_min_protocol)),
		    versions);
	if (cfg->ssl == SSL_NO)
		return;
	check_pair(st);
	if ((*cfg->ssl_alt_cert == '\0') != (*cfg->ssl_alt_key == '\0') &&
	    !is_bad(st, PEM_ALT_CERT) && !is_bad(st, PEM_ALT_KEY))
		cfg_problem(st, st->set_at[row_of(*cfg->ssl_alt_cert == '\0' ?
		    PEM_ALT_KEY : PEM_ALT_CERT)], CFG_FATAL, "%s is not set: "
		    "the second certificate and its key belong together",
		    *cfg->ssl_alt_cert == '\0' ? "ssl_alt_cert" :
		    "ssl_alt_key");
}

/* ---- reading them again ---- */

/* A file's text of now in place of what there is; changed: whether it is another. */
static enum err
read_again(struct arena *a, const char *path, struct config_pem *pem,
    bool *changed)
{
	struct buf b = { .secret = true };
	const char *why = NULL;
	enum err e = ERR_OK;

	if (path == NULL)
		return ERR_OK;
	pem->path = arena_cstr(a, span_of(path));
	if ((e = cfg_read_file(path, &b, &why)) != ERR_OK)
		log_error("%s %s", path, why);
	else if (!span_eq(buf_span(&b), span_of(pem->text))) {
		pem->text = arena_cstr(a, buf_span(&b));
		*changed = true;
	}
	buf_clear(&b);
	return e;
}

static enum err
renew(const struct config *cfg, struct config *next, bool *changed)
{
	const struct config_host *from = cfg->hosts;
	struct config_host *h = next->hosts;
	enum err e = ERR_OK;

	for (int i = 0; e == ERR_OK && i < PEM_COUNT; i++) {
		const char **text = config_pem(next, (enum config_pem_kind)i);
		struct config_pem pem = { .text = *text };

		e = read_again(&next->arena, cfg->pem_path[i], &pem, changed);
		*text = pem.text;
		next->pem_path[i] = pem.path;
	}
	for (; e == ERR_OK && h != NULL; h = h->next, from = from->next)
		for (int i = 0; e == ERR_OK && i < PEM_COUNT; i++)
			e = read_again(&next->arena, from->pem[i].path,
			    &h->pem[i], changed);
	return e;
}

enum err
config_renew_certificates(const struct config *cfg, struct config **out)
{
	struct config_problem *problems = NULL;
	struct buf text = { .secret = true };
	bool changed = false;
	enum err e;

	config_print(cfg, false, true, &text);
	e = config_parse(buf_span(&text), cfg->path, out, &problems);
	buf_clear(&text);
	if (e == ERR_OK)
		e = renew(cfg, *out, &changed);
	if (e != ERR_OK || !changed)
		config_free(out);
	return e;
}
