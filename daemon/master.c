/*
 * The master: starts, watches, reloads and stops everything else. It never sees a
 * byte that a client wrote.
 */
#include "daemon/master.h"

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/privs.h"
#include "common/sandbox.h"
#include "daemon/certificates.h"
#include "daemon/children.h"
#include "daemon/listen_auth.h"
#include "daemon/control.h"
#include "daemon/scrape.h"
#include "daemon/signals.h"
#include "daemon/spawn.h"
#include "daemon/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A pool's own grace (worker/pool.c) and some. */
enum { STOP_MS = 8000, REPLACE_MS = 60000 };

static struct ipc_message message;

/* ---- start ---- */

static void
tell_problems(const struct config_problem *p, struct buf *text)
{
	for (; p != NULL; p = p->next) {
		if (p->is_fatal)
			log_error("%s:%u: %s", p->file, p->line, p->text);
		else
			log_warn("%s:%u: %s", p->file, p->line, p->text);
		if (text != NULL)
			buf_addf(text, "%s:%u: %s%s\n", p->file, p->line,
			    p->is_fatal ? "error: " : "", p->text);
	}
}

enum err
master_load(const char *path, struct config **cfg, struct buf *text)
{
	struct config_problem *problems = NULL;
	enum err e = config_load(path, cfg, &problems);

	tell_problems(problems, text);
	if (e != ERR_OK && problems == NULL)
		log_error("cannot read the configuration %s: %s", path,
		    err_name(e));
	return e;
}

/* Opens a log as descriptor `as`; syslog is no descriptor's affair. */
static enum err
open_log(const char *path, int first_stderr, int as)
{
	int fd;

	if (strcmp(path, "syslog") == 0)
		return ERR_OK;
	if (strcmp(path, "/dev/stderr") == 0) {
		dup2(first_stderr, as);
		return ERR_OK;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_errno("cannot open the log %s", path);
		return fs_err(errno);
	}
	dup2(fd, as);
	close(fd);
	return ERR_OK;
}

/* For us and for all who inherit it. */
enum err
master_open_log(const struct config *cfg)
{
	static int first = -1;
	enum err e;

	if (first < 0) {
		/* Its place is taken, in case that a reload needs it. */
		dup3(STDERR_FILENO, FD_INFO_LOG, O_CLOEXEC);
		first = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, FD_INFO_LOG);
	}
	if ((e = open_log(cfg->log_path, first, STDERR_FILENO)) != ERR_OK)
		return e;
	return *cfg->info_log_path == '\0' ? ERR_OK :
	    open_log(cfg->info_log_path, first, FD_INFO_LOG);
}

static enum err
make_base_dir(const char *path)
{
	char part[4096];

	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return ERR_IO;
	for (char *p = part + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST) {
			log_errno("cannot make %s (base_dir)", part);
			return ERR_IO;
		}
		*p = c;
		if (c == '\0')
			return ERR_OK;
	}
}

static void
write_pid(const struct config *cfg, bool there)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/master.pid", cfg->base_dir);
	unlink(path);
	if (!there)
		return;
	if ((f = fopen(path, "we")) == NULL ||
	    fprintf(f, "%ld\n", (long)getpid()) < 0 || fclose(f) != 0)
		log_errno("cannot write %s", path);
}

/* ---- messages of children ---- */

static void
pool_ready(struct master *m, struct pool *p, uint32_t confined)
{
	p->ready = true;
	p->confined = confined;
	m->pool_failures = 0;
	if (m->next_cfg != NULL) {
		config_free(&m->cfg);
		m->cfg = m->next_cfg;
		m->next_cfg = NULL;
		handover_log(m->cfg, "master: ");
		children_reconfigure(m, m->cfg);
		listen_auth_update(m);
		certificates_follow(m->cfg);
		log_info("reloaded: pool %llu serves",
		    (unsigned long long)p->generation);
		systemd_ready("Serving; reloaded");
	}
	for (int i = 0; i < POOLS_MAX; i++) {
		struct pool *old = &m->pools[i];

		if (old->pid != 0 && !old->retiring &&
		    old->generation < p->generation)
			children_stop_pool(old, true);
	}
	if (m->generation == 1) {
		log_info("Loft %s starting up for %s; workers are confined "
		    "by: %s", LOFT_VERSION, m->cfg->protocols,
		    sandbox_words(confined));
		if (m->cfg->mail_fsync == FSYNC_NEVER)
			log_warn("mail_fsync = never: an OK does not mean "
			    "that mail is on disk");
		systemd_ready("Serving");
		if (m->started_fd >= 0) {
			(void)!write(m->started_fd, "", 1);
			close(m->started_fd);
			m->started_fd = -1;
		}
	}
	if (m->stopping)
		children_stop_pool(p, false);
}

