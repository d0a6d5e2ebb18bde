/* The auth socket. A client that does not read its answers, or sends nonsense, goes. */
#include "daemon/auth_socket.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/mechanism.h"
#include "common/tabtext.h"
#include "daemon/auth.h"
#include "daemon/auth_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SOCKETS_MAX = IPC_FDS_MAX, CLIENTS_MAX = 1000,
	PENDING_MAX = 100,		/* attempts of one client at a time */
	LINE_MAX_BYTES = 16 << 10,
};

/* Tags have the highest bit, which no attempt's id has; sockets come first. */
#define TAG (UINT64_C(1) << 63)

struct pending {
	uint32_t number;		/* the client's id */
	uint64_t attempt;
};

struct client {
	uint64_t tag;			/* 0: free slot */
	int fd;
	bool greeted;
	struct buf in;
	struct pending pending[PENDING_MAX];
	size_t n_pending;
};

static int sockets[SOCKETS_MAX];
static size_t n_sockets;
static struct client *clients[CLIENTS_MAX];
static uint64_t n_accepted;

/* ---- clients ---- */

static struct client *
find(uint64_t tag)
{
	size_t slot = tag & 0xffff;
	struct client *c = slot < CLIENTS_MAX ? clients[slot] : NULL;

	return c != NULL && c->tag == tag ? c : NULL;
}

/* What its attempts come to nobody is told. */
static void
drop(struct client *c)
{
	clients[c->tag & 0xffff] = NULL;
	auth_unwatch(c->fd);
	close(c->fd);
	buf_clear(&c->in);
	free(c);
}

/* All or nothing: an MTA that does not read is lost. */
static void
send_line(uint64_t tag, struct buf *line)
{
	struct client *c = find(tag);

	buf_addc(line, '\n');
	if (c != NULL && send(c->fd, line->p, line->n, MSG_NOSIGNAL |
	    MSG_DONTWAIT) != (ssize_t)line->n)
		drop(c);
	buf_clear(line);
}

static void
greet(struct client *c)
{
	const struct mechanism *row;
	unsigned char cookie[16];
	struct buf b = { 0 };

	random_bytes(cookie, sizeof(cookie));
	buf_adds(&b, "VERSION\t1\t2\n");
	/* The protocol has no way for what binds to the client's channel. */
	for (size_t i = 0; (row = mechanism_at(i)) != NULL; i++)
		if ((row->flags & MECHANISM_BINDING) == 0 &&
		    mechanism_listed(auth_cfg->auth_mechanisms,
		    span_of(row->name)))
			buf_addf(&b, "MECH\t%s%s\n", row->name,
			    row->properties);
	buf_addf(&b, "SPID\t%ld\nCUID\t%llu\nCOOKIE\t", (long)getpid(),
	    (unsigned long long)n_accepted);
	for (size_t i = 0; i < sizeof(cookie); i++)
		buf_addf(&b, "%02x", cookie[i]);
	buf_adds(&b, "\nDONE");
	send_line(c->tag, &b);
}

