/*
 * File locks with a deadline, and Dovecot's dotlocks.
 *
 * flock(2) has no deadline of its own: SIGALRM breaks it off, with a handler that
 * is there only meanwhile. The kernel hands the lock on at once and in order, which
 * trying again after pauses does not.
 */
#include "common/lock.h"
#include "common/clock.h"
#include "common/fsutil.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum {
	PAUSE_LEAST_US = 100,
	PAUSE_MOST_US = 10000,
	HOLDER_MAX = 300,
	EMPTY_STALE_MS = 1000,
};

struct wait {
	uint64_t end_ms;
	unsigned pause_us;
};

static struct wait
wait_start(int timeout_ms)
{
	return (struct wait){ clock_mono_ms() +
	    (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms), PAUSE_LEAST_US };
}

/* Sleeps a little; false when the time is over. */
static bool
wait_more(struct wait *w)
{
	struct timespec ts = { 0 };

	if (clock_mono_ms() >= w->end_ms)
		return false;
	ts.tv_nsec = (long)w->pause_us * 1000;
	nanosleep(&ts, NULL);
	w->pause_us += w->pause_us / 2;
	if (w->pause_us > PAUSE_MOST_US)
		w->pause_us = PAUSE_MOST_US;
	return true;
}

static void
on_alarm(int sig)
{
	(void)sig;
}

/*
 * Blocks in flock(2), at most timeout_ms. The timer fires again and again, so that
 * one that fires just before flock is entered is not the last.
 */
static int
flock_until(int fd, int op, int timeout_ms)
{
	uint64_t end_ms = clock_mono_ms() + (uint64_t)timeout_ms;
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	struct itimerval timer = { { 0, 200 * 1000 }, { 0, 200 * 1000 } };
	struct itimerval off = { 0 };
	int rc, error;

	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, &old);
	setitimer(ITIMER_REAL, &timer, NULL);
	while ((rc = flock(fd, op)) == -1 && errno == EINTR &&
	    clock_mono_ms() < end_ms)
		continue;
	error = errno;
	setitimer(ITIMER_REAL, &off, NULL);
	sigaction(SIGALRM, &old, NULL);
	errno = error;
	return rc;
}

enum err
lock_file(int fd, bool exclusive, int timeout_ms, const char *what)
{
	int op = exclusive ? LOCK_EX : LOCK_SH;

	if (flock(fd, op | LOCK_NB) == 0)
		return ERR_OK;
	if (errno == EWOULDBLOCK && timeout_ms > 0 &&
	    flock_until(fd, op, timeout_ms) == 0)
		return ERR_OK;
	if (errno != EWOULDBLOCK && errno != EINTR) {
		log_errno("locking %s", what);
		return ERR_IO;
	}
	if (timeout_ms > 0)
		log_error("locking %s: still held by another process after "
		    "%d ms", what, timeout_ms);
	return ERR_BUSY;
}

void
lock_release(int fd)
{
	(void)flock(fd, LOCK_UN);
}

/* ---- dotlocks ---- */

/* What tells one lock file from the next, and a touched one from one that is not. */
struct seen {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	off_t size;
	uint64_t since_ms;	/* clock_mono_ms() when first seen so */
	char holder[HOLDER_MAX + 1];
};

static const char *
host_name(void)
{
	static struct utsname u;

	if (u.nodename[0] == '\0' && uname(&u) == -1)
		return "localhost";
	return u.nodename;
}

static int
own_mark(char *p, size_t n)
{
	return snprintf(p, n, "%ld:%s", (long)getpid(), host_name());
}

static void
read_holder(int fd, char holder[HOLDER_MAX + 1])
{
	ssize_t n = pread(fd, holder, HOLDER_MAX, 0);

	holder[n < 0 ? 0 : n] = '\0';
	holder[strcspn(holder, "\r\n")] = '\0';
}

static bool
same_file(const struct seen *a, const struct stat *st)
{
	return a->dev == st->st_dev && a->ino == st->st_ino &&
	    a->mtime.tv_sec == st->st_mtim.tv_sec &&
	    a->mtime.tv_nsec == st->st_mtim.tv_nsec && a->size == st->st_size;
}

