/* service blocks: listeners and the numbers of processes. */
#include "common/config_impl.h"
#include "common/log.h"
#include "common/net.h"

#include <stdlib.h>

static struct config_listener *
find_listener(struct config *cfg, const char *name)
{
	struct config_listener *l = cfg->listeners;

	while (l != NULL && strcmp(l->name, name) != 0)
		l = l->next;
	return l;
}

static struct config_listener *
add_listener(struct cfg_state *st, const char *name, unsigned port, bool ssl)
{
	struct config_listener *l = arena_alloc(st->arena, sizeof *l), **end;

	*l = (struct config_listener){ .name = name, .port = port, .ssl = ssl };
	for (end = &st->cfg->listeners; *end != NULL; end = &(*end)->next)
		continue;
	*end = l;
	return l;
}

static const char *
listener_key(const char *key)
{
	return strncmp(key, "inet_listener_", 14) == 0 ? key + 14 : key;
}

static void
listener_setting(struct cfg_state *st, struct cfg_node *n,
    struct config_listener *l)
{
	const char *key = listener_key(n->key), *value;
	uint64_t port;

	if (n->is_section ||
	    cfg_word_index("port|ssl|haproxy|address|listen", key) < 0) {
		cfg_ignore(st, n, SCOPE_LISTENER);
		return;
	}
	if ((value = cfg_value(st, n)) == NULL)
		return;
	if (strcmp(key, "port") == 0) {
		if (span_to_u64(span_of(value), 65535, &port) && *value != '\0')
			l->port = (unsigned)port;
		else
			cfg_problem(st, n, CFG_FATAL, "port = %s: the value "
			    "must be from 0 (switched off) to 65535",
			    log_text(span_of(value)));
	} else if (strcmp(key, "ssl") == 0 || strcmp(key, "haproxy") == 0) {
		if (!cfg_to_bool(value, *key == 's' ? &l->ssl : &l->haproxy))
			cfg_problem(st, n, CFG_FATAL, "%s = %s: the value "
			    "must be yes or no", key,
			    log_text(span_of(value)));
	} else {
		l->address = *value == '\0' ? NULL : value;
	}
}

/* Those that are there without being named, as in Dovecot. */
static void
add_defaults(struct cfg_state *st)
{
	if (find_listener(st->cfg, "imap") == NULL)
		add_listener(st, "imap", 143, false);
	if (find_listener(st->cfg, "imaps") == NULL)
		add_listener(st, "imaps", 993, true);
}

static void
apply_listener(struct cfg_state *st, struct cfg_node *section)
{
	struct config_listener *l;

	add_defaults(st);
	l = find_listener(st->cfg, section->raw);
	if (l == NULL)
		l = add_listener(st, section->raw, 0, false);
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		listener_setting(st, n, l);
}

/* ---- service auth ---- */

enum { AUTH_SOCKETS_MAX = 4 };

static void
socket_setting(struct cfg_state *st, struct cfg_node *n,
    struct config_socket *s)
{
	const char *key = n->key, *value;
	char *end;

	if (strncmp(key, "unix_listener_", 14) == 0)
		key += 14;
	if (n->is_section || cfg_word_index("mode|user|group", key) < 0) {
		cfg_ignore(st, n, SCOPE_LISTENER);
		return;
	}
	if ((value = cfg_value(st, n)) == NULL)
		return;
	if (strcmp(key, "user") == 0) {
		s->user = value;
	} else if (strcmp(key, "group") == 0) {
		s->group = value;
	} else {
		s->mode = (unsigned)strtoul(value, &end, 8);
		if (*end != '\0' || *value == '\0' || s->mode > 0777)
			cfg_problem(st, n, CFG_FATAL, "mode = %s: the value "
			    "must be octal, from 0 (switched off) to 0777",
			    log_text(span_of(value)));
	}
}

/* Those that Dovecot's own processes talk through are none for MTAs. */
static bool
is_inner(const char *name)
{
	size_t n = strlen(name);

	return strncmp(name, "auth-userdb", 11) == 0 ||
	    strncmp(name, "auth-master", 11) == 0 ||
	    strncmp(name, "auth-worker", 11) == 0 ||
	    strncmp(name, "login/", 6) == 0 ||
	    strncmp(name, "token-login/", 12) == 0 ||
	    (n > 6 && strcmp(name + n - 6, "-login") == 0);
}

