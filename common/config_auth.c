/* passdb and userdb blocks, in the words of 2.3 (args) and of 2.4 (fields). */
#include <strings.h>

#include "common/config_impl.h"
#include "common/log.h"
#include "common/quota_rules.h"

/* What a passdb or userdb block says, before it is known for which driver. */
struct block {
	struct cfg_state *st;
	struct cfg_node *section;
	const char *kind;		/* "passdb", "userdb" */
	const char *driver;
	struct cfg_node *driver_at;
	struct cfg_node *args_at, *path_at;
	const char *args, *path, *service;
	struct config_passdb *p;	/* one of the two */
	struct config_userdb *u;
	const char *mail_driver, *mail_path;	/* 2.4 userdb fields */
};

/* Without "passdb_", "static_" and "pam_", which 2.4 lets one leave out. */
static const char *
short_key(const struct block *b, const char *key)
{
	size_t n = strlen(b->kind);

	if (strncmp(key, b->kind, n) == 0 && key[n] == '_')
		key += n + 1;
	if (strncmp(key, "static_", 7) == 0)
		key += 7;
	else if (strncmp(key, "pam_", 4) == 0)
		key += 4;
	return key;
}

static void
bad_field(const struct block *b, const struct cfg_node *at, const char *key,
    const char *text)
{
	cfg_problem(b->st, at, CFG_FATAL, "%s %s: %s: %s", b->kind, b->driver,
	    log_text(span_of(key)), text);
}

static void
ignored_field(const struct block *b, const struct cfg_node *at, const char *key)
{
	if (cfg_first_time(b->st, b->kind, key))
		cfg_problem(b->st, at, CFG_IGNORED, "%s field %s is ignored: "
		    "Loft does not use it", b->kind, log_text(span_of(key)));
}

/* A field of a passdb's answer, "" for one that is only there. */
static void
passdb_field(struct block *b, const struct cfg_node *at, const char *key,
    const char *value)
{
	/* What auth heeds in an answer, and what would have to be heeded. */
	static const char heeded[] = "allow_nets|nologin|user|reason|nodelay";
	static const char rights[] = "allow_nets|allow_real_nets|nologin|proxy|"
	    "proxy_maybe|host|destuser|master|pass|user|username|domain|"
	    "login_user|original_user";
	struct config_passdb *p = b->p;
	bool is_static = strcmp(b->driver, "static") == 0;

	if (strcmp(key, "password") == 0 && is_static) {
		p->password = value;
	} else if (strcmp(key, "nopassword") == 0 && is_static) {
		if (*value == '\0')
			p->nopassword = true;
		else if (!cfg_to_bool(value, &p->nopassword))
			bad_field(b, at, key, "the value must be yes or no");
	} else if (cfg_word_index(rights, key) >= 0 &&
	    (!is_static || cfg_word_index(heeded, key) < 0)) {
		bad_field(b, at, key, "Loft does not evaluate it here yet, so "
		    "that others could log in than meant; remove it if that is "
		    "meant");
	} else if (is_static && strpbrk(value, " \t\n") == NULL) {
		p->fields = arena_printf(b->st->arena, "%s%s%s=%s", p->fields,
		    *p->fields != '\0' ? " " : "", key, value);
	} else {
		ignored_field(b, at, key);
	}
}

static void
userdb_field(struct block *b, const struct cfg_node *at, const char *key,
    const char *value)
{
	struct config_userdb *u = b->u;

	if (strcmp(key, "uid") == 0)
		u->uid = value;
	else if (strcmp(key, "gid") == 0)
		u->gid = value;
	else if (strcmp(key, "home") == 0)
		u->home = value;
	else if (strcmp(key, "mail") == 0)
		u->mail = value;
	else if (strcmp(key, "mail_driver") == 0)
		b->mail_driver = value;
	else if (strcmp(key, "mail_path") == 0)
		b->mail_path = value;
	else if (quota_rules_has(key))
		u->settings = arena_printf(b->st->arena, "%s%s=%s\n",
		    u->settings, key, value);
	else if (strcmp(key, "chroot") == 0 && *value != '\0')
		bad_field(b, at, key, "Loft does not change the root for a "
		    "user, so that the paths would be others; give full paths");
	else if (strcmp(key, "allow_all_users") != 0)
		ignored_field(b, at, key);
}

