/* Variables in both dialects, and mail locations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/log.h"

static const struct config_vars anna = { .user = "Anna.B@Example.org",
	.home = "/home/anna", .service = "imap", .local_ip = "192.0.2.1",
	.remote_ip = "192.0.2.9", .session = "s1", .mechanism = "PLAIN",
	.uid = "65534" };

struct expansion {
	const char *template, *expected;
};

static void
check_all(const struct config_vars *v, const struct expansion *e, size_t n)
{
	struct arena a = { 0 };
	const char *out;

	for (size_t i = 0; i < n; i++) {
		out = NULL;
		if (config_expand(e[i].template, v, &a, &out) != ERR_OK)
			fail_msg("%s: refused", e[i].template);
		if (strcmp(out, e[i].expected) != 0)
			fail_msg("%s: %s, not %s", e[i].template, out,
			    e[i].expected);
	}
	arena_free(&a);
}

#define CHECK(vars, table) \
	check_all(vars, table, sizeof(table) / sizeof *(table))

static enum err
expand(const char *template, const char *user, const char *home)
{
	struct arena a = { 0 };
	struct config_vars v = { .user = user, .home = home };
	const char *out;
	enum err e = config_expand(template, &v, &a, &out);

	arena_free(&a);
	return e;
}

/* What Dovecot 2.3.19 makes of the same templates for the same user. */
static void
letters(void **state)
{
	static const struct expansion table[] = {
		{ "%u", "Anna.B@Example.org" },
		{ "%n", "Anna.B" },
		{ "%d", "Example.org" },
		{ "%s %h %l %r %i %m", "imap /home/anna 192.0.2.1 192.0.2.9 "
		    "65534 PLAIN" },
		{ "%Lu", "anna.b@example.org" },
		{ "%Un", "ANNA.B" },
		{ "%Ru", "gro.elpmaxE@B.annA" },
		{ "%LRu %RLu", "gro.elpmaxe@b.anna gro.elpmaxe@b.anna" },
		{ "%2u", "An" },
		{ "%2.3u", "na." },
		{ "%.3u", "Ann" },
		{ "%3.u", "a.B@Example.org" },
		{ "%-3u", "Ann" },
		{ "%-3.2u", "or" },
		{ "%0.-2u", "Anna.B@Example.o" },
		{ "%5.-2u", "B@Example.o" },
		{ "%-20.5u", "Anna." },
		{ "%20.5u", "" },
		{ "%04n", "Anna.B" },
		{ "%010n", "0000Anna.B" },
		{ "%1.04n", "nna.B" },
		{ "%Mu", "c75dc174417bacfec3e61d0a5d4ca743" },
		{ "%2Mu", "c7" },
		{ "%2.256Nu", "fe" },
		{ "%256Nu", "fe" },
		{ "%Nu", "417bacfe" },
		{ "%Hu", "5eff2e7" },
		{ "%2.256Hu", "e7" },
		{ "%3RHu", "1" },
		{ "%Dd", "Example,dc=org" },
		{ "%Xi", "fffe" },
		{ "%Tu", "Anna.B@Example.org" },
		{ "a%%b%%u", "a%b%u" },
		{ "", "" },
	};

	(void)state;
	CHECK(&anna, table);
}

static void
no_domain(void **state)
{
	static const struct config_vars plain = { .user = "anna" };
	static const struct config_vars two = { .user = "a@b@c" };
	static const struct expansion table[] = {
		{ "%u|%n|%d|%l", "anna|anna||" },
		{ "%Hu", "68541" },
		{ "%Nu", "ff015afa" },
		{ "%{user | domain}|%{domain}|%{session}", "||" },
	};
	static const struct expansion twos[] = {
		{ "%n|%d", "a|b@c" },
		{ "%{user | username}|%{user | domain}", "a|b@c" },
	};

	(void)state;
	CHECK(&plain, table);
	CHECK(&two, twos);
}

static void
long_names(void **state)
{
	static const struct expansion table[] = {
		{ "%{user} %{username} %{domain}",
		    "Anna.B@Example.org Anna.B Example.org" },
		{ "%{home} %{service} %{protocol} %{session}",
		    "/home/anna imap imap s1" },
		{ "%{rip} %{remote_ip} %{lip} %{local_ip}",
		    "192.0.2.9 192.0.2.9 192.0.2.1 192.0.2.1" },
		{ "%{mechanism} %{mech} %{uid}", "PLAIN PLAIN 65534" },
		{ "%L{user}", "anna.b@example.org" },
		{ "%2{user}", "An" },
		{ "%{md5:user}", "c75dc174417bacfec3e61d0a5d4ca743" },
		{ "%{sha256:user}", "62b9c25be28a7f66da4f02a811fd42cf158df3e8"
		    "6016f7f6b17d780efe7cbb3b" },
	};

	(void)state;
	CHECK(&anna, table);
}

