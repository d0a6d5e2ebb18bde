/* What every role does when it starts, and the table of them. */
#ifndef DAEMON_ROLE_H
#define DAEMON_ROLE_H

#include <stdbool.h>

#include "common/err.h"
#include "common/sandbox.h"

struct config;
struct ipc_message;

/* Main functions of the roles, from the table; each returns an exit status. */
#define ROLE(name, bit, run, id, root, calls, what) int run(struct config *cfg);
#include "daemon/roles.def"
#undef ROLE

/*
 * `loftd -r NAME`: reads the configuration, opens the log and runs the role.
 * Returns the exit status, 64 for an unknown name.
 */
int role_main(const char *name);

/*
 * For a role that has opened what it needs: takes its row's identity and root
 * directory, gives everything else up, allows the row's system calls only and tells
 * the master. Errors: ERR_UNAVAIL `confinement = required` is not met (logged);
 * ERR_PERM (logged)
 */
enum err role_confine(const struct config *cfg, const char *name);

/* The same; more: what else confines, CONFINED_*, to be reported. */
enum err role_confine_with(const struct config *cfg, const char *name,
    unsigned more);

/* The same for a helper process of a role: other system calls, no word to the master. */
enum err role_confine_as(const struct config *cfg, const char *name,
    enum sandbox_profile calls);

/*
 * A CONFIG message's descriptors: puts the new configuration in place (freeing the
 * old one) and the new log where the old one was. Logs; keeps the old one when the
 * new one cannot be read.
 */
void role_reconfigure(struct config **cfg, struct ipc_message *m,
    const char *prefix);

#endif
