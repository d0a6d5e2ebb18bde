/* What settings and blocks become, in both dialects, and what is said. */
#include "tests/unit/config_text.h"

/* ---- ignored, unknown, fatal ---- */

static void
ignored(void **state)
{
	(void)state;
	check_said("auth_cache_size = 1M\nlock_method = dotlock\n"
	    "auth_cache_size = 2M\n",
	    "1 ignored: auth_cache_size is ignored: password files are kept in "
	    "memory and read again when they change\n"
	    "2 ignored: lock_method is ignored: Loft's locks need no choice: "
	    "flock, and Dovecot's lock files beside it\n");
	check_said("protocol lmtp {\nnonsense = 1\nmail_plugins = sieve\n}\n"
	    "protocol !imap {\nalso = 1\n}\n", "");
	check_said("remote 192.0.2.0/24 {\nssl = no\n}\n",
	    "1 ignored: remote 192.0.2.0/24 is ignored: settings for some "
	    "addresses or names only are not supported; what stands outside of "
	    "the block counts for everybody\n");
	check_said("plugin {\nsieve = ~/x\nwhatever = 1\nquota_warning2 = x\n}\n"
	    "plugin {\nsieve = y\n}\n",
	    "2 ignored: plugin: sieve is ignored: Loft runs no Sieve scripts: "
	    "mail is delivered to the INBOX or to the mailbox of the address\n"
	    "3 ignored: plugin: whatever is ignored: Dovecot's plugins are not "
	    "loaded\n4 ignored: plugin: quota_warning2 is ignored: one quota "
	    "root of maildirsize or of Loft's own count is kept, no program is "
	    "run when it fills up (the log has a line), and the number of "
	    "mailboxes is not limited\n");
	check_said("service imap-login {\nvsz_limit = 1G\nuser = x\n"
	    "unix_listener y {\nmode = 0600\n}\nprocess_min_avail = 0\n}\n",
	    "2 ignored: service imap-login: vsz_limit is ignored: a limit on "
	    "address space would only stop the maps of the state; memory is "
	    "bounded where it is used\n"
	    "3 ignored: service imap-login: user is ignored: users, rights and "
	    "sockets of Loft's processes are fixed\n"
	    "4 ignored: unix_listener y is ignored: users, rights and sockets "
	    "of Loft's processes are fixed\n");
	check_said("dovecot_config_version = 2.4.1\n"
	    "dovecot_storage_version = 2.4.1\nprotocols = imap pop3\n",
	    "3 ignored: protocols: pop3 is ignored: Loft serves IMAP and LMTP "
	    "only; let another server go on with this protocol\n");
	check_said("auth_mechanisms = PLAIN scram-sha-256 ntlm\n",
	    "1 ignored: auth_mechanisms: ntlm is ignored: Loft has PLAIN, "
	    "LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, "
	    "SCRAM-SHA-256-PLUS\n");
	check_said("mail_location = maildir:~/M:INDEX=MEMORY\n",
	    "1 ignored: mail location: INDEX=MEMORY is ignored: Loft keeps its "
	    "own state in a folder loft/ of the Maildir, or in VOLATILEDIR or "
	    "INDEX\n");
}

static void
unknown(void **state)
{
	(void)state;
	check_said("namespace inbox {\ninbox = yes\nmail_uid = 5\n}\n",
	    "3 note: namespace inbox: mail_uid has no effect here: it counts "
	    "outside of blocks only\n");
	check_said("mail_locaton = maildir:~/M\nxyzzy = 1\n"
	    "namespace inbox {\ninbox = yes\nprefx = x\n}\n"
	    "passwdb {\n}\nservice imap {\nproces_limit = 5\n}\n",
	    "1 note: mail_locaton is unknown and ignored; did you mean "
	    "mail_location?\n2 note: xyzzy is unknown and ignored\n"
	    "5 note: namespace inbox: prefx is unknown and ignored; did you "
	    "mean prefix?\n7 note: passwdb is unknown and ignored; did you "
	    "mean passdb?\n10 note: service imap: proces_limit is unknown and "
	    "ignored; did you mean process_limit?\n");
}

