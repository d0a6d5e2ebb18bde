/* mail_driver, mail_path and friends (2.4) as one mail_location (2.3). */
#include <strings.h>

#include "common/config_impl.h"
#include "common/log.h"

bool
cfg_location_take(struct cfg_state *st, struct cfg_location *l,
    struct cfg_node *n)
{
	const struct {
		const char *name;
		const struct cfg_node **node;
	} parts[] = {
		{ "mail_driver", &l->driver }, { "mail_path", &l->path },
		{ "mail_inbox_path", &l->inbox },
		{ "mail_index_path", &l->index },
		{ "mail_control_path", &l->control },
		{ "mail_volatile_path", &l->volatile_dir },
		{ "mailbox_list_utf8", &l->utf8 },
	};
	const char *value;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (strcmp(n->key, parts[i].name) == 0) {
			if (cfg_value(st, n) != NULL)
				*parts[i].node = n;
			return true;
		}
	}
	if (strcmp(n->key, "mailbox_list_layout") != 0)
		return false;
	value = cfg_value(st, n);
	if (value != NULL && *value != '\0' &&
	    strcasecmp(value, "maildir++") != 0)
		cfg_problem(st, n, CFG_FATAL, "mailbox_list_layout = %s is not "
		    "supported: folders must be in the layout maildir++ "
		    "(.Name.Sub); convert the mail with \"doveadm sync\"",
		    log_text(span_of(value)));
	return true;
}

static const char *
text_of(const struct cfg_node *n, const struct cfg_node *base)
{
	n = n != NULL ? n : base;
	return n == NULL || n->value == NULL ? "" : n->value;
}

/* A ":" in it becomes "::", but not within %{}. */
static void
add_path(struct buf *b, const char *key, const char *path)
{
	bool inside = false;

	if (*path == '\0')
		return;
	buf_addf(b, ":%s", key);
	for (; *path != '\0'; path++) {
		if (path[0] == '%' && path[1] == '{')
			inside = true;
		else if (*path == '}')
			inside = false;
		if (*path == ':' && !inside)
			buf_addc(b, ':');
		buf_addc(b, *path);
	}
}

const char *
cfg_location_text(struct cfg_state *st, const struct cfg_location *l,
    const struct cfg_location *base)
{
	static const struct cfg_location none;
	const char *driver, *path, *s;
	struct buf b = { 0 };
	bool utf8 = false;

	if (l->driver == NULL && l->path == NULL && l->inbox == NULL &&
	    l->index == NULL && l->control == NULL &&
	    l->volatile_dir == NULL && l->utf8 == NULL)
		return "";
	base = base == NULL ? &none : base;
	driver = text_of(l->driver, base->driver);
	path = text_of(l->path, base->path);
	if (*driver == '\0' || strcasecmp(driver, "auto") == 0)
		driver = "maildir";
	if (*text_of(l->utf8, base->utf8) != '\0' &&
	    !cfg_to_bool(text_of(l->utf8, base->utf8), &utf8))
		cfg_problem(st, l->utf8, CFG_FATAL,
		    "mailbox_list_utf8: the value must be yes or no");
	buf_adds(&b, driver);
	add_path(&b, "", *path == '\0' ? "~/Maildir" : path);
	add_path(&b, "INBOX=", text_of(l->inbox, base->inbox));
	add_path(&b, "INDEX=", text_of(l->index, base->index));
	add_path(&b, "CONTROL=", text_of(l->control, base->control));
	add_path(&b, "VOLATILEDIR=", text_of(l->volatile_dir,
	    base->volatile_dir));
	if (utf8)
		buf_adds(&b, ":UTF-8");
	s = arena_cstr(st->arena, buf_span(&b));
	buf_clear(&b);
	return s;
}

void
cfg_location_check(struct cfg_state *st, const char *location,
    const struct cfg_node *at)
{
	struct mail_location l;
	const char *problem;

	if (mail_location_parse(location, st->arena, &l, &problem) != ERR_OK) {
		cfg_problem(st, at, CFG_FATAL, "%s", problem);
		return;
	}
	if (l.ignored != NULL && cfg_first_time(st, "location", l.ignored))
		cfg_problem(st, at, CFG_IGNORED, "mail location: %s is "
		    "ignored: Loft keeps its own state in a folder loft/ of "
		    "the Maildir, or in VOLATILEDIR or INDEX", l.ignored);
}
