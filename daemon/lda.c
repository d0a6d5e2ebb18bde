/*
 * loft-lda: dovecot-lda's options and exit codes. It opens no mailbox: the message goes
 * by LMTP to loftd's socket base_dir/lda, which knows who we are and delivers with the
 * rights of the mail's owner (worker/lmtp.c).
 */
#include "common/buf.h"
#include "common/config.h"
#include "common/log.h"
#include "common/span.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#ifndef LOFT_SYSCONFDIR
#define LOFT_SYSCONFDIR "/etc"
#endif

/* Longer than loftd tries (worker/recipient.c). */
enum { WAIT_S = 400, BLOCK = 65536, LINE_MAX_BYTES = 2048 };

struct lda {
	const char *config, *user, *mailbox, *path;
	bool create, subscribe;
	int in, fd;
	FILE *answers;
};

/* A sentence on standard error, and the end. */
__attribute__((noreturn, format(printf, 2, 3))) static void
leave(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("loft-lda: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(code);
}

/* ---- what is wanted ---- */

__attribute__((noreturn)) static void
usage(void)
{
	fprintf(stderr,
	    "usage: loft-lda [-c FILE] [-d USER] [-p FILE] [-m MAILBOX] [-ek]\n"
	    "                [-f SENDER] [-a ADDRESS] [-r ADDRESS] "
	    "[-o SETTING=VALUE]\n");
	exit(EX_USAGE);
}

/* Of settings for one delivery those that are about its mailbox. */
static void
override(struct lda *l, const char *text)
{
	static const char *const no[] = { "=no", "=n", "=0", "=" };
	struct span value = span_of(text), name = span_cut(&value, '=');
	bool *flag = span_eq(name, SPAN("lda_mailbox_autocreate")) ?
	    &l->create : span_eq(name, SPAN("lda_mailbox_autosubscribe")) ?
	    &l->subscribe : NULL;

	if (value.p == NULL)
		usage();
	if (flag == NULL) {
		fprintf(stderr, "loft-lda: -o %s is ignored: loftd delivers, "
		    "by its own configuration\n", text);
		return;
	}
	*flag = true;
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		if (strcmp(value.p - 1, no[i]) == 0)
			*flag = false;
}

static void
options(struct lda *l, int argc, char **argv)
{
	int c;

	*l = (struct lda){ .config = LOFT_SYSCONFDIR "/loft.conf",
		.in = STDIN_FILENO, .fd = -1 };
	while ((c = getopt(argc, argv, "a:c:d:ef:km:o:p:r:")) != -1) {
		switch (c) {
		case 'c': l->config = optarg; break;
		case 'd': l->user = optarg; break;
		case 'm': l->mailbox = optarg; break;
		case 'p': l->path = optarg; break;
		case 'o': override(l, optarg); break;
		/* Nothing here depends on the environment or on addresses, and a
		 * refusal always is an exit code. */
		case 'a': case 'e': case 'f': case 'k': case 'r': break;
		default: usage();
		}
	}
	if (optind != argc)
		usage();
}

static void
find_user(struct lda *l)
{
	const struct passwd *pw;

	if (l->user != NULL && *l->user != '\0')
		return;
	if (geteuid() == 0)
		leave(EX_USAGE, "root has to say to whom: -d USER");
	if ((pw = getpwuid(getuid())) == NULL)
		leave(EX_TEMPFAIL, "uid %u has no name; say -d USER",
		    (unsigned)getuid());
	l->user = strdup(pw->pw_name);
	if (l->user == NULL)
		leave(EX_TEMPFAIL, "no memory");
}

/* ---- the conversation ---- */

/* Whatever else is wrong with the configuration, loftd has been told. */
static void
reach(struct lda *l)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = WAIT_S };
	struct config_problem *problems = NULL;
	struct config *cfg = NULL;
	enum err e = config_load(l->config, &cfg, &problems);

	if (cfg == NULL || (e != ERR_OK && problems == NULL))
		leave(EX_TEMPFAIL, "cannot read %s: %s", l->config,
		    err_name(e));
	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/lda",
	    cfg->base_dir) >= (int)sizeof(sun.sun_path))
		leave(EX_TEMPFAIL, "base_dir is too long for a socket");
	config_free(&cfg);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || connect(l->fd, (void *)&sun, sizeof(sun)) != 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &wait,
	    sizeof(wait)) != 0 || (l->answers = fdopen(l->fd, "r")) == NULL)
		leave(EX_TEMPFAIL, "%s: %s%s", sun.sun_path, strerror(errno),
		    errno == ECONNREFUSED || errno == ENOENT ?
		    " (loftd is not running)" : "");
}

