/*
 * The notify role: who waits for which folder; changes are fanned out as hints.
 *
 * A worker says which folder it has selected and, when it idles, lends new/, cur/
 * and loft/ to be watched. A change that a worker committed wakes the other idlers
 * of that folder. What happens in new/ or cur/ wakes one who lent it; the others
 * when that one commits what it found, or soon after all the same: a worker's own
 * renames in cur/ would wake everybody twice, and mail in new/ would have all of
 * them take it over. At most one WAKE lies unread in a worker's socket: more would
 * say no more.
 *
 * A directory that cannot be watched (the kernel's limit) is kept, tried again every
 * POLL_MS, and its session woken then.
 */
#include "common/clock.h"
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

enum { WATCH_NEW, WATCH_CUR, WATCH_LOFT, WATCHES };
enum { BUCKETS = 16384, ECHO_MS = 500, POLL_MS = 2000 };

struct session {
	int fd;
	struct ipc_folder folder;	/* folder_id 0: none */
	struct session *next, **link;	/* in its folder's bucket */
	struct session *put_off_next, **put_off_link;	/* woken soon, or NULL */
	uint32_t watch[WATCHES];
	int lent[WATCHES];		/* that could not be watched; -1 */
};

static struct config *cfg;
static struct session *buckets[BUCKETS];
static struct session *put_off_head;
static uint64_t put_off_ms, poll_ms;	/* when; only while there are any */
static size_t n_sessions, n_lent;
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
take_back(struct session *s, int i)
{
	if (s->lent[i] < 0)
		return;
	close(s->lent[i]);
	s->lent[i] = -1;
	n_lent--;
}

static void
unwatch(struct session *s)
{
	for (int i = 0; i < WATCHES; i++) {
		watch_remove(s->watch[i], s);
		s->watch[i] = 0;
		take_back(s, i);
	}
}

static void
watch_lent(struct session *s)
{
	for (int i = 0; i < WATCHES; i++)
		if (s->lent[i] >= 0 && watch_add(s->lent[i], s,
		    i == WATCH_LOFT, &s->watch[i]) == ERR_OK)
			take_back(s, i);
}

static void
not_put_off(struct session *s)
{
	if (s->put_off_link == NULL)
		return;
	*s->put_off_link = s->put_off_next;
	if (s->put_off_next != NULL)
		s->put_off_next->put_off_link = s->put_off_link;
	s->put_off_link = NULL;
}

static void
put_off(struct session *s)
{
	if (s->put_off_link != NULL)
		return;
	if (put_off_head == NULL)
		put_off_ms = clock_mono_ms() + ECHO_MS;
	else
		put_off_head->put_off_link = &s->put_off_next;
	s->put_off_next = put_off_head;
	s->put_off_link = &put_off_head;
	put_off_head = s;
}

static void
session_gone(struct session *s)
{
	unlink_session(s);
	not_put_off(s);
	unwatch(s);
	close(s->fd);
	free(s);
	n_sessions--;
}

static void
wake(struct session *s)
{
	int unread = 0;

	not_put_off(s);
	/* What it has not read yet says the same. */
	if (ioctl(s->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
		return;
	/* A session that is gone is noticed by its own event. */
	if (ipc_send(s->fd, MSG_WAKE, &s->folder, SPAN_NONE, NULL, 0) !=
	    ERR_OK)
		return;
}

static void
watched_changed(void *owner, bool first)
{
	if (first)
		wake(owner);
	else
		put_off(owner);
}

/* What is due: who was put off; who has to be woken because nothing watches. */
static void
tick(void)
{
	uint64_t now = clock_mono_ms();

	if (put_off_head != NULL && now >= put_off_ms)
		while (put_off_head != NULL)
			wake(put_off_head);
	if (n_lent == 0 || now < poll_ms)
		return;
	poll_ms = now + POLL_MS;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct session *s = buckets[i]; s != NULL; s = s->next)
			for (int k = 0; k < WATCHES; k++)
				if (s->lent[k] >= 0) {
					watch_lent(s);
					wake(s);
					break;
				}
}

/* Until then; -1: for as long as it takes. */
static int
tick_in_ms(void)
{
	uint64_t now = clock_mono_ms(), at = UINT64_MAX;

	if (put_off_head != NULL)
		at = put_off_ms;
	if (n_lent > 0 && poll_ms < at)
		at = poll_ms;
	return at == UINT64_MAX ? -1 : at <= now ? 0 : (int)(at - now);
}

static void
selected(struct session *s, struct ipc_message *m)
{
	unlink_session(s);
	not_put_off(s);
	unwatch(s);
	s->folder = m->body.folder;
	if (s->folder.folder_id == 0)
		return;
	link_session(s);
	for (unsigned i = 0; i < m->n_fds && i < WATCHES; i++) {
		s->lent[i] = m->fd[i];
		m->fd[i] = -1;
		if (n_lent++ == 0)
			poll_ms = clock_mono_ms() + POLL_MS;
	}
	watch_lent(s);
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
	for (int i = 0; i < WATCHES; i++)
		s->lent[i] = -1;
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
		int n = epoll_wait(epoll_fd, events, 256, tick_in_ms());

		if (n < 0 && errno != EINTR)
			fatal_errno("cannot wait");
		tick();
		/* Before the messages: a rename comes before its commit. */
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr == &tag_watch)
				watch_read(watched_changed);
		for (int i = 0; i < n; i++) {
			void *tag = events[i].data.ptr;

			if (tag == &tag_control)
				hear_master();
			else if (tag == &tag_door)
				hear_door();
			else if (tag != &tag_watch)
				hear_session(tag);
		}
	}
	return 0;
}
