/*
 * The one session object: from the greeting to the line in the log that says how
 * it ended. The lines have Dovecot 2.3's shape, because fail2ban and log analysers
 * read them.
 */
#include "worker/session.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/net.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "maildir/subs.h"
#include "worker/capability.h"
#include "worker/conn.h"
#include "worker/dispatch.h"
#include "worker/namespace.h"
#include "worker/resp.h"
#include "worker/status.h"
#include "worker/wake.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
session_request_stop(void)
{
	conn_request_stop();
}

void
session_make_id(char out[SESSION_ID_BYTES])
{
	unsigned char raw[12];
	struct buf b = { 0 };

	random_bytes(raw, sizeof(raw));
	base64_encode((struct span){ (char *)raw, sizeof(raw) }, &b);
	snprintf(out, SESSION_ID_BYTES, "%.*s", (int)b.n, b.p);
	buf_clear(&b);
}

struct session *
session_new(struct conn *conn, const struct config *cfg)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal("no memory for a session");
	s->state = ST_NOAUTH;
	s->conn = conn;
	s->cfg = cfg;
	s->auth_fd = s->notify_fd = -1;
	s->connected_at = clock_s();
	s->connected_ms = clock_mono_ms();
	session_make_id(s->session_id);
	return s;
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	session_unselect(s);
	wake_free(s);
	account_close(&s->account);
	input_clear(&s->input);
	arena_free(&s->command);
	arena_free(&s->life);
	buf_clear(&s->renames_told);
	if (s->auth_fd != -1)
		close(s->auth_fd);
	if (s->notify_fd != -1)
		close(s->notify_fd);
	conn_free(&s->conn);
	free(s->user);
	free(s);
}

void
session_unselect(struct session *s)
{
	if (s->folder != NULL) {
		folder_close(&s->folder);
		view_clear(&s->view);
		wake_select(s);
		if (s->account != NULL)
			alone_trim(s->account);
	}
	if (s->state == ST_SELECTED)
		s->state = ST_AUTH;
}

void
session_bye(struct session *s, const char *text, const char *why)
{
	if (conn_is_dead(s->conn))
		return;
	status_untagged(s, "BYE", NULL, text);
	conn_set_timeouts(s->conn, 0, 1000);
	conn_flush(s->conn);
	conn_kill(s->conn, why);
}

/* ---- log lines ---- */

/* "user=<u>, method=PLAIN, rip=.., lip=.., mpid=.., TLS, session=<..>" */
static void
add_elements(const struct session *s, const char *user, bool mpid,
    struct buf *out)
{
	char ip[INET6_ADDRSTRLEN];

	buf_adds(out, "user=<");
	/* The name must not be able to end its own field. */
	for (const char *p = log_text(span_of(user)); *p != '\0'; p++)
		buf_addc(out, *p == '>' ? '?' : *p);
	buf_addc(out, '>');
	if (*s->tried_method != '\0')
		buf_addf(out, ", method=%s",
		    log_text(span_of(s->tried_method)));
	if (*net_text(&s->remote, ip) != '\0')
		buf_addf(out, ", rip=%s", ip);
	if (*net_text(&s->local, ip) != '\0')
		buf_addf(out, ", lip=%s", ip);
	if (mpid)
		buf_addf(out, ", mpid=%ld", (long)getpid());
	if (conn_is_tls(s->conn) || s->is_tls_elsewhere)
		buf_adds(out, ", TLS");
	else if (strncmp(conn_death(s->conn), "TLS ", 4) == 0)
		buf_addf(out, ", %s", conn_death(s->conn));
	else if (capability_is_secured(s))
		buf_adds(out, ", secured");
	buf_addf(out, ", session=<%s>", s->session_id);
}

/* How far the client came with its login. */
static void
add_attempts(const struct session *s, struct buf *out)
{
	unsigned secs = (unsigned)((clock_mono_ms() - s->connected_ms) / 1000);

	if (s->failed_logins > 0)
		buf_addf(out, "auth failed, %u attempts in %u secs",
		    s->failed_logins, secs);
	else if (s->tried_plaintext)
		buf_adds(out, "tried to use disallowed plaintext auth");
	else if (strncmp(conn_death(s->conn), "TLS ", 4) == 0)
		buf_adds(out, "disconnected during TLS handshake");
	else
		buf_addf(out, "no auth attempts in %u secs", secs);
}

static void
log_end_before_login(const struct session *s)
{
	const char *death = conn_death(s->conn);
	struct buf b = { 0 };

	if (s->state == ST_LOGOUT)
		buf_adds(&b, "Aborted login (");
	else if (strcmp(death, "Connection closed") == 0 ||
	    strncmp(death, "TLS ", 4) == 0 ||
	    strcmp(death, "Too many failed logins") == 0)
		buf_adds(&b, "Disconnected (");
	else
		buf_addf(&b, "Disconnected: %s (", death);
	add_attempts(s, &b);
	buf_adds(&b, "): ");
	add_elements(s, s->tried_user, false, &b);
	log_info("%s", buf_cstr(&b));
	buf_clear(&b);
}

