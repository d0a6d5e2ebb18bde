/* The effective configuration as text that reads back as the same. */
#include <stdio.h>

#include "common/config_impl.h"
#include "common/config_multi.h"
#include "common/quota_rules.h"

struct printing {
	struct buf *out;
	bool changed_only, secrets;
	unsigned indent;
};

static void
indent(struct printing *p)
{
	for (unsigned i = 0; i < p->indent; i++)
		buf_adds(p->out, "  ");
}

static void
add_quoted(struct buf *b, struct span s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == '\'')
			buf_addc(b, '\\');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

static bool
is_plain(const char *s)
{
	size_t n = strlen(s);

	return strpbrk(s, "\"'#$\\<\r\t") == NULL && *s != ' ' &&
	    (n == 0 || s[n - 1] != ' ');
}

/* A word that is no line of the value. */
static void
add_here_document(struct buf *b, const char *value)
{
	char word[32];
	unsigned i = 0;

	do
		(void)snprintf(word, sizeof word, "END%.0u", i++);
	while (strstr(value, word) != NULL && i < 1000000);
	buf_addf(b, "<<%s\n%s\n%s", word, value, word);
}

static void
setting(struct printing *p, const char *key, const char *value)
{
	indent(p);
	buf_addf(p->out, "%s =%s", key, *value == '\0' ? "" : " ");
	if (strchr(value, '\n') != NULL)
		add_here_document(p->out, value);
	else if (is_plain(value))
		buf_adds(p->out, value);
	else
		add_quoted(p->out, span_of(value));
	buf_addc(p->out, '\n');
}

static void
setting_if(struct printing *p, const char *key, const char *value)
{
	if (value != NULL)
		setting(p, key, value);
}

static void
setting_bool(struct printing *p, const char *key, bool value, bool usual)
{
	if (value != usual || !p->changed_only)
		setting(p, key, value ? "yes" : "no");
}

static void
hidden(struct printing *p, const char *key)
{
	indent(p);
	buf_addf(p->out, "%s = # hidden\n", key);
}

static void
begin(struct printing *p, const char *kind, const char *name)
{
	indent(p);
	buf_adds(p->out, kind);
	if (*name != '\0') {
		buf_addc(p->out, ' ');
		if (is_plain(name) && strpbrk(name, " {") == NULL)
			buf_adds(p->out, name);
		else
			add_quoted(p->out, span_of(name));
	}
	buf_adds(p->out, " {\n");
	p->indent++;
}

static void
end(struct printing *p)
{
	p->indent--;
	indent(p);
	buf_adds(p->out, "}\n");
}

/* ---- rows ---- */

static bool
differs(const struct config *cfg, const struct cfg_option *o, struct buf *text)
{
	struct config usual = { 0 };
	struct buf b = { 0 };
	const char *why;
	bool d;

	buf_reset(text);
	cfg_option_text(cfg, o, text);
	if (!cfg_option_set(&usual, o, o->initial, &usual.arena, &why))
		return true;
	cfg_option_text(&usual, o, &b);
	d = !span_eq(buf_span(text), buf_span(&b));
	buf_clear(&b);
	arena_free(&usual.arena);
	return d;
}

static void
print_pem(struct printing *p, const char *key, const char *text,
    const char *path, bool is_secret)
{
	if (p->secrets || *text == '\0')
		setting(p, key, text);
	else if (is_secret || path == NULL)
		hidden(p, key);
	else {
		indent(p);
		buf_addf(p->out, "%s = <%s\n", key, path);
	}
}

static bool
is_key(enum config_pem_kind kind)
{
	return kind == PEM_KEY || kind == PEM_ALT_KEY;
}

static enum config_pem_kind
pem_of(const char *name)
{
	int i = 0;

	while (i < PEM_COUNT &&
	    strcmp(name, config_pem_name((enum config_pem_kind)i)) != 0)
		i++;
	return (enum config_pem_kind)i;
}

static void
print_host(struct printing *p, const struct config_host *h)
{
	begin(p, "local_name", h->names);
	for (int i = 0; i < PEM_COUNT; i++)
		if (*h->pem[i].text != '\0')
			print_pem(p, config_pem_name((enum config_pem_kind)i),
			    h->pem[i].text, h->pem[i].path,
			    is_key((enum config_pem_kind)i));
	end(p);
}

