/*
 * inetd: one connection on descriptor 0, and this process is its worker. Auth and
 * home were started by `loftd -i`; there is no pool and no notify.
 */
#include "worker/pool.h"

#include "common/charset.h"
#include "common/config.h"
#include "common/handover.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "maildir/account.h"
#include "worker/serve.h"

#include <fcntl.h>
#include <unistd.h>

int
inetd_main(int argc, char **argv)
{
	static struct serve v = {
		.auth_door = FD_AUTH_DOOR, .notify_door = -1, .mail_door = -1,
		.empty_fd = FD_EMPTY, .taken_fd = -1, .alive_fd = -1,
	};
	struct config *cfg;
	int fd;

	(void)argc;
	(void)argv;
	log_open(STDERR_FILENO, true, NULL);
	log_set_prefix("imap-login: ");
	if (handover_config(FD_CONFIG, &cfg) != ERR_OK)
		return 78;
	close(FD_CONFIG);
	handover_log(cfg, "imap-login: ");
	v.cfg = cfg;
	charset_init();
	account_prepare();
	v.tls = serve_tls(cfg);
	serve_forget_secrets(cfg);
	if (serve_identity(cfg, &v) != ERR_OK)
		return 78;
	if (cfg->confinement != CONFINEMENT_OFF && sandbox_allow(
	    SANDBOX_WORKER | SANDBOX_POOL | SANDBOX_ALONE) != ERR_OK)
		log_info("no system call filter");
	/* The connection moves out of the way of standard input and output. */
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	if (fd < 0)
		fatal_errno("no connection on descriptor 0");
	dup2(FD_EMPTY, STDIN_FILENO);
	dup2(FD_EMPTY, STDOUT_FILENO);
	serve_this(&v, fd, fd);
}
