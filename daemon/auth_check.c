/*
 * The way of an attempt: the name is normalised, the passdbs are asked one after
 * the other until one agrees, the userdbs say who the user is.
 */
#include "daemon/auth.h"

#include "common/log.h"
#include "common/net.h"
#include "common/quota_rules.h"
#include "daemon/auth_file.h"
#include "daemon/auth_socket.h"
#include "daemon/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * "passwd-file(u,192.0.2.1,<session>): text": fail2ban reads it, and a name must not be
 * able to say that it comes from another address.
 */
static void
say(const struct attempt *t, const char *driver, const char *text)
{
	char shown[256];

	snprintf(shown, sizeof(shown), "%s",
	    log_text(span_of(t->user != NULL ? t->user : t->tried)));
	for (char *p = shown; *p != '\0'; p++)
		if (strchr("(),<> ", *p) != NULL)
			*p = '?';
	log_info("%s(%s,%s%s%s%s): %s", driver, shown, t->remote,
	    *t->session != '\0' ? ",<" : "", t->session,
	    *t->session != '\0' ? ">" : "", text);
}

static struct config_vars
vars_of(const struct attempt *t, const char *home)
{
	return (struct config_vars){
		.user = t->user, .home = home, .service = "imap",
		.local_ip = t->local, .remote_ip = t->remote,
		.session = t->session, .mechanism = t->mechanism,
	};
}

/* ---- the name ---- */

static bool
has_only(const char *name, const char *allowed)
{
	return *allowed == '\0' || name[strspn(name, allowed)] == '\0';
}

static enum err
normalise(struct attempt *t)
{
	struct config_vars vars = { .user = t->tried, .service = "imap" };
	enum err e;

	if (!has_only(t->tried, auth_cfg->auth_username_chars)) {
		say(t, "auth", "Username contains a character that "
		    "auth_username_chars does not allow");
		return ERR_AUTH;
	}
	if (*auth_cfg->auth_username_format == '\0') {
		t->user = t->tried;
		return ERR_OK;
	}
	e = config_expand(auth_cfg->auth_username_format, &vars, &t->arena,
	    &t->user);
	return e == ERR_OK && *t->user != '\0' ? ERR_OK : ERR_AUTH;
}

/* ---- passdb ---- */

/* Drivers of whose users only the system knows. */
static bool
is_of_system(const char *driver)
{
	return strcmp(driver, "pam") == 0 || strcmp(driver, "shadow") == 0 ||
	    strcmp(driver, "passwd") == 0;
}

bool
auth_needs_system(const struct config *cfg)
{
	for (const struct config_passdb *p = cfg->passdb; p != NULL;
	    p = p->next)
		if (is_of_system(p->driver))
			return true;
	for (const struct config_userdb *u = cfg->userdb; u != NULL;
	    u = u->next)
		if (is_of_system(u->driver))
			return true;
	return false;
}

static const struct config_passdb *
passdb_at(unsigned number)
{
	const struct config_passdb *p = auth_cfg->passdb;

	while (p != NULL && number-- > 0)
		p = p->next;
	return p;
}

static enum err
find_entry(struct attempt *t, const char *path_template, const char *format,
    bool fresh, struct auth_entry *entry)
{
	struct config_vars vars = vars_of(t, NULL);
	const char *path, *key;
	enum err e;

	if ((e = config_expand(path_template, &vars, &t->arena, &path)) !=
	    ERR_OK || (e = config_expand(format, &vars, &t->arena, &key)) !=
	    ERR_OK)
		return e == ERR_PERM ? ERR_NOTFOUND : ERR_UNAVAIL;
	return auth_file_find(path, t->user, span_of(key), fresh,
	    auth_open_passwd, entry);
}

/* Puts what is to be compared into t->stored and t->extra. */
static enum err
ask(struct attempt *t, const struct config_passdb *p, bool fresh)
{
	struct auth_entry entry;
	enum err e;

	t->stored = t->extra = SPAN_NONE;
	if (strcmp(p->driver, "static") == 0) {
		t->stored = arena_span(&t->arena, span_of(p->password));
		t->extra = arena_span(&t->arena, span_of(p->fields));
		return ERR_OK;
	}
	if ((e = find_entry(t, p->path, p->username_format, fresh, &entry)) !=
	    ERR_OK)
		return e;
	/* With an explicit scheme: helpers do not know the default. */
	if (entry.password.n > 0 && *entry.password.p != '{')
		t->stored = span_of(arena_printf(&t->arena, "{%s}%.*s",
		    p->scheme, (int)entry.password.n, entry.password.p));
	else
		t->stored = arena_span(&t->arena, entry.password);
	t->extra = arena_span(&t->arena, entry.extra);
	return ERR_OK;
}

