/*
 * The master's children. A role or pool that dies is started again, at once the
 * first time and then with growing pauses. Workers of a dead pool become the
 * master's own children (it is a subreaper) and serve their sessions to the end;
 * their process group is remembered until it is empty.
 */
#include "daemon/children.h"

#include "common/clock.h"
#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "daemon/listen_auth.h"
#include "daemon/master.h"
#include "daemon/scrape.h"
#include "daemon/spawn.h"
#include "daemon/systemd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EARLY_MS = 2000, PAUSE_MS = 200, PAUSE_MAX_MS = 10000 };

enum err
children_prepare(struct master *m)
{
	enum err e;

	if ((e = ipc_pair(m->auth_door)) != ERR_OK ||
	    (e = ipc_pair(m->mail_door)) != ERR_OK)
		return e;
	return ipc_pair(m->notify_door);
}

struct child *
master_role(struct master *m, enum ipc_role bit)
{
	for (int i = 0; i < ROLES_MAX; i++)
		if (m->roles[i].bit == bit)
			return &m->roles[i];
	return NULL;
}

/* Auth and home share a pair; whoever starts gets one end, the other is told. */
static int
connect_peer(struct master *m, enum ipc_role bit)
{
	struct child *other = master_role(m,
	    bit == ROLE_AUTH ? ROLE_HOME : ROLE_AUTH);
	struct ipc_peer peer = { .role = (uint32_t)bit };
	int pair[2];

	if ((bit != ROLE_AUTH && bit != ROLE_HOME) || ipc_pair(pair) != ERR_OK)
		return -1;
	if (other->pid != 0 && ipc_send(other->control_fd, MSG_PEER, &peer,
	    SPAN_NONE, &pair[1], 1) != ERR_OK)
		log_error("cannot tell %s of the new %s", other->name,
		    bit == ROLE_AUTH ? "auth" : "home");
	close(pair[1]);
	return pair[0];
}

enum err
children_start_role(struct master *m, struct child *c)
{
	const char *argv[] = { "loftd", "-r", c->name, NULL };
	int control[2] = { -1, -1 }, config = -1, peer = -1;
	enum err e;

	c->restart_ms = 0;
	c->ready = false;
	c->started_ms = clock_mono_ms();
	if ((e = ipc_pair(control)) == ERR_OK &&
	    (e = handover_config_fd(m->cfg, &config)) == ERR_OK) {
		peer = connect_peer(m, c->bit);
		int fds[] = {
			control[1], config,
			c->bit == ROLE_AUTH ? m->auth_door[1] :
			c->bit == ROLE_NOTIFY ? m->notify_door[1] : -1,
			peer, m->empty_fd,
			c->bit == ROLE_AUTH ? m->mail_door[1] : -1,
		};

		e = spawn("/proc/self/exe", argv, fds, 6, -1, NULL, &c->pid);
	}
	close(control[1]);
	close(config);
	if (peer >= 0)
		close(peer);
	if (e == ERR_OK) {
		c->control_fd = control[0];
		if (c->bit == ROLE_AUTH && !m->inetd)
			listen_auth_update(m);
	} else {
		close(control[0]);
		c->pid = 0;
		c->restart_ms = c->started_ms + PAUSE_MAX_MS;
	}
	return e;
}

struct pool *
children_active_pool(struct master *m)
{
	struct pool *newest = NULL;

	for (int i = 0; i < POOLS_MAX; i++) {
		struct pool *p = &m->pools[i];

		if (p->pid != 0 && p->control_fd >= 0 && !p->retiring &&
		    (newest == NULL || p->generation > newest->generation))
			newest = p;
	}
	return newest;
}

