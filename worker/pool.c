/*
 * The pool: keeps a stock of ready workers, reaps them, and kills those that
 * others wait for. It never sees a byte of a client. Lean on purpose: what it
 * touches is shared by every worker, what it opens every fork pays for.
 *
 * A worker says what it does in its slot of the scoreboard and writes to `taken`
 * when it took a connection. When the write end of `alive` is closed (the pool
 * died or retires), idle workers go.
 */
#include "worker/pool.h"

#include "common/charset.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/scoreboard.h"
#include "maildir/account.h"
#include "worker/serve.h"
#include "worker/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	HUNG_MS = 1000,		/* DESIGN law 5 */
	TICK_MS = 250,
	SPARE_MAX = 128,
	BACKOFF_MAX_MS = 10000,
	GRACE_MS = 5000,
	LISTEN_MAX = 64,
	ASIDE_MAX = 16,		/* beyond the limit: an administrator gets in */
};

struct pool {
	const struct config *cfg;
	struct scoreboard *board;
	size_t limit;
	pid_t *pid;		/* by slot, 0: free */
	size_t top;		/* slots from here on were never used */
	size_t n_workers;
	uint32_t *idle;		/* slots that were idle when last looked at */
	size_t n_idle;
	size_t spare;		/* idle ones wanted now */
	int signal_fd, taken_fd, alive_fd;
	bool retired;		/* takes no more connections */
	uint64_t kill_at_ms;	/* stopping: the end of the grace, 0: not */
	uint64_t fork_at_ms;	/* no fork before */
	uint64_t backoff_ms;
	uint64_t decay_at_ms, warned_at_ms;
	uint64_t served;
	uint32_t crashes, hung;
	struct metrics_sum counted;	/* by workers that ended */
};

/* What workers inherit: never changed once the first was forked. */
static struct serve serve;

/* ---- forking ---- */

static size_t
free_slot(struct pool *p)
{
	for (size_t i = 0; i < p->top; i++)
		if (p->pid[i] == 0)
			return i;
	return p->top++;
}

/*
 * One that waits for a client, or serves none: sweeps what `dead` left, or does what
 * `admin` asks.
 */
static void
fork_worker(struct pool *p, pid_t dead, struct ipc_message *admin)
{
	bool aside = dead != 0 || admin != NULL;
	size_t i = free_slot(p);
	struct scoreboard_slot *slot = scoreboard_slot(p->board, i);
	pid_t pid;

	struct scoreboard *board = p->board;
	int signal_fd = p->signal_fd, alive_fd = p->alive_fd;

	memset(slot, 0, sizeof(*slot));
	scoreboard_set(slot, aside ? WORKER_ASIDE : WORKER_IDLE);
	if ((pid = fork()) == 0) {
		/* Nothing of *p is here. */
		close(FD_CONTROL);
		close(signal_fd);
		close(alive_fd);
		scoreboard_keep_only(board, i);
		serve.slot = slot;
		serve.aside = aside;
		if (dead != 0)
			serve_sweep(&serve, dead);
		if (admin != NULL)
			serve_admin(&serve, admin);
		serve_next(&serve);
	}
	if (pid < 0) {
		log_errno("cannot fork a worker");
		scoreboard_set(slot, WORKER_FREE);
		p->fork_at_ms = clock_mono_ms() + 1000;
		return;
	}
	p->pid[i] = pid;
	p->n_workers++;
	if (!aside)
		p->idle[p->n_idle++] = (uint32_t)i;
}

/* Forgets those that took a connection since. */
static size_t
look_at_idle(struct pool *p)
{
	size_t kept = 0, taken;

	for (size_t i = 0; i < p->n_idle; i++)
		if (scoreboard_slot(p->board, p->idle[i])->state == WORKER_IDLE)
			p->idle[kept++] = p->idle[i];
	taken = p->n_idle - kept;
	p->n_idle = kept;
	return taken;
}

static void
fill_stock(struct pool *p)
{
	uint64_t now = clock_mono_ms();

	if (p->retired || now < p->fork_at_ms)
		return;
	p->fork_at_ms = 0;
	/* A burst found the stock empty: keep more for a while. */
	if (p->n_idle == 0 && p->n_workers > 0 && p->spare < SPARE_MAX)
		p->spare *= 2;
	while (p->n_idle < p->spare && p->n_workers < p->limit &&
	    now >= p->fork_at_ms)
		fork_worker(p, 0, NULL);
	if (p->n_workers >= p->limit && p->n_idle == 0 &&
	    now >= p->warned_at_ms) {
		log_warn("service imap: process_limit (%zu) reached, client "
		    "connections are being delayed", p->limit);
		p->warned_at_ms = now + 60000;
	}
}

/* ---- the dead ---- */

