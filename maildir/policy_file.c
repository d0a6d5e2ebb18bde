/*
 * The file loft-policy, beside the subscriptions: it says how sessions in one mailbox
 * get along (RFC 2180), where that was changed at run time. A line is
 *
 *   pattern TAB name=value SPACE name=value ... LF
 *
 * with storage names ("Lists.c") in the pattern. Lines that begin with "#", and those
 * that are none of ours, stay as they are when it is written.
 */
#include "maildir/policy_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/fsutil.h"
#include "common/lock.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/name.h"

#define POLICY_FILE "loft-policy"
#define POLICY_LOCK "loft-policy.lock"

enum {
	FILE_MAX = 64 << 10,
	RULES_MAX = 1000,
	PATTERN_MAX = 400,
	LOCK_TIMEOUT_MS = 10000,
	LOCK_STALE_S = 30,
};

struct policy_file {
	struct stat was;	/* st_ino 0: there was none */
	struct arena arena;
	struct policy_rule *rule;
	size_t n;
};

/* ---- lines ---- */

static bool
is_word(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '=' ||
		    s.p[i] == 0x7f)
			return false;
	return s.n > 0;
}

static bool
is_pattern(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n <= PATTERN_MAX && *s.p != '#';
}

static bool
take_line(struct span line, struct policy_rule *out)
{
	struct span rest = line, word;

	out->pattern = span_cut(&rest, '\t');
	out->settings = rest;
	if (!is_pattern(out->pattern) || rest.n == 0)
		return false;
	while (rest.p != NULL) {
		word = span_cut(&rest, ' ');
		if (!is_word(span_cut(&word, '=')) || !is_word(word))
			return false;
	}
	return true;
}

bool
policy_rule_value(const struct policy_rule *rule, const char *name,
    struct span *value_out)
{
	struct span rest = rule->settings;

	while (rest.p != NULL) {
		struct span word = span_cut(&rest, ' ');

		if (!span_eq(span_cut(&word, '='), span_of(name)))
			continue;
		*value_out = word;
		return true;
	}
	return false;
}

/* ---- reading ---- */

static void
parse(struct policy_file *p, struct span text)
{
	size_t lines = 1, odd = 0;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	if (lines > RULES_MAX)
		lines = RULES_MAX;
	text = arena_span(&p->arena, text);
	p->rule = arena_array(&p->arena, lines, sizeof(*p->rule));
	while (text.n > 0) {
		struct span line = span_cut(&text, '\n');

		if (line.n == 0 || *line.p == '#')
			continue;
		if (p->n < lines && take_line(line, &p->rule[p->n]))
			p->n++;
		else
			odd++;
	}
	if (odd > 0)
		log_warn(POLICY_FILE ": %zu lines make no sense and say "
		    "nothing; a line is \"pattern TAB name=value ...\"", odd);
}

static void
read_again(struct account *acc, struct policy_file *p, const struct stat *now)
{
	struct buf text = { 0 };
	enum err e = now->st_ino == 0 ? ERR_NOTFOUND :
	    fs_read(acc->control_fd, POLICY_FILE, FILE_MAX, &text);

	/* Said once for each change of the file. */
	p->was = *now;
	if (e != ERR_OK && e != ERR_NOTFOUND) {
		log_error(POLICY_FILE " cannot be read (%s): policies stay as "
		    "they were", err_name(e));
	} else {
		arena_clear(&p->arena);
		p->n = 0;
		parse(p, buf_span(&text));
	}
	buf_clear(&text);
}

void
policy_file_rules(struct account *acc,
    const struct policy_rule **rules_out, size_t *n_out)
{
	struct policy_file *p = acc->policy;
	struct stat now = { 0 };

	if (fstatat(acc->control_fd, POLICY_FILE, &now, AT_SYMLINK_NOFOLLOW) !=
	    0)
		now = (struct stat){ 0 };
	if (p == NULL && now.st_ino != 0) {
		if ((p = acc->policy = calloc(1, sizeof(*p))) == NULL)
			fatal("no memory for policies");
	}
	if (p != NULL && !fs_is_same(&p->was, &now))
		read_again(acc, p, &now);
	*rules_out = p == NULL ? NULL : p->rule;
	*n_out = p == NULL ? 0 : p->n;
}

void
policy_file_free(struct policy_file **file)
{
	if (*file == NULL)
		return;
	arena_free(&(*file)->arena);
	free(*file);
	*file = NULL;
}

/* ---- writing ---- */

static void
add_word(struct buf *out, struct span name, struct span value)
{
	if (out->n > 0)
		buf_addc(out, ' ');
	buf_add_span(out, name);
	buf_addc(out, '=');
	buf_add_span(out, value);
}

