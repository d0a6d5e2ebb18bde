/*
 * Finds the row of a command, checks the state, runs it, syncs the view, writes the
 * tagged line, resets the command arena. What is common to all commands is decided
 * here, from the row, once.
 */
#include "worker/dispatch.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/metrics.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/resp.h"
#include "worker/serve.h"
#include "worker/session.h"
#include "worker/status.h"
#include "worker/wake.h"

#include <stdio.h>
#include <string.h>

enum {
	BAD_COMMANDS = 3,	/* in a row, before login */
	FAILED_LOGINS = 3,
	TLS_TIMEOUT_MS = 30000,
};

struct request {
	struct span tag, name, rest;
	const struct command *row;
	bool by_uid;
	char label[sizeof(((struct session *)0)->command_name)];
};

static enum err
refuse(struct session *s, const char *text)
{
	status_set(s, NULL, text);
	return ERR_SYNTAX;
}

/* The row and the form of a command. */
static enum err
find_row(struct session *s, struct request *q)
{
	q->row = command_find(q->name);
	if (q->row == NULL && span_ieq(q->name, SPAN("UID"))) {
		q->name = span_cut(&q->rest, ' ');
		if (q->rest.p == NULL)
			q->rest = (struct span){ q->name.p + q->name.n, 0 };
		q->row = command_find(q->name);
		q->by_uid = true;
		if (q->row != NULL && (q->row->flags & CF_UID) == 0)
			q->row = NULL;
	}
	if (q->row == NULL)
		return refuse(s, "Unknown command.");
	snprintf(q->label, sizeof(q->label), "%s%s", q->by_uid ? "UID " : "",
	    q->row->name);
	return ERR_OK;
}

/* What the row demands before its handler runs. */
static enum err
check_row(struct session *s, const struct request *q)
{
	unsigned flags = q->row->flags;

	if ((q->row->states & s->state) == 0) {
		if (s->state == ST_NOAUTH)
			return refuse(s, "Log in first.");
		return refuse(s, q->row->states == ST_NOAUTH ?
		    "Already logged in." : "No mailbox is selected.");
	}
	/* Law of STARTTLS: what came in plain text must not be taken as TLS. */
	if ((flags & CF_ALONE) != 0 && conn_has_input(s->conn))
		return refuse(s, "No command may follow before the answer.");
	if ((q->row->states & ST_SELECTED) != 0 && !sync_rights(s))
		return ERR_IO;
	if ((flags & CF_WRITE) != 0 && s->folder->read_only) {
		status_set(s, "READ-ONLY", "The mailbox is open read-only.");
		return ERR_PERM;
	}
	return ERR_OK;
}

/* "Error in FETCH: space expected at "foo"." */
static void
explain(struct session *s, const struct request *q, const struct cursor *in)
{
	struct span near = { in->text.p + in->at, in->text.n - in->at };
	size_t n = 0;

	if (s->status_text != NULL || in->problem == NULL)
		return;
	while (n < near.n && n < 20 && near.p[n] >= ' ' && near.p[n] < 127)
		n++;
	if (n == 0 || (q->row->flags & CF_SECRET) != 0)
		s->status_text = arena_printf(&s->command,
		    "Error in %s: %s.", q->label, in->problem);
	else
		s->status_text = arena_printf(&s->command,
		    "Error in %s: %s at \"%.*s\".", q->label, in->problem,
		    (int)n, near.p);
}

static enum err
run(struct session *s, const struct request *q)
{
	struct cursor in = { .text = q->rest, .arena = &s->command,
	    .utf8 = s->enabled_utf8 };
	enum err e;

	s->by_uid = q->by_uid;
	e = q->row->run(s, &in, q->by_uid);
	if (e == ERR_SYNTAX)
		explain(s, q, &in);
	return e;
}

/* Untagged lines about the mailbox, as far as the row allows them. */
static void
sync_after(struct session *s, const struct request *q, enum err e)
{
	enum sync_kind kind = q->row->after;

	if (s->state != ST_SELECTED || kind == SYNC_NONE || e == ERR_SYNTAX)
		return;
	/* RFC 3501 7.4.1: EXPUNGE is allowed during the UID forms. */
	if (kind == SYNC_KEEP && q->by_uid)
		kind = SYNC_ALL;
	if (sync_client(s, kind) != ERR_OK && !conn_is_dead(s->conn))
		log_debug("the view could not be brought up to date");
}