static void
fatal_settings(void **state)
{
	(void)state;
	check_said("mail_location = mdbox:~/mdbox\n",
	    "1 fatal: mail in the format mdbox cannot be served: Loft serves "
	    "Maildir only; convert it with \"doveadm sync\" to "
	    "maildir:~/Maildir, or keep Dovecot for it\n");
	check_said("mail_driver = sdbox\nmail_path = ~/mail\n",
	    "2 fatal: mail in the format sdbox cannot be served: Loft serves "
	    "Maildir only; convert it with \"doveadm sync\" to "
	    "maildir:~/Maildir, or keep Dovecot for it\n");
	check_said("mailbox_list_layout = fs\nmail_chroot = /x\n"
	    "auth_ssl_require_client_cert = yes\nprotocols = pop3\n",
	    "1 fatal: mailbox_list_layout = fs is not supported: folders must "
	    "be in the layout maildir++ (.Name.Sub); convert the mail with "
	    "\"doveadm sync\"\n"
	    "2 fatal: mail_chroot = /x: Loft does not change the root for a "
	    "user, so that the paths would be others; give the full path in "
	    "mail_location and leave mail_chroot empty\n"
	    "3 fatal: auth_ssl_require_client_cert = yes: Loft does not ask "
	    "clients for certificates, so that everybody could log in without "
	    "one; remove it if that is meant\n"
	    "4 ignored: protocols: pop3 is ignored: Loft serves IMAP and LMTP "
	    "only; let another server go on with this protocol\n"
	    "4 fatal: protocols does not name imap or lmtp, so that there is "
	    "nothing for Loft to serve\n");
	check_said("auth_ssl_require_client_cert = no\nmail_chroot =\n", "");
	check_said("mail_plugins = quota lazy_expunge\n"
	    "plugin {\nzlib_save = gz\n}\n",
	    "1 fatal: mail_plugins: lazy_expunge: expunged messages would "
	    "really be gone, because Loft does not keep them; take it out of "
	    "mail_plugins if that is meant\n"
	    "1 ignored: mail_plugins is ignored: Dovecot's plugins are not "
	    "loaded\n3 fatal: plugin: zlib_save = gz: Loft does not read "
	    "compressed messages; they would be shown as they are on disk\n");
	check_said("ssl_min_protocol = 1.2\nbase_dir = run\n"
	    "last_valid_uid = 100\n",
	    "1 fatal: ssl_min_protocol = 1.2: the value must be one of "
	    "ANY|LATEST|SSLv3|TLSv1|TLSv1.1|TLSv1.2|TLSv1.3\n"
	    "2 fatal: base_dir must be an absolute path\n"
	    "3 fatal: last_valid_uid is below first_valid_uid: nobody could "
	    "log in\n");
	check_said("auth_mechanisms = gssapi\n",
	    "1 ignored: auth_mechanisms: gssapi is ignored: Loft has PLAIN, "
	    "LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, "
	    "SCRAM-SHA-256-PLUS\n1 fatal: auth_mechanisms: none of them is "
	    "offered, so that nobody could log in; Loft has PLAIN, LOGIN, "
	    "CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, "
	    "SCRAM-SHA-256-PLUS\n");
	check_said("service imap-login {\ninet_listener imap {\nhaproxy = maybe\n"
	    "}\n}\nlogin_trusted_networks = ::1/129 ::1\n", "3 fatal: haproxy "
	    "= maybe: the value must be yes or no\n6 fatal: "
	    "login_trusted_networks: ::1/129 is no network; write an address "
	    "or such as 192.0.2.0/24\n");
	check_said("service imap-login {\ninet_listener imap {\nhaproxy = yes\n"
	    "}\n}\n", "0 note: haproxy = yes, but haproxy_trusted_networks is "
	    "empty: every connection to that listener will be cut\n");
}

