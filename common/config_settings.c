/* Settings outside of blocks, and which block goes where. */
#include <strings.h>

#include "common/config_impl.h"
#include "common/log.h"
#include "common/mechanism.h"

static size_t
row_of(const void *field, const struct config *cfg)
{
	size_t offset = (size_t)((const char *)field - (const char *)cfg);
	size_t i = 0;

	while (i < cfg_option_count && cfg_options[i].offset != offset)
		i++;
	return i;
}

static void
set_row(struct cfg_state *st, struct cfg_node *n, size_t row, const char *value)
{
	const struct cfg_option *o = &cfg_options[row];
	const char *why = NULL;

	st->set_at[row] = n;
	if (!cfg_option_set(st->cfg, o, value, st->arena, &why))
		cfg_problem(st, n, CFG_FATAL, "%s = %s: the value %s",
		    log_text(span_of(n->key)), log_text(span_of(value)), why);
}

/* ---- settings that are not simply stored ---- */

/* What is served, as `protocols` is kept: bit n for the n-th, both for the last. */
static const char *const served[] = { "", "imap", "lmtp", "imap lmtp" };
enum { SERVES_IMAP = 1, SERVES_LMTP = 2 };

/* A word of "imap pop3 lmtp", or of the block "protocols { imap = yes }". */
static unsigned
check_protocol(struct cfg_state *st, const struct cfg_node *at,
    struct span word)
{
	const char *name = arena_cstr(st->arena, word);

	if (span_ieq(word, SPAN("imap")) || span_ieq(word, SPAN("imaps")))
		return SERVES_IMAP;
	if (span_ieq(word, SPAN("lmtp")))
		return SERVES_LMTP;
	if (!span_ieq(word, SPAN("none")) &&
	    cfg_first_time(st, "protocols", name))
		cfg_problem(st, at, CFG_IGNORED, "protocols: %s is ignored: "
		    "Loft serves IMAP and LMTP only; let another server go on "
		    "with this protocol",
		    log_text(word));
	return 0;
}

/* As the settings before left it; the default is no list to add to. */
static unsigned
served_so_far(const struct cfg_state *st)
{
	unsigned i = 0;

	if (st->set_at[row_of(&st->cfg->protocols, st->cfg)] == NULL)
		return 0;
	while (strcmp(served[i], st->cfg->protocols) != 0)
		i++;
	return i;
}

static void
set_protocols(struct cfg_state *st, struct cfg_node *n)
{
	const char *value;
	struct span rest, w;
	unsigned serves = 0, one;
	bool yes;

	if (!n->is_section) {
		if ((value = cfg_value(st, n)) == NULL)
			return;
		rest = span_of(value);
		while ((w = cfg_next_word(&rest)).p != NULL)
			serves |= check_protocol(st, n, w);
	} else {
		serves = served_so_far(st);
		for (struct cfg_node *c = n->first; c != NULL; c = c->next) {
			if (c->is_section || (value = cfg_value(st, c)) == NULL)
				continue;
			if (!cfg_to_bool(value, &yes)) {
				cfg_problem(st, c, CFG_FATAL, "protocols: %s "
				    "must be yes or "
				    "no", log_text(span_of(c->key)));
				continue;
			}
			one = strcmp(c->key, "imap") == 0 ? SERVES_IMAP :
			    strcmp(c->key, "lmtp") == 0 ? SERVES_LMTP : 0;
			serves = yes ? serves | check_protocol(st, c,
			    span_of(c->key)) : serves & ~one;
		}
	}
	st->set_at[row_of(&st->cfg->protocols, st->cfg)] = n;
	st->cfg->protocols = served[serves];
}

