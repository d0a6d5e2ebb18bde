/* The configuration's inner parts, shared by config*.c only. */
#ifndef COMMON_CONFIG_IMPL_H
#define COMMON_CONFIG_IMPL_H

#include "common/config.h"

enum {
	CFG_DEPTH_INCLUDE = 16,
	CFG_DEPTH_SECTION = 16,
	CFG_DEPTH_REF = 32,		/* $a that refers to $b that ... */
	CFG_FILE_MAX = 1 << 20,
	CFG_TOTAL_MAX = 8 << 20,	/* bytes of all files together */
	CFG_LINE_MAX = 1 << 20,		/* with what continues it */
	CFG_REF_MAX = 1 << 16,		/* a value in which $references are */
	CFG_GLOB_MAX = 1000,		/* files of one !include */
	CFG_PROBLEMS_MAX = 1000,
};

/* ---- what is written ---- */

enum cfg_eval { EVAL_NOT_YET, EVAL_BUSY, EVAL_DONE, EVAL_BAD };

/* A setting or a section, as written; the tree of all files together. */
struct cfg_node {
	struct cfg_node *next, *parent;
	struct cfg_node *first, *last;	/* of a section */
	const char *file;
	unsigned line;
	uint32_t seq;		/* order of reading, over all files */
	bool is_section;
	bool quoted;		/* without $variables */
	bool is_file;		/* raw is the path of the file with the value */
	const char *key;
	const char *raw;	/* text after "="; a section's name, "" none */
	enum cfg_eval eval;
	const char *value;	/* of EVAL_DONE */
};

enum cfg_line_kind {
	LINE_SETTING, LINE_BEGIN, LINE_END, LINE_INCLUDE, LINE_INCLUDE_TRY,
	LINE_BAD, LINE_EOF,
};

/* A line taken apart; continued lines and here-documents are one. */
struct cfg_line {
	enum cfg_line_kind kind;
	unsigned number;	/* of its first line */
	const char *key, *value;
	bool quoted, is_file;
	bool odd_hash;		/* a comment began without a space before it */
	const char *why;	/* of LINE_BAD */
};

struct cfg_lexer {
	struct span rest;
	unsigned line;
	struct arena *arena;
};

/* The next line of the text, taken apart; good as long as the arena. */
struct cfg_line cfg_lex(struct cfg_lexer *lx);

/* ---- reading ---- */

enum cfg_level { CFG_FATAL, CFG_NOTE, CFG_IGNORED };

struct cfg_told;	/* names that were reported already */

/* A maildir location given by several settings (2.4), the last of each. */
struct cfg_location {
	const struct cfg_node *driver, *path, *inbox, *index, *control,
	    *volatile_dir, *utf8;
};

struct cfg_state {
	struct config *cfg;
	struct arena *arena;		/* cfg's */
	struct cfg_node root;
	struct config_problem *problems;
	unsigned problem_count;
	bool failed;			/* one was fatal */
	bool no_files;			/* nothing else is opened (fuzzing) */
	uint32_t seq;
	size_t bytes;
	struct cfg_told *told;
	unsigned groups;		/* @groups being put in */
	/* where each row of config.def was set; NULL: its default holds */
	const struct cfg_node **set_at;
	struct cfg_location mail;	/* mail_driver, mail_path, ... */
};

/*
 * Adds to the problems, in the order of reading; `at` NULL is the whole. Past
 * CFG_PROBLEMS_MAX only whether one is fatal counts.
 */
