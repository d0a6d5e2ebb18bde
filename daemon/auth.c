/*
 * The auth role: one event loop that never blocks for long. Slow hashes are
 * computed by helpers, failures wait in a list, accounts are opened by home. A
 * worker's socket stays open as long as its session: so sessions are counted.
 */
#include "daemon/auth.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/privs.h"
#include "daemon/auth_file.h"
#include "daemon/password.h"
#include "daemon/role.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HELPERS = 2,
	/* Not ids of attempts (which begin above): what an event is about. */
	TAG_CONTROL = 1, TAG_DOOR, TAG_PEER, TAG_HELPER,
	TAG_FIRST_ID = 100,
	BUCKETS = 4096,
};

/* Sessions of one user from one address. */
struct counter {
	struct counter *next;
	uint64_t hash;
	unsigned n;
};

struct helper {
	int fd;
	uint64_t id;		/* the attempt it works for; 0: idle */
};

struct config *auth_cfg;

static struct attempt **attempts;	/* by id % size; id / size: generation */
static size_t n_slots, free_hint;
static uint64_t generation = 1;
static struct helper helpers[HELPERS];
static struct attempt *queue_first, *queue_last;	/* for a helper */
static struct attempt *delay_first, *delay_last;	/* by due_ms */
static struct counter *counters[BUCKETS];
static int epoll_fd = -1;
static int home_fd = -1;
static uint64_t last_request;
static struct ipc_message message;

/* ---- lists ---- */

static void
enqueue(struct attempt **first, struct attempt **last, struct attempt *t,
    struct attempt *after)
{
	t->is_queued = true;
	t->before = after;
	t->next = after == NULL ? *first : after->next;
	if (t->next != NULL)
		t->next->before = t;
	else
		*last = t;
	if (after != NULL)
		after->next = t;
	else
		*first = t;
}

static void
dequeue(struct attempt **first, struct attempt **last, struct attempt *t)
{
	if (!t->is_queued)
		return;
	if (t->before != NULL)
		t->before->next = t->next;
	else
		*first = t->next;
	if (t->next != NULL)
		t->next->before = t->before;
	else
		*last = t->before;
	t->is_queued = false;
	t->next = t->before = NULL;
}

static void
leave_lists(struct attempt *t)
{
	if (t->phase == PHASE_DELAY)
		dequeue(&delay_first, &delay_last, t);
	else
		dequeue(&queue_first, &queue_last, t);
}

/* ---- attempts ---- */

static struct attempt *
attempt_by_id(uint64_t id)
{
	struct attempt *t;

	if (id < TAG_FIRST_ID || n_slots == 0)
		return NULL;
	t = attempts[(uint32_t)id % n_slots];
	return t != NULL && t->id == id ? t : NULL;
}

static struct attempt *
attempt_new(int fd)
{
	struct attempt *t = calloc(1, sizeof(*t));
	size_t i;

	for (i = free_hint; i < n_slots && attempts[i] != NULL; i++)
		;
	if (i == n_slots) {
		n_slots = n_slots == 0 ? 1024 : 2 * n_slots;
		attempts = realloc(attempts, n_slots * sizeof(*attempts));
		if (attempts != NULL)
			memset(attempts + i, 0, (n_slots - i) *
			    sizeof(*attempts));
	}
	if (t == NULL || attempts == NULL)
		fatal("no memory for another client");
	free_hint = i + 1;
	attempts[i] = t;
	/* The lower half finds the slot, the upper is never used twice. */
	t->id = ++generation << 32 | i;
	t->fd = fd;
	return t;
}

static void
uncount(struct attempt *t)
{
	struct counter **link;

	if (t->counter == NULL)
		return;
	if (--t->counter->n == 0) {
		link = &counters[t->counter->hash % BUCKETS];
		while (*link != t->counter)
			link = &(*link)->next;
		*link = t->counter->next;
		free(t->counter);
	}
	t->counter = NULL;
}

static void
forget_attempt(struct attempt *t)
{
	sasl_clear(&t->sasl);
	arena_free(&t->arena);
	t->tried = t->user = t->session = t->remote = t->local = NULL;
	t->mechanism = NULL;
	t->stored = t->extra = SPAN_NONE;
}

static void
attempt_free(struct attempt *t)
{
	size_t i = (uint32_t)t->id % n_slots;

	leave_lists(t);
	uncount(t);
	forget_attempt(t);
	free(t->name);
	free(t->address);
	if (t->fd >= 0) {
		/* Home may hold a copy, so closing alone does not end it. */
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, t->fd, NULL);
		close(t->fd);
	}
	attempts[i] = NULL;
	if (i < free_hint)
		free_hint = i;
	free(t);
}

