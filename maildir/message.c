/* One message file: stored form in memory, wire form to whoever wants it. */
#include "maildir/message.h"

#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	/*
	 * Read up to here, mapped beyond. Of 10,000 messages of 26 KiB on
	 * average the ENVELOPEs take 155 ms of CPU with mappings only, 109 ms
	 * so; the whole text 206 and 143 ms; larger buffers win nothing.
	 */
	SMALL_MAX = 256 << 10,
	BUFFER_KEEP = 64 << 10,	/* a larger buffer is not kept */
	PARTS_KEEP = 64 << 10,	/* nor a larger tree of parts */
	WINDOW = 1 << 20,	/* size checked, pages given back */
	CHUNK = 64 << 10,	/* converted at a time */
};

static struct message *spare;	/* with its buffer, for the next open */
static struct message *mapped;	/* those that SIGBUS may concern */
static struct sigaction former;	/* what SIGBUS did until then */

/* ---- truncated files ---- */

static void
on_sigbus(int sig, siginfo_t *info, void *ctx)
{
	const char *at = info->si_addr;

	(void)ctx;
	for (const struct message *m = mapped; m != NULL; m = m->next) {
		if (at < m->text.p || at >= m->text.p + m->text.n)
			continue;
		/*
		 * The fault comes out of our own reading of mail, never from
		 * within malloc or stdio, so that logging is safe here.
		 */
		log_error("A message file was truncated while it was read; "
		    "disconnecting");
		_exit(EX_TEMPFAIL);
	}
	/* Not ours: happens again on return, with the handler before us. */
	sigaction(sig, &former, NULL);
}

/* At each mapping, since others may have set theirs meanwhile. */
static void
catch_sigbus(void)
{
	struct sigaction old, sa = { .sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO };

	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGBUS, &sa, &old) < 0)
		log_errno("sigaction(SIGBUS)");
	else if (!(old.sa_flags & SA_SIGINFO) || old.sa_sigaction != on_sigbus)
		former = old;
}

/* ---- opening and closing ---- */

static bool
is_same_file(const struct message *m, const struct stat *st)
{
	return m->sized && m->whole.n == (uint64_t)st->st_size &&
	    m->dev == st->st_dev && m->ino == st->st_ino &&
	    m->mtime.tv_sec == st->st_mtim.tv_sec &&
	    m->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

/* A message without a file, nothing known of it but its buffer. */
static void
reset(struct message *m)
{
	arena_clear(&m->arena);
	*m = (struct message){ .fd = -1, .buffer = m->buffer,
		.arena = m->arena };
}

static struct message *
new_message(void)
{
	struct message *m = spare;

	spare = NULL;
	if (m == NULL && (m = calloc(1, sizeof(*m))) == NULL)
		fatal("out of memory: a message");
	return m;
}

/* The buffer has at least BUFFER_KEEP bytes, so it fits the next one too. */
static enum err
read_small(struct message *m, size_t size)
{
	size_t n = 0;

	if (size > BUFFER_KEEP) {
		free(m->buffer);
		m->buffer = NULL;
	}
	if (m->buffer == NULL && (m->buffer = malloc(size > BUFFER_KEEP ?
	    size : BUFFER_KEEP)) == NULL)
		fatal("out of memory: %zu bytes of a message", size);
	while (n < size) {
		ssize_t got = pread(m->fd, m->buffer + n, size - n, (off_t)n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			log_errno("read of a message file");
			return ERR_IO;
		}
		if (got == 0)
			break;
		n += (size_t)got;
	}
	m->text = (struct span){ m->buffer, n };
	return ERR_OK;
}

static enum err
map_large(struct message *m, size_t size)
{
	void *p;

	catch_sigbus();
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, m->fd, 0);
	if (p == MAP_FAILED) {
		log_errno("mmap of a message file, %zu bytes", size);
		return ERR_IO;
	}
	(void)madvise(p, size, MADV_SEQUENTIAL);
	m->text = (struct span){ p, size };
	m->is_mapped = true;
	m->next = mapped;
	mapped = m;
	return ERR_OK;
}

