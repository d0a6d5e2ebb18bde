/*
 * Answers loftctl over base_dir/loftctl. A request is one line, words separated by
 * TAB; the answer is text, its first line "+" or "-" and an exit code; then the
 * connection is closed.
 */
#include "daemon/control.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "daemon/children.h"
#include "daemon/master.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, WORDS_MAX = 24, NAME_MAX_BYTES = 1024 };

static struct client {
	int fd;			/* 0: free */
	uid_t uid;
	uint64_t id;		/* waits for auth's answer to this, 0: not */
	size_t n;
	char line[LINE_BYTES];
} clients[CONTROL_MAX];

static uint64_t last_id;
static struct ipc_message reply;
static char too_many[] = "too many words";	/* no request there is */

/* ---- the socket ---- */

static void
socket_name(const char *base_dir, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s/loftctl", base_dir);
}

enum err
control_open(const char *base_dir, int *fd_out)
{
	struct sockaddr_un sun;
	mode_t old;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*fd_out = -1;
	socket_name(base_dir, &sun);
	if (strlen(base_dir) + 10 >= sizeof(sun.sun_path)) {
		log_error("base_dir %s is too long for a socket", base_dir);
		close(fd);
		return ERR_IO;
	}
	if (fd >= 0 && connect(fd, (void *)&sun, sizeof(sun)) == 0) {
		log_error("another loftd is running in %s", base_dir);
		close(fd);
		return ERR_EXISTS;
	}
	unlink(sun.sun_path);
	old = umask(0177);
	if (fd < 0 || bind(fd, (void *)&sun, sizeof(sun)) < 0 ||
	    listen(fd, CONTROL_MAX) < 0) {
		log_errno("cannot make the socket %s", sun.sun_path);
		umask(old);
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	umask(old);
	*fd_out = fd;
	return ERR_OK;
}

void
control_close(const char *base_dir, int *fd)
{
	struct sockaddr_un sun;

	socket_name(base_dir, &sun);
	unlink(sun.sun_path);
	close(*fd);
	*fd = -1;
}

/* ---- answers ---- */

static void
finish(struct client *c, const struct buf *text)
{
	size_t at = 0;

	/* The socket's buffer is enough but for a client that does not read. */
	while (at < text->n) {
		struct pollfd p = { c->fd, POLLOUT, 0 };
		ssize_t n = send(c->fd, text->p + at, text->n - at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno == EAGAIN && poll(&p, 1, 1000) > 0)
			continue;
		else if (n < 0 && errno == EINTR)
			continue;
		else
			break;
	}
	close(c->fd);
	secret_wipe(c, sizeof(*c));
}

static void
pool_line(struct master *m, struct pool *p, struct buf *out)
{
	struct ipc_pool none = { 0 };

	if (p->control_fd >= 0 && ipc_send(p->control_fd, MSG_POOL, &none,
	    SPAN_NONE, NULL, 0) == ERR_OK && master_await(m, p->control_fd,
	    ROLE_POOL, MSG_POOL, &reply) == ERR_OK)
		p->last = reply.body.pool;
	buf_addf(out, "pool\t%llu\t%ld\t%s\tidle=%u login=%u session=%u "
	    "limit=%u served=%llu crashes=%u hung=%u\n",
	    (unsigned long long)p->generation, (long)p->pid,
	    p->control_fd < 0 ? "dead" : p->retiring ? "retiring" :
	    p->ready ? "serving" : "starting", p->last.idle, p->last.login,
	    p->last.session, p->last.limit,
	    (unsigned long long)p->last.served, p->last.crashes, p->last.hung);
}

static void
status(struct master *m, struct buf *out)
{
	struct pool *active = children_active_pool(m);

	buf_addf(out, "master\t%ld\trunning %llu s\tconfiguration=%s\n",
	    (long)getpid(),
	    (unsigned long long)((uint64_t)clock_s() - m->started_s),
	    m->config_path);
	for (int i = 0; i < ROLES_MAX; i++)
		buf_addf(out, "%s\t%ld\t%s\tconfined=%s\n", m->roles[i].name,
		    (long)m->roles[i].pid, m->roles[i].pid == 0 ? "down" :
		    m->roles[i].ready ? "up" : "starting",
		    sandbox_words(m->roles[i].confined));
	for (int i = 0; i < POOLS_MAX; i++)
		if (m->pools[i].pid != 0)
			pool_line(m, &m->pools[i], out);
	if (active != NULL)
		buf_addf(out, "workers\tconfined=%s\n",
		    sandbox_words(active->confined));
}

/* Its pool knows it; a worker whose pool died is our own child. */
static void
kick_worker(struct master *m, const struct ipc_who *line)
{
	for (int i = 0; i < POOLS_MAX; i++) {
		struct pool *p = &m->pools[i];

		if (p->pid == 0)
			continue;
		if (p->control_fd < 0 && line->pid > 1 &&
		    getpgid(line->pid) == p->pid)
			kill(line->pid, SIGTERM);
		else if (p->control_fd >= 0 && ipc_send(p->control_fd,
		    MSG_KICK, line, SPAN_NONE, NULL, 0) != ERR_OK)
			log_debug("a pool does not hear");
	}
}

/* ---- who ---- */

/* When sessions last ended a command, by their processes. */
struct ages {
	struct age {
		int32_t pid;
		uint64_t since_ms;
	} *v;
	size_t n, cap;
};

static int
by_pid(const void *a, const void *b)
{
	const struct age *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static void
add_age(struct ages *a, const struct ipc_who *line)
{
	if (a->n == a->cap) {
		a->cap = a->cap == 0 ? 64 : 2 * a->cap;
		if ((a->v = realloc(a->v, a->cap * sizeof(*a->v))) == NULL)
			fatal("no memory for %zu sessions", a->cap);
	}
	a->v[a->n++] = (struct age){ line->pid, line->since };
}

static void
ask_ages(struct master *m, struct ages *a)
{
	struct ipc_who ask = { 0 };

	for (int i = 0; i < POOLS_MAX; i++) {
		struct pool *p = &m->pools[i];

		if (p->pid == 0 || p->control_fd < 0 || ipc_send(p->control_fd,
		    MSG_AGES, &ask, SPAN_NONE, NULL, 0) != ERR_OK)
			continue;
		while (master_await(m, p->control_fd, ROLE_POOL, MSG_AGES,
		    &reply) == ERR_OK && reply.body.who.more != 0)
			add_age(a, &reply.body.who);
	}
	if (a->n > 1)
		qsort(a->v, a->n, sizeof(*a->v), by_pid);
}

/* Milliseconds, or nothing where it is not known. */
static void
add_idle(const struct ages *a, int32_t pid, struct buf *out)
{
	struct age key = { .pid = pid }, *found = a->n == 0 ? NULL :
	    bsearch(&key, a->v, a->n, sizeof(*a->v), by_pid);
	uint64_t now = clock_mono_ms();

	if (found != NULL)
		buf_add_u64(out, now > found->since_ms ?
		    now - found->since_ms : 0);
}

/*
 * Lines "user, address, pid, since, idle" of everybody whom `wanted` (a user or a process,
 * NULL: everybody) names; kicks them when `kick`. Returns how many.
 */
static unsigned
who(struct master *m, const char *wanted, bool kick, struct buf *out)
{
	struct child *auth = master_role(m, ROLE_AUTH);
	struct ipc_who ask = { 0 };
	struct ages ages = { 0 };
	char pid[24];
	unsigned n = 0;

	if (!kick)
		ask_ages(m, &ages);
	if (auth->pid == 0 || ipc_send(auth->control_fd, MSG_WHO, &ask,
	    SPAN_NONE, NULL, 0) != ERR_OK)
		goto out;
	while (master_await(m, auth->control_fd, ROLE_AUTH, MSG_WHO, &reply) ==
	    ERR_OK && reply.body.who.more != 0) {
		struct ipc_who line = reply.body.who;
		const char *name = ipc_text(&reply.tail);
		const char *address = ipc_text(&reply.tail);

		snprintf(pid, sizeof(pid), "%ld", (long)line.pid);
		if (wanted != NULL && strcmp(wanted, name) != 0 &&
		    strcmp(wanted, pid) != 0)
			continue;
		n++;
		if (kick) {
			kick_worker(m, &line);
			continue;
		}
		buf_addf(out, "%s\t%s\t%ld\t%llu\t", name, address,
		    (long)line.pid, (unsigned long long)line.since);
		add_idle(&ages, line.pid, out);
		buf_addc(out, '\n');
	}
out:
	free(ages.v);
	return n;
}

/*
 * A worker of the pool answers, once home gave it the account; our part ends here.
 * word: user, then what the worker is to do. False: nobody can.
 */
static bool
administer(struct master *m, struct client *c, char **word, size_t n)
{
	struct child *auth = master_role(m, ROLE_AUTH);
	struct pool *pool = children_active_pool(m);
	struct ipc_request ask = { .id = ++last_id, .which = c->uid };
	struct buf words = { 0 };
	int pair[2], given[2];
	bool sent;

	if (auth->pid == 0 || pool == NULL || pool->control_fd < 0 ||
	    ipc_pair(pair) != ERR_OK)
		return false;
	for (size_t i = 1; i < n; i++)
		buf_add(&words, word[i], strlen(word[i]) + 1);
	given[0] = pair[1];
	given[1] = c->fd;
	sent = ipc_send(auth->control_fd, MSG_ADMIN_ACCOUNT, &ask,
	    span_of(word[0]), &pair[0], 1) == ERR_OK &&
	    ipc_send(pool->control_fd, MSG_ADMIN, &ask, buf_span(&words),
	    given, 2) == ERR_OK;
	close(pair[0]);
	close(pair[1]);
	buf_clear(&words);
	return sent;
}

static bool
auth_test(struct master *m, struct client *c, const char *user,
    const char *password)
{
	struct child *auth = master_role(m, ROLE_AUTH);
	struct ipc_request ask = { .id = ++last_id };
	struct buf tail = { .secret = true };
	enum err e;

	buf_adds(&tail, user);
	buf_addc(&tail, '\0');
	buf_adds(&tail, password);
	e = auth->pid == 0 ? ERR_UNAVAIL : ipc_send(auth->control_fd,
	    MSG_AUTH_TEST, &ask, buf_span(&tail), NULL, 0);
	buf_clear(&tail);
	if (e == ERR_OK)
		c->id = ask.id;
	return e == ERR_OK;
}

void
control_tested(struct master *m, struct ipc_message *msg)
{
	struct buf out = { 0 };
	enum err e = (enum err)msg->body.request.result;
	const char *user = ipc_text(&msg->tail);

	(void)m;
	for (int i = 0; i < CONTROL_MAX; i++) {
		if (clients[i].fd == 0 || clients[i].id != msg->body.request.id)
			continue;
		if (e == ERR_OK)
			buf_addf(&out, "+\npassdb: %s auth succeeded\n", user);
		else
			buf_addf(&out, "-%d\npassdb: %s auth failed: %s\n",
			    e == ERR_AUTH ? 77 : 75, user, err_name(e));
		finish(&clients[i], &out);
		buf_clear(&out);
		return;
	}
}

/* ---- requests ---- */

static void
run(struct master *m, struct client *c, char **word, size_t n)
{
	struct buf out = { 0 };
	enum err e;

	if (strcmp(word[0], "status") == 0) {
		buf_adds(&out, "+\n");
		status(m, &out);
	} else if (strcmp(word[0], "who") == 0) {
		buf_adds(&out, "+\n");
		who(m, n > 1 ? word[1] : NULL, false, &out);
	} else if (strcmp(word[0], "kick") == 0 && n > 1) {
		unsigned kicked = 0;

		for (size_t i = 1; i < n; i++)
			kicked += who(m, word[i], true, &out);
		if (kicked > 0)
			log_info("uid %u kicks %u session%s of %s", c->uid,
			    kicked, kicked == 1 ? "" : "s",
			    log_text(span_of(word[1])));
		buf_addf(&out, kicked > 0 ? "+\n%u sessions kicked\n" :
		    "-68\n%u such sessions\n", kicked);
	} else if (strcmp(word[0], "reload") == 0) {
		buf_adds(&out, "+\n");
		if ((e = master_reload(m, &out)) != ERR_OK) {
			struct buf failed = { 0 };

			buf_addf(&failed, "-78\n%.*sreload failed: %s\n",
			    (int)(out.n - 2), out.p + 2, err_name(e));
			buf_clear(&out);
			out = failed;
		}
	} else if (strcmp(word[0], "log") == 0 && n > 1 &&
	    strcmp(word[1], "reopen") == 0) {
		buf_adds(&out, master_reopen_log(m) == ERR_OK ? "+\n" :
		    "-73\nthe log cannot be opened\n");
	} else if (strcmp(word[0], "stop") == 0) {
		buf_adds(&out, "+\n");
		master_stop(m, n > 1 && strcmp(word[1], "now") == 0);
	} else if (strcmp(word[0], "auth") == 0 && n > 2) {
		if (auth_test(m, c, word[1], word[2]))
			return;
		buf_adds(&out, "-75\nauth is not running\n");
	} else if (strcmp(word[0], "admin") == 0 && n > 2 &&
	    strlen(word[1]) <= NAME_MAX_BYTES) {
		if (administer(m, c, word + 1, n - 1)) {
			close(c->fd);
			secret_wipe(c, sizeof(*c));
			return;
		}
		buf_adds(&out, "-75\nauth or the pool of workers is not "
		    "running\n");
	} else {
		buf_adds(&out, "-64\nunknown request\n");
	}
	finish(c, &out);
	buf_clear(&out);
}

static void
request(struct master *m, struct client *c)
{
	char *word[WORDS_MAX];
	size_t n = 0;

	for (char *p = c->line; n < WORDS_MAX; p++) {
		word[n++] = p;
		if ((p = strchr(p, '\t')) == NULL) {
			run(m, c, word, n);
			return;
		}
		*p = '\0';
	}
	run(m, c, (char *[]){ too_many }, 1);
}

void
control_poll(struct pollfd *fds, size_t *n_out)
{
	*n_out = 0;
	for (int i = 0; i < CONTROL_MAX; i++)
		if (clients[i].fd != 0)
			fds[(*n_out)++] = (struct pollfd){ clients[i].fd,
			    POLLIN, 0 };
}

void
control_accept(struct master *m)
{
	struct ucred who_is_it = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who_is_it);
	int fd = accept4(m->control_fd, NULL, NULL,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	/* The file's mode says so too, but a mode is soon changed. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who_is_it, &n) < 0 ||
	    (who_is_it.uid != 0 && who_is_it.uid != geteuid())) {
		log_warn("uid %u may not use loftctl", who_is_it.uid);
		close(fd);
		return;
	}
	for (int i = 0; i < CONTROL_MAX; i++)
		if (clients[i].fd == 0) {
			clients[i] = (struct client){ .fd = fd,
			    .uid = who_is_it.uid };
			return;
		}
	close(fd);
}

void
control_event(struct master *m, int fd)
{
	struct client *c = NULL;
	ssize_t n;
	char *end;

	for (int i = 0; i < CONTROL_MAX; i++)
		if (clients[i].fd == fd && fd != 0)
			c = &clients[i];
	if (c == NULL)
		return;
	n = recv(fd, c->line + c->n, sizeof(c->line) - 1 - c->n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Closed, or more than a request while one is answered. */
	if (n <= 0 || c->id != 0) {
		close(fd);
		secret_wipe(c, sizeof(*c));
		return;
	}
	c->n += (size_t)n;
	c->line[c->n] = '\0';
	if ((end = strchr(c->line, '\n')) != NULL) {
		*end = '\0';
		request(m, c);
	} else if (c->n == sizeof(c->line) - 1) {
		close(fd);
		secret_wipe(c, sizeof(*c));
	}
}
