/*
 * The PROXY protocol.
 *
 * Version 1 is a line of at most 107 bytes:
 *	PROXY TCP4|TCP6 <source> <destination> <source port> <destination port> CR LF
 *	PROXY UNKNOWN <anything> CR LF
 * Version 2, numbers in network order:
 *	12 bytes  a signature that is no line of any protocol
 *	1         0x20 LOCAL, 0x21 PROXY
 *	1         family and protocol: 0x11 TCP over IPv4, 0x21 over IPv6
 *	2         bytes that follow
 *	12 or 36  source, destination, source port, destination port
 *	the rest  type (1), length (2), value; again and again
 */
#include "common/proxy.h"

#include "common/net.h"

#include <string.h>

enum {
	V1_MAX = 107, V1_MIN = 15, V2_FIXED = 16,
	TLV_TLS = 0x20, TLS_CLIENT = 0x01,
};

static const struct span signature = SPAN("\r\n\r\n\0\r\nQUIT\n");

static bool
begins(struct span have, struct span with)
{
	size_t n = have.n < with.n ? have.n : with.n;

	return memcmp(have.p, with.p, n) == 0;
}

static size_t
number_at(struct span s, size_t at)
{
	return (size_t)(unsigned char)s.p[at] << 8 | (unsigned char)s.p[at + 1];
}

enum err
proxy_missing(struct span have, size_t *missing_out)
{
	size_t want = V1_MIN;

	*missing_out = signature.n;
	if (have.n == 0)
		return ERR_OK;
	if (begins(have, SPAN("PROXY "))) {
		if (have.n >= V1_MIN) {
			bool ends = memcmp(have.p + have.n - 2, "\r\n", 2) == 0;

			want = have.n + !ends;
			if (want > V1_MAX)
				return ERR_SYNTAX;
		}
	} else if (begins(have, signature)) {
		want = V2_FIXED;
		if (have.n >= V2_FIXED)
			want += number_at(have, V2_FIXED - 2);
		if (want > PROXY_HEADER_MAX)
			return ERR_LIMIT;
	} else {
		return ERR_SYNTAX;
	}
	*missing_out = want > have.n ? want - have.n : 0;
	return ERR_OK;
}

static enum err
parse_line(struct span line, struct proxy_header *out)
{
	struct span word[6];
	uint64_t port[2];
	int family;

	line.n -= 2;
	for (int i = 0; i < 6; i++) {
		word[i] = span_cut(&line, ' ');
		if (i == 1 && span_eq(word[1], SPAN("UNKNOWN"))) {
			out->is_local = true;
			return ERR_OK;
		}
	}
	family = span_eq(word[1], SPAN("TCP4")) ? AF_INET :
	    span_eq(word[1], SPAN("TCP6")) ? AF_INET6 : AF_UNSPEC;
	for (int i = 0; i < 2; i++)
		if (word[4 + i].n == 0 ||
		    !span_to_u64(word[4 + i], UINT16_MAX, &port[i]))
			return ERR_SYNTAX;
	if (line.p != NULL ||
	    !net_parse(word[2], (uint16_t)port[0], &out->remote) ||
	    !net_parse(word[3], (uint16_t)port[1], &out->local) ||
	    out->remote.ss_family != family || out->local.ss_family != family)
		return ERR_SYNTAX;
	return ERR_OK;
}

static void
set_address(struct sockaddr_storage *out, int family, const char *host,
    const char *port)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;

	out->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&v4->sin_addr, host, 4);
		memcpy(&v4->sin_port, port, 2);
	} else {
		memcpy(&v6->sin6_addr, host, 16);
		memcpy(&v6->sin6_port, port, 2);
	}
}

static enum err
parse_extras(struct span rest, struct proxy_header *out)
{
	while (rest.n > 0) {
		size_t n = rest.n < 3 ? rest.n : number_at(rest, 1);

		if (rest.n < 3 || n > rest.n - 3)
			return ERR_SYNTAX;
		/* A byte of flags and four that concern the certificate. */
		if ((unsigned char)rest.p[0] == TLV_TLS && n >= 5)
			out->is_tls = (rest.p[3] & TLS_CLIENT) != 0;
		rest = (struct span){ rest.p + 3 + n, rest.n - 3 - n };
	}
	return ERR_OK;
}

static enum err
parse_binary(struct span s, struct proxy_header *out)
{
	unsigned char command = (unsigned char)s.p[12];
	unsigned char kind = (unsigned char)s.p[13];
	struct span rest = { s.p + V2_FIXED, s.n - V2_FIXED };
	size_t host = kind == 0x11 ? 4 : 16, n = 2 * host + 4;

	if (command == 0x20 || (command == 0x21 && kind != 0x11 &&
	    kind != 0x21)) {
		out->is_local = true;
		return ERR_OK;
	}
	if (command != 0x21 || rest.n < n)
		return ERR_SYNTAX;
	set_address(&out->remote, kind == 0x11 ? AF_INET : AF_INET6, rest.p,
	    rest.p + 2 * host);
	set_address(&out->local, kind == 0x11 ? AF_INET : AF_INET6,
	    rest.p + host, rest.p + 2 * host + 2);
	return parse_extras((struct span){ rest.p + n, rest.n - n }, out);
}

enum err
proxy_parse(struct span header, struct proxy_header *out)
{
	size_t missing;

	*out = (struct proxy_header){ 0 };
	if (header.n == 0 || proxy_missing(header, &missing) != ERR_OK ||
	    missing != 0)
		return ERR_SYNTAX;
	return *header.p == 'P' ? parse_line(header, out) :
	    parse_binary(header, out);
}
