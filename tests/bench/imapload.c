/*
 * imapload: a small IMAP load generator.
 *
 * One process, one epoll set, any number of connections.  Each connection runs
 * a "script": a C function that is re-entered where it left off each time the
 * server says something that it waits for (see BEGIN/WAIT/CMD below).
 * It speaks plain TCP or implicit TLS, never pipelines and never uses
 * non-synchronising literals, so that it makes the same demands of any server.
 *
 * Result: one line of key=value pairs on stdout.  Run with --help for usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifndef NO_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#else
typedef void SSL;
#endif

enum { EV_TAG = 1, EV_CONT = 2, EV_GO = 4, EV_UNTAG = 8 };
enum { PH_NONE, PH_CONNECT, PH_TLS, PH_GREET, PH_RUN, PH_DONE };
enum { RES_NONE, RES_OK, RES_NO, RES_BAD };
enum { LINEMAX = 400, TAIL = 24, RDBUF = 256 * 1024 };

struct conn;
struct scenario {
	const char *name;
	void (*script)(struct conn *);
	int login, select, idle; /* what the prologue does */
	const char *help;
};

struct conn {
	int fd, id, phase;
	unsigned gen; /* bumped when the socket is replaced */
	SSL *ssl;
	uint32_t events; /* what epoll watches for now */
	unsigned tag;
	/* output not yet written */
	char *out;
	size_t outlen, outoff, outcap;
	/* response parser */
	char line[LINEMAX]; /* first bytes of the response */
	char tail[TAIL]; /* last bytes of the physical line */
	unsigned linelen, taillen;
	uint64_t lit; /* literal bytes still to skip */
	/* script */
	void (*script)(struct conn *);
	int pc, want, result, ready, counted;
	/* what we know of the mailbox */
	uint32_t exists, uidnext;
	uint64_t words; /* spaces in a SEARCH line = hits */
	/* scenario variables */
	int64_t t0;
	uint32_t a, b, round;
	int kind;
	uint64_t rng;
};

static struct {
	const char *host, *user, *pass, *mailbox, *dest, *word, *unselect,
	    *wake;
	int port, users, ustart, conns, tls, ramp;
	double duration, timeout, interval;
	uint64_t count;
	unsigned size, n, seed;
	int verbose, quickack;
} o = {
	.host = "127.0.0.1",
	.user = "u%04d",
	.pass = "secret",
	.mailbox = "INBOX",
	.dest = "Copies",
	.word = "report",
	.unselect = "UNSELECT",
	.wake = "append",
	.port = 143,
	.users = 1,
	.ustart = 1,
	.conns = 1,
	.ramp = 32,
	.duration = 10,
	.timeout = 240,
	.interval = 1.0,
	.size = 4096,
	.n = 50,
	.seed = 1,
};

static const struct scenario *sc;
static struct conn *conns;
static int ep, nstarted, nready, nfailed, ndone, going, stopping;
static int64_t t_go, t_last, t_deadline, t_ramp;
static uint64_t issued, ops, e_no, e_bad, e_disc, e_login, bytes_in, msgs, hits,
    reconnects;
static uint64_t bytes_go;
static uint32_t *lat, *lat2;
static size_t nlat, clat, nlat2, clat2;
static uint64_t kinds[8];
static char *msgbuf;
static size_t msgid_at, msglen;
/* idlewake */
static struct conn *timer_conn;
static int64_t timer_at, round_t, round_ok;
static uint32_t round_no, round_hit, rounds;
static uint64_t missed, cut;
#ifndef NO_TLS
static SSL_CTX *tlsctx;
#endif

static int64_t
now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static uint32_t
rnd(struct conn *c, uint32_t lim)
{
	uint64_t x = c->rng;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	c->rng = x;
	return lim ? (uint32_t)((x >> 16) % lim) : 0;
}

