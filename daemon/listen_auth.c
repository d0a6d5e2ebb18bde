/* Unix sockets of the auth role. */
#include "daemon/listen_auth.h"

#include "common/config.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/place.h"
#include "daemon/children.h"
#include "daemon/master.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

/* What was made: the settings that say so, "path mode user group", and the socket. */
struct made {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char settings[512];
	int fd;
};

static struct made made[IPC_FDS_MAX];
static size_t n_made;

static enum err
give_to(const char *path, const struct config_socket *s)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1, primary;

	if ((*s->user != '\0' && place_uid(s->user, &uid, &primary) !=
	    ERR_OK) || (*s->group != '\0' && place_gid(s->group, &gid) !=
	    ERR_OK)) {
		log_error("service auth: user %s or group %s of the socket %s "
		    "does not exist", s->user, s->group, path);
		return ERR_NOTFOUND;
	}
	if ((uid == (uid_t)-1 && gid == (gid_t)-1) ||
	    lchown(path, uid, gid) == 0)
		return ERR_OK;
	log_errno("service auth: cannot give the socket %s to %s:%s", path,
	    s->user, s->group);
	return ERR_PERM;
}

/* Only a socket is taken out of the way; nobody gets in before it has its owner. */
static int
open_socket(const char *path, const struct config_socket *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t old;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	old = umask(0777);
	if (fd < 0 || bind(fd, (void *)&sun, sizeof(sun)) < 0) {
		log_errno("service auth: cannot make the socket %s", path);
		umask(old);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	umask(old);
	if (give_to(path, s) == ERR_OK && chmod(path, s->mode) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	log_error("service auth: the socket %s is not served", path);
	unlink(path);
	close(fd);
	return -1;
}

/* Takes over what is there already with the same settings. */
static bool
make_one(struct master *m, const struct config_socket *s, struct made *out)
{
	bool in_base = *s->path != '/';
	int n = snprintf(out->path, sizeof(out->path), "%s%s%s",
	    in_base ? m->cfg->base_dir : "", in_base ? "/" : "", s->path);

	if (n < 0 || (size_t)n >= sizeof(out->path)) {
		log_error("service auth: %s is too long for a socket",
		    s->path);
		return false;
	}
	snprintf(out->settings, sizeof(out->settings), "%o %s %s", s->mode,
	    s->user, s->group);
	for (size_t i = 0; i < n_made; i++)
		if (made[i].fd >= 0 && strcmp(made[i].path, out->path) == 0 &&
		    strcmp(made[i].settings, out->settings) == 0) {
			out->fd = made[i].fd;
			made[i].fd = -1;
			return true;
		}
	out->fd = open_socket(out->path, s);
	return out->fd >= 0;
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
