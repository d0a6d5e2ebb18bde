/* Opens, keeps and closes the listening sockets. */
#include "daemon/listen.h"

#include "common/config.h"
#include "common/log.h"
#include "common/span.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096, SD_FIRST = 3 };

static bool
same_address(const struct listener *a, const struct listener *b)
{
	const struct sockaddr_in *a4 = (const void *)&a->address;
	const struct sockaddr_in *b4 = (const void *)&b->address;
	const struct sockaddr_in6 *a6 = (const void *)&a->address;
	const struct sockaddr_in6 *b6 = (const void *)&b->address;

	if (a->address.ss_family != b->address.ss_family)
		return false;
	if (a->address.ss_family == AF_INET)
		return a4->sin_port == b4->sin_port &&
		    a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->address.ss_family == AF_INET6 &&
	    a6->sin6_port == b6->sin6_port &&
	    a6->sin6_scope_id == b6->sin6_scope_id &&
	    memcmp(&a6->sin6_addr, &b6->sin6_addr, 16) == 0;
}

void
listen_inherit(struct listeners *out)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t n;

	out->n = 0;
	if (pid == NULL || fds == NULL || atol(pid) != (long)getpid() ||
	    !span_to_u64(span_of(fds), LISTEN_MAX, &n))
		return;
	for (int fd = SD_FIRST; fd < SD_FIRST + (int)n; fd++) {
		struct listener *l = &out->at[out->n];

		*l = (struct listener){ .fd = fd };
		l->address_bytes = sizeof(l->address);
		if (getsockname(fd, (void *)&l->address,
		    &l->address_bytes) < 0)
			continue;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		out->n++;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
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
add_address(const char *host, unsigned port, bool tls, struct listeners *out)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	}, *found, *a;
	char service[16];
	int r;

	snprintf(service, sizeof(service), "%u", port);
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

		*l = (struct listener){ .fd = -1, .tls = tls };
		memcpy(&l->address, a->ai_addr, a->ai_addrlen);
		l->address_bytes = a->ai_addrlen;
		out->n++;
	}
	freeaddrinfo(found);
	return ERR_OK;
}

static enum err
add_listener(const struct config *cfg, const struct config_listener *c,
    struct listeners *out)
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
		e = add_address(host, c->port, c->ssl, out);
	}
	return e;
}

static enum err
wanted(const struct config *cfg, struct listeners *out)
{
	bool can_tls = cfg->ssl != SSL_NO && *cfg->ssl_cert != '\0';
	enum err e = ERR_OK;

	out->n = 0;
	for (int tls = 0; tls <= 1; tls++)
		for (const struct config_listener *c = cfg->listeners;
		    c != NULL && e == ERR_OK; c = c->next) {
			if (c->port == 0 || c->ssl != (tls == 1))
				continue;
			if (c->ssl && !can_tls) {
				log_warn("%s (port %u) is not served: ssl = no "
				    "or no ssl_cert", c->name, c->port);
				continue;
			}
			e = add_listener(cfg, c, out);
		}
	if (e == ERR_OK && out->n == 0) {
		log_error("nothing to listen on: every inet_listener is "
		    "switched off");
		e = ERR_IO;
	}
	return e;
}

enum err
listen_update(const struct config *cfg, struct listeners *set)
{
	struct listeners next;
	bool taken[LISTEN_MAX] = { false };
	size_t opened = 0;
	enum err e;

	if ((e = wanted(cfg, &next)) != ERR_OK)
		return e;
	for (size_t i = 0; i < next.n; i++) {
		char name[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
		char text[NI_MAXHOST + NI_MAXSERV + 2];

		for (size_t k = 0; k < set->n && next.at[i].fd < 0; k++)
			if (!taken[k] && same_address(&next.at[i],
			    &set->at[k])) {
				next.at[i].fd = set->at[k].fd;
				taken[k] = true;
			}
		if (next.at[i].fd >= 0)
			continue;
		getnameinfo((const void *)&next.at[i].address,
		    next.at[i].address_bytes, name, sizeof(name), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
		snprintf(text, sizeof(text), "%s:%s", name, port);
		next.at[i].fd = open_socket(&next.at[i], text);
		if (next.at[i].fd < 0 && (errno == EAFNOSUPPORT ||
		    (errno == EADDRNOTAVAIL &&
		    next.at[i].address.ss_family == AF_INET6)))
			continue;
		if (next.at[i].fd < 0)
			goto failed;
		opened++;
	}
	for (size_t k = 0; k < set->n; k++)
		if (!taken[k])
			close(set->at[k].fd);
	set->n = 0;
	for (size_t i = 0; i < next.n; i++)
		if (next.at[i].fd >= 0)
			set->at[set->n++] = next.at[i];
	if (opened > 0)
		log_debug("%zu listening sockets opened", opened);
	return set->n > 0 ? ERR_OK : ERR_IO;
failed:
	for (size_t i = 0; i < next.n; i++) {
		bool old = false;

		for (size_t k = 0; k < set->n; k++)
			old = old || set->at[k].fd == next.at[i].fd;
		if (!old && next.at[i].fd >= 0)
			close(next.at[i].fd);
	}
	return ERR_IO;
}

void
listen_close(struct listeners *set)
{
	for (size_t i = 0; i < set->n; i++)
		close(set->at[i].fd);
	set->n = 0;
}