static void
too_much_to_say(void **state)
{
	struct buf text = { 0 };
	struct config_problem *p, *last = NULL;
	struct config *c;
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_addf(&text, "unknown_setting_%d = 1\n", i);
	assert_int_equal(config_parse(buf_span(&text), "x", &c, &p),
	    ERR_SYNTAX);
	for (; p != NULL; p = p->next) {
		last = p;
		n++;
	}
	assert_int_equal(n, 1001);
	assert_string_equal(last->text,
	    "there is more to be said than is shown here");
	config_free(&c);
	buf_clear(&text);
}

/* ---- namespaces, services, 2.4's mail locations ---- */

static void
namespaces(void **state)
{
	struct config_namespace *ns;
	struct config_mailbox *m;
	struct loaded l;

	(void)state;
	parse(&l, QUIET "namespace inbox {\n mailbox Drafts {\n"
	    "  special_use = \\Drafts\n  auto = subscribe\n }\n}\n"
	    "namespace inbox {\n inbox = yes\n separator = /\n"
	    " mailbox \"Sent Messages\" {\n  special_use = \"\\\\Sent\"\n }\n"
	    " mailbox Drafts {\n  auto = create\n }\n}\n"
	    "namespace {\n type = shared\n prefix = shared/%%u/\n"
	    " location = maildir:%%h/Maildir\n separator = /\n"
	    " list = children\n subscriptions = no\n hidden = yes\n}\n");
	assert_int_equal(l.e, ERR_OK);
	assert_string_equal(buf_cstr(&l.said), "");
	ns = l.c->namespaces;
	assert_string_equal(ns->label, "inbox");
	assert_true(ns->inbox);
	assert_int_equal(ns->separator, '/');
	assert_true(ns->subscriptions);
	assert_false(ns->hidden);
	m = ns->mailboxes;
	assert_string_equal(m->name, "Drafts");
	assert_string_equal(m->special_use, "\\Drafts");
	assert_int_equal(m->create, AUTO_CREATE);
	m = m->next;
	assert_string_equal(m->name, "Sent Messages");
	assert_string_equal(m->special_use, "\\Sent");
	assert_int_equal(m->create, AUTO_NO);
	assert_null(m->next);
	ns = ns->next;
	assert_string_equal(ns->type, "shared");
	assert_string_equal(ns->list, "children");
	assert_false(ns->subscriptions);
	assert_true(ns->hidden);
	assert_string_equal(ns->location, "maildir:%%h/Maildir");
	assert_null(ns->next);
	release(&l);
}

