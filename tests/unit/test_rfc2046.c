/* The tree of parts; the corpus in tests/data/mail. */
#include "maildir/mime.h"

#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fsutil.h"

static struct arena arena;

/* mixed[plain:one rfc822{plain:x}]: subtypes, and the text of the leaves. */
static void
draw(struct span text, const struct part *p, struct buf *b)
{
	if (p->number > 1)
		buf_addc(b, ' ');
	buf_add_span(b, p->subtype);
	if (p->child != NULL)
		buf_addc(b, p->is_message ? '{' : '[');
	for (const struct part *c = p->child; c != NULL; c = c->next)
		draw(text, c, b);
	if (p->child != NULL) {
		buf_addc(b, p->is_message ? '}' : ']');
	} else {
		buf_addc(b, ':');
		buf_add(b, text.p + p->body.at, (size_t)p->body.n);
	}
}

static const char *
tree(const char *text, struct buf *b)
{
	struct part *root;

	buf_reset(b);
	mime_parse(span_of(text), &arena, &root);
	draw(span_of(text), root, b);
	return buf_cstr(b);
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"
#define ALT "Content-Type: multipart/alternative; boundary=c\n\n"

static void
parts_are_found(void **state)
{
	static const char *const p[][2] = {
		{ "", "plain:" },
		{ "A: b", "plain:" },
		{ "\nbody\n", "plain:body\n" },
		{ "A: b\r\n\r\nbody", "plain:body" },
		{ MIXED "--b\n\none\n--b\n\ntwo\n\n--b--\n",
		    "mixed[plain:one plain:two\n]" },
		{ MIXED "pre\n--b\n\none\n--b--\nepi\n--b\n\nno\n",
		    "mixed[plain:one]" },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		    "--b\r\n\r\none\r\n--b--\r\n", "mixed[plain:one]" },
		{ MIXED "--b\n\none\n", "mixed[plain:one\n]" },
		{ MIXED "no part\n", "mixed[plain:]" },
		{ "Content-Type: multipart/mixed\n\n--b\n\nx\n",
		    "mixed[plain:]" },
		{ "Content-Type: multipart/mixed; boundary=\"\"\n\n"
		    "--\n\nx\n----\n", "mixed[plain:x]" },
		{ MIXED "--b\n--b\n\n--b\n\n\n--b--\n",
		    "mixed[plain: plain: plain:]" },
		{ MIXED "--b\n" ALT "--c\n\n1\n--c\n\n2\n--c--\n--b\n\n3\n--b--",
		    "mixed[alternative[plain:1 plain:2] plain:3]" },
		{ MIXED "--b\n" ALT "--c\n\n1\n--b\n\n2\n--b--",
		    "mixed[alternative[plain:1] plain:2]" },
		/* boundaries that begin alike: the longest counts */
		{ MIXED "--b\nContent-Type: multipart/x; boundary=bb\n\n--bb\n\n"
		    "1\n--bb--\n--b\n\n2\n--b--\n",
		    "mixed[x[plain:1] plain:2]" },
		/* the same one: the innermost */
		{ MIXED "--b\nContent-Type: multipart/x; boundary=b\n\n--b\n\n1\n"
		    "--b--\n--b\n\n2\n--b--\n", "mixed[x[plain:1] plain:2]" },
		{ MIXED "--bc \n\n1\n--b junk\n\n2\n--b--x\n",
		    "mixed[plain:1 plain:2]" },
		{ MIXED "--b\n\n --b\n>--b\n--B\nx--b\n--b--\n",
		    "mixed[plain: --b\n>--b\n--B\nx--b]" },
		{ MIXED "--b\n\n1\n--b", "mixed[plain:1]" },
		{ MIXED "--b\n\n1\n--b\n", "mixed[plain:1 plain:]" },
		{ MIXED "--b\nContent-Type: text/html\n--b\n\n2\n",
		    "mixed[html: plain:2\n]" },
		{ "Content-Type: message/rfc822\n\nA: b\n\nx\n",
		    "rfc822{plain:x\n}" },
		{ "Content-Type: message/rfc822", "rfc822{plain:}" },
		{ "Content-Type: message/global\n\nA: b\n\nx\n",
		    "global:A: b\n\nx\n" },
		{ MIXED "--b\nContent-Type: message/rfc822\n\nS: t\n" ALT
		    "--c\n\n1\n--c--\n--b\nContent-Type: message/rfc822\n\n"
		    "--b--\n", "mixed[rfc822{alternative[plain:1]} "
		    "rfc822{plain:}]" },
		{ "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\n"
		    "1\n--b\nContent-Type: text/html\n\n2\n--b--\n",
		    "digest[rfc822{plain:1} html:2]" },
		{ "content-TYPE : text/html\nContent-Type: image/png\n\n",
		    "html:" },
		{ "Content-Type:\n text/\n html\n\n", "html:" },
		{ "Content-Types: text/html\n\n", "plain:" },
		{ "Content-Type: junk\n\n", "plain:" },
		{ "Content-Type: multipart; boundary=b\n\n--b\n", "plain:--b\n" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(p) / sizeof(p[0]); i++) {
		assert_string_equal(tree(p[i][0], &b), p[i][1]);
		arena_clear(&arena);
	}
	buf_clear(&b);
}

static void
sections_name_parts(void **state)
{
	struct span text = SPAN(MIXED "--b\n\n1\n--b\n"
	    "Content-Type: message/rfc822\n\nA: b\n" ALT "--c\n\n2.1\n--c\n\n"
	    "2.2\n--c--\n--b\nContent-Type: message/rfc822\n\nA: b\n\n3\n"
	    "--b--\n");
	static const struct {
		uint32_t number[4];
		size_t n;
		const char *body;	/* NULL: no such part */
	} want[] = {
		{ { 1 }, 1, "1" }, { { 2, 1 }, 2, "2.1" }, { { 2, 2 }, 2, "2.2" },
		{ { 3, 1 }, 2, "3" }, { { 3 }, 1, "A: b\n\n3" },
		{ { 4 }, 1, NULL }, { { 1, 1 }, 2, NULL }, { { 2, 3 }, 2, NULL },
		{ { 3, 2 }, 2, NULL }, { { 3, 1, 1 }, 3, NULL },
		{ { 2, 1, 1 }, 3, NULL }, { { 0 }, 1, NULL },
	};
	struct part *root;

	(void)state;
	mime_parse(text, &arena, &root);
	assert_ptr_equal(mime_find(root, NULL, 0), root);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct part *p = mime_find(root, want[i].number,
		    want[i].n);

		if (want[i].body == NULL) {
			assert_null(p);
			continue;
		}
		assert_non_null(p);
		assert_true(span_eq(span_of(want[i].body), (struct span){
		    text.p + p->body.at, (size_t)p->body.n }));
	}
	arena_clear(&arena);
}

