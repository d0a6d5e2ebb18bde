/*
 * Auth's conversation with home: passwd-files are asked for and waited for, accounts
 * are asked for and home hands them to the worker; what it says to us is how it went.
 */
#include "daemon/auth.h"

#include "common/clock.h"
#include "common/handover.h"
#include "common/log.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int home_fd = -1;
static uint64_t last_request;
static struct ipc_message message;

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

/* A session's death will be noticed in there, too. */
static void
keep_folder(const struct attempt *t)
{
	struct attempt *session = attempt_by_id(t->session_id);

	if (session != NULL && session->phase == PHASE_SESSION &&
	    *t->folder != '\0')
		attempt_keep(session, t->is_public ? IPC_PUBLIC : 0,
		    t->request);
}

static void
opened(const struct ipc_request *r)
{
	struct attempt *t = attempt_by_id(r->id);

	if (t == NULL || t->phase != PHASE_OPENING)
		return;
	/* Who sweeps is told by the socket's end that nothing more comes. */
	if (t->sweeps > 0) {
		if (--t->sweeps == 0)
			attempt_free(t);
		return;
	}
	if (t->once && r->result == ERR_OK) {
		keep_folder(t);
		attempt_free(t);
		return;
	}
	if (t->aside && r->result == ERR_OK)
		return;
	if (t->shares && r->result == ERR_NOTFOUND) {
		auth_fail(t, FAILURE_PASSWORD);
		return;
	}
	if (r->result != ERR_OK) {
		log_error("user %s: home cannot open the account: %s",
		    log_text(span_of(t->user)), err_name((enum err)r->result));
		auth_fail(t, FAILURE_TEMPORARY);
		return;
	}
	auth_succeeded(t);
	t->phase = PHASE_SESSION;
	t->since = (uint64_t)clock_s();
	t->name = strdup(t->user);
	t->address = strdup(t->remote);
	t->member_of = strdup(t->groups);
	if (t->name == NULL || t->address == NULL || t->member_of == NULL)
		fatal("no memory for a session");
	attempt_forget(t);
}

/* That was the question. */
static void
tell_found(struct attempt *t)
{
	struct ipc_request r = { .id = t->id };

	if (ipc_send(t->fd, MSG_FOUND, &r, span_of(t->user), NULL, 0) !=
	    ERR_OK)
		log_debug("who asked does not hear");
	attempt_free(t);
}

void
auth_open_account(struct attempt *t, const char *uid, const char *gid,
    const char *home, const char *mail)
{
	struct ipc_request r = { .id = t->id }, tested = { .id = t->test_id };
	const char *texts[] = {
		t->user, uid, gid, home, mail, t->remote, t->local, t->session,
		t->mechanism, t->tls ? "TLS" : "",
		t->folder == NULL ? "" : t->folder, t->groups,
		t->settings == NULL ? "" : t->settings,
	};
	struct buf tail = { 0 };
	enum err e;

	sasl_clear(&t->sasl);
	if (t->looks) {
		tell_found(t);
		return;
	}
	if (t->test_id != 0) {
		if (ipc_send(FD_CONTROL, MSG_AUTH_TESTED, &tested,
		    span_of(t->user), NULL, 0) != ERR_OK)
			log_debug("the master does not hear");
		attempt_free(t);
		return;
	}
	if (!t->aside && attempt_count(t,
	    auth_cfg->mail_max_userip_connections) != ERR_OK) {
		auth_fail(t, FAILURE_LIMIT);
		return;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		buf_adds(&tail, texts[i]);
		buf_addc(&tail, '\0');
	}
	if (t->is_public)
		r.which |= IPC_PUBLIC;
	if (t->only_uid) {
		r.which |= IPC_ONLY_UID;
		r.result = t->uid;
	}
	/* Names that others come up with make nobody a user. */
	if (t->shares)
		r.which |= IPC_EXISTING;
	if (t->once && (e = auth_admit(t, buf_span(&tail))) != ERR_OK) {
		buf_clear(&tail);
		auth_fail(t, e == ERR_NOTFOUND ? FAILURE_PASSWORD :
		    FAILURE_TEMPORARY);
		return;
	}
	t->phase = PHASE_OPENING;
	t->request = arena_span(&t->arena, buf_span(&tail));
	if (!t->aside)
		attempt_keep(t, 0, t->request);
	e = tail.n > 16384 ? ERR_LIMIT :
	    ask_home(MSG_OPEN_ACCOUNT, &r, buf_span(&tail), &t->fd);
	buf_clear(&tail);
	if (e != ERR_OK) {
		log_error("home does not answer: no account can be opened");
		auth_fail(t, FAILURE_TEMPORARY);
	}
}

