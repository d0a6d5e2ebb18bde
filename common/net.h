/* Addresses as text, and networks. */
#ifndef COMMON_NET_H
#define COMMON_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/span.h"

/*
 * "192.0.2.1", "2001:db8::1"; IPv4 in IPv6 is IPv4, as fail2ban bans it; "" for anything
 * else (a pipe, a unix socket). Returns out.
 */
const char *net_text(const struct sockaddr_storage *address,
    char out[INET6_ADDRSTRLEN]);

/* The other way round. False: it is no address; *out is as it was. */
bool net_parse(struct span text, uint16_t port, struct sockaddr_storage *out);

/* "192.0.2.0/24", "2001:db8::1", or "local", which is where there is no address. */
bool net_is_valid(struct span network);

/* Whether the address is in the network; both as above. */
bool net_contains(struct span network, const char *address);

/* In one of a list, by spaces and commas. */
bool net_list_contains(const char *list, const char *address);

#endif