static void
print_rows(struct printing *p, const struct config *cfg)
{
	struct buf text = { .secret = true };
	enum config_pem_kind pem;

	for (size_t i = 0; i < cfg_option_count; i++) {
		const struct cfg_option *o = &cfg_options[i];

		if (strchr(o->name, '/') != NULL ||
		    (!differs(cfg, o, &text) && p->changed_only))
			continue;
		if ((pem = pem_of(o->name)) != PEM_COUNT)
			print_pem(p, o->name, buf_cstr(&text),
			    cfg->pem_path[pem], is_key(pem));
		else
			setting(p, o->name, buf_cstr(&text));
	}
	buf_clear(&text);
}

/* The rows called service/NAME/... */
static void
print_service_rows(struct printing *p, const struct config *cfg,
    const char *service)
{
	struct buf text = { 0 };
	size_t n = strlen(service);

	for (size_t i = 0; i < cfg_option_count; i++) {
		const struct cfg_option *o = &cfg_options[i];

		if (strncmp(o->name, "service/", 8) == 0 &&
		    strncmp(o->name + 8, service, n) == 0 &&
		    o->name[8 + n] == '/' &&
		    (differs(cfg, o, &text) || !p->changed_only))
			setting(p, o->name + 9 + n, buf_cstr(&text));
	}
	buf_clear(&text);
}

/* ---- blocks ---- */

/* "key=value key=value" */
static void
print_fields(struct printing *p, const char *fields)
{
	struct span rest = span_of(fields), key, value;

	begin(p, "fields", "");
	while (rest.p != NULL) {
		value = span_cut(&rest, ' ');
		key = span_cut(&value, '=');
		indent(p);
		buf_addf(p->out, "%.*s = ", (int)key.n, key.p);
		add_quoted(p->out, value);
		buf_addc(p->out, '\n');
	}
	end(p);
}

static void
print_passdb(struct printing *p, const struct config_passdb *d)
{
	begin(p, "passdb", d->name);
	setting(p, "driver", d->driver);
	setting(p, "default_password_scheme", d->scheme);
	setting(p, "username_format", d->username_format);
	setting_if(p, "passwd_file_path", d->path);
	setting_if(p, "service_name", d->service);
	if (d->password != NULL && p->secrets)
		setting(p, "password", d->password);
	else if (d->password != NULL)
		hidden(p, "password");
	if (d->nopassword)
		setting(p, "nopassword", "yes");
	if (*d->fields != '\0')
		print_fields(p, d->fields);
	end(p);
}

/* "name=value" a line. */
static void
print_lines(struct printing *p, const char *lines)
{
	struct span rest = span_of(lines), value, name;
	struct arena a = { 0 };

	while (rest.n > 0) {
		value = span_cut(&rest, '\n');
		name = span_cut(&value, '=');
		setting(p, arena_cstr(&a, name), arena_cstr(&a, value));
	}
	arena_free(&a);
}

static void
print_quota(struct printing *p, const struct quota_setting *s)
{
	for (; s != NULL; s = s->next)
		setting(p, s->name, s->value);
}

static void
print_userdb(struct printing *p, const struct config_userdb *d)
{
	begin(p, "userdb", d->name);
	setting(p, "driver", d->driver);
	setting(p, "username_format", d->username_format);
	setting_if(p, "passwd_file_path", d->path);
	begin(p, strcmp(d->driver, "static") == 0 ? "fields" :
	    "default_fields", "");
	setting_if(p, "uid", d->uid);
	setting_if(p, "gid", d->gid);
	setting_if(p, "home", d->home);
	setting_if(p, "mail", d->mail);
	print_lines(p, d->settings);
	end(p);
	end(p);
}

static void
print_mailbox(struct printing *p, const struct config_mailbox *m)
{
	static const char *const words[] = { [AUTO_NO] = "no",
		[AUTO_CREATE] = "create", [AUTO_SUBSCRIBE] = "subscribe" };

	begin(p, "mailbox", m->name);
	if (m->create != AUTO_NO || !p->changed_only)
		setting(p, "auto", words[m->create]);
	if (*m->special_use != '\0' || !p->changed_only)
		setting(p, "special_use", m->special_use);
	for (int i = 0; i < MULTI_COUNT; i++) {
		struct buf value = { 0 };

		if (m->multi[i] == MULTI_UNSET)
			continue;
		config_multi_text((enum config_multi)i, m->multi[i], &value);
		setting(p, config_multi_name((enum config_multi)i),
		    buf_cstr(&value));
		buf_clear(&value);
	}
	print_quota(p, m->quota);
	end(p);
}

