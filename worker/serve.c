/*
 * One worker: confines itself, takes a connection, serves it, ends. What costs
 * time (connections to auth and notify, confinement) is done while it waits for a
 * client, not while the client waits for it.
 */
#include "worker/serve.h"

#include "common/config.h"
#include "common/crit.h"
#include "common/digest.h"
#include "common/fsutil.h"
#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/place.h"
#include "common/privs.h"
#include "common/sandbox.h"
#include "common/scoreboard.h"
#include "common/tls.h"
#include "worker/admin.h"
#include "worker/conn.h"
#include "worker/lmtp.h"
#include "worker/login.h"
#include "worker/proxied.h"
#include "worker/session.h"
#include "worker/share.h"
#include "worker/wake.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const struct serve *self;

static void
on_term(int sig)
{
	(void)sig;
	session_request_stop();
}

void
serve_signals(void)
{
	struct sigaction term = { .sa_handler = on_term };

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGHUP, &term, NULL);
}

/* ---- confinement ---- */

enum err
serve_confine(const struct serve *v, unsigned *confined_out)
{
	bool required = v->cfg->confinement == CONFINEMENT_REQUIRED;
	enum err e;

	*confined_out = 0;
	if (v->cfg->confinement == CONFINEMENT_OFF)
		return v->uid == (uid_t)-1 ? ERR_OK :
		    privs_drop(-1, v->uid, v->gid, confined_out);
	e = privs_drop(v->empty_fd, v->uid, v->gid, confined_out);
	if (e != ERR_OK)
		return e;
	if (sandbox_drop(SANDBOX_POOL) == ERR_OK)
		*confined_out |= CONFINED_SECCOMP;
	if (required && ((*confined_out & CONFINED_SECCOMP) == 0 ||
	    (*confined_out & CONFINED_CHROOT) == 0)) {
		log_error("confinement = required, but the kernel grants only "
		    "this: %s", sandbox_words(*confined_out));
		return ERR_UNAVAIL;
	}
	return ERR_OK;
}

enum err
serve_confine_session(struct session *s, const int *dir_fds, size_t n)
{
	bool required = s->cfg->confinement == CONFINEMENT_REQUIRED;
	unsigned confined = 0;
	enum err e;

	if (s->cfg->confinement == CONFINEMENT_OFF)
		return ERR_OK;
	/* Without a pool nobody set no_new_privs, nor a first filter. */
	if (self == NULL && (e = privs_drop(-1, (uid_t)-1, (gid_t)-1,
	    &confined)) != ERR_OK)
		return e;
	/*
	 * Its rules are fixed now, and folders of others are handed out later: where
	 * there can be such, the mounts alone confine, out of which no `..` leads.
	 */
	if (share_is_possible(s) ||
	    sandbox_landlock(dir_fds, n) == ERR_OK)
		confined |= CONFINED_LANDLOCK;
	if ((self == NULL ? sandbox_allow(SANDBOX_WORKER | SANDBOX_ALONE) :
	    ERR_OK) == ERR_OK && sandbox_session() == ERR_OK)
		confined |= CONFINED_SECCOMP;
	if (required && ((confined & CONFINED_LANDLOCK) == 0 ||
	    (confined & CONFINED_SECCOMP) == 0)) {
		log_error("confinement = required, but the kernel grants only "
		    "this: %s", sandbox_words(confined));
		return ERR_UNAVAIL;
	}
	if (self != NULL && !self->aside)
		scoreboard_set(self->slot, WORKER_SESSION);
	return ERR_OK;
}

/* ---- what is made once, before workers are forked ---- */

struct tls *
serve_tls(const struct config *cfg)
{
	struct tls_pem pem = {
		cfg->ssl_cert, cfg->ssl_key,
		cfg->ssl_alt_cert, cfg->ssl_alt_key,
	};
	struct tls *tls = NULL;
	enum err e;

	if (cfg->ssl == SSL_NO || *cfg->ssl_cert == '\0')
		return NULL;
	e = tls_new(&pem, cfg->ssl_min_protocol, cfg->ssl_cipher_list, &tls);
	for (const struct config_host *h = cfg->hosts; e == ERR_OK && h != NULL;
	    h = h->next)
		e = tls_add_host(tls, h->names, &(struct tls_pem){
		    h->pem[PEM_CERT].text, h->pem[PEM_KEY].text,
		    h->pem[PEM_ALT_CERT].text, h->pem[PEM_ALT_KEY].text });
	/* Without TLS where it is wanted nobody would be served well. */
	if (e != ERR_OK)
		fatal("certificate or key cannot be used, and ssl is not no");
	tls_warm_up(tls);
	return tls;
}

