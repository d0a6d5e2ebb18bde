/* passdb and userdb blocks. */
#include "tests/unit/config_text.h"

/* ---- passdb and userdb ---- */

static void
passdbs(void **state)
{
	struct config_passdb *p;
	struct loaded l;

	(void)state;
	parse(&l, "ssl = no\npassdb {\n driver = passwd-file\n args = "
	    "scheme=sha512-crypt username_format=%n /etc/a b\n}\n"
	    "passdb x {\n driver = static\n args = password={PLAIN}y "
	    "userdb_mail=z allow_nets=192.0.2.0/24 nologin\n}\npassdb {\n args "
	    "= nopassword=y\n"
	    " driver = static\n}\n"
	    "passdb passwd-file {\n passwd_file_path = /etc/p\n}\n"
	    "passdb passwd-file {\n passdb_default_password_scheme = plain\n"
	    " auth_username_format = %{user}\n}\n"
	    "passdb static {\n passdb_static_password = a b\n}\n"
	    "userdb {\ndriver = static\nargs = uid=1 gid=2 home=/h/%u "
	    "mail=maildir:~/m allow_all_users=yes\n}\n");
	assert_string_equal(buf_cstr(&l.said), "");
	p = l.c->passdb;
	assert_string_equal(p->driver, "passwd-file");
	assert_string_equal(p->name, "");
	assert_string_equal(p->path, "/etc/a b");
	assert_string_equal(p->scheme, "SHA512-CRYPT");
	assert_string_equal(p->username_format, "%n");
	assert_null(p->password);
	p = p->next;
	assert_string_equal(p->driver, "static");
	assert_string_equal(p->name, "x");
	assert_string_equal(p->password, "{PLAIN}y");
	assert_string_equal(p->fields,
	    "userdb_mail=z allow_nets=192.0.2.0/24 nologin=");
	assert_string_equal(p->scheme, "PLAIN");
	assert_null(p->path);
	p = p->next;
	assert_true(p->nopassword);
	assert_null(p->password);
	p = p->next;
	assert_string_equal(p->path, "/etc/p");
	assert_string_equal(p->scheme, "PLAIN");
	assert_string_equal(p->username_format, "%{user}");
	p = p->next;
	assert_string_equal(p->password, "a b");
	assert_null(p->next);
	assert_string_equal(l.c->userdb->uid, "1");
	assert_string_equal(l.c->userdb->gid, "2");
	assert_string_equal(l.c->userdb->home, "/h/%u");
	assert_string_equal(l.c->userdb->mail, "maildir:~/m");
	assert_null(l.c->userdb->path);
	release(&l);
}

#define PASSDBS "passwd-file, static, pam, shadow and passwd"
#define USERDBS "passwd-file, static, passwd and prefetch"
#define UNSUPPORTED(kind, driver, drivers) kind " driver " driver " is not supported " \
	"yet, so that its users could not log in; Loft has " drivers \
	": export the users into a passwd-file, or remove this " kind \
	" if nobody needs it\n"

static void
refused_passdbs(void **state)
{
	struct loaded l;

	(void)state;
	SAID("passdb {\n driver = ldap\n}\nuserdb {\n driver = ldap\n}\n",
	    "3 fatal: " UNSUPPORTED("passdb", "ldap", PASSDBS)
	    "6 fatal: " UNSUPPORTED("userdb", "ldap", USERDBS));
	SAID("passdb sql {\n sql_driver = mysql\n}\n",
	    "2 fatal: " UNSUPPORTED("passdb", "sql", PASSDBS));
	SAID("passdb {\n driver = shadow\n args = blocking=no what\n}\n",
	    "4 ignored: passdb field blocking=no is ignored: Loft does not use "
	    "it\n"
	    "4 fatal: passdb shadow: args: this driver takes no such word\n");
	SAID("passdb {\n args = x\n}\n", "2 fatal: passdb without a driver; "
	    "Loft has " PASSDBS "\n");
	SAID("passdb {\n driver = passwd-file\n args = /etc/denied\n"
	    " deny = yes\n}\n",
	    "5 fatal: passdb: deny = yes: users in it would be let in, because "
	    "Loft cannot refuse by list yet; take them out of the other "
	    "passdbs and remove this one\n");
	SAID("passdb {\n driver = passwd-file\n args = /etc/masters\n"
	    " master = yes\n result_success = continue\n deny = no\n}\n",
	    "5 fatal: passdb: master = yes: Loft has no master users yet, and "
	    "as an ordinary passdb it would let in others than meant; remove "
	    "it\n"
	    "6 fatal: passdb: result_success = continue: Loft stops at the "
	    "first passdb that accepts the password; remove it if that is "
	    "meant\n");
	SAID("passdb {\n driver = passwd-file\n args = scheme=PLAIN\n}\n"
	    "passdb {\n driver = passwd-file\n args = hash=x /etc/p\n}\n"
	    "passdb {\n driver = passwd-file\n args = users\n}\n",
	    "4 fatal: passdb passwd-file: the path of the file is missing\n"
	    "8 fatal: passdb passwd-file: hash: unknown in args; it is "
	    "\"scheme=CRYPT username_format=%u /path/of/the/file\"\n"
	    "12 fatal: passdb passwd-file: args: the path of the file must be "
	    "absolute\n"
	    "12 fatal: passdb passwd-file: the path of the file is missing\n");
	SAID("passdb {\n driver = static\n}\n", "2 fatal: passdb static needs "
	    "password=... or nopassword=yes\n");
	SAID("passdb {\n driver = static\n args = nopassword=y proxy=y "
	    "host=192.0.2.1\n}\n",
	    "4 fatal: passdb static: proxy: Loft does not evaluate it here "
	    "yet, so that others could log in than meant; remove it if that is "
	    "meant\n4 fatal: passdb static: host: Loft does not evaluate it "
	    "here yet, so that others could log in than meant; remove it if "
	    "that is meant\n");
	SAID("passdb passwd-file {\n passwd_file_path = /p\n fields {\n"
	    "  allow_nets = 192.0.2.0/24\n  userdb_x = y\n }\n}\n",
	    "5 fatal: passdb passwd-file: allow_nets: Loft does not evaluate "
	    "it here yet, so that others could log in than meant; remove it if "
	    "that is meant\n6 ignored: passdb field userdb_x is ignored: Loft "
	    "does not use it\n");
	SAID("passdb {\n driver = passwd-file\n args = /p\n override_fields = "
	    "allow_nets=192.0.2.0/24\n}\n",
	    "5 fatal: passdb: override_fields = allow_nets=192.0.2.0/24: Loft "
	    "does not evaluate it yet, so that more users or others could log "
	    "in than meant; remove it if that is meant\n");
	SAID("userdb {\n driver = static\n args = uid=1 home=/h chroot=/c "
	    "mail=mbox:~/m\n}\n",
	    "2 fatal: mail in the format mbox cannot be served: Loft serves "
	    "Maildir only; convert it with \"doveadm sync\" to "
	    "maildir:~/Maildir, or keep Dovecot for it\n"
	    "4 fatal: userdb static: chroot: Loft does not change the root for "
	    "a user, so that the paths would be others; give full paths\n");
}

