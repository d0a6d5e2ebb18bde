/* loftctl: asks the master, and what needs no master it does itself. */
#include "common/buf.h"
#include "common/config.h"
#include "common/log.h"
#include "daemon/password.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#ifndef LOFT_SYSCONFDIR
#define LOFT_SYSCONFDIR "/etc"
#endif

enum { EX_USAGE_ = 64, EX_TEMP_ = 75, EX_CONFIG_ = 78 };

static int
usage(void)
{
	fprintf(stderr, "usage: loftctl [-c FILE] [-s SOCKET] COMMAND\n"
	    "  status                 what runs, and what confines it\n"
	    "  who [USER]             who is logged in\n"
	    "  kick USER              end a user's sessions\n"
	    "  reload                 read the configuration again\n"
	    "  stop [now]             end orderly, or at once\n"
	    "  log reopen             write to a new log file\n"
	    "  auth test USER [PASS]  would this login succeed?\n"
	    "  config [-n]            the configuration in force (-n: what is "
	    "not default)\n"
	    "  pw [-s SCHEME] [-p PASS]  a password as passwd-files store "
	    "it\n");
	return EX_USAGE_;
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
	exit(EX_CONFIG_);
}

static int
print_config(const char *path, bool changed_only)
{
	struct config *cfg = configuration(path, true);
	struct buf text = { 0 };

	config_print(cfg, changed_only, false, &text);
	fwrite(text.p, 1, text.n, stdout);
	return 0;
}

/* ---- the socket ---- */

static int
reach(const char *socket_path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(socket_path) >= sizeof(sun.sun_path)) {
		fprintf(stderr, "loftctl: %s: too long a name\n", socket_path);
		exit(EX_TEMP_);
	}
	strcpy(sun.sun_path, socket_path);
	if (fd >= 0 && connect(fd, (void *)&sun, sizeof(sun)) == 0)
		return fd;
	fprintf(stderr, "loftctl: %s: %s%s\n", socket_path, strerror(errno),
	    errno == ECONNREFUSED || errno == ENOENT ?
	    " (loftd is not running)" : "");
	exit(errno == EACCES || errno == EPERM ? 77 : EX_TEMP_);
}

static void
ask(int fd, const struct buf *request, struct buf *answer)
{
	char part[4096];
	ssize_t n;

	if (send(fd, request->p, request->n, MSG_NOSIGNAL) < 0) {
		fprintf(stderr, "loftctl: %s\n", strerror(errno));
		exit(EX_TEMP_);
	}
	while ((n = recv(fd, part, sizeof(part), 0)) > 0)
		buf_add(answer, part, (size_t)n);
	close(fd);
}

/* "user\taddress\tpid\tsince" as doveadm who's columns. */
static void
print_who(struct span lines)
{
	printf("%-24s %-6s %-8s %-24s %s\n", "username", "proto", "pid", "ip",
	    "since");
	while (lines.p != NULL && lines.n > 0) {
		struct span line = span_cut(&lines, '\n');
		struct span user = span_cut(&line, '\t');
		struct span ip = span_cut(&line, '\t');
		struct span pid = span_cut(&line, '\t');
		uint64_t since = 0;
		char text[32] = "";
		time_t t;
		struct tm tm;

		if (span_to_u64(line, UINT64_MAX, &since)) {
			t = (time_t)since;
			strftime(text, sizeof(text), "%F %T",
			    localtime_r(&t, &tm));
		}
		printf("%-24.*s %-6s %-8.*s %-24.*s %s\n", (int)user.n, user.p,
		    "imap", (int)pid.n, pid.p, (int)ip.n, ip.p, text);
	}
}

static int
print_answer(const struct buf *answer, bool is_who)
{
	struct span rest = buf_span(answer), first = span_cut(&rest, '\n');
	uint64_t code = 0;

	if (first.n == 0) {
		fprintf(stderr, "loftctl: no answer\n");
		return EX_TEMP_;
	}
	if (*first.p == '+') {
		if (is_who)
			print_who(rest);
		else
			fwrite(rest.p, 1, rest.n, stdout);
		return 0;
	}
	fwrite(rest.p, 1, rest.n, stderr);
	first.p++, first.n--;
	return span_to_u64(first, 255, &code) && code != 0 ? (int)code :
	    EX_TEMP_;
}

/* Reads a secret without showing it when there is a terminal. */
static const char *
secret(const char *prompt)
{
	static char line[1024];
	struct termios shown, hidden;
	bool tty = tcgetattr(STDIN_FILENO, &shown) == 0;

	if (tty) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
		fprintf(stderr, "%s", prompt);
	}
	if (fgets(line, sizeof(line), stdin) == NULL)
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fprintf(stderr, "\n");
	}
	return line;
}

static int
make_password(int argc, char **argv)
{
	const char *scheme = "SHA512-CRYPT", *clear = NULL;
	struct buf out = { .secret = true };
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "s:p:")) != -1) {
		if (c == 's')
			scheme = optarg;
		else if (c == 'p')
			clear = optarg;
		else
			return usage();
	}
	if (clear == NULL)
		clear = secret("Password: ");
	if (password_make(scheme, span_of(clear), &out) != ERR_OK) {
		fprintf(stderr, "loftctl: cannot make passwords of scheme "
		    "%s\n", scheme);
		return EX_USAGE_;
	}
	printf("%s\n", buf_cstr(&out));
	buf_clear(&out);
	return 0;
}

/* One word of a request: no tabs, no line ends. */
static void
add_word(struct buf *request, const char *word)
{
	if (request->n > 0)
		buf_addc(request, '\t');
	if (strpbrk(word, "\t\n") != NULL) {
		fprintf(stderr, "loftctl: TAB and newline cannot be sent\n");
		exit(EX_USAGE_);
	}
	buf_adds(request, word);
}

static int
run(int argc, char **argv, const char *config_path, const char *socket_path)
{
	struct buf request = { .secret = true }, answer = { 0 };
	char path[4200];
	int status;

	if (strcmp(argv[0], "auth") == 0) {
		if (argc < 3 || strcmp(argv[1], "test") != 0)
			return usage();
		add_word(&request, "auth");
		add_word(&request, argv[2]);
		add_word(&request, argc > 3 ? argv[3] : secret("Password: "));
	} else {
		for (int i = 0; i < argc; i++)
			add_word(&request, argv[i]);
	}
	buf_addc(&request, '\n');
	if (socket_path == NULL) {
		struct config *cfg = configuration(config_path, false);

		snprintf(path, sizeof(path), "%s/loftctl", cfg->base_dir);
		config_free(&cfg);
		socket_path = path;
	}
	ask(reach(socket_path), &request, &answer);
	status = print_answer(&answer, strcmp(argv[0], "who") == 0);
	buf_clear(&request);
	buf_clear(&answer);
	return status;
}

int
main(int argc, char **argv)
{
	const char *config_path = LOFT_SYSCONFDIR "/loft.conf";
	const char *socket_path = NULL;
	int c;

	log_open(STDERR_FILENO, false, NULL);
	while ((c = getopt(argc, argv, "+c:s:")) != -1) {
		if (c == 'c')
			config_path = optarg;
		else if (c == 's')
			socket_path = optarg;
		else
			return usage();
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return usage();
	if (strcmp(argv[0], "config") == 0)
		return print_config(config_path,
		    argc > 1 && strcmp(argv[1], "-n") == 0);
	if (strcmp(argv[0], "pw") == 0)
		return make_password(argc, argv);
	return run(argc, argv, config_path, socket_path);
}
