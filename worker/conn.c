/*
 * Byte stream over socket and TLS with deadlines. The descriptors do not block;
 * whoever must wait does it in one poll(2) here. Output is sent before any wait
 * for the client, so that nobody else has to think of flushing.
 */
#include "worker/conn.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	IN_MAX = 16 << 10,
	OUT_MAX = 32 << 10,
	DIRECT_MIN = 8 << 10,	/* a block that is not worth copying */
};

struct conn {
	int in_fd, out_fd;
	int in_flags, out_flags;	/* as they came, to be given back */
	struct tls_conn *tls;
	char *in;
	size_t in_at, in_n;
	char *out;
	size_t out_n;
	int read_ms, write_ms;
	uint64_t deadline_ms;
	uint64_t bytes_in, bytes_out;
	const char *on_stop, *on_timeout;
	void (*blocked)(void *arg);
	void *blocked_arg;
	sigset_t waiting;	/* signals blocked while waiting for the client */
	bool at_end;		/* the client will send nothing more */
	bool dead;
	char death[96];
};

static volatile sig_atomic_t stop_requested;

void
conn_request_stop(void)
{
	stop_requested = 1;
}

bool
conn_stop_requested(void)
{
	return stop_requested != 0;
}

/*
 * Buffers are mapped, not malloc'ed: given back they are gone from the process,
 * whatever lies beside them on the heap.
 */
static char *
buffer_new(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fatal_errno("no memory for a connection buffer");
	return p;
}

static void
buffer_free(char **p, size_t n)
{
	if (*p != NULL)
		munmap(*p, n);
	*p = NULL;
}

struct conn *
conn_new(int in_fd, int out_fd)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal("no memory for a connection");
	c->in_fd = in_fd;
	c->out_fd = out_fd;
	c->read_ms = c->write_ms = -1;
	c->in_flags = fcntl(in_fd, F_GETFL);
	c->out_flags = fcntl(out_fd, F_GETFL);
	fcntl(in_fd, F_SETFL, c->in_flags | O_NONBLOCK);
	fcntl(out_fd, F_SETFL, c->out_flags | O_NONBLOCK);
	sigprocmask(SIG_BLOCK, NULL, &c->waiting);
	sigdelset(&c->waiting, SIGTERM);
	sigdelset(&c->waiting, SIGHUP);
	return c;
}

void
conn_free(struct conn **cp)
{
	struct conn *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	tls_close(&c->tls);
	buffer_free(&c->in, IN_MAX);
	buffer_free(&c->out, OUT_MAX);
	/* A tunnel's descriptors may be shared with the caller's shell. */
	fcntl(c->in_fd, F_SETFL, c->in_flags);
	fcntl(c->out_fd, F_SETFL, c->out_flags);
	close(c->in_fd);
	if (c->out_fd != c->in_fd)
		close(c->out_fd);
	free(c);
}

void
conn_release_buffers(struct conn *c)
{
	if (c->in_at == c->in_n)
		buffer_free(&c->in, IN_MAX);
	if (c->out_n == 0)
		buffer_free(&c->out, OUT_MAX);
#ifdef __GLIBC__
	/* What commands freed lies between what stays: 100 KiB of 260. */
	malloc_trim(0);
#endif
}

bool
conn_is_dead(const struct conn *c)
{
	return c->dead;
}

const char *
conn_death(const struct conn *c)
{
	return c->death;
}

void
conn_kill(struct conn *c, const char *why)
{
	if (c->dead)
		return;
	c->dead = true;
	c->out_n = 0;
	snprintf(c->death, sizeof(c->death), "%s", why);
}

static void
die_errno(struct conn *c, int errnum)
{
	bool closed = errnum == EPIPE || errnum == ECONNRESET;

	conn_kill(c, closed ? "Connection closed" : strerror(errnum));
}

void
conn_on_block(struct conn *c, void (*blocked)(void *arg), void *arg)
{
	c->blocked = blocked;
	c->blocked_arg = arg;
}