static void
note_plugin(struct cfg_state *st, struct cfg_node *n, const char *name)
{
	static const struct {
		const char *name, *text;
	} fatal_plugins[] = {
		{ "mail_crypt", "Loft does not read encrypted messages; they "
		    "would be shown as they are on disk" },
		{ "lazy_expunge", "expunged messages would really be gone, "
		    "because Loft does not keep them; take it out of "
		    "mail_plugins if that is meant" },
		{ "listescape", "Loft does not unescape folder names on disk, "
		    "so that folders would change their names" },
	};

	size_t n_fatal = sizeof fatal_plugins / sizeof *fatal_plugins;

	for (size_t i = 0; i < n_fatal; i++) {
		if (strcmp(name, fatal_plugins[i].name) == 0 &&
		    cfg_first_time(st, "plugin", name))
			cfg_problem(st, n, CFG_FATAL, "mail_plugins: %s: "
			    "%s", name,
			    fatal_plugins[i].text);
	}
	if (strcmp(name, "acl") == 0)
		st->cfg->acl = ACL_VFILE;
	if (strcmp(name, "quota") == 0 && st->cfg->quota_plugin == QUOTA_NO)
		st->cfg->quota_plugin = QUOTA_YES;
	if (strcmp(name, "imap_quota") == 0)
		st->cfg->quota_plugin = QUOTA_IMAP;
	if ((strcmp(name, "zlib") == 0 || strcmp(name, "mail_compress") == 0) &&
	    cfg_first_time(st, "plugin", "zlib"))
		cfg_problem(st, n, CFG_NOTE, "mail_plugins: %s: Loft does not "
		    "read compressed messages; if there are any in the "
		    "Maildirs, uncompress them first", name);
}

static void
note_plugins(struct cfg_state *st, struct cfg_node *n)
{
	const char *value;
	struct span rest, w;
	bool yes;

	if (n->is_section) {
		for (struct cfg_node *c = n->first; c != NULL; c = c->next) {
			if (!c->is_section &&
			    (value = cfg_value(st, c)) != NULL &&
			    cfg_to_bool(value, &yes) && yes)
				note_plugin(st, c, c->key);
		}
	} else if ((value = cfg_value(st, n)) != NULL) {
		rest = span_of(value);
		while ((w = cfg_next_word(&rest)).p != NULL)
			note_plugin(st, n, arena_cstr(st->arena, w));
	}
	if (cfg_first_time(st, "ignored", "mail_plugins"))
		cfg_problem(st, n, CFG_IGNORED, "mail_plugins is ignored: "
		    "Dovecot's plugins are not loaded");
}

/* "plain, login, ..." */
static const char *
all_mechanisms(struct arena *a)
{
	const struct mechanism *m;
	const char *list = "";

	for (size_t i = 0; (m = mechanism_at(i)) != NULL; i++)
		list = arena_printf(a, "%s%s%s", list, i > 0 ? ", " : "",
		    m->name);
	return list;
}

static void
set_mechanisms(struct cfg_state *st, struct cfg_node *n)
{
	const char *all = all_mechanisms(st->arena);
	const char *value = n->is_section ? NULL : cfg_value(st, n);
	struct span rest = span_of(value), w;
	struct buf known = { 0 };
	struct cfg_node *c = n->first;
	bool yes;

	while (n->is_section ? c != NULL :
	    (w = cfg_next_word(&rest)).p != NULL) {
		if (n->is_section) {
			value = c->is_section ? NULL : cfg_value(st, c);
			w = span_of(c->key);
			c = c->next;
			if (value == NULL || !cfg_to_bool(value, &yes) || !yes)
				continue;
		}
		if (mechanism_find(w) != NULL)
			buf_addf(&known, "%s%.*s", known.n > 0 ? " " : "",
			    (int)w.n, w.p);
		else if (cfg_first_time(st, "mechanism",
		    arena_cstr(st->arena, w)))
			cfg_problem(st, n, CFG_IGNORED, "auth_mechanisms: %s "
			    "is ignored: Loft has %s", log_text(w), all);
	}
	if (n->is_section || value != NULL) {
		st->set_at[row_of(&st->cfg->auth_mechanisms, st->cfg)] = n;
		st->cfg->auth_mechanisms = arena_cstr(st->arena,
		    buf_span(&known));
		if (known.n == 0)
			cfg_problem(st, n, CFG_FATAL, "auth_mechanisms: none "
			    "of them is offered, so that nobody could log in; "
			    "Loft has %s", all);
	}
	buf_clear(&known);
}