static bool
is_crash(int sig)
{
	return sig == SIGSEGV || sig == SIGABRT || sig == SIGSYS ||
	    sig == SIGBUS || sig == SIGILL || sig == SIGFPE;
}

static void
reaped(struct pool *p, size_t i, pid_t pid, int status)
{
	struct scoreboard_slot *slot = scoreboard_slot(p->board, i);
	bool was_idle = slot->state == WORKER_IDLE;
	bool in_session = slot->state == WORKER_SESSION;
	bool badly = WIFSIGNALED(status) ||
	    (WIFEXITED(status) && WEXITSTATUS(status) != 0);
	struct ipc_none none = { 0 };

	tally_add(&p->counted, &slot->metrics);
	scoreboard_set(slot, WORKER_FREE);
	p->pid[i] = 0;
	p->n_workers--;
	if (WIFSIGNALED(status) && p->kill_at_ms == 0)
		log_error("worker %ld was killed by signal %d (%s)%s",
		    (long)pid, WTERMSIG(status), strsignal(WTERMSIG(status)),
		    WCOREDUMP(status) ? ", core dumped" : "");
	if (WIFSIGNALED(status) && is_crash(WTERMSIG(status))) {
		p->crashes++;
		if (ipc_send(FD_CONTROL, MSG_CRASHED, &none, SPAN_NONE, NULL,
		    0) != ERR_OK)
			log_debug("nobody to tell of a crash");
	}
	if (in_session && badly && p->kill_at_ms == 0 &&
	    p->n_workers < p->limit)
		fork_worker(p, pid, NULL);
	if (was_idle && badly && !p->retired) {
		p->backoff_ms = p->backoff_ms == 0 ? 100 : p->backoff_ms * 2;
		if (p->backoff_ms > BACKOFF_MAX_MS)
			p->backoff_ms = BACKOFF_MAX_MS;
		p->fork_at_ms = clock_mono_ms() + p->backoff_ms;
		log_error("worker %ld ended before it took a connection; next "
		    "try in %llu ms", (long)pid,
		    (unsigned long long)p->backoff_ms);
	}
}

static void
reap(struct pool *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < p->top; i++)
			if (p->pid[i] == pid) {
				reaped(p, i, pid, status);
				break;
			}
}

static void
signal_all(struct pool *p, int sig)
{
	for (size_t i = 0; i < p->top; i++)
		if (p->pid[i] != 0)
			kill(p->pid[i], sig);
}

/* ---- those that others wait for ---- */

