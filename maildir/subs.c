/*
 * The subscriptions file.
 *
 *   version 1: one name per line, levels joined with "."
 *   version 2: "V\t2", an empty line, then one name per line, levels joined with
 *              a TAB and each escaped: \001 and one of "0" (NUL), "1" (\001),
 *              "t" (TAB), "r" (CR), "n" (LF)
 *
 * A "." within a level of version 2 that has a "@" (somebody else's name:
 * "anna@example.org") is a "/" here, which no level has.
 *
 * Written by temp and rename under subscriptions.lock, read without it. Lines
 * that are no names of ours are kept as they are, and not told to anybody.
 * Courier's courierimapsubscribed ("INBOX.Sent") counts while there is no
 * subscriptions; it is never written.
 */
#include "maildir/subs.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/fsutil.h"
#include "common/lock.h"
#include "common/log.h"
#include "maildir/name.h"

#define SUBS_FILE "subscriptions"
#define SUBS_LOCK "subscriptions.lock"
#define COURIER_FILE "courierimapsubscribed"

enum {
	SUBS_FILE_MAX = 64 << 20, LINE_BYTES = 1024,
	LOCK_TIMEOUT_MS = 30000, LOCK_STALE_S = 30
};

enum form { FORM_V1, FORM_V2, FORM_COURIER };

static const struct span v2_head = SPAN("V\t2\n\n");

/* The file as it is; absent is an empty one of version 2. */
static enum err
read_file(int control_fd, struct buf *text, enum form *form_out)
{
	enum err e = fs_read(control_fd, SUBS_FILE, SUBS_FILE_MAX, text);

	*form_out = FORM_V1;
	if (e == ERR_OK) {
		buf_drop_cr(text);
		if (span_starts(buf_span(text), v2_head)) {
			*form_out = FORM_V2;
			buf_drop(text, v2_head.n);
		}
		return ERR_OK;
	}
	*form_out = FORM_COURIER;
	if (e == ERR_NOTFOUND)
		e = fs_read(control_fd, COURIER_FILE, SUBS_FILE_MAX, text);
	if (e == ERR_OK || e == ERR_PERM)
		return e;
	*form_out = FORM_V2;
	return e == ERR_NOTFOUND ? ERR_OK : ERR_IO;
}

/* Whether the level around this byte has a "@". */
static bool
is_address(struct span line, size_t at)
{
	size_t from = at, to = at;

	while (from > 0 && line.p[from - 1] != '\t')
		from--;
	while (to < line.n && line.p[to] != '\t')
		to++;
	return memchr(line.p + from, '@', to - from) != NULL;
}

/* A byte of a version 2 line, its escape resolved; false: a bad escape. */
static bool
next_byte(struct span line, size_t *at, char *c_out)
{
	static const char codes[] = "01trn", bytes[] = "\0\001\t\r\n";
	char c = line.p[(*at)++];
	const char *code;

	if (c == '/')
		return false;
	if (c == '.' && is_address(line, *at - 1)) {
		*c_out = '/';
		return true;
	}
	*c_out = c == '\t' ? '.' : c;
	if (c != '\001')
		return true;
	if (*at == line.n || line.p[*at] == '\0')
		return false;
	code = strchr(codes, line.p[(*at)++]);
	if (code == NULL)
		return false;
	*c_out = bytes[code - codes];
	return true;
}

static bool
is_possible(struct span s)
{
	char copy[256];

	if (s.n > sizeof(copy))
		return false;
	for (size_t i = 0; i < s.n; i++)
		copy[i] = s.p[i] == '/' ? '_' : s.p[i];
	return name_check((struct span){ copy, s.n }) == ERR_OK;
}

/*
 * The storage name that a line means, in name (not longer than the line);
 * false: none.
 */