static void
die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static void
add_lat(uint32_t **v, size_t *n, size_t *cap, int64_t us)
{
	if (*n == *cap) {
		*cap = *cap ? *cap * 2 : 4096;
		*v = realloc(*v, *cap * sizeof **v);
		if (!*v)
			die("out of memory");
	}
	(*v)[(*n)++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* ---- sockets ---------------------------------------------------------- */

static void conn_start(struct conn *c);
static void conn_lost(struct conn *c);
static void conn_done(struct conn *c);
static void prologue(struct conn *c);

static void
watch(struct conn *c, uint32_t ev)
{
	struct epoll_event e = { .events = ev, .data.ptr = c };
	if (c->events == ev)
		return;
	epoll_ctl(ep, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e);
	c->events = ev;
}

static void
conn_close(struct conn *c)
{
#ifndef NO_TLS
	if (c->ssl)
		SSL_free(c->ssl);
#endif
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->gen++;
	c->events = 0;
	c->outlen = c->outoff = 0;
	c->linelen = c->taillen = 0;
	c->lit = 0;
}

/* Writes what it can; returns 0 unless the connection is gone. */
static int
flush_out(struct conn *c)
{
	while (c->outoff < c->outlen) {
		ssize_t n;
#ifndef NO_TLS
		if (c->ssl) {
			n = SSL_write(
			    c->ssl, c->out + c->outoff, c->outlen - c->outoff);
			if (n <= 0) {
				int e = SSL_get_error(c->ssl, n);
				if (e == SSL_ERROR_WANT_WRITE) {
					watch(c, EPOLLIN | EPOLLOUT);
					return 0;
				}
				if (e == SSL_ERROR_WANT_READ) {
					watch(c, EPOLLIN);
					return 0;
				}
				return -1;
			}
		} else
#endif
		{
			n = send(c->fd, c->out + c->outoff,
			    c->outlen - c->outoff, MSG_NOSIGNAL);
			if (n < 0) {
				if (errno == EAGAIN) {
					watch(c, EPOLLIN | EPOLLOUT);
					return 0;
				}
				return -1;
			}
		}
		c->outoff += n;
	}
	c->outoff = c->outlen = 0;
	watch(c, EPOLLIN);
	return 0;
}

static void
put(struct conn *c, const char *p, size_t n)
{
	if (c->outlen + n > c->outcap) {
		c->outcap = c->outlen + n + 256;
		c->out = realloc(c->out, c->outcap);
		if (!c->out)
			die("out of memory");
	}
	memcpy(c->out + c->outlen, p, n);
	c->outlen += n;
}

/* Sends one tagged command.  A write error shows up as a read error later. */
static void
sendcmd(struct conn *c, const char *fmt, ...)
{
	char b[1024];
	va_list ap;
	int n = snprintf(b, sizeof b, "a%u ", ++c->tag);
	va_start(ap, fmt);
	n += vsnprintf(b + n, sizeof b - n, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof b - 3)
		die("command too long");
	if (o.verbose)
		fprintf(stderr, "%d> %s\n", c->id, b);
	b[n++] = '\r';
	b[n++] = '\n';
	put(c, b, n);
	flush_out(c);
}

/* ---- scripts: resumable functions ------------------------------------- */

#define BEGIN                                                                  \
	switch (c->pc) {                                                       \
	case 0:
#define WAIT(m)                                                                \
	do {                                                                   \
		c->want = (m);                                                 \
		c->pc = __LINE__;                                              \
		return;                                                        \
	case __LINE__:;                                                        \
	} while (0)
#define CMD(...)                                                               \
	do {                                                                   \
		sendcmd(c, __VA_ARGS__);                                       \
		WAIT(EV_TAG);                                                  \
	} while (0)
#define END                                                                    \
	}                                                                      \
	conn_done(c)

static int
more(void)
{
	return !stopping && now_us() < t_deadline &&
	    (!o.count || issued < o.count);
}

static void
op_start(struct conn *c)
{
	issued++;
	c->t0 = now_us();
}

static void
op_end(struct conn *c)
{
	int64_t t = now_us();
	if (c->result == RES_OK) {
		ops++;
		add_lat(&lat, &nlat, &clat, t - c->t0);
	}
	t_last = t;
}

/* Starts one timed command and waits for its tagged answer. */
#define OP(...)                                                                \
	do {                                                                   \
		op_start(c);                                                   \
		sendcmd(c, __VA_ARGS__);                                       \
		WAIT(EV_TAG);                                                  \
		op_end(c);                                                     \
	} while (0)

static void
make_message(void)
{
	static const char head[] =
	    "From: Load Generator <load@example.org>\r\n"
	    "To: Someone <someone@example.org>\r\n"
	    "Subject: imapload test message\r\n"
	    "Date: Mon, 02 Jan 2023 03:04:05 +0000\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "Message-ID: <0000000000000000@imapload.example.org>\r\n\r\n";
	size_t i;
	msglen = o.size < sizeof head + 1 ? sizeof head + 1 : o.size;
	msgbuf = malloc(msglen + 1);
	memcpy(msgbuf, head, sizeof head - 1);
	for (i = sizeof head - 1; i < msglen; i++) {
		size_t col = (i - (sizeof head - 1)) % 74;
		msgbuf[i] = col == 72 ? '\r'
		    : col == 73	      ? '\n'
		    : col % 7 == 6    ? ' '
				      : 'a' + (i * 7 + i / 74) % 26;
	}
	msgbuf[msglen - 2] = '\r';
	msgbuf[msglen - 1] = '\n';
	if (msgbuf[msglen - 3] == '\r')
		msgbuf[msglen - 3] = '.';
	msgid_at = strstr(msgbuf, "<0000") - msgbuf + 1;
}

static void
put_message(struct conn *c)
{
	static uint64_t serial;
	char id[17];
	snprintf(
	    id, sizeof id, "%08x%08x", (unsigned)getpid(), (unsigned)++serial);
	memcpy(msgbuf + msgid_at, id, 16);
	put(c, msgbuf, msglen);
	put(c, "\r\n", 2);
	flush_out(c);
}

/* APPEND; the caller looks at c->result.  Two waits, so two lines of script. */
#define APPEND_BEGIN(mbox)                                                     \
	do {                                                                   \
		sendcmd(c, "APPEND \"%s\" {%zu}", mbox, msglen);               \
		WAIT(EV_CONT | EV_TAG);                                        \
	} while (0)
#define APPEND_DATA                                                            \
	do {                                                                   \
		if (c->want == EV_CONT) {                                      \
			put_message(c);                                        \
			WAIT(EV_TAG);                                          \
		}                                                              \
	} while (0)

static void
username(char *b, size_t n, int id)
{
	int i = o.ustart + id % o.users;
	const char *p = strchr(o.user, '%');
	int zero = 0, w = 0;
	if (!p) {
		snprintf(b, n, "%s", o.user);
		return;
	}
	const char *q = p + 1;
	if (*q == '0')
		zero = 1;
	while (isdigit((unsigned char)*q))
		w = w * 10 + *q++ - '0';
	if (*q != 'd')
		die("--user: only one %%d or %%0Nd");
	snprintf(b, n, zero ? "%.*s%0*d%s" : "%.*s%*d%s", (int)(p - o.user),
	    o.user, w, i, q + 1);
}

static int
writer(struct conn *c)
{
	return sc->idle >= 2 && c->id == 0;
}

static void
conn_ready(struct conn *c)
{
	c->script = sc->script;
	c->pc = 0;
	c->want = EV_GO;
	if (!c->counted) {
		c->counted = 1;
		nready++;
	}
	c->ready = 1;
	if (going)
		c->script(c);
}

/* LOGIN, and what else the scenario wants done before the clock starts. */
static void
prologue(struct conn *c)
{
	char u[128];
	BEGIN;
	username(u, sizeof u, c->id);
	CMD("LOGIN %s %s", u, o.pass);
	if (c->result != RES_OK) {
		e_login++;
		if (o.verbose || e_login <= 3)
			fprintf(stderr, "login failed: %s\n", c->line);
		conn_done(c);
		return;
	}
	if (sc->select) {
		CMD("SELECT \"%s\"", o.mailbox);
		if (c->result != RES_OK) {
			fprintf(stderr, "select failed: %s\n", c->line);
			conn_done(c);
			return;
		}
	}
	if (sc->idle && !writer(c)) {
		sendcmd(c, "IDLE");
		WAIT(EV_CONT | EV_TAG);
		if (c->want != EV_CONT) {
			fprintf(stderr, "idle failed: %s\n", c->line);
			conn_done(c);
			return;
		}
	}
}
conn_ready(c);
}

/* ---- scenarios -------------------------------------------------------- */

static void
s_login(struct conn *c)
{
	char u[128];
	BEGIN;
	username(u, sizeof u, c->id + rnd(c, o.users));
	CMD("LOGIN %s %s", u, o.pass);
	c->kind = c->result;
	CMD("LOGOUT");
	c->result = c->kind;
	op_end(c);
	if (c->result != RES_OK)
		e_login++;
	conn_close(c);
	if (more()) {
		conn_start(c);
		return;
	}
	END;
}

static void
s_select(struct conn *c)
{
	BEGIN;
	while (more()) {
		OP("SELECT \"%s\"", o.mailbox);
		if (strcasecmp(o.unselect, "NONE"))
			CMD("%s", o.unselect);
	}
	END;
}

static void
s_fetchflags(struct conn *c)
{
	BEGIN;
	while (more())
		OP("UID FETCH 1:* (FLAGS)");
	END;
}

static void
s_fetchenv(struct conn *c)
{
	BEGIN;
	while (more())
		OP("FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE "
		   "BODYSTRUCTURE)");
	END;
}

static void
s_fetchbody(struct conn *c)
{
	BEGIN;
	c->a = 1;
	while (more()) {
		c->b = c->a + o.n - 1 > c->exists ? c->exists : c->a + o.n - 1;
		OP("FETCH %u:%u (BODY.PEEK[])", c->a, c->b);
		c->a = c->b + 1;
		if (c->a > c->exists) {
			c->a = 1;
			rounds++;
			if (o.count == 0 && o.duration == 0)
				break;
		}
	}
	END;
}

static void
s_append(struct conn *c)
{
	BEGIN;
	while (more()) {
		op_start(c);
		APPEND_BEGIN(o.mailbox);
		APPEND_DATA;
		op_end(c);
	}
	END;
}

static void
s_appendfetch(struct conn *c)
{
	BEGIN;
	while (more()) {
		op_start(c);
		APPEND_BEGIN(o.mailbox);
		APPEND_DATA;
		CMD("NOOP");
		CMD("FETCH %u (UID FLAGS ENVELOPE BODY.PEEK[])", c->exists);
		op_end(c);
	}
	END;
}

static const char *const flagnames[] = { "\\Seen", "\\Flagged", "\\Answered",
	"\\Draft" };

static void
s_store(struct conn *c)
{
	BEGIN;
	while (more()) {
		c->a = 1 + rnd(c, c->uidnext > 1 ? c->uidnext - 1 : c->exists);
		OP("UID STORE %u %cFLAGS (%s)", c->a, "+-"[rnd(c, 2)],
		    flagnames[rnd(c, 4)]);
	}
	END;
}

static void
s_storeall(struct conn *c)
{
	BEGIN;
	while (more()) {
		c->b ^= 1;
		OP("STORE 1:* %cFLAGS.SILENT (\\Flagged)", c->b ? '+' : '-');
		msgs += c->exists;
	}
	END;
}

static void
s_searchbody(struct conn *c)
{
	BEGIN;
	while (more())
		OP("SEARCH BODY \"%s\"", o.word);
	END;
}

static void
s_searchflags(struct conn *c)
{
	BEGIN;
	while (more())
		OP("SEARCH UNSEEN");
	END;
}

static void
s_searchhdr(struct conn *c)
{
	BEGIN;
	while (more())
		OP("SEARCH SUBJECT \"%s\"", o.word);
	END;
}

static void
s_copy(struct conn *c)
{
	BEGIN;
	sendcmd(c, "CREATE \"%s\"", o.dest);
	c->kind = -1; /* a NO here is no error */
	WAIT(EV_TAG);
	c->kind = 0;
	while (more()) {
		OP("COPY 1:%u \"%s\"", o.n, o.dest);
		msgs += o.n;
	}
	END;
}

static void
s_expunge(struct conn *c)
{
	BEGIN;
	while (more() && c->exists >= o.n) {
		op_start(c);
		CMD("STORE 1:%u +FLAGS.SILENT (\\Deleted)", o.n);
		c->a = now_us() - c->t0;
		CMD("EXPUNGE");
		op_end(c);
		add_lat(&lat2, &nlat2, &clat2, now_us() - c->t0 - c->a);
		msgs += o.n;
	}
	END;
}

static void
s_noop(struct conn *c)
{
	BEGIN;
	while (more())
		OP("NOOP");
	END;
}

static void
s_idle(struct conn *c)
{
	BEGIN;
	c->result = RES_OK;
	WAIT(EV_GO); /* woken again when the hold ends */
	put(c, "DONE\r\n", 6);
	flush_out(c);
	WAIT(EV_TAG);
	END;
}

static void
wake_hit(struct conn *c)
{
	int64_t t = now_us();
	if (!round_no || c->round == round_no)
		return;
	c->round = round_no;
	add_lat(&lat, &nlat, &clat, t - round_t);
	add_lat(&lat2, &nlat2, &clat2, round_ok ? t - round_ok : 0);
	ops++;
	t_last = t;
	if ((int)++round_hit == nready - 1 && timer_conn)
		timer_at = t;
}

static void
s_idlewake(struct conn *c)
{
	if (!writer(c)) {
		switch (c->pc) {
		case 0:
			for (;;) {
				WAIT(EV_UNTAG | EV_GO);
				if (stopping)
					break;
				wake_hit(c);
			}
			put(c, "DONE\r\n", 6);
			flush_out(c);
			WAIT(EV_TAG);
		}
		conn_done(c);
		return;
	}
	BEGIN;
	while (more()) {
		/* a pause, so that the previous round's echoes are over */
		timer_conn = c;
		timer_at = now_us() + o.interval * 1e6;
		WAIT(EV_GO);
		round_hit = 0;
		round_ok = 0;
		if (!strcasecmp(o.wake, "store")) {
			c->a = c->uidnext > 1 ? c->uidnext - 1 -
				rnd(c, c->uidnext > 50 ? 50 : c->uidnext - 1)
					      : 1;
			c->b ^= 1;
			c->a = c->b ? c->a : c->round;
			c->round = c->a;
			round_t = now_us();
			round_no++;
			issued++;
			CMD("UID STORE %u %cFLAGS (\\Flagged)", c->a,
			    c->b ? '+' : '-');
		} else {
			issued++;
			APPEND_BEGIN(o.mailbox);
			round_t = now_us();
			round_no++;
			APPEND_DATA;
		}
		round_ok = now_us();
		rounds++;
		if ((int)round_hit < nready - 1) {
			timer_conn = c;
			timer_at = now_us() + 35000000; /* past any 30 s poll */
			if (timer_at > t_deadline)
				timer_at = t_deadline;
			WAIT(EV_GO);
		}
		if ((int)round_hit < nready - 1 && now_us() >= t_deadline)
			cut = nready - 1 -
			    round_hit; /* the clock ran out in this round */
		else
			missed += nready - 1 - round_hit;
	}
	END;
}

/* ---- fanout: what a change costs who makes it, and when all have heard ---- */

enum { FAN_STORE, FAN_APPEND, FAN_EXPUNGE, FAN_KINDS };

static struct {
	const char *name, *line;
	uint32_t *cmd, *first, *last;
	size_t n[3], cap[3], rounds, missed;
} fan[FAN_KINDS] = {
	{ .name = "store", .line = " FETCH" },
	{ .name = "append", .line = " EXISTS" },
	{ .name = "expunge", .line = " EXPUNGE" },
};
static int fan_kind;

static void
fan_hit(struct conn *c)
{
	int64_t us = now_us() - round_t;

	if (!round_no || c->round == round_no)
		return;
	c->round = round_no;
	if (++round_hit == 1)
		add_lat(&fan[fan_kind].first, &fan[fan_kind].n[1],
		    &fan[fan_kind].cap[1], us);
	if ((int)round_hit == nready - 1) {
		add_lat(&fan[fan_kind].last, &fan[fan_kind].n[2],
		    &fan[fan_kind].cap[2], us);
		if (timer_conn)
			timer_at = now_us();
	}
}

static void
fan_idler(struct conn *c)
{
	switch (c->pc) {
	case 0:
		for (;;) {
			WAIT(EV_UNTAG | EV_GO);
			if (stopping)
				break;
			fan_hit(c);
		}
		put(c, "DONE\r\n", 6);
		flush_out(c);
		WAIT(EV_TAG);
	}
	conn_done(c);
}

#define PAUSE(us)                                                              \
	do {                                                                   \
		timer_conn = c;                                                \
		timer_at = now_us() + (us);                                    \
		WAIT(EV_GO);                                                   \
	} while (0)

static void
s_fanout(struct conn *c)
{
	if (!writer(c)) {
		fan_idler(c);
		return;
	}
	BEGIN;
	while (more()) {
		fan_kind = c->a++ % FAN_KINDS;
		if (fan_kind == FAN_EXPUNGE)
			CMD("STORE * +FLAGS.SILENT (\\Deleted)");
		/* The echoes of what was before are over by then. */
		PAUSE(o.interval * 1e6);
		issued++;
		round_hit = 0;
		if (fan_kind == FAN_APPEND)
			APPEND_BEGIN(o.mailbox);
		round_no++;
		round_t = now_us();
		if (fan_kind == FAN_APPEND)
			APPEND_DATA;
		else if (fan_kind == FAN_EXPUNGE)
			CMD("EXPUNGE");
		else
			CMD("STORE * %cFLAGS.SILENT (\\Flagged)",
			    c->a % 2 ? '+' : '-');
		add_lat(&fan[fan_kind].cmd, &fan[fan_kind].n[0],
		    &fan[fan_kind].cap[0], now_us() - round_t);
		if ((int)round_hit < nready - 1)
			PAUSE(10000000);
		fan[fan_kind].rounds++;
		fan[fan_kind].missed += nready - 1 - round_hit;
	}
	END;
}

enum { K_LOGIN, K_SELECT, K_FETCH, K_STORE, K_APPEND, K_NOOP, K_EXPUNGE };
static const char *const kindnames[] = { "login", "select", "fetch", "store",
	"append", "noop", "expunge" };

static void
s_mixed(struct conn *c)
{
	BEGIN;
	if (c->kind == K_LOGIN + 100) { /* back from a re-login */
		c->kind = 0;
		c->result = RES_OK;
		op_end(c);
		kinds[K_LOGIN]++;
	}
	while (more()) {
		c->a = rnd(c, 100);
		c->kind = c->a < 4 ? K_LOGIN
		    : c->a < 16	   ? K_SELECT
		    : c->a < 51	   ? K_FETCH
		    : c->a < 71	   ? K_STORE
		    : c->a < 81	   ? K_APPEND
		    : c->a < 96	   ? K_NOOP
				   : K_EXPUNGE;
		op_start(c);
		if (c->kind == K_LOGIN) {
			CMD("LOGOUT");
			conn_close(c);
			c->kind = K_LOGIN + 100;
			c->a = 0;
			conn_start(c);
			return;
		} else if (c->kind == K_SELECT) {
			CMD("SELECT \"%s\"", o.mailbox);
		} else if (c->kind == K_FETCH) {
			c->a = c->exists > 20 ? c->exists - 19 : 1;
			if (c->exists) {
				CMD("FETCH %u:* (UID FLAGS INTERNALDATE "
				    "RFC822.SIZE ENVELOPE)",
				    c->a);
				CMD("FETCH %u (UID BODY.PEEK[])",
				    c->a + rnd(c, c->exists - c->a + 1));
			}
		} else if (c->kind == K_STORE) {
			if (c->exists)
				CMD("STORE %u +FLAGS (\\Seen)",
				    1 + rnd(c, c->exists));
		} else if (c->kind == K_APPEND) {
			APPEND_BEGIN(o.mailbox);
			APPEND_DATA;
		} else if (c->kind == K_NOOP) {
			CMD("NOOP");
		} else if (c->kind == K_EXPUNGE) {
			if (c->exists > 10)
				CMD("STORE %u +FLAGS.SILENT (\\Deleted)",
				    1 + rnd(c, c->exists));
			CMD("EXPUNGE");
		}
		op_end(c);
		kinds[c->kind]++;
	}
	END;
}

static const struct scenario scenarios[] = {
	{ "login", s_login, 0, 0, 0,
	    "connect + LOGIN + LOGOUT, over and over" },
	{ "noop", s_noop, 1, 1, 0, "NOOP in a selected mailbox" },
	{ "select", s_select, 1, 0, 0, "SELECT (timed), then --unselect" },
	{ "fetchflags", s_fetchflags, 1, 1, 0, "UID FETCH 1:* (FLAGS)" },
	{ "fetchenv", s_fetchenv, 1, 1, 0,
	    "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE "
	    "BODYSTRUCTURE)" },
	{ "fetchbody", s_fetchbody, 1, 1, 0,
	    "FETCH BODY.PEEK[] of all, --n at a time" },
	{ "append", s_append, 1, 0, 0, "APPEND of --size octets" },
	{ "appendfetch", s_appendfetch, 1, 1, 0,
	    "APPEND, NOOP, FETCH of the last message" },
	{ "store", s_store, 1, 1, 0, "UID STORE +/-FLAGS on random messages" },
	{ "storeall", s_storeall, 1, 1, 0,
	    "STORE 1:* +/-FLAGS.SILENT (\\Flagged), in turns" },
	{ "searchbody", s_searchbody, 1, 1, 0, "SEARCH BODY --word" },
	{ "searchflags", s_searchflags, 1, 1, 0, "SEARCH UNSEEN" },
	{ "searchhdr", s_searchhdr, 1, 1, 0, "SEARCH SUBJECT --word" },
	{ "copy", s_copy, 1, 1, 0, "COPY 1:--n to --dest" },
	{ "expunge", s_expunge, 1, 1, 0, "STORE 1:--n \\Deleted + EXPUNGE" },
	{ "idle", s_idle, 1, 1, 1,
	    "--conns sessions in IDLE, held --duration seconds" },
	{ "idlewake", s_idlewake, 1, 1, 2,
	    "one writer (--wake append|store), --conns idlers" },
	{ "fanout", s_fanout, 1, 1, 3,
	    "STORE, APPEND, EXPUNGE in turns by one, --conns idlers; waits "
	    "for a line when ready" },
	{ "mixed", s_mixed, 1, 1, 0, "a mix of all" }, { 0 }
};

/* ---- responses -------------------------------------------------------- */

static void
resume(struct conn *c, int ev)
{
	if (!(c->want & ev))
		return;
	c->want = ev;
	c->script(c);
}

/* What tells an idler of the change of this round. */
static void
fan_line(struct conn *c, const char *q)
{
	if (sc->idle == 3 && !writer(c) && !strncasecmp(q, fan[fan_kind].line,
	    strlen(fan[fan_kind].line)))
		resume(c, EV_UNTAG);
}

static void
untagged(struct conn *c)
{
	char *p = c->line + 2, *q;
	unsigned long n;
	if (isdigit((unsigned char)*p)) {
		n = strtoul(p, &q, 10);
		if (!strncasecmp(q, " FETCH", 6)) {
			if (going && !sc->idle)
				msgs++;
			if (sc->idle == 2 && !strcasecmp(o.wake, "store"))
				resume(c, EV_UNTAG);
			fan_line(c, q);
		} else if (!strncasecmp(q, " EXISTS", 7)) {
			c->exists = n;
			if (sc->idle == 2 && strcasecmp(o.wake, "store"))
				resume(c, EV_UNTAG);
			fan_line(c, q);
		} else if (!strncasecmp(q, " EXPUNGE", 8) && c->exists) {
			c->exists--;
			fan_line(c, q);
		}
	} else if (!strncasecmp(p, "OK [UIDNEXT ", 12))
		c->uidnext = strtoul(p + 12, NULL, 10);
	else if (!strncasecmp(p, "SEARCH", 6) && going)
		hits = c->words - 1;
}

static void
response(struct conn *c)
{
	char *p = c->line;
	p[c->linelen] = 0;
	if (o.verbose > 1)
		fprintf(stderr, "%d< %s\n", c->id, p);
	if (c->phase == PH_GREET) {
		if (strncasecmp(p, "* OK", 4)) {
			if (o.verbose || e_disc < 3)
				fprintf(stderr, "greeting: %s\n", p);
			conn_lost(c);
			return;
		}
		c->phase = PH_RUN;
		c->pc = 0;
		c->script = sc->login ? prologue : sc->script;
		c->script(c);
		return;
	}
	if (p[0] == '*') {
		untagged(c);
		return;
	}
	if (p[0] == '+') {
		resume(c, EV_CONT);
		return;
	}
	if (p[0] != 'a' || strtoul(p + 1, &p, 10) != c->tag || *p != ' ') {
		fprintf(stderr, "conn %d: unexpected: %s\n", c->id, c->line);
		e_bad++;
		return;
	}
	p++;
	c->result = !strncasecmp(p, "OK", 2) ? RES_OK
	    : !strncasecmp(p, "NO", 2)	     ? RES_NO
					     : RES_BAD;
	if (c->result != RES_OK && c->kind != -1) {
		if (c->result == RES_NO)
			e_no++;
		else
			e_bad++;
		if (o.verbose || e_no + e_bad <= 5)
			fprintf(stderr, "conn %d: %s\n", c->id, c->line);
		if (e_no + e_bad > 10000)
			stopping = 1;
	}
	resume(c, EV_TAG);
}

static void
feed(struct conn *c, const char *p, size_t n)
{
	unsigned gen = c->gen;
	bytes_in += n;
	while (n) {
		const char *nl;
		size_t k, r;
		if (c->lit) {
			k = c->lit < n ? c->lit : n;
			c->lit -= k;
			p += k;
			n -= k;
			continue;
		}
		nl = memchr(p, '\n', n);
		k = nl ? (size_t)(nl - p) + 1 : n;
		r = LINEMAX - 1 - c->linelen;
		if (r > k)
			r = k;
		memcpy(c->line + c->linelen, p, r);
		c->linelen += r;
		if (k >= TAIL) {
			memcpy(c->tail, p + k - TAIL, TAIL);
			c->taillen = TAIL;
		} else {
			size_t keep =
			    c->taillen + k > TAIL ? TAIL - k : c->taillen;
			memmove(c->tail, c->tail + c->taillen - keep, keep);
			memcpy(c->tail + keep, p, k);
			c->taillen = keep + k;
		}
		if (c->line[2] == 'S')
			for (r = 0; r < k; r++)
				c->words += p[r] == ' ';
		p += k;
		n -= k;
		if (!nl)
			return;
		/* the physical line is complete: does a literal follow? */
		k = c->taillen;
		while (k && (c->tail[k - 1] == '\n' || c->tail[k - 1] == '\r'))
			k--;
		if (k && c->tail[k - 1] == '}') {
			r = k - 1;
			while (r && isdigit((unsigned char)c->tail[r - 1]))
				r--;
			if (r && r < k - 1 && c->tail[r - 1] == '{') {
				c->lit = strtoull(c->tail + r, NULL, 10);
				c->taillen = 0;
				continue;
			}
		}
		while (c->linelen &&
		    (c->line[c->linelen - 1] == '\n' ||
			c->line[c->linelen - 1] == '\r'))
			c->linelen--;
		response(c);
		if (c->gen != gen)
			return;
		c->linelen = c->taillen = 0;
		c->words = 0;
	}
}

/* ---- connection life -------------------------------------------------- */

static void
conn_done(struct conn *c)
{
	if (c->phase == PH_DONE)
		return;
	if (!c->counted) {
		c->counted = 1;
		nfailed++;
	}
	if (c->fd >= 0) {
		/* say good-bye without waiting for the answer */
		if (c->phase == PH_RUN)
			sendcmd(c, "LOGOUT");
		conn_close(c);
	}
	c->phase = PH_DONE;
	c->want = 0;
	ndone++;
}

/* The server went away, or never let us in. */
static void
conn_lost(struct conn *c)
{
	e_disc++;
	if (o.verbose || e_disc <= 3)
		fprintf(stderr, "conn %d: lost in phase %d (%s)\n", c->id,
		    c->phase, strerror(errno));
	conn_close(c);
	if (c->kind == K_LOGIN + 100)
		c->kind = 0;
	if (going && !sc->idle && more() && ++reconnects < 1000) {
		conn_start(c);
		return;
	}
	c->phase = PH_CONNECT;
	conn_done(c);
}

static void
conn_start(struct conn *c)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons(o.port) };
	int one = 1;
	inet_pton(AF_INET, o.host, &sa.sin_addr);
	if (!sc->login)
		op_start(c);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->phase = PH_CONNECT;
	c->want = 0;
	c->ready = 0;
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof sa) < 0 &&
	    errno != EINPROGRESS) {
		conn_lost(c);
		return;
	}
	watch(c, EPOLLOUT);
}