static void
set_cleartext(struct cfg_state *st, struct cfg_node *n)
{
	const char *value = cfg_value(st, n);
	bool yes;

	if (value == NULL)
		return;
	if (!cfg_to_bool(value, &yes)) {
		cfg_problem(st, n, CFG_FATAL, "%s = %s: the value must be yes "
		    "or no",
		    n->key, log_text(span_of(value)));
		return;
	}
	st->set_at[row_of(&st->cfg->disable_plaintext_auth, st->cfg)] = n;
	st->cfg->disable_plaintext_auth = !yes;
}

static bool
set_special(struct cfg_state *st, struct cfg_node *n)
{
	if (strcmp(n->key, "auth_allow_cleartext") == 0)
		set_cleartext(st, n);
	else if (strcmp(n->key, "protocols") == 0)
		set_protocols(st, n);
	else if (strcmp(n->key, "mail_plugins") == 0)
		note_plugins(st, n);
	else if (strcmp(n->key, "auth_mechanisms") == 0)
		set_mechanisms(st, n);
	else
		return cfg_tls_take(st, n) ||
		    strcmp(n->key, "dovecot_config_version") == 0 ||
		    strcmp(n->key, "dovecot_storage_version") == 0 ||
		    cfg_location_take(st, &st->mail, n);
	return true;
}

static void
apply_setting(struct cfg_state *st, struct cfg_node *n)
{
	size_t row = strchr(n->key, '/') == NULL ? cfg_option_find(n->key) :
	    cfg_option_count;
	const char *value;

	if (set_special(st, n) || cfg_quota_take(st, n))
		return;
	if (row == cfg_option_count)
		cfg_ignore(st, n, SCOPE_TOP);
	else if ((value = cfg_value(st, n)) != NULL)
		set_row(st, n, row, value);
}

/* ---- blocks ---- */

/* All settings come before any block: blocks take from them. */
enum pass { PASS_SETTINGS, PASS_BLOCKS };

static void apply_all(struct cfg_state *st, struct cfg_node *first,
    enum pass pass);

/* 2.4: "@label = name" puts the group's settings here. */
static void
apply_group(struct cfg_state *st, struct cfg_node *n, enum pass pass)
{
	const char *value = cfg_value(st, n);
	struct cfg_node *first = value == NULL ? NULL :
	    cfg_group(st, n->key, value);

	if (value == NULL || ++st->groups > 1000)
		return;
	if (first != NULL)
		apply_all(st, first, pass);
	else if (cfg_first_time(st, "group", n->key))
		cfg_problem(st, n, CFG_NOTE, "%s = %s: there is no such group; "
		    "ignored", log_text(span_of(n->key)),
		    log_text(span_of(value)));
}

static void
apply_plugin(struct cfg_state *st, struct cfg_node *section)
{
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		if (!n->is_section && strcmp(n->key, "acl_shared_dict") == 0)
			apply_setting(st, n);
		else if (!cfg_quota_take(st, n))
			cfg_ignore(st, n, SCOPE_PLUGIN);
}

/* 2.4: "acl_sharing_map { dict file { path = /PATH } }" */
static void
apply_sharing(struct cfg_state *st, struct cfg_node *section)
{
	size_t row = row_of(&st->cfg->acl_shared_dict, st->cfg);
	struct cfg_node *dict = section->first, *n;
	const char *path;

	while (dict != NULL && (!dict->is_section ||
	    strcmp(dict->key, "dict") != 0))
		dict = dict->next;
	for (n = dict == NULL ? NULL : dict->first; n != NULL; n = n->next)
		if (!n->is_section && strcmp(n->key, "path") == 0 &&
		    (path = cfg_value(st, n)) != NULL)
			set_row(st, n, row, arena_printf(st->arena, "%s:%s",
			    dict->raw, path));
}