/* ---- counting ---- */

static uint64_t
hash_text(uint64_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	while (*s++ != '\0');
	return h;
}

enum err
auth_count(struct attempt *t)
{
	static uint64_t seed;
	struct counter **link, *c;
	uint64_t h, limit = auth_cfg->mail_max_userip_connections;

	if (seed == 0)
		random_bytes(&seed, sizeof(seed));
	h = hash_text(hash_text(seed, t->user), t->remote);
	for (link = &counters[h % BUCKETS]; *link != NULL;
	    link = &(*link)->next)
		if ((*link)->hash == h)
			break;
	if (*link != NULL && limit > 0 && (*link)->n >= limit)
		return ERR_LIMIT;
	if (*link == NULL) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			fatal("no memory for a counter");
		c->hash = h;
		*link = c;
	}
	(*link)->n++;
	t->counter = *link;
	return ERR_OK;
}

/* ---- answers ---- */

static void
answer_failure(struct attempt *t)
{
	struct ipc_sasl sasl = { .result = (uint32_t)t->failure };
	struct ipc_request tested = { .id = t->test_id };
	struct span name = span_of(t->user != NULL ? t->user : t->tried);
	bool is_gone;

	if (name.n > 512)
		name.n = 512;
	if (t->test_id != 0) {
		tested.result = t->failure == FAILURE_PASSWORD ||
		    t->failure == FAILURE_DISABLED ? ERR_AUTH : ERR_UNAVAIL;
		if (ipc_send(FD_CONTROL, MSG_AUTH_TESTED, &tested, name, NULL,
		    0) != ERR_OK)
			log_debug("the master does not hear");
		attempt_free(t);
		return;
	}
	is_gone = ipc_send(t->fd, MSG_AUTH_FAILED, &sasl, name, NULL, 0) !=
	    ERR_OK;
	t->phase = PHASE_IDLE;
	forget_attempt(t);
	if (is_gone)
		attempt_free(t);
}

void
auth_fail(struct attempt *t, enum ipc_failure why)
{
	bool guessing = t->test_id == 0 &&
	    (why == FAILURE_PASSWORD || why == FAILURE_DISABLED);
	struct attempt *after = delay_last;

	uncount(t);
	sasl_clear(&t->sasl);
	t->failure = why;
	if (!guessing || auth_cfg->auth_failure_delay == 0) {
		answer_failure(t);
		return;
	}
	t->phase = PHASE_DELAY;
	t->due_ms = clock_mono_ms() + auth_cfg->auth_failure_delay;
	/* Almost always the last; not after the setting was lowered. */
	while (after != NULL && after->due_ms > t->due_ms)
		after = after->before;
	enqueue(&delay_first, &delay_last, t, after);
}

static void
answer_delayed(void)
{
	uint64_t now = clock_mono_ms();

	while (delay_first != NULL && delay_first->due_ms <= now) {
		struct attempt *t = delay_first;

		leave_lists(t);
		answer_failure(t);
	}
}

static void
challenge(struct attempt *t, struct span text)
{
	struct ipc_sasl sasl = { 0 };

	t->phase = PHASE_SASL;
	if (ipc_send(t->fd, MSG_AUTH_CHALLENGE, &sasl, text, NULL, 0) !=
	    ERR_OK)
		attempt_free(t);
}

/* ---- home ---- */

static void opened(const struct ipc_request *r);

/*
 * Home's answers are read while it does not take our questions: each of us would
 * wait for the other otherwise.
 */
static enum err
ask_home(enum ipc_kind kind, const struct ipc_request *r, struct span tail,
    const int *fd)
{
	static struct ipc_message answer;
	enum err e = ERR_IO;

	while (home_fd >= 0 && (e = ipc_send(home_fd, kind, r, tail, fd,
	    fd == NULL ? 0 : 1)) == ERR_BUSY) {
		struct pollfd p = { home_fd, POLLIN | POLLOUT, 0 };

		if (poll(&p, 1, -1) < 0 || (p.revents & POLLIN) == 0)
			continue;
		e = ipc_receive(home_fd, ROLE_HOME, ROLE_AUTH, &answer);
		if (e == ERR_OK && answer.kind == MSG_OPENED)
			opened(&answer.body.request);
		else if (e != ERR_BUSY && e != ERR_OK)
			return e;
		ipc_close_fds(&answer);
	}
	return e;
}

