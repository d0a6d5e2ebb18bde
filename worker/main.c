/* loft-worker: which way does the connection come? */
#include "worker/adopt.h"
#include "worker/pool.h"
#include "worker/relay.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	static const struct {
		const char *option;
		int (*run)(int argc, char **argv);
	} modes[] = {
		{ "--pool", pool_main },
		{ "-i", inetd_main },
		{ "-P", tunnel_main },
		{ "--session", relay_main },
		{ "--adopt", adopt_main },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(argv[1], modes[i].option) == 0)
			return modes[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: loft-worker -P [-c FILE]\n"
	    "loftd starts the other kinds of loft-worker.\n");
	return 64;
}
