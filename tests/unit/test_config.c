/* Reading configuration files: syntax, values, references, includes. */
#include "tests/unit/config_text.h"

/* ---- syntax ---- */

static void
greeting_is(const char *text, const char *expected)
{
	char *whole = NULL;
	struct loaded l;

	assert_true(asprintf(&whole, "%s%s", QUIET, text) > 0);
	parse(&l, whole);
	if (strcmp(l.c->login_greeting, expected) != 0)
		fail_msg("%s: %s, not %s", text, l.c->login_greeting, expected);
	free(whole);
	release(&l);
}

static void
values(void **state)
{
	(void)state;
	greeting_is("login_greeting = a b  c ", "a b  c");
	greeting_is("login_greeting=a", "a");
	greeting_is("  login_greeting\t=\ta\t", "a");
	greeting_is("login_greeting = a\r\n", "a");
	greeting_is("login_greeting = a # b", "a");
	greeting_is("login_greeting = # b", "");
	greeting_is("login_greeting =", "");
	greeting_is("login_greeting = \"a # b\" # c", "a # b");
	greeting_is("login_greeting = ' a '", " a ");
	greeting_is("login_greeting = \"a \\\"b\\\" \\\\c\"", "a \"b\" \\c");
	greeting_is("login_greeting = a \"b\" c", "a \"b\" c");
	greeting_is("login_greeting = \"a", "\"a");
	greeting_is("login_greeting = it's # b", "it's # b");
	greeting_is("login_greeting = a = b", "a = b");
	greeting_is("login_greeting = \\Sent", "\\Sent");
	greeting_is("login_greeting = a \\\n   b\\\n\tc", "a b c");
	greeting_is("login_greeting = a \\\n\nlisten = x", "a");
	greeting_is("login_greeting = a \\\n# no\nlisten = x", "a");
	greeting_is("login_greeting = \\\n a", "a");
	greeting_is("login_greeting = <<X\na # b\n  \"c\"\n\nX\n",
	    "a # b\n  \"c\"\n");
	greeting_is("login_greeting = <<X\nX\n", "");
	greeting_is("login_greeting = <<X\na\r\n  X  \n", "a\r");
	greeting_is("\xef\xbb\xbf# mark\nlogin_greeting = a", "a");
}

static void
references(void **state)
{
	(void)state;
	greeting_is("mail_home = h\nlogin_greeting = a $mail_home b", "a h b");
	greeting_is("mail_home = h\nlogin_greeting = \"$mail_home\"",
	    "$mail_home");
	greeting_is("mail_home = h\nlogin_greeting = x$mail_home",
	    "x$mail_home");
	greeting_is("login_greeting = $6 $ $", "$6 $ $");
	greeting_is("login_greeting = $listen", "*, ::");
	greeting_is("mail_plugins = $mail_plugins a\nmail_plugins = "
	    "$mail_plugins b\nlogin_greeting = $mail_plugins", "a b");
	greeting_is("login_greeting = $SET:listen\nlisten = x", "x");
	greeting_is("login_greeting = a\nlogin_greeting = $SET:login_greeting "
	    "b",
	    "a b");
	greeting_is("service imap {\nprocess_limit = 7\n}\nlogin_greeting = "
	    "$SET:service/imap/process_limit", "7");
	greeting_is("service imap {\nprocess_limit = 7\n}\nlogin_greeting = "
	    "$imap:process_limit", "7");
	greeting_is("login_greeting = $default_internal_group", "dovecot");
	assert_int_equal(setenv("LOFT_TEST", "v", 1), 0);
	greeting_is("login_greeting = $ENV:LOFT_TEST$", "");
	greeting_is("login_greeting = $ENV:LOFT_TEST", "v");
	greeting_is("login_greeting = x $ENV:LOFT_NOT_SET", "x");
	check_said("login_greeting = a $nothing b",
	    "1 fatal: login_greeting refers to $nothing, which has no value "
	    "here; for a plain \"$\" use quotes\n");
	/* what is ignored may refer to anything */
	check_said("service auth {\nuser = $nothing\n}",
	    "2 ignored: service auth: user is ignored: users, rights and "
	    "sockets of Loft's processes are fixed\n");
	check_said("service auth {\nunix_listener x {\nmode = 0999\n}\n"
	    "unix_listener auth-userdb {\n}\n}", "3 fatal: mode = 0999: the "
	    "value must be octal, from 0 (switched off) to 0777\n"
	    "5 ignored: unix_listener auth-userdb is ignored: users, rights "
	    "and sockets of Loft's processes are fixed\n");
	/* itself, in a circle */
	check_said("login_greeting = $SET:mail_home\n"
	    "mail_home = $SET:login_greeting",
	    "1 fatal: login_greeting refers to $SET:mail_home, which has no "
	    "value here; for a plain \"$\" use quotes\n"
	    "2 fatal: mail_home refers to $SET:login_greeting, which has no "
	    "value here; for a plain \"$\" use quotes\n");
}

