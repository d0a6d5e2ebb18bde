/*
 * How a session is woken. With a daemon: its socket to notify, on which every
 * WAKE is one hint. Without one: inotify of its own on new/, cur/ and the state.
 *
 * A notify that died closes the socket. As its successor listens at the same
 * door, the session makes a new pair, sends one end through the door and goes on;
 * the descriptor's number stays, because the account knows it too.
 */
#include "worker/wake.h"

#include "common/ipc.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "worker/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RECONNECT_MAX = 20 };

struct wake {
	int inotify_fd;		/* without a daemon */
	int watch[3];		/* new/, cur/, state; -1 */
	unsigned reconnects;	/* left */
	bool idle;
};

static int door = -1;

void
wake_set_door(int fd)
{
	door = fd;
}

static struct wake *
own(struct session *s)
{
	if (s->wake != NULL)
		return s->wake;
	s->wake = calloc(1, sizeof(*s->wake));
	if (s->wake == NULL)
		fatal("no memory for wake-ups");
	*s->wake = (struct wake){ -1, { -1, -1, -1 }, RECONNECT_MAX, false };
	return s->wake;
}

/* ---- through notify ---- */

enum err
wake_connect(int *fd_out)
{
	struct ipc_hello hello = {
		.since = (uint64_t)time(NULL), .pid = (int32_t)getpid()
	};
	int pair[2];
	enum err e;

	*fd_out = -1;
	if (door < 0)
		return ERR_NOTFOUND;
	if ((e = ipc_pair(pair)) != ERR_OK)
		return e;
	e = ipc_send(door, MSG_HELLO, &hello, SPAN_NONE, &pair[1], 1);
	close(pair[1]);
	if (e != ERR_OK) {
		close(pair[0]);
		return e;
	}
	/* A notify that does not keep up costs wake-ups, never a session. */
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*fd_out = pair[0];
	return ERR_OK;
}

/* A folder that others may enter has an account of its own. */
static struct account *
account_of(const struct session *s)
{
	return s->folder != NULL ? s->folder->acc : s->account;
}

static int
open_directory(const struct session *s, const char *path)
{
	return openat(account_of(s)->index_fd, path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum err
send_select(struct session *s)
{
	struct ipc_folder m = { 0 };
	int fds[3];
	unsigned n = 0;
	int loft = -1;
	enum err e;

	m.dev = account_of(s)->dev;
	m.ino = account_of(s)->ino;
	if (s->folder != NULL) {
		m.folder_id = s->folder->id;
		if (own(s)->idle) {
			m.flags = IPC_FOLDER_IDLE;
			fds[n++] = s->folder->new_fd;
			fds[n++] = s->folder->cur_fd;
			/* Sessions without notify announce themselves there. */
			if ((loft = open_directory(s, "loft")) >= 0)
				fds[n++] = loft;
		}
	}
	e = ipc_send(s->notify_fd, MSG_FOLDER_SELECT, &m, SPAN_NONE, fds, n);
	if (loft >= 0)
		close(loft);
	return e;
}

static void
reconnect(struct session *s)
{
	int fd;

	if (own(s)->reconnects == 0 || wake_connect(&fd) != ERR_OK) {
		log_warn("notify is gone: no wake-ups for this session");
		close(s->notify_fd);
		s->notify_fd = s->account->changed_fd = -1;
		for (struct account *in = s->account->inner; in != NULL;
		    in = in->next)
			in->changed_fd = -1;
		return;
	}
	s->wake->reconnects--;
	dup3(fd, s->notify_fd, O_CLOEXEC);
	close(fd);
}

static void
tell(struct session *s)
{
	if (send_select(s) != ERR_IO)
		return;
	reconnect(s);
	if (s->notify_fd >= 0 && send_select(s) != ERR_OK)
		log_warn("notify does not hear: no wake-ups for now");
}

/* ---- alone ---- */

static int
watch(struct wake *w, int dir_fd, uint32_t mask)
{
	if (dir_fd < 0 || fchdir(dir_fd) < 0)
		return -1;
	return inotify_add_watch(w->inotify_fd, ".", mask | IN_ONLYDIR);
}

static void
watch_alone(struct session *s, bool on)
{
	struct wake *w = own(s);
	struct account *acc = s->account;
	int state;

	if (w->inotify_fd < 0 && on) {
		w->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (w->inotify_fd < 0) {
			log_errno("no wake-ups: cannot make an inotify "
			    "instance (see fs.inotify.max_user_instances)");
			return;
		}
	}
	for (size_t i = 0; i < 3; i++) {
		if (w->watch[i] >= 0)
			inotify_rm_watch(w->inotify_fd, w->watch[i]);
		w->watch[i] = -1;
	}
	if (!on || s->folder == NULL)
		return;
	state = open_directory(s, "loft/state");
	w->watch[0] = watch(w, s->folder->new_fd, IN_CREATE | IN_MOVE);
	w->watch[1] = watch(w, s->folder->cur_fd,
	    IN_CREATE | IN_MOVE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF);
	w->watch[2] = watch(w, state, IN_MODIFY);
	if (state >= 0)
		close(state);
	if (fchdir(acc->index_fd >= 0 ? acc->index_fd : acc->root_fd) < 0)
		fatal_errno("cannot return to the index directory");
}

/* ---- both ---- */

void
wake_select(struct session *s)
{
	if (s->account == NULL)
		return;
	own(s)->idle = false;
	if (s->notify_fd >= 0)
		tell(s);
	else if (s->wake->inotify_fd >= 0)
		watch_alone(s, false);
}

void
wake_idle(struct session *s, int on)
{
	if (s->account == NULL)
		return;
	own(s)->idle = on != 0;
	if (s->notify_fd >= 0)
		tell(s);
	if (s->notify_fd < 0)
		watch_alone(s, on != 0);
}

int
wake_fd(const struct session *s)
{
	if (s->notify_fd >= 0)
		return s->notify_fd;
	return s->wake != NULL ? s->wake->inotify_fd : -1;
}

void
wake_clear(struct session *s)
{
	char junk[4096];
	ssize_t n;

	if (s->notify_fd < 0) {
		if (s->wake != NULL && s->wake->inotify_fd >= 0)
			while (read(s->wake->inotify_fd, junk,
			    sizeof(junk)) > 0)
				;
		return;
	}
	do
		n = recv(s->notify_fd, junk, sizeof(junk), MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
		reconnect(s);
		if (s->notify_fd >= 0)
			tell(s);
	}
}

void
wake_free(struct session *s)
{
	if (s->wake == NULL)
		return;
	if (s->wake->inotify_fd >= 0)
		close(s->wake->inotify_fd);
	free(s->wake);
	s->wake = NULL;
}