static void
a_plain_message_is_its_own_part_1(void **state)
{
	static const uint32_t one[] = { 1, 1, 1 };
	struct part *root;

	(void)state;
	mime_parse(SPAN("A: b\n\nx"), &arena, &root);
	assert_ptr_equal(mime_find(root, one, 1), root);
	assert_null(mime_find(root, one, 2));
	mime_parse(SPAN("Content-Type: message/rfc822\n\nA: b\n\nx"), &arena,
	    &root);
	assert_ptr_equal(mime_find(root, one, 1), root);
	assert_ptr_equal(mime_find(root, one, 2), root->child);
	assert_null(mime_find(root, one, 3));
	arena_clear(&arena);
}

/* ---- limits ---- */

static void
count_parts(const struct part *p, unsigned depth, unsigned *n,
    unsigned *deepest)
{
	++*n;
	if (depth > *deepest)
		*deepest = depth;
	for (p = p->child; p != NULL; p = p->next)
		count_parts(p, depth + 1, n, deepest);
}

static void
beyond_10000_parts_the_last_takes_the_rest(void **state)
{
	struct buf b = { 0 };
	struct part *root, *last;
	unsigned n = 0, deepest = 0;

	(void)state;
	buf_adds(&b, MIXED);
	for (int i = 0; i < 11000; i++)
		buf_adds(&b, "--b\n\nx\n");
	mime_parse(buf_span(&b), &arena, &root);
	count_parts(root, 0, &n, &deepest);
	assert_int_equal(n, MIME_PARTS_MAX);
	for (last = root->child; last->next != NULL; last = last->next)
		;
	assert_int_equal(last->number, MIME_PARTS_MAX - 1);
	assert_int_equal(last->body.at + last->body.n, b.n);
	buf_clear(&b);
	arena_clear(&arena);
}