static void
opened(const struct ipc_request *r)
{
	struct attempt *t = attempt_by_id(r->id);

	if (t == NULL || t->phase != PHASE_OPENING)
		return;
	if (r->result != ERR_OK) {
		log_error("user %s: home cannot open the account: %s",
		    log_text(span_of(t->user)), err_name((enum err)r->result));
		auth_fail(t, FAILURE_TEMPORARY);
		return;
	}
	t->phase = PHASE_SESSION;
	t->since = (uint64_t)clock_s();
	t->name = strdup(t->user);
	t->address = strdup(t->remote);
	if (t->name == NULL || t->address == NULL)
		fatal("no memory for a session");
	forget_attempt(t);
}

void
auth_open_account(struct attempt *t, const char *uid, const char *gid,
    const char *home, const char *mail)
{
	struct ipc_request r = { .id = t->id }, tested = { .id = t->test_id };
	const char *texts[] = {
		t->user, uid, gid, home, mail, t->remote, t->local, t->session,
	};
	struct buf tail = { 0 };
	enum err e;

	sasl_clear(&t->sasl);
	if (t->test_id != 0) {
		if (ipc_send(FD_CONTROL, MSG_AUTH_TESTED, &tested,
		    span_of(t->user), NULL, 0) != ERR_OK)
			log_debug("the master does not hear");
		attempt_free(t);
		return;
	}
	if (auth_count(t) != ERR_OK) {
		auth_fail(t, FAILURE_LIMIT);
		return;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		buf_adds(&tail, texts[i]);
		buf_addc(&tail, '\0');
	}
	t->phase = PHASE_OPENING;
	e = tail.n > 16384 ? ERR_LIMIT :
	    ask_home(MSG_OPEN_ACCOUNT, &r, buf_span(&tail), &t->fd);
	buf_clear(&tail);
	if (e != ERR_OK) {
		log_error("home does not answer: no account can be opened");
		auth_fail(t, FAILURE_TEMPORARY);
	}
}

static void
lose_home(void)
{
	if (home_fd < 0)
		return;
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, home_fd, NULL);
	close(home_fd);
	home_fd = -1;
	for (size_t i = 0; i < n_slots; i++)
		if (attempts[i] != NULL && attempts[i]->phase == PHASE_OPENING)
			auth_fail(attempts[i], FAILURE_TEMPORARY);
}

enum err
auth_open_passwd(const char *path, const char *user, int *fd_out)
{
	static struct ipc_message reply;
	struct ipc_request r = { .id = ++last_request };
	struct buf tail = { 0 };
	enum err e;

	*fd_out = -1;
	if (home_fd < 0) {
		log_error("home is gone: passwd-file %s cannot be opened",
		    path);
		return ERR_UNAVAIL;
	}
	buf_adds(&tail, user);
	buf_addc(&tail, '\0');
	buf_adds(&tail, path);
	e = tail.n > 1024 ? ERR_LIMIT :
	    ask_home(MSG_OPEN_PASSWD, &r, buf_span(&tail), NULL);
	buf_clear(&tail);
	while (e == ERR_OK || e == ERR_BUSY) {
		struct pollfd p = { home_fd, POLLIN, 0 };

		if (e == ERR_BUSY)
			poll(&p, 1, -1);
		e = ipc_receive(home_fd, ROLE_HOME, ROLE_AUTH, &reply);
		if (e == ERR_OK && reply.kind == MSG_OPENED) {
			opened(&reply.body.request);
		} else if (e == ERR_OK && reply.kind == MSG_PASSWD &&
		    reply.body.request.id == r.id) {
			*fd_out = reply.fd[0];
			reply.fd[0] = -1;
			return *fd_out >= 0 ? ERR_OK :
			    (enum err)reply.body.request.result;
		}
	}
	log_error("home does not open the passwd-file %s: %s", path,
	    err_name(e));
	if (e != ERR_LIMIT)
		lose_home();
	return ERR_UNAVAIL;
}

/* ---- helpers ---- */

static void
feed_helpers(void)
{
	for (int i = 0; i < HELPERS && queue_first != NULL; i++) {
		struct attempt *t = queue_first;
		struct ipc_verify v = { .id = t->id };
		struct buf tail = { .secret = true };

		if (helpers[i].id != 0)
			continue;
		leave_lists(t);
		v.password_bytes = (uint32_t)t->sasl.password.n;
		buf_add_span(&tail, buf_span(&t->sasl.password));
		buf_add_span(&tail, t->stored);
		if (tail.n > 16384) {
			buf_clear(&tail);
			auth_verified(t, ERR_AUTH);
			continue;
		}
		if (ipc_send(helpers[i].fd, MSG_VERIFY, &v, buf_span(&tail),
		    NULL, 0) != ERR_OK)
			fatal("a helper for passwords died");
		buf_clear(&tail);
		helpers[i].id = t->id;
	}
}

