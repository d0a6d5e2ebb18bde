/* Internal messages: what is refused, and who owns descriptors. */
#include "common/ipc.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"

static int a, b;
static struct ipc_message m;

static int
open_pair(void **state)
{
	int fds[2];

	(void)state;
	log_open(open("/dev/null", O_WRONLY), false, NULL);
	assert_int_equal(ipc_pair(fds), ERR_OK);
	a = fds[0];
	b = fds[1];
	return 0;
}

static int
close_pair(void **state)
{
	(void)state;
	close(a);
	close(b);
	return 0;
}

static unsigned
open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void
a_message_arrives_whole(void **state)
{
	struct ipc_sasl sasl = { .flags = IPC_SASL_INITIAL };
	struct span tail;

	(void)state;
	assert_int_equal(ipc_send(a, MSG_AUTH_START, &sasl,
	    (struct span){ "PLAIN\0id\0\0x", 11 }, NULL, 0), ERR_OK);
	assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_AUTH, &m), ERR_OK);
	assert_int_equal(m.kind, MSG_AUTH_START);
	assert_int_equal(m.body.sasl.flags, IPC_SASL_INITIAL);
	tail = m.tail;
	assert_string_equal(ipc_text(&tail), "PLAIN");
	assert_string_equal(ipc_text(&tail), "id");
	assert_string_equal(ipc_text(&tail), "");
	assert_int_equal(tail.n, 1);
	assert_string_equal(ipc_text(&tail), "x");
	assert_null(tail.p);
	assert_string_equal(ipc_text(&tail), "");
}

static void
the_largest_tail_arrives(void **state)
{
	static char big[16384];
	struct ipc_sasl sasl = { 0 };

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_int_equal(ipc_send(a, MSG_AUTH_START, &sasl,
	    (struct span){ big, sizeof(big) }, NULL, 0), ERR_OK);
	assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_AUTH, &m), ERR_OK);
	assert_int_equal(m.tail.n, sizeof(big));
	assert_memory_equal(m.tail.p, big, sizeof(big));
	assert_int_equal(m.tail.p[m.tail.n], '\0');
}

static void
the_wrong_sender_or_receiver_is_refused(void **state)
{
	struct ipc_sasl sasl = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(ipc_send(a, MSG_AUTH_FAILED, &sasl,
		    SPAN_NONE, NULL, 0), ERR_OK);
	assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_AUTH, &m),
	    ERR_SYNTAX);
	assert_int_equal(ipc_receive(b, ROLE_HOME, ROLE_WORKER, &m),
	    ERR_SYNTAX);
}

static void
send_raw(const void *p, size_t n, const int *fds, size_t n_fds)
{
	char control[256] = { 0 };
	struct iovec v = { (void *)(uintptr_t)p, n };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

	if (n_fds > 0) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(a, &h, 0), n);
}

static void
malformed_records_are_refused(void **state)
{
	struct {
		uint32_t kind, tail;
		struct ipc_folder body;
	} r = { MSG_FOLDER_CHANGED, 0, { 0 } };
	uint32_t unknown[2] = { MSG_COUNT + 7, 0 };

	(void)state;
	send_raw(&r, sizeof(r), NULL, 0);
	assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_NOTIFY, &m), ERR_OK);
	/* short, long, a lying length, no such kind, not even a header */
	send_raw(&r, sizeof(r) - 1, NULL, 0);
	r.tail = 5;
	send_raw(&r, sizeof(r), NULL, 0);
	r.tail = UINT32_MAX;
	send_raw(&r, sizeof(r), NULL, 0);
	send_raw(unknown, sizeof(unknown), NULL, 0);
	send_raw("x", 1, NULL, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_NOTIFY, &m),
		    ERR_SYNTAX);
}

static void
descriptors_are_taken_over_or_closed(void **state)
{
	struct ipc_folder f = { 0 };
	int fds[6] = { 0, 1, 2, 0, 1, 2 };
	unsigned before = open_fds();
	struct {
		uint32_t kind, tail;
		struct ipc_folder body;
	} r = { MSG_FOLDER_SELECT, 0, { 0 } };

	(void)state;
	assert_int_equal(ipc_send(a, MSG_FOLDER_SELECT, &f, SPAN_NONE, fds, 2),
	    ERR_OK);
	assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_NOTIFY, &m), ERR_OK);
	assert_int_equal(m.n_fds, 2);
	assert_true(m.fd[0] >= 0 && m.fd[1] >= 0 && m.fd[2] == -1);
	assert_int_equal(fcntl(m.fd[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(open_fds(), before + 2);
	ipc_close_fds(&m);
	assert_int_equal(open_fds(), before);
	/* more than the row allows, more than there is room for */
	send_raw(&r, sizeof(r), fds, 4);
	send_raw(&r, sizeof(r), fds, 6);
	r.kind = MSG_FOLDER_CHANGED;
	send_raw(&r, sizeof(r), fds, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_NOTIFY, &m),
		    ERR_SYNTAX);
	assert_int_equal(open_fds(), before);
}

static void
a_closed_peer_and_an_empty_socket_are_told_apart(void **state)
{
	struct ipc_folder f = { 0 };

	(void)state;
	fcntl(b, F_SETFL, O_NONBLOCK);
	assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_NOTIFY, &m),
	    ERR_BUSY);
	shutdown(a, SHUT_RDWR);
	assert_int_equal(ipc_receive(b, ROLE_WORKER, ROLE_NOTIFY, &m), ERR_IO);
	assert_int_equal(ipc_send(b, MSG_WAKE, &f, SPAN_NONE, NULL, 0),
	    ERR_IO);
}

static void
a_full_socket_is_busy(void **state)
{
	struct ipc_folder f = { 0 };
	enum err e;

	(void)state;
	fcntl(a, F_SETFL, O_NONBLOCK);
	while ((e = ipc_send(a, MSG_FOLDER_CHANGED, &f, SPAN_NONE, NULL, 0)) ==
	    ERR_OK)
		;
	assert_int_equal(e, ERR_BUSY);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)
	const struct CMUnitTest tests[] = {
		TEST(a_message_arrives_whole),
		TEST(the_largest_tail_arrives),
		TEST(the_wrong_sender_or_receiver_is_refused),
		TEST(malformed_records_are_refused),
		TEST(descriptors_are_taken_over_or_closed),
		TEST(a_closed_peer_and_an_empty_socket_are_told_apart),
		TEST(a_full_socket_is_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