/* The configuration's texts lie in its arena, which is ours to write to. */
static void
wipe(const char *text)
{
	if (text != NULL)
		secret_wipe((char *)(uintptr_t)text, strlen(text));
}

static void
forget(const char **text)
{
	if (**text != '\0')
		wipe(*text);
	*text = "";
}

void
serve_forget_secrets(struct config *cfg)
{
	for (struct config_passdb *p = cfg->passdb; p != NULL; p = p->next) {
		wipe(p->password);
		p->password = "";
	}
	forget(&cfg->ssl_key);
	forget(&cfg->ssl_alt_key);
	for (struct config_host *h = cfg->hosts; h != NULL; h = h->next) {
		forget(&h->pem[PEM_KEY].text);
		forget(&h->pem[PEM_ALT_KEY].text);
	}
}

enum err
serve_identity(const struct config *cfg, struct serve *v)
{
	bool fixed;

	v->uid = (uid_t)-1;
	if (geteuid() == 0)
		return place_worker(cfg, &v->uid, &v->gid, &fixed);
	if (cfg->confinement != CONFINEMENT_OFF && privs_namespace() != ERR_OK)
		log_info("user namespaces are not to be had: no chroot "
		    "before login");
	return ERR_OK;
}

/* ---- sockets ---- */

int
serve_connect_auth(int door, pid_t dead)
{
	struct ipc_hello hello = {
		.since = (uint64_t)time(NULL), .pid = (int32_t)getpid(),
		.dead = (int32_t)dead,
	};
	int pair[2];

	if (door < 0 || ipc_pair(pair) != ERR_OK)
		return -1;
	if (ipc_send(door, MSG_HELLO, &hello, SPAN_NONE, &pair[1], 1) !=
	    ERR_OK) {
		log_errno("auth's door is closed");
		fs_close(&pair[0]);
	}
	close(pair[1]);
	return pair[0];
}

static void
watch(int ep, int fd, uint32_t events, uint32_t tag)
{
	struct epoll_event ev = { .events = events, .data.u32 = tag };

	if (fd >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		fatal_errno("cannot wait for connections");
}

enum { TAG_AUTH = 1000, TAG_POOL };

/*
 * Waits for a client. Each connection wakes one worker (EPOLLEXCLUSIVE). An auth
 * that died would leave this worker unable to log anybody in, a pool that died or
 * retires wants no new sessions: then the process ends, others are there.
 */
static int
take(const struct serve *v, int auth_fd, struct sockaddr_storage *remote,
    size_t *which_out)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), fd;
	struct epoll_event ev;
	sigset_t none;

	if (ep < 0)
		fatal_errno("cannot wait for connections");
	for (size_t i = 0; i < v->n_listen; i++)
		watch(ep, v->listen_fd[i], EPOLLIN | EPOLLEXCLUSIVE,
		    (uint32_t)i);
	watch(ep, auth_fd, EPOLLRDHUP, TAG_AUTH);
	watch(ep, v->alive_fd, EPOLLRDHUP, TAG_POOL);
	sigemptyset(&none);
	for (;;) {
		socklen_t n = sizeof(*remote);

		if (epoll_pwait(ep, &ev, 1, -1, &none) < 0) {
			if (conn_stop_requested() || errno != EINTR)
				_exit(0);
			continue;
		}
		if (ev.data.u32 >= TAG_AUTH)
			_exit(0);
		*which_out = ev.data.u32;
		fd = accept4(v->listen_fd[*which_out], (void *)remote, &n,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			break;
		/* Another one was faster, or the client is gone again. */
	}
	close(ep);
	return fd;
}

/* Who serves IMAP has no way to auth for who takes mail before it hears its client. */
static void
tell_pool(const struct serve *v, bool lmtp)
{
	uint64_t one = 1;

	scoreboard_set(v->slot, lmtp ? WORKER_ASIDE : WORKER_LOGIN);
	if (!lmtp)
		close(v->mail_door);
	if (v->taken_fd >= 0) {
		if (write(v->taken_fd, &one, sizeof(one)) < 0)
			log_errno("cannot tell the pool of a connection");
		close(v->taken_fd);
	}
	if (v->alive_fd >= 0)
		close(v->alive_fd);
	for (size_t i = 0; i < v->n_listen; i++)
		close(v->listen_fd[i]);
}

/* ---- the life ---- */

__attribute__((noreturn)) static void
run(const struct serve *v, struct session *s, int auth_fd, int notify_fd)
{
	s->tls_context = v->tls;
	s->auth_fd = auth_fd;
	s->notify_fd = notify_fd;
	session_run(s);
	session_free(&s);
	/* No exit handlers: they would touch pages only to give them back. */
	_exit(0);
}

