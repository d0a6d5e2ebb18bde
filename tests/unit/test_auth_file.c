/* passwd-files: lines, changes, many users. */
#include "daemon/auth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"

static char dir[] = "/tmp/test_auth_file.XXXXXX";
static char path[64];
static unsigned opened;

static enum err
open_it(const char *name, const char *user, int *fd_out)
{
	(void)user;
	opened++;
	*fd_out = open(name, O_RDONLY | O_CLOEXEC);
	return *fd_out >= 0 ? ERR_OK : ERR_NOTFOUND;
}

/* As editors do: a new file in the place of the old one. */
static void
put(const char *text)
{
	char tmp[80];
	FILE *f;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	assert_non_null(f = fopen(tmp, "w"));
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(tmp, path), 0);
}

static enum err
find(const char *name, struct auth_entry *e)
{
	return auth_file_find(path, name, span_of(name), false, open_it, e);
}

#define assert_span(s, text) \
	assert_true(span_eq(s, SPAN(text)))

static void
a_line_has_its_fields(void **state)
{
	struct auth_entry e;
	struct span v;

	(void)state;
	put("# comment:x\n\n"
	    "anna:{PLAIN}a:1000:1001:Anna:/home/anna:/bin/sh:userdb_mail="
	    "maildir:~/Mail allow_nets=192.0.2.0/24,::1 nologin\r\n"
	    "bert:hash\n"
	    "carl:abc[13]:::\n"
	    ":nobody:\n"
	    "anna:second\n"
	    "last:x");
	assert_int_equal(find("anna", &e), ERR_OK);
	assert_span(e.password, "{PLAIN}a");
	assert_span(e.uid, "1000");
	assert_span(e.gid, "1001");
	assert_span(e.home, "/home/anna");
	assert_true(auth_extra(e.extra, "userdb_mail", &v));
	assert_span(v, "maildir:~/Mail");
	assert_true(auth_extra(e.extra, "allow_nets", &v));
	assert_span(v, "192.0.2.0/24,::1");
	assert_true(auth_extra(e.extra, "nologin", &v));
	assert_int_equal(v.n, 0);
	assert_false(auth_extra(e.extra, "mail", &v));
	assert_int_equal(find("bert", &e), ERR_OK);
	assert_span(e.password, "hash");
	assert_int_equal(e.uid.n, 0);
	assert_int_equal(find("carl", &e), ERR_OK);
	assert_span(e.password, "abc");
	assert_int_equal(find("last", &e), ERR_OK);
	assert_span(e.password, "x");
	assert_int_equal(find("", &e), ERR_NOTFOUND);
	assert_int_equal(find("Anna", &e), ERR_NOTFOUND);
	assert_int_equal(find("# comment", &e), ERR_NOTFOUND);
	assert_int_equal(find("ann", &e), ERR_NOTFOUND);
}

static void
a_change_is_seen_at_once(void **state)
{
	struct auth_entry e;
	FILE *f;

	(void)state;
	put("a:1\n");
	assert_int_equal(find("a", &e), ERR_OK);
	assert_span(e.password, "1");
	put("a:2\nb:3\n");
	assert_int_equal(find("a", &e), ERR_OK);
	assert_span(e.password, "2");
	assert_int_equal(find("b", &e), ERR_OK);
	assert_non_null(f = fopen(path, "a"));
	fputs("c:4\n", f);
	fclose(f);
	assert_int_equal(find("c", &e), ERR_OK);
	put("");
	assert_int_equal(find("a", &e), ERR_NOTFOUND);
}

static void
an_unchanged_file_is_not_opened_again(void **state)
{
	struct auth_entry e;

	(void)state;
	put("a:1\n");
	assert_int_equal(find("a", &e), ERR_OK);
	opened = 0;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(find("a", &e), ERR_OK);
	assert_in_range(opened, 0, 2);
	assert_int_equal(auth_file_find(path, "a", SPAN("a"), true, open_it,
	    &e), ERR_OK);
	assert_true(opened >= 1);
}

static void
a_missing_file_is_no_missing_user(void **state)
{
	struct auth_entry e;

	(void)state;
	unlink(path);
	auth_file_forget();
	assert_int_equal(find("a", &e), ERR_UNAVAIL);
	put("a:1\n");
	assert_int_equal(find("a", &e), ERR_OK);
}

static void
a_hundred_thousand_users_are_found(void **state)
{
	struct auth_entry e;
	char name[32];
	FILE *f;

	(void)state;
	assert_non_null(f = fopen(path, "w"));
	for (int i = 0; i < 100000; i++)
		fprintf(f, "user%d@example.org:{PLAIN}p%d:5000:5000::/mail/"
		    "user%d::\n", i, i, i);
	fclose(f);
	for (int i = 0; i < 100000; i += 7) {
		char want[32];

		snprintf(name, sizeof(name), "user%d@example.org", i);
		snprintf(want, sizeof(want), "{PLAIN}p%d", i);
		assert_int_equal(find(name, &e), ERR_OK);
		assert_true(span_eq(e.password, span_of(want)));
	}
	assert_int_equal(find("user100000@example.org", &e), ERR_NOTFOUND);
}

static int
set_up(void **state)
{
	(void)state;
	log_open(open("/dev/null", O_WRONLY), false, NULL);
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/users", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	auth_file_forget();
	unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_its_fields),
		cmocka_unit_test(a_change_is_seen_at_once),
		cmocka_unit_test(an_unchanged_file_is_not_opened_again),
		cmocka_unit_test(a_missing_file_is_no_missing_user),
		cmocka_unit_test(a_hundred_thousand_users_are_found),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
