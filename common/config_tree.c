/* Configuration files as one tree: sections, includes, groups. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_impl.h"
#include "common/fsutil.h"
#include "common/log.h"

/* Files being read, innermost first: for depth and cycles. */
struct including {
	const struct including *outer;
	const char *path;
	dev_t dev;
	ino_t ino;
	bool known;	/* dev and ino are */
	unsigned depth;
};

static void read_lines(struct cfg_state *st, struct span text,
    const struct including *in, struct cfg_node *into);

static struct cfg_node *
node_add(struct cfg_state *st, struct cfg_node *parent, const char *file,
    const struct cfg_line *l, const char *key)
{
	struct cfg_node *n = arena_alloc(st->arena, sizeof *n);

	n->parent = parent;
	n->file = file;
	n->line = l->number;
	n->seq = ++st->seq;
	n->key = key;
	if (parent->last == NULL)
		parent->first = n;
	else
		parent->last->next = n;
	parent->last = n;
	return n;
}

static struct cfg_node *
section_add(struct cfg_state *st, struct cfg_node *parent, const char *file,
    const struct cfg_line *l, const char *key, const char *name)
{
	struct cfg_node *n = node_add(st, parent, file, l, key);

	n->is_section = true;
	n->raw = name;
	return n;
}

/*
 * "service/imap/process_limit = 5" is a setting in two sections: pairs of kind
 * and name, then the setting ("plugin/sieve": a section without a name).
 */
static struct cfg_node *
enter_path(struct cfg_state *st, struct cfg_node *into, const char *file,
    const struct cfg_line *l, struct span *path)
{
	static const char *const kinds[] = { "service", "namespace", "protocol",
		"passdb", "userdb", "plugin" };
	struct span kind = { path->p, span_find(*path, '/') };
	bool known = false;
	int depth;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		known = known || span_eq(kind, span_of(kinds[i]));
	if (!known || into->parent != NULL)
		return into;
	for (depth = 0; depth < CFG_DEPTH_SECTION / 2 &&
	    span_find(*path, '/') < path->n; depth++) {
		const char *name = "";

		kind = span_cut(path, '/');
		if (span_find(*path, '/') < path->n)
			name = arena_cstr(st->arena, span_cut(path, '/'));
		into = section_add(st, into, file, l,
		    arena_cstr(st->arena, kind), name);
	}
	return into;
}

static void
add_setting(struct cfg_state *st, struct cfg_node *into, const char *file,
    const struct cfg_line *l)
{
	struct span key = span_of(l->key);
	struct cfg_node *n;

	into = enter_path(st, into, file, l, &key);
	n = node_add(st, into, file, l, arena_cstr(st->arena, key));
	n->raw = l->value;
	n->quoted = l->quoted;
	n->is_file = l->is_file;
	if (l->odd_hash)
		cfg_problem(st, n, CFG_NOTE, "\"#\" begins a comment here, "
		    "also without a space before it; put the value of %s in "
		    "quotes if it is part of it", log_text(span_of(n->key)));
}

const char *
cfg_relative(struct arena *a, const char *from, const char *path)
{
	const char *slash = strrchr(from, '/');

	if (*path == '/' || slash == NULL)
		return path;
	return arena_printf(a, "%.*s/%s", (int)(slash - from), from, path);
}

enum err
cfg_read_file(const char *path, struct buf *out, const char **why_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum err e = ERR_OK;
	struct stat sb;

	if (fd < 0 || fstat(fd, &sb) < 0) {
		e = fs_err(errno);
		*why_out = e == ERR_NOTFOUND ? "does not exist" :
		    e == ERR_PERM ? "permission denied" : "cannot be read";
	} else if (!S_ISREG(sb.st_mode)) {
		e = ERR_IO;
		*why_out = "is not a regular file";
	} else if (sb.st_size > CFG_FILE_MAX) {
		e = ERR_LIMIT;
		*why_out = "is larger than a megabyte";
	} else if ((e = fs_read_fd(fd, CFG_FILE_MAX, out)) != ERR_OK) {
		*why_out = "cannot be read";
	}
	if (fd >= 0)
		(void)close(fd);
	return e;
}

/* Whether reading `path` now would be a file within itself. */
static bool
is_cycle(const struct including *in, struct including *next)
{
	struct stat sb;

	next->known = stat(next->path, &sb) == 0;
	if (next->known) {
		next->dev = sb.st_dev;
		next->ino = sb.st_ino;
	}
	for (; in != NULL; in = in->outer) {
		if (next->known && in->known && in->dev == next->dev &&
		    in->ino == next->ino)
			return true;
	}
	return false;
}

static void
include_file(struct cfg_state *st, const struct cfg_node *at, const char *path,
    bool try, const struct including *in, struct cfg_node *into)
{
	struct including next = { .outer = in, .path = path,
		.depth = in->depth + 1 };
	struct buf text = { .secret = true };
	const char *why = NULL;
	enum err e;

	if (next.depth > CFG_DEPTH_INCLUDE) {
		cfg_problem(st, at, CFG_FATAL, "files are included more than "
		    "%d deep; %s is not read", CFG_DEPTH_INCLUDE,
		    log_text(span_of(path)));
	} else if (is_cycle(in, &next)) {
		cfg_problem(st, at, CFG_FATAL, "%s is being read already: it "
		    "cannot include itself", log_text(span_of(path)));
	} else if ((e = cfg_read_file(path, &text, &why)) == ERR_OK) {
		read_lines(st, buf_span(&text), &next, into);
	} else if (!try) {
		cfg_problem(st, at, CFG_FATAL, "cannot include %s: %s",
		    log_text(span_of(path)), why);
	} else if (e != ERR_NOTFOUND) {
		cfg_problem(st, at, CFG_NOTE, "%s is not included: %s",
		    log_text(span_of(path)), why);
	}
	buf_clear(&text);
}

