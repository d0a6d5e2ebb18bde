/*
 * The mail verbs. loftctl knows their options and who is meant, and shows what comes
 * back; the worker that opens the account knows the rest (worker/mail.h, where the
 * conversation is described).
 */
#include "daemon/ctl_mail.h"

#include "common/clock.h"
#include "common/tabtext.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_users.h"
#include "daemon/progress.h"
#include "daemon/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 10000, LINE_MAX_BYTES = 1 << 20 };

static const struct verb {
	const char *name, *options;
	int least, most;
	const char *format, *arguments;
} verbs[] = {
#define VERB(name, options, least, most, format, arguments) \
	{ name, options, least, most, format, arguments },
#include "daemon/ctl_mail.def"
#undef VERB
};

/* One verb for some users. */
struct run {
	const struct verb *verb;
	const char *format;
	struct ctl_users users;
	struct buf request;
	int input_fd;		/* of save, -1: none */
	bool input_used;
	struct table *table;
	struct progress progress;
	size_t done;		/* users */
	const char *user;
	int code;		/* the first that was not 0 */
};

/* How many words the verb has; 0: these are none. */
static int
find(int argc, char **argv, const struct verb **out)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		struct span rest = span_of(verbs[i].name);
		struct span first = span_cut(&rest, ' ');

		if (argc == 0 || !span_eq(first, span_of(argv[0])) ||
		    (rest.p != NULL && (argc < 2 ||
		    !span_eq(rest, span_of(argv[1])))))
			continue;
		*out = &verbs[i];
		return rest.p != NULL ? 2 : 1;
	}
	return 0;
}

bool
ctl_mail_is(int argc, char **argv)
{
	const struct verb *v;

	return find(argc, argv, &v) > 0;
}

void
ctl_mail_usage(void)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		fprintf(stderr, "  %s [-u <user>|-A|-F <file>] %s\n",
		    verbs[i].name, verbs[i].arguments);
}

static int
usage(const struct verb *v)
{
	fprintf(stderr, "%s %s [-u <user>|-A|-F <file>] %s\n", ctl_name(),
	    v->name, v->arguments);
	return CTL_USAGE;
}

/* ---- the request ---- */

static void
add_word(struct run *r, const char *word)
{
	if (r->request.n > 0)
		buf_addc(&r->request, '\t');
	tabtext_escape(span_of(word), &r->request);
}

static void
add_option(struct run *r, int letter, const char *value)
{
	char word[4] = { '-', (char)letter };
	struct buf b = { 0 };

	buf_adds(&b, word);
	buf_adds(&b, value == NULL ? "" : value);
	add_word(r, buf_cstr(&b));
	buf_clear(&b);
}

/* "+" stops at the first argument: a query may have a "-". False: wrong. */
static bool
read_options(struct run *r, int argc, char **argv)
{
	char known[32];
	int c;

	snprintf(known, sizeof(known), "+u:AF:S:%s%s", r->verb->options,
	    strchr(r->verb->options, 'f') == NULL ? "f:" : "");
	optind = 1;
	while ((c = getopt(argc, argv, known)) != -1) {
		if (c == '?')
			return false;
		if (strchr(r->verb->options, c) != NULL)
			add_option(r, c, optarg);
		else if (c == 'u')
			r->users.user = optarg;
		else if (c == 'A')
			r->users.all = true;
		else if (c == 'F')
			r->users.file = optarg;
		else if (c == 'f')
			r->format = optarg;
	}
	return table_is_format(r->format);
}

/* ---- what comes back ---- */

static void
complain(struct run *r, struct span text)
{
	progress_hide(&r->progress);
	fprintf(stderr, "%s(%s): Error: %.*s\n", ctl_name(), r->user,
	    (int)text.n, text.p);
}

static bool
send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* The message, in pieces; the first line of an mbox is none of it. */
static void
send_message(struct run *r, int fd)
{
	char piece[32768], head[32];
	ssize_t n = -1;

	if (r->input_used && lseek(r->input_fd, 0, SEEK_SET) < 0)
		complain(r, SPAN("standard input can be saved once; name a "
		    "file"));
	else
		while ((n = read(r->input_fd, piece, sizeof(piece))) > 0) {
			snprintf(head, sizeof(head), "%zd\n", n);
			if (!send_all(fd, head, strlen(head)) ||
			    !send_all(fd, piece, (size_t)n))
				return;
		}
	r->input_used = true;
	/* What could not be read is no message: the worker hears no end. */
	if (n < 0) {
		shutdown(fd, SHUT_WR);
		return;
	}
	send_all(fd, "0\n", 2);
}

static void
show_progress(struct run *r, struct span line)
{
	uint64_t done = 0, all = 0;

	span_to_u64(span_cut(&line, '\t'), SIZE_MAX, &done);
	span_to_u64(line, SIZE_MAX, &all);
	progress_show(&r->progress, r->done, r->users.n, r->user, done, all,
	    clock_mono_ms());
}

static void
take_names(struct run *r, struct span names)
{
	struct buf line = { 0 };

	if (r->users.many)
		buf_adds(&line, "=username\t");
	buf_add_span(&line, names);
	table_names(r->table, buf_span(&line));
	buf_clear(&line);
}

