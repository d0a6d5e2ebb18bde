/* Message files: read or mapped, sent whole and in pieces, truncated. */
#include "maildir/message.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fsutil.h"

enum { LARGE = 3 << 20 };

/* A file in memory, open for reading. */
static int
file_of(const void *p, size_t n)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fs_write(fd, p, n), ERR_OK);
	return fd;
}

static struct message *
message_of(const void *p, size_t n)
{
	struct message *m;

	assert_int_equal(message_open(file_of(p, n), &m), ERR_OK);
	assert_non_null(m);
	return m;
}

static bool
collect(void *ctx, const char *p, size_t n)
{
	buf_add(ctx, p, n);
	return true;
}

/* Byte by byte what message_send does in blocks. */
static void
plain_wire(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			buf_addc(out, '\r');
		buf_addc(out, s.p[i] == '\0' ? (char)0x80 : s.p[i]);
	}
}

static void
check_send(struct message *m, const struct buf *want, uint64_t from,
    uint64_t max)
{
	struct buf got = { 0 };
	uint64_t n = from >= want->n ? 0 : want->n - from < max ?
	    want->n - from : max;

	message_wire_size(m);
	assert_int_equal(message_send(m, &m->whole, from, max, collect, &got),
	    n);
	assert_int_equal(got.n, n);
	if (n > 0)
		assert_memory_equal(got.p, want->p + from, n);
	buf_clear(&got);
}

static void
every_piece_of_a_small_message_is_right(void **state)
{
	static const char text[] = "\nA: b\r\nC\0: d\n\n\r\n\r\r\nbody\rx\n\0\n\n."
	    "\0\0\r\n\r\nend\r";
	struct span s = { text, sizeof(text) - 1 };
	struct buf want = { 0 };
	struct message *m;

	(void)state;
	/* every beginning of the text, each piece of it */
	for (size_t n = 0; n <= s.n; n++) {
		m = message_of(text, n);
		buf_reset(&want);
		plain_wire((struct span){ text, n }, &want);
		assert_int_equal(message_wire_size(m), want.n);
		assert_int_equal(m->has_crlf, want.n == n);
		for (size_t from = 0; from <= want.n + 1; from++)
			for (size_t max = 1; max <= want.n + 1; max++)
				check_send(m, &want, from, max);
		message_close(&m);
		assert_null(m);
	}
	buf_clear(&want);
}

/* Lines of all lengths, LF and CRLF and NUL mixed; deterministic. */
static void
fill(struct buf *b, size_t n, bool only_crlf)
{
	unsigned seed = 1;

	while (b->n < n) {
		seed = seed * 1103515245 + 12345;
		for (unsigned i = (seed >> 16) % 150; i > 0; i--)
			buf_addc(b, (char)('a' + i % 26));
		if (!only_crlf && seed >> 8 & 1)
			buf_addc(b, seed >> 9 & 7 ? '\n' : '\0');
		else
			buf_adds(b, "\r\n");
	}
}

static void
a_large_message_is_mapped_and_as_right(void **state)
{
	static const uint64_t at[] = { 0, 1, 65535, 65536, 1 << 20, 2500000 };

	(void)state;
	for (int crlf = 0; crlf < 2; crlf++) {
		struct buf text = { 0 }, want = { 0 };
		struct message *m;

		fill(&text, LARGE, crlf == 1);
		plain_wire(buf_span(&text), &want);
		m = message_of(text.p, text.n);
		assert_true(m->is_mapped);
		assert_int_equal(message_wire_size(m), want.n);
		assert_int_equal(m->has_crlf, crlf == 1);
		check_send(m, &want, 0, UINT64_MAX);
		for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
			check_send(m, &want, at[i], 70000);
			check_send(m, &want, at[i], 1);
		}
		check_send(m, &want, want.n - 1, 5);
		message_close(&m);
		buf_clear(&text);
		buf_clear(&want);
	}
}

