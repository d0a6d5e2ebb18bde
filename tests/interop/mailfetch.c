/*
 * mailfetch: what our code answers to FETCH, without a server around it. Reads lines
 * "path TAB items" ("ENVELOPE BODY.PEEK[1.MIME]<0.5>"), writes for each a line with a
 * number and that many bytes: what would stand between the parentheses, or "BAD".
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/buf.h"
#include "maildir/message.h"
#include "maildir/structure.h"
#include "worker/body.h"
#include "worker/conn.h"
#include "worker/cursor.h"
#include "worker/resp.h"
#include "worker/session.h"

static struct buf out;

/* ---- the connection that body.c writes to ---- */

void
resp_span(struct session *s, struct span text)
{
	(void)s;
	buf_add_span(&out, text);
}

void
resp_put(struct session *s, const char *text)
{
	(void)s;
	buf_adds(&out, text);
}

void
resp_literal(struct session *s, uint64_t n)
{
	(void)s;
	buf_addf(&out, "{%llu}\r\n", (unsigned long long)n);
}

bool
conn_is_dead(const struct conn *c)
{
	(void)c;
	return false;
}

void
conn_kill(struct conn *c, const char *why)
{
	(void)c;
	fprintf(stderr, "mailfetch: %s\n", why);
	exit(1);
}

/* ---- items ---- */

static enum err
fetch_item(struct session *s, struct cursor *in, struct message *m)
{
	struct body_section b;
	enum err e;

	if (cursor_take_word(in, "RFC822.SIZE")) {
		buf_addf(&out, "RFC822.SIZE %llu",
		    (unsigned long long)message_wire_size(m));
	} else if (cursor_take_word(in, "ENVELOPE")) {
		buf_adds(&out, "ENVELOPE ");
		structure_envelope(message_header(m), in->arena, &out);
	} else if (cursor_take_word(in, "BODYSTRUCTURE")) {
		buf_adds(&out, "BODYSTRUCTURE ");
		structure_body(m->text, message_parts(m), true, in->arena,
		    &out);
	} else if (cursor_take_word(in, "BODY.PEEK")) {
		if ((e = body_parse(in, true, &b)) != ERR_OK)
			return e;
		if (body_needs_header_only(&b))
			body_write_header(s, &b, message_header(m));
		else
			body_write(s, &b, m);
	} else if (cursor_take_word(in, "BODY")) {
		buf_adds(&out, "BODY ");
		structure_body(m->text, message_parts(m), false, in->arena,
		    &out);
	} else {
		return cursor_fail(in, "unknown item");
	}
	return ERR_OK;
}

static enum err
fetch(struct session *s, char *line, struct arena *a)
{
	char *items = strchr(line, '\t');
	struct cursor in = { .arena = a };
	struct message *m;
	enum err e;
	int fd;

	if (items == NULL)
		return ERR_SYNTAX;
	*items++ = '\0';
	in.text = span_of(items);
	if ((fd = open(line, O_RDONLY | O_CLOEXEC)) < 0) {
		perror(line);
		return ERR_IO;
	}
	if ((e = message_open(fd, &m)) != ERR_OK)
		return e;
	while ((e = fetch_item(s, &in, m)) == ERR_OK && !cursor_is_end(&in)) {
		if ((e = cursor_space(&in)) != ERR_OK)
			break;
		buf_addc(&out, ' ');
	}
	message_close(&m);
	return e;
}

int
main(void)
{
	struct session *s = calloc(1, sizeof(*s));
	struct arena a = { 0 };
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (s == NULL)
		return 1;
	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (fetch(s, line, &a) != ERR_OK) {
			buf_reset(&out);
			buf_adds(&out, "BAD");
		}
		printf("%zu\n", out.n);
		fwrite(out.p, 1, out.n, stdout);
		fflush(stdout);
		buf_reset(&out);
		arena_clear(&a);
	}
	message_trim();
	arena_free(&a);
	buf_clear(&out);
	free(line);
	free(s);
	return 0;
}
