/* service blocks: listeners and the numbers of processes. */
#include "common/config_impl.h"
#include "common/log.h"
#include "common/net.h"

#include <stdlib.h>

static struct config_listener *
find_listener(struct config_listener *l, const char *name)
{
	while (l != NULL && strcmp(l->name, name) != 0)
		l = l->next;
	return l;
}

static struct config_listener *
add_listener(struct cfg_state *st, struct config_listener **list,
    const char *name, unsigned port, bool ssl)
{
	struct config_listener *l = arena_alloc(st->arena, sizeof *l), **end;

	*l = (struct config_listener){ .name = name, .port = port, .ssl = ssl };
	for (end = list; *end != NULL; end = &(*end)->next)
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
	struct config_listener **list = &st->cfg->listeners;

	if (find_listener(*list, "imap") == NULL)
		add_listener(st, list, "imap", 143, false);
	if (find_listener(*list, "imaps") == NULL)
		add_listener(st, list, "imaps", 993, true);
}

static void
apply_listener(struct cfg_state *st, struct config_listener **list,
    struct cfg_node *section)
{
	struct config_listener *l = find_listener(*list, section->raw);

	if (l == NULL)
		l = add_listener(st, list, section->raw, 0, false);
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		listener_setting(st, n, l);
}

/* ---- unix sockets of service auth and service lmtp ---- */

enum { SOCKETS_MAX = 4 };

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

static struct config_socket *
add_socket(struct cfg_state *st, struct config_socket **list, const char *path,
    unsigned mode)
{
	struct config_socket *s = arena_alloc(st->arena, sizeof *s), **end;

	*s = (struct config_socket){ .path = path, .mode = mode, .user = "",
		.group = "" };
	for (end = list; *end != NULL; end = &(*end)->next)
		continue;
	*end = s;
	return s;
}

/* A second block of the same path says more of it. */
static void
apply_socket(struct cfg_state *st, struct config_socket **list, unsigned mode,
    struct cfg_node *section)
{
	struct config_socket *s = *list;
	size_t n = 0;

	for (; s != NULL && strcmp(s->path, section->raw) != 0; s = s->next)
		n++;
	if (s == NULL && n == SOCKETS_MAX) {
		cfg_problem(st, section, CFG_FATAL, "service %s: at most %d "
		    "unix_listeners", section->parent->raw, SOCKETS_MAX);
		return;
	}
	if (s == NULL)
		s = add_socket(st, list, section->raw, mode);
	for (struct cfg_node *c = section->first; c != NULL; c = c->next)
		socket_setting(st, c, s);
}

static void
apply_auth(struct cfg_state *st, struct cfg_node *section)
{
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		if (n->is_section && strcmp(n->key, "unix_listener") == 0 &&
		    !is_inner(n->raw))
			apply_socket(st, &st->cfg->auth_sockets, 0600, n);
		else
			cfg_ignore(st, n, SCOPE_SERVICE);
}

/* Dovecot's own, which is there without being named; who may write to it, may deliver. */
static const char lmtp_socket[] = "lmtp";
enum { LMTP_SOCKET_MODE = 0666 };

static void
apply_lmtp(struct cfg_state *st, struct cfg_node *section)
{
	for (struct cfg_node *n = section->first; n != NULL; n = n->next)
		if (n->is_section && strcmp(n->key, "unix_listener") == 0)
			apply_socket(st, &st->cfg->lmtp_sockets,
			    strcmp(n->raw, lmtp_socket) == 0 ?
			    LMTP_SOCKET_MODE : 0600, n);
		else if (n->is_section && strcmp(n->key, "inet_listener") == 0)
			apply_listener(st, &st->cfg->lmtp_listeners, n);
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
	if (strcmp(section->raw, "lmtp") == 0) {
		apply_lmtp(st, section);
		return;
	}
	if (login)
		add_defaults(st);
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
			apply_listener(st, &st->cfg->listeners, n);
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

static void
drop_switched_off(struct config_socket **at)
{
	while (*at != NULL)
		if ((*at)->mode == 0)
			*at = (*at)->next;
		else
			at = &(*at)->next;
}

/* Whether there is a way in. */
static bool
finish_imap(struct cfg_state *st)
{
	struct config_listener **at = &st->cfg->listeners;
	bool open = false, proxied = false;

	if (!config_serves(st->cfg, "imap")) {
		*at = NULL;
		return false;
	}
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
	if (proxied && *st->cfg->haproxy_trusted_networks == '\0')
		cfg_problem(st, NULL, CFG_NOTE, "haproxy = yes, but "
		    "haproxy_trusted_networks is empty: every connection to "
		    "that listener will be cut");
	return open;
}

/* What IMAP's listeners have and LMTP's have not. */
static void
check_lmtp(struct cfg_state *st, const struct config_listener *l)
{
	if (l->ssl)
		cfg_problem(st, NULL, CFG_FATAL, "service lmtp: inet_listener "
		    "%s: ssl = yes is not to be had; LMTP has STARTTLS",
		    l->name);
	if (l->haproxy)
		cfg_problem(st, NULL, CFG_FATAL, "service lmtp: inet_listener "
		    "%s: haproxy = yes is not to be had; PROXY headers are "
		    "for IMAP only", l->name);
}

static bool
finish_lmtp(struct cfg_state *st)
{
	struct config *cfg = st->cfg;
	const struct config_socket *s;
	bool open = false;

	if (!config_serves(cfg, "lmtp")) {
		cfg->lmtp_listeners = NULL;
		cfg->lmtp_sockets = NULL;
		return false;
	}
	for (s = cfg->lmtp_sockets; s != NULL &&
	    strcmp(s->path, lmtp_socket) != 0; s = s->next)
		continue;
	if (s == NULL)
		add_socket(st, &cfg->lmtp_sockets, lmtp_socket,
		    LMTP_SOCKET_MODE);
	drop_switched_off(&cfg->lmtp_sockets);
	for (const struct config_listener *l = cfg->lmtp_listeners; l != NULL;
	    l = l->next) {
		open = open || l->port != 0;
		check_lmtp(st, l);
	}
	return open || cfg->lmtp_sockets != NULL;
}

void
cfg_finish_listeners(struct cfg_state *st)
{
	bool imap = finish_imap(st), lmtp = finish_lmtp(st);
	bool open = imap || lmtp;

	check_networks(st, "login_trusted_networks",
	    st->cfg->login_trusted_networks);
	check_networks(st, "haproxy_trusted_networks",
	    st->cfg->haproxy_trusted_networks);
	drop_switched_off(&st->cfg->auth_sockets);
	if (!open && *st->cfg->protocols != '\0')
		cfg_problem(st, NULL, CFG_NOTE, "all listeners are switched "
		    "off (port = 0): only inetd and tunnel sessions are "
		    "served");
}