/* As clients fetch: every piece with the file opened anew. */
static void
pieces_fit_when_the_file_is_opened_for_each(void **state)
{
	enum { PIECE = 300000 };
	static const char head[] = "Content-Type: multipart/x; boundary=b\n\n"
	    "--b\nContent-Type: text/html\n\n";
	struct buf text = { 0 }, want = { 0 }, got = { 0 };
	int fd, other;

	(void)state;
	buf_adds(&text, head);
	fill(&text, LARGE, false);
	plain_wire((struct span){ text.p + sizeof(head) - 1,
	    text.n - sizeof(head) + 1 }, &want);
	fd = file_of(text.p, text.n);
	/* as large, another content: must not be taken for the first */
	text.p[text.n / 2] = 'X';
	other = file_of(text.p, text.n);
	for (uint64_t at = 0; at < want.n; at += PIECE) {
		bool known = at > 0 && at / PIECE % 3 != 0;
		struct message *m;
		const struct part *p;

		assert_int_equal(message_open(dup(fd), &m), ERR_OK);
		assert_int_equal(m->root != NULL, known);
		p = message_parts(m)->child;
		assert_true(span_eq(p->subtype, SPAN("html")));
		message_send(m, &p->body, at, PIECE, collect, &got);
		/* and once from before */
		if (at > 0) {
			struct buf again = { 0 };

			message_send(m, &p->body, at - 5, 9, collect, &again);
			assert_memory_equal(again.p, want.p + at - 5, 9);
			buf_clear(&again);
		}
		message_close(&m);
		if (at / PIECE % 3 == 2) {
			assert_int_equal(message_open(dup(other), &m), ERR_OK);
			assert_null(m->root);
			assert_false(m->sized);
			message_wire_size(m);
			message_close(&m);
		}
	}
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
	close(fd);
	close(other);
	buf_clear(&text);
	buf_clear(&want);
	buf_clear(&got);
}

static void
a_range_begins_anywhere(void **state)
{
	struct message *m = message_of("a\r\n\nb\n", 6);
	struct range r = message_range(m, 2, 3);
	struct buf got = { 0 };

	(void)state;
	assert_int_equal(r.at, 2);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.lf, 1);
	assert_int_equal(r.lines, 2);
	assert_int_equal(message_send(m, &r, 0, 100, collect, &got), 4);
	assert_memory_equal(got.p, "\n\r\nb", 4);
	message_close(&m);
	buf_clear(&got);
}

static bool
take_one(void *ctx, const char *p, size_t n)
{
	(void)p;
	(void)n;
	return ++*(int *)ctx < 1;
}

static void
put_can_stop_it(void **state)
{
	struct buf text = { 0 };
	struct message *m;
	int calls = 0;

	(void)state;
	fill(&text, LARGE, false);
	m = message_of(text.p, text.n);
	message_wire_size(m);
	assert_true(message_send(m, &m->whole, 0, UINT64_MAX, take_one,
	    &calls) < m->whole.n);
	assert_int_equal(calls, 1);
	message_close(&m);
	buf_clear(&text);
}

static void
the_header_ends_with_its_empty_line(void **state)
{
	static const struct {
		const char *text;
		size_t n;
	} want[] = {
		{ "", 0 }, { "\nx", 1 }, { "\r\nx", 2 }, { "A: b", 4 },
		{ "A: b\n\nx\n\ny", 6 }, { "A: b\r\n\r\nx", 8 },
		{ "A: b\r\n\nx", 7 }, { "A: b\n \n\nx", 8 }, { "A\r\rB\n", 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct message *m = message_of(want[i].text,
		    strlen(want[i].text));

		assert_int_equal(message_header(m).n, want[i].n);
		message_close(&m);
	}
}

static void
parts_know_the_whole(void **state)
{
	static const char text[] = "A: b\n\nbody\r\nx\n";
	struct message *m = message_of(text, sizeof(text) - 1);
	const struct part *p = message_parts(m);

	(void)state;
	assert_ptr_equal(message_parts(m), p);
	assert_true(m->sized);
	assert_int_equal(m->whole.n, sizeof(text) - 1);
	assert_int_equal(message_wire_size(m), sizeof(text) - 1 + 3);
	assert_int_equal(p->body.lines, 2);
	message_close(&m);
}

static void
what_is_no_file_is_refused(void **state)
{
	struct message *m = (void *)1;
	int fd[2];

	(void)state;
	assert_int_equal(message_open(open(".", O_RDONLY | O_CLOEXEC), &m),
	    ERR_CORRUPT);
	assert_null(m);
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(message_open(fd[0], &m), ERR_CORRUPT);
	/* taken over on errors too */
	assert_int_equal(fcntl(fd[0], F_GETFD), -1);
	close(fd[1]);
	message_close(&m);
}

static void
several_messages_can_be_open(void **state)
{
	struct message *a = message_of("a\n", 2), *b = message_of("bb\n", 3);

	(void)state;
	assert_int_equal(message_wire_size(a), 3);
	assert_int_equal(message_wire_size(b), 4);
	message_close(&a);
	assert_memory_equal(b->text.p, "bb\n", 3);
	a = message_of("c", 1);
	assert_memory_equal(b->text.p, "bb\n", 3);
	message_close(&b);
	message_close(&a);
}

static void
a_file_cut_while_it_is_open_gives_less(void **state)
{
	struct buf text = { 0 }, got = { 0 };
	struct message *m;

	(void)state;
	fill(&text, LARGE, false);
	m = message_of(text.p, text.n);
	message_wire_size(m);
	assert_int_equal(ftruncate(m->fd, 1 << 20), 0);
	assert_in_range(message_send(m, &m->whole, 0, UINT64_MAX, collect,
	    &got), 1 << 20, 1200000);
	message_close(&m);
	buf_clear(&text);
	buf_clear(&got);
}

/* In a child: it must end, quietly, with the code of a lost connection. */
static void
a_fault_in_a_cut_file_ends_the_process_in_order(void **state)
{
	struct buf text = { 0 };
	int status;
	pid_t pid;

	(void)state;
	fill(&text, LARGE, false);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct message *m = message_of(text.p, text.n);

		if (ftruncate(m->fd, 4096) == 0)
			message_wire_size(m);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_TEMPFAIL);
	buf_clear(&text);
}

