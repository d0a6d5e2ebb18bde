/* `loftctl pw`: makes stored passwords and compares with one, as doveadm pw does. */
#include "daemon/ctl_pw.h"

#include "common/buf.h"
#include "common/digest.h"
#include "daemon/ctl_ask.h"
#include "daemon/password.h"
#include "daemon/scheme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct wish {
	const char *scheme, *clear, *stored, *user;
	unsigned rounds;
	bool verify, list;
};

const char *
ctl_secret(const char *prompt)
{
	static char line[SCHEME_CLEAR_MAX + 2];
	struct termios shown, hidden;
	bool tty = tcgetattr(STDIN_FILENO, &shown) == 0, got;

	if (tty) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
		fprintf(stderr, "%s", prompt);
	}
	got = fgets(line, sizeof(line), stdin) != NULL;
	line[got ? strcspn(line, "\n") : 0] = '\0';
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fprintf(stderr, "\n");
	}
	return got ? line : NULL;
}

/* Twice; on a pipe once is enough. False: nothing, or not the same. */
static bool
ask(const struct wish *w, struct buf *clear)
{
	bool once = w->stored != NULL;
	const char *again, *text = ctl_secret(once ?
	    "Enter password to verify: " : "Enter new password: ");

	if (text == NULL) {
		fprintf(stderr, "loftctl: no password was given\n");
		return false;
	}
	buf_adds(clear, text);
	again = once ? NULL : ctl_secret("Retype new password: ");
	if (again == NULL && (once || !isatty(STDIN_FILENO)))
		return true;
	if (again != NULL && strcmp(again, buf_cstr(clear)) == 0)
		return true;
	fprintf(stderr, "loftctl: Passwords don't match!\n");
	return false;
}

static int
fail(const char *what, const char *which)
{
	fprintf(stderr, "loftctl: %s%s\n", what, which);
	return CTL_TEMPFAIL;
}

static int
list_schemes(void)
{
	const char *name;

	for (size_t i = 0; (name = password_scheme_at(i)) != NULL; i++)
		if (strcmp(name, "ARGON2") != 0)	/* verified only */
			printf("%s ", name);
	printf("\n");
	return 0;
}

static int
compare(const struct wish *w, const char *stored, struct span clear)
{
	if (*stored != '{' || strchr(stored, '}') == NULL)
		return fail("Missing {scheme} prefix from hash", "");
	switch ((int)password_verify(span_of(stored), "", span_of(w->user),
	    clear)) {
	case ERR_OK:
		printf("%s (verified)\n", stored);
		return 0;
	case ERR_NOTFOUND:
		return fail("reverse decode check failed: Unknown scheme ",
		    password_scheme(span_of(stored), ""));
	case ERR_CORRUPT:
		return fail("reverse decode check failed: ", "this is not "
		    "what the scheme's hashes look like");
	default:
		return fail("reverse password verification check failed: "
		    "Password mismatch", "");
	}
}

static int
make(const struct wish *w, struct span clear)
{
	struct buf out = { .secret = true };
	enum err e = password_make(w->scheme, span_of(w->user), clear,
	    w->rounds, &out);
	int code = 0;

	if (e == ERR_NOTFOUND)
		code = fail("Unknown scheme: ", w->scheme);
	else if (e != ERR_OK)
		code = fail("no such password can be made: DIGEST-MD5 needs "
		    "-u USER, other rounds (-r) may be possible: ", w->scheme);
	else if (w->verify)
		code = compare(w, buf_cstr(&out), clear);
	else
		printf("%s\n", buf_cstr(&out));
	buf_clear(&out);
	return code;
}

static bool
take_words(int argc, char **argv, struct wish *w)
{
	char *end;
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "s:p:t:r:u:lV")) != -1) {
		if (c == 's') {
			w->scheme = optarg;
		} else if (c == 'p') {
			w->clear = optarg;
		} else if (c == 't') {
			w->stored = optarg;
		} else if (c == 'u') {
			w->user = optarg;
		} else if (c == 'l') {
			w->list = true;
		} else if (c == 'V') {
			w->verify = true;
		} else if (c == 'r') {
			unsigned long rounds = strtoul(optarg, &end, 10);

			if (*end != '\0' || rounds > SCHEME_ROUNDS_MAX)
				return false;
			w->rounds = (unsigned)rounds;
		} else {
			return false;
		}
	}
	return optind == argc;
}

int
ctl_pw(int argc, char **argv)
{
	struct wish w = { .scheme = "CRYPT", .user = "" };
	struct buf clear = { .secret = true };
	int code = CTL_TEMPFAIL;

	if (!take_words(argc, argv, &w))
		return -1;
	if (w.list)
		return list_schemes();
	if (w.clear != NULL)
		buf_adds(&clear, w.clear);
	if (w.clear != NULL || ask(&w, &clear))
		code = w.stored != NULL ? compare(&w, w.stored,
		    buf_span(&clear)) : make(&w, buf_span(&clear));
	buf_clear(&clear);
	return code;
}
