/*
 * inotify. A directory is known by the kernel's watch descriptor, which is the same
 * for every descriptor of one inode; its owners hang below it.
 */
#include "daemon/watch.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	BUCKETS = 8192,
	EVENTS = IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
	    IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF,
};

struct owner {
	struct owner *next;
	void *who;
};

struct directory {
	struct directory *next;
	int wd;
	struct owner *owners;
	bool all;		/* all owners are told as if first */
	bool told;		/* in this round of watch_read */
};

static struct directory *buckets[BUCKETS];
static int inotify_fd = -1, home_fd = -1;

enum err
watch_open(int root_fd)
{
	home_fd = root_fd;
	inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (inotify_fd >= 0)
		return ERR_OK;
	log_errno("no inotify instance: new mail is noticed late (see "
	    "fs.inotify.max_user_instances)");
	return ERR_IO;
}

int
watch_fd(void)
{
	return inotify_fd;
}

static struct directory **
find(int wd)
{
	struct directory **link = &buckets[(unsigned)wd % BUCKETS];

	while (*link != NULL && (*link)->wd != wd)
		link = &(*link)->next;
	return link;
}

/* The tests cannot use up the limit of a whole user. */
static bool
is_refused(void)
{
#ifdef LOFT_TEST_HOOKS
	static int left = -1;
	const char *n = getenv("LOFT_WATCH_FAILS");

	if (left < 0)
		left = n == NULL ? 0 : atoi(n);
	errno = ENOSPC;
	return left > 0 && left-- > 0;
#else
	return false;
#endif
}

enum err
watch_add(int dir_fd, void *owner, bool all, uint32_t *handle_out)
{
	static uint64_t said_ms;
	struct directory **link;
	struct owner *o;
	int wd = -1;

	*handle_out = 0;
	if (inotify_fd < 0)
		return ERR_IO;
	if (!is_refused() && fchdir(dir_fd) == 0)
		wd = inotify_add_watch(inotify_fd, ".", EVENTS | IN_ONLYDIR);
	if (wd < 0) {
		uint64_t now = clock_mono_ms();
		bool limit = errno == ENOSPC;

		if (said_ms == 0 || now - said_ms > 60000) {
			log_errno("cannot watch a folder; it is looked at "
			    "every 2 s until that works%s", limit ? " (raise "
			    "fs.inotify.max_user_watches)" : "");
			said_ms = now;
		}
		if (fchdir(home_fd) < 0)
			log_debug("no way back to the root directory");
		return limit ? ERR_LIMIT : ERR_IO;
	}
	/* A lent directory must not be kept in use by standing in it. */
	if (fchdir(home_fd) < 0)
		log_debug("no way back to the root directory");
	link = find(wd);
	if (*link == NULL) {
		*link = calloc(1, sizeof(**link));
		if (*link == NULL)
			fatal("no memory for a watch");
		(*link)->wd = wd;
		(*link)->all = all;
	}
	if ((o = calloc(1, sizeof(*o))) == NULL)
		fatal("no memory for a watch");
	o->who = owner;
	o->next = (*link)->owners;
	(*link)->owners = o;
	*handle_out = (uint32_t)wd;
	return ERR_OK;
}

void
watch_remove(uint32_t handle, void *owner)
{
	struct directory **link, *d;

	if (handle == 0 || *(link = find((int)handle)) == NULL)
		return;
	d = *link;
	for (struct owner **o = &d->owners; *o != NULL; o = &(*o)->next)
		if ((*o)->who == owner) {
			struct owner *gone = *o;

			*o = gone->next;
			free(gone);
			break;
		}
	if (d->owners == NULL) {
		*link = d->next;
		inotify_rm_watch(inotify_fd, d->wd);
		free(d);
	}
}

static void
tell(struct directory *d, void (*changed)(void *owner, bool first))
{
	d->told = true;
	for (struct owner *o = d->owners; o != NULL; o = o->next)
		changed(o->who, d->all || o == d->owners);
}

static void
tell_everybody(void (*changed)(void *owner, bool first))
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct directory *d = buckets[i]; d != NULL; d = d->next)
			tell(d, changed);
}

static void
forget_round(const char *events, ssize_t n)
{
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(events + at);
		struct directory *d = *find(e->wd);

		if (d != NULL)
			d->told = false;
		at += (ssize_t)sizeof(*e) + e->len;
	}
}

void
watch_read(void (*changed)(void *owner, bool first))
{
	static char events[65536]
	    __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(inotify_fd, events, sizeof(events));

	forget_round(events, n);
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(events + at);
		struct directory *d;

		at += (ssize_t)sizeof(*e) + e->len;
		if ((e->mask & IN_Q_OVERFLOW) != 0) {
			tell_everybody(changed);
			forget_round(events, n);
			return;
		}
		d = *find(e->wd);
		/* IN_IGNORED of a removed watch finds nobody, which is right. */
		if (d != NULL && !d->told)
			tell(d, changed);
	}
	forget_round(events, n);
}
