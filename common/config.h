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

struct quota_setting;

enum config_ssl { SSL_NO, SSL_YES, SSL_REQUIRED };
enum config_fsync { FSYNC_OPTIMIZED, FSYNC_ALWAYS, FSYNC_NEVER };
enum config_confinement {
	CONFINEMENT_AUTO, CONFINEMENT_REQUIRED, CONFINEMENT_OFF
};
enum config_acl { ACL_NO, ACL_VFILE };
/* Of IMAP: clients may ask for their quota. */
enum config_quota { QUOTA_NO, QUOTA_YES, QUOTA_IMAP };
enum config_delivered_to {
	DELIVERED_NONE, DELIVERED_FINAL, DELIVERED_ORIGINAL
};
enum config_auto { AUTO_NO, AUTO_CREATE, AUTO_SUBSCRIBE };
enum multi_delete { DELETE_REFUSE, DELETE_GHOST, DELETE_DISCONNECT };
enum multi_rename { RENAME_REFUSE, RENAME_DISCONNECT, RENAME_FOLLOW };
enum multi_expunge {
	EXPUNGE_GHOST, EXPUNGE_PARTIAL, EXPUNGE_NIL, EXPUNGE_REFUSE
};
enum multi_store { STORE_PARTIAL, STORE_ATOMIC };
enum multi_copy { COPY_ALLOW, COPY_REFUSE };
enum multi_seen { SEEN_AUTO, SEEN_SHARED, SEEN_PRIVATE };

/*
 * The policies of RFC 2180, which are settings of their own and of mailbox blocks, and
 * can be changed at run time (common/config_multi.h).
 */
enum config_multi {
	MULTI_DELETE, MULTI_RENAME, MULTI_EXPUNGE, MULTI_STORE, MULTI_COPY,
	MULTI_SEEN, MULTI_GHOST_MAX_AGE,
	MULTI_COUNT
};

struct config_passdb {
	struct config_passdb *next;
	const char *name;	/* section name, "" none */
	const char *driver;	/* "passwd-file", "static", "passwd", "shadow", "pam" */
	const char *path;	/* passwd-file, with %variables; else NULL */
	const char *service;	/* pam, with %variables; else NULL */
	const char *scheme;	/* default password scheme, upper case */
	const char *username_format;	/* "%u" unless configured */
	const char *password;	/* static; NULL with nopassword */
	bool nopassword;
	const char *fields;	/* static: the other key=value words, or "" */
};

struct config_userdb {
	struct config_userdb *next;
	const char *name;	/* section name, "" none */
	const char *driver;	/* "passwd-file", "static", "passwd", "prefetch" */
	const char *path;	/* passwd-file, with %variables; else NULL */
	const char *username_format;	/* "%u" unless configured */
	/*
	 * static: what it answers. Others: for users of whom they do
	 * not say it. May hold %variables; NULL: not given.
	 */
	const char *uid, *gid, *home, *mail;
	/* "name=value" a line: settings of its users (so far: of quotas); or "" */
	const char *settings;
};

struct config_mailbox {
	struct config_mailbox *next;
	/* as configured, in the client's spelling; may have "*" and "%" */
	const char *name;
	enum config_auto create;
	const char *special_use;	/* "\\Sent" or "" ; several separated by spaces */
	int64_t multi[MULTI_COUNT];	/* MULTI_UNSET: it says nothing of this */
	struct quota_setting *quota;	/* its own */
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
	bool private_seen;	/* INDEXPVT: \Seen is each user's own */
	struct config_mailbox *mailboxes;
};

struct config_listener {
	struct config_listener *next;
	const char *name;	/* "imap", "imaps" */
	const char *address;	/* NULL: the `listen` setting's */
	unsigned port;		/* 0: switched off */
	bool ssl;
	bool haproxy;		/* each connection begins with a PROXY header */
};

/* Two pairs of certificate and key, of different kinds (ECDSA and RSA), all PEM. */
enum config_pem_kind {
	PEM_CERT, PEM_KEY, PEM_ALT_CERT, PEM_ALT_KEY,
	PEM_COUNT
};

struct config_pem {
	const char *text;	/* "": not set */
	const char *path;	/* of the file it came from; NULL: given as text */
};

/* What clients are shown that ask for one of these names (SNI). */
struct config_host {
	struct config_host *next;
	const char *names;	/* "a.example *.b.example" */
	struct config_pem pem[PEM_COUNT];
};

