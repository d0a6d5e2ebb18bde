/* Unix sockets of the auth role. */
#include "daemon/listen_auth.h"

#include "common/config.h"
#include "common/ipc.h"
#include "common/log.h"
#include "daemon/children.h"
#include "daemon/listen_unix.h"
#include "daemon/master.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What was made: the settings that say so, "path mode user group", and the socket. */
struct made {
	char path[LISTEN_UNIX_PATH];
	char settings[512];
	int fd;
};

static struct made made[IPC_FDS_MAX];
static size_t n_made;

/* Takes over what is there already with the same settings. */
static bool
make_one(struct master *m, const struct config_socket *s, struct made *out)
{
	if (listen_unix_path(m->cfg, "auth", s, out->path) != ERR_OK)
		return false;
	snprintf(out->settings, sizeof(out->settings), "%o %s %s", s->mode,
	    s->user, s->group);
	for (size_t i = 0; i < n_made; i++)
		if (made[i].fd >= 0 && strcmp(made[i].path, out->path) == 0 &&
		    strcmp(made[i].settings, out->settings) == 0) {
			out->fd = made[i].fd;
			made[i].fd = -1;
			return true;
		}
	return listen_unix_open(out->path, "auth", s, &out->fd) == ERR_OK;
}

/* Those that were not taken over; a path that is used again stays. */
static void
remove_made(const struct made *next, size_t n)
{
	for (size_t i = 0; i < n_made; i++) {
		bool used = false;

		for (size_t k = 0; k < n; k++)
			used |= strcmp(made[i].path, next[k].path) == 0;
		if (made[i].fd >= 0 && !used)
			unlink(made[i].path);
		if (made[i].fd >= 0)
			close(made[i].fd);
	}
	n_made = 0;
}

void
listen_auth_update(struct master *m)
{
	struct child *auth = master_role(m, ROLE_AUTH);
	struct made next[IPC_FDS_MAX];
	struct ipc_none none = { 0 };
	int fd[IPC_FDS_MAX];
	unsigned n = 0;

	for (const struct config_socket *s = m->cfg->auth_sockets;
	    s != NULL && n < IPC_FDS_MAX; s = s->next)
		n += make_one(m, s, &next[n]);
	remove_made(next, n);
	for (; n_made < n; n_made++) {
		made[n_made] = next[n_made];
		fd[n_made] = next[n_made].fd;
	}
	if (auth->pid != 0 && ipc_send(auth->control_fd, MSG_LISTEN, &none,
	    SPAN_NONE, fd, n) != ERR_OK)
		log_error("auth does not hear: MTAs cannot ask it");
}

void
listen_auth_end(void)
{
	remove_made(NULL, 0);
}
