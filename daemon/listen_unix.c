/* Unix sockets that a service block names. */
#include "daemon/listen_unix.h"

#include "common/config.h"
#include "common/fsutil.h"
#include "common/log.h"
#include "common/place.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

enum err
listen_unix_path(const struct config *cfg, const char *service,
    const struct config_socket *s, char out[LISTEN_UNIX_PATH])
{
	bool in_base = *s->path != '/';
	int n = snprintf(out, LISTEN_UNIX_PATH, "%s%s%s",
	    in_base ? cfg->base_dir : "", in_base ? "/" : "", s->path);

	if (n >= 0 && n < LISTEN_UNIX_PATH)
		return ERR_OK;
	log_error("service %s: %s is too long for a socket", service, s->path);
	return ERR_LIMIT;
}

static enum err
find_owner(const char *path, const char *service,
    const struct config_socket *s, uid_t *uid, gid_t *gid)
{
	gid_t primary;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if ((*s->user == '\0' || place_uid(s->user, uid, &primary) ==
	    ERR_OK) && (*s->group == '\0' || place_gid(s->group, gid) ==
	    ERR_OK))
		return ERR_OK;
	log_error("service %s: user %s or group %s of the socket %s does not "
	    "exist", service, s->user, s->group, path);
	return ERR_NOTFOUND;
}

enum err
listen_unix_give(const char *path, const char *service,
    const struct config_socket *s)
{
	uid_t uid;
	gid_t gid;
	enum err e = find_owner(path, service, s, &uid, &gid);

	if (e != ERR_OK)
		return e;
	if (((uid == (uid_t)-1 && gid == (gid_t)-1) ||
	    lchown(path, uid, gid) == 0) && chmod(path, s->mode) == 0)
		return ERR_OK;
	log_errno("service %s: cannot give the socket %s to %s:%s with mode "
	    "0%o", service, path, s->user, s->group, s->mode);
	return fs_err(errno);
}

static enum err
bind_it(int fd, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t old;
	int r;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	old = umask(0777);
	r = bind(fd, (void *)&sun, sizeof(sun));
	umask(old);
	return r == 0 ? ERR_OK : fs_err(errno);
}

enum err
listen_unix_open(const char *path, const char *service,
    const struct config_socket *s, int *fd_out)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	enum err e = fd < 0 ? ERR_IO : bind_it(fd, path);

	*fd_out = -1;
	if (e != ERR_OK) {
		log_errno("service %s: cannot make the socket %s", service,
		    path);
		fs_close(&fd);
		return e;
	}
	if ((e = listen_unix_give(path, service, s)) == ERR_OK &&
	    listen(fd, BACKLOG) != 0) {
		log_errno("service %s: cannot listen on the socket %s",
		    service, path);
		e = ERR_IO;
	}
	if (e == ERR_OK) {
		*fd_out = fd;
		return ERR_OK;
	}
	unlink(path);
	close(fd);
	return e;
}
