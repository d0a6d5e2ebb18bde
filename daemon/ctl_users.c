/* The users that a verb is for. */
#include "daemon/ctl_users.h"

#include "common/config.h"
#include "common/digest.h"
#include "common/span.h"
#include "daemon/ctl_ask.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
add(struct ctl_users *u, struct span name)
{
	if (name.n == 0)
		return;
	buf_add_span(&u->names, name);
	buf_addc(&u->names, '\0');
	u->n++;
}

static int
read_file(struct ctl_users *u)
{
	FILE *f = strcmp(u->file, "-") == 0 ? stdin : fopen(u->file, "re");
	char line[1024];

	if (f == NULL) {
		ctl_complain("%s: %s", u->file, strerror(errno));
		return CTL_NOINPUT;
	}
	while (fgets(line, sizeof(line), f) != NULL)
		add(u, span_trim(span_of(line)));
	if (f != stdin)
		fclose(f);
	return 0;
}

/* ---- those that the configuration knows ---- */

/* "*" is any text, "?" any byte; nothing else is special. */
static bool
matches(const char *mask, const char *name)
{
	const char *star = NULL, *from = NULL;

	while (*name != '\0') {
		if (*mask == '*') {
			star = mask++;
			from = name;
		} else if (*mask == '?' || *mask == *name) {
			mask++;
			name++;
		} else if (star != NULL) {
			mask = star + 1;
			name = ++from;
		} else {
			return false;
		}
	}
	return mask[strspn(mask, "*")] == '\0';
}

/* A name once, if the mask has it. */
static void
add_match(struct ctl_users *u, const char *mask, const char *name)
{
	struct span rest = buf_span(&u->names);

	if (*name == '\0' || !matches(mask, name))
		return;
	while (rest.n > 0)
		if (span_eq(span_cut(&rest, '\0'), span_of(name)))
			return;
	add(u, span_of(name));
}

/* The first field of each line (passwd-file; comments begin with "#"). */
static bool
list_passwd_file(struct ctl_users *u, const char *mask, const char *path)
{
	FILE *f = path == NULL || strchr(path, '%') != NULL ? NULL :
	    fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (f == NULL)
		return false;
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, ":\r\n")] = '\0';
		if (*line != '#')
			add_match(u, mask, line);
	}
	if (line != NULL)
		secret_wipe(line, size);
	free(line);
	fclose(f);
	return true;
}

static bool
list_system(struct ctl_users *u, const char *mask, const struct config *cfg)
{
	const struct passwd *pw;

	setpwent();
	while ((pw = getpwent()) != NULL)
		if (pw->pw_uid >= cfg->first_valid_uid &&
		    (cfg->last_valid_uid == 0 ||
		    pw->pw_uid <= cfg->last_valid_uid))
			add_match(u, mask, pw->pw_name);
	endpwent();
	return true;
}

/* One that answers for everybody knows none: then it is passdbs that know. */
static bool
list_passdbs(struct ctl_users *u, const char *mask, const struct config *cfg)
{
	bool any = false;

	for (const struct config_passdb *p = cfg->passdb; p != NULL;
	    p = p->next)
		any |= list_passwd_file(u, mask, p->path);
	return any;
}

static int
list(struct ctl_users *u, const char *mask)
{
	struct config_problem *problem = NULL;
	struct config *cfg = NULL;
	enum err e = config_load(ctl_config_path(), &cfg, &problem);
	bool all = e == ERR_OK || e == ERR_SYNTAX;

	for (const struct config_userdb *db = all ? cfg->userdb : NULL;
	    db != NULL; db = db->next)
		if (strcmp(db->driver, "passwd-file") == 0)
			all &= list_passwd_file(u, mask, db->path);
		else if (strcmp(db->driver, "passwd") == 0)
			all &= list_system(u, mask, cfg);
		else
			all &= list_passdbs(u, mask, cfg);
	config_free(&cfg);
	if (!all)
		ctl_complain("Failed to iterate through some users: their "
		    "userdb cannot be listed");
	return all ? 0 : CTL_TEMPFAIL;
}

int
ctl_users_find(struct ctl_users *u)
{
	if (u->user == NULL && !u->all && u->file == NULL &&
	    (u->user = getenv("USER")) == NULL) {
		ctl_complain("USER environment is missing and -u option not "
		    "used");
		return CTL_USAGE;
	}
	u->many = u->all || u->file != NULL ||
	    strpbrk(u->user, "*?") != NULL;
	if (u->file != NULL)
		return read_file(u);
	if (u->many)
		return list(u, u->all ? "*" : u->user);
	add(u, span_of(u->user));
	return 0;
}

void
ctl_users_clear(struct ctl_users *u)
{
	buf_clear(&u->names);
}