static void
say(struct lda *l, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = send(l->fd, p, n, MSG_NOSIGNAL);

		if (w < 0 && errno != EINTR)
			leave(EX_TEMPFAIL, "loftd hung up");
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
}

/* A reply's last line: its code decides (RFC 5321 4.2), and loft-lda's exit code. */
static void
expect(struct lda *l, char class)
{
	char line[LINE_MAX_BYTES];

	do {
		if (fgets(line, sizeof(line), l->answers) == NULL ||
		    strlen(line) < 4)
			leave(EX_TEMPFAIL, "no answer from loftd");
	} while (line[3] == '-');
	if (line[0] == class)
		return;
	line[strcspn(line, "\r\n")] = '\0';
	leave(line[0] != '5' ? EX_TEMPFAIL :
	    strncmp(line, "550 5.1.1", 9) == 0 ? EX_NOUSER :
	    strncmp(line, "552", 3) == 0 ? EX_NOPERM : EX_DATAERR, "%s", line);
}

static void
command(struct lda *l, const struct buf *line)
{
	say(l, line->p, line->n);
	say(l, "\r\n", 2);
	expect(l, '2');
}

/* As a quoted local part: any name can be one. */
static void
add_user(struct buf *b, const char *user)
{
	buf_addc(b, '"');
	for (const char *p = user; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f ||
		    *p == '<' || *p == '>')
			leave(EX_NOUSER, "no user has such a name");
		if (*p == '"' || *p == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *p);
	}
	buf_addc(b, '"');
}

static void
add_xtext(struct buf *b, const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f ||
		    *p == '+' || *p == '=')
			buf_addf(b, "+%02X", (unsigned)(unsigned char)*p);
		else
			buf_addc(b, *p);
}

static void
say_envelope(struct lda *l)
{
	struct buf b = { 0 };

	expect(l, '2');
	buf_adds(&b, "LHLO localhost");
	command(l, &b);
	/* Who sent it nobody needs to know: the message says so, or not. */
	buf_reset(&b);
	buf_adds(&b, "MAIL FROM:<>");
	command(l, &b);
	buf_reset(&b);
	buf_adds(&b, "RCPT TO:<");
	add_user(&b, l->user);
	buf_adds(&b, ">");
	if (l->mailbox != NULL && *l->mailbox != '\0') {
		buf_adds(&b, " XMAILBOX=");
		add_xtext(&b, l->mailbox);
	}
	buf_addf(&b, "%s%s", l->create ? " XCREATE" : "",
	    l->subscribe ? " XSUBSCRIBE" : "");
	if (b.n > 1000)
		leave(EX_DATAERR, "the name of the user or of the mailbox is "
		    "too long");
	command(l, &b);
	buf_clear(&b);
}

/* ---- the message ---- */

static size_t
read_block(struct lda *l, char *out)
{
	size_t n = 0;
	ssize_t r = 1;

	while (n < BLOCK && r != 0) {
		r = read(l->in, out + n, BLOCK - n);
		if (r < 0 && errno != EINTR)
			leave(EX_TEMPFAIL, "the message cannot be read: %s",
			    strerror(errno));
		if (r > 0)
			n += (size_t)r;
	}
	return n;
}

/* The line that mbox puts in front of a message, if there is one. */
static size_t
from_line(const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);

	return n > 5 && memcmp(p, "From ", 5) == 0 && end != NULL ?
	    (size_t)(end + 1 - p) : 0;
}

static void
send_message(struct lda *l)
{
	static char block[BLOCK];
	size_t n, skip;
	bool first = true;

	do {
		struct buf b = { 0 };

		n = read_block(l, block);
		skip = first ? from_line(block, n) : 0;
		first = false;
		buf_addf(&b, "BDAT %zu%s\r\n", n - skip,
		    n < BLOCK ? " LAST" : "");
		say(l, b.p, b.n);
		buf_clear(&b);
		say(l, block + skip, n - skip);
		expect(l, '2');
	} while (n == BLOCK);
}

int
main(int argc, char **argv)
{
	struct lda l;

	log_open(STDERR_FILENO, false, NULL);
	log_set_prefix("loft-lda: ");
	options(&l, argc, argv);
	find_user(&l);
	if (l.path != NULL &&
	    (l.in = open(l.path, O_RDONLY | O_CLOEXEC)) < 0)
		leave(EX_TEMPFAIL, "%s: %s", l.path, strerror(errno));
	reach(&l);
	say_envelope(&l);
	send_message(&l);
	say(&l, "QUIT\r\n", 6);
	return EX_OK;
}