static bool
is_stopped(pid_t pid)
{
	char path[64], text[512];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* "pid (name) S": the name may hold anything, so from the right. */
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

static bool
is_overdue(uint64_t since_ms, uint64_t now_ms)
{
	return since_ms != 0 && since_ms <= now_ms &&
	    now_ms - since_ms >= HUNG_MS;
}

/*
 * A transaction is short whatever happens. Somebody with a lock may be waiting for
 * one himself: he is only killed when he does not run.
 */
static void
kill_the_hung(struct pool *p)
{
	uint64_t now = clock_mono_ms();

	for (size_t i = 0; i < p->top; i++) {
		struct crit_slot *crit;
		bool in_txn;

		if (p->pid[i] == 0)
			continue;
		crit = &scoreboard_slot(p->board, i)->crit;
		in_txn = is_overdue(atomic_load(&crit->txn_since_ms), now);
		if (!in_txn && !(is_overdue(atomic_load(&crit->since_ms),
		    now) && is_stopped(p->pid[i])))
			continue;
		log_error("worker %ld %s while others wait: killed",
		    (long)p->pid[i], in_txn ? "stays in a transaction" :
		    "is stopped and holds a lock");
		kill(p->pid[i], SIGKILL);
		p->hung++;
	}
}

/* ---- the master's wishes ---- */

static void
retire(struct pool *p)
{
	if (p->retired)
		return;
	p->retired = true;
	close(p->alive_fd);
	p->alive_fd = -1;
	for (size_t i = 0; i < serve.n_listen; i++)
		close(serve.listen_fd[i]);
}

static void
stop(struct pool *p)
{
	retire(p);
	if (p->kill_at_ms != 0)
		return;
	p->kill_at_ms = clock_mono_ms() + GRACE_MS;
	signal_all(p, SIGTERM);
}

static void
kick(struct pool *p, pid_t pid)
{
	for (size_t i = 0; i < p->top; i++)
		if (pid > 0 && p->pid[i] == pid)
			kill(pid, SIGTERM);
}

/* Whatever is not done closes loftctl's connection: it says so. */
static void
administer(struct pool *p, struct ipc_message *m)
{
	if (p->retired || p->n_workers >= p->limit + ASIDE_MAX)
		log_warn("process_limit (%zu) reached: no worker for loftctl, "
		    "or for a message, whose sender will try again", p->limit);
	else if (m->n_fds >= 2)
		fork_worker(p, 0, m);
}

/* A line for each session, as its worker says in its slot. */
static void
tell_ages(struct pool *p)
{
	struct ipc_who end = { 0 };
	bool heard = true;

	for (size_t i = 0; i < p->top && heard; i++) {
		struct scoreboard_slot *slot = scoreboard_slot(p->board, i);
		struct ipc_who line = { .pid = p->pid[i], .more = 1 };

		if (p->pid[i] == 0 ||
		    atomic_load(&slot->state) != WORKER_SESSION)
			continue;
		if ((line.since = atomic_load(&slot->command_ms)) == 0)
			line.since = atomic_load(&slot->since_ms);
		heard = ipc_send(FD_CONTROL, MSG_AGES, &line, SPAN_NONE, NULL,
		    0) == ERR_OK;
	}
	if (!heard || ipc_send(FD_CONTROL, MSG_AGES, &end, SPAN_NONE, NULL,
	    0) != ERR_OK)
		log_debug("the master does not hear");
}

static void
report(struct pool *p)
{
	struct ipc_pool r = {
		.limit = (uint32_t)p->limit, .served = p->served,
		.crashes = p->crashes, .hung = p->hung,
	};

	for (size_t i = 0; i < p->top; i++) {
		uint32_t state;

		if (p->pid[i] == 0)
			continue;
		state = scoreboard_slot(p->board, i)->state;
		r.idle += state == WORKER_IDLE;
		r.login += state == WORKER_LOGIN;
		r.session += state == WORKER_SESSION;
	}
	if (ipc_send(FD_CONTROL, MSG_POOL, &r, SPAN_NONE, NULL, 0) != ERR_OK)
		log_debug("nobody to report to");
}

/* What all workers counted since the pool began. */
static void
tell_metrics(struct pool *p)
{
	struct metrics_sum *all = tally_new(&p->counted);

	for (size_t i = 0; i < p->top; i++)
		if (p->pid[i] != 0)
			tally_add_live(all, &scoreboard_slot(p->board,
			    i)->metrics);
	tally_send(&all);
}

/* False: the master is gone. */
static bool
hear_master(struct pool *p)
{
	static struct ipc_message m;

	if (ipc_receive(FD_CONTROL, ROLE_MASTER, ROLE_POOL, &m) != ERR_OK)
		return false;
	if (m.kind == MSG_STOP && m.body.stop.drain != 0)
		retire(p);
	else if (m.kind == MSG_STOP)
		stop(p);
	else if (m.kind == MSG_POOL)
		report(p);
	else if (m.kind == MSG_AGES)
		tell_ages(p);
	else if (m.kind == MSG_METRICS)
		tell_metrics(p);
	else if (m.kind == MSG_KICK)
		kick(p, m.body.who.pid);
	else if (m.kind == MSG_ADMIN)
		administer(p, &m);
	ipc_close_fds(&m);
	return true;
}

/* ---- the loop ---- */

static void
hear_signals(struct pool *p)
{
	struct signalfd_siginfo si;

	while (read(p->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(p);
		else
			stop(p);
	}
}

static void
tick(struct pool *p)
{
	uint64_t now = clock_mono_ms();

	if (p->n_workers > p->n_idle)
		kill_the_hung(p);
	if (p->kill_at_ms != 0 && now >= p->kill_at_ms) {
		signal_all(p, SIGKILL);
		p->kill_at_ms = now + GRACE_MS;
	}
	if (now >= p->decay_at_ms) {
		if (p->spare > p->cfg->process_min_avail)
			p->spare--;
		p->decay_at_ms = now + 1000;
	}
}

static void
hear_taken(struct pool *p)
{
	uint64_t n;

	if (read(p->taken_fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	p->served += n;
	p->backoff_ms = 0;
}

static int
run(struct pool *p)
{
	struct pollfd fds[3] = {
		{ FD_CONTROL, POLLIN, 0 },
		{ p->signal_fd, POLLIN, 0 },
		{ p->taken_fd, POLLIN, 0 },
	};

	while (!p->retired || p->n_workers > 0) {
		look_at_idle(p);
		fill_stock(p);
		if (poll(fds, 3, p->n_workers == p->n_idle &&
		    p->fork_at_ms == 0 && p->spare ==
		    p->cfg->process_min_avail && p->kill_at_ms == 0 ? -1 :
		    TICK_MS) < 0 && errno != EINTR)
			fatal_errno("cannot wait");
		if (fds[2].revents != 0)
			hear_taken(p);
		if (fds[1].revents != 0)
			hear_signals(p);
		if (fds[0].revents != 0 && !hear_master(p)) {
			/*
			 * The master died. Its successor wants the addresses:
			 * let go of them, serve those who are there.
			 */
			log_error("the master is gone: no new connections");
			fds[0].fd = -1;
			retire(p);
		}
		tick(p);
	}
	if (fds[0].fd >= 0) {
		report(p);
		tell_metrics(p);
	}
	return 0;
}

/* ---- the start ---- */

static int
signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		fatal_errno("cannot watch signals");
	return fd;
}

/* What confines our workers: asked of a child that confines itself and ends. */
static unsigned
try_confinement(const struct serve *v)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		unsigned confined;

		if (serve_confine(v, &confined) != ERR_OK)
			_exit(255);
		if (sandbox_landlock_version() >= 2)
			confined |= CONFINED_LANDLOCK;
		_exit((int)confined);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) :
	    255;
}

/*
 * Fills the holes in the heap, so that what workers allocate lies together at its
 * end: a page of holes that a worker writes to is a page it has for itself (120 KiB
 * less in an idle session).
 */
static void
settle_heap(void)
{
	void *p;
	uintptr_t end;

	malloc_trim(0);
	/* Where what was never used begins. */
	end = (uintptr_t)sbrk(0) - mallinfo2().keepcost;
	/* Above 1032 bytes any hole will do, below there are lists by size. */
	for (size_t n = 120 << 10; n >= 24;
	    n = n > 1100 ? n - n / 16 : n > 1032 ? 1032 : n - 16) {
		while ((p = malloc(n)) != NULL && (uintptr_t)p < end)
			;
		free(p);
	}
}

static void
options(int argc, char **argv)
{
	static int fds[LISTEN_MAX];

	serve.listen_kind = argc > 1 ? argv[1] : "";
	serve.n_listen = strlen(serve.listen_kind);
	if (serve.n_listen > LISTEN_MAX)
		fatal("too many listening sockets");
	for (size_t i = 0; i < serve.n_listen; i++)
		fds[i] = FD_LISTEN + (int)i;
	serve.listen_fd = fds;
}

/*
 * The pool's own memory is not inherited: every write to an inherited page costs
 * each worker that lives then a copy of it.
 */
static void *
own_memory(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, n, MADV_DONTFORK) < 0)
		fatal_errno("no memory for the pool");
	return p;
}

