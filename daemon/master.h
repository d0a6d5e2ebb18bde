/* The master: starts, watches, reloads and stops everything else. */
#ifndef DAEMON_MASTER_H
#define DAEMON_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "common/ipc.h"
#include "daemon/listen.h"

enum { POOLS_MAX = 64, ROLES_MAX = 3 };

/* A role that runs, or is to be started again. */
struct child {
	const char *name;	/* "auth" */
	enum ipc_role bit;
	pid_t pid;		/* 0: not running */
	int control_fd;
	bool ready;
	uint32_t confined;
	uint64_t started_ms, restart_ms;	/* 0: not waiting */
	unsigned failures;	/* early deaths in a row */
};

/* A pool: one serves, older ones end with their last session. */
struct pool {
	pid_t pid;		/* also its process group; 0: free slot */
	int control_fd;		/* -1: the pool is dead, workers of its live on */
	bool ready, retiring;
	uint32_t confined;
	uint64_t generation, started_ms;
	struct ipc_pool last;	/* what it reported last */
	uint64_t reported_ms;
};

struct master {
	struct config *cfg;
	struct config *next_cfg;	/* of a reload whose pool is not ready yet */
	const char *config_path;
	struct listeners listeners;
	struct child roles[ROLES_MAX];
	struct pool pools[POOLS_MAX];
	uint64_t generation;
	int signal_fd, control_fd, empty_fd;
	/* [0] pools' end, [1] the role's: auth's, notify's, auth's for who takes mail */
	int auth_door[2], notify_door[2], mail_door[2];
	bool stopping, inetd;
	bool start_failed;	/* the first pool never got ready */
	int started_fd;		/* told when the first pool is ready, -1 */
	uint64_t started_s, kill_at_ms, replaced_ms, pool_at_ms;
	unsigned pool_failures;
};

/* `loftd [-F] -c FILE`. Returns the exit status. */
int master_main(const char *config_path, bool foreground);

/* `loftd -i -c FILE`: one connection on descriptor 0. */
int master_inetd(const char *config_path);

/* For control: begins a reload. Errors: ERR_SYNTAX the configuration has fatal
 * problems, appended to `text`; ERR_IO. The old one stays then. */
enum err master_reload(struct master *m, struct buf *text);

/* The log file anew, after it was moved away. Errors: ERR_PERM, ERR_IO (logged). */
enum err master_reopen_log(struct master *m);

/* Begins an orderly stop, or an immediate one. */
void master_stop(struct master *m, bool now);

/*
 * Waits at most a second for a message of this kind on a child's control socket;
 * what comes meanwhile is handled as usual. Errors: ERR_UNAVAIL.
 */
enum err master_await(struct master *m, int fd, enum ipc_role from,
    enum ipc_kind kind, struct ipc_message *out);

/* Parts that inetd shares: load and log problems; open the log; empty tables; end. */
enum err master_load(const char *path, struct config **cfg, struct buf *text);
enum err master_open_log(const struct config *cfg);
void master_set_up(struct master *m);
void master_end_roles(struct master *m);

/* The child of that bit. */
struct child *master_role(struct master *m, enum ipc_role bit);

#endif
