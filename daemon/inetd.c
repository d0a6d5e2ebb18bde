/* loftd -i: what one connection on descriptor 0 needs, and no more. */
#include "daemon/master.h"

#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/privs.h"
#include "daemon/children.h"
#include "daemon/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Until the worker ends: home may ask for a session of its own. */
static void
serve_home(int home_fd, struct master *m, pid_t worker)
{
	static struct ipc_message message;
	struct pollfd fds[2] = {
		{ (int)syscall(SYS_pidfd_open, worker, 0), POLLIN, 0 },
		{ home_fd, POLLIN, 0 },
	};

	while (fds[0].fd >= 0 && fds[0].revents == 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents == 0)
			continue;
		if (ipc_receive(home_fd, ROLE_HOME, ROLE_MASTER, &message) !=
		    ERR_OK) {
			fds[1].fd = -1;
			continue;
		}
		if (message.kind == MSG_RUN)
			children_run_session(m, &message);
		ipc_close_fds(&message);
	}
	if (fds[0].fd >= 0)
		close(fds[0].fd);
}

int
master_inetd(const char *config_path)
{
	const char *argv[] = { "loft-worker", "-i", NULL };
	static struct master m;
	int config, status = 0;
	pid_t pid;

	/* Descriptor 2 may be the client's, too. */
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct stat in, err;
	if (fstat(STDIN_FILENO, &in) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
	    in.st_dev == err.st_dev && in.st_ino == err.st_ino)
		dup2(null, STDERR_FILENO);
	log_open(STDERR_FILENO, false, NULL);
	m.inetd = true;
	m.config_path = config_path;
	master_set_up(&m);
	if (master_load(config_path, &m.cfg, NULL) != ERR_OK)
		return 78;
	if (master_open_log(m.cfg) != ERR_OK)
		return 75;
	handover_log(m.cfg, "inetd: ");
	if (privs_open_empty("/tmp", &m.empty_fd) != ERR_OK ||
	    children_prepare(&m) != ERR_OK ||
	    children_start_role(&m, master_role(&m, ROLE_HOME)) != ERR_OK ||
	    children_start_role(&m, master_role(&m, ROLE_AUTH)) != ERR_OK ||
	    handover_config_fd(m.cfg, &config) != ERR_OK)
		return 75;
	int fds[] = { -1, config, m.auth_door[0], -1, m.empty_fd };
	if (spawn(spawn_worker_path(), argv, fds, 5, STDIN_FILENO, NULL,
	    &pid) !=
	    ERR_OK)
		return 75;
	serve_home(master_role(&m, ROLE_HOME)->control_fd, &m, pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	master_end_roles(&m);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 75;
}
