/*
 * One connection of LMTP. This process hears strangers and never has an account: what it
 * knows of users it asks auth, and a message is delivered by others (recipient.h). The
 * lines in the log are those of Dovecot 2.3.
 */
#include "worker/lmtp.h"

#include "common/buf.h"
#include "common/config.h"
#include "common/fsutil.h"
#include "common/log.h"
#include "common/net.h"
#include "worker/conn.h"
#include "worker/serve.h"
#include "worker/session.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { BAD_MAX = 20 };

enum needs { NEEDS_NOTHING, NEEDS_NO_MAIL, NEEDS_MAIL };

static const struct row {
	const char *word;
	void (*run)(struct lmtp *l, struct span args);
	enum needs needs;
	const char *refusal;
} rows[] = {
#define LMTP(word, handler, needs, refusal, rfc) \
	{ word, handler, needs, refusal },
#include "worker/lmtp_commands.def"
#undef LMTP
};

void
lmtp_reply(struct lmtp *l, const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	/* What goes wrong before a good command is the client's doing. */
	if (*b.p == '5')
		l->n_bad++;
	else
		l->n_bad = 0;
	buf_adds(&b, "\r\n");
	conn_write(l->conn, b.p, b.n);
	buf_clear(&b);
}

void
lmtp_reset(struct lmtp *l)
{
	for (struct recipient *r = l->first; r != NULL; r = r->next)
		fs_close(&r->fd);
	l->first = l->last = NULL;
	l->n_recipients = 0;
	spool_close(&l->spool);
	l->has_mail = l->chunking = l->chunks_failed = l->in_data = false;
	l->sender = SPAN("");
	arena_clear(&l->arena);
}

/* ---- commands ---- */

static void
obey(struct lmtp *l, struct span line)
{
	struct span word;
	size_t i = 0;

	if (lmtp_line_word(&line, &word) != ERR_OK) {
		lmtp_reply(l, "500 5.5.2 Invalid command syntax");
		return;
	}
	while (i < sizeof(rows) / sizeof(*rows) &&
	    !span_ieq(word, span_of(rows[i].word)))
		i++;
	if (i == sizeof(rows) / sizeof(*rows))
		lmtp_reply(l, "500 5.5.1 Unknown command");
	else if ((rows[i].needs == NEEDS_MAIL && !l->has_mail) ||
	    (rows[i].needs == NEEDS_NO_MAIL && l->has_mail))
		lmtp_reply(l, "%s", rows[i].refusal);
	else
		rows[i].run(l, line);
}

/* A line that is too long for anything is swallowed to its end. */
static void
refuse_long(struct lmtp *l)
{
	struct span seen;
	size_t end;

	while (conn_peek(l->conn, false, &seen) == ERR_OK) {
		end = span_find(seen, '\n');
		conn_take(l->conn, end < seen.n ? end + 1 : seen.n);
		if (end == seen.n)
			continue;
		lmtp_reply(l, "500 5.5.2 Line too long");
		return;
	}
}

/* False: the connection is at its end. */
static bool
one_command(struct lmtp *l)
{
	struct span seen = SPAN_NONE, line;
	size_t end = 0;
	bool more = false;

	do {
		enum err e = conn_peek(l->conn, more, &seen);

		if (e != ERR_OK && e != ERR_LIMIT)
			return false;
		end = span_find(seen, '\n');
		if (end > l->cfg->lmtp_max_line || e == ERR_LIMIT) {
			refuse_long(l);
			return true;
		}
		more = true;
	} while (end == seen.n);
	line = (struct span){ seen.p, end };
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	/* The buffer is filled anew while a command reads on. */
	arena_clear(&l->line);
	line = arena_span(&l->line, line);
	conn_take(l->conn, end + 1);
	obey(l, line);
	return !l->closing;
}

/* ---- the connection ---- */

static void
find_host(struct lmtp *l)
{
	struct utsname u;

	if (*l->cfg->hostname != '\0')
		snprintf(l->host, sizeof(l->host), "%s", l->cfg->hostname);
	else
		snprintf(l->host, sizeof(l->host), "%s", uname(&u) == 0 &&
		    *u.nodename != '\0' ? u.nodename : "localhost");
}

/* Stop signals are let in only where the client is waited for (conn.h). */
static void
prepare(struct lmtp *l)
{
	static char stop[320], silence[320];
	int ms = l->cfg->lmtp_timeout > INT_MAX ? INT_MAX :
	    (int)l->cfg->lmtp_timeout;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	snprintf(stop, sizeof(stop), "421 4.3.2 %s Server shutting down.\r\n",
	    l->host);
	snprintf(silence, sizeof(silence), "421 4.4.2 %s Disconnected for "
	    "inactivity.\r\n", l->host);
	conn_set_timeouts(l->conn, ms, ms);
	conn_set_farewells(l->conn, stop, silence);
}

static void
log_end(struct lmtp *l, const char *peer)
{
	const char *why = l->closing ? "Logged out" :
	    conn_is_dead(l->conn) ? conn_death(l->conn) :
	    "Too many invalid commands.";

	log_info("Disconnect from %s: %s (state=%s)", peer, why,
	    l->in_data ? "DATA" : l->n_recipients > 0 ? "RCPT TO" :
	    l->has_mail ? "MAIL FROM" : "READY");
}

static void
run(struct lmtp *l, const char *peer)
{
	if (!l->is_lda)
		log_info("Connect from %s", peer);
	lmtp_reply(l, "220 %s %s", l->host, *l->cfg->login_greeting == '\0' ?
	    "Loft ready." : l->cfg->login_greeting);
	while (one_command(l))
		if (l->n_bad >= BAD_MAX) {
			lmtp_reply(l, "421 4.7.0 %s Too many invalid "
			    "commands.", l->host);
			break;
		}
	conn_flush(l->conn);
	if (!l->is_lda)
		log_end(l, peer);
	lmtp_reset(l);
	arena_free(&l->line);
}

/* The kernel says who it is. */
static void
identify(struct lmtp *l, int fd)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
		who.uid = (uid_t)-1;
	l->uid = who.uid;
	l->only_uid = who.uid != 0;
}

void
lmtp_serve(const struct serve *v, int fd,
    const struct sockaddr_storage *remote, bool lda)
{
	struct lmtp l = { .cfg = v->cfg, .conn = conn_new(fd, fd),
		.door = v->mail_door, .is_lda = lda, .sender = SPAN(""),
		.spool = { .fd = -1 } };
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "%s(%ld): ", lda ? "lda" : "lmtp",
	    (long)getpid());
	log_set_prefix(prefix);
	if (lda)
		identify(&l, fd);
	net_text(remote, l.ip);
	session_make_id(l.session_id);
	/* On a unix socket there is nobody in between. */
	l.tls = *l.ip == '\0' ? NULL : v->tls;
	find_host(&l);
	prepare(&l);
	l.auth_fd = serve_connect_auth(l.door, 0);
	run(&l, *l.ip == '\0' ? "local" : l.ip);
	conn_free(&l.conn);
	_exit(0);
}
