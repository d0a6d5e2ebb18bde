/* Writes response syntax to the connection. */
#include "worker/resp.h"

#include "common/acl.h"
#include "common/buf.h"
#include "common/date.h"
#include "common/log.h"
#include "maildir/flags.h"
#include "maildir/folder.h"
#include "worker/conn.h"
#include "worker/session.h"
#include "worker/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { QUOTED_MAX = 1024 };	/* longer strings go as literals */

void
resp_put(struct session *s, const char *text)
{
	conn_write(s->conn, text, strlen(text));
}

void
resp_span(struct session *s, struct span text)
{
	conn_write(s->conn, text.p, text.n);
}

void
resp_f(struct session *s, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		panic("a response piece of %d bytes", n);
	conn_write(s->conn, line, (size_t)n);
}

void
resp_number(struct session *s, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	conn_write(s->conn, digits + at, sizeof(digits) - at);
}

void
resp_literal(struct session *s, uint64_t n)
{
	resp_f(s, "{%llu}\r\n", (unsigned long long)n);
}

/* ---- strings ---- */

static bool
can_be_quoted(struct span text)
{
	if (text.n > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		unsigned char u = (unsigned char)text.p[i];

		if (u == '\0' || u == '\r' || u == '\n' || u > 127)
			return false;
	}
	return true;
}

static void
write_quoted(struct session *s, struct span text)
{
	size_t from = 0;

	resp_put(s, "\"");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '"' && text.p[i] != '\\')
			continue;
		conn_write(s->conn, text.p + from, i - from);
		resp_put(s, "\\");
		from = i;
	}
	conn_write(s->conn, text.p + from, text.n - from);
	resp_put(s, "\"");
}

/* CHAR8 excludes NUL (RFC 3501 9); 0x80 stands for it, as in other servers. */
static void
write_literal(struct session *s, struct span text)
{
	resp_literal(s, text.n);
	while (text.n > 0) {
		size_t n = span_find(text, '\0');

		conn_write(s->conn, text.p, n);
		if (n == text.n)
			break;
		conn_write(s->conn, "\x80", 1);
		text.p += n + 1;
		text.n -= n + 1;
	}
}

void
resp_nstring(struct session *s, struct span text)
{
	if (text.p == NULL)
		resp_put(s, "NIL");
	else if (can_be_quoted(text))
		write_quoted(s, text);
	else
		write_literal(s, text);
}

bool
resp_is_atom(struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char u = (unsigned char)text.p[i];

		if (u <= ' ' || u >= 127 || strchr("(){%*\"\\", u) != NULL)
			return false;
	}
	/* Some clients take an atom NIL for the absence of a name. */
	return text.n > 0 && !span_ieq(text, SPAN("NIL"));
}

void
resp_astring(struct session *s, struct span text)
{
	if (resp_is_atom(text))
		resp_span(s, text);
	else
		resp_nstring(s, text.p == NULL ? SPAN("") : text);
}

void
resp_mailbox(struct session *s, const struct target *t)
{
	struct buf name = { 0 };

	target_name(t, &name);
	resp_astring(s, buf_span(&name));
	buf_clear(&name);
}

void
resp_rights(struct session *s, unsigned rights)
{
	struct buf letters = { 0 };

	acl_letters(rights, &letters);
	resp_astring(s, buf_span(&letters));
	buf_clear(&letters);
}

void
resp_myrights(struct session *s, const struct target *t, unsigned rights)
{
	resp_put(s, "* MYRIGHTS ");
	resp_mailbox(s, t);
	resp_put(s, " ");
	resp_rights(s, rights);
	resp_put(s, "\r\n");
}

/* ---- flags and dates ---- */

void
resp_flags(struct session *s, uint32_t flags, uint64_t keywords, bool recent)
{
	const char *gap = "";

	for (uint32_t bit = 1; bit <= FLAG_ALL; bit <<= 1) {
		if ((flags & bit) == 0)
			continue;
		resp_put(s, gap);
		resp_put(s, flags_wire(bit));
		gap = " ";
	}
	for (unsigned i = 0; s->folder != NULL && i < KEYWORD_MAX &&
	    keywords != 0; i++, keywords >>= 1) {
		if ((keywords & 1) == 0 || s->folder->keywords.name[i].n == 0)
			continue;
		resp_put(s, gap);
		resp_span(s, s->folder->keywords.name[i]);
		gap = " ";
	}
	if (recent) {
		resp_put(s, gap);
		resp_put(s, "\\Recent");
	}
}

void
resp_date_time(struct session *s, int64_t t)
{
	char text[32];

	date_format_imap(t, text);
	resp_f(s, "\"%s\"", text);
}