static bool
needs_no_password(const struct attempt *t, const struct config_passdb *p)
{
	struct span value;

	if (p->nopassword)
		return true;
	return strcmp(p->driver, "static") != 0 &&
	    auth_extra(t->extra, "nopassword", &value) &&
	    !span_ieq(value, SPAN("n")) && !span_ieq(value, SPAN("no"));
}

static bool
from_allowed_network(const struct attempt *t)
{
	struct span nets;

	if (!auth_extra(t->extra, "allow_nets", &nets))
		return true;
	while (nets.p != NULL)
		if (net_contains(span_cut(&nets, ','), t->remote))
			return true;
	return false;
}

/* ---- userdb ---- */

struct identity {
	const char *uid, *gid, *home, *mail, *groups;
	const char *settings;		/* "name=value" a line, or NULL */
};

static enum err
fill(struct attempt *t, const char *template, const char *home,
    const char **out)
{
	struct config_vars vars = vars_of(t, home);

	if (*out != NULL || template == NULL || *template == '\0')
		return ERR_OK;
	return config_expand(template, &vars, &t->arena, out);
}

static const char *
own(struct attempt *t, struct span s)
{
	return s.n == 0 ? NULL : arena_cstr(&t->arena, s);
}

/* "userdb_quota_rule=*:storage=1G": what stands behind counts more. */
static void
take_settings(struct attempt *t, struct span extra, struct identity *id)
{
	const struct span prefix = SPAN("userdb_");

	while (extra.p != NULL) {
		struct span word = span_cut(&extra, ' ');
		struct span name;

		if (!span_starts(word, prefix))
			continue;
		word.p += prefix.n;
		word.n -= prefix.n;
		name = (struct span){ word.p, span_find(word, '=') };
		if (name.n < word.n &&
		    quota_rules_has(arena_cstr(&t->arena, name)))
			id->settings = arena_printf(&t->arena, "%s%.*s\n",
			    id->settings == NULL ? "" : id->settings,
			    (int)word.n, word.p);
	}
}

/* What a passdb's fields or a passwd-file's say of the user ("userdb_home=..."). */
static void
take_fields(struct attempt *t, struct span extra, struct identity *id)
{
	struct span value;

	if (auth_extra(extra, "userdb_mail", &value))
		id->mail = own(t, value);
	if (auth_extra(extra, "userdb_home", &value))
		id->home = own(t, value);
	if (auth_extra(extra, "userdb_uid", &value))
		id->uid = own(t, value);
	if (auth_extra(extra, "userdb_gid", &value))
		id->gid = own(t, value);
	if (auth_extra(extra, "userdb_acl_groups", &value))
		id->groups = own(t, value);
	take_settings(t, extra, id);
}

static enum err
ask_userdb(struct attempt *t, const struct config_userdb *u,
    struct identity *id)
{
	struct auth_entry entry;
	enum err e;

	if (strcmp(u->driver, "passwd-file") == 0) {
		if ((e = find_entry(t, u->path, u->username_format, false,
		    &entry)) != ERR_OK)
			return e;
		id->uid = own(t, entry.uid);
		id->gid = own(t, entry.gid);
		id->home = own(t, entry.home);
		take_fields(t, entry.extra, id);
	} else if (strcmp(u->driver, "prefetch") == 0) {
		take_fields(t, t->extra, id);
		if (id->uid == NULL && id->home == NULL && id->mail == NULL)
			return ERR_NOTFOUND;
	}
	return ERR_OK;
}

static const struct config_userdb *
userdb_at(unsigned number)
{
	const struct config_userdb *u = auth_cfg->userdb;

	while (u != NULL && number-- > 0)
		u = u->next;
	return u;
}

/* The answer of a userdb, with what the configuration adds to it. */
static enum err
complete(struct attempt *t, const struct config_userdb *u,
    struct identity *id)
{
	if (u != NULL && (fill(t, u->home, NULL, &id->home) != ERR_OK ||
	    fill(t, u->uid, id->home, &id->uid) != ERR_OK ||
	    fill(t, u->gid, id->home, &id->gid) != ERR_OK))
		return ERR_UNAVAIL;
	/* A mail location is expanded where it is taken apart (home). */
	if (u != NULL && id->mail == NULL)
		id->mail = u->mail;
	if (fill(t, auth_cfg->mail_home, NULL, &id->home) != ERR_OK ||
	    fill(t, auth_cfg->mail_uid, id->home, &id->uid) != ERR_OK ||
	    fill(t, auth_cfg->mail_gid, id->home, &id->gid) != ERR_OK)
		return ERR_UNAVAIL;
	return ERR_OK;
}