static void
hear_helper(struct helper *h)
{
	struct attempt *t;

	if (ipc_receive(h->fd, ROLE_HELPER, ROLE_AUTH, &message) != ERR_OK)
		fatal("a helper for passwords died");
	h->id = 0;
	t = attempt_by_id(message.body.verify.id);
	if (t != NULL && t->phase == PHASE_VERIFYING)
		auth_verified(t, (enum err)message.body.verify.result);
	feed_helpers();
}

void
auth_verify(struct attempt *t)
{
	if (password_is_slow(t->stored, "PLAIN")) {
		t->phase = PHASE_VERIFYING;
		enqueue(&queue_first, &queue_last, t, queue_last);
		feed_helpers();
		return;
	}
	auth_verified(t, password_verify(t->stored, "PLAIN", span_of(t->user),
	    buf_span(&t->sasl.password)));
}

/* ---- workers ---- */

static void
proceed(struct attempt *t, enum sasl_result r, struct span text)
{
	switch (r) {
	case SASL_CHALLENGE:
		challenge(t, text);
		break;
	case SASL_CREDENTIALS:
		auth_check(t);
		break;
	case SASL_MALFORMED:
		t->tried = "";
		auth_fail(t, FAILURE_SYNTAX);
		break;
	case SASL_UNKNOWN:
		t->tried = "";
		auth_fail(t, FAILURE_MECHANISM);
		break;
	}
}

static const char *
keep(struct attempt *t, struct span *tail)
{
	return arena_cstr(&t->arena, span_of(ipc_text(tail)));
}

static void
begin(struct attempt *t, struct ipc_message *m)
{
	unsigned flags = m->body.sasl.flags;
	struct span text, initial = SPAN_NONE;

	forget_attempt(t);
	t->mechanism = keep(t, &m->tail);
	t->session = keep(t, &m->tail);
	t->remote = keep(t, &m->tail);
	t->local = keep(t, &m->tail);
	if ((flags & IPC_SASL_INITIAL) != 0)
		initial = m->tail.p != NULL ? m->tail : SPAN("");
	if (auth_cfg->disable_plaintext_auth &&
	    (flags & IPC_SASL_SECURED) == 0) {
		t->tried = "";
		auth_fail(t, FAILURE_MECHANISM);
		return;
	}
	proceed(t, sasl_begin(&t->sasl, auth_cfg->auth_mechanisms,
	    span_of(t->mechanism), initial, &text), text);
}

static void
hear_worker(struct attempt *t)
{
	struct span text = SPAN("");
	enum err e = ipc_receive(t->fd, ROLE_WORKER, ROLE_AUTH, &message);

	if (e == ERR_OK && message.kind == MSG_AUTH_START &&
	    t->phase == PHASE_IDLE) {
		begin(t, &message);
	} else if (e == ERR_OK && message.kind == MSG_AUTH_ANSWER &&
	    t->phase == PHASE_SASL) {
		if ((message.body.sasl.flags & IPC_SASL_CANCEL) != 0) {
			t->tried = "";
			auth_fail(t, FAILURE_CANCELLED);
		} else {
			proceed(t, sasl_answer(&t->sasl, message.tail, &text),
			    text);
		}
	} else if (e != ERR_BUSY) {
		if (e == ERR_OK)
			log_error("worker %ld asks out of turn",
			    (long)t->pid);
		ipc_close_fds(&message);
		attempt_free(t);
	}
	secret_wipe(message.buf, 512);
}

static void
watch(int fd, uint64_t tag)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = tag };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		fatal_errno("cannot watch a socket");
}

static void
hear_door(void)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof(who);
	struct attempt *t;

	if (ipc_receive(FD_DOOR, ROLE_WORKER, ROLE_AUTH, &message) != ERR_OK)
		return;
	if (message.kind != MSG_HELLO || message.n_fds != 1) {
		ipc_close_fds(&message);
		return;
	}
	t = attempt_new(message.fd[0]);
	fcntl(t->fd, F_SETFL, O_NONBLOCK);
	/* Who made the pair, says the kernel; a worker may say anything. */
	if (getsockopt(t->fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0)
		t->pid = who.pid;
	watch(t->fd, t->id);
}

static void
use_home(int fd)
{
	home_fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	watch(fd, TAG_PEER);
}

/* ---- the master ---- */