/* A rule's settings with some of them changed. */
static void
edit_rule(struct span settings, const struct policy_setting *set, size_t n,
    struct buf *out)
{
	buf_reset(out);
	while (settings.p != NULL) {
		struct span word = span_cut(&settings, ' ');
		struct span name = span_cut(&word, '=');
		size_t i = 0;

		while (i < n && !span_eq(set[i].name, name))
			i++;
		if (i == n)
			add_word(out, name, word);
	}
	for (size_t i = 0; i < n; i++)
		if (set[i].value.p != NULL)
			add_word(out, set[i].name, set[i].value);
}

static void
add_rule(struct buf *out, struct span pattern, const struct buf *settings)
{
	if (settings->n == 0)
		return;
	buf_add_span(out, pattern);
	buf_addc(out, '\t');
	buf_add_span(out, buf_span(settings));
	buf_addc(out, '\n');
}

/* The whole text anew. */
static enum err
edit(struct span text, struct span pattern, const struct policy_setting *set,
    size_t n, struct buf *out)
{
	struct buf settings = { 0 };
	struct policy_rule rule;
	bool found = false;
	size_t rules = 1;

	while (text.n > 0) {
		struct span line = span_cut(&text, '\n');

		if (!take_line(line, &rule) ||
		    !span_eq(rule.pattern, pattern)) {
			buf_add_span(out, line);
			buf_addc(out, '\n');
			rules++;
			continue;
		}
		found = true;
		edit_rule(rule.settings, set, n, &settings);
		add_rule(out, pattern, &settings);
	}
	if (!found) {
		edit_rule(SPAN_NONE, set, n, &settings);
		add_rule(out, pattern, &settings);
	}
	buf_clear(&settings);
	return rules > RULES_MAX || out->n > FILE_MAX ? ERR_LIMIT : ERR_OK;
}

/* text: the account's rules; p NULL: it has none. */
static void
hand_down(struct account *acc, struct span storage, struct span text)
{
	char dir[256];
	int fd = -1;
	enum err e;

	name_to_dir(storage, dir);
	if ((e = account_open_control(acc, dir, &fd)) == ERR_OK)
		e = fs_replace_as_dir(fd, POLICY_FILE, text, acc->sync);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		log_error(POLICY_FILE " cannot be written for mailbox %s "
		    "(%s): others see the policies it had",
		    log_text(storage), err_name(e));
	fs_close(&fd);
}

void
policy_file_hand_down(struct account *acc, struct span storage)
{
	struct buf text = { 0 };

	if (fs_read(acc->control_fd, POLICY_FILE, FILE_MAX, &text) == ERR_OK)
		hand_down(acc, storage, buf_span(&text));
	buf_clear(&text);
}

static void
hand_down_all(struct account *acc, struct span text)
{
	struct folder_entry *entry;
	struct arena a = { 0 };
	size_t n = 0;

	if (acc->how.shares && folder_list(acc, &a, &entry, &n) != ERR_OK)
		log_error(POLICY_FILE ": folders cannot be listed: others see "
		    "the policies that were");
	for (size_t i = 0; i < n; i++)
		if (alone_is(acc, entry[i].name))
			hand_down(acc, entry[i].name, text);
	arena_free(&a);
}

static enum err
set_locked(struct account *acc, struct span pattern,
    const struct policy_setting *set, size_t n)
{
	struct buf text = { 0 }, out = { 0 };
	enum err e = fs_read(acc->control_fd, POLICY_FILE, FILE_MAX, &text);

	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	if (e == ERR_OK)
		e = edit(buf_span(&text), pattern, set, n, &out);
	if (e == ERR_OK)
		e = fs_replace_as_dir(acc->control_fd, POLICY_FILE,
		    buf_span(&out), acc->sync);
	if (e == ERR_OK)
		hand_down_all(acc, buf_span(&out));
	buf_clear(&text);
	buf_clear(&out);
	return e;
}

enum err
policy_file_set(struct account *acc, struct span pattern,
    const struct policy_setting *set, size_t n)
{
	enum err e;

	if (!is_pattern(pattern))
		return ERR_SYNTAX;
	for (size_t i = 0; i < n; i++)
		if (!is_word(set[i].name) || (set[i].value.p != NULL &&
		    !is_word(set[i].value)))
			return ERR_SYNTAX;
	if ((e = dotlock_take(acc->control_fd, POLICY_LOCK, LOCK_TIMEOUT_MS,
	    LOCK_STALE_S)) != ERR_OK)
		return e;
	e = set_locked(acc, pattern, set, n);
	dotlock_release(acc->control_fd, POLICY_LOCK);
	return e;
}