/* A userdb that knows everybody says nothing about who there is. */
static enum err
exists(struct attempt *t, const struct config_userdb *u)
{
	enum err e = ERR_NOTFOUND;

	if (!t->aside || (u != NULL && strcmp(u->driver, "passwd-file") == 0))
		return ERR_OK;
	/* Only a password would tell what PAM knows. */
	for (const struct config_passdb *p = auth_cfg->passdb;
	    p != NULL && e == ERR_NOTFOUND; p = p->next)
		e = is_of_system(p->driver) ? ERR_OK : ask(t, p, true);
	return e;
}

static void
open_user(struct attempt *t, enum err e, const struct config_userdb *u,
    struct identity *id)
{
	if (e == ERR_OK)
		e = complete(t, u, id);
	if (e != ERR_OK) {
		if (!t->aside)
			say(t, "userdb", "the password was right, but no "
			    "userdb says who the user is");
		auth_fail(t, t->aside && e == ERR_NOTFOUND ?
		    FAILURE_PASSWORD : FAILURE_TEMPORARY);
		return;
	}
	t->groups = id->groups == NULL ? "" : id->groups;
	/* Those of the configuration are for who has none of his own. */
	t->settings = arena_printf(&t->arena, "%s%s", u == NULL ? "" :
	    u->settings, id->settings == NULL ? "" : id->settings);
	auth_open_account(t, id->uid == NULL ? "" : id->uid,
	    id->gid == NULL ? "" : id->gid, id->home == NULL ? "" : id->home,
	    id->mail == NULL ? "" : id->mail);
}

/* Asks the userdbs from t->userdb on. */
static void
look_up_user(struct attempt *t)
{
	const struct config_userdb *u;
	struct identity id = { 0 };
	enum err e = auth_cfg->userdb == NULL ? exists(t, NULL) : ERR_NOTFOUND;

	for (; (u = userdb_at(t->userdb)) != NULL; t->userdb++) {
		if (strcmp(u->driver, "passwd") == 0) {
			auth_ask_system(t, "userdb", "");
			return;
		}
		id = (struct identity){ 0 };
		if ((e = ask_userdb(t, u, &id)) == ERR_OK)
			e = exists(t, u);
		if (e != ERR_NOTFOUND)
			break;
		if (!t->looks)
			say(t, u->driver, "unknown user in userdb");
	}
	open_user(t, e, u, &id);
}

/* The system's answer to "userdb". */
static void
found_user(struct attempt *t, enum err result, struct span found)
{
	struct identity id = { 0 };

	if (result == ERR_NOTFOUND) {
		if (!t->looks)
			say(t, "passwd", "unknown user in userdb");
		t->userdb++;
		look_up_user(t);
		return;
	}
	id.uid = own(t, span_of(ipc_text(&found)));
	id.gid = own(t, span_of(ipc_text(&found)));
	id.home = own(t, span_of(ipc_text(&found)));
	open_user(t, result, userdb_at(t->userdb), &id);
}

/* ---- the way ---- */

static void
agreed(struct attempt *t, const struct config_passdb *p)
{
	struct span value;
	const char *driver = p->driver;

	if (!from_allowed_network(t)) {
		say(t, driver, "allow_nets check failed: IP not in allowed "
		    "networks");
		auth_fail(t, FAILURE_PASSWORD);
		return;
	}
	if (auth_extra(t->extra, "nologin", &value)) {
		say(t, driver, "User login is disabled (nologin)");
		auth_fail(t, FAILURE_DISABLED);
		return;
	}
	if (auth_extra(t->extra, "user", &value) && value.n > 0)
		t->user = arena_cstr(&t->arena, value);
	if (t->sasl.authzid.n > 0 &&
	    !span_eq(buf_span(&t->sasl.authzid), span_of(t->tried)) &&
	    !span_eq(buf_span(&t->sasl.authzid), span_of(t->user))) {
		say(t, driver, "logging in as somebody else is not allowed");
		auth_fail(t, FAILURE_PASSWORD);
		return;
	}
	t->userdb = 0;
	if (t->mta != 0) {
		auth_succeeded(t);
		auth_socket_agreed(t);
	} else {
		look_up_user(t);
	}
}

static void next_passdb(struct attempt *t);