static void
crashed(struct master *m)
{
	uint64_t now = clock_mono_ms();

	if (m->stopping || m->next_cfg != NULL ||
	    (m->replaced_ms != 0 && now - m->replaced_ms < REPLACE_MS))
		return;
	log_warn("a worker crashed: a new pool takes over, with another "
	    "address layout");
	m->replaced_ms = now;
	if (children_start_pool(m, m->cfg) != ERR_OK)
		log_error("the new pool cannot be started");
}

static void
handle(struct master *m, struct pool *p, struct child *c)
{
	switch ((int)message.kind) {
	case MSG_READY:
		if (p != NULL) {
			pool_ready(m, p, message.body.ready.confined);
		} else {
			c->ready = true;
			c->confined = message.body.ready.confined;
		}
		break;
	case MSG_POOL:
		if (p != NULL) {
			p->last = message.body.pool;
			p->reported_ms = clock_mono_ms();
		}
		break;
	case MSG_CRASHED:
		crashed(m);
		break;
	case MSG_RUN:
		children_run_session(m, &message);
		break;
	case MSG_STEWARD:
		children_call_steward(m, &message);
		break;
	case MSG_METRICS:
		if (p != NULL)
			scrape_hear_pool(m, p, &message);
		else
			scrape_hear_auth(&message);
		break;
	case MSG_AUTH_TESTED:
		control_tested(m, &message);
		break;
	default:
		break;
	}
	ipc_close_fds(&message);
}

/* False: the descriptor hung up. */
static bool
hear(struct master *m, int fd, enum ipc_role from)
{
	if (ipc_receive(fd, from, ROLE_MASTER, &message) != ERR_OK)
		return false;
	for (int i = 0; i < POOLS_MAX; i++)
		if (m->pools[i].pid != 0 && m->pools[i].control_fd == fd) {
			handle(m, &m->pools[i], NULL);
			return true;
		}
	for (int i = 0; i < ROLES_MAX; i++)
		if (m->roles[i].pid != 0 && m->roles[i].control_fd == fd) {
			handle(m, NULL, &m->roles[i]);
			return true;
		}
	ipc_close_fds(&message);
	return true;
}

enum err
master_await(struct master *m, int fd, enum ipc_role from, enum ipc_kind kind,
    struct ipc_message *out)
{
	uint64_t end = clock_mono_ms() + 1000, now;

	while (fd >= 0 && (now = clock_mono_ms()) < end) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, (int)(end - now)) <= 0)
			continue;
		if (!hear(m, fd, from))
			break;
		if (message.kind == kind) {
			memcpy(out, &message, sizeof(*out));
			out->tail.p = out->buf + (message.tail.p - message.buf);
			return ERR_OK;
		}
	}
	return ERR_UNAVAIL;
}

/* ---- reload and stop ---- */

/* The new configuration, and a pool that takes it into use when it is ready. */
static enum err
begin_reload(struct master *m, struct buf *text)
{
	struct config *next = NULL;
	struct buf names = { 0 };
	enum err e;

	if ((e = master_load(m->config_path, &next, text)) != ERR_OK) {
		log_error("reload failed: the old configuration stays in "
		    "force");
		config_free(&next);
		return e;
	}
	if (config_needs_restart(m->cfg, next, &names)) {
		log_warn("a reload does not change: %s (restart for that)",
		    buf_cstr(&names));
		if (text != NULL)
			buf_addf(text, "needs a restart: %s\n",
			    buf_cstr(&names));
	}
	buf_clear(&names);
	if ((e = master_open_log(next)) != ERR_OK ||
	    (e = listen_update(next, &m->listeners)) != ERR_OK ||
	    (e = children_start_pool(m, next)) != ERR_OK) {
		config_free(&next);
		return e;
	}
	config_free(&m->next_cfg);
	m->next_cfg = next;
	return ERR_OK;
}

enum err
master_reload(struct master *m, struct buf *text)
{
	enum err e;

	if (m->stopping)
		return ERR_STATE;
	systemd_reloading();
	if ((e = begin_reload(m, text)) != ERR_OK)
		systemd_ready("Serving; the reload failed, see the log");
	return e;
}

