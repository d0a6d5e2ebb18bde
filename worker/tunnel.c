/*
 * The tunnel: `ssh host loftd -P`. No login, no daemon, the caller's own rights;
 * standard input and output are the connection.
 */
#include "worker/pool.h"

#include "common/charset.h"
#include "common/config.h"
#include "common/log.h"
#include "maildir/account.h"
#include "worker/conn.h"
#include "worker/login.h"
#include "worker/serve.h"
#include "worker/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void
say_problems(const struct config_problem *p)
{
	for (; p != NULL; p = p->next)
		if (p->is_fatal)
			log_error("%s:%u: %s", p->file, p->line, p->text);
}

static enum err
load(int argc, char **argv, struct config **cfg)
{
	struct config_problem *problems = NULL;
	const char *path = NULL;
	enum err e;
	int c;

	while ((c = getopt(argc, argv, "c:")) != -1) {
		if (c != 'c')
			exit(64);
		path = optarg;
	}
	if (path == NULL)
		return config_parse(SPAN("mail_location = maildir:~/Maildir\n"),
		    "built-in", cfg, &problems);
	e = config_load(path, cfg, &problems);
	say_problems(problems);
	return e;
}

static int
open_file(const char *path)
{
	return *path != '/' || strcmp(path, "/dev/stderr") == 0 ? -1 :
	    open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* The configured files where the caller may write them, else standard error. */
static void
open_log(const struct config *cfg)
{
	int fd = open_file(cfg->log_path);

	if (fd >= 0)
		log_open(fd, true, NULL);
	if ((fd = open_file(cfg->info_log_path)) >= 0)
		log_open_info(fd);
	log_set_level(cfg->log_debug ? LOG_L_DEBUG : LOG_L_INFO);
}

int
tunnel_main(int argc, char **argv)
{
	struct config *cfg = NULL;
	struct session *s;

	log_open(STDERR_FILENO, false, NULL);
	log_set_prefix("imap: ");
	serve_signals();
	if (load(argc, argv, &cfg) != ERR_OK)
		return 78;
	tzset();
	open_log(cfg);
	charset_init();
	account_prepare();
	s = session_new(conn_new(STDIN_FILENO, STDOUT_FILENO), cfg);
	s->is_tunnel = true;
	if (login_as_caller(s) != ERR_OK) {
		session_bye(s, "Cannot open your mail; see the error message",
		    "Mail not available");
		session_free(&s);
		return 75;
	}
	session_run(s);
	session_free(&s);
	config_free(&cfg);
	return 0;
}
