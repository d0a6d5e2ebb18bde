/*
 * loftctl's verbs about sessions and accounts: the request "admin USER WORD ..." goes
 * to a worker (worker/admin.def), the answer is rows for table.c.
 */
#include "daemon/ctl_account.h"

#include "common/buf.h"
#include "common/span.h"
#include "daemon/ctl_ask.h"
#include "daemon/table.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A request of one line: the master takes 24 words. */
enum { WORDS_MAX = 20 };

/* What the verbs have in common. */
struct options {
	const char *user, *format;
};

/* Reads -u and -f; what is left begins at optind. False: wrong. */
static bool
options(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .format = "table" };
	optind = 1;
	while ((c = getopt(argc, argv, "+u:f:")) != -1) {
		if (c == 'u')
			o->user = optarg;
		else if (c == 'f' && table_is_format(optarg))
			o->format = optarg;
		else
			return false;
	}
	return true;
}

static int
ask_account(const char *user, const char *word, char **arg, int n,
    struct buf *answer)
{
	const char *words[WORDS_MAX] = { "admin", user, word };

	if (n > WORDS_MAX - 3) {
		fprintf(stderr, "loftctl: too many words\n");
		return CTL_USAGE;
	}
	for (int i = 0; i < n; i++)
		words[i + 3] = arg[i];
	return ctl_ask(words, (size_t)n + 3, answer);
}

static int
show_rows(const struct options *o, const char *word, char **arg, int n)
{
	struct buf rows = { 0 };
	int code = ask_account(o->user, word, arg, n, &rows);

	if (code == 0)
		table_print(stdout, o->format, buf_span(&rows));
	buf_clear(&rows);
	return code;
}

static int
show_text(const struct options *o, const char *word, char **arg, int n)
{
	struct buf text = { 0 };
	int code = ask_account(o->user, word, arg, n, &text);

	if (code == 0 && text.n > 0)
		fwrite(text.p, 1, text.n, stdout);
	buf_clear(&text);
	return code;
}

/* ---- who ---- */

/* The master's "user, address, pid, since, ...", with doveadm who's columns. */
static void
add_who(struct span line, struct buf *rows)
{
	struct span user = span_cut(&line, '\t');
	struct span ip = span_cut(&line, '\t');
	struct span pid = span_cut(&line, '\t');
	uint64_t since = 0;
	char text[32] = "";
	time_t t;
	struct tm tm;

	if (span_to_u64(span_cut(&line, '\t'), UINT64_MAX, &since)) {
		t = (time_t)since;
		strftime(text, sizeof(text), "%F %T", localtime_r(&t, &tm));
	}
	buf_addf(rows, "%.*s\timap\t%.*s\t%.*s\t%s\n", (int)user.n, user.p,
	    (int)pid.n, pid.p, (int)ip.n, ip.p, text);
}

int
ctl_who(int argc, char **argv)
{
	struct buf rows = { 0 }, answer = { 0 };
	const char *words[2] = { "who" };
	struct options o;
	struct span lines;
	int code;

	if (!options(argc, argv, &o) || argc - optind > 1)
		return -1;
	words[1] = optind < argc ? argv[optind] : o.user;
	if ((code = ctl_ask(words, words[1] != NULL ? 2 : 1, &answer)) != 0)
		return code;
	buf_adds(&rows, "username\tproto\tpid\tip\tsince\n");
	for (lines = buf_span(&answer); lines.n > 0;)
		add_who(span_cut(&lines, '\n'), &rows);
	table_print(stdout, o.format, buf_span(&rows));
	buf_clear(&rows);
	buf_clear(&answer);
	return 0;
}

/* ---- sessions ---- */

/* Private memory of a process, "" where it is not to be seen. */
static void
add_memory(struct span pid, struct buf *out)
{
	char path[64], line[256];
	unsigned long kib, sum = 0;
	bool known = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.*s/smaps_rollup", (int)pid.n,
	    pid.p);
	if ((f = fopen(path, "re")) != NULL) {
		while (fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "Private_Clean: %lu", &kib) == 1 ||
			    sscanf(line, "Private_Dirty: %lu", &kib) == 1) {
				sum += kib;
				known = true;
			}
		fclose(f);
	}
	if (known)
		buf_addf(out, "%lu KiB", sum);
	else
		buf_addc(out, '-');
}