static void
bad_namespaces(void **state)
{
	(void)state;
	check_said("namespace a {\n}\n", "0 fatal: no namespace has inbox = "
	    "yes: clients would not find INBOX\n");
	check_said("namespace a {\ninbox = yes\n}\nnamespace b {\ninbox = yes\n"
	    "prefix = b.\n}\n", "0 fatal: two namespaces (a and b) have inbox "
	    "= yes: INBOX can be in one only\n");
	check_said("namespace a {\ninbox = yes\nprefix = INBOX.\n"
	    "separator = /\n}\n", "3 fatal: prefix = INBOX.: it must end with "
	    "the separator \"/\"\n");
	check_said("namespace a {\ninbox = yes\nseparator = ab\nlist = x\n"
	    "type = own\nhidden = 7\n}\n",
	    "3 fatal: separator = ab: it must be one character such as \"/\" "
	    "or \".\"\n4 fatal: list = x: the value must be one of "
	    "yes|no|children\n5 fatal: type = own: the value must be one of "
	    "private|shared|public\n6 fatal: hidden = 7: the value must be yes "
	    "or no\n");
	check_said("namespace a {\ninbox = yes\nseparator = /\n}\n"
	    "namespace b {\nprefix = b.\n}\n",
	    "0 fatal: namespaces a and b have separators \"/\" and \".\"; all "
	    "that are listed need the same\n");
	check_said("namespace a {\ninbox = yes\nmailbox x {\nauto = maybe\n"
	    "special_use = Sent\n}\n}\n",
	    "4 fatal: auto = maybe: the value must be one of "
	    "no|create|subscribe\n5 note: mailbox x: special_use Sent does not "
	    "begin with a \"\\\" (within quotes it is written twice)\n");
	check_said("namespace a {\ninbox = yes\nlocation = mbox:~/m\n}\n",
	    "3 fatal: mail in the format mbox cannot be served: Loft serves "
	    "Maildir only; convert it with \"doveadm sync\" to "
	    "maildir:~/Maildir, or keep Dovecot for it\n");
	check_said("plugin {\nacl_shared_dict = proxy:x\n}\n",
	    "2 note: acl_shared_dict = proxy:x is ignored: Loft reads and "
	    "writes file:PATH only; without it LIST shows mailboxes of others "
	    "where they are named or subscribed\n");
	check_said("acl_sharing_map {\ndict file {\npath = /x\n}\n}\n", "");
	check_said("mail_plugins = acl\nnamespace inbox {\ninbox = yes\n}\n"
	    "namespace pub {\ntype = public\nprefix = pub.\n"
	    "location = maildir:/pub\n}\n",
	    "1 ignored: mail_plugins is ignored: Dovecot's plugins are not "
	    "loaded\n");
	check_said("namespace inbox {\ninbox = yes\n}\n"
	    "namespace pub {\ntype = public\nprefix = pub.\n"
	    "location = maildir:/pub:INDEXPVT=~/pub\n}\n"
	    "namespace own {\ntype = public\nprefix = own.\n"
	    "location = maildir:/own:CONTROL=~/own\n}\n"
	    "namespace whose {\ntype = shared\nprefix = shared.\n}\n"
	    "namespace theirs {\ntype = shared\nprefix = theirs.%%u.\n}\n",
	    "9 note: namespace own is not served: its path, CONTROL, INDEX "
	    "and VOLATILEDIR must be the same for all users, who meet there\n"
	    "14 note: namespace whose is not served: its prefix must say "
	    "whose mailboxes it has, as in shared/%%u/\n");
	check_said("namespace inbox {\ninbox = yes\n}\nnamespace old {\n"
	    "prefix = old.\nlocation = maildir:~/old\n}\n",
	    "4 note: namespace old: a second place for a user's mail is not "
	    "served yet; clients do not see it\n");
}

static void
services(void **state)
{
	struct loaded l;

	(void)state;
	parse(&l, "ssl_cert = x\nssl_key = y\nservice imap-login {\n"
	    " inet_listener imap {\n  port = 0\n }\n inet_listener other {\n"
	    "  address = 127.0.0.1\n  port = 1143\n }\n"
	    " process_min_avail = 9\n}\n"
	    "service imap {\n service_process_limit = 0\n}\n");
	assert_int_equal(l.e, ERR_OK);
	assert_int_equal(listener(l.c, "imap")->port, 0);
	/* as in Dovecot, naming one does not take the other away */
	assert_int_equal(listener(l.c, "imaps")->port, 993);
	assert_true(listener(l.c, "imaps")->ssl);
	assert_int_equal(listener(l.c, "other")->port, 1143);
	assert_false(listener(l.c, "other")->ssl);
	assert_string_equal(listener(l.c, "other")->address, "127.0.0.1");
	assert_int_equal(l.c->process_min_avail, 9);
	assert_int_equal(l.c->process_limit, 1024);
	release(&l);
	parse(&l, QUIET "service/imap-login/process_min_avail = 3\n"
	    "service/imap-login/inet_listener/imap/port = 99\n");
	assert_int_equal(l.e, ERR_OK);
	assert_int_equal(l.c->process_min_avail, 3);
	assert_int_equal(listener(l.c, "imap")->port, 99);
	assert_null(listener(l.c, "imaps"));	/* ssl = no */
	release(&l);
	check_said("service imap-login {\ninet_listener imap {\nport = 0\n}\n"
	    "}\n", "0 note: all listeners are switched off (port = 0): only "
	    "inetd and tunnel sessions are served\n");
	check_said("service imap-login {\ninet_listener imap {\nport = 65536\n"
	    "ssl = x\n}\nprocess_min_avail = 10001\n}\n",
	    "3 fatal: port = 65536: the value must be from 0 (switched off) to "
	    "65535\n4 fatal: ssl = x: the value must be yes or no\n"
	    "6 fatal: process_min_avail = 10001: the value must be from 1 to "
	    "10000\n");
}