/* 2.4: "ssl_server { cert_file = ... }" is ssl_server_cert_file and so on. */
static void
apply_prefixed(struct cfg_state *st, struct cfg_node *section, enum pass pass)
{
	for (struct cfg_node *n = section->first; n != NULL; n = n->next) {
		if (n->is_section || pass != PASS_SETTINGS)
			continue;
		if (strncmp(n->key, section->key, strlen(section->key)) != 0)
			n->key = arena_printf(st->arena, "%s_%s", section->key,
			    n->key);
		apply_setting(st, n);
	}
}

/* "protocol imap", "protocol !pop3": those that are ours. */
static bool
is_our_protocol(const char *name)
{
	bool not = *name == '!';
	bool imap = strcasecmp(name + not, "imap") == 0;

	return imap != not;
}

/* "protocol lmtp", "protocol lda": what delivery alone reads counts from there, too. */
static void
apply_delivery(struct cfg_state *st, struct cfg_node *protocol)
{
	if (cfg_word_index("lmtp|lda", protocol->raw) < 0)
		return;
	for (struct cfg_node *n = protocol->first; n != NULL; n = n->next)
		if (!n->is_section && (strncmp(n->key, "lmtp_", 5) == 0 ||
		    strncmp(n->key, "lda_", 4) == 0 || cfg_word_index(
		    "hostname|recipient_delimiter", n->key) >= 0))
			apply_setting(st, n);
}

/* "protocols { imap = yes }" is a setting in the form of a block. */
static bool
is_list(const struct cfg_node *n)
{
	return n->is_section && cfg_word_index("protocols|mail_plugins|"
	    "auth_mechanisms", n->key) >= 0;
}

static void
apply_section(struct cfg_state *st, struct cfg_node *n)
{
	if (strcmp(n->key, "passdb") == 0)
		cfg_apply_passdb(st, n);
	else if (strcmp(n->key, "userdb") == 0)
		cfg_apply_userdb(st, n);
	else if (strcmp(n->key, "namespace") == 0)
		cfg_apply_namespace(st, n);
	else if (strcmp(n->key, "service") == 0)
		cfg_apply_service(st, n);
	else if (strcmp(n->key, "local_name") == 0)
		cfg_apply_local_name(st, n);
	else if (strcmp(n->key, "plugin") == 0)
		apply_plugin(st, n);
	else if (strcmp(n->key, "acl_sharing_map") == 0)
		apply_sharing(st, n);
	else if (strcmp(n->key, "quota") == 0)
		cfg_apply_quota(st, n);
	else if (strcmp(n->key, "protocol") != 0 &&
	    strcmp(n->key, "group") != 0)
		cfg_ignore(st, n, SCOPE_TOP);
}

static void
apply_all(struct cfg_state *st, struct cfg_node *first, enum pass pass)
{
	for (struct cfg_node *n = first; n != NULL; n = n->next) {
		if (!n->is_section && *n->key == '@')
			apply_group(st, n, pass);
		else if (n->is_section && strcmp(n->key, "ssl_server") == 0)
			apply_prefixed(st, n, pass);
		else if (n->is_section && !is_list(n)) {
			if (pass == PASS_BLOCKS)
				apply_section(st, n);
		} else if (pass == PASS_SETTINGS) {
			apply_setting(st, n);
		}
	}
}

static bool
is_named_block(const struct cfg_node *n)
{
	return n->is_section && *n->raw != '\0' &&
	    cfg_word_index("passdb|userdb|namespace", n->key) >= 0;
}

static void
append(struct cfg_node *section, struct cfg_node *first, struct cfg_node *last)
{
	if (first == NULL)
		return;
	if (section->last == NULL)
		section->first = first;
	else
		section->last->next = first;
	section->last = last;
}

/* Named blocks of our protocol blocks stand at the end of the others. */
static void
lift_blocks(struct cfg_state *st, struct cfg_node *protocol)
{
	struct cfg_node *n = protocol->first, *next;

	protocol->first = protocol->last = NULL;
	for (; n != NULL; n = next) {
		next = n->next;
		n->next = NULL;
		append(is_named_block(n) ? &st->root : protocol, n, n);
	}
}

