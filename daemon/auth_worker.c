/* Workers with somebody's account that do what somebody else asked for. */
#include "daemon/auth.h"

#include "common/handover.h"
#include "common/log.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void
auth_refuse_asker(struct attempt *t)
{
	const char *code = t->failure == FAILURE_PASSWORD ||
	    t->failure == FAILURE_DISABLED ? "-67\n" : "-75\n";

	if (send(t->fd, code, strlen(code), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("who asked does not hear");
	attempt_free(t);
}

enum err
auth_call_worker(struct attempt *t, struct span words)
{
	struct ipc_request r = { .id = t->id };
	int pair[2], given[3];
	enum err e;

	if (words.n > 8192)
		return ERR_LIMIT;
	if (ipc_pair(pair) != ERR_OK)
		return ERR_UNAVAIL;
	given[0] = pair[1];
	given[1] = t->fd;
	given[2] = t->mail_fd;
	e = ipc_send(FD_CONTROL, MSG_STEWARD, &r, words, given,
	    t->mail_fd >= 0 ? 3 : 2);
	close(pair[1]);
	if (e != ERR_OK) {
		close(pair[0]);
		return e;
	}
	close(t->fd);
	t->fd = pair[0];
	t->words = SPAN_NONE;
	return ERR_OK;
}
