/*
 * Log lines: one event, one line, one write(2), to a descriptor or syslog.
 *
 * Nothing here opens a file, allocates memory or reads the time zone anew, so
 * it works in an empty chroot and under a filter that allows write and sendto.
 */
#include "common/log.h"
#include "common/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { PREFIX_MAX = 200, TEXT_MAX = 200, EXIT_MACHINE = 75 };

static enum log_level max_level = LOG_L_INFO;
static char prefix[PREFIX_MAX + 1];
static char tag[64] = "dovecot";
static int out_fd = STDERR_FILENO;
static int info_fd = LOG_SAME;
static int syslog_fd = -1;
static bool stamp;
static bool to_journal;		/* out_fd is journald's stream */

struct line {
	char p[PIPE_BUF];
	size_t n;
};

/* Cuts at the end of the line; one byte stays free for the newline. */
static void
__attribute__((format(printf, 2, 0)))
add_v(struct line *l, const char *fmt, va_list ap)
{
	size_t room = sizeof(l->p) - 1 - l->n;
	int n = vsnprintf(l->p + l->n, room, fmt, ap);

	if (n < 0)
		return;
	if ((size_t)n < room) {
		l->n += (size_t)n;
		return;
	}
	l->n += room - 1;
	memcpy(l->p + l->n - 3, "...", 3);
}

static void
__attribute__((format(printf, 2, 3)))
add(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_v(l, fmt, ap);
	va_end(ap);
}

static void
add_stamp(struct line *l, const char *day_format)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = clock_s();
	struct tm tm = { 0 };

	/* localtime_r loads the zone only when nobody did before. */
	localtime_r(&now, &tm);
	add(l, "%s ", months[tm.tm_mon]);
	if (*day_format == 'e')
		add(l, "%2d", tm.tm_mday);
	else
		add(l, "%02d", tm.tm_mday);
	add(l, " %02d:%02d:%02d ", tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* One event is one line, whatever slipped into it. */
static void
flatten(struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		if ((unsigned char)l->p[i] < ' ' || l->p[i] == 127)
			l->p[i] = ' ';
}

static bool
connect_syslog(int fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };

	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

/* A syslog daemon that was started anew has another socket; who lives in a
 * chroot cannot follow. Nobody is left to tell when this fails. */
static void
send_syslog(const struct line *l)
{
	if (send(syslog_fd, l->p, l->n, MSG_NOSIGNAL) == -1 &&
	    errno != EAGAIN && errno != EINTR && connect_syslog(syslog_fd))
		(void)send(syslog_fd, l->p, l->n, MSG_NOSIGNAL);
}

static void
__attribute__((format(printf, 4, 0)))
emit(int priority, const char *word, int errnum, const char *fmt, va_list ap)
{
	int saved_errno = errno;
	struct line l = { .n = 0 };
	int fd = priority >= LOG_INFO && info_fd != LOG_SAME ? info_fd : out_fd;
	bool to_syslog = fd == -1;

	if (to_syslog) {
		add(&l, "<%d>", LOG_MAIL | priority);
		add_stamp(&l, "e");
		add(&l, "%s: ", tag);
		if (priority == LOG_INFO)
			word = "";
	} else if (to_journal && fd == out_fd) {
		add(&l, "<%d>", priority);
		if (priority == LOG_INFO)
			word = "";
	} else if (stamp) {
		add_stamp(&l, "d");
	}
	add(&l, "%s%s", prefix, word);
	add_v(&l, fmt, ap);
	if (errnum != 0)
		add(&l, ": %s", strerrordesc_np(errnum) == NULL ?
		    "unknown error" : strerrordesc_np(errnum));
	flatten(&l);
	if (to_syslog) {
		send_syslog(&l);
	} else {
		l.p[l.n++] = '\n';
		(void)!write(fd, l.p, l.n);
	}
	errno = saved_errno;
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_ERR, "Error: ", 0, fmt, ap);
	va_end(ap);
}

void
log_errno(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_ERR, "Error: ", errno, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	if (max_level < LOG_L_WARN)
		return;
	va_start(ap, fmt);
	emit(LOG_WARNING, "Warning: ", 0, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	if (max_level < LOG_L_INFO)
		return;
	va_start(ap, fmt);
	emit(LOG_INFO, "Info: ", 0, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (max_level < LOG_L_DEBUG)
		return;
	va_start(ap, fmt);
	emit(LOG_DEBUG, "Debug: ", 0, fmt, ap);
	va_end(ap);
}

/* _exit: what a forked child inherited from its parent is not its to flush. */
void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_CRIT, "Fatal: ", 0, fmt, ap);
	va_end(ap);
	_exit(EXIT_MACHINE);
}

void
fatal_errno(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_CRIT, "Fatal: ", errno, fmt, ap);
	va_end(ap);
	_exit(EXIT_MACHINE);
}

void
panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_CRIT, "Panic: ", 0, fmt, ap);
	va_end(ap);
	abort();
}

void
log_set_level(enum log_level level)
{
	max_level = level;
}

void
log_set_prefix(const char *new_prefix)
{
	snprintf(prefix, sizeof(prefix), "%s", new_prefix);
}

/* Who was confined since keeps the connection there was. */
static void
open_syslog(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return;
	if (!connect_syslog(fd) && syslog_fd != -1) {
		close(fd);
		return;
	}
	if (syslog_fd != -1)
		close(syslog_fd);
	syslog_fd = fd;
}

/* systemd.exec(5): $JOURNAL_STREAM is the device and inode of what it gave us. */
static bool
is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat sb;

	return stream != NULL && fd >= 0 &&
	    sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(fd, &sb) == 0 && sb.st_dev == dev && sb.st_ino == ino;
}

void
log_open(int fd, bool stamped, const char *new_tag)
{
	out_fd = fd;
	stamp = stamped;
	to_journal = is_journal(fd);
	snprintf(tag, sizeof(tag), "%s", new_tag == NULL ? "dovecot" : new_tag);
	if (fd == -1)
		open_syslog();
}

void
log_open_info(int fd)
{
	info_fd = fd;
	if (fd == -1 && out_fd != -1)
		open_syslog();
}

int
log_fd(void)
{
	return out_fd;
}

/* A control character: C0, DEL, or C1 as UTF-8. */
static bool
is_control(const char *p)
{
	unsigned char c = (unsigned char)p[0];

	return c < ' ' || c == 127 ||
	    (c == 0xC2 && (unsigned char)p[1] < 0xA0);
}

const char *
log_text(struct span s)
{
	static char texts[4][TEXT_MAX + sizeof("...")];
	static unsigned turn;
	char *out = texts[turn++ % 4];
	size_t n = 0;

	while (s.n > 0) {
		size_t len = span_utf8(s);
		bool raw = len > 0 && !is_control(s.p);
		size_t width = raw ? len : 4;

		if (n + width > TEXT_MAX) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (raw) {
			memcpy(out + n, s.p, len);
		} else {
			char hex[5];

			/* Only the first byte: the rest of a C1 control has no
			 * lead then and is escaped in its turn. */
			len = 1;
			snprintf(hex, sizeof(hex), "\\x%02X",
			    (unsigned char)s.p[0]);
			memcpy(out + n, hex, 4);
		}
		n += width;
		s.p += len;
		s.n -= len;
	}
	out[n] = '\0';
	return out;
}
