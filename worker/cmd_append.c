/*
 * APPEND (RFC 3501 6.3.11): streams a message literal into the target's tmp/,
 * so that memory does not grow with it. What is left in the stream after a
 * refusal is dispatch's affair (input_finish).
 */
#include "common/acl.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "maildir/change.h"
#include "maildir/deliver.h"
#include "maildir/folder.h"
#include "maildir/quota.h"
#include "worker/commands.h"
#include "worker/line_ends.h"
#include "worker/mailbox.h"
#include "worker/quota_user.h"
#include "worker/rights.h"
#include "worker/status.h"
#include "worker/target.h"


struct append {
	struct target to;
	enum err bad;		/* or why it can be none */
	struct flag_list list;
	int64_t date;
};

/* mailbox SP [flag-list SP] [date-time SP], then the literal. */
static enum err
read_append(struct session *s, struct cursor *in, struct append *ap)
{
	enum err e;

	ap->date = clock_s();
	if ((e = mailbox_argument(s, in, &ap->to,
	    &ap->bad)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK)
		return e;
	if (cursor_peek(in) == '(' &&
	    ((e = cursor_flags(in, true, true, &ap->list)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK))
		return e;
	if (cursor_peek(in) == '"' &&
	    ((e = cursor_date_time(in, &ap->date)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK))
		return e;
	if ((e = cursor_end(in)) != ERR_OK)
		return e;
	if (!s->input.has_literal || s->input.literal_binary)
		return cursor_fail(in, "literal expected");
	return ERR_OK;
}

/*
 * Refused before "+", so that a client with a literal too large never sends it.
 */
static enum err
check_size(struct session *s)
{
	if (s->input.literal_size > s->cfg->max_message) {
		status_set(s, "TOOBIG", "The message is too large.");
		return ERR_LIMIT;
	}
	if (s->input.literal_size == 0) {
		status_set(s, "", "Can't save a zero byte message.");
		return ERR_CANNOT;
	}
	return ERR_OK;
}

/* Also before "+"; what it says of room is made sure of when it comes in. */
static enum err
check_quota(struct session *s, struct folder *to)
{
	enum err e = quota_fits(to->acc, span_of(to->name),
	    s->input.literal_size, 1);

	if (e == ERR_LIMIT)
		status_set(s, "TOOBIG", "The message is too large.");
	return quota_user_say(s, e);
}

/*
 * New keywords are made. A mailbox that can have no more takes the message
 * without them: better than no message.
 */
static enum err
find_keywords(struct folder *f, const struct flag_list *l, uint64_t *bits)
{
	enum err e;

	*bits = 0;
	if (l->n_keywords == 0 || f->keywords_locked)
		return ERR_OK;
	e = folder_keywords(f, l->keyword, l->n_keywords, true, bits);
	if (e != ERR_LIMIT && e != ERR_SYNTAX)
		return e;
	log_warn("mailbox %s: keywords of an appended message were dropped",
	    f->name);
	e = folder_keywords(f, l->keyword, l->n_keywords, false, bits);
	return e == ERR_NOTFOUND || e == ERR_SYNTAX ? ERR_OK : e;
}

/*
 * Takes the whole literal off the stream, also after the disk failed: the
 * client was told to send it.
 */
static enum err
receive(struct session *s, struct deliver *d)
{
	struct line_ends le = { 0 };
	enum err e, failed = ERR_OK;
	struct span piece;

	if ((e = input_literal_begin(s)) != ERR_OK)
		return e;
	while ((e = input_literal_read(s, &piece)) == ERR_OK && piece.n > 0)
		if (failed == ERR_OK)
			failed = line_ends_deliver(&le, piece, d);
	if (e != ERR_OK)
		return e;
	return failed == ERR_OK ? line_ends_end(&le, d) : failed;
}

/* One message a command: what follows the literal is the line end. */
static enum err
check_end(struct session *s, struct cursor *in)
{
	struct span rest;
	enum err e;

	if ((e = input_continue(s, &rest)) != ERR_OK)
		return e;
	if (rest.n > 0 || s->input.has_literal)
		return cursor_fail(in, "line end expected after the message");
	return ERR_OK;
}

static enum err
append(struct session *s, struct cursor *in, const struct append *ap,
    struct folder *to)
{
	struct deliver *d = NULL;
	uint64_t keywords;
	enum err e;

	if ((e = find_keywords(to, &ap->list, &keywords)) != ERR_OK ||
	    (e = deliver_begin(to, &d)) != ERR_OK)
		return e;
	if ((e = receive(s, d)) != ERR_OK || (e = check_end(s, in)) != ERR_OK)
		goto out;
	if ((e = deliver_finish(d, ap->list.flags, keywords,
	    ap->date)) != ERR_OK || (e = change_append(to, &d, 1)) != ERR_OK)
		goto out;
	status_set(s, arena_printf(&s->command, "APPENDUID %u %u",
	    to->uidvalidity, d->uid), NULL);
out:
	deliver_free(&d);
	return e;
}

enum err
cmd_append(struct session *s, struct cursor *in, bool by_uid)
{
	struct append ap = { 0 };
	struct folder *to = NULL;
	enum err e;

	(void)by_uid;
	if ((e = read_append(s, in, &ap)) != ERR_OK ||
	    (e = ap.bad) != ERR_OK || (e = check_size(s)) != ERR_OK)
		return e;
	if ((e = target_enter(s, &ap.to, ACL_INSERT)) == ERR_OK)
		e = folder_open(ap.to.account, ap.to.storage, &to);
	if (e == ERR_NOTFOUND)
		return mailbox_missing(s, &ap.to, "TRYCREATE");
	if (e != ERR_OK)
		return e;
	rights_apply(to, ap.to.rights);
	if ((e = check_quota(s, to)) == ERR_OK)
		e = quota_user_say(s, append(s, in, &ap, to));
	folder_close(&to);
	/* Deleted while the message came in. */
	return e == ERR_NOTFOUND ?
	    mailbox_missing(s, &ap.to, "TRYCREATE") : e;
}
