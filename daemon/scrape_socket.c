/*
 * Where metrics are fetched, over HTTP. The master makes the text and never reads what a
 * client sends: a child of its own without rights does, for five seconds at most.
 */
#include "daemon/scrape.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/place.h"
#include "common/privs.h"
#include "daemon/master.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWERING_MAX = 8, REQUEST_MAX = 8192, SECONDS = 5, FRESH_MS = 1000 };

static int sockets[SCRAPE_SOCKETS];
static size_t n_sockets;
static pid_t answering[ANSWERING_MAX];
static struct buf text;
static uint64_t text_ms;	/* when it was made, 0: never */

/* ---- listening ---- */

static void
add(int fd, const struct sockaddr *sa, socklen_t n, const char *name)
{
	int on = 1;

	if (fd >= 0 && sa->sa_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd >= 0 && sa->sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (fd >= 0 && n_sockets < SCRAPE_SOCKETS && bind(fd, sa, n) == 0 &&
	    listen(fd, ANSWERING_MAX) == 0) {
		sockets[n_sockets++] = fd;
		return;
	}
	log_errno("metrics are not to be had at %s", name);
	if (fd >= 0)
		close(fd);
}

static void
unix_name(const struct config *cfg, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/metrics",
	    cfg->base_dir);
}

/* "127.0.0.1:9900", "[::1]:9900", ":9900" */
static void
open_tcp(const char *where)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM }, *found, *a;
	struct span host = span_of(where);
	const char *port = strrchr(where, ':');
	char name[256];
	int r = EAI_NONAME;

	if (port != NULL) {
		host.n = (size_t)(port - where);
		if (host.n > 1 && *host.p == '[' && host.p[host.n - 1] == ']')
			host = (struct span){ host.p + 1, host.n - 2 };
		snprintf(name, sizeof(name), "%.*s", (int)host.n, host.p);
		r = getaddrinfo(*name == '\0' ? NULL : name, port + 1, &hints,
		    &found);
	}
	if (r != 0) {
		log_error("metrics_listen = %s: it must be an address and a "
		    "port, as in 127.0.0.1:9900 or [::1]:9900 (%s)",
		    log_text(span_of(where)), gai_strerror(r));
		return;
	}
	for (a = found; a != NULL; a = a->ai_next)
		add(socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0), a->ai_addr, a->ai_addrlen, where);
	freeaddrinfo(found);
}

void
scrape_open(const struct config *cfg)
{
	struct sockaddr_un sun;
	mode_t old = umask(0111);

	unix_name(cfg, &sun);
	unlink(sun.sun_path);
	add(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
	    (const void *)&sun, sizeof(sun), sun.sun_path);
	umask(old);
	if (*cfg->metrics_listen != '\0')
		open_tcp(cfg->metrics_listen);
}

void
scrape_close(const struct config *cfg)
{
	struct sockaddr_un sun;

	unix_name(cfg, &sun);
	unlink(sun.sun_path);
	while (n_sockets > 0)
		close(sockets[--n_sockets]);
	buf_clear(&text);
}

void
scrape_poll(struct pollfd *fds, size_t *n_out)
{
	for (size_t i = 0; i < n_sockets; i++)
		fds[i] = (struct pollfd){ sockets[i], POLLIN, 0 };
	*n_out = n_sockets;
}

/* ---- answering: a process of its own ---- */

/* The head of the request; false: it is none that ends in time and size. */
static bool
read_request(int fd, char head[REQUEST_MAX])
{
	size_t n = 0;
	ssize_t got;

	while (n < REQUEST_MAX - 1 &&
	    (got = read(fd, head + n, REQUEST_MAX - 1 - n)) > 0) {
		n += (size_t)got;
		head[n] = '\0';
		if (strlen(head) != n)
			return false;
		if (strstr(head, "\r\n\r\n") != NULL ||
		    strstr(head, "\n\n") != NULL)
			return true;
	}
	return false;
}

static const char *
judge(const char *head, bool *body)
{
	bool is_get = strncmp(head, "GET ", 4) == 0;
	const char *path = head + (is_get ? 4 : 5);
	size_t n;

	*body = is_get;
	if (!is_get && strncmp(head, "HEAD ", 5) != 0)
		return "405 Method Not Allowed";
	n = strcspn(path, " ?\r\n");
	if ((n == 1 && *path == '/') || (n == 8 &&
	    strncmp(path, "/metrics", 8) == 0))
		return "200 OK";
	return "404 Not Found";
}

static void
write_all(int fd, const char *p, size_t n)
{
	ssize_t done;

	for (; n > 0; p += done, n -= (size_t)done)
		if ((done = send(fd, p, n, MSG_NOSIGNAL)) <= 0)
			return;
}

__attribute__((noreturn)) static void
answer(struct master *m, int fd)
{
	static char head[REQUEST_MAX];
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	const char *status = "400 Bad Request";
	bool root = geteuid() == 0, body = true;
	unsigned confined;
	sigset_t none;
	char line[256];
	int n;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(SECONDS);
	if (root && place_uid(m->cfg->auth_user, &uid, &gid) != ERR_OK)
		uid = gid = 65534;
	if (root && gid == (gid_t)-1)
		gid = (gid_t)uid;
	if (privs_drop(root ? m->empty_fd : -1, uid, gid, &confined) != ERR_OK)
		_exit(1);
	dup2(fd, 3);
	close_range(4, UINT_MAX, 0);
	if (read_request(3, head))
		status = judge(head, &body);
	n = snprintf(line, sizeof(line), "HTTP/1.1 %s\r\nContent-Type: "
	    "application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n\r\n", status,
	    *status == '2' ? text.n : 0);
	write_all(3, line, (size_t)n);
	if (*status == '2' && body)
		write_all(3, text.p, text.n);
	shutdown(3, SHUT_WR);
	_exit(0);
}

void
scrape_accept(struct master *m, int fd)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC), free = -1;
	uint64_t now = clock_mono_ms();

	if (client < 0)
		return;
	for (int i = 0; i < ANSWERING_MAX; i++)
		if (answering[i] == 0 || (kill(answering[i], 0) < 0 &&
		    errno == ESRCH))
			free = i;
	if (free >= 0 && (text_ms == 0 || now - text_ms >= FRESH_MS)) {
		buf_reset(&text);
		scrape_text(m, &text);
		text_ms = now;
	}
	if (free >= 0 && (answering[free] = fork()) == 0)
		answer(m, client);
	if (free < 0 || answering[free] < 0) {
		log_warn("metrics: too many ask at once");
		if (free >= 0)
			answering[free] = 0;
	}
	close(client);
}
