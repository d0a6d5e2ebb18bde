/*
 * From a SASL exchange to an opened account. The worker passes the client's words
 * to auth and waits; auth answers, or home does, with descriptors of the account's
 * directories. Then the second confinement comes into force and the account is
 * opened. Nobody else is served meanwhile: this process has one client.
 */
#include "worker/login.h"

#include "common/buf.h"
#include "common/config.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/mechanism.h"
#include "common/net.h"
#include "common/place.h"
#include "common/sandbox.h"
#include "maildir/account.h"
#include "worker/capability.h"
#include "worker/conn.h"
#include "worker/policy.h"
#include "worker/quota_user.h"
#include "worker/relay.h"
#include "worker/serve.h"
#include "worker/session.h"
#include "worker/status.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longer than auth_failure_delay may be, and than a slow hash in a queue takes. */
enum { ANSWER_MS = 620000, SWEEP_MS = 60000 };

/* ---- the account ---- */

/* settings: what userdb says of the user, "name=value" a line. */
static struct account_place
place_at(const struct config *cfg, const char *user, const char *client,
    const char *settings, const int fd[3])
{
	struct account_place place = {
		.root_fd = fd[0], .control_fd = fd[1], .index_fd = fd[2],
		.user = user, .client = client,
		.sync = cfg->mail_fsync != FSYNC_NEVER,
		.wide_control = fd[1] >= 0,
		.max_readers = (unsigned)cfg->process_limit,
		.map_bytes = cfg->state_map_size,
		.store_batch = (unsigned)cfg->store_batch,
		.shares = cfg->acl != ACL_NO,
		.quota = quota_user(cfg, user, settings),
	};

	policy_limits(cfg, &place);
	return place;
}

/* Confines this process to the account and opens it. Takes the descriptors over. */
static enum err
confine_and_open(struct session *s, const char *user, const char *client,
    const char *settings, int fd[3], bool sweep, struct account **account_out)
{
	struct account_place place = place_at(s->cfg, user, client, settings,
	    fd);
	enum err e;

	*account_out = NULL;
	place.changed_fd = s->notify_fd;
	place.sweep = sweep;
	place.delivers = s->delivers;
	if ((e = serve_confine_session(s, fd, 3)) != ERR_OK) {
		for (int i = 0; i < 3; i++)
			if (fd[i] >= 0)
				close(fd[i]);
		return e;
	}
	return account_open(&place, account_out);
}

static enum err
enter(struct session *s, const char *user, const char *client,
    const char *settings, int fd[3])
{
	struct account *account;
	enum err e = confine_and_open(s, user, client, settings, fd, false,
	    &account);

	if (e == ERR_OK)
		session_logged_in(s, user, account);
	return e;
}

/* By position; which of the last two are there, `which` says. */
bool
login_directories(struct ipc_message *m, int fd[3])
{
	unsigned next = 1;

	fd[0] = m->fd[0];
	fd[1] = fd[2] = -1;
	for (unsigned i = 1; i < 3; i++)
		if ((m->body.request.which & 1U << i) != 0 && next < m->n_fds)
			fd[i] = m->fd[next++];
	if (m->n_fds == 0 || next != m->n_fds) {
		log_error("home sent an account without its directories");
		ipc_close_fds(m);
		return false;
	}
	m->n_fds = 0;
	for (int i = 0; i < IPC_FDS_MAX; i++)
		m->fd[i] = -1;
	return true;
}

enum err
login_take(const struct config *cfg, struct ipc_message *m, bool delivers,
    int notify_fd, struct account **account_out)
{
	static struct session s = { .auth_fd = -1 };
	const char *user, *settings;
	int fd[3];

	*account_out = NULL;
	if (!login_directories(m, fd))
		return ERR_UNAVAIL;
	if ((m->body.request.which & IPC_RELAY) != 0) {
		close(fd[0]);
		return ERR_CANNOT;
	}
	s.cfg = cfg;
	s.delivers = delivers;
	s.notify_fd = notify_fd;
	s.is_detached = (m->body.request.which & IPC_DETACHED) != 0;
	user = ipc_text(&m->tail);
	(void)ipc_text(&m->tail);	/* groups */
	(void)ipc_text(&m->tail);	/* folder */
	settings = ipc_text(&m->tail);
	return confine_and_open(&s, user, delivers ? "lmtp" : "loftctl",
	    settings, fd, true, account_out);
}

