/* What workers ask that take mail: is there such a user, and who delivers to him? */
#include "daemon/auth.h"

#include "common/log.h"

#include <fcntl.h>

/* Takes fd over. */
static struct attempt *
begin(struct ipc_message *m, int fd)
{
	struct attempt *t = attempt_new(fd);

	t->aside = t->once = true;
	t->remote = t->local = t->mechanism = t->folder = "";
	t->session = attempt_text(t, &m->tail);
	t->tried = attempt_text(t, &m->tail);
	return t;
}

void
auth_mail_look_up(struct attempt *session, struct ipc_message *m)
{
	int fd = fcntl(session->fd, F_DUPFD_CLOEXEC, 0);
	struct attempt *t;

	if (fd < 0) {
		log_errno("no descriptor for a question");
		return;
	}
	t = begin(m, fd);
	t->looks = true;
	auth_look_up(t);
}

void
auth_mail_deliver(struct attempt *session, struct ipc_message *m)
{
	struct attempt *t;

	(void)session;
	if (m->n_fds != 2)
		return;
	t = begin(m, m->fd[0]);
	t->mail_fd = m->fd[1];
	m->fd[0] = m->fd[1] = -1;
	t->only_uid = (m->body.request.which & IPC_ONLY_UID) != 0;
	t->uid = m->body.request.result;
	t->words = arena_span(&t->arena, m->tail);
	auth_look_up(t);
}