static void
log_end_after_login(const struct session *s)
{
	const char *death = conn_death(s->conn);
	uint64_t now = clock_mono_ms();
	uint64_t since = s->command_ms == 0 ? s->connected_ms : s->command_ms;
	struct buf b = { 0 };

	if (s->state == ST_LOGOUT)
		buf_adds(&b, "Disconnected: Logged out");
	else if (strcmp(death, "Connection closed") == 0 &&
	    *s->command_name == '\0')
		buf_adds(&b, "Connection closed (No commands sent)");
	else if (strcmp(death, "Connection closed") == 0)
		buf_addf(&b, "Connection closed (%s finished %llu.%llu secs "
		    "ago)", s->command_name,
		    (unsigned long long)((now - since) / 1000),
		    (unsigned long long)((now - since) % 1000 / 100));
	else if (strcmp(death, "Inactivity") == 0)
		buf_addf(&b, "Disconnected: Inactivity - no input for %llu "
		    "secs", (unsigned long long)((now - since) / 1000));
	else
		buf_addf(&b, "Disconnected: %s", death);
	buf_addf(&b, " in=%llu out=%llu deleted=%llu expunged=%llu trashed=0 "
	    "hdr_count=%llu hdr_bytes=%llu body_count=%llu body_bytes=%llu",
	    (unsigned long long)conn_bytes_in(s->conn),
	    (unsigned long long)conn_bytes_out(s->conn),
	    (unsigned long long)s->n_deleted,
	    (unsigned long long)s->n_expunged,
	    (unsigned long long)s->n_headers,
	    (unsigned long long)s->n_header_bytes,
	    (unsigned long long)s->n_bodies,
	    (unsigned long long)s->n_body_bytes);
	log_info("%s", buf_cstr(&b));
	buf_clear(&b);
}

/* ---- logged in ---- */

/*
 * Makes a configured mailbox that is missing. Subscribed only when it is made: who
 * unsubscribed it later must not find it back at the next login.
 */
static void
make_mailbox(struct session *s, const struct config_namespace *ns,
    const struct config_mailbox *m)
{
	struct account *acc = s->account;
	struct span name;
	char dir[256], cur[264];
	bool changed;

	if (namespace_mailbox(ns, m, &s->command, &name) != ERR_OK) {
		log_warn("mailbox %s of the configuration cannot be made: "
		    "no such name is possible", log_text(span_of(m->name)));
		return;
	}
	if (span_eq(name, SPAN("INBOX")))
		return;
	name_to_dir(name, dir);
	snprintf(cur, sizeof(cur), "%s/cur", dir);
	if (faccessat(acc->root_fd, cur, F_OK, 0) == 0)
		return;
	if (folder_create(acc, name) != ERR_OK || m->create != AUTO_SUBSCRIBE)
		return;
	if (subs_set(acc->control_fd, name, true, acc->sync, &changed) !=
	    ERR_OK)
		log_warn("mailbox %s was made but not subscribed",
		    log_text(name));
}

/* Others do not wait for a client that does not read. */
static void
blocked(void *arg)
{
	struct session *s = arg;

	if (s->account != NULL)
		account_tell_changed(s->account);
}

void
session_logged_in(struct session *s, const char *user, struct account *account)
{
	const struct config_namespace *ns = namespace_inbox(s->cfg);
	struct buf b = { 0 };
	char prefix[200];

	s->account = account;
	conn_on_block(s->conn, blocked, s);
	s->user = strdup(user);
	if (s->user == NULL)
		fatal("no memory for a name");
	s->state = ST_AUTH;
	s->bad_commands = 0;
	buf_adds(&b, "Login: ");
	add_elements(s, user, true, &b);
	log_info("%s", buf_cstr(&b));
	buf_clear(&b);
	snprintf(prefix, sizeof(prefix), "imap(%s)<%ld><%s>: ",
	    log_text(span_of(user)), (long)getpid(), s->session_id);
	log_set_prefix(prefix);
	conn_set_deadline(s->conn, 0);
	for (const struct config_mailbox *m = ns->mailboxes; m != NULL;
	    m = m->next)
		if (m->create != AUTO_NO)
			make_mailbox(s, ns, m);
}

/* ---- the run ---- */

static void
greet(struct session *s)
{
	const char *code = capability_code(s);

	if (s->state == ST_NOAUTH)
		status_untagged(s, "OK", code, *s->cfg->login_greeting == '\0' ?
		    "Loft ready." : s->cfg->login_greeting);
	else
		status_untagged(s, "PREAUTH", code, arena_printf(&s->command,
		    "Logged in as %s", log_text(span_of(s->user))));
	arena_clear(&s->command);
}

static int
as_ms(uint64_t ms)
{
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* Stop signals are let in only where the client is waited for (conn.h). */
static void
hold_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

void
session_run(struct session *s)
{
	int login_ms = as_ms(s->cfg->login_timeout);
	char ip[INET6_ADDRSTRLEN];

	hold_signals();
	conn_set_timeouts(s->conn, as_ms(s->cfg->idle_timeout),
	    as_ms(s->cfg->write_timeout));
	conn_set_farewells(s->conn, "* BYE Server shutting down.\r\n",
	    "* BYE Disconnected for inactivity.\r\n");
	if (s->state == ST_NOAUTH) {
		log_set_prefix("imap-login: ");
		s->is_trusted = net_list_contains(
		    s->cfg->login_trusted_networks, net_text(&s->remote, ip));
		conn_set_deadline(s->conn, clock_mono_ms() +
		    (uint64_t)login_ms);
	}
	/* A failed handshake leaves a dead connection that says why. */
	if (s->tls_from_start && !conn_is_tls(s->conn) &&
	    conn_start_tls(s->conn, s->tls_context, login_ms) != ERR_OK)
		log_debug("TLS handshake failed");
	if (!conn_is_dead(s->conn))
		greet(s);
	while (dispatch_one(s))
		;
	conn_flush(s->conn);
	session_unselect(s);
	if (s->user == NULL)
		log_end_before_login(s);
	else
		log_end_after_login(s);
}