static void
tls_step(struct conn *c)
{
#ifndef NO_TLS
	int r = SSL_connect(c->ssl), e;
	if (r == 1) {
		c->phase = PH_GREET;
		watch(c, EPOLLIN);
		return;
	}
	e = SSL_get_error(c->ssl, r);
	if (e == SSL_ERROR_WANT_READ)
		watch(c, EPOLLIN);
	else if (e == SSL_ERROR_WANT_WRITE)
		watch(c, EPOLLOUT);
	else
		conn_lost(c);
#endif
}

static void
readable(struct conn *c)
{
	static char buf[RDBUF];
	unsigned gen = c->gen; /* used under TLS only */
	(void)gen;
	ssize_t n;
#ifndef NO_TLS
	if (c->ssl) {
		while ((n = SSL_read(c->ssl, buf, sizeof buf)) > 0) {
			feed(c, buf, n);
			if (c->gen != gen)
				return;
		}
		if (SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ)
			return;
		ERR_clear_error();
		conn_lost(c);
		return;
	}
#endif
	n = recv(c->fd, buf, sizeof buf, 0);
	if (o.quickack) {
		int one = 1; /* must be asked for again after each read */
		setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
	}
	if (n > 0)
		feed(c, buf, n);
	else if (n == 0 || errno != EAGAIN)
		conn_lost(c);
}

