/* Lists users: passwd-files, the host's own. */
#include "worker/adopt_users.h"

#include "common/fsutil.h"

#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20 };

struct listing {
	struct arena *a;
	struct adopt_user *first, **end;
	const char *unlisted, *unread;
};

static struct adopt_user *
add(struct listing *l, const char *name)
{
	struct adopt_user *u = arena_alloc(l->a, sizeof(*u));

	*u = (struct adopt_user){ .name = name, .home = "", .mail = "" };
	*l->end = u;
	l->end = &u->next;
	return u;
}

static bool
is_known(const struct listing *l, struct span name)
{
	for (const struct adopt_user *u = l->first; u != NULL; u = u->next)
		if (span_eq(span_of(u->name), name))
			return true;
	return false;
}

/* "userdb_mail=maildir:~/Maildir" among the extra fields. */
static const char *
mail_of(struct arena *a, struct span extra)
{
	while (extra.p != NULL) {
		struct span value = span_cut(&extra, ' ');
		struct span key = span_cut(&value, '=');

		if (value.p != NULL && span_eq(key, SPAN("userdb_mail")))
			return arena_cstr(a, value);
	}
	return "";
}

/* user:password:uid:gid:gecos:home:shell:extra */
static void
add_line(struct listing *l, struct span line, const char *file, unsigned number)
{
	struct span field[7], rest = line;
	struct adopt_user *u;

	line = span_trim(line);
	if (line.n == 0 || *line.p == '#')
		return;
	for (size_t i = 0; i < 7; i++)
		field[i] = rest.p == NULL ? SPAN("") : span_cut(&rest, ':');
	if (field[0].n > 0 && is_known(l, field[0]))
		return;
	u = add(l, arena_cstr(l->a, field[0]));
	u->file = file;
	u->line = number;
	u->broken = field[0].n == 0 || span_find(line, ':') == line.n ||
	    memchr(line.p, '\0', line.n) != NULL;
	if (u->broken)
		return;
	u->home = arena_cstr(l->a, field[5]);
	u->mail = mail_of(l->a, rest);
}

static void
add_file(struct listing *l, const char *path)
{
	struct buf text = { .secret = true };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
	struct span rest, line;

	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fs_read_fd(fd, FILE_MAX, &text) != ERR_OK) {
		l->unread = path;
	} else {
		rest = buf_span(&text);
		for (unsigned n = 1; rest.p != NULL; n++) {
			line = span_cut(&rest, '\n');
			add_line(l, line, path, n);
		}
	}
	if (fd >= 0)
		close(fd);
	buf_clear(&text);
}

/* A path with a "*" for each variable: "/etc/mail/%d/passwd". */
static const char *
as_pattern(struct arena *a, const char *path)
{
	struct buf b = { 0 };
	const char *pattern;

	for (; *path != '\0'; path++) {
		if (path[0] != '%' || path[1] == '\0') {
			buf_addc(&b, *path);
		} else if (path[1] == '{') {
			buf_addc(&b, '*');
			path += strcspn(path, "}");
			path -= *path == '\0';
		} else {
			buf_addc(&b, '*');
			for (path++; strchr("LUEXRMNHTD.0123456789", *path) !=
			    NULL && path[1] != '\0'; path++)
				;
		}
	}
	pattern = arena_cstr(a, buf_span(&b));
	buf_clear(&b);
	return pattern;
}

static void
add_files(struct listing *l, const char *path)
{
	glob_t g;

	if (strchr(path, '%') == NULL) {
		add_file(l, path);
		return;
	}
	if (glob(as_pattern(l->a, path), 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++)
		add_file(l, arena_cstr(l->a, span_of(g.gl_pathv[i])));
	globfree(&g);
}

static void
add_system(struct listing *l, const struct config *cfg)
{
	struct passwd *pw;

	setpwent();
	while ((pw = getpwent()) != NULL) {
		struct adopt_user *u;

		if (pw->pw_uid < cfg->first_valid_uid ||
		    (cfg->last_valid_uid != 0 &&
		    pw->pw_uid > cfg->last_valid_uid) ||
		    pw->pw_uid == 65534 || is_known(l, span_of(pw->pw_name)))
			continue;
		u = add(l, arena_cstr(l->a, span_of(pw->pw_name)));
		u->home = arena_cstr(l->a, span_of(pw->pw_dir));
	}
	endpwent();
}

static void
add_driver(struct listing *l, const struct config *cfg, const char *driver,
    const char *path)
{
	if (strcmp(driver, "passwd-file") == 0 && path != NULL)
		add_files(l, path);
	else if (strcmp(driver, "passwd") == 0 || strcmp(driver, "pam") == 0 ||
	    strcmp(driver, "shadow") == 0)
		add_system(l, cfg);
	else if (strcmp(driver, "prefetch") != 0)
		l->unlisted = driver;
}

/* The userdb's file says where mail is: it comes first. */
struct adopt_user *
adopt_users(const struct config *cfg, struct arena *a,
    const char **unlisted_out, const char **unread_out)
{
	struct listing l = { .a = a };

	l.end = &l.first;
	for (const struct config_userdb *u = cfg->userdb; u != NULL;
	    u = u->next)
		if (strcmp(u->driver, "static") != 0)
			add_driver(&l, cfg, u->driver, u->path);
	for (const struct config_passdb *p = cfg->passdb; p != NULL;
	    p = p->next)
		add_driver(&l, cfg, p->driver, p->path);
	*unlisted_out = l.unlisted;
	*unread_out = l.unread;
	return l.first;
}
