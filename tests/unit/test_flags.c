/* Flags in file names, dovecot-keywords. */
#include "maildir/flags.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fsutil.h"

static int dir;
static char dir_name[] = "/tmp/test_flags.XXXXXX";
static struct arena arena;

static struct flagged_name
parsed(const char *file, char extra[64])
{
	struct flagged_name f;

	assert_true(flags_parse_name(span_of(file), &f, extra));
	return f;
}

static void
a_name_is_taken_apart(void **state)
{
	char extra[64];
	struct flagged_name f = parsed("123.M4P5.host,S=77,W=80:2,FSac", extra);

	(void)state;
	assert_true(span_eq(f.base, SPAN("123.M4P5.host,S=77,W=80")));
	assert_int_equal(f.flags, FLAG_FLAGGED | FLAG_SEEN);
	assert_int_equal(f.keywords, 5);
	assert_true(f.has_info && f.has_size && f.has_vsize);
	assert_int_equal(f.size, 77);
	assert_int_equal(f.vsize, 80);
	assert_int_equal(f.unknown.n, 0);

	f = parsed("plain", extra);
	assert_false(f.has_info || f.has_size || f.has_vsize);
	f = parsed("all:2,DFRST", extra);
	assert_int_equal(f.flags, FLAG_ALL);
	f = parsed("dovecot-1:1,experimental", extra);
	assert_false(f.has_info);
	assert_true(span_eq(f.base, SPAN("dovecot-1")));
}

static void
sizes_must_be_whole_fields(void **state)
{
	char extra[64];

	(void)state;
	assert_false(parsed("a,S=12x:2,", extra).has_size);
	assert_false(parsed("a,S=:2,", extra).has_size);
	assert_false(parsed("a,S=-1", extra).has_size);
	assert_false(parsed("aS=12", extra).has_size);
	assert_false(parsed("a,XS=12", extra).has_size);
	assert_false(parsed("a,S=99999999999999999999999", extra).has_size);
	assert_int_equal(parsed("a,S=12,x=y,W=13", extra).vsize, 13);
}

static void
what_is_no_message_is_refused(void **state)
{
	static const char *const bad[] = { "", ".hidden", ":2,S", "a/b",
		"a\nb", "a\rb:2,S", "a:2,S\n" };
	struct flagged_name f;
	char extra[64], longer[257];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (flags_parse_name(span_of(bad[i]), &f, extra))
			fail_msg("%zu was accepted", i);
	memset(longer, 'x', 256);
	assert_false(flags_parse_name((struct span){ longer, 256 }, &f, extra));
	assert_true(flags_parse_name((struct span){ longer, 255 }, &f, extra));
	assert_false(flags_parse_name((struct span){ "a\0b", 3 }, &f, extra));
}

static void
what_we_do_not_know_survives_a_change(void **state)
{
	char extra[64], out[400];
	struct flagged_name f = parsed("base:2,FXSZa1,rest,of it", extra);

	(void)state;
	assert_true(span_eq(f.unknown, SPAN("XZ1,rest,of it")));
	assert_int_equal(flags_make_name(f.base, f.flags | FLAG_DELETED,
	    f.keywords, f.unknown, out), ERR_OK);
	assert_string_equal(out, "base:2,1FSTXZa,rest,of it");

	f = parsed("base:2,,x", extra);
	assert_int_equal(flags_make_name(f.base, 0, 0, f.unknown, out), ERR_OK);
	assert_string_equal(out, "base:2,,x");
}

static void
letters_come_in_order_and_26_keywords_at_most(void **state)
{
	char out[400];

	(void)state;
	assert_int_equal(flags_make_name(SPAN("b"), FLAG_ALL, UINT64_MAX,
	    SPAN_NONE, out), ERR_OK);
	assert_string_equal(out, "b:2,DFRSTabcdefghijklmnopqrstuvwxyz");
	assert_int_equal(flags_make_name(SPAN("b"), 0, 0, SPAN_NONE, out),
	    ERR_OK);
	assert_string_equal(out, "b:2,");
}

static void
a_name_longer_than_a_file_name_is_an_error(void **state)
{
	char base[255], out[400];

	(void)state;
	memset(base, 'b', sizeof base);
	assert_int_equal(flags_make_name((struct span){ base, 252 }, 0, 0,
	    SPAN_NONE, out), ERR_OK);
	assert_int_equal(strlen(out), 255);
	assert_int_equal(flags_make_name((struct span){ base, 252 }, FLAG_SEEN,
	    0, SPAN_NONE, out), ERR_LIMIT);
	assert_int_equal(flags_make_name((struct span){ base, 250 }, 0, 0,
	    SPAN(",xx"), out), ERR_LIMIT);
}

static void
long_unknown_letters_stay_within_their_buffer(void **state)
{
	char extra[64], out[400];
	struct flagged_name f;
	char file[200];

	(void)state;
	memset(file, '0', sizeof file);
	memcpy(file, "b:2,", 4);
	assert_true(flags_parse_name((struct span){ file, sizeof file }, &f,
	    extra));
	assert_int_equal(f.unknown.n, 64);
	assert_int_equal(flags_make_name(f.base, 0, 0, f.unknown, out), ERR_OK);
	assert_string_equal(out, "b:2,0");
}

static void
wire_names_go_both_ways(void **state)
{
	(void)state;
	for (uint32_t bit = 1; bit <= FLAG_DRAFT; bit <<= 1)
		assert_int_equal(flags_from_wire(span_of(flags_wire(bit))), bit);
	assert_int_equal(flags_from_wire(SPAN("\\sEEN")), FLAG_SEEN);
	assert_int_equal(flags_from_wire(SPAN("$forwarded")), 0);
	assert_int_equal(flags_from_wire(SPAN("Seen")), 0);
	assert_int_equal(flags_from_wire(SPAN("\\Recent")), 0);
	assert_string_equal(flags_wire(FLAG_ALL), "");
}