static void
take_client(int listening)
{
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;
	size_t slot = 0;

	if (fd < 0)
		return;
	while (slot < CLIENTS_MAX && clients[slot] != NULL)
		slot++;
	if (slot == CLIENTS_MAX) {
		log_warn("the auth socket has %d clients; another one is "
		    "turned away", CLIENTS_MAX);
		close(fd);
		return;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal("no memory for a client of the auth socket");
	c->fd = fd;
	c->in.secret = true;
	/* The lower bits find the slot, the others are never used twice. */
	c->tag = TAG | ++n_accepted << 16 | slot;
	clients[slot] = c;
	auth_watch(fd, c->tag);
	greet(c);
}

/* ---- answers ---- */

/* The client that waits for it, and its number; forgets that it does. */
static bool
settle(const struct attempt *t, uint32_t *number_out)
{
	struct client *c = find(t->mta);

	for (size_t i = 0; c != NULL && i < c->n_pending; i++)
		if (c->pending[i].attempt == t->id) {
			*number_out = c->pending[i].number;
			c->pending[i] = c->pending[--c->n_pending];
			return true;
		}
	return false;
}

static void
add_user(const struct attempt *t, struct buf *b)
{
	buf_adds(b, "\tuser=");
	tabtext_escape(span_of(t->user != NULL ? t->user : t->tried), b);
}

void
auth_socket_agreed(struct attempt *t)
{
	struct buf b = { 0 };
	uint32_t number;

	if (settle(t, &number)) {
		buf_addf(&b, "OK\t%u", number);
		add_user(t, &b);
		send_line(t->mta, &b);
	}
	attempt_free(t);
}

void
auth_socket_failed(struct attempt *t, enum ipc_failure why)
{
	struct buf b = { 0 };
	uint32_t number;

	if (settle(t, &number)) {
		buf_addf(&b, "FAIL\t%u", number);
		if (t->tried != NULL && *t->tried != '\0')
			add_user(t, &b);
		if (why == FAILURE_TEMPORARY || why == FAILURE_LIMIT)
			buf_adds(&b, "\ttemp\tcode=temp_fail");
		else if (why == FAILURE_DISABLED)
			buf_adds(&b, "\tuser_disabled\tcode=user_disabled");
		send_line(t->mta, &b);
	}
	attempt_free(t);
}

void
auth_socket_challenge(struct attempt *t, struct span text)
{
	struct client *c = find(t->mta);
	struct buf b = { .secret = true };

	for (size_t i = 0; c != NULL && i < c->n_pending; i++)
		if (c->pending[i].attempt == t->id) {
			buf_addf(&b, "CONT\t%u\t", c->pending[i].number);
			base64_encode(text, &b);
			send_line(t->mta, &b);
			return;
		}
	attempt_free(t);
}

/* ---- lines ---- */

static struct attempt *
find_attempt(const struct client *c, uint32_t number)
{
	for (size_t i = 0; i < c->n_pending; i++)
		if (c->pending[i].number == number)
			return attempt_by_id(c->pending[i].attempt);
	return NULL;
}

static bool
begin(struct client *c, const struct auth_line *l)
{
	struct attempt *t;
	struct buf b = { 0 };

	if (find_attempt(c, l->number) != NULL)
		return false;
	if (c->n_pending == PENDING_MAX) {
		buf_addf(&b, "FAIL\t%u\ttemp", l->number);
		send_line(c->tag, &b);
		return true;
	}
	t = attempt_new(-1);
	t->mta = c->tag;
	c->pending[c->n_pending++] = (struct pending){ l->number, t->id };
	t->mechanism = arena_cstr(&t->arena, span_of(l->mechanism));
	t->session = arena_cstr(&t->arena, span_of(l->session));
	t->remote = arena_cstr(&t->arena, span_of(l->remote));
	t->local = arena_cstr(&t->arena, span_of(l->local));
	t->tried = "";
	auth_begin(t, l->response);
	return true;
}

/* False: not what can come here. */
static bool
obey(struct client *c, const struct auth_line *l)
{
	struct attempt *t;

	if (!c->greeted)
		return l->verb == AUTH_LINE_VERSION && l->number == 1 &&
		    (c->greeted = true);
	switch (l->verb) {
	case AUTH_LINE_AUTH:
		return begin(c, l);
	case AUTH_LINE_CONT:
		t = find_attempt(c, l->number);
		if (t == NULL || t->phase != PHASE_SASL)
			return false;
		auth_answer(t, l->response);
		return true;
	case AUTH_LINE_CANCEL:
		/* One that a helper works for ends by itself. */
		t = find_attempt(c, l->number);
		if (t != NULL && t->phase == PHASE_SASL)
			auth_fail(t, FAILURE_CANCELLED);
		return true;
	case AUTH_LINE_VERSION:
	case AUTH_LINE_CPID:
	case AUTH_LINE_OTHER:
		return true;
	}
	return true;
}

static bool
hear_line(uint64_t tag, struct span text)
{
	struct client *c = find(tag);
	struct arena a = { 0 };
	struct auth_line line;
	bool good = auth_line_read(text, &a, &line) == ERR_OK && obey(c, &line);

	arena_free(&a);
	return good;
}

/* Whole lines off the front of what came; an answer may lose the client. */
static void
hear_lines(struct client *c)
{
	uint64_t tag = c->tag;
	struct span rest = buf_span(&c->in);
	size_t end;
	bool good = true;

	while (find(tag) == c && good &&
	    (end = span_find(rest, '\n')) < rest.n) {
		good = hear_line(tag, (struct span){ rest.p, end });
		rest.p += end + 1;
		rest.n -= end + 1;
	}
	if (find(tag) != c)
		return;
	if (!good || rest.n >= LINE_MAX_BYTES) {
		log_warn("a client of the auth socket sent what makes no "
		    "sense; its connection is closed");
		drop(c);
		return;
	}
	memmove(c->in.p, rest.p, rest.n);
	secret_wipe(c->in.p + rest.n, c->in.n - rest.n);
	c->in.n = rest.n;
}

static void
hear_client(struct client *c)
{
	char piece[4096];
	ssize_t n = recv(c->fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			drop(c);
		return;
	}
	buf_add(&c->in, piece, (size_t)n);
	secret_wipe(piece, (size_t)n);
	hear_lines(c);
}

/* ---- events ---- */

bool
auth_socket_event(uint64_t tag)
{
	struct client *c;

	if ((tag & TAG) == 0)
		return false;
	if (tag - TAG < SOCKETS_MAX)
		take_client(sockets[tag - TAG]);
	else if ((c = find(tag)) != NULL)
		hear_client(c);
	return true;
}

void
auth_socket_use(const int *fd, size_t n)
{
	for (size_t i = 0; i < n_sockets; i++) {
		auth_unwatch(sockets[i]);
		close(sockets[i]);
	}
	n_sockets = 0;
	for (size_t i = 0; i < n && i < SOCKETS_MAX; i++) {
		sockets[n_sockets] = fd[i];
		auth_watch(fd[i], TAG + n_sockets++);
	}
}