enum err
children_start_pool(struct master *m, const struct config *cfg)
{
	char kinds[LISTEN_MAX + 1];
	const char *argv[] = { "loft-worker", "--pool", kinds, NULL };
	int control[2] = { -1, -1 }, config = -1;
	int fds[FD_LISTEN - FD_CONTROL + LISTEN_MAX];
	size_t n = 0, i = 0;
	struct pool *p = NULL;
	enum err e;

	for (int k = 0; k < POOLS_MAX && p == NULL; k++)
		if (m->pools[k].pid == 0)
			p = &m->pools[k];
	if (p == NULL) {
		log_error("too many old pools still have sessions");
		return ERR_LIMIT;
	}
	*p = (struct pool){ .control_fd = -1 };
	if ((e = ipc_pair(control)) != ERR_OK ||
	    (e = handover_config_fd(cfg, &config)) != ERR_OK)
		goto out;
	fds[n++] = control[1];
	fds[n++] = config;
	fds[n++] = m->auth_door[0];
	fds[n++] = m->notify_door[0];
	fds[n++] = m->empty_fd;
	fds[n++] = m->mail_door[0];
	for (; i < m->listeners.n; i++) {
		fds[n++] = m->listeners.at[i].fd;
		kinds[i] = (char)('0' + m->listeners.at[i].kind);
	}
	kinds[i] = '\0';
	e = spawn(spawn_worker_path(), argv, fds, n, -1, NULL, &p->pid);
	if (e == ERR_OK) {
		p->control_fd = control[0];
		p->generation = ++m->generation;
		p->started_ms = clock_mono_ms();
		control[0] = -1;
	}
out:
	if (e != ERR_OK)
		p->pid = 0;
	for (int k = 0; k < 2; k++)
		if (control[k] >= 0)
			close(control[k]);
	if (config >= 0)
		close(config);
	return e;
}

void
children_stop_pool(struct pool *p, bool drain)
{
	struct ipc_stop stop = { .drain = drain };

	p->retiring = true;
	if (p->control_fd >= 0 && ipc_send(p->control_fd, MSG_STOP, &stop,
	    SPAN_NONE, NULL, 0) != ERR_OK)
		log_debug("a pool was gone before it was told to stop");
}

void
children_run_session(struct master *m, struct ipc_message *msg)
{
	struct spawn_identity who = {
		msg->body.run.uid, msg->body.run.gid,
	};
	const char *argv[] = {
		"loft-worker", "--session", NULL, NULL, NULL, NULL, NULL, NULL,
		NULL, NULL,
	};
	int fds[5] = { msg->fd[0], -1, -1, -1, -1 };
	unsigned next = 1;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		if ((msg->body.run.which & 1U << i) != 0 && next < msg->n_fds)
			fds[2 + i] = msg->fd[next++];
	for (int i = 0; i < 7; i++)
		argv[2 + i] = ipc_text(&msg->tail);
	/* Home has checked who it is; but root it must never be. */
	if (who.uid == 0 || fds[0] < 0 || fds[2] < 0 ||
	    handover_config_fd(m->cfg, &fds[1]) != ERR_OK ||
	    spawn(spawn_worker_path(), argv, fds, 5, -1, &who, &pid) != ERR_OK)
		log_error("cannot start a session of uid %u",
		    (unsigned)who.uid);
	if (fds[1] >= 0)
		close(fds[1]);
}

void
children_call_steward(struct master *m, const struct ipc_message *msg)
{
	struct pool *pool = children_active_pool(m);

	/* Nobody to do it: the descriptors are closed, and who asks notices. */
	if (pool == NULL || pool->control_fd < 0 || msg->n_fds < 2 ||
	    ipc_send(pool->control_fd, MSG_ADMIN, &msg->body.request,
	    msg->tail, msg->fd, msg->n_fds) != ERR_OK)
		log_error("no pool has a worker for a delivery, or for what "
		    "users want of each other's accounts");
}

/* ---- deaths ---- */

