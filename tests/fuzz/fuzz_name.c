/*
 * Names from clients and directories: LIST patterns beside a plain recursive
 * matcher, mailbox names beside their directories, file names taken apart and
 * put together. Input: a byte that chooses, then fields that end with NUL.
 */
#include "maildir/flags.h"
#include "maildir/name.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
plain_match(struct span s, struct span p, char sep)
{
	if (p.n == 0)
		return s.n == 0;
	struct span p1 = { p.p + 1, p.n - 1 };
	if (p.p[0] == '*' || p.p[0] == '%') {
		for (size_t i = 0;; i++) {
			if (plain_match((struct span){ s.p + i, s.n - i }, p1,
			    sep))
				return true;
			if (i == s.n || (p.p[0] == '%' && s.p[i] == sep))
				return false;
		}
	}
	return s.n > 0 && s.p[0] == p.p[0] &&
	    plain_match((struct span){ s.p + 1, s.n - 1 }, p1, sep);
}

static void
try_pattern(struct span in)
{
	struct span name = span_cut(&in, '\0'), pattern = in;
	size_t wild = 0;
	bool is = name_matches(name, pattern, '.');

	for (size_t i = 0; i < pattern.n; i++)
		wild += pattern.p[i] == '*' || pattern.p[i] == '%';
	if (name.n > 40 || wild > 4 || span_istarts(name, SPAN("INBOX")))
		return;
	if (is != plain_match(name, pattern, '.'))
		abort();
}

static void
try_name(struct span in)
{
	struct span back;
	char dir[256];

	if (name_check(in) != ERR_OK)
		return;
	name_to_dir(in, dir);
	if (name_is_inbox(in))
		return;
	if (!name_from_dir(dir, &back) || !span_eq(back, in) ||
	    strchr(dir, '/') != NULL || strcmp(dir, "..") == 0)
		abort();
}

static void
try_file(struct span in)
{
	struct flagged_name f, g;
	char extra[64], extra_again[64], out[400];

	if (!flags_parse_name(in, &f, extra))
		return;
	if (flags_make_name(f.base, f.flags, f.keywords, f.unknown, out) !=
	    ERR_OK)
		return;
	if (!flags_parse_name(span_of(out), &g, extra_again) ||
	    !span_eq(f.base, g.base) || f.flags != g.flags ||
	    f.keywords != g.keywords || f.size != g.size ||
	    f.vsize != g.vsize || !g.has_info)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = { (const char *)data + 1, n - 1 };

	if (n == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		try_pattern(in);
		break;
	case 1:
		try_name(in);
		break;
	default:
		try_file(in);
	}
	return 0;
}