static void
apply_auth_socket(struct cfg_state *st, struct cfg_node *section)
{
	struct config_socket *s = arena_alloc(st->arena, sizeof *s), **end;
	size_t n = 0;

	if (is_inner(section->raw)) {
		cfg_ignore(st, section, SCOPE_SERVICE);
		return;
	}
	*s = (struct config_socket){ .path = section->raw, .mode = 0600,
		.user = "", .group = "" };
	for (struct cfg_node *c = section->first; c != NULL; c = c->next)
		socket_setting(st, c, s);
	for (end = &st->cfg->auth_sockets; *end != NULL; end = &(*end)->next)
		n++;
	if (n == AUTH_SOCKETS_MAX)
		cfg_problem(st, section, CFG_FATAL, "service auth: at most %d "
		    "unix_listeners", AUTH_SOCKETS_MAX);
	else if (s->mode != 0)
		*end = s;
}

static void
apply_auth(struct cfg_state *st, struct cfg_node *section)
{
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		if (n->is_section && strcmp(n->key, "unix_listener") == 0)
			apply_auth_socket(st, n);
		else
			cfg_ignore(st, n, SCOPE_SERVICE);
}

/* A number of processes that is a row of config.def. */
static void
apply_row(struct cfg_state *st, struct cfg_node *n, const char *row_name)
{
	const struct cfg_option *o = &cfg_options[cfg_option_find(row_name)];
	const char *value = cfg_value(st, n), *why;

	if (value == NULL)
		return;
	/* What 0 is in Dovecot: none kept ready; default_process_limit. */
	if (strcmp(value, "0") == 0)
		value = o->offset == offsetof(struct config, process_limit) ?
		    o->initial : "1";
	if (!cfg_option_set(st->cfg, o, value, st->arena, &why))
		cfg_problem(st, n, CFG_FATAL, "%s = %s: the value %s",
		    log_text(span_of(n->key)), log_text(span_of(value)), why);
	st->set_at[o - cfg_options] = n;
}

static bool
is_imap(const char *service)
{
	return strcmp(service, "imap") == 0 ||
	    strcmp(service, "imap-login") == 0;
}

static void
ignore_service(struct cfg_state *st, struct cfg_node *section)
{
	if (cfg_first_time(st, "service", section->raw))
		cfg_problem(st, section, CFG_IGNORED, "service %s is ignored: "
		    "Loft's processes are others, and what they need is fixed",
		    log_text(span_of(section->raw)));
}

void
cfg_apply_service(struct cfg_state *st, struct cfg_node *section)
{
	bool login = strcmp(section->raw, "imap-login") == 0;

	if (strcmp(section->raw, "auth") == 0) {
		apply_auth(st, section);
		return;
	}
	if (!is_imap(section->raw)) {
		ignore_service(st, section);
		return;
	}
	for (struct cfg_node *n = section->first; n != NULL; n = n->next) {
		const char *key = n->key;
		const char *row;

		if (strncmp(key, "service_", 8) == 0 &&
		    strcmp(key, "service_count") != 0)
			key += 8;
		row = arena_printf(st->arena, "service/%s/%s", section->raw,
		    key);
		if (n->is_section && login && strcmp(key, "inet_listener") == 0)
			apply_listener(st, n);
		else if (!n->is_section &&
		    cfg_option_find(row) < cfg_option_count)
			apply_row(st, n, row);
		else
			cfg_ignore(st, n, SCOPE_SERVICE);
	}
}

static void
check_networks(struct cfg_state *st, const char *name, const char *list)
{
	struct span rest = span_of(list), w;

	while ((w = cfg_next_word(&rest)).p != NULL)
		if (!net_is_valid(w))
			cfg_problem(st, st->set_at[cfg_option_find(name)],
			    CFG_FATAL, "%s: %s is no network; write an address "
			    "or such as 192.0.2.0/24", name, log_text(w));
}

void
cfg_finish_listeners(struct cfg_state *st)
{
	struct config_listener **at = &st->cfg->listeners;
	bool open = false, proxied = false;

	add_defaults(st);
	while (*at != NULL) {
		struct config_listener *l = *at;

		/* Without TLS there is no port for it. */
		if (l->ssl && st->cfg->ssl == SSL_NO) {
			*at = l->next;
			continue;
		}
		open = open || l->port != 0;
		proxied = proxied || (l->port != 0 && l->haproxy);
		at = &l->next;
	}
	check_networks(st, "login_trusted_networks",
	    st->cfg->login_trusted_networks);
	check_networks(st, "haproxy_trusted_networks",
	    st->cfg->haproxy_trusted_networks);
	if (proxied && *st->cfg->haproxy_trusted_networks == '\0')
		cfg_problem(st, NULL, CFG_NOTE, "haproxy = yes, but "
		    "haproxy_trusted_networks is empty: every connection to "
		    "that listener will be cut");
	if (!open)
		cfg_problem(st, NULL, CFG_NOTE, "all listeners are switched "
		    "off (port = 0): only inetd and tunnel sessions are "
		    "served");
}