/* A line of who's answer by its process; what is left of it follows the pid. */
static bool
find_who(struct span who, struct span user, struct span pid,
    struct span *address_out, struct span *rest_out)
{
	while (who.n > 0) {
		struct span line = span_cut(&who, '\n');
		bool same = span_eq(span_cut(&line, '\t'), user);

		*address_out = span_cut(&line, '\t');
		if (same && span_eq(span_cut(&line, '\t'), pid)) {
			*rest_out = line;
			return true;
		}
	}
	return false;
}

/* Memory, and how long ago its last command ended. */
static void
add_process(struct span who, struct span user, struct span pid,
    struct buf *rows)
{
	struct span address, rest;
	uint64_t number, ms;

	buf_addc(rows, '\t');
	if (span_to_u64(pid, INT32_MAX, &number))
		add_memory(pid, rows);
	if (find_who(who, user, pid, &address, &rest) &&
	    (span_cut(&rest, '\t'), span_to_u64(rest, UINT64_MAX, &ms)))
		buf_addf(rows, "\t%llu s\n", (unsigned long long)ms / 1000);
	else
		buf_adds(rows, "\t-\n");
}

/* The account's rows, each with what is known of its process. */
static void
add_sessions(struct span answer, struct span who, struct buf *rows)
{
	struct span head = span_cut(&answer, '\n');

	if (rows->n == 0)
		buf_addf(rows, "%.*s\tmemory\tidle\n", (int)head.n, head.p);
	while (answer.n > 0) {
		struct span line = span_cut(&answer, '\n'), rest = line;
		struct span user = span_cut(&rest, '\t');

		buf_add_span(rows, line);
		add_process(who, user, span_cut(&rest, '\t'), rows);
	}
}

/* Whether rows have a process already. */
static bool
has_process(struct span rows, struct span pid)
{
	while (rows.n > 0) {
		struct span row = span_cut(&rows, '\n');

		span_cut(&row, '\t');
		if (span_eq(span_cut(&row, '\t'), pid))
			return true;
	}
	return false;
}

/* Who is logged in and has opened nothing: the account's state knows nothing of them. */
static void
add_idlers(struct span who, struct span wanted, struct buf *rows)
{
	struct span lines = who;

	while (lines.n > 0) {
		struct span line = span_cut(&lines, '\n');
		struct span user = span_cut(&line, '\t');
		struct span address = span_cut(&line, '\t');
		struct span pid = span_cut(&line, '\t');

		if (!span_eq(user, wanted) ||
		    has_process(buf_span(rows), pid))
			continue;
		buf_addf(rows, "%.*s\t%.*s\t%.*s\t-\t-\t-\t-\t-",
		    (int)user.n, user.p, (int)pid.n, pid.p, (int)address.n,
		    address.p);
		add_process(who, user, pid, rows);
	}
}

static int
user_sessions(struct span user, struct span who, struct buf *rows)
{
	struct buf answer = { 0 }, name = { 0 };
	int code;

	buf_add_span(&name, user);
	code = ask_account(buf_cstr(&name), "sessions", NULL, 0, &answer);
	if (code == 0) {
		add_sessions(buf_span(&answer), who, rows);
		add_idlers(who, user, rows);
	}
	buf_clear(&answer);
	buf_clear(&name);
	return code;
}

/* Whether a line before this one of who's answer is of the same user. */
static bool
is_known(struct span lines, struct span line, struct span user)
{
	while (lines.p < line.p)
		if (span_eq(span_cut(&lines, '\t'), user))
			return true;
		else
			span_cut(&lines, '\n');
	return false;
}

static int
all_sessions(struct span who, struct buf *rows)
{
	struct span rest = who;
	int code = 0, one;

	while (rest.n > 0) {
		struct span line = span_cut(&rest, '\n'), row = line;
		struct span user = span_cut(&row, '\t');

		if (!is_known(who, line, user) &&
		    (one = user_sessions(user, who, rows)) != 0)
			code = one;
	}
	return code;
}

int
ctl_sessions(int argc, char **argv)
{
	const char *words[] = { "who" };
	struct buf rows = { 0 }, who = { 0 };
	struct options o;
	int code;

	if (!options(argc, argv, &o) || optind != argc)
		return -1;
	if ((code = ctl_ask(words, 1, &who)) != 0)
		return code;
	code = o.user == NULL ? all_sessions(buf_span(&who), &rows) :
	    user_sessions(span_of(o.user), buf_span(&who), &rows);
	if (code == 0 || rows.n > 0)
		table_print(stdout, o.format, buf_span(&rows));
	buf_clear(&who);
	buf_clear(&rows);
	return code;
}