static void
passdbs_of_the_system(void **state)
{
	const struct config_passdb *p;
	struct loaded l;

	(void)state;
	parse(&l, QUIET "passdb {\n driver = pam\n args = session=yes mail\n}\n"
	    "passdb pam {\n}\npassdb {\n driver = pam\n service_name = %s\n}\n"
	    "passdb {\n driver = shadow\n}\n"
	    "userdb {\n driver = prefetch\n}\n"
	    "userdb {\n driver = passwd\n default_fields = mail=maildir:~/m\n"
	    "}\n");
	assert_int_equal(l.e, ERR_OK);
	p = l.c->passdb->next;
	assert_string_equal(p->service, "mail");
	p = p->next;
	assert_string_equal(p->service, "dovecot");
	p = p->next;
	assert_string_equal(p->service, "%s");
	p = p->next;
	assert_string_equal(p->driver, "shadow");
	assert_null(p->service);
	assert_string_equal(l.c->userdb->next->driver, "prefetch");
	assert_string_equal(l.c->userdb->next->next->mail, "maildir:~/m");
	release(&l);
}

static void
userdbs(void **state)
{
	struct config_userdb *u;
	struct loaded l;

	(void)state;
	parse(&l, QUIET "userdb {\n driver = passwd-file\n args = "
	    "username_format=%n /etc/u\n default_fields = uid=vmail "
	    "home=/v/%u\n}\n"
	    "userdb passwd-file {\n passwd_file_path = /etc/v\n fields {\n"
	    "  uid:default = 5\n }\n}\n"
	    "userdb static {\n fields {\n  uid = 6\n  home = /v w/%{user}\n"
	    "  mail_path = ~/Mail\n }\n}\n");
	assert_int_equal(l.e, ERR_OK);
	assert_string_equal(buf_cstr(&l.said), "");
	u = l.c->userdb->next;
	assert_string_equal(u->path, "/etc/u");
	assert_string_equal(u->username_format, "%n");
	assert_string_equal(u->uid, "vmail");
	assert_string_equal(u->home, "/v/%u");
	assert_null(u->gid);
	u = u->next;
	assert_string_equal(u->path, "/etc/v");
	assert_string_equal(u->uid, "5");
	u = u->next;
	assert_null(u->path);
	assert_string_equal(u->home, "/v w/%{user}");
	assert_string_equal(u->mail, "maildir:~/Mail");
	release(&l);
	SAID("passdb {\n driver = static\n args = password=x\n}\n"
	    "userdb passwd-file {\n passwd_file_path = /etc/v\n fields {\n"
	    "  uid = 5\n  nice = 3\n }\n}\n",
	    "9 fatal: userdb passwd-file: uid: Loft cannot yet put it in place "
	    "of what the file says; with \":default\" after the name it counts "
	    "where the file has none\n"
	    "10 ignored: userdb field nice is ignored: Loft does not use it\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passdbs),
		cmocka_unit_test(refused_passdbs),
		cmocka_unit_test(passdbs_of_the_system),
		cmocka_unit_test(userdbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