static void
on_other_fault(int sig)
{
	_exit(sig == SIGBUS ? 77 : 1);
}

static void
a_fault_elsewhere_goes_to_the_former_handler(void **state)
{
	struct buf text = { 0 };
	int status;
	pid_t pid;

	(void)state;
	fill(&text, LARGE, false);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = file_of("x", 1);
		struct message *m;
		volatile char *p;

		signal(SIGBUS, on_other_fault);
		signal(SIGALRM, SIG_DFL);
		alarm(10);
		/* two: the handler must not take itself for the former one */
		m = message_of(text.p, text.n);
		m = message_of(text.p, text.n);
		p = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE, fd, 0);
		(void)m;
		_exit(p[65536]);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 77);
	buf_clear(&text);
}

static size_t
resident_kib(void)
{
	char line[200];
	size_t kib = 0;
	FILE *f = fopen("/proc/self/status", "re");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssFile:", 8) == 0 ||
		    strncmp(line, "RssShmem:", 9) == 0)
			kib += strtoul(strchr(line, ':') + 1, NULL, 10);
	fclose(f);
	return kib;
}

struct watch {
	size_t before, most;
};

static bool
watch(void *ctx, const char *p, size_t n)
{
	struct watch *w = ctx;
	size_t kib = resident_kib();

	(void)p;
	(void)n;
	if (kib > w->before && kib - w->before > w->most)
		w->most = kib - w->before;
	return true;
}

static void
memory_does_not_grow_with_the_message(void **state)
{
	enum { N = 64 << 20, LIMIT_KIB = 16 << 10 };
	struct buf text = { 0 };
	struct watch w = { 0 };
	struct message *m;
	int fd = memfd_create("message", MFD_CLOEXEC);

	(void)state;
	fill(&text, 1 << 20, false);
	for (int i = 0; i < N >> 20; i++)
		assert_int_equal(fs_write(fd, text.p, 1 << 20), ERR_OK);
	w.before = resident_kib();
	assert_int_equal(message_open(fd, &m), ERR_OK);
	assert_int_equal(message_wire_size(m) > N, true);
	assert_true(resident_kib() < w.before + LIMIT_KIB);
	message_parts(m);
	assert_true(resident_kib() < w.before + LIMIT_KIB);
	message_send(m, &m->whole, 0, UINT64_MAX, watch, &w);
	assert_true(w.most > 0);
	assert_true(w.most < LIMIT_KIB);
	message_send(m, &m->whole, N / 2, 1000, watch, &w);
	assert_true(w.most < LIMIT_KIB);
	message_close(&m);
	buf_clear(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_piece_of_a_small_message_is_right),
		cmocka_unit_test(a_large_message_is_mapped_and_as_right),
		cmocka_unit_test(pieces_fit_when_the_file_is_opened_for_each),
		cmocka_unit_test(a_range_begins_anywhere),
		cmocka_unit_test(put_can_stop_it),
		cmocka_unit_test(the_header_ends_with_its_empty_line),
		cmocka_unit_test(parts_know_the_whole),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(several_messages_can_be_open),
		cmocka_unit_test(a_file_cut_while_it_is_open_gives_less),
		cmocka_unit_test(
		    a_fault_in_a_cut_file_ends_the_process_in_order),
		cmocka_unit_test(a_fault_elsewhere_goes_to_the_former_handler),
		cmocka_unit_test(memory_does_not_grow_with_the_message),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	message_trim();
	return failed;
}
