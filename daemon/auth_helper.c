/* A helper of auth: computes slow password hashes, so that auth never waits. */
#include "daemon/auth.h"

#include "common/digest.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "daemon/password.h"
#include "daemon/role.h"
#include "daemon/scram.h"

#include <unistd.h>

/* rest: digest, NUL, salt */
static enum err
derive(int fd, struct ipc_verify *v, struct span password, struct span rest)
{
	struct scram_keys k = { 0 };
	const char *md = ipc_text(&rest);
	enum err e;

	v->result = (uint32_t)scram_derive(md, password, rest, SCRAM_ROUNDS,
	    &k);
	e = ipc_send(fd, MSG_DERIVED, v, (struct span){ (char *)&k,
	    sizeof(k) }, NULL, 0);
	secret_wipe(&k, sizeof(k));
	return e;
}

static enum err
verify(int fd, struct ipc_verify *v, struct span password, struct span stored)
{
	v->result = (uint32_t)password_verify(stored, "CRYPT", SPAN(""),
	    password);
	return ipc_send(fd, MSG_VERIFIED, v, SPAN_NONE, NULL, 0);
}

__attribute__((noreturn)) static void
serve(int fd)
{
	static struct ipc_message m;

	while (ipc_receive(fd, ROLE_AUTH, ROLE_HELPER, &m) == ERR_OK) {
		struct ipc_verify v = m.body.verify;
		struct span rest = m.tail, password;

		if (v.password_bytes > rest.n)
			panic("a request to verify that is too short");
		password = (struct span){ rest.p, v.password_bytes };
		rest.p += v.password_bytes;
		rest.n -= v.password_bytes;
		v.password_bytes = 0;
		if ((m.kind == MSG_DERIVE ? derive : verify)(fd, &v, password,
		    rest) != ERR_OK)
			break;
	}
	_exit(0);
}

void
auth_helper_start(const struct config *cfg, int *fd_out)
{
	int pair[2];
	pid_t pid;

	if (ipc_pair(pair) != ERR_OK || (pid = fork()) < 0)
		fatal_errno("cannot start a helper for passwords");
	if (pid == 0) {
		close(pair[0]);
		close(FD_CONTROL);
		close(FD_DOOR);
		close(FD_MAIL_DOOR);
		close(FD_PEER);
		if (role_confine_as(cfg, "auth", SANDBOX_HELPER) != ERR_OK)
			_exit(75);
		close(FD_EMPTY);
		serve(pair[1]);
	}
	close(pair[1]);
	*fd_out = pair[0];
}
