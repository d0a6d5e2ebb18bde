/* STARTTLS AUTHENTICATE LOGIN; passes the steps of SASL to auth. */
#include "common/base64.h"
#include "common/config.h"
#include "common/mechanism.h"
#include "worker/capability.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/login.h"
#include "worker/resp.h"
#include "worker/status.h"

#include <stdio.h>
#include <string.h>

enum { SASL_LINE_MAX = 8 << 10 };

enum err
cmd_starttls(struct session *s, struct cursor *in, bool by_uid)
{
	enum err e = cursor_end(in);

	(void)by_uid;
	if (e != ERR_OK)
		return e;
	if (s->tls_context == NULL || conn_is_tls(s->conn)) {
		status_set(s, NULL, s->tls_context == NULL ?
		    "TLS is not offered." : "TLS is in use already.");
		return ERR_SYNTAX;
	}
	/* dispatch begins the handshake after the tagged line. */
	s->start_tls = true;
	status_set(s, NULL, "Begin TLS negotiation now.");
	return ERR_OK;
}

static void
note_user(struct session *s, struct span user)
{
	snprintf(s->tried_user, sizeof(s->tried_user), "%.*s",
	    user.n > 100 ? 100 : (int)user.n, user.p == NULL ? "" : user.p);
}

/* The name in a message of PLAIN (authzid NUL authcid NUL passwd), or of LOGIN. */
static void
note_sasl_user(struct session *s, struct span message)
{
	if (message.p == NULL || *s->tried_user != '\0')
		return;
	if (strcmp(s->tried_method, "PLAIN") == 0) {
		span_cut(&message, '\0');
		note_user(s, span_cut(&message, '\0'));
	} else if (strcmp(s->tried_method, "LOGIN") == 0) {
		note_user(s, message);
	}
}

static void
note_method(struct session *s, struct span mechanism)
{
	size_t n = mechanism.n < sizeof(s->tried_method) - 1 ? mechanism.n :
	    sizeof(s->tried_method) - 1;

	for (size_t i = 0; i < n; i++)
		s->tried_method[i] = mechanism.p[i] >= 'a' &&
		    mechanism.p[i] <= 'z' ? (char)(mechanism.p[i] - 32) :
		    mechanism.p[i];
	s->tried_method[n] = '\0';
	s->tried_user[0] = '\0';
}

/* A password that anybody may have read: the user should know (RFC 5530 3). */
static enum err
refuse_plaintext(struct session *s, bool sent)
{
	s->tried_plaintext = true;
	if (sent)
		status_untagged(s, "NO", "ALERT", "The password was sent "
		    "without TLS. If anyone was listening, it was exposed.");
	status_set(s, "PRIVACYREQUIRED",
	    "Passwords are refused without TLS.");
	return ERR_AUTH;
}

static enum err
result(struct session *s, enum login_step step)
{
	if (step == LOGIN_OK) {
		status_set(s, capability_code(s), "Logged in.");
		return ERR_OK;
	}
	/* Trouble of ours is not a guess at a password. */
	if (s->status_code == NULL || strcmp(s->status_code, "UNAVAILABLE"))
		s->failed_logins++;
	return ERR_AUTH;
}

/* ---- AUTHENTICATE ---- */

/* One challenge to the client and its answer. False: there is none. */
static bool
ask(struct session *s, struct span challenge, struct buf *answer, bool *cancel)
{
	struct buf line = { .secret = true };
	enum err e;

	*cancel = false;
	base64_encode(challenge, &line);
	resp_put(s, "+ ");
	resp_span(s, buf_span(&line));
	resp_put(s, "\r\n");
	buf_reset(&line);
	buf_reset(answer);
	e = input_line(s, SASL_LINE_MAX, &line);
	if (e == ERR_OK && span_eq(buf_span(&line), SPAN("*")))
		*cancel = true;
	else if (e == ERR_OK)
		e = base64_decode(buf_span(&line), answer);
	buf_clear(&line);
	if (e == ERR_SYNTAX || e == ERR_LIMIT)
		status_set(s, NULL, "Invalid base64 in the response.");
	return e == ERR_OK;
}

static enum err
exchange(struct session *s, struct span mechanism, struct span initial)
{
	struct buf answer = { .secret = true };
	struct span challenge;
	enum login_step step;
	bool cancel = false, answered = true;

	note_sasl_user(s, initial);
	step = login_begin(s, mechanism, initial, &challenge);
	while (step == LOGIN_CONTINUE && answered && !cancel) {
		answered = ask(s, challenge, &answer, &cancel);
		if (answered && !cancel)
			note_sasl_user(s, buf_span(&answer));
		step = login_answer(s, buf_span(&answer), cancel || !answered,
		    &challenge);
	}
	buf_clear(&answer);
	if (!cancel && answered)
		return result(s, step);
	/* RFC 3501 6.2.2: BAD to a "*". */
	status_set(s, NULL, cancel ? "Authentication cancelled." :
	    "Invalid base64 in the response.");
	return ERR_SYNTAX;
}

enum err
cmd_authenticate(struct session *s, struct cursor *in, bool by_uid)
{
	struct span mechanism, initial = SPAN_NONE;
	const struct mechanism *row;
	struct buf raw = { .secret = true };
	bool ir;
	enum err e;

	(void)by_uid;
	if ((e = cursor_atom(in, &mechanism)) != ERR_OK)
		return e;
	/* RFC 4959 3: "=" is an empty initial response. */
	ir = cursor_take(in, ' ');
	if (ir) {
		initial = (struct span){ in->text.p + in->at,
		    in->text.n - in->at };
		in->at = in->text.n;
	}
	if ((e = cursor_end(in)) != ERR_OK)
		return e;
	row = mechanism_find(mechanism);
	if (row == NULL || !mechanism_listed(login_mechanisms(s), mechanism)) {
		status_set(s, "CANNOT", "Unsupported mechanism.");
		return ERR_CANNOT;
	}
	note_method(s, mechanism);
	if (capability_login_disabled(s) &&
	    (row->flags & MECHANISM_PLAINTEXT) != 0)
		return refuse_plaintext(s, ir);
	if (ir && !span_eq(initial, SPAN("="))) {
		if (initial.n == 0 || base64_decode(initial, &raw) != ERR_OK) {
			buf_clear(&raw);
			return cursor_fail(in, "invalid base64");
		}
		initial = buf_span(&raw);
	} else if (ir) {
		initial = SPAN("");
	}
	e = exchange(s, mechanism, initial);
	buf_clear(&raw);
	return e;
}

enum err
cmd_login(struct session *s, struct cursor *in, bool by_uid)
{
	struct span user, password;
	enum err e;

	(void)by_uid;
	if ((e = cursor_astring(in, &user)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_astring(in, &password)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	note_method(s, SPAN("PLAIN"));
	note_user(s, user);
	if (capability_login_disabled(s))
		return refuse_plaintext(s, true);
	return result(s, login_plain(s, user, password));
}