/* Certificates were replaced: a pool with them, and the configuration as it is. */
static void
renew_certificates(struct master *m)
{
	struct config *next;

	if (m->stopping || m->next_cfg != NULL || !certificates_changed() ||
	    config_renew_certificates(m->cfg, &next) != ERR_OK || next == NULL)
		return;
	log_info("certificates were replaced: a new pool takes them into use");
	if (children_start_pool(m, next) == ERR_OK)
		m->next_cfg = next;
	else
		config_free(&next);
}

enum err
master_reopen_log(struct master *m)
{
	enum err e;

	if ((e = master_open_log(m->cfg)) != ERR_OK)
		return e;
	children_reconfigure(m, m->cfg);
	/* Sessions keep the file they have; new ones get it from a new pool. */
	return m->stopping || m->next_cfg != NULL ? ERR_OK :
	    children_start_pool(m, m->cfg);
}

void
master_stop(struct master *m, bool now)
{
	if (!m->stopping) {
		log_info("stopping%s", now ? " at once" : "");
		systemd_stopping();
		listen_close(&m->listeners);
		for (int i = 0; i < POOLS_MAX; i++)
			if (m->pools[i].pid != 0)
				children_stop_pool(&m->pools[i], false);
		/* Those whose pool died hear it themselves. */
		children_signal_pools(m, SIGTERM);
		m->kill_at_ms = clock_mono_ms() + STOP_MS;
	}
	m->stopping = true;
	if (now) {
		children_signal_pools(m, SIGKILL);
		m->kill_at_ms = clock_mono_ms();
	}
}

void
master_end_roles(struct master *m)
{
	for (int i = 0; i < ROLES_MAX; i++)
		if (m->roles[i].pid != 0)
			kill(m->roles[i].pid, SIGTERM);
	for (int i = 0; i < ROLES_MAX; i++)
		if (m->roles[i].pid != 0)
			while (waitpid(m->roles[i].pid, NULL, 0) < 0 &&
			    errno == EINTR)
				;
}

static void
hear_signals(struct master *m)
{
	int sig;

	while ((sig = signals_next(m->signal_fd)) != 0) {
		switch (sig) {
		case SIGCHLD:
			children_reap(m);
			break;
		case SIGHUP:
			if (master_reload(m, NULL) != ERR_OK)
				log_debug("nothing was changed");
			break;
		case SIGUSR1:
			if (master_reopen_log(m) != ERR_OK)
				log_error("the old log stays open");
			break;
		case SIGQUIT:
			master_stop(m, true);
			break;
		default:
			master_stop(m, false);
		}
	}
}

/* ---- the loop ---- */

static size_t
gather(struct master *m, struct pollfd *fds, enum ipc_role *from)
{
	size_t n = 0;

	for (int i = 0; i < ROLES_MAX; i++)
		if (m->roles[i].pid != 0) {
			from[n] = m->roles[i].bit;
			fds[n++] = (struct pollfd){ m->roles[i].control_fd,
			    POLLIN, 0 };
		}
	for (int i = 0; i < POOLS_MAX; i++)
		if (m->pools[i].pid != 0 && m->pools[i].control_fd >= 0) {
			from[n] = ROLE_POOL;
			fds[n++] = (struct pollfd){ m->pools[i].control_fd,
			    POLLIN, 0 };
		}
	return n;
}