static void
print_namespace(struct printing *p, const struct config_namespace *ns)
{
	begin(p, "namespace", ns->label);
	if (strcmp(ns->type, "private") != 0 || !p->changed_only)
		setting(p, "type", ns->type);
	setting(p, "prefix", ns->prefix);
	setting(p, "separator", (char[]){ ns->separator, '\0' });
	setting(p, "inbox", ns->inbox ? "yes" : "no");
	setting_bool(p, "hidden", ns->hidden, false);
	if (strcmp(ns->list, "yes") != 0 || !p->changed_only)
		setting(p, "list", ns->list);
	setting_bool(p, "subscriptions", ns->subscriptions, true);
	setting_bool(p, "disabled", ns->disabled, false);
	if (*ns->location != '\0' || !p->changed_only)
		setting(p, "location", ns->location);
	for (const struct config_mailbox *m = ns->mailboxes; m != NULL;
	    m = m->next)
		print_mailbox(p, m);
	end(p);
}

static void
print_listener(struct printing *p, const struct config_listener *l)
{
	begin(p, "inet_listener", l->name);
	setting_if(p, "address", l->address);
	indent(p);
	buf_addf(p->out, "port = %u\n", l->port);
	setting(p, "ssl", l->ssl ? "yes" : "no");
	if (l->haproxy)
		setting(p, "haproxy", "yes");
	end(p);
}

static void
print_sockets(struct printing *p, const struct config_socket *s)
{
	for (; s != NULL; s = s->next) {
		begin(p, "unix_listener", s->path);
		indent(p);
		buf_addf(p->out, "mode = 0%o\n", s->mode);
		setting_if(p, "user", s->user);
		setting_if(p, "group", s->group);
		end(p);
	}
}

static bool
is_usual_listener(const struct config_listener *l)
{
	bool imap = strcmp(l->name, "imap") == 0;

	return l->address == NULL && (imap || strcmp(l->name, "imaps") == 0) &&
	    l->port == (imap ? 143 : 993) && l->ssl == !imap;
}

static void
print_services(struct printing *p, const struct config *cfg)
{
	begin(p, "service", "imap-login");
	for (const struct config_listener *l = cfg->listeners; l != NULL;
	    l = l->next) {
		if (!p->changed_only || !is_usual_listener(l))
			print_listener(p, l);
	}
	print_service_rows(p, cfg, "imap-login");
	end(p);
	begin(p, "service", "imap");
	print_service_rows(p, cfg, "imap");
	end(p);
	if (cfg->auth_sockets != NULL) {
		begin(p, "service", "auth");
		print_sockets(p, cfg->auth_sockets);
		end(p);
	}
	if (cfg->lmtp_listeners != NULL || cfg->lmtp_sockets != NULL) {
		begin(p, "service", "lmtp");
		for (const struct config_listener *l = cfg->lmtp_listeners;
		    l != NULL; l = l->next)
			print_listener(p, l);
		print_sockets(p, cfg->lmtp_sockets);
		end(p);
	}
}

static bool
is_usual_namespace(const struct config_namespace *ns)
{
	return ns->next == NULL && ns->mailboxes == NULL && ns->inbox &&
	    strcmp(ns->label, "inbox") == 0 && *ns->prefix == '\0' &&
	    ns->separator == '.' && strcmp(ns->type, "private") == 0 &&
	    !ns->hidden && ns->subscriptions && !ns->disabled &&
	    strcmp(ns->list, "yes") == 0 && *ns->location == '\0';
}

void
config_print(const struct config *cfg, bool changed_only, bool show_secrets,
    struct buf *out)
{
	struct printing p = { .out = out, .changed_only = changed_only,
		.secrets = show_secrets };

	print_rows(&p, cfg);
	for (const struct config_host *h = cfg->hosts; h != NULL; h = h->next)
		print_host(&p, h);
	for (const struct config_passdb *d = cfg->passdb; d != NULL;
	    d = d->next)
		print_passdb(&p, d);
	for (const struct config_userdb *d = cfg->userdb; d != NULL;
	    d = d->next)
		print_userdb(&p, d);
	for (const struct config_namespace *ns = cfg->namespaces; ns != NULL;
	    ns = ns->next) {
		if (!changed_only || !is_usual_namespace(ns))
			print_namespace(&p, ns);
	}
	if (cfg->quota != NULL) {
		begin(&p, "plugin", "");
		print_quota(&p, cfg->quota);
		end(&p);
	}
	print_services(&p, cfg);
}
