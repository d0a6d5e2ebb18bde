/* Reads the PROXY header: before TLS, before anything else. */
#include "worker/proxied.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/net.h"
#include "common/proxy.h"
#include "worker/session.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* NULL, or why there is no header. */
static const char *
read_header(int fd, uint64_t end_ms, struct proxy_header *out)
{
	static char buf[PROXY_HEADER_MAX];
	struct span have = { buf, 0 };
	size_t missing;

	while (proxy_missing(have, &missing) == ERR_OK && missing > 0) {
		uint64_t now = clock_mono_ms();
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t n = recv(fd, buf + have.n, missing, MSG_DONTWAIT);

		if (n > 0)
			have.n += (size_t)n;
		else if (n == 0)
			return "it hung up before its PROXY header was there";
		else if (errno != EAGAIN && errno != EINTR)
			return "the connection failed";
		else if (now >= end_ms || (poll(&p, 1, (int)(end_ms - now)) ==
		    0))
			return "its PROXY header did not come within "
			    "haproxy_timeout";
	}
	return proxy_parse(have, out) == ERR_OK ? NULL :
	    "what it sent is no PROXY header";
}

bool
proxied_begin(struct session *s, int fd)
{
	char ip[INET6_ADDRSTRLEN];
	struct proxy_header header;
	const char *why;

	net_text(&s->remote, ip);
	if (!net_list_contains(s->cfg->haproxy_trusted_networks, ip)) {
		log_warn("%s is not in haproxy_trusted_networks: disconnected",
		    ip);
		return false;
	}
	why = read_header(fd, clock_mono_ms() + s->cfg->haproxy_timeout,
	    &header);
	if (why != NULL) {
		log_warn("proxy %s: %s: disconnected", ip, why);
		return false;
	}
	if (!header.is_local) {
		s->remote = header.remote;
		s->local = header.local;
		s->is_tls_elsewhere = header.is_tls;
	}
	return true;
}