static void
filters(void **state)
{
	static const struct expansion table[] = {
		{ "%{ user }", "Anna.B@Example.org" },
		{ "%{user|lower}", "anna.b@example.org" },
		{ "%{user | username | lower}", "anna.b" },
		{ "%{user | domain | upper}", "EXAMPLE.ORG" },
		{ "%{user | md5}", "c75dc174417bacfec3e61d0a5d4ca743" },
		{ "%{user | md5 | hexlify}",
		    "c75dc174417bacfec3e61d0a5d4ca743" },
		{ "%{user | md5 | substr(0, 4)}", "c75dc174" },
		/* the same directory as 2.3's %2.256Nu */
		{ "%{user | md5 | substr(0, 8) % 256 | hex(2)}", "fe" },
		{ "%{user | substr(0, 1)}", "A" },
		{ "%{user | substr(-3)}", "org" },
		{ "%{user | substr(-3, 2)}", "or" },
		{ "%{user | substr(0, -2)}", "Anna.B@Example.o" },
		{ "%{user | truncate(4)}", "Anna" },
		{ "%{user | username | reverse}", "B.annA" },
		{ "%{uid % 100}", "34" },
		{ "%{uid % 100 | hex}", "22" },
		{ "%{uid + 1} %{uid - 4} %{uid / 2} %{uid * 2}",
		    "65535 65530 32767 131068" },
		{ "%{uid | hex(8)}", "0000fffe" },
		{ "%{nothing | default('x y')}", "x y" },
		{ "%{nothing | default}", "" },
		{ "%{user | default(\"}\")}", "Anna.B@Example.org" },
	};

	(void)state;
	CHECK(&anna, table);
}

static void
unknown(void **state)
{
	static const char *const templates[] = {
		"%q", "%{nope}", "x%", "%{user",
		"%{if;%u;eq;a;b;c}", "%{userdb:x}", "%{user | nope}", "%{}",
		"%{user |}", "%{user | substr}", "%{user | substr(a)}",
		"%{user % 0}", "%{user % 256}", "%{user | md5 % 256}",
		"%{nothing | lower}", "%{md5;rounds=2:user}", "%L", "%a",
		"%{user lower}", "%{user | substr(1, 2, 3)}",
		"%{user | substr(1}" };

	(void)state;
	for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
		if (expand(templates[i], "anna", "/h") != ERR_SYNTAX)
			fail_msg("%s was taken", templates[i]);
	}
}

static void
home(void **state)
{
	static const struct expansion table[] = {
		{ "~/Maildir", "/home/anna/Maildir" },
		{ "~", "/home/anna" },
		{ "~x/y", "~x/y" },
		{ "%h/Maildir", "/home/anna/Maildir" },
		{ "/x/~", "/x/~" },
	};

	(void)state;
	CHECK(&anna, table);
	assert_int_equal(expand("~/Maildir", "anna", NULL), ERR_SYNTAX);
	assert_int_equal(expand("%h/Maildir", "anna", ""), ERR_SYNTAX);
	assert_int_equal(expand("%{home}/x", "anna", NULL), ERR_SYNTAX);
	assert_int_equal(expand("/x/%u", "anna", NULL), ERR_OK);
}

