/* Where an account is, and who workers are. */
#include "common/place.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fsutil.h"
#include "common/log.h"

static struct config *cfg;
static struct arena arena;
static struct place_paths paths;

static void
configure(const char *text)
{
	struct config_problem *p;

	config_free(&cfg);
	assert_int_equal(config_parse(span_of(text), "test", &cfg, &p),
	    ERR_OK);
}

static enum err
find(const char *home, const char *mail)
{
	struct config_vars vars = {
		.user = "anna@example.org", .home = home, .service = "imap",
	};

	return place_find(cfg, &vars, mail, &arena, &paths);
}

static void
the_nearest_location_counts(void **state)
{
	(void)state;
	configure("mail_location = maildir:~/Maildir\n");
	assert_int_equal(find("/home/anna", NULL), ERR_OK);
	assert_string_equal(paths.root, "/home/anna/Maildir");
	assert_null(paths.control);
	assert_null(paths.index);
	configure("mail_location = maildir:~/Maildir\nnamespace inbox {\n"
	    "inbox = yes\nlocation = maildir:/ns/%n\n}\n");
	assert_int_equal(find("/home/anna", ""), ERR_OK);
	assert_string_equal(paths.root, "/ns/anna");
	assert_int_equal(find("/home/anna", "maildir:/own/%d/%n"), ERR_OK);
	assert_string_equal(paths.root, "/own/example.org/anna");
}

static void
control_and_index_have_their_places(void **state)
{
	(void)state;
	configure("mail_location = maildir:~/Maildir:CONTROL=/c/%n:"
	    "INDEX=/i/%n\n");
	assert_int_equal(find("/h", NULL), ERR_OK);
	assert_string_equal(paths.control, "/c/anna");
	assert_string_equal(paths.index, "/i/anna");
	assert_int_equal(find("/h", "maildir:/m:INDEX=/i:VOLATILEDIR=/v/%n"),
	    ERR_OK);
	assert_string_equal(paths.index, "/v/anna");
	assert_int_equal(find("/h", "maildir:/m:INDEX=MEMORY"), ERR_OK);
	assert_null(paths.index);
}

static void
what_is_no_absolute_path_is_refused(void **state)
{
	(void)state;
	configure("mail_location = maildir:~/Maildir\n");
	assert_int_not_equal(find(NULL, NULL), ERR_OK);
	assert_int_not_equal(find(NULL, "maildir:Maildir"), ERR_OK);
	assert_int_not_equal(find("/h", "mdbox:/x"), ERR_OK);
	assert_null(paths.root);
	assert_int_equal(find("/h", "maildir:Mail"), ERR_OK);
	assert_string_equal(paths.root, "/h/Mail");
}

static void
missing_directories_are_made_for_their_owner_only(void **state)
{
	char dir[] = "/tmp/test_place.XXXXXX", path[64];
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a/b", dir);
	assert_int_equal(place_open_dir(path, &fd), ERR_OK);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	close(fd);
	assert_int_equal(place_open_dir(path, &fd), ERR_OK);
	close(fd);
	snprintf(path, sizeof(path), "%s/file", dir);
	assert_true((fd = open(path, O_CREAT | O_WRONLY, 0600)) >= 0);
	close(fd);
	assert_int_not_equal(place_open_dir(path, &fd), ERR_OK);
	assert_int_equal(fd, -1);
	assert_int_equal(fs_remove_tree(AT_FDCWD, dir), ERR_OK);
}

static void
workers_are_the_one_owner_of_all_mail(void **state)
{
	uid_t uid;
	gid_t gid;
	bool fixed;

	(void)state;
	configure("userdb {\ndriver = static\nargs = uid=5000 gid=5001 "
	    "home=/m/%u\n}\n");
	assert_int_equal(place_worker(cfg, &uid, &gid, &fixed), ERR_OK);
	if (geteuid() != 0) {
		assert_int_equal(uid, geteuid());
		return;
	}
	assert_true(fixed);
	assert_int_equal(uid, 5000);
	assert_int_equal(gid, 5001);
	configure("mail_uid = 5000\nmail_gid = 5002\nuserdb {\n"
	    "driver = static\nargs = home=/m/%u\n}\n");
	assert_int_equal(place_worker(cfg, &uid, &gid, &fixed), ERR_OK);
	assert_true(fixed);
	assert_int_equal(gid, 5002);
	/* Who the owner is, only each user's entry says. */
	configure("userdb {\ndriver = passwd-file\nargs = /etc/users\n}\n");
	assert_int_equal(place_worker(cfg, &uid, &gid, &fixed), ERR_OK);
	assert_false(fixed);
	assert_int_not_equal(uid, 0);
}

static int
tear_down(void **state)
{
	(void)state;
	config_free(&cfg);
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_location_counts),
		cmocka_unit_test(control_and_index_have_their_places),
		cmocka_unit_test(what_is_no_absolute_path_is_refused),
		cmocka_unit_test(
		    missing_directories_are_made_for_their_owner_only),
		cmocka_unit_test(workers_are_the_one_owner_of_all_mail),
	};

	log_open(open("/dev/null", O_WRONLY), false, NULL);
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