void cfg_problem(struct cfg_state *st, const struct cfg_node *at,
    enum cfg_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* True the first time that it is asked about this name. */
bool cfg_first_time(struct cfg_state *st, const char *scope, const char *name);

/* Reads text (and what it includes) as children of `into`. */
void cfg_read_text(struct cfg_state *st, struct span text, const char *path,
    struct cfg_node *into);

/*
 * Reads a regular file of at most CFG_FILE_MAX bytes. On error *why_out is a
 * few words: "does not exist", "permission denied".
 */
enum err cfg_read_file(const char *path, struct buf *out, const char **why_out);

/* `path` as seen from the directory of the file `from`. */
const char *cfg_relative(struct arena *a, const char *from, const char *path);

/*
 * The setting's value: the file's content for "<file", $variables replaced.
 * NULL: there is none, and a fatal problem says why (said once).
 */
const char *cfg_value(struct cfg_state *st, struct cfg_node *n);

/* The children of "group @label name", or NULL. */
struct cfg_node *cfg_group(struct cfg_state *st, const char *label,
    const char *name);

/* ---- options and values ---- */

enum cfg_kind {
	KIND_STR, KIND_BOOL, KIND_UINT, KIND_SIZE, KIND_TIME, KIND_ENUM,
};

struct cfg_option {
	enum cfg_kind kind;
	const char *name;
	const char *initial;
	uint64_t least, most;
	const char *words;	/* KIND_ENUM: separated by | */
	bool reload;
	size_t offset;		/* in struct config */
};

extern const struct cfg_option cfg_options[];
extern const size_t cfg_option_count;

/* Index of a name, or cfg_option_count. */
size_t cfg_option_find(const char *name);

/*
 * Parses by kind and range into the field. False: *why_out says what is wrong
 * with the value, to be put after 'name = value: '.
 */
bool cfg_option_set(struct config *cfg, const struct cfg_option *o,
    const char *value, struct arena *a, const char **why_out);

/* The field as text that cfg_option_set reads as the same. */
void cfg_option_text(const struct config *cfg, const struct cfg_option *o,
    struct buf *out);

/* Values as text: truth, bytes, milliseconds. False: it is none. */
bool cfg_to_bool(const char *s, bool *out);
bool cfg_to_size(const char *s, uint64_t *out);
bool cfg_to_msecs(const char *s, uint64_t *out);

/* Index of a word in "a|b|c", case ignored, or -1. */
int cfg_word_index(const char *words, const char *word);

/* Takes the next word off a list, by spaces and commas; p NULL: none. */
struct span cfg_next_word(struct span *list);

/* ---- names that are not ours ---- */

enum cfg_scope {
	SCOPE_TOP, SCOPE_SECTION, SCOPE_SERVICE, SCOPE_LISTENER,
	SCOPE_NAMESPACE, SCOPE_MAILBOX, SCOPE_PASSDB, SCOPE_USERDB,
	SCOPE_PLUGIN,
};

/*
 * Reports a name that Loft has no use for: ignored and why, fatal when
 * ignoring it would change mail or rights, or unknown, with the nearest known
 * name.
 */
void cfg_ignore(struct cfg_state *st, struct cfg_node *n, enum cfg_scope scope);

/* ---- applying, one function per kind of section ---- */

/* Puts what was read into st->cfg; what is wrong becomes a problem. */
void cfg_apply(struct cfg_state *st);
void cfg_apply_passdb(struct cfg_state *st, struct cfg_node *section);
void cfg_apply_userdb(struct cfg_state *st, struct cfg_node *section);
void cfg_apply_service(struct cfg_state *st, struct cfg_node *section);
void cfg_apply_namespace(struct cfg_state *st, struct cfg_node *section);
void cfg_apply_local_name(struct cfg_state *st, struct cfg_node *section);

/* A certificate or key, in 2.3's or 2.4's spelling: takes it; else false. */
bool cfg_tls_take(struct cfg_state *st, struct cfg_node *n);

/* A setting that is part of a 2.4 mail location: remembers it; else false. */
bool cfg_location_take(struct cfg_state *st, struct cfg_location *l,
    struct cfg_node *n);

/*
 * The 2.3 spelling of what was remembered, "" when nothing was. What is missing
 * comes from `base` (may be NULL).
 */
const char *cfg_location_text(struct cfg_state *st,
    const struct cfg_location *l, const struct cfg_location *base);

/* Checks a location; problems are reported at `at`. */
void cfg_location_check(struct cfg_state *st, const char *location,
    const struct cfg_node *at);

/* A quota setting outside of blocks, or in plugin { }: takes it; else false. */
bool cfg_quota_take(struct cfg_state *st, struct cfg_node *n);

/* The same in a block of a mailbox. */
bool cfg_quota_take_mailbox(struct cfg_state *st, struct cfg_node *n,
    struct config_mailbox *box);

/* 2.4: quota NAME { }. */
void cfg_apply_quota(struct cfg_state *st, struct cfg_node *section);

/* After everything was applied: defaults for what is missing, cross-checks. */
void cfg_finish_auth(struct cfg_state *st);
void cfg_finish_namespaces(struct cfg_state *st);
void cfg_finish_listeners(struct cfg_state *st);
void cfg_finish_tls(struct cfg_state *st);

/* The main path of config_parse, for the fuzzer too. */
enum err cfg_parse(struct span text, const char *path, bool no_files,
    struct config **cfg_out, struct config_problem **problems_out);

#endif