/* What the dead left in one account, or in a folder of somebody else. */
static void
sweep_one(struct session *s, struct ipc_message *m, bool first)
{
	const char *user = ipc_text(&m->tail), *folder, *settings;
	struct account_place place;
	struct account *account;
	int fd[3];

	(void)ipc_text(&m->tail);	/* groups */
	folder = ipc_text(&m->tail);
	settings = ipc_text(&m->tail);
	if (!login_directories(m, fd))
		return;
	/* A relay's session sweeps by itself, and ends when we do. */
	if ((m->body.request.which & IPC_RELAY) != 0) {
		close(fd[0]);
		return;
	}
	s->is_detached = (m->body.request.which & IPC_DETACHED) != 0;
	place = place_at(s->cfg, user, "sweep", settings, fd);
	place.changed_fd = s->notify_fd;
	place.sweep = true;
	if (*folder != '\0') {
		place.alone = folder;
		place.shares = false;
		place.quota = NULL;
	}
	if (first && serve_confine_session(s, fd, 3) != ERR_OK)
		return;
	if (account_open(&place, &account) == ERR_OK)
		account_close(&account);
}

void
login_sweep(const struct config *cfg, int auth_fd, int notify_fd)
{
	static struct ipc_message m;
	static struct session s;
	struct pollfd p = { auth_fd, POLLIN, 0 };

	s.cfg = cfg;
	s.auth_fd = auth_fd;
	s.notify_fd = notify_fd;
	/* Auth hangs up when it knows of no such session, or nothing more comes. */
	for (bool first = true; poll(&p, 1, SWEEP_MS) > 0 && ipc_receive(
	    auth_fd, ROLE_AUTH | ROLE_HOME, ROLE_WORKER, &m) == ERR_OK &&
	    m.kind == MSG_ACCOUNT; first = false)
		sweep_one(&s, &m, first);
}

enum err
login_with(struct session *s, const char *user, const char *client,
    const char *settings, int root_fd, int control_fd, int index_fd)
{
	int fd[3] = { root_fd, control_fd, index_fd };

	/* What was not handed down is no descriptor of ours. */
	for (int i = 0; i < 3; i++)
		if (fcntl(fd[i], F_SETFD, FD_CLOEXEC) < 0)
			fd[i] = -1;
	return enter(s, user, client, settings, fd);
}

enum err
login_as_caller(struct session *s)
{
	struct arena a = { 0 };
	struct passwd *pw = getpwuid(getuid());
	const char *home = getenv("HOME");
	struct config_vars vars = {
		.user = pw != NULL ? pw->pw_name : "user",
		.home = home != NULL && *home == '/' ? home :
		    pw != NULL ? pw->pw_dir : NULL,
		.service = "imap", .local_ip = "", .remote_ip = "",
		.session = s->session_id, .mechanism = "",
		.uid = arena_printf(&a, "%u", (unsigned)getuid()),
	};
	struct place_paths paths;
	int fd[3] = { -1, -1, -1 };
	enum err e;

	s->auth_fd = s->notify_fd = -1;
	if ((e = place_find(s->cfg, &vars, NULL, &a, &paths)) == ERR_OK &&
	    (e = place_open_dir(paths.root, &fd[0])) == ERR_OK &&
	    (paths.control == NULL ||
	    (e = place_open_dir(paths.control, &fd[1])) == ERR_OK) &&
	    (paths.index == NULL ||
	    (e = place_open_dir(paths.index, &fd[2])) == ERR_OK)) {
		e = enter(s, vars.user, "tunnel", "", fd);
	} else {
		for (int i = 0; i < 3; i++)
			if (fd[i] >= 0)
				close(fd[i]);
	}
	arena_free(&a);
	return e;
}

/* ---- the conversation with auth ---- */

/* No more logins on this connection: what confines it now fits one account only. */
static enum login_step
give_up(struct session *s)
{
	if (s->auth_fd >= 0)
		close(s->auth_fd);
	s->auth_fd = -1;
	status_set(s, "UNAVAILABLE", "Internal error occurred. Refer to the "
	    "server log for more information.");
	return LOGIN_FAILED;
}

