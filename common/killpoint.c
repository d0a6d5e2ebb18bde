/* The crash tests' way to die at a known place. */
#include "common/killpoint.h"

#ifdef LOFT_TEST_HOOKS
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
killpoint(const char *name)
{
	static int left = -1;
	const char *want = getenv("LOFT_KILL"), *colon;

	if (want == NULL || (colon = strchr(want, ':')) == NULL)
		return;
	/* "*" counts every point, whatever its name. */
	if (*want != '*' && (strlen(name) != (size_t)(colon - want) ||
	    memcmp(name, want, strlen(name)) != 0))
		return;
	if (left < 0)
		left = atoi(colon + 1);
	if (--left == 0)
		/* The session's filter forbids kill(2): as sudden, and allowed. */
		_exit(137);
}
#else
typedef int killpoint_unused;
#endif