/* A unix socket for MTAs: to ask passwords on, or to deliver through. */
struct config_socket {
	struct config_socket *next;
	const char *path;	/* absolute, or in base_dir */
	unsigned mode;		/* 0: switched off */
	const char *user, *group;	/* "": those of who starts loftd */
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
	struct config_socket *auth_sockets;
	struct quota_setting *quota;	/* common/quota_rules.h */
	/* Of LMTP; none unless `protocols` names it. */
	struct config_listener *lmtp_listeners;
	struct config_socket *lmtp_sockets;
	struct arena arena;
	const char *path;		/* of the main file */
	struct config_host *hosts;
	/* Where ssl_cert and the like were read from; NULL: given as text. */
	const char *pem_path[PEM_COUNT];
};

/* What is to be said about a configuration: all at once. */
struct config_problem {
	struct config_problem *next;
	const char *file;
	unsigned line;		/* 0: about the whole, no line of its own */
	bool is_fatal;
	bool is_ignored;	/* Dovecot has it, Loft does without: for information */
	const char *text;	/* what, why, what to do */
};

/*
 * Reads a configuration file with its includes. Every problem is collected (in
 * file order, in (*cfg_out)->arena); the call fails only if one is fatal.
 * Errors: ERR_SYNTAX at least one fatal problem; ERR_NOTFOUND, ERR_PERM,
 * ERR_IO the main file cannot be read. *cfg_out is set in any case
 * (config_free it).
 */
enum err config_load(const char *path, struct config **cfg_out,
    struct config_problem **problems_out);

/*
 * Parses text as if it were the file `path`: for roles, which get it by pipe,
 * and tests. Includes are read. Errors: ERR_SYNTAX as above.
 */
enum err config_parse(struct span text, const char *path,
    struct config **cfg_out, struct config_problem **problems_out);
void config_free(struct config **cfg);

/* Whether `protocols` names it: "imap", "lmtp". */
bool config_serves(const struct config *cfg, const char *protocol);

/*
 * The effective configuration in the same syntax; reading it again gives the
 * same (but for paths of certificates) when secrets are shown:
 * certificate and key are then there as text. changed_only: what differs from
 * the defaults. Without show_secrets keys and passwords are "# hidden" and the
 * certificate is the path it came from.
 */
void config_print(const struct config *cfg, bool changed_only,
    bool show_secrets, struct buf *out);

/*
 * Appends, separated by spaces, the names of settings that differ between the
 * two and that a reload cannot change. True if there are any.
 */
bool config_needs_restart(const struct config *now, const struct config *next,
    struct buf *names);

/* The text of ssl_cert, ssl_key, ssl_alt_cert, ssl_alt_key, and which of these it is. */
const char **config_pem(struct config *cfg, enum config_pem_kind kind);
const char *config_pem_name(enum config_pem_kind kind);

/*
 * The same configuration with certificates and keys read from their files again; *out
 * is NULL when they are what they were.
 * Errors: as of the file that cannot be read (logged); *out is NULL then.
 */
enum err config_renew_certificates(const struct config *cfg,
    struct config **out);

/* ---- variables ---- */

struct config_vars {
	const char *user;	/* %u %{user}; %n and %d come from it */
	const char *home;	/* %h */
	const char *service;	/* %s */
	const char *local_ip, *remote_ip, *session, *mechanism;
	const char *uid;
};

/*
 * Puts values in place of %variables: 2.3 (%u %n %d %h %Lu %{user} %% ...) and
 * 2.4 (%{user | username | lower}). "~/" at the start is the home. Variables
 * without a value are empty, but for the home. Values are put in as they are:
 * who takes a name from a client checks it first. All the same, where the
 * template is a path (a "/" is in it, or it begins with the home) the user's
 * name cannot lead out: a "/" in what comes from it, or a "." or ".." that it
 * becomes, is refused.
 * Errors: ERR_SYNTAX an unknown variable or filter, or the home is needed and
 *             not known (logged, with the template)
 *         ERR_PERM the name would lead out of the path (logged)
 */
enum err config_expand(const char *template, const struct config_vars *vars,
    struct arena *a, const char **out);

/* "maildir:~/Maildir:INDEX=...": taken apart, not expanded. */
struct mail_location {
	const char *path;	/* root */
	const char *index, *control, *volatile_dir;	/* NULL: not given */
	const char *ignored;	/* keys without effect here, by spaces; NULL: none */
};

/*
 * Splits at ":", but not at "::" (which stands for one) nor within %{}. A path
 * is without its trailing slashes. INDEX=MEMORY counts as not given.
 * Errors: ERR_SYNTAX, with *problem a sentence that says what to do (another
 * driver than maildir, LAYOUT other than Maildir++, an unknown key).
 */
enum err mail_location_parse(const char *location, struct arena *a,
    struct mail_location *out, const char **problem);

/*
 * Takes a variable that stands for the owner of a shared mailbox off the front of a
 * prefix (2.3: "%%u", 2.4: "$user", "%{owner_user}"): 'u' the user, 'n' the part before
 * "@", 'd' the domain. 0: there is none.
 */
char config_owner_variable(struct span *prefix);

#endif