static enum login_step
failed(struct session *s, struct ipc_message *m)
{
	const char *user = ipc_text(&m->tail), *text = ipc_text(&m->tail);

	snprintf(s->tried_user, sizeof(s->tried_user), "%s", user);
	switch ((enum ipc_failure)m->body.sasl.result) {
	case FAILURE_PASSWORD:
		status_set(s, "AUTHENTICATIONFAILED",
		    "Authentication failed.");
		break;
	case FAILURE_TEMPORARY:
		status_set(s, "UNAVAILABLE", "Temporary authentication "
		    "failure.");
		break;
	case FAILURE_LIMIT:
		status_set(s, "UNAVAILABLE", "Maximum number of connections "
		    "from user+IP exceeded (mail_max_userip_connections)");
		log_info("Maximum number of connections from user+IP exceeded "
		    "(mail_max_userip_connections=%llu): user=<%s>",
		    (unsigned long long)s->cfg->mail_max_userip_connections,
		    log_text(span_of(user)));
		break;
	case FAILURE_DISABLED:
		status_set(s, "AUTHORIZATIONFAILED", "Login is not allowed.");
		break;
	case FAILURE_MECHANISM:
		status_set(s, "CANNOT", "Unsupported authentication "
		    "mechanism.");
		break;
	case FAILURE_SYNTAX:
		status_set(s, "", "Invalid authentication response.");
		break;
	case FAILURE_CANCELLED:
		status_set(s, "", "Authentication aborted by client.");
		break;
	}
	if (*text != '\0')
		status_set(s, s->status_code,
		    arena_cstr(&s->command, span_of(text)));
	return LOGIN_FAILED;
}

static enum login_step
logged_in(struct session *s, struct ipc_message *m)
{
	char client[INET6_ADDRSTRLEN];
	const char *user = arena_cstr(&s->life, span_of(ipc_text(&m->tail)));
	const char *groups = arena_cstr(&s->life, span_of(ipc_text(&m->tail)));
	const char *settings;
	int fd[3];

	(void)ipc_text(&m->tail);	/* folder */
	settings = ipc_text(&m->tail);

	if (!login_directories(m, fd))
		return give_up(s);
	if ((m->body.request.which & IPC_RELAY) != 0) {
		if (serve_confine_session(s, NULL, 0) == ERR_OK &&
		    relay_run(s, user, fd[0]) == ERR_OK)
			return LOGIN_OK;
		log_error("the session of user %s did not start",
		    log_text(span_of(user)));
		return give_up(s);
	}
	s->groups = groups;
	s->is_detached = (m->body.request.which & IPC_DETACHED) != 0;
	net_text(&s->remote, client);
	if (enter(s, user, client, settings, fd) != ERR_OK)
		return give_up(s);
	return LOGIN_OK;
}

/* Waits for auth's (or home's) answer; m is large and given back by the caller. */
static enum login_step
await(struct session *s, struct span *challenge, struct ipc_message *m)
{
	struct pollfd p = { s->auth_fd, POLLIN, 0 };

	if (poll(&p, 1, ANSWER_MS) <= 0 ||
	    ipc_receive(s->auth_fd, ROLE_AUTH | ROLE_HOME, ROLE_WORKER, m) !=
	    ERR_OK) {
		log_error("no answer from auth: the login fails");
		return give_up(s);
	}
	switch ((int)m->kind) {
	case MSG_AUTH_CHALLENGE:
		*challenge = arena_span(&s->command, m->tail);
		return LOGIN_CONTINUE;
	case MSG_AUTH_FAILED:
		return failed(s, m);
	case MSG_ACCOUNT:
		return logged_in(s, m);
	default:
		log_error("an answer from auth that makes no sense");
		ipc_close_fds(m);
		return give_up(s);
	}
}

static enum login_step
step(struct session *s, enum ipc_kind kind, const struct ipc_sasl *sasl,
    struct span tail, struct span *challenge)
{
	struct ipc_message *m;
	enum login_step result;

