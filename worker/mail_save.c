/* save: a message that loftctl sends becomes part of a mailbox. */
#include "common/acl.h"
#include "common/clock.h"
#include "common/config.h"
#include "maildir/change.h"
#include "maildir/deliver.h"
#include "maildir/folder.h"
#include "worker/conn.h"
#include "worker/line_ends.h"
#include "worker/mail.h"
#include "worker/rights.h"
#include "worker/session.h"

enum { PIECE_LINE_MAX = 20 };

/* The number that a piece begins with. */
static enum err
read_size(struct conn *c, uint64_t *out)
{
	struct span text;
	bool more = false;
	size_t n;
	enum err e;

	while ((e = conn_peek(c, more, &text)) == ERR_OK) {
		n = span_find(text, '\n');
		if (n == text.n && n < PIECE_LINE_MAX) {
			more = true;
			continue;
		}
		if (n == text.n || !span_to_u64((struct span){ text.p, n },
		    INT32_MAX, out))
			return ERR_SYNTAX;
		conn_take(c, n + 1);
		return ERR_OK;
	}
	return e;
}

/*
 * All pieces, also after the disk failed: loftctl sends before it listens. d NULL:
 * nobody wants them.
 */
static enum err
receive(struct mail *m, struct deliver *d)
{
	struct conn *c = m->s->conn;
	struct line_ends le = { 0 };
	enum err e, failed = ERR_OK;
	uint64_t left, all = 0;
	struct span piece;

	conn_write(c, ">\n", 2);
	while ((e = read_size(c, &left)) == ERR_OK && left > 0) {
		if ((all += left) > m->s->cfg->max_message)
			failed = ERR_LIMIT;
		for (; left > 0; left -= piece.n) {
			if ((e = conn_peek(c, false, &piece)) != ERR_OK)
				return e;
			if (piece.n > left)
				piece.n = left;
			if (failed == ERR_OK && d != NULL)
				failed = line_ends_deliver(&le, piece, d);
			conn_take(c, piece.n);
		}
	}
	if (e != ERR_OK || failed != ERR_OK)
		return e != ERR_OK ? e : failed;
	if (d == NULL || all == 0)
		return d == NULL ? ERR_OK : ERR_CANNOT;
	return line_ends_end(&le, d);
}

static enum err
save(struct mail *m, struct folder *to)
{
	struct deliver *d = NULL;
	enum err e = deliver_begin(to, &d), received = receive(m, d);

	if (e == ERR_OK && (e = received) == ERR_OK &&
	    (e = deliver_finish(d, 0, 0, clock_s())) == ERR_OK)
		e = change_append(to, &d, 1);
	deliver_free(&d);
	return e;
}

void
mail_save(struct mail *m)
{
	struct folder *to = NULL;
	struct target t;
	struct span name;
	enum err e;

	if (!mail_option(m, 'm', &name))
		name = SPAN("INBOX");
	if ((e = mail_target(m, name, &t)) == ERR_OK &&
	    (e = target_enter(m->s, &t, ACL_INSERT)) == ERR_OK &&
	    (e = folder_open(t.account, t.storage, &to)) == ERR_OK) {
		rights_apply(to, t.rights);
		e = save(m, to);
	}
	folder_close(&to);
	mail_error(m, "Can't save to mailbox", name, e);
}
