/* Configurations as text, and what is said about them: for test_config*.c. */
#ifndef TESTS_UNIT_CONFIG_TEXT_H
#define TESTS_UNIT_CONFIG_TEXT_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/fsutil.h"
#include "common/log.h"

/* In front of a text that is not about these: nothing else to be said. */
#define QUIET "passdb {\ndriver = static\nargs = password=x\n}\n" \
	"userdb {\ndriver = static\nargs = uid=1000\n}\nssl = no\n"
enum { QUIET_LINES = 9 };

/* A configuration and what was said about it, one "line kind: text" a line. */
struct loaded {
	struct config *c;
	enum err e;
	struct buf said;
};

[[maybe_unused]] static void
note(struct loaded *l, const struct config_problem *p)
{
	for (; p != NULL; p = p->next)
		buf_addf(&l->said, "%s%s%u %s: %s\n",
		    strcmp(p->file, l->c->path) == 0 ? "" : p->file,
		    strcmp(p->file, l->c->path) == 0 ? "" : ":", p->line,
		    p->is_fatal ? "fatal" : p->is_ignored ? "ignored" : "note",
		    p->text);
	(void)buf_cstr(&l->said);
}

[[maybe_unused]] static void
parse(struct loaded *l, const char *text)
{
	struct config_problem *p;

	*l = (struct loaded){ 0 };
	l->e = config_parse(span_of(text), "/nowhere/loft.conf", &l->c, &p);
	note(l, p);
}

[[maybe_unused]] static void
release(struct loaded *l)
{
	config_free(&l->c);
	assert_null(l->c);
	buf_clear(&l->said);
}

/* Line numbers are those of `text`; `said` is all that is said. */
[[maybe_unused]] static void
check_said(const char *text, const char *said)
{
	char *whole = NULL;
	struct loaded l;
	struct buf want = { 0 };
	struct span rest = span_of(said), line;

	assert_true(asprintf(&whole, "%s%s", QUIET, text) > 0);
	parse(&l, whole);
	while (rest.p != NULL && rest.n > 0) {
		line = span_cut(&rest, '\n');
		if (*line.p == '0')
			buf_add_span(&want, line);
		else
			buf_addf(&want, "%ld%.*s",
			    strtol(line.p, NULL, 10) + QUIET_LINES,
			    (int)(line.n - strspn(line.p, "0123456789")),
			    line.p + strspn(line.p, "0123456789"));
		buf_addc(&want, '\n');
	}
	if (strcmp(buf_cstr(&l.said), buf_cstr(&want)) != 0)
		fail_msg("of:\n%s\nis said:\n%s\nnot:\n%s", text,
		    buf_cstr(&l.said), buf_cstr(&want));
	assert_int_equal(l.e, strstr(said, " fatal: ") != NULL ? ERR_SYNTAX :
	    ERR_OK);
	buf_clear(&want);
	free(whole);
	release(&l);
}

/* Of a text (its first line is ssl = no) is said what follows. */
#define SAID(text, ...) \
	do { \
		parse(&l, "ssl = no\n" text); \
		assert_string_equal(buf_cstr(&l.said), __VA_ARGS__); \
		release(&l); \
	} while (0)

[[maybe_unused]] static const struct config_listener *
listener(const struct config *c, const char *name)
{
	const struct config_listener *l = c->listeners;

	while (l != NULL && strcmp(l->name, name) != 0)
		l = l->next;
	return l;
}

/* ---- a directory for files ---- */

static char dir[] = "/tmp/loft-config-XXXXXX";

[[maybe_unused]] static const char *
in_dir(const char *name)
{
	static char path[200];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

[[maybe_unused]] static void
put(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

[[maybe_unused]] static void
load(struct loaded *l, const char *name)
{
	struct config_problem *p;

	*l = (struct loaded){ 0 };
	l->e = config_load(name[0] == '/' ? name : in_dir(name), &l->c, &p);
	note(l, p);
}

[[maybe_unused]] static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL ? -1 : 0;
}

[[maybe_unused]] static int
remove_dir(void **state)
{
	(void)state;
	return fs_remove_tree(AT_FDCWD, dir) == ERR_OK ? 0 : -1;
}

#endif