static void
syntax_errors(void **state)
{
	(void)state;
	check_said("login_greeting\n", "1 fatal: expected \"=\" and a value "
	    "after login_greeting, or \"{\" at the end of the line\n");
	check_said("= a\n", "1 fatal: there is no name before \"=\"\n");
	check_said("namespace inbox { inbox = yes }\n", "1 fatal: text after "
	    "\"{\": what is in the block begins on the next line\n");
	check_said("namespace a b {\n}\n",
	    "1 fatal: expected \"=\" and a value after namespace, or \"{\" at "
	    "the end of the line\n2 fatal: \"}\" without a block to close\n");
	check_said("namespace \"a b {\n", "1 fatal: a quote is not closed\n");
	check_said("}\nlisten = x\n}\n", "1 fatal: \"}\" without a block to "
	    "close\n3 fatal: \"}\" without a block to close\n");
	check_said("listen = x\nservice imap {\nprocess_limit = 5\n",
	    "2 fatal: the block service imap is never closed: a \"}\" is "
	    "missing\n");
	check_said("login_greeting = <<X\na\n", "1 fatal: the value of "
	    "login_greeting has no end: a line with only X is missing\n");
	check_said("login_greeting = a#b\n", "1 note: \"#\" begins a comment "
	    "here, also without a space before it; put the value of "
	    "login_greeting in quotes if it is part of it\n");
	/* never just the first */
	check_said("a\nssl = perhaps\nfirst_valid_uid = x\nb\n",
	    "1 fatal: expected \"=\" and a value after a, or \"{\" at the end "
	    "of the line\n2 fatal: ssl = perhaps: the value must be one of "
	    "no|yes|required\n3 fatal: first_valid_uid = x: the value is not a "
	    "number\n4 fatal: expected \"=\" and a value after b, or \"{\" at "
	    "the end of the line\n");
}

static void
nul_and_depth(void **state)
{
	static const char nul[] = "ssl = no\nlisten = a\0b\n";
	struct config_problem *p;
	struct buf deep = { 0 };
	struct config *c;

	(void)state;
	assert_int_equal(config_parse((struct span){ nul, sizeof nul - 1 }, "x",
	    &c, &p), ERR_SYNTAX);
	assert_string_equal(p->text, "a NUL byte: this is not a text file");
	assert_int_equal(p->line, 2);
	config_free(&c);
	for (int i = 0; i < 20; i++)
		buf_adds(&deep, "service x {\n");
	assert_int_equal(config_parse(buf_span(&deep), "x", &c, &p),
	    ERR_SYNTAX);
	while (p != NULL && !p->is_fatal)
		p = p->next;
	assert_non_null(p);
	assert_string_equal(p->text, "blocks are nested more than 16 deep");
	assert_int_equal(p->line, 17);
	config_free(&c);
	buf_clear(&deep);
}

/* ---- values by kind ---- */

static uint64_t
delay(const char *value)
{
	char *whole = NULL;
	struct loaded l;
	uint64_t n;

	assert_true(asprintf(&whole, "%sauth_failure_delay = %s", QUIET,
	    value) > 0);
	parse(&l, whole);
	n = l.e == ERR_OK ? l.c->auth_failure_delay : UINT64_MAX;
	free(whole);
	release(&l);
	return n;
}

