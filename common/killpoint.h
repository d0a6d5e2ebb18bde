/*
 * Places where the crash tests kill a process: nothing at all in an ordinary
 * build. With LOFT_TEST_HOOKS, LOFT_KILL="name:3" in the environment ends the
 * process at once (no handlers, no flushes: what SIGKILL would leave) when it comes
 * by that name for the third time; "*" counts all names.
 */
#ifndef COMMON_KILLPOINT_H
#define COMMON_KILLPOINT_H

#ifdef LOFT_TEST_HOOKS
/* Dies here if LOFT_KILL says so. */
void killpoint(const char *name);
#define KILL_POINT(name) killpoint(name)
#else
#define KILL_POINT(name) ((void)0)
#endif

#endif