static void
beyond_100_levels_a_part_is_not_opened(void **state)
{
	struct buf b = { 0 };
	const struct part *p;
	struct part *root;
	unsigned n = 0, deepest = 0;

	(void)state;
	for (int i = 0; i < 150; i++)
		buf_addf(&b, "Content-Type: multipart/m; boundary=b%03d\n\n"
		    "--b%03d\n", i, i);
	buf_adds(&b, "\nbottom\n");
	mime_parse(buf_span(&b), &arena, &root);
	count_parts(root, 0, &n, &deepest);
	assert_int_equal(deepest, MIME_DEPTH_MAX - 1);
	for (p = root; p->child != NULL; p = p->child)
		;
	assert_true(span_eq(p->type, SPAN("application")));
	assert_int_equal(p->body.at + p->body.n, b.n);
	buf_clear(&b);
	arena_clear(&arena);
}

/* ---- all of the corpus ---- */

static void
check_range(struct span text, const struct range *r)
{
	struct range again = { .at = r->at };

	assert_true(r->at + r->n <= text.n);
	for (size_t i = 0; i < r->n; i++) {
		const char *p = text.p + r->at + i;

		if (*p != '\n')
			continue;
		again.lines++;
		again.lf += p == text.p || p[-1] != '\r';
	}
	assert_int_equal(again.lines, r->lines);
	assert_int_equal(again.lf, r->lf);
	again = (struct range){ .at = r->at };
	mime_count(&again, text.p + r->at, (size_t)r->n,
	    r->at > 0 ? text.p[r->at - 1] : '\0');
	assert_int_equal(again.n, r->n);
	assert_int_equal(again.lines, r->lines);
	assert_int_equal(again.lf, r->lf);
}

static void
check_part(struct span text, const struct part *p)
{
	unsigned number = 0;
	uint64_t at = p->body.at;

	check_range(text, &p->header);
	check_range(text, &p->body);
	assert_int_equal(p->header.at + p->header.n, p->body.at);
	assert_int_equal(p->child != NULL, p->is_multipart || p->is_message);
	for (const struct part *c = p->child; c != NULL; c = c->next) {
		assert_ptr_equal(c->parent, p);
		assert_int_equal(c->number, ++number);
		assert_true(c->header.at >= at);
		at = c->body.at + c->body.n;
		assert_true(at <= p->body.at + p->body.n);
		check_part(text, c);
	}
}

static void
passed(void *ctx, size_t n)
{
	size_t *last = ctx;

	assert_true(n >= *last);
	*last = n;
}

static void
every_message_of_the_corpus_has_a_sound_tree(void **state)
{
	struct buf b = { 0 };
	glob_t g;

	(void)state;
	assert_int_equal(glob("tests/data/mail/*.eml", 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= 100);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		int fd = open(g.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		struct part *root;
		size_t last = 0;

		assert_true(fd >= 0);
		buf_reset(&b);
		assert_int_equal(fs_read_fd(fd, 1 << 24, &b), ERR_OK);
		close(fd);
		mime_parse_paced(buf_span(&b), &arena, &root, passed, &last);
		assert_int_equal(root->header.at, 0);
		assert_int_equal(root->body.at + root->body.n, b.n);
		check_part(buf_span(&b), root);
		assert_int_equal(mime_header_end(buf_span(&b)), root->header.n);
		arena_clear(&arena);
	}
	globfree(&g);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_found),
		cmocka_unit_test(sections_name_parts),
		cmocka_unit_test(a_plain_message_is_its_own_part_1),
		cmocka_unit_test(beyond_10000_parts_the_last_takes_the_rest),
		cmocka_unit_test(beyond_100_levels_a_part_is_not_opened),
		cmocka_unit_test(every_message_of_the_corpus_has_a_sound_tree),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return failed;
}
