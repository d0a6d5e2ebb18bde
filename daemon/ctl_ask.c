/* One connection a request: the master answers and closes. */
#include "daemon/ctl_ask.h"

#include "common/span.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Longer than a worker takes at most (worker/admin.c). */
enum { WAIT_S = 60 };

static const char *path;
static const char *name = "loftctl", *config_file;

void
ctl_set_name(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	name = slash != NULL ? slash + 1 : argv0;
}

const char *
ctl_name(void)
{
	return name;
}

void
ctl_set_config_path(const char *config_path)
{
	config_file = config_path;
}

const char *
ctl_config_path(void)
{
	return config_file;
}

void
ctl_complain(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: Error: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
ctl_use(const char *socket_path)
{
	path = socket_path;
}

static int
reach(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = WAIT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sun.sun_path)) {
		fprintf(stderr, "loftctl: %s: too long a name\n", path);
		exit(CTL_TEMPFAIL);
	}
	strcpy(sun.sun_path, path);
	if (fd >= 0 && connect(fd, (void *)&sun, sizeof(sun)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) == 0)
		return fd;
	fprintf(stderr, "loftctl: %s: %s%s\n", path, strerror(errno),
	    errno == ECONNREFUSED || errno == ENOENT ?
	    " (loftd is not running)" : "");
	exit(errno == EACCES || errno == EPERM ? CTL_NOPERM : CTL_TEMPFAIL);
}

/* One word of a request: no tabs, no line ends. */
static void
add_word(struct buf *request, const char *word)
{
	if (request->n > 0)
		buf_addc(request, '\t');
	if (strpbrk(word, "\t\n") != NULL) {
		fprintf(stderr, "loftctl: TAB and newline cannot be sent\n");
		exit(CTL_USAGE);
	}
	buf_adds(request, word);
}

/* Sends a request; the connection it was sent on. */
static int
request(const char *const *words, size_t n)
{
	struct buf line = { .secret = true };
	int fd;

	for (size_t i = 0; i < n; i++)
		add_word(&line, words[i]);
	buf_addc(&line, '\n');
	fd = reach();
	if (send(fd, line.p, line.n, MSG_NOSIGNAL) < 0) {
		fprintf(stderr, "loftctl: %s\n", strerror(errno));
		exit(CTL_TEMPFAIL);
	}
	buf_clear(&line);
	return fd;
}

/* All that comes. */
static void
read_rest(int fd, struct buf *answer)
{
	char part[4096];
	ssize_t got;

	while ((got = recv(fd, part, sizeof(part), 0)) > 0)
		buf_add(answer, part, (size_t)got);
}

/* The first line is "+", or "-" and the exit code; what follows stays. */
static int
judge(struct buf *answer)
{
	struct span rest = buf_span(answer), first = span_cut(&rest, '\n');
	uint64_t code = 0;
	bool good = first.n > 0 && *first.p == '+';

	if (first.n == 0) {
		buf_adds(answer, "no answer\n");
		return CTL_TEMPFAIL;
	}
	first.p++, first.n--;
	if (!good && (!span_to_u64(first, 255, &code) || code == 0))
		code = CTL_TEMPFAIL;
	buf_drop(answer, first.n + 2 < answer->n ? first.n + 2 : answer->n);
	return (int)code;
}

int
ctl_ask(const char *const *words, size_t n, struct buf *answer)
{
	int fd = request(words, n), code;

	read_rest(fd, answer);
	close(fd);
	if ((code = judge(answer)) != 0) {
		if (answer->n > 0)
			fwrite(answer->p, 1, answer->n, stderr);
		buf_reset(answer);
	}
	return code;
}

int
ctl_talk(const char *const *words, size_t n, int *fd_out, struct buf *said)
{
	struct timeval none = { 0 };
	int fd = request(words, n), code;
	char c = 0;

	*fd_out = -1;
	while (c != '\n' && recv(fd, &c, 1, 0) == 1)
		buf_addc(said, c);
	if (said->n > 0 && *said->p != '+')
		read_rest(fd, said);
	if ((code = judge(said)) != 0) {
		close(fd);
		return code;
	}
	/* A conversation takes as long as it takes. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	*fd_out = fd;
	return 0;
}
