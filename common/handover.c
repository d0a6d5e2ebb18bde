/* Configuration and log of a process that the master started. */
#include "common/handover.h"

#include "common/buf.h"
#include "common/config.h"
#include "common/fsutil.h"
#include "common/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 64 << 20 };

enum err
handover_config(int fd, struct config **cfg_out)
{
	struct config_problem *problems = NULL;
	struct buf text = { .secret = true };
	enum err e;

	*cfg_out = NULL;
	if ((e = fs_read_fd(fd, TEXT_MAX, &text)) == ERR_OK)
		e = config_parse(buf_span(&text), "configuration", cfg_out,
		    &problems);
	if (e != ERR_OK)
		for (; problems != NULL; problems = problems->next)
			if (problems->is_fatal)
				log_error("%s:%u: %s", problems->file,
				    problems->line, problems->text);
	buf_clear(&text);
	return e;
}

enum err
handover_config_fd(const struct config *cfg, int *fd_out)
{
	struct buf text = { .secret = true };
	enum err e = ERR_OK;

	config_print(cfg, false, true, &text);
	*fd_out = memfd_create("configuration",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd_out < 0 || (e = fs_write(*fd_out, text.p, text.n)) != ERR_OK ||
	    fcntl(*fd_out, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_WRITE |
	    F_SEAL_SHRINK | F_SEAL_GROW) < 0 ||
	    lseek(*fd_out, 0, SEEK_SET) < 0) {
		log_errno("cannot hand the configuration over");
		e = ERR_IO;
	}
	buf_clear(&text);
	return e;
}

void
handover_log(const struct config *cfg, const char *prefix)
{
	/* Before any chroot: the zone's file is read once. */
	tzset();
	log_open(strcmp(cfg->log_path, "syslog") == 0 ? -1 : STDERR_FILENO,
	    true, NULL);
	log_open_info(*cfg->info_log_path == '\0' ? LOG_SAME :
	    strcmp(cfg->info_log_path, "syslog") == 0 ? -1 : FD_INFO_LOG);
	log_set_level(cfg->log_debug ? LOG_L_DEBUG : LOG_L_INFO);
	log_set_prefix(prefix);
}