enum err
message_open(int fd, struct message **out)
{
	struct message *m;
	struct stat st;
	enum err e;

	*out = NULL;
	if (fstat(fd, &st) < 0) {
		log_errno("fstat of a message file");
		close(fd);
		return ERR_IO;
	}
	if (!S_ISREG(st.st_mode) || (uintmax_t)st.st_size > SIZE_MAX / 4) {
		log_error("A message is not a regular file (mode %o)",
		    (unsigned)st.st_mode);
		close(fd);
		return ERR_CORRUPT;
	}
	m = new_message();
	if (!is_same_file(m, &st))
		reset(m);
	m->fd = fd;
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	m->mtime = st.st_mtim;
	m->text = SPAN("");
	if (st.st_size <= SMALL_MAX)
		e = read_small(m, (size_t)st.st_size);
	else
		e = map_large(m, (size_t)st.st_size);
	if (e != ERR_OK)
		message_close(&m);
	*out = m;
	return e;
}

static void
unmap(struct message *m)
{
	struct message **at = &mapped;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	munmap((void *)(uintptr_t)m->text.p, m->text.n);
}

void
message_close(struct message **m)
{
	struct message *old = *m;

	*m = NULL;
	if (old == NULL)
		return;
	if (old->is_mapped) {
		unmap(old);
	} else if (old->text.n > BUFFER_KEEP) {
		free(old->buffer);
		old->buffer = NULL;
	}
	close(old->fd);
	message_trim();
	old->fd = -1;
	old->text = SPAN_NONE;
	if (!old->is_mapped || old->arena.used_bytes > PARTS_KEEP)
		reset(old);
	old->is_mapped = false;
	spare = old;
}

void
message_trim(void)
{
	if (spare == NULL)
		return;
	arena_free(&spare->arena);
	free(spare->buffer);
	free(spare);
	spare = NULL;
}

/* ---- looking at it ---- */

/* The pages before offset n are not needed for a while. */
static void
forget(void *ctx, size_t n)
{
	struct message *m = ctx;

	if (m->is_mapped && n >= WINDOW)
		(void)madvise((void *)(uintptr_t)m->text.p,
		    n & ~(size_t)(WINDOW - 1), MADV_DONTNEED);
}

static void
set_whole(struct message *m, struct range r)
{
	m->whole = r;
	m->has_crlf = r.lf == 0;
	m->sized = true;
}

struct range
message_range(struct message *m, uint64_t at, uint64_t n)
{
	struct range r = { .at = at };
	char before;

	while (r.n < n) {
		const char *p = m->text.p + at + r.n;
		size_t step = n - r.n < WINDOW ? (size_t)(n - r.n) : WINDOW;

		before = at + r.n > 0 ? p[-1] : '\0';
		mime_count(&r, p, step, before);
		if (n > 4 * WINDOW)
			forget(m, (size_t)(at + r.n));
	}
	return r;
}

uint64_t
message_wire_size(struct message *m)
{
	if (!m->sized)
		set_whole(m, message_range(m, 0, m->text.n));
	return m->whole.n + m->whole.lf;
}

struct span
message_header(struct message *m)
{
	return (struct span){ m->text.p, mime_header_end(m->text) };
}

const struct part *
message_parts(struct message *m)
{
	struct range r;

	if (m->root != NULL)
		return m->root;
	mime_parse_paced(m->text, &m->arena, &m->root,
	    m->is_mapped ? forget : NULL, m);
	r = m->root->header;
	r.n += m->root->body.n;
	r.lf += m->root->body.lf;
	r.lines += m->root->body.lines;
	set_whole(m, r);
	return m->root;
}

/* ---- sending ---- */

struct sender {
	struct message *m;
	bool (*put)(void *ctx, const char *p, size_t n);
	void *ctx;
	uint64_t left;		/* wire bytes that may still go */
	uint64_t given;
	bool stop;
	size_t used;		/* of chunk */
	char *chunk;
};

static void
give(struct sender *s, const char *p, size_t n)
{
	if (n > s->left)
		n = (size_t)s->left;
	if (n == 0 || s->stop)
		return;
	s->left -= n;
	s->given += n;
	if (!s->put(s->ctx, p, n))
		s->stop = true;
}

/* False: the file does not reach to stored offset `to` any more. */
static bool
is_there(const struct sender *s, uint64_t to)
{
	struct stat st;

	if (!s->m->is_mapped)
		return true;
	if (fstat(s->m->fd, &st) < 0 || (uint64_t)st.st_size < to) {
		log_error("A message file was truncated while it was sent");
		return false;
	}
	return true;
}