static bool
line_to_name(struct span line, enum form form, char *name, size_t *n_out)
{
	struct span s;
	size_t n = 0;

	if (line.n > LINE_BYTES)
		return false;	/* longer than any name, escapes and all */
	if (form == FORM_COURIER && span_istarts(line, SPAN("INBOX."))) {
		line.p += 6;
		line.n -= 6;
	}
	if (form == FORM_V2) {
		for (size_t i = 0; i < line.n; n++)
			if (!next_byte(line, &i, &name[n]))
				return false;
	} else {
		if (line.n > 0)
			memcpy(name, line.p, line.n);
		n = line.n;
	}
	s = (struct span){ name, n };
	if (name_is_inbox(s))
		memcpy(name, "INBOX", 5);
	*n_out = n;
	return is_possible(s);
}

static void
add_line(struct buf *out, struct span name, enum form form)
{
	for (size_t i = 0; i < name.n; i++)
		buf_addc(out, name.p[i] == '/' ? '.' : form == FORM_V2 &&
		    name.p[i] == '.' ? '\t' : name.p[i]);
	buf_addc(out, '\n');
}

enum err
subs_read(int control_fd, struct arena *a, struct span **names_out,
    size_t *n_out)
{
	struct buf text = { 0 };
	struct span rest, line;
	size_t lines = 1, n = 0, length;
	enum form form;
	enum err e;

	*names_out = NULL;
	*n_out = 0;
	e = read_file(control_fd, &text, &form);
	rest = buf_span(&text);
	for (size_t i = 0; i < rest.n; i++)
		lines += rest.p[i] == '\n';
	if (e == ERR_OK && rest.n > 0) {
		struct span *names = arena_array(a, lines, sizeof *names);
		while (rest.n > 0) {
			line = span_cut(&rest, '\n');
			char *name = arena_alloc(a, line.n + 1);
			if (!line_to_name(line, form, name, &length))
				continue;
			names[n++] = (struct span){ name, length };
		}
		*names_out = names;
		*n_out = n;
	}
	buf_clear(&text);
	return e;
}

/* The new text, without its head; whether it differs from the old one. */
static bool
edit(struct span rest, enum form form, struct span name, bool subscribed,
    struct buf *out)
{
	char *own = malloc(rest.n + 1);
	enum form to = form == FORM_COURIER ? FORM_V2 : form;
	bool found = false, changed = false;
	size_t n;

	if (own == NULL)
		fatal("subscriptions: no memory");
	while (rest.n > 0) {
		struct span line = span_cut(&rest, '\n');
		bool named = line_to_name(line, form, own, &n);
		if (named && span_eq((struct span){ own, n }, name)) {
			found = true;
			if (!subscribed) {
				changed = true;
				continue;
			}
		}
		if (form != FORM_COURIER) {
			buf_add_span(out, line);
			buf_addc(out, '\n');
		} else if (named) {
			add_line(out, (struct span){ own, n }, to);
		}
	}
	free(own);
	if (subscribed && !found) {
		add_line(out, name, to);
		changed = true;
	}
	return changed;
}

static enum err
set_locked(int control_fd, struct span name, bool subscribed, bool sync,
    bool *changed_out)
{
	struct buf text = { 0 }, out = { 0 };
	enum form form;
	enum err e;

	if ((e = read_file(control_fd, &text, &form)) != ERR_OK)
		goto out;
	if (form != FORM_V1)
		buf_add_span(&out, v2_head);
	*changed_out = edit(buf_span(&text), form, name, subscribed, &out);
	if (!*changed_out)
		goto out;
	e = fs_replace_as_dir(control_fd, SUBS_FILE, buf_span(&out), sync);
	*changed_out = e == ERR_OK;
out:
	buf_clear(&text);
	buf_clear(&out);
	return e;
}

enum err
subs_set(int control_fd, struct span name, bool subscribed, bool sync,
    bool *changed_out)
{
	enum err e;

	*changed_out = false;
	e = dotlock_take(control_fd, SUBS_LOCK, LOCK_TIMEOUT_MS, LOCK_STALE_S);
	if (e != ERR_OK)
		return e;
	e = set_locked(control_fd, name, subscribed, sync, changed_out);
	dotlock_release(control_fd, SUBS_LOCK);
	return e;
}
