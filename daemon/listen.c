/* Opens, keeps and closes the listening sockets. */
#include "daemon/listen.h"

#include "common/config.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/span.h"
#include "daemon/listen_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, SD_FIRST = 3 };

/* A unix socket's. */
static const char *
path_of(const struct listener *l)
{
	return ((const struct sockaddr_un *)(const void *)
	    &l->address)->sun_path;
}

static bool
same_address(const struct listener *a, const struct listener *b)
{
	const struct sockaddr_in *a4 = (const void *)&a->address;
	const struct sockaddr_in *b4 = (const void *)&b->address;
	const struct sockaddr_in6 *a6 = (const void *)&a->address;
	const struct sockaddr_in6 *b6 = (const void *)&b->address;

	if (a->address.ss_family != b->address.ss_family)
		return false;
	if (a->address.ss_family == AF_UNIX)
		return strcmp(path_of(a), path_of(b)) == 0;
	if (a->address.ss_family == AF_INET)
		return a4->sin_port == b4->sin_port &&
		    a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->address.ss_family == AF_INET6 &&
	    a6->sin6_port == b6->sin6_port &&
	    a6->sin6_scope_id == b6->sin6_scope_id &&
	    memcmp(&a6->sin6_addr, &b6->sin6_addr, 16) == 0;
}

/* "::" without IPV6_V6ONLY, as systemd opens a bare port, stands for "*" as well. */
static bool
serves(const struct listener *have, const struct listener *wanted)
{
	const struct sockaddr_in *v4 = (const void *)&wanted->address;
	const struct sockaddr_in6 *v6 = (const void *)&have->address;

	return same_address(have, wanted) || (have->is_dual &&
	    wanted->address.ss_family == AF_INET &&
	    v4->sin_addr.s_addr == htonl(INADDR_ANY) &&
	    v4->sin_port == v6->sin6_port);
}

/* "192.0.2.1:143", for messages; good until the next call. */
static const char *
name_of(const struct listener *l)
{
	static char text[NI_MAXHOST + NI_MAXSERV + 2];
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	getnameinfo((const void *)&l->address, l->address_bytes, host,
	    sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, sizeof(text), "%s:%s", host, port);
	return text;
}

static bool
socket_option(int fd, int level, int option)
{
	int value = 0;
	socklen_t n = sizeof(value);

	return getsockopt(fd, level, option, &value, &n) == 0 && value != 0;
}

static void
inherit_one(int fd, struct listeners *out)
{
	struct listener *l = &out->at[out->n];
	int on = 1;

	*l = (struct listener){ .fd = fd, .is_inherited = true };
	l->address_bytes = sizeof(l->address);
	if (getsockname(fd, (void *)&l->address, &l->address_bytes) < 0 ||
	    (l->address.ss_family != AF_INET &&
	    l->address.ss_family != AF_INET6) ||
	    !socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN)) {
		log_warn("descriptor %d of systemd is no listening TCP socket: "
		    "not used", fd);
		close(fd);
		return;
	}
	l->is_dual = l->address.ss_family == AF_INET6 &&
	    IN6_IS_ADDR_UNSPECIFIED(&((struct sockaddr_in6 *)(void *)
	    &l->address)->sin6_addr) &&
	    !socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	out->n++;
}

void
listen_inherit(struct listeners *out)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t n = 0;

	out->n = 0;
	if (pid == NULL || fds == NULL || atol(pid) != (long)getpid())
		return;
	if (!span_to_u64(span_of(fds), LISTEN_MAX, &n))
		log_warn("LISTEN_FDS = %s: at most %d sockets of systemd are "
		    "used; none is", log_text(span_of(fds)), LISTEN_MAX);
	for (int fd = SD_FIRST; fd < SD_FIRST + (int)n; fd++)
		inherit_one(fd, out);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static int