void
conn_set_timeouts(struct conn *c, int read_ms, int write_ms)
{
	c->read_ms = read_ms;
	c->write_ms = write_ms;
}

void
conn_set_deadline(struct conn *c, uint64_t mono_ms)
{
	c->deadline_ms = mono_ms;
}

void
conn_set_farewells(struct conn *c, const char *on_stop, const char *on_timeout)
{
	c->on_stop = on_stop;
	c->on_timeout = on_timeout;
}

/* ---- waiting ---- */

/* Milliseconds until `end` (0: never ends: -1). */
static int
left_ms(uint64_t end)
{
	uint64_t now = clock_mono_ms();

	if (end == 0)
		return -1;
	if (now >= end)
		return 0;
	return end - now > INT_MAX ? INT_MAX : (int)(end - now);
}

static uint64_t
end_of(int timeout_ms)
{
	return timeout_ms < 0 ? 0 : clock_mono_ms() + (uint64_t)timeout_ms;
}

static int
poll_some(struct pollfd *p, nfds_t n, int timeout_ms, const sigset_t *mask)
{
	struct timespec ts = { timeout_ms / 1000,
	    (long)(timeout_ms % 1000) * 1000000 };

	return ppoll(p, n, timeout_ms < 0 ? NULL : &ts, mask);
}

/* Waits until the client takes or gives bytes that a write needs. */
static bool
wait_to_write(struct conn *c, short want)
{
	struct pollfd p = { want == POLLIN ? c->in_fd : c->out_fd, want, 0 };
	uint64_t end = end_of(c->write_ms);
	int r;

	if (c->blocked != NULL)
		c->blocked(c->blocked_arg);
	while ((r = poll_some(&p, 1, left_ms(end), NULL)) == -1 &&
	    errno == EINTR)
		;
	if (r == 0)
		conn_kill(c, "Timeout while writing");
	else if (r == -1)
		die_errno(c, errno);
	return r > 0;
}

static void
say_goodbye(struct conn *c, const char *farewell, const char *why)
{
	if (farewell != NULL && !c->dead) {
		/* The end must not wait for a client that reads nothing. */
		c->write_ms = 1000;
		conn_write(c, farewell, strlen(farewell));
		conn_flush(c);
	}
	conn_kill(c, why);
}

/*
 * Waits for `want` on the client's descriptor, for wake_fd or the time. The
 * deadline of the connection counts as well and kills it.
 */
static enum conn_wait
wait_to_read(struct conn *c, short want, int wake_fd, uint64_t end)
{
	struct pollfd p[2] = {
		{ want == POLLOUT ? c->out_fd : c->in_fd, want, 0 },
		{ wake_fd, POLLIN, 0 },
	};
	uint64_t until = end;
	int r;

	if (c->deadline_ms != 0 && (end == 0 || c->deadline_ms < end))
		until = c->deadline_ms;
	for (;;) {
		if (stop_requested) {
			say_goodbye(c, c->on_stop, "Server shutting down");
			return CONN_CLOSED;
		}
		r = poll_some(p, wake_fd == -1 ? 1 : 2, left_ms(until),
		    &c->waiting);
		if (r > 0 && p[0].revents != 0)
			return CONN_READABLE;
		if (r > 0)
			return CONN_WOKEN;
		if (r == 0 && until != end) {
			say_goodbye(c, c->on_timeout, "Inactivity");
			return CONN_CLOSED;
		}
		if (r == 0)
			return CONN_TIMEOUT;
		if (errno != EINTR) {
			die_errno(c, errno);
			return CONN_CLOSED;
		}
	}
}

/* ---- reading ---- */

/*
 * Adds to the input buffer what is there now. False: nothing yet (*want says what
 * to wait for), or dead.
 */
