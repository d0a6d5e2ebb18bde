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
#include "common/mechanism.h"
#include "common/metrics.h"
#include "common/privs.h"
#include "daemon/auth_file.h"
#include "daemon/auth_socket.h"
#include "daemon/password.h"
#include "daemon/role.h"
#include "daemon/scheme.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HASHERS = 2,
	ASKERS = 4,		/* each waits for the system as long as that takes */
	HELPERS = HASHERS + ASKERS,
	/* What an event is about that no attempt's id stands for. */
	TAG_CONTROL = 1, TAG_DOOR, TAG_MAIL_DOOR, TAG_PEER, TAG_HELPER,
};

struct helper {
	int fd;
	uint64_t id;		/* the attempt it works for; 0: idle */
};

struct config *auth_cfg;

static struct helper helpers[HELPERS];	/* HASHERS, then ASKERS (fd -1: none) */
static struct attempt_list queue;	/* for a hasher */
static struct attempt_list questions;	/* for an asker */
static struct attempt_list delayed;	/* by due_ms */
static int epoll_fd = -1;
static struct ipc_message message;

static void proceed(struct attempt *t, enum sasl_result r, struct span text);
static void use_stored(struct attempt *t, struct span stored);

/* ---- answers ---- */

static void
answer_failure(struct attempt *t)
{
	struct ipc_sasl sasl = { .result = (uint32_t)t->failure };
	struct ipc_request tested = { .id = t->test_id };
	struct span name = span_of(t->user != NULL ? t->user : t->tried);
	bool is_gone;

	if (t->mta != 0) {
		auth_socket_failed(t, t->failure);
		return;
	}
	if (t->words.p != NULL) {
		auth_refuse_asker(t);
		return;
	}
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
	attempt_forget(t);
	if (is_gone || t->once)
		attempt_free(t);
}

static uint64_t logins[LOGIN_COUNT];

/* Questions of loftctl and of other roles are no logins. */
static void
count(const struct attempt *t, enum metrics_login how)
{
	if (t->test_id == 0 && !t->aside && !t->shares)
		logins[how]++;
}

_Static_assert(FAILURE_PASSWORD + 1 == (int)LOGIN_PASSWORD &&
    FAILURE_CANCELLED + 1 == (int)LOGIN_CANCELLED, "counted in this order");

void
auth_succeeded(const struct attempt *t)
{
	count(t, LOGIN_SUCCESS);
}

static void
tell_metrics(void)
{
	struct metrics_record r = { .name = METRICS_AUTH };
	struct ipc_none none = { 0 };

	memcpy(r.value, logins, sizeof(logins));
	if (ipc_send(FD_CONTROL, MSG_METRICS, &none, (struct span){
	    (const char *)&r, sizeof(r) }, NULL, 0) != ERR_OK)
		log_debug("the master does not hear");
}

void
auth_fail(struct attempt *t, enum ipc_failure why)
{
	bool guessing = t->test_id == 0 && !t->aside &&
	    (why == FAILURE_PASSWORD || why == FAILURE_DISABLED);
	struct attempt *after = delayed.last;

	if (why == FAILURE_PASSWORD && t->sasl.looks_up &&
	    *sasl_digest(&t->sasl) != '\0') {
		/* He is not to learn yet that nobody has this name. */
		use_stored(t, SPAN_NONE);
		return;
	}
	attempt_uncount(t);
	sasl_clear(&t->sasl);
	count(t, (enum metrics_login)(why + 1));
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
	attempt_enqueue(&delayed, t, after);
}

static void
answer_delayed(void)
{
	uint64_t now = clock_mono_ms();

	while (delayed.first != NULL && delayed.first->due_ms <= now) {
		struct attempt *t = delayed.first;

		attempt_dequeue(t);
		answer_failure(t);
	}
}

static void
challenge(struct attempt *t, struct span text)
{
	struct ipc_sasl sasl = { 0 };

	t->phase = PHASE_SASL;
	if (t->mta != 0)
		auth_socket_challenge(t, text);
	else if (ipc_send(t->fd, MSG_AUTH_CHALLENGE, &sasl, text, NULL, 0) !=
	    ERR_OK)
		attempt_free(t);
}

/* ---- helpers ---- */

