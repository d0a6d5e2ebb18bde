/*
 * Any text as a configuration: reading it ends, and what was accepted reads
 * back the same when printed. No other file is opened. The last line is a
 * template for %variables as well.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "common/config_impl.h"
#include "common/log.h"

static const struct config_vars vars = { .user = "Anna@Example.org",
	.home = "/home/anna", .service = "imap", .session = "s",
	.uid = "1000" };

static void
expand_last_line(struct span text)
{
	struct arena a = { 0 };
	struct mail_location l;
	const char *out, *problem, *template;
	size_t n = text.n;

	while (n > 0 && text.p[n - 1] != '\n')
		n--;
	template = arena_cstr(&a, (struct span){ text.p + n, text.n - n });
	if (config_expand(template, &vars, &a, &out) == ERR_OK &&
	    strlen(out) > 65536)
		abort();
	if (mail_location_parse(template, &a, &l, &problem) == ERR_OK) {
		if (l.path == NULL || *l.path == '\0')
			abort();
	} else if (problem == NULL) {
		abort();
	}
	arena_free(&a);
}

static void
check_round_trip(const struct config *c, bool changed_only)
{
	struct buf first = { 0 }, again = { 0 }, full = { 0 };
	struct config_problem *p;
	struct config *d;

	config_print(c, changed_only, true, &first);
	config_print(c, false, true, &full);
	if (cfg_parse(buf_span(&first), "again.conf", true, &d, &p) != ERR_OK)
		abort();
	config_print(d, false, true, &again);
	if (!span_eq(buf_span(&full), buf_span(&again)))
		abort();
	config_free(&d);
	buf_clear(&first);
	buf_clear(&again);
	buf_clear(&full);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = { (const char *)data, n };
	struct config_problem *p;
	struct config *c;
	struct buf hidden = { 0 };
	bool fatal_one = false;
	static int quiet = -1;
	enum err e;

	if (quiet < 0)
		log_open(quiet = open("/dev/null", O_WRONLY), false, NULL);
	e = cfg_parse(text, "fuzz.conf", true, &c, &p);
	for (; p != NULL; p = p->next)
		fatal_one = fatal_one || p->is_fatal;
	if (fatal_one != (e == ERR_SYNTAX))
		abort();
	if (e == ERR_OK) {
		check_round_trip(c, false);
		check_round_trip(c, true);
	}
	config_print(c, false, false, &hidden);
	buf_clear(&hidden);
	config_free(&c);
	expand_last_line(text);
	return 0;
}