static void
event(struct conn *c, uint32_t ev)
{
	if (c->fd < 0)
		return;
	if (c->phase == PH_CONNECT) {
		int err = 0;
		socklen_t l = sizeof err;
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
		if (err) {
			errno = err;
			conn_lost(c);
			return;
		}
		c->phase = PH_GREET;
#ifndef NO_TLS
		if (o.tls) {
			c->ssl = SSL_new(tlsctx);
			SSL_set_fd(c->ssl, c->fd);
			c->phase = PH_TLS;
			tls_step(c);
			return;
		}
#endif
		watch(c, EPOLLIN);
		return;
	}
	if (c->phase == PH_TLS) {
		tls_step(c);
		return;
	}
	if ((ev & EPOLLOUT) && c->outlen && flush_out(c) < 0) {
		conn_lost(c);
		return;
	}
	if (ev & (EPOLLIN | EPOLLHUP | EPOLLERR))
		readable(c);
}

/* ---- main ------------------------------------------------------------- */

static int
cmp32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double
pct(const uint32_t *v, size_t n, double p)
{
	return n ? v[(size_t)(p * (n - 1) + 0.5)] / 1000.0 : 0;
}

static void
report_fan(void)
{
	static const char *const what[] = { "cmd", "first", "last" };

	for (int k = 0; k < FAN_KINDS; k++) {
		uint32_t *v[] = { fan[k].cmd, fan[k].first, fan[k].last };

		printf("change=%s rounds=%zu missed=%zu", fan[k].name,
		    fan[k].rounds, fan[k].missed);
		for (int i = 0; i < 3; i++) {
			qsort(v[i], fan[k].n[i], sizeof(*v[i]), cmp32);
			printf(" %s_p50_ms=%.3f %s_p99_ms=%.3f", what[i],
			    pct(v[i], fan[k].n[i], .5), what[i],
			    pct(v[i], fan[k].n[i], .99));
		}
		printf("\n");
	}
}