/* Whether the holder was a process of this host that is no more. */
static bool
is_dead(const char *holder)
{
	struct span host = span_of(holder);
	struct span number = span_cut(&host, ':');
	uint64_t pid;

	if (!span_eq(host, span_of(host_name())) ||
	    !span_to_u64(number, INT32_MAX, &pid) || pid == 0)
		return false;
	/* We never take one twice: our own number is a predecessor's. */
	return pid == (uint64_t)getpid() ||
	    (kill((pid_t)pid, 0) == -1 && errno == ESRCH);
}

static bool
is_stale(const struct seen *s, int stale_s)
{
	uint64_t unchanged_ms = clock_mono_ms() - s->since_ms;
	uint64_t stale_ms = (uint64_t)stale_s * 1000;
	int64_t age_s = (int64_t)clock_s() - (int64_t)s->mtime.tv_sec;

	if (is_dead(s->holder) || unchanged_ms >= stale_ms)
		return true;
	/* Whoever makes one fills it at once, or died in between. */
	if (s->size == 0 && unchanged_ms >= EMPTY_STALE_MS)
		return true;
	return age_s >= stale_s;
}

/*
 * Looks at the lock that is in our way and removes it when it is stale. Among
 * ourselves a breaker holds the flock of what it removes and has looked again
 * under it, so that two never remove a lock that a third has just made.
 * gone_out: nothing is in the way any more.
 */
static enum err
look_at_lock(int dir_fd, const char *name, int stale_s, struct seen *s,
    bool *gone_out)
{
	int fd = openat(dir_fd, name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st, now;

	*gone_out = fd == -1 && errno == ENOENT;
	if (*gone_out)
		return ERR_OK;
	if (fd == -1) {
		log_errno("opening %s", log_text(span_of(name)));
		return fs_err(errno) == ERR_PERM ? ERR_PERM : ERR_IO;
	}
	if (fstat(fd, &st) == -1)
		goto out;
	if (!same_file(s, &st)) {
		s->dev = st.st_dev;
		s->ino = st.st_ino;
		s->mtime = st.st_mtim;
		s->size = st.st_size;
		s->since_ms = clock_mono_ms();
		read_holder(fd, s->holder);
	}
	if (!is_stale(s, stale_s) || flock(fd, LOCK_EX | LOCK_NB) == -1)
		goto out;
	if (fstatat(dir_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	    same_file(s, &now) && unlinkat(dir_fd, name, 0) == 0) {
		*gone_out = true;
		log_warn("broke the stale lock %s of %s",
		    log_text(span_of(name)), log_text(span_of(s->holder)));
	}
out:
	close(fd);
	return ERR_OK;
}

/* Writes our mark into a lock file just made; closes it. */
static enum err
fill_lock(int dir_fd, const char *name, int fd)
{
	char mark[HOLDER_MAX];
	int n = own_mark(mark, sizeof(mark));
	enum err e = fs_write(fd, mark, (size_t)n);

	if (e != ERR_OK) {
		log_errno("writing %s", log_text(span_of(name)));
		unlinkat(dir_fd, name, 0);
	}
	close(fd);
	return e;
}

enum err
dotlock_take(int dir_fd, const char *name, int timeout_ms, int stale_s)
{
	struct wait w = wait_start(timeout_ms);
	struct seen seen = { 0 };
	bool gone;
	enum err e;

	for (;;) {
		int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0644);

		if (fd != -1)
			return fill_lock(dir_fd, name, fd);
		if (errno != EEXIST) {
			e = fs_err(errno);
			log_errno("creating %s", log_text(span_of(name)));
			return e == ERR_NOTFOUND ? ERR_IO : e;
		}
		e = look_at_lock(dir_fd, name, stale_s, &seen, &gone);
		if (e != ERR_OK)
			return e;
		if (!gone && !wait_more(&w)) {
			log_error("locking %s: still held by %s after %d ms",
			    log_text(span_of(name)),
			    log_text(span_of(seen.holder)), timeout_ms);
			return ERR_BUSY;
		}
	}
}

void
dotlock_release(int dir_fd, const char *name)
{
	char mark[HOLDER_MAX], holder[HOLDER_MAX + 1] = "";
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1)
		return;
	read_holder(fd, holder);
	close(fd);
	own_mark(mark, sizeof(mark));
	/* Somebody may have taken ours for stale: theirs stays. */
	if (strcmp(mark, holder) == 0)
		unlinkat(dir_fd, name, 0);
	else
		log_warn("the lock %s is now held by %s",
		    log_text(span_of(name)), log_text(span_of(holder)));
}
