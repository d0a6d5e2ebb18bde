/* The PROXY protocol's header, versions 1 and 2 (HAProxy's proxy-protocol.txt). */
#ifndef COMMON_PROXY_H
#define COMMON_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/span.h"

/* A header of version 2 may have 64 KiB; what proxies send has some hundred bytes. */
enum { PROXY_HEADER_MAX = 4096 };

struct proxy_header {
	/* The proxy itself speaks (a health check), or does not say for whom. */
	bool is_local;
	struct sockaddr_storage remote, local;
	bool is_tls;		/* the client came to the proxy by TLS */
};

/*
 * How many more bytes surely belong to a header that begins so; 0: it is complete.
 * Nothing behind a header is ever asked for. Errors: ERR_SYNTAX it is no header;
 * ERR_LIMIT it is longer than PROXY_HEADER_MAX.
 */
enum err proxy_missing(struct span have, size_t *missing_out);

/* Reads a complete header. Errors: ERR_SYNTAX. */
enum err proxy_parse(struct span header, struct proxy_header *out);

#endif