static void
report(void)
{
	double el = (t_last > t_go ? t_last - t_go : 1) / 1e6;
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	qsort(lat, nlat, sizeof *lat, cmp32);
	qsort(lat2, nlat2, sizeof *lat2, cmp32);
	printf("scenario=%s tls=%d port=%d conns=%d users=%d elapsed_s=%.3f "
	       "ramp_s=%.3f ops=%llu ops_s=%.2f "
	       "p50_ms=%.3f p99_ms=%.3f max_ms=%.3f errors=%llu no=%llu "
	       "bad=%llu disc=%llu loginfail=%llu",
	    sc->name, o.tls, o.port, o.conns, o.users, el, t_ramp / 1e6,
	    (unsigned long long)ops, ops / el, pct(lat, nlat, .5),
	    pct(lat, nlat, .99), pct(lat, nlat, 1),
	    (unsigned long long)(e_no + e_bad + e_disc),
	    (unsigned long long)e_no, (unsigned long long)e_bad,
	    (unsigned long long)e_disc, (unsigned long long)e_login);
	printf(" mb=%.3f mb_s=%.2f msgs=%llu msgs_s=%.1f",
	    (bytes_in - bytes_go) / 1e6, (bytes_in - bytes_go) / 1e6 / el,
	    (unsigned long long)msgs, msgs / el);
	if (!strncmp(sc->name, "search", 6))
		printf(" hits=%llu", (unsigned long long)hits);
	if (sc->idle)
		printf(" sessions=%d failed=%d", nready, nfailed);
	if (sc->idle == 2)
		printf(" rounds=%u notified=%llu missed=%llu cut=%llu "
		       "p50_after_ok_ms=%.3f p99_after_ok_ms=%.3f",
		    rounds, (unsigned long long)ops, (unsigned long long)missed,
		    (unsigned long long)cut, pct(lat2, nlat2, .5),
		    pct(lat2, nlat2, .99));
	else if (nlat2)
		printf(" p50_expunge_ms=%.3f p99_expunge_ms=%.3f",
		    pct(lat2, nlat2, .5), pct(lat2, nlat2, .99));
	if (sc->script == s_mixed)
		for (int i = 0; i <= K_EXPUNGE; i++)
			printf(" n_%s=%llu", kindnames[i],
			    (unsigned long long)kinds[i]);
	printf(" client_cpu_s=%.2f\n",
	    ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
		(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	fflush(stdout);
}

static void
usage(void)
{
	puts("imapload [options] SCENARIO\n"
	     "  --host A --port N --tls         where (IPv4 address; --tls: "
	     "implicit TLS)\n"
	     "  --user PAT --pass P             user name, may hold one %0Nd; "
	     "connection i is user\n"
	     "  --users N --ustart N            ustart + i % users\n"
	     "  --conns N --ramp N              connections; at most --ramp "
	     "log in at once\n"
	     "  --duration S --count N          stop after S seconds or N "
	     "operations\n"
	     "  --timeout S                     give up altogether after S "
	     "seconds\n"
	     "  --mailbox M --dest M --n N --size N --word W --unselect "
	     "UNSELECT|CLOSE|NONE\n"
	     "  --wake append|store --interval S    (idlewake)\n"
	     "  --quickack      acknowledge at once (plain TCP): hides a "
	     "server's Nagle stalls\n"
	     "  --seed N -v [-v]\nscenarios:");
	for (const struct scenario *s = scenarios; s->name; s++)
		printf("  %-12s %s\n", s->name, s->help);
	exit(1);
}

int
main(int argc, char **argv)
{
	enum {
		HOST = 256,
		PORT,
		TLS,
		USER,
		PASS,
		USERS,
		USTART,
		CONNS,
		RAMP,
		DUR,
		COUNT,
		TMO,
		MBOX,
		DEST,
		NN,
		SIZE,
		WORD,
		UNSEL,
		WAKE,
		IVAL,
		SEED,
		QACK
	};
	static const struct option lo[] = { { "host", 1, 0, HOST },
		{ "port", 1, 0, PORT }, { "tls", 0, 0, TLS },
		{ "user", 1, 0, USER }, { "pass", 1, 0, PASS },
		{ "users", 1, 0, USERS }, { "ustart", 1, 0, USTART },
		{ "conns", 1, 0, CONNS }, { "ramp", 1, 0, RAMP },
		{ "duration", 1, 0, DUR }, { "count", 1, 0, COUNT },
		{ "timeout", 1, 0, TMO }, { "mailbox", 1, 0, MBOX },
		{ "dest", 1, 0, DEST }, { "n", 1, 0, NN },
		{ "size", 1, 0, SIZE }, { "word", 1, 0, WORD },
		{ "unselect", 1, 0, UNSEL }, { "wake", 1, 0, WAKE },
		{ "interval", 1, 0, IVAL }, { "seed", 1, 0, SEED },
		{ "quickack", 0, 0, QACK }, { 0 } };
	int ch, i;
	while ((ch = getopt_long(argc, argv, "v", lo, NULL)) != -1)
		switch (ch) {
		case HOST: o.host = optarg; break;
		case PORT: o.port = atoi(optarg); break;
		case TLS: o.tls = 1; break;
		case USER: o.user = optarg; break;
		case PASS: o.pass = optarg; break;
		case USERS: o.users = atoi(optarg); break;
		case USTART: o.ustart = atoi(optarg); break;
		case CONNS: o.conns = atoi(optarg); break;
		case RAMP: o.ramp = atoi(optarg); break;
		case DUR: o.duration = atof(optarg); break;
		case COUNT: o.count = strtoull(optarg, NULL, 10); break;
		case TMO: o.timeout = atof(optarg); break;
		case MBOX: o.mailbox = optarg; break;
		case DEST: o.dest = optarg; break;
		case NN: o.n = atoi(optarg); break;
		case SIZE: o.size = atoi(optarg); break;
		case WORD: o.word = optarg; break;
		case UNSEL: o.unselect = optarg; break;
		case WAKE: o.wake = optarg; break;
		case IVAL: o.interval = atof(optarg); break;
		case SEED: o.seed = atoi(optarg); break;
		case QACK: o.quickack = 1; break;
		case 'v': o.verbose++; break;
		default: usage();
		}
	if (optind != argc - 1)
		usage();
	for (sc = scenarios; sc->name && strcmp(sc->name, argv[optind]); sc++)
		;
	if (!sc->name || o.conns < 1 || o.users < 1 || o.n < 1)
		usage();
	if (sc->idle >= 2)
		o.conns++; /* the writer */
	signal(SIGPIPE, SIG_IGN);
	make_message();
#ifndef NO_TLS
	if (o.tls) {
		tlsctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_verify(tlsctx, SSL_VERIFY_NONE, NULL);
		SSL_CTX_set_session_cache_mode(tlsctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_mode(tlsctx,
		    SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	}
#else
	if (o.tls)
		die("built without TLS");
#endif
	conns = calloc(o.conns, sizeof *conns);
	ep = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < o.conns; i++) {
		conns[i].id = i;
		conns[i].fd = -1;
		conns[i].rng = (o.seed + 1) * 0x9E3779B97F4A7C15ull ^
		    ((uint64_t)i + 1) * 0xD1B54A32D192ED03ull;
	}
	int64_t t_start = now_us(), t_end = t_start + o.timeout * 1e6;
	t_deadline = t_end;
	int64_t grace = 0;
	if (!sc->login) { /* the login scenario has no prologue */
		going = 1;
		t_go = t_last = t_start;
		t_deadline = t_start + o.duration * 1e6;
		for (i = 0; i < o.conns; i++) {
			conns[i].counted = 1;
			conn_start(&conns[i]);
		}
		nstarted = nready = o.conns;
	}
	while (ndone < o.conns) {
		struct epoll_event ev[256];
		int64_t t = now_us();
		if (t > t_end || (grace && t > grace)) {
			fprintf(stderr, "timed out with %d unfinished\n",
			    o.conns - ndone);
			break;
		}
		while (
		    nstarted < o.conns && nstarted - nready - nfailed < o.ramp)
			conn_start(&conns[nstarted++]);
		if (!going && nready + nfailed == o.conns) {
			going = 1;
			t_go = t_last = now_us();
			t_ramp = t_go - t_start;
			bytes_go = bytes_in;
			t_deadline =
			    o.duration ? t_go + o.duration * 1e6 : t_end;
			if (sc->idle) {
				printf("ready=1 sessions=%d failed=%d "
				       "ramp_s=%.3f\n",
				    nready, nfailed, t_ramp / 1e6);
				fflush(stdout);
				if (sc->idle == 3)
					(void)getchar();
				t_deadline = o.duration ? now_us() +
				    (int64_t)(o.duration * 1e6) : t_end;
			}
			for (i = 0; i < o.conns; i++)
				if (conns[i].ready)
					resume(&conns[i], EV_GO);
			continue;
		}
		if (going && !stopping && t >= t_deadline) {
			stopping = 1;
			grace = t + 60000000;
			if (sc->idle) {
				if (sc->idle == 1)
					t_last = t;
				for (i = 0; i < o.conns; i++)
					if (conns[i].phase == PH_RUN &&
					    !writer(&conns[i]))
						resume(&conns[i], EV_GO);
			}
		}
		int wait = 1000;
		if (going && !stopping && t_deadline - t < 1000000)
			wait = (t_deadline - t) / 1000 + 1;
		if (timer_conn && timer_at - t < wait * 1000LL)
			wait = timer_at > t ? (timer_at - t) / 1000 + 1 : 0;
		int n = epoll_wait(ep, ev, 256, wait);
		for (i = 0; i < n; i++)
			event(ev[i].data.ptr, ev[i].events);
		if (timer_conn && now_us() >= timer_at) {
			struct conn *c = timer_conn;
			timer_conn = NULL;
			resume(c, EV_GO);
			if (sc->idle >= 2 && c->phase == PH_DONE && !stopping)
				t_deadline = 0;
		}
	}
	report();
	if (sc->idle == 3)
		report_fan();
	return e_no + e_bad + e_disc + e_login + nfailed ? 1 : 0;
}
