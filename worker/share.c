/* Folders of somebody else: asked of auth, handed over by home. */
#include "worker/share.h"

#include "common/buf.h"
#include "common/ipc.h"
#include "common/log.h"
#include "worker/login.h"
#include "worker/namespace.h"
#include "worker/session.h"
#include "worker/target.h"

#include <poll.h>

enum { ANSWER_MS = 20000 };

bool
share_is_possible(const struct session *s)
{
	return s->auth_fd >= 0 && s->is_detached &&
	    namespace_any_foreign(s->cfg);
}

/* What auth or home says; m is large and given back by the caller. */
static enum err
await(struct session *s, struct ipc_message *m, int fd[3])
{
	struct pollfd p = { s->auth_fd, POLLIN, 0 };

	if (poll(&p, 1, ANSWER_MS) <= 0 || ipc_receive(s->auth_fd,
	    ROLE_AUTH | ROLE_HOME, ROLE_WORKER, m) != ERR_OK) {
		log_error("no answer from auth: mailboxes of others are out of "
		    "reach for this session");
		return ERR_UNAVAIL;
	}
	if (m->kind == MSG_ACCOUNT && login_directories(m, fd))
		return ERR_OK;
	if (m->kind == MSG_AUTH_FAILED)
		return m->body.sasl.result == FAILURE_PASSWORD ?
		    ERR_NOTFOUND : ERR_UNAVAIL;
	ipc_close_fds(m);
	return ERR_UNAVAIL;
}

enum err
share_open(struct session *s, const struct target *t, int fd[3])
{
	struct ipc_request r = {
		.which = namespace_number(s->cfg, t->ns),
	};
	struct buf tail = { 0 };
	struct ipc_message *m;
	enum err e;

	buf_add_span(&tail, t->owner);
	buf_addc(&tail, '\0');
	buf_add_span(&tail, t->storage);
	e = tail.n > 2048 ? ERR_NOTFOUND : ipc_send(s->auth_fd, MSG_SHARE, &r,
	    buf_span(&tail), NULL, 0);
	buf_clear(&tail);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? e : ERR_UNAVAIL;
	m = ipc_message_new();
	e = await(s, m, fd);
	ipc_message_free(&m);
	return e;
}