void
auth_verified(struct attempt *t, enum err result)
{
	const struct config_passdb *p = passdb_at(t->passdb);
	struct span before = t->stored;

	if (result == ERR_AUTH && t->sasl.proves) {
		if (p != NULL)
			say(t, p->driver, "Password mismatch");
		auth_fail(t, FAILURE_PASSWORD);
		return;
	}
	if (p == NULL) {
		/* The configuration changed under the attempt. */
		auth_fail(t, FAILURE_TEMPORARY);
		return;
	}
	if (result == ERR_OK) {
		agreed(t, p);
		return;
	}
	if (result == ERR_CANNOT) {
		say(t, p->driver, "this mechanism needs a password that is "
		    "stored as PLAIN or as its own scheme has it");
	} else if (result == ERR_PERM) {
		log_error("%s(%s): password scheme %s is weak and refused; "
		    "have the password set anew, or set "
		    "auth_allow_weak_schemes = yes", p->driver,
		    log_text(span_of(t->user)), password_scheme(t->stored,
		    "PLAIN"));
		t->temporary = true;
	} else if (result == ERR_NOTFOUND || result == ERR_CORRUPT) {
		log_error("%s(%s): password scheme %s is %s", p->driver,
		    log_text(span_of(t->user)), password_scheme(t->stored,
		    "PLAIN"), result == ERR_NOTFOUND ? "unknown" :
		    "not what the stored form looks like");
		t->temporary = result == ERR_NOTFOUND;
	} else if (strcmp(p->driver, "passwd-file") == 0 &&
	    ask(t, p, true) == ERR_OK && !span_eq(before, t->stored)) {
		/* The file changed a moment ago. */
		auth_verify(t);
		return;
	} else {
		say(t, p->driver, "Password mismatch");
	}
	t->passdb++;
	next_passdb(t);
}

void
auth_system_says(struct attempt *t, enum err result, struct span found)
{
	const struct config_passdb *p = passdb_at(t->passdb);
	bool is_pam;

	if (t->phase == PHASE_LOOKING) {
		found_user(t, result, found);
		return;
	}
	if (p == NULL) {
		auth_fail(t, FAILURE_TEMPORARY);
		return;
	}
	if (result == ERR_OK) {
		agreed(t, p);
		return;
	}
	is_pam = strcmp(p->driver, "pam") == 0;
	/* In Dovecot's words, which fail2ban knows. */
	if (result == ERR_AUTH)
		say(t, p->driver, is_pam ? "pam_authenticate() failed: "
		    "Authentication failure (Password mismatch?)" :
		    "Password mismatch");
	else if (result == ERR_NOTFOUND)
		say(t, p->driver, is_pam ? "pam_authenticate() failed: User "
		    "not known to the underlying authentication module" :
		    "unknown user");
	else
		t->temporary = true;
	t->passdb++;
	next_passdb(t);
}

static void
ask_system(struct attempt *t, const struct config_passdb *p)
{
	struct config_vars vars = vars_of(t, NULL);
	const char *service = "";

	if (p->service != NULL && config_expand(p->service, &vars, &t->arena,
	    &service) != ERR_OK)
		service = "dovecot";
	t->stored = t->extra = SPAN_NONE;
	auth_ask_system(t, p->driver, service);
}

static void
next_passdb(struct attempt *t)
{
	const struct config_passdb *p;
	enum err e;

	for (; (p = passdb_at(t->passdb)) != NULL; t->passdb++) {
		if (is_of_system(p->driver)) {
			/* It would want to see the password. */
			if (t->sasl.proves)
				continue;
			ask_system(t, p);
			return;
		}
		if ((e = ask(t, p, false)) == ERR_NOTFOUND)
			e = ask(t, p, true);
		if (e == ERR_NOTFOUND) {
			say(t, p->driver, "unknown user");
			continue;
		}
		if (e != ERR_OK) {
			t->temporary = true;
			continue;
		}
		if (!t->sasl.proves && needs_no_password(t, p))
			agreed(t, p);
		else
			auth_verify(t);
		return;
	}
	auth_fail(t, t->temporary ? FAILURE_TEMPORARY : FAILURE_PASSWORD);
}

void
auth_look_up(struct attempt *t)
{
	t->userdb = 0;
	if (normalise(t) != ERR_OK)
		auth_fail(t, FAILURE_PASSWORD);
	else
		look_up_user(t);
}

void
auth_check(struct attempt *t)
{
	t->tried = arena_cstr(&t->arena, buf_span(&t->sasl.user));
	t->passdb = 0;
	t->temporary = false;
	t->user = NULL;
	if (normalise(t) != ERR_OK) {
		auth_fail(t, FAILURE_PASSWORD);
		return;
	}
	next_passdb(t);
}