static void
lmtp_service(void **state)
{
	static const char text[] = "service lmtp {\nunix_listener lmtp {\n"
	    "user = x\n}\nunix_listener /p/q {\nmode = 0660\n}\n"
	    "unix_listener off {\nmode = 0\n}\n"
	    "inet_listener lmtp {\naddress = 192.0.2.1\nport = 24\n}\n"
	    "client_limit = 1\n}\n"
	    "protocol lmtp {\nrecipient_delimiter = -\nmail_plugins = x\n}\n"
	    "protocol lda {\nlda_mailbox_autocreate = yes\nmail_uid = 7\n}\n";
	struct buf whole = { 0 };
	struct loaded l;
	const struct config_socket *s;

	(void)state;
	buf_addf(&whole, QUIET "protocols = lmtp imap\n%s", text);
	parse(&l, buf_cstr(&whole));
	assert_int_equal(l.e, ERR_OK);
	assert_true(config_serves(l.c, "imap") && config_serves(l.c, "lmtp"));
	assert_string_equal(l.c->protocols, "imap lmtp");
	s = l.c->lmtp_sockets;
	assert_string_equal(s->path, "lmtp");
	assert_int_equal(s->mode, 0666);
	assert_string_equal(s->user, "x");
	assert_string_equal(s->next->path, "/p/q");
	assert_int_equal(s->next->mode, 0660);
	assert_null(s->next->next);
	assert_int_equal(l.c->lmtp_listeners->port, 24);
	assert_string_equal(l.c->lmtp_listeners->address, "192.0.2.1");
	assert_string_equal(l.c->recipient_delimiter, "-");
	assert_true(l.c->autocreate);
	assert_string_equal(l.c->mail_uid, "");
	release(&l);
	/* Not served, not listened on. */
	parse(&l, text);
	assert_false(config_serves(l.c, "lmtp"));
	assert_null(l.c->lmtp_sockets);
	assert_null(l.c->lmtp_listeners);
	release(&l);
	parse(&l, QUIET "protocols = lmtp\n");
	assert_null(l.c->listeners);
	assert_string_equal(l.c->lmtp_sockets->path, "lmtp");
	release(&l);
	buf_clear(&whole);
}

static void
protocol_blocks(void **state)
{
	struct loaded l;

	(void)state;
	parse(&l, QUIET "protocol imap {\n mail_max_userip_connections = 7\n}\n"
	    "protocol pop3 {\n mail_max_userip_connections = 8\n}\n"
	    "mail_max_userip_connections = 9\n");
	assert_int_equal(l.e, ERR_OK);
	assert_int_equal(l.c->mail_max_userip_connections, 7);
	release(&l);
	parse(&l, QUIET "passdb a {\n driver = static\n args = password=x\n}\n"
	    "protocol imap {\n passdb a {\n  args = password=y\n }\n}\n"
	    "protocols {\n imap = yes\n pop3 = no\n}\n");
	assert_string_equal(buf_cstr(&l.said), "");
	assert_string_equal(l.c->passdb->next->password, "y");
	assert_null(l.c->passdb->next->next);
	release(&l);
}

