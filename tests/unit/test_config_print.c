/* Printing a configuration, and reading that again. */
#include "tests/unit/config_text.h"

/* ---- printing ---- */

/* Whether everything but the two paths is the same. */
static void
same_text(const struct config *a, const struct config *b)
{
	struct buf x = { 0 }, y = { 0 };

	config_print(a, false, true, &x);
	config_print(b, false, true, &y);
	assert_string_equal(buf_cstr(&x), buf_cstr(&y));
	buf_clear(&x);
	buf_clear(&y);
}

static void
same_blocks(const struct config *a, const struct config *b)
{
	const struct config_passdb *p = a->passdb, *q = b->passdb;
	const struct config_namespace *m = a->namespaces, *n = b->namespaces;

	for (; p != NULL; p = p->next, q = q->next) {
		assert_non_null(q);
		assert_string_equal(p->name, q->name);
		assert_string_equal(p->scheme, q->scheme);
		assert_string_equal(p->fields, q->fields);
		assert_int_equal(p->nopassword, q->nopassword);
		assert_int_equal(p->password == NULL, q->password == NULL);
		if (p->password != NULL)
			assert_string_equal(p->password, q->password);
		if (p->path != NULL)
			assert_string_equal(p->path, q->path);
	}
	assert_null(q);
	for (; m != NULL; m = m->next, n = n->next) {
		assert_non_null(n);
		assert_string_equal(m->label, n->label);
		assert_string_equal(m->prefix, n->prefix);
		assert_int_equal(m->separator, n->separator);
	}
	assert_null(n);
}

static void
same_hosts(const struct config_host *a, const struct config_host *b)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next) {
		assert_string_equal(a->names, b->names);
		for (int i = 0; i < PEM_COUNT; i++)
			assert_string_equal(a->pem[i].text, b->pem[i].text);
	}
	assert_true(a == b);
}

static void
round_trip(const char *text)
{
	struct buf out = { 0 };
	struct loaded l, again;

	parse(&l, text);
	for (int changed_only = 0; changed_only < 2; changed_only++) {
		buf_reset(&out);
		config_print(l.c, changed_only, true, &out);
		parse(&again, buf_cstr(&out));
		if (again.e != ERR_OK)
			fail_msg("%s\n%s", buf_cstr(&again.said),
			    buf_cstr(&out));
		same_text(l.c, again.c);
		same_blocks(l.c, again.c);
		assert_string_equal(l.c->ssl_key, again.c->ssl_key);
		assert_string_equal(l.c->ssl_cert, again.c->ssl_cert);
		assert_string_equal(l.c->ssl_alt_key, again.c->ssl_alt_key);
		same_hosts(l.c->hosts, again.c->hosts);
		assert_string_equal(l.c->login_greeting,
		    again.c->login_greeting);
		release(&again);
	}
	buf_clear(&out);
	release(&l);
}

static void
printing(void **state)
{
	(void)state;
	round_trip("");
	round_trip(QUIET "namespace inbox {\ninbox = yes\nmailbox Lists/* {\n"
	    "multiaccess_expunge = nil\nmultiaccess_ghost_max_age = 0\n}\n"
	    "mailbox x {\nauto = create\nmultiaccess_copy = refuse\n}\n}\n");
	round_trip(QUIET);
	round_trip("ssl_cert = <<E\na\nEND\n\nE\nssl_key = <<E\nb\r\nE\n");
	round_trip("ssl_cert = a\nssl_key = b\nssl_alt_cert = c\n"
	    "ssl_alt_key = d\nlocal_name \"a.example *.b.example\" {\n"
	    "ssl_cert = <<E\ne\n\nE\nssl_key = f\n}\n"
	    "local_name c.example {\nssl_cert = g\nssl_alt_cert = h\n"
	    "ssl_alt_key = i\n}\nlocal_name none.example {\n}\n");
	round_trip(QUIET "login_greeting = \" a # \\\"b\\\" 'c' \\\\ $listen "
	    "\"\n"
	    "mail_home = \"</x\"\nlisten = <<E\n\n$x\nE\n");
	round_trip("ssl = required\nssl_cert = c\nssl_key = k\n"
	    "auth_failure_delay = 1500 ms\nstate_map_size = 1234567890\n"
	    "service imap-login {\ninet_listener imap {\nport = 0\n}\n"
	    "inet_listener \"a b\" {\nport = 5\nssl = yes\naddress = ::1\n}\n"
	    "inet_listener {\nport = 6\nhaproxy = yes\n}\n}\n"
	    "haproxy_trusted_networks = ::1, 192.0.2.0/24\n"
	    "passdb \"a \\\"b\" {\ndriver = static\npassword = \" x\"\n"
	    "fields {\nuserdb_x = \"a#b\"\nreason = x\n}\n}\n"
	    "passdb static {\nnopassword = yes\n}\n"
	    "userdb static {\n}\n"
	    "namespace in {\ninbox = yes\nprefix = \"a b/\"\nseparator = /\n"
	    "hidden = yes\nmailbox \"x {\" {\nauto = create\n}\nmailbox y {\n"
	    "special_use = \\All \\Sent\n}\n}\n"
	    "namespace {\nseparator = /\ndisabled = yes\n}\n");
	round_trip(QUIET "namespace a {\ninbox = yes\nseparator = \\\\\n}\n");
}