static void
flush(struct sender *s)
{
	give(s, s->chunk, s->used);
	s->used = 0;
}

static void
keep(struct sender *s, const char *p, size_t n)
{
	if (n > CHUNK - s->used) {
		flush(s);
		if (n >= CHUNK) {
			give(s, p, n);
			return;
		}
	}
	memcpy(s->chunk + s->used, p, n);
	s->used += n;
}

/* Lines, each with CRLF; `before` is the byte in front of p. */
static void
convert(struct sender *s, const char *p, size_t n, char before)
{
	const char *end = p + n, *lf;

	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		size_t len = (size_t)(lf - p);

		keep(s, p, len);
		if ((len > 0 ? lf[-1] : before) == '\r')
			keep(s, "\n", 1);
		else
			keep(s, "\r\n", 2);
		before = '\n';
		p = lf + 1;
		if (s->stop || s->used >= s->left)
			return;
	}
	keep(s, p, (size_t)(end - p));
}

/* Text without NUL, as it is or converted. */
static void
send_text(struct sender *s, const char *p, size_t n, bool lf, char before)
{
	if (lf)
		convert(s, p, n, before);
	else
		give(s, p, n);
}

static void
send_window(struct sender *s, const char *p, size_t n, bool lf, char before)
{
	const char *nul;

	while (!s->stop && s->left > s->used &&
	    (nul = memchr(p, '\0', n)) != NULL) {
		size_t len = (size_t)(nul - p);

		send_text(s, p, len, lf, before);
		if (lf)
			keep(s, "\x80", 1);
		else
			give(s, "\x80", 1);
		before = '\0';
		p = nul + 1;
		n -= len + 1;
	}
	send_text(s, p, n, lf, before);
}

/*
 * How many stored bytes of r lie in front of wire offset `from`. *half_out: the
 * offset lies between the CR and the LF that one stored LF becomes.
 */
static uint64_t
find_wire(struct message *m, const struct range *r, uint64_t from,
    bool *half_out)
{
	uint64_t stored = 0, wire = 0;

	*half_out = false;
	if (r->lf == 0)
		return from < r->n ? from : r->n;
	if (m->place.at == r->at && m->place.wire <= from &&
	    m->place.stored < r->n) {
		stored = m->place.stored;
		wire = m->place.wire;
	}
	while (stored < r->n) {
		uint64_t n = r->n - stored < CHUNK ? r->n - stored : CHUNK;
		struct range part = message_range(m, r->at + stored, n);

		if (wire + part.n + part.lf > from)
			break;
		wire += part.n + part.lf;
		stored += n;
		if ((r->at + stored) % WINDOW < CHUNK)
			forget(m, (size_t)(r->at + stored));
	}
	m->place.at = r->at;
	m->place.stored = stored;
	m->place.wire = wire;
	for (; stored < r->n && wire < from; stored++) {
		const char *p = m->text.p + r->at + stored;

		if (*p == '\n' && (p == m->text.p || p[-1] != '\r') &&
		    ++wire == from) {
			*half_out = true;
			break;
		}
		wire++;
	}
	return stored;
}

uint64_t
message_send(struct message *m, const struct range *r, uint64_t from,
    uint64_t max, bool (*put)(void *ctx, const char *p, size_t n), void *ctx)
{
	char chunk[CHUNK];
	struct sender s = { .m = m, .put = put, .ctx = ctx, .left = max,
		.chunk = chunk };
	uint64_t at, end = r->at + r->n;
	bool half;

	at = r->at + find_wire(m, r, from, &half);
	if (half) {
		keep(&s, "\n", 1);
		at++;
	}
	while (at < end && s.left > 0 && !s.stop) {
		/* windows are aligned, so that whole pages can go */
		uint64_t next = (at / WINDOW + 1) * WINDOW;
		const char *p = m->text.p + at;

		if (next > end)
			next = end;
		if (!is_there(&s, next))
			break;
		send_window(&s, p, (size_t)(next - at), r->lf > 0,
		    at > 0 ? p[-1] : '\0');
		at = next;
		forget(m, (size_t)at);
	}
	flush(&s);
	return s.given;
}