open_socket(const struct listener *l, const char *name)
{
	int on = 1, fd = socket(l->address.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Accepted sockets inherit it: answers are written whole. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (l->address.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const void *)&l->address, l->address_bytes) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		log_errno("cannot listen on %s", name);
		return -1;
	}
	return fd;
}

/* Everything a name and port stand for. */
static enum err
add_address(const char *host, const struct config_listener *c, unsigned kind,
    struct listeners *out)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	}, *found, *a;
	char service[16];
	int r;

	snprintf(service, sizeof(service), "%u", c->port);
	if (strcmp(host, "*") == 0) {
		hints.ai_family = AF_INET;
		host = NULL;
	} else if (strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0) {
		hints.ai_family = AF_INET6;
		host = NULL;
	}
	if ((r = getaddrinfo(host, service, &hints, &found)) != 0) {
		/* A host without IPv6 has no "::": that is no mistake. */
		if (host == NULL && hints.ai_family == AF_INET6)
			return ERR_OK;
		log_error("cannot listen on %s: %s", host == NULL ? "*" : host,
		    gai_strerror(r));
		return ERR_IO;
	}
	for (a = found; a != NULL && out->n < LISTEN_MAX; a = a->ai_next) {
		struct listener *l = &out->at[out->n];

		*l = (struct listener){ .fd = -1, .kind = kind };
		memcpy(&l->address, a->ai_addr, a->ai_addrlen);
		l->address_bytes = a->ai_addrlen;
		out->n++;
	}
	freeaddrinfo(found);
	return ERR_OK;
}

static enum err
add_listener(const struct config *cfg, const struct config_listener *c,
    unsigned kind, struct listeners *out)
{
	struct span list = span_of(c->address != NULL && *c->address != '\0' ?
	    c->address : cfg->listen);
	enum err e = ERR_OK;

	while (list.p != NULL && e == ERR_OK) {
		struct span word = list;
		char host[256];

		while (list.n > 0 && *list.p != ',' && *list.p != ' ')
			list.p++, list.n--;
		word.n -= list.n;
		if (list.n > 0)
			list.p++, list.n--;
		else
			list = SPAN_NONE;
		if (word.n == 0 || word.n >= sizeof(host))
			continue;
		memcpy(host, word.p, word.n);
		host[word.n] = '\0';
		e = add_address(host, c, kind, out);
	}
	return e;
}

static unsigned
kind_of(const struct config_listener *c)
{
	return (c->ssl ? LISTEN_TLS : 0U) | (c->haproxy ? LISTEN_PROXIED : 0U);
}

/* Those of a list; service: LISTEN_LMTP, or 0. */
static enum err
add_listeners(const struct config *cfg, const struct config_listener *c,
    unsigned service, struct listeners *out)
{
	bool can_tls = cfg->ssl != SSL_NO && *cfg->ssl_cert != '\0';
	enum err e = ERR_OK;

	for (; c != NULL && e == ERR_OK; c = c->next) {
		if (c->port == 0)
			continue;
		if (c->ssl && !can_tls)
			log_warn("%s (port %u) is not served: ssl = no or no "
			    "ssl_cert", c->name, c->port);
		else
			e = add_listener(cfg, c, kind_of(c) | service, out);
	}
	return e;
}

/* Whose mail a caller may deliver there is judged for each (LISTEN_LDA). */
static const struct config_socket lda_socket = {
	.path = "lda", .mode = 0666, .user = "", .group = "",
};

static void
add_sockets(const struct config *cfg, const struct config_socket *s,
    unsigned kind, struct listeners *out)
{
	for (; s != NULL && out->n < LISTEN_MAX; s = s->next) {
		struct listener *l = &out->at[out->n];
		struct sockaddr_un *un = (void *)&l->address;

		*l = (struct listener){ .fd = -1, .kind = kind,
			.address_bytes = sizeof(*un), .socket = s };
		un->sun_family = AF_UNIX;
		if (listen_unix_path(cfg, "lmtp", s, un->sun_path) == ERR_OK)
			out->n++;
	}
}

