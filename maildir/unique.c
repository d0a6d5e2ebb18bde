/* Names for new message files. */
#include "maildir/unique.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

static char host[65];

void
unique_prepare(void)
{
	if (host[0] != '\0')
		return;
	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		memcpy(host, "localhost", 10);
	/* "/" and ":" mean something in a Maildir. */
	for (char *p = host; *p != '\0'; p++)
		if (*p == '/' || *p == ':' || *p == ',' || *p <= ' ')
			*p = '_';
}

void
unique_name(char *out, size_t size)
{
	static unsigned count;
	unsigned long long us = clock_us();

	unique_prepare();
	snprintf(out, size, "%llu.M%lluP%ldQ%u.%s", us / 1000000,
	    us % 1000000, (long)getpid(), ++count, host);
}