static void
tell_who(void)
{
	struct ipc_who line = { .more = 1 }, end = { 0 };
	struct buf tail = { 0 };

	for (size_t i = 0; i < n_slots; i++) {
		struct attempt *t = attempts[i];

		if (t == NULL || t->phase != PHASE_SESSION)
			continue;
		line.pid = (int32_t)t->pid;
		line.since = t->since;
		buf_reset(&tail);
		buf_adds(&tail, t->name);
		buf_addc(&tail, '\0');
		buf_adds(&tail, t->address);
		if (tail.n <= 1024 && ipc_send(FD_CONTROL, MSG_WHO, &line,
		    buf_span(&tail), NULL, 0) != ERR_OK)
			break;
	}
	buf_clear(&tail);
	if (ipc_send(FD_CONTROL, MSG_WHO, &end, SPAN_NONE, NULL, 0) != ERR_OK)
		log_debug("the master does not hear");
}

static void
test(struct ipc_message *m)
{
	struct attempt *t = attempt_new(-1);

	t->test_id = m->body.request.id;
	t->session = t->local = t->remote = "";
	t->mechanism = "PLAIN";
	buf_adds(&t->sasl.user, ipc_text(&m->tail));
	t->sasl.password.secret = true;
	buf_adds(&t->sasl.password, ipc_text(&m->tail));
	auth_check(t);
}

static void
hear_master(void)
{
	if (ipc_receive(FD_CONTROL, ROLE_MASTER, ROLE_AUTH, &message) !=
	    ERR_OK) {
		/* No master, no pools that take connections: nothing to do. */
		log_debug("the master is gone");
		_exit(0);
	}
	switch ((int)message.kind) {
	case MSG_CONFIG:
		role_reconfigure(&auth_cfg, &message, "auth: ");
		auth_file_forget();
		break;
	case MSG_PEER:
		lose_home();
		if (message.fd[0] >= 0)
			use_home(message.fd[0]);
		message.fd[0] = -1;
		break;
	case MSG_WHO:
		tell_who();
		break;
	case MSG_AUTH_TEST:
		test(&message);
		break;
	default:
		break;
	}
	ipc_close_fds(&message);
}

static void
hear_home(void)
{
	enum err e = ERR_OK;

	while (home_fd >= 0 && (e = ipc_receive(home_fd, ROLE_HOME, ROLE_AUTH,
	    &message)) == ERR_OK) {
		if (message.kind == MSG_OPENED)
			opened(&message.body.request);
		ipc_close_fds(&message);
	}
	if (e != ERR_OK && e != ERR_BUSY)
		lose_home();
}

/* ---- the loop ---- */

static void
dispatch(uint64_t tag)
{
	struct attempt *t;

	if (tag == TAG_CONTROL)
		hear_master();
	else if (tag == TAG_DOOR)
		hear_door();
	else if (tag == TAG_PEER)
		hear_home();
	else if (tag >= TAG_HELPER && tag < TAG_HELPER + HELPERS)
		hear_helper(&helpers[tag - TAG_HELPER]);
	else if ((t = attempt_by_id(tag)) != NULL)
		hear_worker(t);
}

static int
timeout_ms(void)
{
	uint64_t now = clock_mono_ms();

	if (delay_first == NULL)
		return -1;
	return delay_first->due_ms <= now ? 0 : (int)(delay_first->due_ms -
	    now);
}

/* Whatever a library loads on first use, it must load before the chroot. */
static void
warm_up(void)
{
	static const char *const names[] = {
		"MD5", "SHA1", "SHA256", "SHA512",
	};
	unsigned char out[64];
	size_t n;

	if (sodium_init() < 0)
		fatal("libsodium does not start");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (digest(names[i], SPAN("x"), out, &n) != ERR_OK)
			log_debug("no digest %s", names[i]);
}

int
auth_main(struct config *cfg)
{
	struct epoll_event events[64];

	auth_cfg = cfg;
	privs_allow_files(65536);
	warm_up();
	for (int i = 0; i < HELPERS; i++)
		auth_helper_start(cfg, &helpers[i].fd);
	if (role_confine(cfg, "auth") != ERR_OK)
		return 75;
	if ((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		fatal_errno("cannot wait");
	watch(FD_CONTROL, TAG_CONTROL);
	watch(FD_DOOR, TAG_DOOR);
	use_home(FD_PEER);
	for (int i = 0; i < HELPERS; i++)
		watch(helpers[i].fd, TAG_HELPER + (uint64_t)i);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, timeout_ms());

		if (n < 0 && errno != EINTR)
			fatal_errno("cannot wait");
		for (int i = 0; i < n; i++)
			dispatch(events[i].data.u64);
		answer_delayed();
	}
}