static void
field(struct block *b, const struct cfg_node *at, const char *key,
    const char *value)
{
	struct span name = span_of(key);

	/* ":default" is the block's matter */
	name.n = span_find(name, ':');
	key = arena_cstr(b->st->arena, name);
	if (name.n == 0 || strspn(key, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") != name.n) {
		bad_field(b, at, key, "this is not a field's name");
		return;
	}
	value = arena_cstr(b->st->arena, span_of(value));
	if (b->p != NULL)
		passdb_field(b, at, key, value);
	else
		userdb_field(b, at, key, value);
}

/* "key=value key=value", of args and default_fields. */
static void
field_words(struct block *b, const struct cfg_node *at, const char *words)
{
	struct span rest = span_of(words), w, value;

	while (rest.p != NULL) {
		w = span_trim(span_cut(&rest, ' '));
		if (w.n == 0)
			continue;
		value = w;
		w = span_cut(&value, '=');
		field(b, at, arena_cstr(b->st->arena, w),
		    arena_cstr(b->st->arena, value));
	}
}

/* passwd-file: "scheme=CRYPT username_format=%u /path" */
static void
file_args(struct block *b)
{
	struct span rest = span_trim(span_of(b->args)), w, key;

	while (rest.n > 0 && *rest.p != '/') {
		w = span_cut(&rest, ' ');
		rest = span_trim(rest);
		key = span_cut(&w, '=');
		if (b->p != NULL && span_eq(key, SPAN("scheme")) && w.n > 0)
			b->p->scheme = arena_cstr(b->st->arena, w);
		else if (span_eq(key, SPAN("username_format")) && w.n > 0)
			*(b->p != NULL ? &b->p->username_format :
			    &b->u->username_format) =
			    arena_cstr(b->st->arena, w);
		else if (w.p == NULL)
			bad_field(b, b->args_at, "args", "the path of the file "
			    "must be absolute");
		else
			bad_field(b, b->args_at, arena_cstr(b->st->arena, key),
			    "unknown in args; it is \"scheme=CRYPT "
			    "username_format=%u /path/of/the/file\"");
	}
	if (rest.n > 0)
		b->path = arena_cstr(b->st->arena, rest);
}

/*
 * pam: "session=yes max_requests=10 service"; passwd, shadow: "blocking=no". What the
 * words say is Dovecot's own affair, but for the service.
 */
static void
system_args(struct block *b)
{
	struct span rest = span_of(b->args), w;

	while (rest.p != NULL) {
		w = span_trim(span_cut(&rest, ' '));
		if (w.n == 0)
			continue;
		if (span_find(w, '=') < w.n || *w.p == '-')
			ignored_field(b, b->args_at, arena_cstr(b->st->arena,
			    w));
		else if (strcmp(b->driver, "pam") == 0)
			b->service = span_eq(w, SPAN("*")) ? "%s" :
			    arena_cstr(b->st->arena, w);
		else
			bad_field(b, b->args_at, "args", "this driver takes no "
			    "such word");
	}
}

static void
fields_of(struct block *b, struct cfg_node *section)
{
	for (struct cfg_node *n = section->first; n != NULL; n = n->next) {
		const char *value = n->is_section ? NULL :
		    cfg_value(b->st, n);

		/* 2.4: without ":default" it wins over the file */
		if (value != NULL && b->u != NULL &&
		    strcmp(section->key, "default_fields") != 0 &&
		    strcmp(b->driver, "static") != 0 &&
		    strchr(n->key, ':') == NULL &&
		    cfg_word_index("uid|gid|home|mail|mail_path|mail_driver",
		    n->key) >= 0)
			bad_field(b, n, n->key, "Loft cannot yet put it in "
			    "place of what the file says; with \":default\" "
			    "after the name it counts where the file has none");
		else if (value != NULL)
			field(b, n, n->key, value);
	}
}

/* True when it was one of those that every block has. */
static bool
common_setting(struct block *b, struct cfg_node *n, const char *key,
    const char *value)
{
	if (strcmp(key, "driver") == 0) {
		return true;		/* taken before */
	} else if (strcmp(key, "args") == 0) {
		b->args = value;
		b->args_at = n;
	} else if (strcmp(key, "passwd_file_path") == 0) {
		b->path = value;
		b->path_at = n;
	} else if (strcmp(key, "service_name") == 0 &&
	    strcmp(b->driver, "pam") == 0) {
		b->service = value;
	} else if (strcmp(key, "auth_username_format") == 0 ||
	    strcmp(key, "username_format") == 0 ||
	    strcmp(key, "passwd_file_username_format") == 0) {
		*(b->p != NULL ? &b->p->username_format :
		    &b->u->username_format) = value;
	} else if (strcmp(key, "default_password_scheme") == 0 ||
	    strcmp(key, "default_pass_scheme") == 0) {
		if (b->p == NULL)
			return false;
		b->p->scheme = value;
	} else {
		return strcmp(key, "name") == 0;
	}
	return true;
}

static void
block_setting(struct block *b, struct cfg_node *n)
{
	enum cfg_scope scope = b->p != NULL ? SCOPE_PASSDB : SCOPE_USERDB;
	const char *key = short_key(b, n->key), *value;

	if (n->is_section && (strcmp(key, "fields") == 0 ||
	    strcmp(key, "default_fields") == 0)) {
		fields_of(b, n);
		return;
	}
	if (n->is_section) {
		cfg_ignore(b->st, n, scope);
		return;
	}
	if (b->u != NULL && strcmp(key, "default_fields") == 0) {
		if ((value = cfg_value(b->st, n)) != NULL)
			field_words(b, n, value);
		return;
	}
	if (b->u != NULL && strcmp(key, "override_fields") == 0 &&
	    strcmp(b->driver, "static") == 0) {
		if ((value = cfg_value(b->st, n)) != NULL)
			field_words(b, n, value);
		return;
	}
	if (strcmp(b->driver, "static") == 0 && b->p != NULL &&
	    (strcmp(key, "password") == 0 || strcmp(key, "nopassword") == 0)) {
		if ((value = cfg_value(b->st, n)) != NULL)
			passdb_field(b, n, key, value);
		return;
	}
	/* Does nothing unless it is a setting of these blocks. */
	if (common_setting(b, n, key, "") &&
	    (value = cfg_value(b->st, n)) != NULL)
		(void)common_setting(b, n, key, value);
	else if (!common_setting(b, n, key, ""))
		cfg_ignore(b->st, &(struct cfg_node){ .parent = n->parent,
		    .file = n->file, .line = n->line, .seq = n->seq,
		    .quoted = n->quoted, .is_file = n->is_file, .key = key,
		    .raw = n->raw }, scope);
}

static void
find_driver(struct block *b)
{
	const char *value;

	b->driver = "";
	for (struct cfg_node *n = b->section->first; n != NULL; n = n->next) {
		if (!n->is_section &&
		    strcmp(short_key(b, n->key), "driver") == 0 &&
		    (value = cfg_value(b->st, n)) != NULL) {
			b->driver = value;
			b->driver_at = n;
		}
	}
	/* 2.4: passdb passwd-file { } */
	if (b->driver_at == NULL) {
		b->driver_at = b->section;
		b->driver = b->section->raw;
	}
}

static bool
check_driver(struct block *b)
{
	const char *words = b->p != NULL ?
	    "passwd-file, static, pam, shadow and passwd" :
	    "passwd-file, static, passwd and prefetch";

	if (cfg_word_index(b->p != NULL ? "passwd-file|static|pam|shadow|passwd"
	    : "passwd-file|static|passwd|prefetch", b->driver) >= 0)
		return true;
	if (*b->driver == '\0')
		cfg_problem(b->st, b->section, CFG_FATAL, "%s without a "
		    "driver; Loft has %s", b->kind, words);
	else
		cfg_problem(b->st, b->driver_at, CFG_FATAL, "%s driver %s is "
		    "not supported yet, so that its users could not log in; "
		    "Loft has %s: export the users into a passwd-file, or "
		    "remove this %s if nobody needs it", b->kind,
		    log_text(span_of(b->driver)), words, b->kind);
	return false;
}

static void
check_path(struct block *b)
{
	const struct cfg_node *at = b->path_at != NULL ? b->path_at :
	    b->args_at != NULL ? b->args_at : b->section;

	if (strcmp(b->driver, "passwd-file") != 0)
		return;
	if (b->path == NULL || *b->path == '\0')
		cfg_problem(b->st, at, CFG_FATAL, "%s passwd-file: the path of "
		    "the file is missing", b->kind);
	else if (*b->path != '/')
		cfg_problem(b->st, at, CFG_FATAL, "%s passwd-file: the path %s "
		    "must be absolute", b->kind, log_text(span_of(b->path)));
}

/* Reads all of the block. False: its driver is none of ours. */
static bool
read_block(struct block *b)
{
	if (!check_driver(b))
		return false;
	for (struct cfg_node *n = b->section->first; n != NULL; n = n->next)
		block_setting(b, n);
	if (b->args != NULL && strcmp(b->driver, "static") == 0)
		field_words(b, b->args_at, b->args);
	else if (b->args != NULL && strcmp(b->driver, "passwd-file") == 0)
		file_args(b);
	else if (b->args != NULL)
		system_args(b);
	check_path(b);
	return true;
}

static const char *
upper(struct arena *a, const char *s)
{
	char *copy = arena_cstr(a, span_of(s));

	for (char *p = copy; *p != '\0'; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	}
	return copy;
}

void
cfg_apply_passdb(struct cfg_state *st, struct cfg_node *section)
{
	struct config_passdb *p = arena_alloc(st->arena, sizeof *p), **end;
	struct block b = { .st = st, .section = section, .kind = "passdb",
		.p = p };

	find_driver(&b);
	p->name = section->raw;
	p->driver = b.driver;
	p->username_format = "%u";
	p->fields = "";
	/* The scheme of passwords that do not say theirs. */
	p->scheme = strcmp(b.driver, "static") == 0 ? "PLAIN" : "CRYPT";
	if (!read_block(&b))
		return;
	p->path = b.path;
	if (strcmp(p->driver, "pam") == 0)
		p->service = b.service != NULL && *b.service != '\0' ?
		    b.service : "dovecot";
	p->scheme = upper(st->arena, p->scheme);
	if (strcmp(p->driver, "static") == 0 && p->password == NULL &&
	    !p->nopassword)
		cfg_problem(st, section, CFG_FATAL, "passdb static needs "
		    "password=... or nopassword=yes");
	if (p->nopassword)
		p->password = NULL;
	for (end = &st->cfg->passdb; *end != NULL; end = &(*end)->next)
		continue;
	*end = p;
}

void
cfg_apply_userdb(struct cfg_state *st, struct cfg_node *section)
{
	struct config_userdb *u = arena_alloc(st->arena, sizeof *u), **end;
	struct block b = { .st = st, .section = section, .kind = "userdb",
		.u = u };

	find_driver(&b);
	u->name = section->raw;
	u->driver = b.driver;
	u->username_format = "%u";
	u->settings = "";
	if (!read_block(&b))
		return;
	u->path = b.path;
	if (b.mail_path != NULL || b.mail_driver != NULL)
		u->mail = arena_printf(st->arena, "%s:%s",
		    b.mail_driver == NULL ? "maildir" : b.mail_driver,
		    b.mail_path == NULL ? "~/Maildir" : b.mail_path);
	if (u->mail != NULL && *u->mail != '\0')
		cfg_location_check(st, u->mail, section);
	for (end = &st->cfg->userdb; *end != NULL; end = &(*end)->next)
		continue;
	*end = u;
}

void
cfg_finish_auth(struct cfg_state *st)
{
	/* With a fatal problem the blocks may only be missing for that. */
	if (st->failed)
		return;
	if (st->cfg->passdb == NULL)
		cfg_problem(st, NULL, CFG_NOTE, "there is no passdb: nobody "
		    "can log in");
	if (st->cfg->userdb == NULL && *st->cfg->mail_uid == '\0')
		cfg_problem(st, NULL, CFG_NOTE, "there is no userdb and no "
		    "mail_uid: nobody can log in");
}
