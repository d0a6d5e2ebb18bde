/* The configuration: Dovecot's syntax and names, 2.3 and 2.4. */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum config_ssl { SSL_NO, SSL_YES, SSL_REQUIRED };
enum config_fsync { FSYNC_OPTIMIZED, FSYNC_ALWAYS, FSYNC_NEVER };
enum config_auto { AUTO_NO, AUTO_CREATE, AUTO_SUBSCRIBE };
enum multi_delete { DELETE_REFUSE, DELETE_GHOST, DELETE_DISCONNECT };
enum multi_rename { RENAME_REFUSE, RENAME_DISCONNECT, RENAME_FOLLOW };
enum multi_expunge { EXPUNGE_GHOST, EXPUNGE_PARTIAL, EXPUNGE_NIL, EXPUNGE_REFUSE };
enum multi_store { STORE_PARTIAL, STORE_ATOMIC };
enum multi_copy { COPY_ALLOW, COPY_REFUSE };

struct config_passdb {
	struct config_passdb *next;
	const char *driver;	/* "passwd-file", "static" */
	const char *path;	/* passwd-file, with %variables */
	const char *scheme;	/* default password scheme, upper case */
	const char *username_format;
	const char *password;	/* static; NULL with nopassword */
	bool nopassword;
	const char *fields;	/* static: the other key=value words */
};

struct config_userdb {
	struct config_userdb *next;
	const char *driver;	/* "passwd-file", "static" */
	const char *path;
	const char *username_format;
	const char *uid, *gid, *home, *mail;	/* static; may hold %variables */
};

struct config_mailbox {
	struct config_mailbox *next;
	const char *name;	/* as configured, in the client's spelling */
	enum config_auto create;
	const char *special_use;	/* "\\Sent" or "" ; several separated by spaces */
};

struct config_namespace {
	struct config_namespace *next;
	const char *label;	/* section name */
	const char *type;	/* "private", "shared", "public" */
	const char *prefix;	/* "" or ends with the separator */
	char separator;		/* default '.' for Maildir++ */
	bool inbox, hidden, subscriptions, disabled;
	const char *list;	/* "yes", "no", "children" */
	const char *location;	/* overrides mail_location; "" none */
	struct config_mailbox *mailboxes;
};

struct config_listener {
	struct config_listener *next;
	const char *name;	/* "imap", "imaps" */
	const char *address;	/* NULL: the `listen` setting's */
	unsigned port;		/* 0: switched off */
	bool ssl;
};

/* One field per row of config.def, then what has more than one value. */
struct config {
#define OPT(kind, field, ...) kind field;
#define CFG_STR const char *
#define CFG_BOOL bool
#define CFG_UINT uint64_t
#define CFG_SIZE uint64_t	/* bytes */
#define CFG_TIME uint64_t	/* milliseconds */
#define CFG_ENUM int
#include "common/config.def"
#undef OPT
#undef CFG_STR
#undef CFG_BOOL
#undef CFG_UINT
#undef CFG_SIZE
#undef CFG_TIME
#undef CFG_ENUM
	struct config_passdb *passdb;
	struct config_userdb *userdb;
	struct config_namespace *namespaces;
	struct config_listener *listeners;
	struct arena arena;
	const char *path;		/* of the main file */
};

/* What is to be said about a configuration: all at once. */
struct config_problem {
	struct config_problem *next;
	const char *file;
	unsigned line;
	bool is_fatal;
	const char *text;	/* what, why, what to do */
};

/*
 * Reads a configuration file with its includes. Every problem is collected (in
 * file order, in (*cfg_out)->arena); the call fails only if one is fatal.
 * Errors: ERR_SYNTAX at least one fatal problem; ERR_NOTFOUND, ERR_PERM, ERR_IO the
 * main file cannot be read. *cfg_out is set in any case (config_free it).
 */
enum err config_load(const char *path, struct config **cfg_out,
    struct config_problem **problems_out);

/* Parses text as if it were the file `path`: for roles, which get it by pipe, tests, the fuzzer. */
enum err config_parse(struct span text, const char *path,
    struct config **cfg_out, struct config_problem **problems_out);
void config_free(struct config **cfg);

/*
 * The effective configuration in the same syntax; reading it again gives the same.
 * changed_only: what differs from the defaults. show_secrets: else keys and
 * passwords are "# hidden".
 */
void config_print(const struct config *cfg, bool changed_only,
    bool show_secrets, struct buf *out);

/* ---- variables ---- */

struct config_vars {
	const char *user;	/* %u %{user}; %n and %d come from it */
	const char *home;	/* %h */
	const char *service;	/* %s */
	const char *local_ip, *remote_ip, *session, *mechanism;
	const char *uid;
};

/*
 * Puts values in place of %variables: 2.3 (%u %n %d %h %Lu %{user} %% ...) and 2.4
 * (%{user | username | lower}). "~/" at the start is the home.
 * Errors: ERR_SYNTAX an unknown variable (logged, with the template).
 */
enum err config_expand(const char *template, const struct config_vars *vars,
    struct arena *a, const char **out);

/* "maildir:~/Maildir:INDEX=...": taken apart, not expanded. */
struct mail_location {
	const char *path;	/* root */
	const char *index, *control, *volatile_dir;	/* NULL: not given */
	bool utf8;
};

/*
 * Errors: ERR_SYNTAX, with *problem a sentence that says what to do (another
 * driver than maildir, LAYOUT other than Maildir++, an unknown key).
 */
enum err mail_location_parse(const char *location, struct arena *a,
    struct mail_location *out, const char **problem);

#endif