/* ---- ghosts ---- */

int
ctl_ghosts(int argc, char **argv)
{
	bool release = argc > 1 && strcmp(argv[1], "release") == 0;
	struct options o;

	if (release || (argc > 1 && strcmp(argv[1], "list") == 0))
		argc--, argv++;
	if (!options(argc, argv, &o) || o.user == NULL || argc - optind > 1)
		return -1;
	return release ?
	    show_text(&o, "ghosts-release", argv + optind, argc - optind) :
	    show_rows(&o, "ghosts", argv + optind, argc - optind);
}

/* ---- kick ---- */

/* Those of a user's sessions that have the mailbox open, by their processes. */
static int
kick_mailbox(const char *user, char *mailbox)
{
	const char *words[WORDS_MAX] = { "kick" };
	struct buf answer = { 0 }, text = { 0 };
	char pids[WORDS_MAX][24];
	int code = ask_account(user, "sessions", &mailbox, 1, &answer);
	struct span rest = buf_span(&answer);
	size_t n = 1;
	bool any = false;

	span_cut(&rest, '\n');
	while (code == 0 && rest.n > 0) {
		struct span line = span_cut(&rest, '\n');
		struct span pid = (span_cut(&line, '\t'),
		    span_cut(&line, '\t'));

		snprintf(pids[n], sizeof(pids[n]), "%.*s", (int)pid.n, pid.p);
		words[n] = pids[n];
		if (++n < WORDS_MAX && rest.n > 0)
			continue;
		code = ctl_ask(words, n, &text);
		any = true;
		n = 1;
	}
	if (code == 0 && !any) {
		fprintf(stderr, "0 such sessions\n");
		code = CTL_NOHOST;
	}
	if (text.n > 0)
		fwrite(text.p, 1, text.n, stdout);
	buf_clear(&text);
	buf_clear(&answer);
	return code;
}

int
ctl_kick(int argc, char **argv)
{
	const char *words[2] = { "kick" };
	struct buf text = { 0 };
	struct options o;
	int code;

	if (!options(argc, argv, &o) || argc - optind > 1 ||
	    (o.user == NULL && optind == argc))
		return -1;
	if (o.user != NULL && optind < argc)
		return kick_mailbox(o.user, argv[optind]);
	words[1] = optind < argc ? argv[optind] : o.user;
	if ((code = ctl_ask(words, 2, &text)) == 0)
		fwrite(text.p, 1, text.n, stdout);
	buf_clear(&text);
	return code;
}

/* ---- verbs with a second word ---- */

struct verb {
	const char *verb, *word;	/* as it is typed; of worker/admin.def */
	int least, most;		/* arguments */
	bool rows;			/* a table comes back */
};

static int
run_verb(const struct verb *verbs, size_t n_verbs, int argc, char **argv)
{
	struct options o;

	if (argc < 2 || !options(argc - 1, argv + 1, &o) || o.user == NULL)
		return -1;
	for (size_t i = 0; i < n_verbs; i++) {
		char **arg = argv + 1 + optind;
		int n = argc - 1 - optind;

		if (strcmp(argv[1], verbs[i].verb) != 0)
			continue;
		if (n < verbs[i].least || n > verbs[i].most)
			return -1;
		return verbs[i].rows ? show_rows(&o, verbs[i].word, arg, n) :
		    show_text(&o, verbs[i].word, arg, n);
	}
	return -1;
}

int
ctl_policy(int argc, char **argv)
{
	static const struct verb verbs[] = {
		{ "get", "policy-get", 1, 1, true },
		{ "list", "policy-list", 0, 0, true },
		{ "set", "policy-set", 2, 16, false },
		{ "unset", "policy-unset", 1, 16, false },
	};

	return run_verb(verbs, sizeof(verbs) / sizeof(*verbs), argc, argv);
}

int
ctl_quota(int argc, char **argv)
{
	static const struct verb verbs[] = {
		{ "get", "quota-get", 0, 0, true },
		{ "recalc", "quota-recalc", 0, 0, false },
	};

	return run_verb(verbs, sizeof(verbs) / sizeof(*verbs), argc, argv);
}