/* A name cannot lead out of the path it is put in. */
static void
leading_out(void **state)
{
	(void)state;
	assert_int_equal(expand("/x/%u", "..", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%u", ".", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%d/%n", "..@..", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%u", "a/b", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%u", "../b", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%Lu", "A/B", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%{user | lower}", "A/B", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%2u", "..a", NULL), ERR_PERM);
	assert_int_equal(expand("/x/.%u", ".", NULL), ERR_PERM);
	assert_int_equal(expand("~/%u", "..", "/home/a"), ERR_PERM);
	assert_int_equal(expand("m/%u", "..", NULL), ERR_PERM);
	assert_int_equal(expand("/x/%u", "..", "/home/../a"), ERR_PERM);
	/* its own dots are the administrator's */
	assert_int_equal(expand("/x/../%u", "a..b", NULL), ERR_OK);
	assert_int_equal(expand("~/%u", "anna", "/home/../a"), ERR_OK);
	/* no path: how names are compared, say */
	assert_int_equal(expand("%Lu", "a/b", NULL), ERR_OK);
	assert_int_equal(expand("/x/%Mu", "a/b", NULL), ERR_OK);
}

/* ---- mail locations ---- */

static const char *
parse(const char *text, struct mail_location *l)
{
	static struct arena a;
	const char *problem = NULL;

	arena_clear(&a);
	if (mail_location_parse(text, &a, l, &problem) == ERR_OK)
		assert_null(problem);
	else
		assert_non_null(problem);
	return problem;
}

static void
locations(void **state)
{
	struct mail_location l;

	(void)state;
	assert_null(parse("maildir:~/Maildir", &l));
	assert_string_equal(l.path, "~/Maildir");
	assert_null(l.index);
	assert_null(l.control);
	assert_null(l.volatile_dir);
	assert_null(l.ignored);
	assert_null(parse("maildir:/v/%d/%n/:INDEX=/i/%u/:CONTROL=/c:"
	    "VOLATILEDIR=/t/%u:LAYOUT=maildir++", &l));
	assert_string_equal(l.path, "/v/%d/%n");
	assert_string_equal(l.index, "/i/%u");
	assert_string_equal(l.control, "/c");
	assert_string_equal(l.volatile_dir, "/t/%u");
	assert_null(parse("maildir:", &l));
	assert_string_equal(l.path, "~/Maildir");
	assert_null(parse("maildir:~/a::b:INDEX=~/c::d", &l));
	assert_string_equal(l.path, "~/a:b");
	assert_string_equal(l.index, "~/c:d");
	assert_null(parse("maildir:/m/%{md5:user}:INDEX=/x", &l));
	assert_string_equal(l.path, "/m/%{md5:user}");
	assert_null(parse("maildir:/", &l));
	assert_string_equal(l.path, "/");
	assert_null(parse("maildir:~/M:INDEX=MEMORY:ALT=/x:NO-NOSELECT", &l));
	assert_null(l.index);
	assert_string_equal(l.ignored, "INDEX=MEMORY ALT NO-NOSELECT");
	assert_null(parse("maildir:%h/Maildir:INBOX=~/Maildir/", &l));
	assert_null(parse("maildir:~/M:SUBSCRIPTIONS=subscriptions:DIRNAME=",
	    &l));
}

static void
other_locations(void **state)
{
	struct mail_location l;

	(void)state;
	assert_string_equal(parse("mdbox:~/mdbox", &l),
	    "mail in the format mdbox cannot be served: Loft serves Maildir "
	    "only; convert it with \"doveadm sync\" to maildir:~/Maildir, or "
	    "keep Dovecot for it");
	assert_string_equal(parse("~/Maildir", &l),
	    "~/Maildir has no mailbox format in front; write "
	    "maildir:~/Maildir if it is a Maildir");
	assert_string_equal(parse("maildir:~/M:LAYOUT=fs", &l),
	    "LAYOUT=fs is not supported: folders must be in the layout "
	    "Maildir++ (.Name.Sub); convert the mail with \"doveadm sync\", or "
	    "leave LAYOUT out if it is Maildir++");
	assert_string_equal(parse("maildir:~/M:INBOX=/var/mail/%u", &l),
	    "INBOX=/var/mail/%u is not supported: INBOX must be the root of "
	    "the Maildir (~/M); move it there and leave INBOX out");
	assert_string_equal(parse("maildir:C:\\mail", &l),
	    "\\mail is not a key of a mail location (INDEX, CONTROL, "
	    "VOLATILEDIR, LAYOUT, ...); write \"::\" for a \":\" that "
	    "belongs to a path");
	assert_string_equal(parse("maildir:~/M:UTF-8", &l),
	    "folder names in UTF-8 (UTF-8 in mail_location, mailbox_list_utf8 "
	    "= yes) are not supported: they would not be found; let Dovecot "
	    "copy the mail with \"doveadm sync\" to a location without it");
	assert_non_null(parse("maildir:~/M:SUBSCRIPTIONS=x", &l));
	assert_non_null(parse("maildir:~/M:DIRNAME=dbox-Mails", &l));
	assert_non_null(parse("", &l));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters),
		cmocka_unit_test(no_domain),
		cmocka_unit_test(long_names),
		cmocka_unit_test(filters),
		cmocka_unit_test(unknown),
		cmocka_unit_test(home),
		cmocka_unit_test(leading_out),
		cmocka_unit_test(locations),
		cmocka_unit_test(other_locations),
	};

	log_set_level(LOG_L_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