static void
locations_of_2_4(void **state)
{
	struct loaded l;

	(void)state;
	parse(&l, QUIET "mail_driver = maildir\nmail_path = ~/M:x\n"
	    "mail_control_path = /c/%{user}\nmail_volatile_path = /v\n"
	    "mailbox_list_utf8 = no\nauth_allow_cleartext = yes\n"
	    "namespace inbox {\n inbox = yes\n mail_path = /other\n}\n");
	assert_int_equal(l.e, ERR_OK);
	assert_string_equal(l.c->mail_location, "maildir:~/M::x:"
	    "CONTROL=/c/%{user}:VOLATILEDIR=/v");
	assert_string_equal(l.c->namespaces->location, "maildir:/other:"
	    "CONTROL=/c/%{user}:VOLATILEDIR=/v");
	assert_false(l.c->disable_plaintext_auth);
	release(&l);
	check_said("mail_path = ~/M\nmail_inbox_path = /var/mail/%{user}\n",
	    "1 fatal: INBOX=/var/mail/%{user} is not supported: INBOX must be "
	    "the root of the Maildir (~/M); move it there and leave INBOX "
	    "out\n");
	check_said("mail_path = ~/M\nmailbox_list_utf8 = yes\n",
	    "1 fatal: folder names in UTF-8 (UTF-8 in mail_location, "
	    "mailbox_list_utf8 = yes) are not supported: they would not be "
	    "found; let Dovecot copy the mail with \"doveadm sync\" to a "
	    "location without it\n");
	check_said("mail_location = maildir:~/x\nmail_path = ~/M\n",
	    "1 note: mail_location does not count beside mail_driver and "
	    "mail_path\n");
	check_said("mail_location =\n", "1 note: mail_location is empty; Loft "
	    "does not guess and takes maildir:~/Maildir\n");
}

static void
groups(void **state)
{
	struct loaded l;

	(void)state;
	parse(&l, QUIET "@base = here\ngroup @base here {\n mail_home = /x\n"
	    " @base = here\n}\n"
	    "group @boxes en {\n mailbox Trash {\n auto = create\n }\n}\n"
	    "namespace inbox {\n inbox = yes\n @boxes = en\n @boxes = no\n}\n");
	assert_string_equal(buf_cstr(&l.said), "23 note: @boxes = no: there is "
	    "no such group; ignored\n");
	assert_string_equal(l.c->mail_home, "/x");
	assert_string_equal(l.c->namespaces->mailboxes->name, "Trash");
	release(&l);
}

static void
tls_settings(void **state)
{
	struct loaded l;

	(void)state;
	SAID("ssl = yes\n" "passdb {\n driver = static\n args = "
	    "password=x\n}\n",
	    "2 fatal: ssl is yes, but ssl_cert is not set; set it, or ssl = no "
	    "to go without TLS\n");
	parse(&l, "ssl_cert = x\n");
	assert_string_equal(buf_cstr(&l.said), "0 fatal: ssl is yes, but "
	    "ssl_key is not set; set it, or ssl = no to go without TLS\n");
	release(&l);
	parse(&l, "ssl_cert = x\nssl_key = y\nssl_alt_cert = z\n"
	    "local_name {\nssl_cert = x\n}\n");
	assert_string_equal(buf_cstr(&l.said), "3 fatal: ssl_alt_key is not "
	    "set: the second certificate and its key belong together\n"
	    "4 fatal: local_name needs the name that clients ask for\n");
	release(&l);
	parse(&l, "ssl_cert = </nowhere/at/all\nssl_key = /nowhere/key\n");
	assert_string_equal(buf_cstr(&l.said),
	    "1 fatal: ssl_cert: cannot read /nowhere/at/all: does not exist\n"
	    "2 fatal: ssl_key is a path; write ssl_key = </nowhere/key, so "
	    "that the file is read\n");
	release(&l);
	/* what is ignored is not read either */
	parse(&l, QUIET "ssl_dh = </nowhere/dh\n");
	assert_int_equal(l.e, ERR_OK);
	release(&l);
}

