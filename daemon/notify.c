/*
 * The notify role: who waits for which folder; changes are fanned out as hints.
 *
 * A worker says which folder it has selected and, when it idles, lends new/, cur/
 * and the state's directory to be watched. A change that a worker committed wakes
 * the other idlers of that folder; what happens in a lent directory wakes who lent
 * it. At most one WAKE lies unread in a worker's socket: more would say no more.
 */
#include "common/config.h"
#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/privs.h"
#include "daemon/role.h"
#include "daemon/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUCKETS = 16384, WATCHES = 3 };

struct session {
	int fd;
	struct ipc_folder folder;	/* folder_id 0: none */
	struct session *next, **link;	/* in its folder's bucket */
	uint32_t watch[WATCHES];
};

static struct config *cfg;
static struct session *buckets[BUCKETS];
static size_t n_sessions;
static int epoll_fd = -1;
static bool has_master = true;
static char tag_control, tag_door, tag_watch;
static struct ipc_message message;

static size_t
bucket(const struct ipc_folder *f)
{
	uint64_t h = f->dev * 0x9e3779b97f4a7c15ULL ^ f->ino;

	h = (h ^ f->folder_id) * 0x9e3779b97f4a7c15ULL;
	return (size_t)(h >> 40) % BUCKETS;
}

static bool
same_folder(const struct ipc_folder *a, const struct ipc_folder *b)
{
	return a->dev == b->dev && a->ino == b->ino &&
	    a->folder_id == b->folder_id;
}

static void
watch(int fd, void *tag)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = tag };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		fatal_errno("cannot watch a socket");
}

/* ---- sessions ---- */

static void
unlink_session(struct session *s)
{
	if (s->link == NULL)
		return;
	*s->link = s->next;
	if (s->next != NULL)
		s->next->link = s->link;
	s->link = NULL;
	s->next = NULL;
}

static void
link_session(struct session *s)
{
	struct session **head = &buckets[bucket(&s->folder)];

	s->next = *head;
	s->link = head;
	if (*head != NULL)
		(*head)->link = &s->next;
	*head = s;
}

static void
unwatch(struct session *s)
{
	for (int i = 0; i < WATCHES; i++) {
		watch_remove(s->watch[i], s);
		s->watch[i] = 0;
	}
}

static void
session_gone(struct session *s)
{
	unlink_session(s);
	unwatch(s);
	close(s->fd);
	free(s);
	n_sessions--;
}

static void
wake(struct session *s)
{
	int unread = 0;

	/* What it has not read yet says the same. */
	if (ioctl(s->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
		return;
	/* A session that is gone is noticed by its own event. */
	if (ipc_send(s->fd, MSG_WAKE, &s->folder, SPAN_NONE, NULL, 0) !=
	    ERR_OK)
		return;
}

static void
watched_changed(void *owner)
{
	wake(owner);
}

static void
selected(struct session *s, struct ipc_message *m)
{
	unlink_session(s);
	unwatch(s);
	s->folder = m->body.folder;
	if (s->folder.folder_id == 0)
		return;
	link_session(s);
	for (unsigned i = 0; i < m->n_fds && i < WATCHES; i++)
		if (m->fd[i] >= 0 && watch_add(m->fd[i], s, &s->watch[i]) !=
		    ERR_OK)
			s->watch[i] = 0;
	/* What came between its last look and this watch. */
	if ((s->folder.flags & IPC_FOLDER_IDLE) != 0)
		wake(s);
}

static void
changed(const struct session *by, const struct ipc_folder *f)
{
	bool gone = (f->flags & IPC_FOLDER_GONE) != 0;
	struct session *s, *next;

	for (s = buckets[bucket(f)]; s != NULL; s = next) {
		next = s->next;
		if (s != by && same_folder(&s->folder, f) &&
		    (gone || (s->folder.flags & IPC_FOLDER_IDLE) != 0))
			wake(s);
	}
}

static void
hear_session(struct session *s)
{
	enum err e = ipc_receive(s->fd, ROLE_WORKER, ROLE_NOTIFY, &message);

	if (e == ERR_BUSY)
		return;
	if (e == ERR_OK && message.kind == MSG_FOLDER_SELECT)
		selected(s, &message);
	else if (e == ERR_OK && message.kind == MSG_FOLDER_CHANGED)
		changed(s, &message.body.folder);
	else
		session_gone(s);
	if (e == ERR_OK)
		ipc_close_fds(&message);
}

static void
hear_door(void)
{
	struct session *s;

	if (ipc_receive(FD_DOOR, ROLE_WORKER, ROLE_NOTIFY, &message) !=
	    ERR_OK || message.kind != MSG_HELLO || message.n_fds != 1) {
		ipc_close_fds(&message);
		return;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal("no memory for another session");
	s->fd = message.fd[0];
	n_sessions++;
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	watch(s->fd, s);
}

static void
hear_master(void)
{
	if (ipc_receive(FD_CONTROL, ROLE_MASTER, ROLE_NOTIFY, &message) !=
	    ERR_OK) {
		/* Sessions outlive the master; we outlive them. */
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, FD_CONTROL, NULL);
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, FD_DOOR, NULL);
		has_master = false;
		return;
	}
	if (message.kind == MSG_CONFIG)
		role_reconfigure(&cfg, &message, "notify: ");
	ipc_close_fds(&message);
}

int
notify_main(struct config *config)
{
	struct epoll_event events[256];

	cfg = config;
	privs_allow_files(65536);
	if (watch_open(FD_EMPTY) != ERR_OK)
		log_warn("mail that other programs deliver is seen at the "
		    "next command only");
	if (role_confine(cfg, "notify") != ERR_OK)
		return 75;
	if ((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		fatal_errno("cannot wait");
	watch(FD_CONTROL, &tag_control);
	watch(FD_DOOR, &tag_door);
	if (watch_fd() >= 0)
		watch(watch_fd(), &tag_watch);
	while (has_master || n_sessions > 0) {
		int n = epoll_wait(epoll_fd, events, 256, -1);

		if (n < 0 && errno != EINTR)
			fatal_errno("cannot wait");
		for (int i = 0; i < n; i++) {
			void *tag = events[i].data.ptr;

			if (tag == &tag_control)
				hear_master();
			else if (tag == &tag_door)
				hear_door();
			else if (tag == &tag_watch)
				watch_read(watched_changed);
			else
				hear_session(tag);
		}
	}
	return 0;
}