static bool
fill(struct conn *c, short *want)
{
	ssize_t n;

	*want = POLLIN;
	if (c->in == NULL)
		c->in = buffer_new(IN_MAX);
	if (c->in_at == c->in_n)
		c->in_at = c->in_n = 0;
	if (c->in_n == IN_MAX && c->in_at > 0) {
		memmove(c->in, c->in + c->in_at, c->in_n - c->in_at);
		c->in_n -= c->in_at;
		c->in_at = 0;
	}
	if (c->in_n == IN_MAX)
		return false;
	do {
		if (c->tls != NULL)
			n = tls_read(c->tls, c->in + c->in_n, IN_MAX - c->in_n,
			    want);
		else
			n = read(c->in_fd, c->in + c->in_n, IN_MAX - c->in_n);
	} while (n == -1 && errno == EINTR);
	if (n > 0) {
		c->in_n += (size_t)n;
		c->bytes_in += (size_t)n;
		return true;
	}
	if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n == -1) {
		die_errno(c, errno);
		return false;
	}
	c->at_end = true;
	return false;
}

/* Half closed: answers to what came before still go out. */
static void
hang_up(struct conn *c)
{
	conn_flush(c);
	conn_kill(c, "Connection closed");
}

bool
conn_has_input(struct conn *c)
{
	short want;

	if (c->in_n > c->in_at)
		return !c->dead;
	/* The command at hand is still answered when it was the last one. */
	if (c->dead || c->at_end)
		return false;
	if (c->tls == NULL || tls_pending(c->tls) == 0) {
		struct pollfd p = { c->in_fd, POLLIN, 0 };

		if (poll(&p, 1, 0) <= 0)
			return false;
	}
	return fill(c, &want);
}

enum err
conn_peek(struct conn *c, bool more, struct span *out)
{
	uint64_t end = 0;
	short want;

	*out = SPAN_NONE;
	if (c->dead)
		return ERR_IO;
	if (c->in_n == c->in_at || more) {
		if (c->in_n - c->in_at == IN_MAX)
			return ERR_LIMIT;
		while (!fill(c, &want)) {
			if (c->at_end)
				hang_up(c);
			conn_flush(c);
			if (c->dead)
				return ERR_IO;
			if (end == 0)
				end = end_of(c->read_ms);
			if (wait_to_read(c, want, -1, end) == CONN_TIMEOUT)
				say_goodbye(c, c->on_timeout, "Inactivity");
			if (c->dead)
				return ERR_IO;
		}
	}
	*out = (struct span){ c->in + c->in_at, c->in_n - c->in_at };
	return ERR_OK;
}

void
conn_take(struct conn *c, size_t n)
{
	if (n > c->in_n - c->in_at)
		panic("took more input than there is");
	c->in_at += n;
}

enum conn_wait
conn_wait(struct conn *c, int wake_fd, int timeout_ms)
{
	uint64_t end = end_of(timeout_ms);
	enum conn_wait w;
	short want = POLLIN;

	/* More of a pipeline is here: its answers may go out together. */
	if (!c->dead && c->in_n > c->in_at)
		return CONN_READABLE;
	conn_flush(c);
	while (!c->dead) {
		if (c->in_n > c->in_at)
			return CONN_READABLE;
		if (c->tls != NULL && tls_pending(c->tls) > 0 &&
		    fill(c, &want))
			return CONN_READABLE;
		if (c->at_end)
			hang_up(c);
		if (c->dead)
			break;
		w = wait_to_read(c, want, wake_fd, end);
		if (w != CONN_READABLE)
			return w;
		fill(c, &want);
	}
	return CONN_CLOSED;
}

/* ---- writing ---- */

/* Sends all of a list of blocks; dead on failure. */
static void
send_plain(struct conn *c, struct iovec *v, int n)
{
	while (n > 0 && !c->dead) {
		ssize_t w = writev(c->out_fd, v, n);

		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			wait_to_write(c, POLLOUT);
			continue;
		}
		if (w == -1) {
			die_errno(c, errno);
			return;
		}
		c->bytes_out += (size_t)w;
		while (n > 0 && (size_t)w >= v->iov_len) {
			w -= (ssize_t)v->iov_len;
			v++, n--;
		}
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + w;
			v->iov_len -= (size_t)w;
		}
	}
}