static struct pool *
pool_new(const struct config *cfg)
{
	struct pool *p = own_memory(sizeof(*p));
	int alive[2];

	p->cfg = cfg;
	p->limit = cfg->process_limit;
	p->spare = cfg->process_min_avail;
	p->board = scoreboard_new(p->limit + ASIDE_MAX);
	p->pid = own_memory((p->limit + ASIDE_MAX) * sizeof(*p->pid));
	p->idle = own_memory(p->limit * sizeof(*p->idle));
	p->taken_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->taken_fd < 0 || pipe2(alive, O_CLOEXEC) < 0)
		fatal_errno("cannot make descriptors");
	serve.taken_fd = p->taken_fd;
	serve.alive_fd = alive[0];
	p->alive_fd = alive[1];
	p->signal_fd = signals();
	return p;
}

int
pool_main(int argc, char **argv)
{
	struct ipc_ready ready = { 0 };
	struct config *cfg;
	struct pool *p;

	log_open(STDERR_FILENO, true, NULL);
	log_set_prefix("pool: ");
	if (handover_config(FD_CONFIG, &cfg) != ERR_OK)
		return 78;
	close(FD_CONFIG);
	handover_log(cfg, "pool: ");
	options(argc, argv);
	serve.cfg = cfg;
	serve.auth_door = FD_AUTH_DOOR;
	serve.mail_door = FD_MAIL_DOOR;
	serve.notify_door = FD_NOTIFY_DOOR;
	serve.empty_fd = FD_EMPTY;
	p = pool_new(cfg);
	charset_init();
	account_prepare();
	serve.tls = serve_tls(cfg);
	serve_forget_secrets(cfg);
	if (serve.tls == NULL && strpbrk(serve.listen_kind, "13") != NULL)
		fatal("imaps listens, but there is no certificate");
	if (serve_identity(cfg, &serve) != ERR_OK)
		return 78;
	if (cfg->confinement != CONFINEMENT_OFF &&
	    sandbox_allow(SANDBOX_WORKER | SANDBOX_POOL) != ERR_OK)
		log_info("no system call filter");
	ready.confined = try_confinement(&serve);
	if (ready.confined == 255)
		fatal("workers cannot be confined as the configuration "
		    "demands");
	settle_heap();
	if (ipc_send(FD_CONTROL, MSG_READY, &ready, SPAN_NONE, NULL, 0) !=
	    ERR_OK)
		log_debug("nobody to report to");
	return run(p);
}
