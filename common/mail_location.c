/* "maildir:~/Maildir:INDEX=...": taken apart. */
#include <strings.h>

#include "common/config.h"
#include "common/log.h"

/*
 * The text up to the next single ":", "::" put as one; moves on behind it.
 * What is in %{} is left alone.
 */
static const char *
next_part(const char **p, struct arena *a)
{
	char *out = arena_alloc(a, strlen(*p) + 1), *w = out;
	const char *s = *p;
	bool inside = false;

	for (; *s != '\0'; s++) {
		if (s[0] == '%' && s[1] == '{')
			inside = true;
		else if (*s == '}')
			inside = false;
		if (*s == ':' && !inside) {
			if (s[1] != ':')
				break;
			s++;
		}
		*w++ = *s;
	}
	*p = *s == ':' ? s + 1 : NULL;
	while (w > out + 1 && w[-1] == '/')
		*--w = '\0';
	return out;
}

/* "~/x", "%h/x" and "%{home}/x" are the same place. */
static const char *
below_home(const char *s)
{
	static const char *const homes[] = { "~/", "%h/", "%{home}/" };

	for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
		if (span_starts(span_of(s), span_of(homes[i])))
			return s + strlen(homes[i]);
	}
	return NULL;
}

static bool
same_place(const char *a, const char *b)
{
	const char *in_a = below_home(a), *in_b = below_home(b);

	return in_a != NULL && in_b != NULL ? strcmp(in_a, in_b) == 0 :
	    strcmp(a, b) == 0;
}

static void
add_ignored(struct mail_location *out, const char *key, struct arena *a)
{
	out->ignored = out->ignored == NULL ? arena_cstr(a, span_of(key)) :
	    arena_printf(a, "%s %s", out->ignored, key);
}

/* A key that changes which files are mail. NULL: in order. */
static const char *
check_key(const char *key, const char *value, const struct mail_location *l,
    struct arena *a)
{
	if (strcmp(key, "LAYOUT") == 0) {
		if (strcasecmp(value, "Maildir++") == 0)
			return NULL;
		return arena_printf(a, "LAYOUT=%s is not supported: folders "
		    "must be in the layout Maildir++ (.Name.Sub); convert the "
		    "mail with \"doveadm sync\", or leave LAYOUT out if it is "
		    "Maildir++",
		    log_text(span_of(value)));
	}
	if (strcmp(key, "INBOX") == 0) {
		if (same_place(value, l->path))
			return NULL;
		return arena_printf(a, "INBOX=%s is not supported: INBOX must "
		    "be the root of the Maildir (%s); move it there and leave "
		    "INBOX "
		    "out", log_text(span_of(value)),
		    log_text(span_of(l->path)));
	}
	if (strcmp(key, "SUBSCRIPTIONS") == 0) {
		if (strcmp(value, "subscriptions") == 0)
			return NULL;
		return "SUBSCRIPTIONS= is not supported: rename the file to "
		    "subscriptions and leave it out";
	}
	if (strcmp(key, "DIRNAME") == 0 || strcmp(key, "FULLDIRNAME") == 0 ||
	    strcmp(key, "MAILBOXDIR") == 0)
		return *value == '\0' ? NULL : arena_printf(a, "%s= is not "
		    "supported: Maildir++ has no such directory level; "
		    "existing folders would not be found", key);
	if (strcmp(key, "UTF-8") == 0)
		return "folder names in UTF-8 (UTF-8 in mail_location, "
		    "mailbox_list_utf8 = yes) are not supported: they would "
		    "not be found; let Dovecot copy the mail with \"doveadm "
		    "sync\" to a location without it";
	return arena_printf(a, "%s is not a key of a mail location (INDEX, "
	    "CONTROL, VOLATILEDIR, LAYOUT, ...); write \"::\" for a "
	    "\":\" "
	    "that belongs to a path", log_text(span_of(key)));
}

static const char *
take_key(const char *part, struct arena *a, struct mail_location *out)
{
	static const char *const harmless[] = { "INDEXPVT", "INDEXCACHE", "ALT",
		"ALTNOCHECK", "NO-NOSELECT", "KEEP-NOSELECT", "ITERINDEX",
		"BROKENCHAR", "NO-FS-VALIDATION" };
	struct span value = span_of(part), key = span_cut(&value, '=');
	const char *name = arena_cstr(a, key);
	const char *text = value.p == NULL ? "" : value.p;

	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
		if (strcmp(name, harmless[i]) == 0) {
			add_ignored(out, name, a);
			return NULL;
		}
	}
	if (strcmp(name, "INDEX") == 0 && strcmp(text, "MEMORY") == 0)
		add_ignored(out, "INDEX=MEMORY", a);
	else if (strcmp(name, "INDEX") == 0 && *text != '\0')
		out->index = text;
	else if (strcmp(name, "CONTROL") == 0 && *text != '\0')
		out->control = text;
	else if (strcmp(name, "VOLATILEDIR") == 0 && *text != '\0')
		out->volatile_dir = text;
	else
		return check_key(name, text, out, a);
	return NULL;
}

enum err
mail_location_parse(const char *location, struct arena *a,
    struct mail_location *out, const char **problem)
{
	const char *p = location, *driver;

	*out = (struct mail_location){ 0 };
	*problem = NULL;
	if (*p == '/' || *p == '~') {
		*problem = arena_printf(a, "%s has no mailbox format in front; "
		    "write maildir:%s if it is a Maildir",
		    log_text(span_of(location)), log_text(span_of(location)));
		return ERR_SYNTAX;
	}
	driver = next_part(&p, a);
	if (strcasecmp(driver, "maildir") != 0) {
		*problem = arena_printf(a, "mail in the format %s cannot be "
		    "served: Loft serves Maildir only; convert it with "
		    "\"doveadm sync\" to maildir:~/Maildir, or keep Dovecot "
		    "for it",
		    log_text(span_of(driver)));
		return ERR_SYNTAX;
	}
	out->path = p == NULL ? "" : next_part(&p, a);
	if (*out->path == '\0')
		out->path = "~/Maildir";
	while (p != NULL && *problem == NULL)
		*problem = take_key(next_part(&p, a), a, out);
	return *problem == NULL ? ERR_OK : ERR_SYNTAX;
}