static void
put_keywords(const char *text)
{
	assert_int_equal(fs_replace(dir, "dovecot-keywords", span_of(text), 0600,
	    false), ERR_OK);
}

static void
the_keywords_file_is_read(void **state)
{
	struct keywords k;

	(void)state;
	put_keywords("0 $Forwarded\n1 NonJunk\n\n25 last\n");
	assert_int_equal(keywords_read(dir, &arena, &k), ERR_OK);
	assert_int_equal(k.n, 26);
	assert_true(span_eq(k.name[1], SPAN("NonJunk")));
	assert_int_equal(k.name[2].n, 0);
	assert_int_equal(keywords_find(&k, SPAN("nonjunk")), 1);
	assert_int_equal(keywords_find(&k, SPAN("LAST")), 25);
	assert_int_equal(keywords_find(&k, SPAN("")), -1);
	assert_int_equal(keywords_find(&k, SPAN("none")), -1);
}

static void
broken_keyword_lines_are_skipped(void **state)
{
	struct keywords k;

	(void)state;
	put_keywords("x y\n-1 a\n26 b\n99999999999999999999 c\n3\n4 \n"
	    "5 two words\n6 par(en\n7 q\"uote\n8 ok\n8 again\n9 \\Seen\n"
	    "10 ctl\x01\n11 unfinished");
	assert_int_equal(keywords_read(dir, &arena, &k), ERR_OK);
	assert_int_equal(k.n, 12);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(k.name[i].n != 0, i == 8 || i == 11);
	assert_true(span_eq(k.name[8], SPAN("ok")));
}

static void
an_absent_keywords_file_is_an_empty_set(void **state)
{
	struct keywords k;

	(void)state;
	(void)unlinkat(dir, "dovecot-keywords", 0);
	assert_int_equal(keywords_read(dir, &arena, &k), ERR_OK);
	assert_int_equal(k.n, 0);
}

static void
what_cannot_be_read_is_not_taken_for_empty(void **state)
{
	struct keywords k;

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", dir, "dovecot-keywords"), 0);
	assert_int_not_equal(keywords_read(dir, &arena, &k), ERR_OK);
	assert_int_equal(unlinkat(dir, "dovecot-keywords", 0), 0);
}

static void
keywords_get_the_lowest_free_number(void **state)
{
	struct keywords k = { 0 }, again;
	char name[16];
	int number;

	(void)state;
	for (int i = 0; i < KEYWORD_MAX; i++) {
		snprintf(name, sizeof name, "kw%d", i);
		assert_int_equal(keywords_add(&k, &arena, span_of(name),
		    &number), ERR_OK);
		assert_int_equal(number, i);
	}
	assert_int_equal(keywords_add(&k, &arena, SPAN("more"), &number),
	    ERR_LIMIT);
	k.name[3] = SPAN_NONE;
	assert_int_equal(keywords_add(&k, &arena, SPAN("gap"), &number), ERR_OK);
	assert_int_equal(number, 3);

	assert_int_equal(keywords_write(dir, &k, true), ERR_OK);
	assert_int_equal(keywords_read(dir, &arena, &again), ERR_OK);
	assert_int_equal(again.n, KEYWORD_LETTERS);
	assert_true(span_eq(again.name[3], SPAN("gap")));
	assert_true(span_eq(again.name[25], SPAN("kw25")));
}

static void
a_keyword_is_an_atom(void **state)
{
	static const char *const bad[] = { "", "a b", "a(", "a)", "\\x", "a{",
		"a%", "a*", "a\"", "a]", "\x7f", "\xc3\xa4" };
	struct keywords k = { 0 };
	char longer[101];
	int number;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(keywords_add(&k, &arena, span_of(bad[i]),
		    &number), ERR_SYNTAX);
	memset(longer, 'k', sizeof longer);
	assert_int_equal(keywords_add(&k, &arena,
	    (struct span){ longer, 101 }, &number), ERR_SYNTAX);
	assert_int_equal(keywords_add(&k, &arena,
	    (struct span){ longer, 100 }, &number), ERR_OK);
	assert_int_equal(k.n, 1);
}

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(dir_name) == NULL)
		return -1;
	return (dir = open(dir_name, O_RDONLY | O_DIRECTORY)) < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_free(&arena);
	(void)unlinkat(dir, "dovecot-keywords", 0);
	close(dir);
	return rmdir(dir_name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_taken_apart),
		cmocka_unit_test(sizes_must_be_whole_fields),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(what_we_do_not_know_survives_a_change),
		cmocka_unit_test(letters_come_in_order_and_26_keywords_at_most),
		cmocka_unit_test(a_name_longer_than_a_file_name_is_an_error),
		cmocka_unit_test(long_unknown_letters_stay_within_their_buffer),
		cmocka_unit_test(wire_names_go_both_ways),
		cmocka_unit_test(the_keywords_file_is_read),
		cmocka_unit_test(broken_keyword_lines_are_skipped),
		cmocka_unit_test(an_absent_keywords_file_is_an_empty_set),
		cmocka_unit_test(what_cannot_be_read_is_not_taken_for_empty),
		cmocka_unit_test(keywords_get_the_lowest_free_number),
		cmocka_unit_test(a_keyword_is_an_atom),
	};

	return cmocka_run_group_tests_name("flags", tests, set_up, tear_down);
}