void
auth_sweep(struct attempt *t, pid_t dead)
{
	struct attempt_opened copy[ATTEMPT_OPENED_MAX];
	const struct attempt_opened *o;
	struct ipc_request r = { .id = t->id };
	size_t n = attempt_opened_by(dead, &o);

	if (n == 0) {
		log_debug("worker %ld died; whose session it was is not known",
		    (long)dead);
		attempt_free(t);
		return;
	}
	/* The table forgets while home is asked. */
	for (size_t i = 0; i < n; i++)
		copy[i] = (struct attempt_opened){ o[i].which | IPC_EXISTING,
			arena_span(&t->arena, o[i].request) };
	t->aside = true;
	t->phase = PHASE_OPENING;
	t->sweeps = n;
	t->tried = "";
	t->user = copy[0].request.p;	/* the first of its texts */
	for (size_t i = 0; i < n; i++) {
		r.which = copy[i].which;
		if (ask_home(MSG_OPEN_ACCOUNT, &r, copy[i].request, &t->fd) ==
		    ERR_OK)
			continue;
		t->sweeps = 0;
		auth_fail(t, FAILURE_TEMPORARY);
		return;
	}
}

static void
lose_home(void)
{
	struct attempt *t;

	if (home_fd < 0)
		return;
	auth_unwatch(home_fd);
	close(home_fd);
	home_fd = -1;
	for (size_t i = 0; attempt_at(i, &t); i++)
		if (t != NULL && t->phase == PHASE_OPENING)
			auth_fail(t, FAILURE_TEMPORARY);
}

/* A file that home opens, waited for. */
static enum err
await_file(enum ipc_kind kind, struct ipc_request r, struct span tail,
    int *fd_out)
{
	static struct ipc_message reply;
	enum err e;

	*fd_out = -1;
	r.id = ++last_request;
	if (home_fd < 0)
		return ERR_UNAVAIL;
	e = ask_home(kind, &r, tail, NULL);
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
	log_error("home does not answer: %s", err_name(e));
	lose_home();
	return ERR_UNAVAIL;
}

enum err
auth_open_passwd(const char *path, const char *user, int *fd_out)
{
	struct ipc_request none = { 0 };
	struct buf tail = { 0 };
	enum err e = ERR_UNAVAIL;

	*fd_out = -1;
	buf_adds(&tail, user);
	buf_addc(&tail, '\0');
	buf_adds(&tail, path);
	if (tail.n <= 1024)
		e = await_file(MSG_OPEN_PASSWD, none, buf_span(&tail), fd_out);
	buf_clear(&tail);
	if (e == ERR_UNAVAIL)
		log_error("home does not open the file %s", path);
	return e;
}

enum err
auth_open_list(const struct attempt *t, struct span request, int *fd_out)
{
	struct ipc_request r = { .which = t->is_public ? IPC_PUBLIC : 0 };

	*fd_out = -1;
	return request.n > 16384 ? ERR_LIMIT :
	    await_file(MSG_OPEN_LIST, r, request, fd_out);
}

void
auth_write_sharing(struct span key)
{
	struct ipc_request none = { 0 };

	if (ask_home(MSG_SHARES, &none, key, NULL) != ERR_OK)
		log_error("home does not answer: %s is not written to "
		    "acl_shared_dict", log_text(key));
}

void
auth_home_hear(void)
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

void
auth_home_use(int fd, uint64_t tag)
{
	lose_home();
	home_fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	auth_watch(fd, tag);
}
