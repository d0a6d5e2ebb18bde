/*
 * Helpers of auth that ask the system: PAM, shadow, passwd. They keep the rights that
 * auth gives up, and all of the file system, because PAM's modules may do anything;
 * what they hear is a user, an address and a password, and what they say a verdict.
 * Each does one thing at a time, so that a slow module stops nobody but itself.
 */
#include "daemon/auth.h"

#include "common/handover.h"
#include "common/log.h"
#include "daemon/password.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- passwd and shadow ---- */

static bool
is_expired(const struct spwd *sp)
{
	long today = (long)(time(NULL) / 86400);

	return sp->sp_expire > 0 && today >= sp->sp_expire;
}

/* passwd is for systems whose passwords are still there, else it is shadow. */
static enum err
ask_files(const struct auth_question *q)
{
	struct passwd *pw;
	struct spwd *sp;
	const char *stored;

	errno = 0;
	if ((pw = getpwnam(q->user)) == NULL)
		return errno == 0 || errno == ENOENT ? ERR_NOTFOUND :
		    ERR_UNAVAIL;
	stored = pw->pw_passwd;
	if (strcmp(q->what, "shadow") == 0 || strcmp(stored, "x") == 0) {
		errno = 0;
		if ((sp = getspnam(q->user)) == NULL) {
			if (errno == EACCES)
				log_error("shadow: the passwords cannot be "
				    "read: that needs root");
			return errno == EACCES ? ERR_UNAVAIL : ERR_NOTFOUND;
		}
		if (is_expired(sp))
			return ERR_AUTH;
		stored = sp->sp_pwdp;
	}
	/* "!" and "*" are no password's form; an empty one lets nobody in. */
	if (*stored == '\0' || *stored == '!' || *stored == '*')
		return ERR_AUTH;
	return password_verify(span_of(stored), "CRYPT", span_of(q->user),
	    span_of(q->password));
}

static enum err
ask_who(const struct auth_question *q, struct buf *out)
{
	struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(q->user)) == NULL)
		return errno == 0 || errno == ENOENT ? ERR_NOTFOUND :
		    ERR_UNAVAIL;
	buf_addf(out, "%u", (unsigned)pw->pw_uid);
	buf_addc(out, '\0');
	buf_addf(out, "%u", (unsigned)pw->pw_gid);
	buf_addc(out, '\0');
	buf_adds(out, pw->pw_dir);
	return out->n > 8192 ? ERR_LIMIT : ERR_OK;
}

/* ---- the process ---- */

static enum err
answer(struct span tail, size_t password_bytes, struct buf *out)
{
	struct auth_question q;
	struct buf password = { .secret = true };
	struct span before = { tail.p, tail.n - password_bytes };
	enum err e;

	buf_add_span(&password, (struct span){ tail.p + before.n,
	    password_bytes });
	q.what = ipc_text(&before);
	q.service = ipc_text(&before);
	q.user = ipc_text(&before);
	q.remote = ipc_text(&before);
	q.password = buf_cstr(&password);
	if (strcmp(q.what, "userdb") == 0)
		e = ask_who(&q, out);
	else if (strcmp(q.what, "pam") == 0)
		e = auth_pam_ask(&q);
	else
		e = ask_files(&q);
	buf_clear(&password);
	return e;
}

__attribute__((noreturn)) static void
serve(int fd)
{
	static struct ipc_message m;
	struct buf out = { 0 };

	while (ipc_receive(fd, ROLE_AUTH, ROLE_HELPER, &m) == ERR_OK) {
		struct ipc_verify v = m.body.verify;

		if (m.kind != MSG_ASK_SYSTEM || v.password_bytes > m.tail.n)
			panic("a question that makes no sense");
		buf_reset(&out);
		v.result = (uint32_t)answer(m.tail, v.password_bytes, &out);
		v.password_bytes = 0;
		if (ipc_send(fd, MSG_SYSTEM_SAYS, &v, buf_span(&out), NULL,
		    0) != ERR_OK)
			break;
	}
	_exit(0);
}

void
auth_system_start(int *fd_out)
{
	int pair[2];
	pid_t pid;

	if (ipc_pair(pair) != ERR_OK || (pid = fork()) < 0)
		fatal_errno("cannot start a helper that asks the system");
	if (pid == 0) {
		close(pair[0]);
		close(FD_CONTROL);
		close(FD_DOOR);
		close(FD_MAIL_DOOR);
		close(FD_PEER);
		close(FD_EMPTY);
		serve(pair[1]);
	}
	close(pair[1]);
	*fd_out = pair[0];
}