static void
begin_row(struct run *r)
{
	struct buf user = { 0 };

	progress_hide(&r->progress);
	if (!r->users.many)
		return;
	tabtext_escape(span_of(r->user), &user);
	buf_addc(&user, '\t');
	table_feed(r->table, buf_span(&user));
	buf_clear(&user);
}

/* A line that is no row; *code_out when it was the last. */
static bool
take_line(struct run *r, int fd, struct span line, int *code_out)
{
	struct arena a = { 0 };
	struct span text = { line.p + 1, line.n - 1 }, plain;
	uint64_t code = CTL_TEMPFAIL;

	switch (*line.p) {
	case 'H':
		take_names(r, text);
		break;
	case 'E':
		if (tabtext_unescape(text, &a, &plain) == ERR_OK)
			complain(r, plain);
		break;
	case 'I':
		if (tabtext_unescape(text, &a, &plain) == ERR_OK)
			printf("%s(%s): Info: %.*s\n", ctl_name(), r->user,
			    (int)plain.n, plain.p);
		break;
	case 'P':
		show_progress(r, text);
		break;
	case '>':
		send_message(r, fd);
		break;
	case '.':
		if (!span_to_u64(text, 255, &code))
			code = CTL_TEMPFAIL;
		*code_out = (int)code;
		break;
	}
	arena_free(&a);
	return *line.p == '.';
}

/* Lines as they come; rows go on to the table byte by byte. */
static int
listen_to(struct run *r, int fd)
{
	struct buf line = { .max = LINE_MAX_BYTES };
	bool row = false;
	char part[32768];
	int code = -1;
	ssize_t n;

	while (code < 0 && (n = recv(fd, part, sizeof(part), 0)) > 0) {
		struct span s = { part, (size_t)n };

		while (s.n > 0 && code < 0) {
			size_t k = span_find(s, '\n'), end = k < s.n;

			if (!row && line.n == 0 && *s.p == 'R') {
				begin_row(r);
				row = true;
				s.p++, s.n--;
				continue;
			}
			if (row)
				table_feed(r->table,
				    (struct span){ s.p, k + end });
			else
				buf_add(&line, s.p, k);
			if (end && !row && line.n > 0)
				take_line(r, fd, buf_span(&line), &code);
			if (end)
				buf_reset(&line), row = false;
			s.p += k + end;
			s.n -= k + end;
		}
	}
	/* A worker that died in the middle of a row. */
	if (row)
		table_feed(r->table, SPAN("\n"));
	if (code < 0)
		complain(r, SPAN("the answer broke off; the log says why"));
	buf_clear(&line);
	return code < 0 ? CTL_TEMPFAIL : code;
}

static void
run_for(struct run *r, const char *user)
{
	const char *words[] = { "admin", user, "mail" };
	struct buf said = { 0 };
	int code, fd;

	r->user = user;
	progress_show(&r->progress, r->done, r->users.n, user, 0, 0,
	    clock_mono_ms());
	if ((code = ctl_talk(words, 3, &fd, &said)) == 0) {
		code = send_all(fd, r->request.p, r->request.n) ?
		    listen_to(r, fd) : CTL_TEMPFAIL;
		close(fd);
	} else {
		complain(r, code == CTL_NOUSER ? SPAN("User doesn't exist") :
		    span_trim(buf_span(&said)));
	}
	if (r->code == 0)
		r->code = code;
	buf_clear(&said);
}

static int
open_input(struct run *r, const char *path)
{
	r->input_fd = path == NULL ? STDIN_FILENO :
	    open(path, O_RDONLY | O_CLOEXEC);
	if (r->input_fd >= 0)
		return 0;
	ctl_complain("%s: %s", path, strerror(errno));
	return CTL_NOINPUT;
}

static int
run(struct run *r)
{
	struct span rest = buf_span(&r->users.names);

	r->table = table_open(stdout, r->format);
	progress_begin(&r->progress, stderr, isatty(STDERR_FILENO),
	    clock_mono_ms());
	for (; rest.n > 0; r->done++)
		run_for(r, span_cut(&rest, '\0').p);
	progress_hide(&r->progress);
	table_close(&r->table);
	return r->code;
}

int
ctl_mail(int argc, char **argv, const char *format)
{
	struct run r = { .input_fd = -1 };
	int words = find(argc, argv, &r.verb), code;
	bool saves;

	r.format = format == NULL ? r.verb->format : format;
	add_word(&r, r.verb->name);
	argc -= words - 1;
	argv += words - 1;
	if (!read_options(&r, argc, argv) || argc - optind < r.verb->least ||
	    argc - optind > r.verb->most)
		return usage(r.verb);
	saves = strcmp(r.verb->name, "save") == 0;
	add_word(&r, "--");
	for (int i = optind; i < argc && !saves; i++)
		add_word(&r, argv[i]);
	buf_addc(&r.request, '\n');
	if ((code = ctl_users_find(&r.users)) == 0 && saves)
		code = open_input(&r, argv[optind]);
	if (code == 0)
		code = run(&r);
	if (r.input_fd > STDIN_FILENO)
		close(r.input_fd);
	ctl_users_clear(&r.users);
	buf_clear(&r.request);
	return code;
}