/* Password and what it is compared with, or a question and the password. */
static enum err
send_work(struct helper *h, struct attempt *t)
{
	bool derives = t->phase == PHASE_DERIVING;
	bool asks = t->phase != PHASE_VERIFYING && !derives;
	struct span password = t->phase == PHASE_LOOKING ? SPAN_NONE :
	    derives ? t->derive : buf_span(&t->sasl.password);
	struct ipc_verify v = { .id = t->id };
	struct buf tail = { .secret = true };
	enum err e;

	v.password_bytes = (uint32_t)password.n;
	if (asks)
		buf_add_span(&tail, t->question);
	buf_add_span(&tail, password);
	if (derives) {
		buf_adds(&tail, sasl_digest(&t->sasl));
		buf_addc(&tail, '\0');
		buf_add_span(&tail, buf_span(&t->sasl.salt));
	} else if (!asks) {
		buf_add_span(&tail, t->stored);
	}
	e = tail.n > 16384 ? ERR_LIMIT : ipc_send(h->fd, asks ?
	    MSG_ASK_SYSTEM : derives ? MSG_DERIVE : MSG_VERIFY, &v,
	    buf_span(&tail), NULL, 0);
	buf_clear(&tail);
	if (e != ERR_OK && e != ERR_LIMIT)
		fatal("a helper for passwords died");
	if (e == ERR_OK)
		h->id = t->id;
	return e;
}

static void
feed(struct attempt_list *list, int first, int end)
{
	for (int i = first; i < end && list->first != NULL; i++) {
		struct attempt *t = list->first;

		if (helpers[i].id != 0 || helpers[i].fd < 0)
			continue;
		attempt_dequeue(t);
		if (send_work(&helpers[i], t) == ERR_OK)
			continue;
		/* Longer than any password. */
		if (t->phase == PHASE_VERIFYING)
			auth_verified(t, ERR_AUTH);
		else if (t->phase == PHASE_DERIVING)
			auth_fail(t, FAILURE_TEMPORARY);
		else
			auth_system_says(t, ERR_AUTH, SPAN_NONE);
	}
}

static void
feed_helpers(void)
{
	feed(&queue, 0, HASHERS);
	feed(&questions, HASHERS, HELPERS);
}

static void
derived(struct attempt *t, enum err result, struct span tail)
{
	struct span text = SPAN("");
	struct scram_keys k;

	if (result != ERR_OK || tail.n != sizeof(k)) {
		auth_fail(t, FAILURE_TEMPORARY);
		return;
	}
	memcpy(&k, tail.p, sizeof(k));
	proceed(t, sasl_derived(&t->sasl, &k, &text), text);
	secret_wipe(&k, sizeof(k));
}

static void
hear_helper(struct helper *h)
{
	struct attempt *t;
	enum err result;

	if (ipc_receive(h->fd, ROLE_HELPER, ROLE_AUTH, &message) != ERR_OK)
		fatal("a helper for passwords died");
	h->id = 0;
	t = attempt_by_id(message.body.verify.id);
	result = (enum err)message.body.verify.result;
	if (t != NULL && t->phase == PHASE_VERIFYING)
		auth_verified(t, result);
	else if (t != NULL && t->phase == PHASE_DERIVING)
		derived(t, result, message.tail);
	else if (t != NULL && (t->phase == PHASE_ASKING ||
	    t->phase == PHASE_LOOKING))
		auth_system_says(t, result, message.tail);
	feed_helpers();
}

/* What is stored for a user who will prove that he knows it; p NULL: nobody. */
static void
use_stored(struct attempt *t, struct span stored)
{
	struct buf clear = { .secret = true };
	enum sasl_result r = sasl_stored(&t->sasl, stored, &clear);

	if (r == SASL_DERIVE)
		t->derive = arena_span(&t->arena, buf_span(&clear));
	buf_clear(&clear);
	proceed(t, r, SPAN_NONE);
}

void
auth_verify(struct attempt *t)
{
	if (t->sasl.looks_up) {
		use_stored(t, t->stored);
		return;
	}
	if (!auth_cfg->auth_allow_weak_schemes &&
	    password_is_weak(t->stored, "PLAIN")) {
		auth_verified(t, ERR_PERM);
		return;
	}
	if (password_is_slow(t->stored, "PLAIN")) {
		t->phase = PHASE_VERIFYING;
		attempt_enqueue(&queue, t, queue.last);
		feed_helpers();
		return;
	}
	auth_verified(t, password_verify(t->stored, "PLAIN", span_of(t->user),
	    buf_span(&t->sasl.password)));
}