	*challenge = SPAN_NONE;
	if (s->auth_fd < 0)
		return give_up(s);
	if (ipc_send(s->auth_fd, kind, sasl, tail, NULL, 0) != ERR_OK) {
		log_error("auth is gone: the login fails");
		return give_up(s);
	}
	m = ipc_message_new();
	result = await(s, challenge, m);
	ipc_message_free(&m);
	return result;
}

static void
remember_method(struct session *s, struct span mechanism)
{
	size_t n = 0;

	for (; n < mechanism.n && n < sizeof(s->tried_method) - 1; n++) {
		unsigned char c = (unsigned char)mechanism.p[n];

		s->tried_method[n] = isalnum(c) || c == '-' || c == '_' ?
		    (char)toupper(c) : '?';
	}
	s->tried_method[n] = '\0';
}

enum login_step
login_begin(struct session *s, struct span mechanism, struct span initial,
    struct span *challenge)
{
	char remote[INET6_ADDRSTRLEN], local[INET6_ADDRSTRLEN];
	struct ipc_sasl sasl = { 0 };
	struct buf tail = { .secret = true };
	enum login_step result;

	remember_method(s, mechanism);
	if (initial.p != NULL)
		sasl.flags |= IPC_SASL_INITIAL;
	if (capability_is_secured(s))
		sasl.flags |= IPC_SASL_SECURED;
	if (conn_is_tls(s->conn))
		sasl.flags |= IPC_SASL_TLS;
	buf_adds(&tail, s->tried_method);
	buf_addc(&tail, '\0');
	buf_adds(&tail, s->session_id);
	buf_addc(&tail, '\0');
	buf_adds(&tail, net_text(&s->remote, remote));
	buf_addc(&tail, '\0');
	buf_adds(&tail, net_text(&s->local, local));
	buf_addc(&tail, '\0');
	conn_add_bindings(s->conn, &tail);
	buf_add_span(&tail, initial);
	if (tail.n > 16384) {
		buf_clear(&tail);
		*challenge = SPAN_NONE;
		status_set(s, "", "Invalid authentication response.");
		return LOGIN_FAILED;
	}
	result = step(s, MSG_AUTH_START, &sasl, buf_span(&tail), challenge);
	buf_clear(&tail);
	return result;
}

enum login_step
login_answer(struct session *s, struct span response, bool cancel,
    struct span *challenge)
{
	struct ipc_sasl sasl = { .flags = cancel ? IPC_SASL_CANCEL : 0 };

	if (response.n > 16384) {
		sasl.flags = IPC_SASL_CANCEL;
		response = SPAN_NONE;
	}
	return step(s, MSG_AUTH_ANSWER, &sasl, response, challenge);
}

enum login_step
login_plain(struct session *s, struct span user, struct span password)
{
	struct buf initial = { .secret = true };
	struct span challenge;
	enum login_step result;

	/* NUL separates the parts of PLAIN (RFC 4616 2): it can be in none. */
	if (user.n > 1024 || password.n > 8192 ||
	    (user.n > 0 && memchr(user.p, '\0', user.n) != NULL) ||
	    (password.n > 0 && memchr(password.p, '\0', password.n) != NULL)) {
		status_set(s, "AUTHENTICATIONFAILED", "Authentication failed.");
		return LOGIN_FAILED;
	}
	buf_addc(&initial, '\0');
	buf_add_span(&initial, user);
	buf_addc(&initial, '\0');
	buf_add_span(&initial, password);
	result = login_begin(s, SPAN("PLAIN"), buf_span(&initial), &challenge);
	buf_clear(&initial);
	if (result == LOGIN_CONTINUE) {
		log_error("auth wants more than PLAIN gives");
		return give_up(s);
	}
	return result;
}

const char *
login_mechanisms(const struct session *s)
{
	static char list[256];
	const struct mechanism *m;
	size_t n = 0;

	*list = '\0';
	for (size_t i = 0; (m = mechanism_at(i)) != NULL; i++)
		if (((m->flags & MECHANISM_BINDING) == 0 ||
		    conn_is_tls(s->conn)) && mechanism_listed(
		    s->cfg->auth_mechanisms, span_of(m->name)))
			n += (size_t)snprintf(list + n, sizeof(list) - n,
			    "%s%s", n > 0 ? " " : "", m->name);
	return list;
}
