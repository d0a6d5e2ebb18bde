/* loftctl: asks the master, and what needs no master it does itself. */
#include "common/buf.h"
#include "common/config.h"
#include "common/log.h"
#include "daemon/ctl_account.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_mail.h"
#include "daemon/ctl_pw.h"
#include "daemon/spawn.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LOFT_SYSCONFDIR
#define LOFT_SYSCONFDIR "/etc"
#endif

enum { WORDS_MAX = 8 };

static const char *format;	/* -f before the verb, as doveadm has it */

static int
usage(void)
{
	fprintf(stderr, "usage: loftctl [-c FILE] [-s SOCKET] [-f FORMAT] "
	    "COMMAND\n"
	    "  status                 what runs, and what confines it\n"
	    "  who [USER]             who is logged in\n"
	    "  sessions [-u USER]     what each session has open, and how far "
	    "it is\n"
	    "  ghosts [release] -u USER [MAILBOX]  what is kept for sessions "
	    "that know no better\n"
	    "  kick USER | PID        end a user's sessions, or one\n"
	    "  kick -u USER MAILBOX   those that have a mailbox open\n"
	    "  policy get -u USER MAILBOX | list -u USER\n"
	    "  policy set -u USER PATTERN SETTING=VALUE ...\n"
	    "  policy unset -u USER PATTERN [SETTING ...]\n"
	    "                         what sessions may do to each other\n"
	    "  quota get | recalc -u USER  what a user's mail counts, and may\n"
	    "  reload                 read the configuration again\n"
	    "  stop [now]             end orderly, or at once\n"
	    "  log reopen             write to a new log file\n"
	    "  adopt --dry-run [CONF [USER ...]]\n"
	    "                         what taking over from Dovecot would "
	    "mean; changes nothing\n"
	    "  auth test USER [PASS]  would this login succeed?\n"
	    "  -f flow|tab|table|json  how who, sessions, ghosts and policy "
	    "answer\n"
	    "  config [-nP]           the configuration in force (-n: what is "
	    "not default;\n"
	    "                         -P: passwords and keys, too)\n"
	    "  pw [-l] [-s SCHEME] [-p PASS] [-u USER] [-r ROUNDS] [-V] "
	    "[-t HASH]\n"
	    "                         a password as passwd-files store it\n"
	    "and of doveadm, where -f pager is possible, too:\n");
	ctl_mail_usage();
	return CTL_USAGE;
}

/* must_be_good: else problems are somebody else's business (the master's). */
static struct config *
configuration(const char *path, bool must_be_good)
{
	struct config_problem *p = NULL;
	struct config *cfg = NULL;
	enum err e = config_load(path, &cfg, &p);

	for (; p != NULL && must_be_good; p = p->next)
		fprintf(stderr, "%s:%u: %s%s\n", p->file, p->line,
		    p->is_fatal ? "error: " : "", p->text);
	if (e == ERR_OK || (!must_be_good && e == ERR_SYNTAX))
		return cfg;
	fprintf(stderr, "loftctl: cannot use the configuration %s\n", path);
	exit(CTL_CONFIG);
}

static int
print_config(const char *path, int argc, char **argv)
{
	struct config *cfg;
	struct buf text = { .secret = true };
	bool changed_only = false, secrets = false;
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "anP")) != -1) {
		if (c == '?')
			return usage();
		changed_only = c == 'n' || (c != 'a' && changed_only);
		secrets = secrets || c == 'P';
	}
	cfg = configuration(path, true);
	config_print(cfg, changed_only, secrets, &text);
	fwrite(text.p, 1, text.n, stdout);
	buf_clear(&text);
	config_free(&cfg);
	return 0;
}

/* A worker program does it: it knows mail. */
static int
adopt(int argc, char **argv)
{
	const char *worker = spawn_worker_path();
	char *usual[] = { (char *)(uintptr_t)"loft-worker",
		(char *)(uintptr_t)"--adopt",
		(char *)(uintptr_t)LOFT_SYSCONFDIR "/dovecot/dovecot.conf",
		NULL };

	if (argc < 2 || strcmp(argv[1], "--dry-run") != 0) {
		fprintf(stderr, "loftctl: loftd adopts by being started; adopt "
		    "--dry-run says what that would mean\n");
		return CTL_USAGE;
	}
	argv[0] = usual[0];
	argv[1] = usual[1];
	execv(worker, argc == 2 ? usual : argv);
	fprintf(stderr, "loftctl: cannot execute %s\n", worker);
	return CTL_TEMPFAIL;
}

/* What the master does by itself. */
static int
run(int argc, char **argv)
{
	const char *words[WORDS_MAX];
	struct buf answer = { 0 };
	size_t n = 0;
	int code;

	if (strcmp(argv[0], "auth") == 0) {
		if (argc < 3 || argc > 4 || strcmp(argv[1], "test") != 0)
			return usage();
		words[n++] = "auth";
		words[n++] = argv[2];
		words[n++] = argc > 3 ? argv[3] : ctl_secret("Password: ");
		if (words[n - 1] == NULL)
			words[n - 1] = "";
	} else {
		for (int i = 0; i < argc && n < WORDS_MAX; i++)
			words[n++] = argv[i];
	}
	if ((code = ctl_ask(words, n, &answer)) == 0)
		fwrite(answer.p, 1, answer.n, stdout);
	buf_clear(&answer);
	return code;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "who", ctl_who }, { "sessions", ctl_sessions },
	{ "ghosts", ctl_ghosts }, { "kick", ctl_kick },
	{ "policy", ctl_policy }, { "quota", ctl_quota },
};

static int
ask_master(int argc, char **argv, const char *config_path,
    const char *socket_path)
{
	char path[4200];
	int code;

	if (socket_path == NULL) {
		struct config *cfg = configuration(config_path, false);

		snprintf(path, sizeof(path), "%s/loftctl", cfg->base_dir);
		config_free(&cfg);
		socket_path = path;
	}
	ctl_use(socket_path);
	ctl_set_config_path(config_path);
	if (ctl_mail_is(argc, argv))
		return ctl_mail(argc, argv, format);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(argv[0], verbs[i].name) == 0) {
			code = verbs[i].run(argc, argv);
			return code < 0 ? usage() : code;
		}
	return run(argc, argv);
}

int
main(int argc, char **argv)
{
	const char *config_path = LOFT_SYSCONFDIR "/loft.conf";
	const char *socket_path = NULL;
	int c;

	log_open(STDERR_FILENO, false, NULL);
	ctl_set_name(argv[0]);
	while ((c = getopt(argc, argv, "+c:s:f:Dv")) != -1) {
		if (c == 'c')
			config_path = optarg;
		else if (c == 's')
			socket_path = optarg;
		else if (c == 'f')
			format = optarg;
		else if (c == '?')
			return usage();
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return usage();
	if (strcmp(argv[0], "config") == 0)
		return print_config(config_path, argc, argv);
	if (strcmp(argv[0], "adopt") == 0)
		return adopt(argc, argv);
	if (strcmp(argv[0], "pw") == 0)
		return (c = ctl_pw(argc, argv)) < 0 ? usage() : c;
	return ask_master(argc, argv, config_path, socket_path);
}
