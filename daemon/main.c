/* loftd: parses options and hands over to the role's main function. */
#include "common/buf.h"
#include "common/config.h"
#include "common/log.h"
#include "daemon/master.h"
#include "daemon/role.h"
#include "daemon/spawn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LOFT_SYSCONFDIR
#define LOFT_SYSCONFDIR "/etc"
#endif

static int
usage(void)
{
	fprintf(stderr, "usage: loftd [-F] [-c FILE]     serve\n"
	    "       loftd -n [-c FILE]       print the settings that are not "
	    "default\n"
	    "       loftd -i [-c FILE]       serve the connection on "
	    "descriptor 0 (inetd)\n"
	    "       loftd -P [-c FILE]       serve the caller's own mail on "
	    "descriptors 0 and 1\n");
	return 64;
}

static int
print(const char *path)
{
	struct buf text = { 0 };
	struct config *cfg;
	int status = 0;

	if (master_load(path, &cfg, NULL) != ERR_OK)
		status = 78;
	else
		config_print(cfg, true, false, &text);
	fwrite(text.p, 1, text.n, stdout);
	return status;
}

static int
tunnel(const char *path, bool is_given)
{
	const char *worker = spawn_worker_path();
	char *argv[] = {
		(char *)(uintptr_t)"loft-worker", (char *)(uintptr_t)"-P",
		(char *)(uintptr_t)"-c", (char *)(uintptr_t)path, NULL,
	};

	if (!is_given && access(path, R_OK) != 0)
		argv[2] = NULL;
	execv(worker, argv);
	fprintf(stderr, "loftd: cannot execute %s\n", worker);
	return 71;
}

int
main(int argc, char **argv)
{
	const char *path = LOFT_SYSCONFDIR "/loft.conf", *role = NULL;
	bool foreground = false, is_given = false;
	int mode = 0, c;

	while ((c = getopt(argc, argv, "FinPc:r:")) != -1) {
		switch (c) {
		case 'F':
			foreground = true;
			break;
		case 'c':
			path = optarg;
			is_given = true;
			break;
		case 'r':
			role = optarg;
			break;
		case 'i':
		case 'n':
		case 'P':
			mode = c;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc)
		return usage();
	if (role != NULL)
		return role_main(role);
	switch (mode) {
	case 'i':
		return master_inetd(path);
	case 'n':
		return print(path);
	case 'P':
		return tunnel(path, is_given);
	default:
		return master_main(path, foreground);
	}
}