/* A block that is written twice under one name is one block. */
static void
merge_blocks(struct cfg_state *st)
{
	for (struct cfg_node *n = st->root.first; n != NULL; n = n->next) {
		if (n->is_section && strcmp(n->key, "protocol") == 0 &&
		    is_our_protocol(n->raw))
			lift_blocks(st, n);
	}
	for (struct cfg_node *n = st->root.first; n != NULL; n = n->next) {
		struct cfg_node *before = n, *m;

		if (!is_named_block(n))
			continue;
		while ((m = before->next) != NULL) {
			if (!m->is_section || strcmp(m->key, n->key) != 0 ||
			    strcmp(m->raw, n->raw) != 0) {
				before = m;
				continue;
			}
			before->next = m->next;
			append(n, m->first, m->last);
		}
		st->root.last = before;
	}
}

/* ---- checks ---- */

static void
check_mail(struct cfg_state *st)
{
	size_t row = row_of(&st->cfg->mail_location, st->cfg);
	const char *text = cfg_location_text(st, &st->mail, NULL);
	const struct cfg_node *at = st->set_at[row];

	if (*text != '\0') {
		if (at != NULL)
			cfg_problem(st, at, CFG_NOTE, "mail_location does not "
			    "count beside mail_driver and mail_path");
		at = st->mail.path != NULL ? st->mail.path : st->mail.driver;
		st->cfg->mail_location = text;
		st->set_at[row] = at;
	}
	if (*st->cfg->mail_location == '\0') {
		cfg_problem(st, at, CFG_NOTE, "mail_location is empty; Loft "
		    "does not guess and takes %s", cfg_options[row].initial);
		st->cfg->mail_location = cfg_options[row].initial;
	}
	cfg_location_check(st, st->cfg->mail_location, at);
}

static void
check_sharing(struct cfg_state *st)
{
	struct config *cfg = st->cfg;
	const struct cfg_node *at = st->set_at[row_of(&cfg->acl_shared_dict,
	    cfg)];

	if (*cfg->acl_shared_dict == '\0' ||
	    strncmp(cfg->acl_shared_dict, "file:/", 6) == 0)
		return;
	cfg_problem(st, at, CFG_NOTE, "acl_shared_dict = %s is ignored: Loft "
	    "reads and writes file:PATH only; without it LIST shows mailboxes "
	    "of others where they are named or subscribed",
	    log_text(span_of(cfg->acl_shared_dict)));
	cfg->acl_shared_dict = "";
}

static void
check_rest(struct cfg_state *st)
{
	struct config *cfg = st->cfg;
	size_t row = row_of(&cfg->protocols, cfg);

	if (*cfg->protocols == '\0')
		cfg_problem(st, st->set_at[row], CFG_FATAL, "protocols does "
		    "not name imap or lmtp, so that there is nothing for Loft "
		    "to serve");
	if (cfg->last_valid_uid != 0 && cfg->last_valid_uid <
	    cfg->first_valid_uid)
		cfg_problem(st, st->set_at[row_of(&cfg->last_valid_uid, cfg)],
		    CFG_FATAL, "last_valid_uid is below first_valid_uid: "
		    "nobody could log in");
	if (*cfg->base_dir != '/')
		cfg_problem(st, st->set_at[row_of(&cfg->base_dir, cfg)],
		    CFG_FATAL, "base_dir must be an absolute path");
}

void
cfg_apply(struct cfg_state *st)
{
	static const enum pass passes[] = { PASS_SETTINGS, PASS_BLOCKS };

	merge_blocks(st);
	for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
		apply_all(st, st->root.first, passes[i]);
		/* What is in a protocol block counts more. */
		for (struct cfg_node *n = st->root.first; n != NULL;
		    n = n->next) {
			if (!n->is_section || strcmp(n->key, "protocol") != 0)
				continue;
			if (is_our_protocol(n->raw))
				apply_all(st, n->first, passes[i]);
			if (passes[i] == PASS_SETTINGS)
				apply_delivery(st, n);
		}
	}
	check_mail(st);
	cfg_finish_tls(st);
	check_sharing(st);
	check_rest(st);
}
