/* PROXY headers, from whoever is trusted to send them. */
#include "common/proxy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span have = { (const char *)data, 0 };
	struct proxy_header out;
	size_t missing;

	/* As it is read: never more than is asked for, and always some way on. */
	while (proxy_missing(have, &missing) == ERR_OK && missing > 0) {
		if (have.n + missing > PROXY_HEADER_MAX)
			abort();
		if (missing > n - have.n)
			break;
		have.n += missing;
	}
	if (proxy_parse(have, &out) == ERR_OK && !out.is_local &&
	    ((out.remote.ss_family != AF_INET &&
	    out.remote.ss_family != AF_INET6) ||
	    out.remote.ss_family != out.local.ss_family))
		abort();
	/* And of anything at all. */
	if (proxy_parse((struct span){ (const char *)data, n }, &out) ==
	    ERR_OK && n > PROXY_HEADER_MAX)
		abort();
	return 0;
}
