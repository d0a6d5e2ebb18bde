/* One connection a request: the master answers and closes. */
#include "daemon/ctl_ask.h"

#include "common/span.h"

#include <errno.h>
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

/* Its first line is "+", or "-" and the exit code; the rest stays. */
static int
judge(struct buf *answer)
{
	struct span rest = buf_span(answer), first = span_cut(&rest, '\n');
	uint64_t code = 0;

	if (first.n == 0) {
		fprintf(stderr, "loftctl: no answer\n");
		return CTL_TEMPFAIL;
	}
	if (*first.p == '+') {
		buf_drop(answer, first.n + 1);
		return 0;
	}
	if (rest.n > 0)
		fwrite(rest.p, 1, rest.n, stderr);
	first.p++, first.n--;
	return span_to_u64(first, 255, &code) && code != 0 ? (int)code :
	    CTL_TEMPFAIL;
}

int
ctl_ask(const char *const *words, size_t n, struct buf *answer)
{
	struct buf request = { .secret = true };
	char part[4096];
	ssize_t got;
	int fd;

	for (size_t i = 0; i < n; i++)
		add_word(&request, words[i]);
	buf_addc(&request, '\n');
	fd = reach();
	if (send(fd, request.p, request.n, MSG_NOSIGNAL) < 0) {
		fprintf(stderr, "loftctl: %s\n", strerror(errno));
		exit(CTL_TEMPFAIL);
	}
	buf_clear(&request);
	while ((got = recv(fd, part, sizeof(part), 0)) > 0)
		buf_add(answer, part, (size_t)got);
	close(fd);
	return judge(answer);
}