/*
 * Before login, too many bad commands and failed logins end the session. After it
 * nobody is thrown out for a typing error.
 */
static void
count_errors(struct session *s, enum err e)
{
	bool before = s->state == ST_NOAUTH;

	s->bad_commands = e == ERR_SYNTAX ? s->bad_commands + 1 : 0;
	if (before && s->bad_commands >= BAD_COMMANDS)
		session_bye(s, "Too many invalid commands.",
		    "Too many invalid commands");
	if (before && e == ERR_AUTH && s->failed_logins >= FAILED_LOGINS)
		session_bye(s, "Too many failed logins.",
		    "Too many failed logins");
}

static void
begin_tls(struct session *s)
{
	s->start_tls = false;
	/* A failure is logged with the end of the session. */
	if (conn_start_tls(s->conn, s->tls_context, TLS_TIMEOUT_MS) == ERR_OK)
		s->bad_commands = 0;
}

/* Counts what has a row; what has none is nothing that a client should send. */
static void
note(const struct request *q, enum err e, uint64_t began_us)
{
	if (q->row != NULL)
		metrics_command(command_number(q->row), clock_mono_us() -
		    began_us, e == ERR_OK ? REPLY_OK : e == ERR_SYNTAX ||
		    e == ERR_STATE ? REPLY_BAD : REPLY_NO);
}

/* The tagged line and what comes right after it. */
static void
finish(struct session *s, const struct request *q, enum err e,
    uint64_t began_us)
{
	uint64_t began_ms = began_us / 1000;
	bool secret = q->row == NULL || (q->row->flags & CF_SECRET) != 0;

	status_write(s, q->tag, q->label, e);
	s->command_ms = clock_mono_ms();
	serve_note_command(s->command_ms);
	memcpy(s->command_name, q->label, sizeof(s->command_name));
	log_debug("%s: %s after %llu ms", q->label, err_name(e),
	    (unsigned long long)(s->command_ms - began_ms));
	note(q, e, began_us);
	count_errors(s, e);
	if (s->start_tls)
		begin_tls(s);
	if (s->account != NULL) {
		/* The client need not wait for what was put off. */
		while (!conn_has_input(s->conn)) {
			conn_flush(s->conn);
			account_tell_changed(s->account);
			if (!account_late_work(s->account))
				break;
		}
		account_tell_changed(s->account);
	}
	if (secret && s->input.text.p != NULL)
		secret_wipe(s->input.text.p, s->input.text.n);
}

/*
 * A session that waits for its client hears all the same that its mailbox is gone.
 * False: it ended meanwhile.
 */
static bool
await_command(struct session *s)
{
	if (s->folder == NULL || wake_fd(s) < 0)
		return true;
	conn_set_deadline(s->conn, clock_mono_ms() + s->cfg->idle_timeout);
	while (conn_wait(s->conn, wake_fd(s), -1) == CONN_WOKEN &&
	    s->folder != NULL)
		sync_woken(s);
	conn_set_deadline(s->conn, 0);
	return !conn_is_dead(s->conn);
}

bool
dispatch_one(struct session *s)
{
	struct request q = { .label = "command" };
	uint64_t began_us;
	enum err e;

	s->status_code = s->status_text = NULL;
	if (!await_command(s))
		return false;
	e = input_command(s, &q.tag, &q.name, &q.rest);
	if (e == ERR_IO)
		return false;
	began_us = clock_mono_us();
	if (e == ERR_LIMIT) {
		e = ERR_SYNTAX;
		status_set(s, "TOOBIG", "Command is too long.");
	} else if (e == ERR_SYNTAX) {
		status_set(s, NULL, q.tag.n == 0 ?
		    "A command begins with a tag and a space." :
		    "No command, or a NUL in it.");
	}
	if (e == ERR_OK && (e = find_row(s, &q)) == ERR_OK &&
	    (e = check_row(s, &q)) == ERR_OK) {
		e = run(s, &q);
		input_finish(s);
		if (!conn_is_dead(s->conn))
			sync_after(s, &q, e);
	} else {
		input_finish(s);
	}
	s->by_uid = false;
	if (!conn_is_dead(s->conn))
		finish(s, &q, e, began_us);
	arena_clear(&s->command);
	return s->state != ST_LOGOUT && !conn_is_dead(s->conn);
}