static void
times(void **state)
{
	(void)state;
	assert_int_equal(delay("0"), 0);
	assert_int_equal(delay("3"), 3000);
	assert_int_equal(delay("2s"), 2000);
	assert_int_equal(delay("2 secs"), 2000);
	assert_int_equal(delay("500ms"), 500);
	assert_int_equal(delay("500 msecs"), 500);
	assert_int_equal(delay("1 min"), 60000);
	assert_int_equal(delay("2 m"), 120000);
	assert_int_equal(delay("1mins"), 60000);
	assert_int_equal(delay("10 Minutes"), 600000);
	assert_int_equal(delay("11 min"), UINT64_MAX);
	assert_int_equal(delay("2 parsecs"), UINT64_MAX);
	assert_int_equal(delay("-2s"), UINT64_MAX);
	assert_int_equal(delay("s"), UINT64_MAX);
	assert_int_equal(delay(""), UINT64_MAX);
	assert_int_equal(delay("99999999999999999999"), UINT64_MAX);
	assert_int_equal(delay("9999999999999999 weeks"), UINT64_MAX);
	check_said("auth_failure_delay = 1 hour\nlogin_timeout = x\n",
	    "1 fatal: auth_failure_delay = 1 hour: the value must be from 0 to "
	    "10 mins\n2 fatal: login_timeout = x: the value is not a time "
	    "(such as 500ms, 30s, 5 min, 1 hour)\n");
}

static void
sizes_and_numbers(void **state)
{
	struct loaded l;

	(void)state;
	parse(&l, QUIET "imap_max_line_length = 64k\nstate_map_size = 1 GiB\n"
	    "imap_max_message_size = 10 MB\nlast_valid_uid = unlimited\n"
	    "mail_max_userip_connections = 10\n"
	    "service imap {\nprocess_limit = unlimited\n}\n");
	assert_int_equal(l.e, ERR_OK);
	assert_int_equal(l.c->max_line, 65536);
	assert_int_equal(l.c->state_map_size, 1 << 30);
	assert_int_equal(l.c->max_message, 10 << 20);
	assert_int_equal(l.c->last_valid_uid, 0);
	assert_int_equal(l.c->mail_max_userip_connections, 10);
	assert_int_equal(l.c->process_limit, 100000);
	release(&l);
	check_said("imap_max_line_length = 1k\nstate_map_size = 1 X\n"
	    "mail_max_userip_connections = -1\n",
	    "1 fatal: imap_max_line_length = 1k: the value must be from 8 K to "
	    "64 M\n2 fatal: state_map_size = 1 X: the value is not a size "
	    "(such as 64k, 10 M, 1G)\n3 fatal: mail_max_userip_connections = "
	    "-1: the value is not a number\n");
}

static void
booleans(void **state)
{
	static const char *const yes[] = { "yes", "YES", "y", "1", "true" };
	static const char *const no[] = { "no", "No", "n", "0", "false" };
	struct loaded l;
	char *s;

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		assert_true(asprintf(&s, "%smail_debug = %s", QUIET,
		    i < 5 ? yes[i] : no[i - 5]) > 0);
		parse(&l, s);
		assert_int_equal(l.e, ERR_OK);
		assert_int_equal(l.c->log_debug, i < 5);
		release(&l);
		free(s);
	}
	check_said("mail_debug = maybe",
	    "1 fatal: mail_debug = maybe: the value must be yes or no\n");
}

static void
defaults(void **state)
{
	struct loaded l;

	(void)state;
	parse(&l, "");
	assert_int_equal(l.e, ERR_OK);
	assert_string_equal(buf_cstr(&l.said),
	    "0 note: ssl_cert and ssl_key are not set: TLS is not offered\n"
	    "0 note: there is no passdb: nobody can log in\n"
	    "0 note: there is no userdb and no mail_uid: nobody can log in\n");
	assert_int_equal(l.c->ssl, SSL_NO);
	assert_string_equal(l.c->mail_location, "maildir:~/Maildir");
	assert_string_equal(l.c->worker_user, "dovenull");
	assert_string_equal(l.c->auth_user, "dovecot");
	assert_int_equal(l.c->login_timeout, 180000);
	assert_int_equal(l.c->multiaccess_delete, DELETE_DISCONNECT);
	assert_int_equal(l.c->mail_fsync, FSYNC_OPTIMIZED);
	assert_true(l.c->disable_plaintext_auth);
	assert_non_null(l.c->namespaces);
	assert_null(l.c->namespaces->next);
	assert_true(l.c->namespaces->inbox);
	assert_string_equal(l.c->namespaces->label, "inbox");
	assert_string_equal(l.c->namespaces->prefix, "");
	assert_int_equal(l.c->namespaces->separator, '.');
	assert_non_null(l.c->listeners);
	assert_string_equal(l.c->listeners->name, "imap");
	assert_int_equal(l.c->listeners->port, 143);
	assert_null(l.c->listeners->next);
	release(&l);
}