void
auth_ask_system(struct attempt *t, const char *what, const char *service)
{
	const char *texts[] = { what, service, t->user, t->remote };
	struct buf question = { 0 };

	t->phase = strcmp(what, "userdb") == 0 ? PHASE_LOOKING : PHASE_ASKING;
	if (helpers[HASHERS].fd < 0) {
		log_error("%s: the system can be asked only after a restart, "
		    "because loftd was started without such a passdb or userdb",
		    what);
		auth_system_says(t, ERR_UNAVAIL, SPAN_NONE);
		return;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		buf_adds(&question, texts[i]);
		buf_addc(&question, '\0');
	}
	t->question = arena_span(&t->arena, buf_span(&question));
	buf_clear(&question);
	attempt_enqueue(&questions, t, questions.last);
	feed_helpers();
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
	case SASL_LOOKUP:
		auth_check(t);
		break;
	case SASL_DERIVE:
		t->phase = PHASE_DERIVING;
		attempt_enqueue(&queue, t, queue.last);
		feed_helpers();
		break;
	case SASL_UNFIT:
		auth_verified(t, ERR_CANNOT);
		break;
	case SASL_PROVEN:
		auth_verified(t, ERR_OK);
		break;
	case SASL_REFUSED:
		auth_verified(t, ERR_AUTH);
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

void
auth_begin(struct attempt *t, struct span initial)
{
	struct span text = SPAN("");

	proceed(t, sasl_begin(&t->sasl, auth_cfg->auth_mechanisms,
	    span_of(t->mechanism), &t->binding, initial, &text), text);
}

void
auth_answer(struct attempt *t, struct span response)
{
	struct span text = SPAN("");

	proceed(t, sasl_answer(&t->sasl, response, &text), text);
}

/* The next text, bytes in hex. */
static struct span
hex_text(struct attempt *t, struct span *tail)
{
	struct buf b = { 0 };
	struct span out = SPAN_NONE;

	if (scheme_unhex(span_of(ipc_text(tail)), &b) && b.n > 0)
		out = arena_span(&t->arena, buf_span(&b));
	buf_clear(&b);
	return out;
}

static void
begin(struct attempt *t, struct ipc_message *m)
{
	unsigned flags = m->body.sasl.flags;
	struct span initial = SPAN_NONE;
	const struct mechanism *row;

	attempt_forget(t);
	t->mechanism = attempt_text(t, &m->tail);
	t->session = attempt_text(t, &m->tail);
	t->remote = attempt_text(t, &m->tail);
	t->local = attempt_text(t, &m->tail);
	t->tls = (flags & IPC_SASL_TLS) != 0;
	t->binding.is_tls = t->tls;
	t->binding.exporter = hex_text(t, &m->tail);
	t->binding.end_point = hex_text(t, &m->tail);
	if ((flags & IPC_SASL_INITIAL) != 0)
		initial = m->tail.p != NULL ? m->tail : SPAN("");
	row = mechanism_find(span_of(t->mechanism));
	if (auth_cfg->disable_plaintext_auth && row != NULL &&
	    (row->flags & MECHANISM_PLAINTEXT) != 0 &&
	    (flags & IPC_SASL_SECURED) == 0) {
		t->tried = "";
		auth_fail(t, FAILURE_MECHANISM);
		return;
	}
	auth_begin(t, initial);
}

/* Of who takes mail. False: it does not, or asks something else. */
static bool
hear_mail(struct attempt *t)
{
	if (!t->takes_mail || (message.kind != MSG_LOOK_UP &&
	    message.kind != MSG_DELIVER))
		return false;
	if (message.kind == MSG_LOOK_UP)
		auth_mail_look_up(t, &message);
	else
		auth_mail_deliver(t, &message);
	ipc_close_fds(&message);
	return true;
}

/* What a session wants of others' mailboxes. False: it is none, or wants nothing. */
static bool
hear_session(struct attempt *t)
{
	if (t->phase != PHASE_SESSION)
		return false;
	switch ((int)message.kind) {
	case MSG_SHARE:
		auth_share(t, &message);
		return true;
	case MSG_ASK_OWNER:
		auth_ask_owner(t, &message);
		return true;
	case MSG_SHARERS:
		auth_tell_sharers(t);
		return true;
	case MSG_SHARES:
		auth_note_sharer(t, &message);
		return true;
	default:
		return false;
	}
}

static void
hear_worker(struct attempt *t)
{
	uint64_t id = t->id;
	enum err e = ipc_receive(t->fd, ROLE_WORKER, ROLE_AUTH, &message);

	/* It has its account: home told us before, and we have not listened yet. */
	if (e == ERR_OK && t->phase == PHASE_OPENING) {
		auth_home_hear();
		if ((t = attempt_by_id(id)) == NULL) {
			ipc_close_fds(&message);
			return;
		}
	}
	if (e == ERR_OK && message.kind == MSG_AUTH_START &&
	    t->phase == PHASE_IDLE) {
		begin(t, &message);
	} else if (e == ERR_OK && message.kind == MSG_AUTH_ANSWER &&
	    t->phase == PHASE_SASL) {
		if ((message.body.sasl.flags & IPC_SASL_CANCEL) != 0) {
			t->tried = "";
			auth_fail(t, FAILURE_CANCELLED);
		} else {
			auth_answer(t, message.tail);
		}
	} else if (e != ERR_BUSY && (e != ERR_OK ||
	    (!hear_mail(t) && !hear_session(t)))) {
		if (e == ERR_OK)
			log_error("worker %ld asks out of turn",
			    (long)t->pid);
		ipc_close_fds(&message);
		attempt_free(t);
	}
	secret_wipe(message.buf, 512);
}

void
auth_watch(int fd, uint64_t tag)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = tag };

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		fatal_errno("cannot watch a socket");
}