/* ---- whole configurations ---- */

/* Tests run in the project's directory. */
static void
load_sample(struct loaded *l, const char *path)
{
	struct config_problem *p;

	*l = (struct loaded){ 0 };
	l->e = config_load(path, &l->c, &p);
	note(l, p);
}

static void
debian_2_3(void **state)
{
	struct loaded l;

	(void)state;
	load_sample(&l, "tests/data/config/debian-2.3/dovecot.conf");
	if (l.e != ERR_OK)
		fail_msg("%s", buf_cstr(&l.said));
	assert_null(strstr(buf_cstr(&l.said), " note: "));
	assert_non_null(strstr(buf_cstr(&l.said), "debian-2.3/conf.d/"
	    "10-master.conf:32 ignored: service auth: user is ignored: "));
	assert_string_equal(l.c->auth_sockets->path,
	    "/var/spool/postfix/private/auth");
	assert_int_equal(l.c->auth_sockets->mode, 0660);
	assert_null(l.c->auth_sockets->next);
	assert_string_equal(l.c->mail_location, "maildir:/srv/vmail/%d/%n/"
	    "Maildir:INDEX=/var/cache/mail/%d/%n");
	assert_int_equal(l.c->ssl, SSL_REQUIRED);
	assert_true(strncmp(l.c->ssl_key, "-----BEGIN", 10) == 0);
	assert_int_equal(l.c->mail_max_userip_connections, 40);
	assert_int_equal(l.c->process_min_avail, 8);
	assert_string_equal(l.c->userdb->home, "/srv/vmail/%d/%n");
	assert_string_equal(l.c->namespaces->mailboxes->name, "Drafts");
	assert_null(l.c->namespaces->next);
	release(&l);
}

static void
dovecot_2_4(void **state)
{
	struct loaded l;

	(void)state;
	load_sample(&l, "tests/data/config/dovecot-2.4/dovecot.conf");
	if (l.e != ERR_OK)
		fail_msg("%s", buf_cstr(&l.said));
	assert_null(strstr(buf_cstr(&l.said), " note: "));
	assert_string_equal(l.c->mail_location, "maildir:%{home}/Maildir:"
	    "INBOX=~/Maildir:INDEX=/var/cache/mail/%{user | lower}");
	assert_true(l.c->disable_plaintext_auth);
	assert_int_equal(l.c->ssl, SSL_YES);
	assert_string_equal(l.c->passdb->scheme, "SHA512-CRYPT");
	assert_string_equal(l.c->passdb->next->password,
	    "{PLAIN}once upon a \"time\"");
	assert_string_equal(l.c->userdb->uid, "vmail");
	assert_string_equal(listener(l.c, "imap")->address, "127.0.0.1, ::1");
	assert_int_equal(listener(l.c, "alternative")->port, 10993);
	assert_true(listener(l.c, "alternative")->ssl);
	assert_int_equal(listener(l.c, "imaps")->port, 993);
	assert_string_equal(l.c->namespaces->mailboxes->name, "Trash");
	release(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ignored),
		cmocka_unit_test(unknown),
		cmocka_unit_test(fatal_settings),
		cmocka_unit_test(too_much_to_say),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(bad_namespaces),
		cmocka_unit_test(services),
		cmocka_unit_test(lmtp_service),
		cmocka_unit_test(protocol_blocks),
		cmocka_unit_test(locations_of_2_4),
		cmocka_unit_test(groups),
		cmocka_unit_test(tls_settings),
		cmocka_unit_test(debian_2_3),
		cmocka_unit_test(dovecot_2_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