static void
include(struct cfg_state *st, const struct cfg_line *l,
    const struct including *in, struct cfg_node *into)
{
	const char *path = cfg_relative(st->arena, in->path, l->value);
	bool try = l->kind == LINE_INCLUDE_TRY;
	struct cfg_node at = { .file = in->path, .line = l->number,
		.seq = ++st->seq };
	glob_t g;

	if (*l->value == '\0') {
		cfg_problem(st, &at, CFG_FATAL, "!include needs the name of a "
		    "file");
		return;
	}
	if (st->no_files)
		return;
	if (strpbrk(path, "*?[") == NULL) {
		include_file(st, &at, arena_cstr(st->arena, span_of(path)), try,
		    in, into);
		return;
	}
	/* A pattern that matches nothing is an empty directory, no mistake. */
	if (glob(path, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc && i < CFG_GLOB_MAX; i++)
		include_file(st, &at, arena_cstr(st->arena,
		    span_of(g.gl_pathv[i])), try, in, into);
	if (g.gl_pathc > CFG_GLOB_MAX)
		cfg_problem(st, &at, CFG_FATAL, "more than %d files match",
		    CFG_GLOB_MAX);
	globfree(&g);
}

static struct cfg_node *
open_section(struct cfg_state *st, const struct cfg_line *l, const char *file,
    struct cfg_node *into, unsigned *depth)
{
	struct cfg_node *n = section_add(st, into, file, l, l->key, l->value);

	if (++*depth == CFG_DEPTH_SECTION + 1)
		cfg_problem(st, n, CFG_FATAL, "blocks are nested more than %d "
		    "deep",
		    CFG_DEPTH_SECTION);
	return n;
}

/* One line; returns the section that the next one belongs to. */
static struct cfg_node *
take_line(struct cfg_state *st, const struct cfg_line *l,
    const struct including *in, struct cfg_node *cur, struct cfg_node *into,
    unsigned *depth)
{
	struct cfg_node at = { .file = in->path, .line = l->number,
		.seq = st->seq + 1 };

	switch (l->kind) {
	case LINE_SETTING:
		add_setting(st, cur, in->path, l);
		break;
	case LINE_BEGIN:
		return open_section(st, l, in->path, cur, depth);
	case LINE_END:
		if (cur == into) {
			cfg_problem(st, &at, CFG_FATAL,
			    "\"}\" without a block to close");
			break;
		}
		--*depth;
		return cur->parent;
	case LINE_INCLUDE:
	case LINE_INCLUDE_TRY:
		include(st, l, in, cur);
		break;
	case LINE_BAD:
		cfg_problem(st, &at, CFG_FATAL, "%s", l->why);
		break;
	case LINE_EOF:
		break;
	}
	return cur;
}

static void
read_lines(struct cfg_state *st, struct span text, const struct including *in,
    struct cfg_node *into)
{
	struct cfg_lexer lx = { .rest = text, .arena = st->arena };
	struct cfg_node *cur = into;
	unsigned depth = 0;

	st->bytes += text.n;
	if (st->bytes > CFG_TOTAL_MAX) {
		struct cfg_node at = { .file = in->path, .seq = st->seq };

		cfg_problem(st, &at, CFG_FATAL, "all files together are larger "
		    "than %d bytes", CFG_TOTAL_MAX);
		return;
	}
	for (const struct cfg_node *n = into; n->parent != NULL; n = n->parent)
		depth++;
	if (span_starts(text, SPAN("\xef\xbb\xbf")))
		span_cut(&lx.rest, '\xbf');
	while (depth <= CFG_DEPTH_SECTION) {
		struct cfg_line l = cfg_lex(&lx);

		if (l.kind == LINE_EOF)
			break;
		cur = take_line(st, &l, in, cur, into, &depth);
	}
	for (; cur != into && depth <= CFG_DEPTH_SECTION; cur = cur->parent)
		cfg_problem(st, cur, CFG_FATAL, "the block %s%s%s is never "
		    "closed: a \"}\" is missing", log_text(span_of(cur->key)),
		    *cur->raw != '\0' ? " " : "", log_text(span_of(cur->raw)));
}

void
cfg_read_text(struct cfg_state *st, struct span text, const char *path,
    struct cfg_node *into)
{
	struct including in = { .path = path };

	if (!st->no_files)
		(void)is_cycle(NULL, &in);
	read_lines(st, text, &in, into);
}

struct cfg_node *
cfg_group(struct cfg_state *st, const char *label, const char *name)
{
	const char *raw = arena_printf(st->arena, "%s %s", label, name);

	for (struct cfg_node *n = st->root.first; n != NULL; n = n->next) {
		if (n->is_section && strcmp(n->key, "group") == 0 &&
		    strcmp(n->raw, raw) == 0)
			return n->first;
	}
	return NULL;
}
