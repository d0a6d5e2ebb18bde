/*
 * Internal messages. On the wire: kind (4 bytes), length of the tail (4), the
 * row's body, the tail; one SOCK_SEQPACKET record, so a message is whole or not
 * there. Both ends are of one build; nothing is converted.
 */
#include "common/ipc.h"

#include "common/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct header {
	uint32_t kind;
	uint32_t tail_bytes;
};

static const struct row {
	const char *name;
	unsigned from, to;
	size_t body_bytes;
	unsigned fds;
	size_t tail_max;
} rows[] = {
#define MSG(name, from, to, body, fds, tail, what) \
	{ #name, from, to, sizeof(body), fds, tail },
#include "common/ipc.def"
#undef MSG
};

#define MSG(name, from, to, type, fds, tail, what) \
	_Static_assert(sizeof(type) <= \
	    sizeof(((struct ipc_message *)0)->body) && \
	    (tail) <= IPC_TAIL_MAX && (fds) <= IPC_FDS_MAX, #name);
#include "common/ipc.def"
#undef MSG

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
};

enum err
ipc_send(int fd, enum ipc_kind kind, const void *body, struct span tail,
    const int *fds, unsigned n_fds)
{
	const struct row *row = &rows[kind];
	struct header h = { (uint32_t)kind, (uint32_t)tail.n };
	struct iovec v[3] = {
		{ &h, sizeof(h) },
		{ (void *)(uintptr_t)body, row->body_bytes },
		{ (void *)(uintptr_t)tail.p, tail.n },
	};
	union control control;
	struct msghdr m = { .msg_iov = v, .msg_iovlen = tail.n > 0 ? 3 : 2 };
	ssize_t n;

	if (kind >= MSG_COUNT || tail.n > row->tail_max || n_fds > row->fds)
		panic("message %s does not fit its row", kind < MSG_COUNT ?
		    row->name : "?");
	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return ERR_OK;
	return errno == EAGAIN || errno == ETOOMANYREFS ? ERR_BUSY : ERR_IO;
}

/* Takes every descriptor that came, however many control messages hold them. */
static bool
take_fds(struct msghdr *m, struct ipc_message *out)
{
	bool fits = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	    c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(fd));
			if (out->n_fds < IPC_FDS_MAX) {
				out->fd[out->n_fds++] = fd;
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

/* What is wrong with a record of n bytes, or NULL. */
static const char *
check(const struct header *h, size_t n, enum ipc_role from, enum ipc_role to,
    const struct ipc_message *m)
{
	const struct row *row;

	if (n < sizeof(*h) || h->kind >= MSG_COUNT)
		return "unknown message";
	row = &rows[h->kind];
	if ((row->from & from) == 0 || (row->to & to) == 0)
		return "message from or to the wrong role";
	if (h->tail_bytes > row->tail_max ||
	    n != sizeof(*h) + row->body_bytes + h->tail_bytes)
		return "message of the wrong length";
	if (m->n_fds > row->fds)
		return "message with too many descriptors";
	return NULL;
}

enum err
ipc_receive(int fd, enum ipc_role from, enum ipc_role to,
    struct ipc_message *out)
{
	/*
	 * The body is of a length that only the header tells: both are read
	 * into one place and the body is copied out. Only what came is written,
	 * so that a message on the stack dirties no more pages than it needs.
	 */
	struct header h = { MSG_COUNT, 0 };
	struct iovec v[2] = {
		{ &h, sizeof(h) },
		{ out->buf, sizeof(out->buf) },
	};
	union control control;
	struct msghdr m = {
		.msg_iov = v, .msg_iovlen = 2,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	const char *problem;
	size_t body;
	ssize_t n;

	out->tail = SPAN_NONE;
	out->n_fds = 0;
	for (int i = 0; i < IPC_FDS_MAX; i++)
		out->fd[i] = -1;
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? ERR_BUSY : ERR_IO;
	if (!take_fds(&m, out) ||
	    (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		problem = "message too long";
	else
		problem = check(&h, (size_t)n, from, to, out);
	if (problem != NULL) {
		log_error("internal: %s (%u)", problem, h.kind);
		ipc_close_fds(out);
		return ERR_SYNTAX;
	}
	out->kind = (enum ipc_kind)h.kind;
	body = rows[h.kind].body_bytes;
	memset(&out->body, 0, sizeof(out->body));
	memcpy(&out->body, out->buf, body);
	out->tail = (struct span){ out->buf + body, h.tail_bytes };
	out->buf[body + h.tail_bytes] = '\0';
	return ERR_OK;
}

struct ipc_message *
ipc_message_new(void)
{
	struct ipc_message *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		fatal_errno("no memory for a message");
	return m;
}

void
ipc_message_free(struct ipc_message **m)
{
	munmap(*m, sizeof(**m));
	*m = NULL;
}

void
ipc_close_fds(struct ipc_message *m)
{
	for (int i = 0; i < IPC_FDS_MAX; i++) {
		if (m->fd[i] >= 0)
			close(m->fd[i]);
		m->fd[i] = -1;
	}
	m->n_fds = 0;
}

enum err
ipc_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0)
		return ERR_OK;
	log_errno("cannot make a pair of sockets");
	fds[0] = fds[1] = -1;
	return ERR_IO;
}

const char *
ipc_text(struct span *tail)
{
	const char *text = tail->p;

	if (tail->p == NULL)
		return "";
	/* A NUL follows the tail in every received message. */
	size_t n = strlen(text);
	if (n >= tail->n)
		*tail = SPAN_NONE;
	else
		*tail = (struct span){ text + n + 1, tail->n - n - 1 };
	return text;
}