static const char *
how(int status, char *out, size_t n)
{
	if (WIFSIGNALED(status))
		snprintf(out, n, "was killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(out, n, "ended with status %d", WEXITSTATUS(status));
	return out;
}

static uint64_t
pause_ms(unsigned failures)
{
	uint64_t ms = PAUSE_MS;

	if (failures <= 1)
		return 0;
	while (--failures > 1 && ms < PAUSE_MAX_MS)
		ms *= 2;
	return ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms;
}

static void
role_died(struct master *m, struct child *c, int status)
{
	uint64_t now = clock_mono_ms();
	char text[128];

	if (c->bit == ROLE_AUTH)
		scrape_auth_ended();
	close(c->control_fd);
	c->control_fd = -1;
	c->pid = 0;
	c->ready = false;
	if (m->stopping)
		return;
	c->failures = now - c->started_ms < EARLY_MS ? c->failures + 1 : 1;
	c->restart_ms = now + pause_ms(c->failures);
	if (c->restart_ms == 0)
		c->restart_ms = 1;
	log_error("%s %s; it is started again%s", c->name,
	    how(status, text, sizeof(text)),
	    c->failures > 1 ? ", with a pause" : "");
}

static void
pool_died(struct master *m, struct pool *p, int status)
{
	uint64_t now = clock_mono_ms();
	bool active = p == children_active_pool(m);
	bool for_reload = m->next_cfg != NULL && active && !p->ready;
	char text[128];

	scrape_pool_ended(m, p);
	if (p->control_fd >= 0)
		close(p->control_fd);
	p->control_fd = -1;
	if (!p->retiring && !m->stopping)
		log_error("the pool %s%s", how(status, text, sizeof(text)),
		    for_reload ? ": the reload failed, the old one serves on" :
		    "");
	if (for_reload) {
		config_free(&m->next_cfg);
		systemd_ready("Serving; the reload failed, see the log");
	} else if (m->generation == 1 && !p->ready) {
		m->start_failed = true;
	} else if (active && !p->retiring && !m->stopping) {
		m->pool_failures = now - p->started_ms < EARLY_MS ?
		    m->pool_failures + 1 : 1;
		m->pool_at_ms = now + pause_ms(m->pool_failures);
	}
	p->retiring = true;
}

/* Whether a dead pool's workers are all gone. */
static void
forget_empty(struct master *m)
{
	for (int i = 0; i < POOLS_MAX; i++) {
		struct pool *p = &m->pools[i];

		if (p->pid != 0 && p->control_fd < 0 &&
		    kill(-p->pid, 0) < 0 && errno == ESRCH)
			p->pid = 0;
	}
}

void
children_reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < ROLES_MAX; i++)
			if (m->roles[i].pid == pid)
				role_died(m, &m->roles[i], status);
		for (int i = 0; i < POOLS_MAX; i++)
			if (m->pools[i].pid == pid &&
			    m->pools[i].control_fd >= 0)
				pool_died(m, &m->pools[i], status);
	}
	forget_empty(m);
}

int
children_restart(struct master *m)
{
	uint64_t now = clock_mono_ms(), next = 0;

	if (m->stopping)
		return -1;
	for (int i = 0; i < ROLES_MAX; i++) {
		struct child *c = &m->roles[i];

		if (c->restart_ms != 0 && now >= c->restart_ms &&
		    children_start_role(m, c) != ERR_OK)
			log_error("%s cannot be started", c->name);
		if (c->restart_ms != 0 && (next == 0 || c->restart_ms < next))
			next = c->restart_ms;
	}
	if (!m->inetd && children_active_pool(m) == NULL) {
		if (now >= m->pool_at_ms &&
		    children_start_pool(m, m->cfg) != ERR_OK)
			m->pool_at_ms = now + PAUSE_MAX_MS;
		if (m->pool_at_ms > now && (next == 0 || m->pool_at_ms < next))
			next = m->pool_at_ms;
	}
	return next == 0 ? -1 : next <= now ? 0 : (int)(next - now);
}

/* ---- the living ---- */

void
children_reconfigure(struct master *m, const struct config *cfg)
{
	struct ipc_none none = { 0 };

	for (int i = 0; i < ROLES_MAX; i++) {
		int fds[3] = { -1, STDERR_FILENO, FD_INFO_LOG };
		unsigned n = *cfg->info_log_path == '\0' ? 2 : 3;

		if (m->roles[i].pid == 0 ||
		    handover_config_fd(cfg, &fds[0]) != ERR_OK)
			continue;
		if (ipc_send(m->roles[i].control_fd, MSG_CONFIG, &none,
		    SPAN_NONE, fds, n) != ERR_OK)
			log_error("cannot hand the new configuration to %s",
			    m->roles[i].name);
		close(fds[0]);
	}
}

bool
children_any_pool(struct master *m)
{
	for (int i = 0; i < POOLS_MAX; i++)
		if (m->pools[i].pid != 0)
			return true;
	return false;
}

void
children_signal_pools(struct master *m, int sig)
{
	for (int i = 0; i < POOLS_MAX; i++)
		if (m->pools[i].pid > 1)
			kill(-m->pools[i].pid, sig);
}