static void
hidden_secrets(void **state)
{
	struct buf out = { 0 };
	struct loaded l;

	(void)state;
	put("cert", "CERT\n");
	put("key", "SECRET1\n");
	put("main", "ssl_cert = <cert\nssl_key = <key\npassdb {\n"
	    "driver = static\nargs = password=SECRET2\n}\n");
	load(&l, "main");
	assert_string_equal(l.c->ssl_key, "SECRET1\n");
	assert_string_equal(l.c->pem_path[PEM_CERT], in_dir("cert"));
	assert_string_equal(l.c->pem_path[PEM_KEY], in_dir("key"));
	config_print(l.c, false, false, &out);
	assert_null(strstr(buf_cstr(&out), "SECRET"));
	assert_null(strstr(buf_cstr(&out), "CERT"));
	assert_non_null(strstr(buf_cstr(&out), "ssl_key = # hidden\n"));
	assert_non_null(strstr(buf_cstr(&out), "  password = # hidden\n"));
	assert_non_null(strstr(buf_cstr(&out), "/cert\n"));
	buf_clear(&out);
	release(&l);
}

static void
certificates_read_again(void **state)
{
	struct config *next;
	struct loaded l;

	(void)state;
	put("cert", "CERT1\n");
	put("key", "KEY1\n");
	put("host", "HOST1\n");
	put("main", "ssl_cert = <cert\nssl_key = <key\nlisten = a\n"
	    "local_name a {\nssl_server {\ncert_file = host\n}\n"
	    "login_greeting = x\n}\n");
	load(&l, "main");
	assert_int_equal(l.e, ERR_OK);
	assert_non_null(strstr(buf_cstr(&l.said), "local_name a: "
	    "login_greeting is ignored"));
	assert_string_equal(l.c->hosts->pem[PEM_CERT].text, "HOST1\n");
	assert_string_equal(l.c->hosts->pem[PEM_KEY].text, "KEY1\n");
	assert_int_equal(config_renew_certificates(l.c, &next), ERR_OK);
	assert_null(next);
	/* Only they: the rest stays what it was. */
	put("main", "rubbish");
	put("host", "HOST2\n");
	put("key", "KEY2\n");
	assert_int_equal(config_renew_certificates(l.c, &next), ERR_OK);
	assert_string_equal(next->ssl_cert, "CERT1\n");
	assert_string_equal(next->ssl_key, "KEY2\n");
	assert_string_equal(next->hosts->pem[PEM_CERT].text, "HOST2\n");
	assert_string_equal(next->hosts->pem[PEM_KEY].text, "KEY2\n");
	assert_string_equal(next->listen, "a");
	assert_string_equal(next->pem_path[PEM_KEY], in_dir("key"));
	config_free(&next);
	assert_int_equal(unlink(in_dir("host")), 0);
	assert_int_equal(config_renew_certificates(l.c, &next), ERR_NOTFOUND);
	assert_null(next);
	release(&l);
}

static void
changed_only(void **state)
{
	struct buf out = { 0 };
	struct loaded l;

	(void)state;
	parse(&l, QUIET "login_greeting = Loft ready.\nlisten = ::1\n"
	    "service imap {\nprocess_limit = 5\n}\n");
	config_print(l.c, true, true, &out);
	assert_string_equal(buf_cstr(&out), "listen = ::1\nssl = no\n"
	    "passdb {\n  driver = static\n  default_password_scheme = PLAIN\n"
	    "  username_format = %u\n  password = x\n}\n"
	    "userdb {\n  driver = static\n  username_format = %u\n"
	    "  fields {\n    uid = 1000\n  }\n}\n"
	    "service imap-login {\n}\nservice imap {\n  process_limit = "
	    "5\n}\n");
	buf_clear(&out);
	release(&l);
}

static void
restart_needed(void **state)
{
	struct loaded a, b;
	struct buf names = { 0 };

	(void)state;
	parse(&a, QUIET);
	parse(&b, QUIET "login_greeting = x\nlisten = ::1\n");
	assert_false(config_needs_restart(a.c, b.c, &names));
	release(&b);
	parse(&b, QUIET "confinement = off\nbase_dir = /x\n");
	assert_true(config_needs_restart(a.c, b.c, &names));
	assert_string_equal(buf_cstr(&names), "base_dir confinement");
	buf_clear(&names);
	release(&a);
	release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printing),
		cmocka_unit_test(hidden_secrets),
		cmocka_unit_test(certificates_read_again),
		cmocka_unit_test(changed_only),
		cmocka_unit_test(restart_needed),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