static void
begin(const struct serve *v, pid_t dead, int *auth_fd, int *notify_fd)
{
	unsigned confined;

	self = v;
	log_set_prefix("imap-login: ");
	serve_signals();
	if (v->slot != NULL) {
		crit_set_slot(&v->slot->crit);
		metrics_set_slot(&v->slot->metrics);
	}
	if (auth_fd != NULL)
		*auth_fd = serve_connect_auth(v->auth_door, dead);
	if (v->auth_door >= 0)
		close(v->auth_door);
	wake_set_door(v->notify_door);
	if (wake_connect(notify_fd) != ERR_OK)
		*notify_fd = -1;
	if (serve_confine(v, &confined) != ERR_OK)
		_exit(75);
}

void
serve_next(const struct serve *v)
{
	struct sockaddr_storage remote = { 0 };
	struct session *s;
	socklen_t n;
	size_t which;
	unsigned kind;
	bool lmtp;
	int auth_fd, notify_fd, fd;

	begin(v, 0, &auth_fd, &notify_fd);
	fd = take(v, auth_fd, &remote, &which);
	kind = (unsigned)(v->listen_kind[which] - '0');
	lmtp = (kind & (LISTEN_LMTP | LISTEN_LDA)) != 0;
	tell_pool(v, lmtp);
	if (lmtp) {
		close(auth_fd);
		lmtp_serve(v, fd, &remote, (kind & LISTEN_LDA) != 0);
	}
	s = session_new(conn_new(fd, fd), v->cfg);
	s->remote = remote;
	n = sizeof(s->local);
	getsockname(fd, (void *)&s->local, &n);
	s->tls_from_start = (kind & LISTEN_TLS) != 0;
	if ((kind & LISTEN_PROXIED) != 0 && !proxied_begin(s, fd))
		_exit(0);
	run(v, s, auth_fd, notify_fd);
}

void
serve_sweep(const struct serve *v, pid_t dead)
{
	int auth_fd, notify_fd;

	begin(v, dead, &auth_fd, &notify_fd);
	log_set_prefix("imap-sweep: ");
	close(v->mail_door);
	for (size_t i = 0; i < v->n_listen; i++)
		close(v->listen_fd[i]);
	login_sweep(v->cfg, auth_fd, notify_fd);
	_exit(0);
}

void
serve_note_command(uint64_t now_ms)
{
	if (self != NULL && self->slot != NULL)
		atomic_store(&self->slot->command_ms, now_ms);
}

void
serve_admin(const struct serve *v, struct ipc_message *m)
{
	int notify_fd;

	begin(v, 0, NULL, &notify_fd);
	close(v->mail_door);
	for (size_t i = 0; i < v->n_listen; i++)
		close(v->listen_fd[i]);
	admin_run(v->cfg, m, notify_fd);
	_exit(0);
}

/*
 * inetd does not say which service it is: the port does, as it would have been
 * listened on.
 */
static struct config_listener
listener_of(const struct config *cfg, const struct sockaddr_storage *local)
{
	const struct sockaddr_in *v4 = (const void *)local;
	const struct sockaddr_in6 *v6 = (const void *)local;
	unsigned port = local->ss_family == AF_INET ? ntohs(v4->sin_port) :
	    local->ss_family == AF_INET6 ? ntohs(v6->sin6_port) : 0;

	for (const struct config_listener *l = cfg->listeners; l != NULL;
	    l = l->next)
		if (l->port != 0 && l->port == port)
			return *l;
	return (struct config_listener){ .ssl = port == 993 };
}

void
serve_this(const struct serve *v, int in_fd, int out_fd)
{
	struct config_listener l;
	struct session *s;
	socklen_t n;
	int auth_fd, notify_fd;

	begin(v, 0, &auth_fd, &notify_fd);
	s = session_new(conn_new(in_fd, out_fd), v->cfg);
	n = sizeof(s->remote);
	getpeername(in_fd, (void *)&s->remote, &n);
	n = sizeof(s->local);
	getsockname(in_fd, (void *)&s->local, &n);
	l = listener_of(v->cfg, &s->local);
	s->tls_from_start = l.ssl;
	if (s->tls_from_start && v->tls == NULL)
		fatal("port of imaps, but ssl = no, or certificate or key "
		    "cannot be used");
	if (l.haproxy && !proxied_begin(s, in_fd))
		_exit(0);
	run(v, s, auth_fd, notify_fd);
}
