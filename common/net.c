/* Addresses as text, and networks. */
#include "common/net.h"

#include <arpa/inet.h>
#include <string.h>

struct network {
	int family;
	unsigned char bytes[16];
	size_t bits;
};

const char *
net_text(const struct sockaddr_storage *address, char out[INET6_ADDRSTRLEN])
{
	const struct sockaddr_in *v4 = (const void *)address;
	const struct sockaddr_in6 *v6 = (const void *)address;

	*out = '\0';
	if (address->ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
	else if (address->ss_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out,
		    INET6_ADDRSTRLEN);
	else if (address->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN);
	return out;
}

/* The address's bytes; AF_UNSPEC: it is none. */
static int
to_bytes(struct span text, unsigned char out[16])
{
	char copy[INET6_ADDRSTRLEN];

	memset(out, 0, 16);
	if (text.n == 0 || text.n >= sizeof(copy) ||
	    memchr(text.p, '\0', text.n) != NULL)
		return AF_UNSPEC;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	if (inet_pton(AF_INET, copy, out) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, copy, out) == 1 ? AF_INET6 : AF_UNSPEC;
}

bool
net_parse(struct span text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };
	unsigned char bytes[16];
	int family = to_bytes(text, bytes);

	if (family == AF_UNSPEC)
		return false;
	memcpy(&v4.sin_addr, bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, bytes, sizeof(v6.sin6_addr));
	memset(out, 0, sizeof(*out));
	if (family == AF_INET)
		memcpy(out, &v4, sizeof(v4));
	else
		memcpy(out, &v6, sizeof(v6));
	return true;
}

static bool
to_network(struct span text, struct network *out)
{
	struct span bits = text, host = span_cut(&bits, '/');
	uint64_t n;

	out->family = to_bytes(host, out->bytes);
	n = out->family == AF_INET6 ? 128 : 32;
	if (out->family == AF_UNSPEC || (bits.p != NULL &&
	    (bits.n == 0 || !span_to_u64(bits, n, &n))))
		return false;
	out->bits = n;
	return true;
}

bool
net_is_valid(struct span network)
{
	struct network n;

	return span_eq(network, SPAN("local")) || to_network(network, &n);
}

bool
net_contains(struct span network, const char *address)
{
	unsigned char a[16];
	struct network n;

	if (span_eq(network, SPAN("local")))
		return *address == '\0';
	if (!to_network(network, &n) ||
	    to_bytes(span_of(address), a) != n.family)
		return false;
	for (size_t i = 0; i < n.bits; i++) {
		unsigned char bit = (unsigned char)(0x80 >> (i % 8));

		if ((a[i / 8] & bit) != (n.bytes[i / 8] & bit))
			return false;
	}
	return true;
}

bool
net_list_contains(const char *list, const char *address)
{
	struct span rest = span_of(list);

	while (rest.p != NULL) {
		struct span part = span_cut(&rest, ',');

		while (part.p != NULL) {
			struct span word = span_cut(&part, ' ');

			if (word.n > 0 && net_contains(word, address))
				return true;
		}
	}
	return false;
}