/* The sooner of two times to wait; negative is for ever. */
static int
sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void
once(struct master *m)
{
	struct pollfd fds[3 + ROLES_MAX + POOLS_MAX + CONTROL_MAX +
	    SCRAPE_SOCKETS];
	enum ipc_role from[ROLES_MAX + POOLS_MAX];
	int timeout = sooner(children_restart(m), systemd_watchdog());
	size_t children = gather(m, fds + 3, from), clients, scrapers;
	struct pollfd *client = fds + 3 + children;

	fds[0] = (struct pollfd){ m->signal_fd, POLLIN, 0 };
	fds[1] = (struct pollfd){ m->control_fd, POLLIN, 0 };
	fds[2] = (struct pollfd){ certificates_fd(), POLLIN, 0 };
	control_poll(client, &clients);
	scrape_poll(client + clients, &scrapers);
	timeout = sooner(timeout, m->stopping ? 100 : m->next_cfg != NULL ? -1 :
	    certificates_due());
	if (poll(fds, 3 + children + clients + scrapers, timeout) < 0 &&
	    errno != EINTR)
		fatal_errno("cannot wait");
	for (size_t i = 0; i < children; i++)
		if (fds[3 + i].revents != 0 &&
		    !hear(m, fds[3 + i].fd, from[i]))
			children_reap(m);
	for (size_t i = 0; i < clients; i++)
		if (client[i].revents != 0)
			control_event(m, client[i].fd);
	for (size_t i = 0; i < scrapers; i++)
		if (client[clients + i].revents != 0)
			scrape_accept(m, client[clients + i].fd);
	if (fds[2].revents != 0)
		certificates_hear();
	if (fds[1].revents != 0)
		control_accept(m);
	if (fds[0].revents != 0)
		hear_signals(m);
	renew_certificates(m);
	if (m->stopping && clock_mono_ms() >= m->kill_at_ms) {
		children_signal_pools(m, SIGKILL);
		children_reap(m);
	}
}

void
master_set_up(struct master *m)
{
	static const struct {
		const char *name;
		enum ipc_role bit;
	} order[ROLES_MAX] = {
		{ "home", ROLE_HOME }, { "auth", ROLE_AUTH },
		{ "notify", ROLE_NOTIFY },
	};

	for (int i = 0; i < ROLES_MAX; i++)
		m->roles[i] = (struct child){ .name = order[i].name,
		    .bit = order[i].bit, .control_fd = -1 };
	for (int i = 0; i < POOLS_MAX; i++)
		m->pools[i].control_fd = -1;
}

static enum err
start(struct master *m)
{
	enum err e;

	if ((e = make_base_dir(m->cfg->base_dir)) != ERR_OK ||
	    (e = privs_open_empty(m->cfg->base_dir,
	    &m->empty_fd)) != ERR_OK ||
	    (e = control_open(m->cfg->base_dir, &m->control_fd)) != ERR_OK ||
	    (e = listen_update(m->cfg, &m->listeners)) != ERR_OK ||
	    (e = children_prepare(m)) != ERR_OK)
		return e;
	write_pid(m->cfg, true);
	scrape_open(m->cfg);
	for (int i = 0; i < ROLES_MAX; i++)
		if ((e = children_start_role(m, &m->roles[i])) != ERR_OK)
			return e;
	return children_start_pool(m, m->cfg);
}

/* The caller's prompt comes back when the service is up, or failed. */
static int
go_to_background(void)
{
	int pipe_fd[2], null;
	char c;
	pid_t pid;

	if (pipe2(pipe_fd, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		fatal_errno("cannot go to the background");
	if (pid > 0) {
		close(pipe_fd[1]);
		_exit(read(pipe_fd[0], &c, 1) == 1 ? 0 : 75);
	}
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
	return pipe_fd[1];
}

int
master_main(const char *config_path, bool foreground)
{
	static struct master m;
	uint64_t files;

	log_open(STDERR_FILENO, false, NULL);
	m.started_fd = m.control_fd = m.empty_fd = -1;
	m.config_path = config_path;
	m.started_s = (uint64_t)clock_s();
	umask(022);
	master_set_up(&m);
	listen_inherit(&m.listeners);
	if (master_load(config_path, &m.cfg, NULL) != ERR_OK)
		return 78;
	if (!foreground)
		m.started_fd = go_to_background();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	m.signal_fd = signals_open();
	/* Auth and notify have a descriptor for every worker. */
	files = 1024 + 4 * m.cfg->process_limit;
	privs_allow_files(files < 65536 ? 65536 : files);
	if (master_open_log(m.cfg) != ERR_OK)
		return 75;
	handover_log(m.cfg, "master: ");
	certificates_follow(m.cfg);
	if (start(&m) != ERR_OK) {
		master_stop(&m, true);
		m.start_failed = true;
	}
	while (!m.stopping || children_any_pool(&m)) {
		once(&m);
		if (m.start_failed && !m.stopping)
			master_stop(&m, true);
	}
	master_end_roles(&m);
	if (m.control_fd >= 0) {
		write_pid(m.cfg, false);
		listen_auth_end();
		scrape_close(m.cfg);
		control_close(m.cfg->base_dir, &m.control_fd);
	}
	log_info("stopped");
	config_free(&m.cfg);
	return m.start_failed ? 75 : 0;
}