void
auth_unwatch(int fd)
{
	/* Closing alone is not enough: somebody else may hold a copy. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void
hear_door(int door, bool takes_mail)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof(who);
	struct attempt *t;

	if (ipc_receive(door, ROLE_WORKER, ROLE_AUTH, &message) != ERR_OK)
		return;
	if (message.kind != MSG_HELLO || message.n_fds != 1) {
		ipc_close_fds(&message);
		return;
	}
	t = attempt_new(message.fd[0]);
	t->takes_mail = takes_mail;
	fcntl(t->fd, F_SETFL, O_NONBLOCK);
	/* Who made the pair, says the kernel; a worker may say anything. */
	if (getsockopt(t->fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0)
		t->pid = who.pid;
	auth_watch(t->fd, t->id);
	if (message.body.hello.dead != 0)
		auth_sweep(t, message.body.hello.dead);
}

/* ---- the master ---- */

static void
tell_who(void)
{
	struct ipc_who line = { .more = 1 }, end = { 0 };
	struct buf tail = { 0 };
	struct attempt *t;

	for (size_t i = 0; attempt_at(i, &t); i++) {
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
open_for_administrator(struct ipc_message *m)
{
	struct attempt *t;

	if (m->n_fds != 1)
		return;
	t = attempt_new(m->fd[0]);
	m->fd[0] = -1;
	fcntl(t->fd, F_SETFL, O_NONBLOCK);
	auth_watch(t->fd, t->id);
	t->aside = true;
	t->session = t->local = t->remote = t->mechanism = "";
	t->tried = attempt_text(t, &m->tail);
	auth_look_up(t);
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
		if (message.fd[0] >= 0)
			auth_home_use(message.fd[0], TAG_PEER);
		message.fd[0] = -1;
		break;
	case MSG_WHO:
		tell_who();
		break;
	case MSG_METRICS:
		tell_metrics();
		break;
	case MSG_AUTH_TEST:
		test(&message);
		break;
	case MSG_ADMIN_ACCOUNT:
		open_for_administrator(&message);
		break;
	case MSG_LISTEN:
		auth_socket_use(message.fd, message.n_fds);
		for (int i = 0; i < IPC_FDS_MAX; i++)
			message.fd[i] = -1;
		break;
	default:
		break;
	}
	ipc_close_fds(&message);
}

/* ---- the loop ---- */

static void
dispatch(uint64_t tag)
{
	struct attempt *t;

	if (auth_socket_event(tag))
		return;
	if (tag == TAG_CONTROL)
		hear_master();
	else if (tag == TAG_DOOR)
		hear_door(FD_DOOR, false);
	else if (tag == TAG_MAIL_DOOR)
		hear_door(FD_MAIL_DOOR, true);
	else if (tag == TAG_PEER)
		auth_home_hear();
	else if (tag >= TAG_HELPER && tag < TAG_HELPER + HELPERS)
		hear_helper(&helpers[tag - TAG_HELPER]);
	else if ((t = attempt_by_id(tag)) != NULL)
		hear_worker(t);
}

static int
timeout_ms(void)
{
	uint64_t now = clock_mono_ms();

	if (delayed.first == NULL)
		return -1;
	return delayed.first->due_ms <= now ? 0 : (int)(delayed.first->due_ms -
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

	sasl_use_secret(span_of(auth_cfg->ssl_key));
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
	for (int i = 0; i < HASHERS; i++)
		auth_helper_start(cfg, &helpers[i].fd);
	for (int i = HASHERS; i < HELPERS; i++) {
		helpers[i].fd = -1;
		if (auth_needs_system(cfg))
			auth_system_start(&helpers[i].fd);
	}
	if (role_confine(cfg, "auth") != ERR_OK)
		return 75;
	if ((epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		fatal_errno("cannot wait");
	auth_watch(FD_CONTROL, TAG_CONTROL);
	auth_watch(FD_DOOR, TAG_DOOR);
	auth_watch(FD_MAIL_DOOR, TAG_MAIL_DOOR);
	auth_home_use(FD_PEER, TAG_PEER);
	for (int i = 0; i < HELPERS; i++)
		if (helpers[i].fd >= 0)
			auth_watch(helpers[i].fd, TAG_HELPER + (uint64_t)i);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, timeout_ms());

		if (n < 0 && errno != EINTR)
			fatal_errno("cannot wait");
		for (int i = 0; i < n; i++)
			dispatch(events[i].data.u64);
		answer_delayed();
	}
}