static void
send_tls(struct conn *c, const char *p, size_t n)
{
	short want = POLLOUT;

	while (n > 0 && !c->dead) {
		ssize_t w = tls_write(c->tls, p, n, &want);

		if (w > 0) {
			c->bytes_out += (size_t)w;
			p += w;
			n -= (size_t)w;
		} else if (w == -1 && errno == EINTR) {
			continue;
		} else if (w == -1 && (errno == EAGAIN ||
		    errno == EWOULDBLOCK)) {
			wait_to_write(c, want);
		} else {
			die_errno(c, w == 0 ? EPIPE : errno);
		}
	}
}

/* The buffer, then a block (n may be 0). */
static void
send_with(struct conn *c, const char *p, size_t n)
{
	size_t buffered = c->out_n;

	c->out_n = 0;
	if (c->tls != NULL) {
		send_tls(c, c->out, buffered);
		send_tls(c, p, n);
	} else {
		struct iovec v[2] = {
			{ c->out, buffered },
			{ (char *)(uintptr_t)p, n },
		};

		if (buffered == 0)
			send_plain(c, v + 1, 1);
		else
			send_plain(c, v, n == 0 ? 1 : 2);
	}
}

void
conn_write(struct conn *c, const char *p, size_t n)
{
	if (c->dead || n == 0)
		return;
	if (n >= DIRECT_MIN || n > OUT_MAX - c->out_n) {
		if (n >= DIRECT_MIN) {
			send_with(c, p, n);
			return;
		}
		conn_flush(c);
		if (c->dead)
			return;
	}
	if (c->out == NULL)
		c->out = buffer_new(OUT_MAX);
	memcpy(c->out + c->out_n, p, n);
	c->out_n += n;
}

void
conn_flush(struct conn *c)
{
	if (!c->dead && c->out_n > 0)
		send_with(c, NULL, 0);
}

/* ---- the rest ---- */

enum err
conn_start_tls(struct conn *c, struct tls *context, int timeout_ms)
{
	const char *why = "";
	enum err e;

	if (c->deadline_ms != 0 && left_ms(c->deadline_ms) < timeout_ms)
		timeout_ms = left_ms(c->deadline_ms);
	conn_flush(c);
	c->in_at = c->in_n = 0;
	if (c->dead)
		return ERR_IO;
	e = tls_accept(context, c->in_fd, timeout_ms, &c->tls, &why);
	fcntl(c->in_fd, F_SETFL, c->in_flags | O_NONBLOCK);
	if (e != ERR_OK) {
		char text[sizeof(c->death)];

		snprintf(text, sizeof(text), "TLS handshaking: %s", why);
		conn_kill(c, text);
	}
	return e;
}

bool
conn_is_tls(const struct conn *c)
{
	return c->tls != NULL;
}

const char *
conn_tls_text(const struct conn *c)
{
	return c->tls == NULL ? "" : tls_describe(c->tls);
}

void
conn_add_bindings(const struct conn *c, struct buf *out)
{
	size_t (*const of[])(const struct tls_conn *, unsigned char *) = {
		tls_exporter, tls_end_point,
	};
	unsigned char data[TLS_BINDING_MAX];
	char hex[2 * TLS_BINDING_MAX + 1];

	for (size_t i = 0; i < 2; i++) {
		hex_encode(data, c->tls == NULL ? 0 : of[i](c->tls, data),
		    hex);
		buf_adds(out, hex);
		buf_addc(out, '\0');
	}
	secret_wipe(data, sizeof(data));
	secret_wipe(hex, sizeof(hex));
}

uint64_t
conn_bytes_in(const struct conn *c)
{
	return c->bytes_in;
}

uint64_t
conn_bytes_out(const struct conn *c)
{
	return c->bytes_out;
}