static enum err
wanted(const struct config *cfg, struct listeners *out)
{
	enum err e;

	out->n = 0;
	if ((e = add_listeners(cfg, cfg->listeners, 0, out)) == ERR_OK)
		e = add_listeners(cfg, cfg->lmtp_listeners, LISTEN_LMTP, out);
	add_sockets(cfg, cfg->lmtp_sockets, LISTEN_LMTP, out);
	if (e == ERR_OK && out->n == 0) {
		log_error("nothing to listen on: every inet_listener is "
		    "switched off");
		e = ERR_IO;
	}
	add_sockets(cfg, &lda_socket, LISTEN_LDA, out);
	return e;
}

/*
 * Takes a socket of `set` that serves the address. True: there is one, or one that was
 * taken for the address's other half.
 */
static bool
take_over(struct listener *l, const struct listeners *set, bool *taken)
{
	for (size_t k = 0; k < set->n; k++) {
		const struct listener *have = &set->at[k];
		struct listener wish = *l;

		if (!serves(have, l) || (taken[k] && !have->is_dual))
			continue;
		if (!taken[k]) {
			*l = *have;
			l->kind = wish.kind;
			taken[k] = true;
			/* It may have another owner or mode by now. */
			if (wish.socket != NULL && listen_unix_give(path_of(l),
			    "lmtp", wish.socket) != ERR_OK)
				log_warn("%s stays as it was", path_of(l));
		}
		return true;
	}
	return false;
}

/*
 * Errors: ERR_IO (logged); where there is no such address, or the unix socket cannot be
 * made, l->fd stays -1.
 */
static enum err
open_one(struct listener *l)
{
	if (l->address.ss_family == AF_UNIX) {
		if (listen_unix_open(path_of(l), "lmtp", l->socket, &l->fd) !=
		    ERR_OK)
			log_warn("no mail is taken on %s", path_of(l));
		l->socket = NULL;
		return ERR_OK;
	}
	l->fd = open_socket(l, name_of(l));
	if (l->fd >= 0 || errno == EAFNOSUPPORT ||
	    (errno == EADDRNOTAVAIL && l->address.ss_family == AF_INET6))
		return ERR_OK;
	return ERR_IO;
}

static void
close_one(const struct listener *l)
{
	if (l->address.ss_family == AF_UNIX)
		unlink(path_of(l));
	close(l->fd);
}

static void
close_others(const struct listeners *set, const bool *taken)
{
	for (size_t k = 0; k < set->n; k++) {
		if (taken[k])
			continue;
		if (set->at[k].is_inherited)
			log_warn("%s, a socket of systemd, is in no "
			    "inet_listener: closed", name_of(&set->at[k]));
		close_one(&set->at[k]);
	}
}

enum err
listen_update(const struct config *cfg, struct listeners *set)
{
	struct listeners next;
	bool taken[LISTEN_MAX] = { false }, is_new[LISTEN_MAX] = { false };
	size_t opened = 0;
	enum err e;

	if ((e = wanted(cfg, &next)) != ERR_OK)
		return e;
	for (size_t i = 0; i < next.n && e == ERR_OK; i++)
		if (!take_over(&next.at[i], set, taken)) {
			e = open_one(&next.at[i]);
			is_new[i] = next.at[i].fd >= 0;
			opened += is_new[i];
		}
	if (e != ERR_OK) {
		for (size_t i = 0; i < next.n; i++)
			if (is_new[i])
				close_one(&next.at[i]);
		return e;
	}
	close_others(set, taken);
	set->n = 0;
	for (size_t i = 0; i < next.n; i++)
		if (next.at[i].fd >= 0)
			set->at[set->n++] = next.at[i];
	if (opened > 0)
		log_debug("%zu listening sockets opened", opened);
	return set->n > 0 ? ERR_OK : ERR_IO;
}

void
listen_close(struct listeners *set)
{
	for (size_t i = 0; i < set->n; i++)
		close_one(&set->at[i]);
	set->n = 0;
}