/* ---- files ---- */

static void
expect_said(struct loaded *l, const char *fmt)
{
	struct buf want = { 0 };
	const char *p;

	for (p = fmt; *p != '\0'; p++) {
		if (*p == '@')
			buf_adds(&want, dir);
		else
			buf_addc(&want, *p);
	}
	assert_string_equal(buf_cstr(&l->said), buf_cstr(&want));
	buf_clear(&want);
}

static void
includes(void **state)
{
	struct loaded l;

	(void)state;
	assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
	put("main", QUIET "!include sub/*.conf\n!include_try sub/none\n"
	    "!include none/*.conf\nprotocol imap {\n!include sub/inner\n}\n");
	put("sub/b.conf", "listen = b\n");
	put("sub/a.conf", "listen = a\n!include inner\nmail_home = <text\n"
	    "bad\n");
	put("sub/inner", "login_greeting = inner\n");
	put("sub/text", "/from/file\n");
	load(&l, "main");
	assert_int_equal(l.e, ERR_SYNTAX);
	expect_said(&l, "@/sub/a.conf:4 fatal: expected \"=\" and a value "
	    "after bad, or \"{\" at the end of the line\n");
	assert_string_equal(l.c->listen, "b");
	assert_string_equal(l.c->login_greeting, "inner");
	assert_string_equal(l.c->mail_home, "/from/file\n");
	assert_string_equal(l.c->path, in_dir("main"));
	release(&l);
}

static void
bad_includes(void **state)
{
	struct loaded l;

	(void)state;
	put("main", QUIET "!include none\n!include sub\n!include\n"
	    "!include main\n!include loop\nservice imap {\n!include open\n}\n");
	put("loop", "!include main\n");
	put("open", "}\nunix_listener x {\n");
	load(&l, "main");
	expect_said(&l, "10 fatal: cannot include @/none: does not exist\n"
	    "11 fatal: cannot include @/sub: is not a regular file\n"
	    "12 fatal: !include needs the name of a file\n"
	    "13 fatal: @/main is being read already: it cannot include itself\n"
	    "@/loop:1 fatal: @/main is being read already: it cannot include "
	    "itself\n@/open:1 fatal: \"}\" without a block to close\n"
	    "@/open:2 fatal: the block unix_listener x is never closed: a "
	    "\"}\" "
	    "is missing\n@/open:2 ignored: unix_listener x is ignored: users, "
	    "rights and sockets of Loft's processes are fixed\n");
	release(&l);
	for (int i = 0; i < 18; i++) {
		char name[16], text[32];

		(void)snprintf(name, sizeof name, "d%d", i);
		(void)snprintf(text, sizeof text, "!include d%d\n", i + 1);
		put(name, text);
	}
	load(&l, "d0");
	assert_non_null(strstr(buf_cstr(&l.said), "/d16:1 fatal: files are "
	    "included more than 16 deep; "));
	assert_int_equal(l.e, ERR_SYNTAX);
	release(&l);
}

static void
main_file(void **state)
{
	struct loaded l;

	(void)state;
	load(&l, "not-there");
	assert_int_equal(l.e, ERR_NOTFOUND);
	assert_string_equal(buf_cstr(&l.said),
	    "0 fatal: the configuration file does not exist\n");
	release(&l);
	load(&l, "sub");
	assert_int_equal(l.e, ERR_IO);
	release(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(references),
		cmocka_unit_test(syntax_errors),
		cmocka_unit_test(nul_and_depth),
		cmocka_unit_test(times),
		cmocka_unit_test(sizes_and_numbers),
		cmocka_unit_test(booleans),
		cmocka_unit_test(defaults),
		cmocka_unit_test(includes),
		cmocka_unit_test(bad_includes),
		cmocka_unit_test(main_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
