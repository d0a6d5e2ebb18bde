/* From configuration and user to the directories of his account. */
#include "common/place.h"

#include "common/fsutil.h"
#include "common/log.h"
#include "common/span.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *
location_of(const struct config *cfg, const char *mail)
{
	if (mail != NULL && *mail != '\0')
		return mail;
	for (const struct config_namespace *n = cfg->namespaces; n != NULL;
	    n = n->next)
		if (n->inbox && !n->disabled && n->location != NULL &&
		    *n->location != '\0')
			return n->location;
	return cfg->mail_location;
}

static enum err
expand_path(const char *template, const struct config_vars *vars,
    struct arena *a, const char **out)
{
	enum err e;

	*out = NULL;
	if (template == NULL || *template == '\0' ||
	    strcmp(template, "MEMORY") == 0)
		return ERR_OK;
	if ((e = config_expand(template, vars, a, out)) != ERR_OK)
		return e;
	if (**out != '/' && vars->home != NULL && *vars->home == '/')
		*out = arena_printf(a, "%s/%s", vars->home, *out);
	if (**out == '/')
		return ERR_OK;
	log_error("user %s: mail location \"%s\" is not an absolute path: "
	    "give the user a home or an absolute mail_location",
	    log_text(span_of(vars->user)), log_text(span_of(*out)));
	*out = NULL;
	return ERR_SYNTAX;
}

enum err
place_find(const struct config *cfg, const struct config_vars *vars,
    const char *mail, struct arena *a, struct place_paths *out)
{
	const char *location = location_of(cfg, mail), *problem = NULL;
	struct mail_location loc = { 0 };
	enum err e;

	*out = (struct place_paths){ 0 };
	if ((e = mail_location_parse(location, a, &loc, &problem)) != ERR_OK) {
		log_error("user %s: mail location \"%s\": %s",
		    log_text(span_of(vars->user)), log_text(span_of(location)),
		    problem == NULL ? err_name(e) : problem);
		return e;
	}
	if ((e = expand_path(loc.path, vars, a, &out->root)) != ERR_OK ||
	    (e = expand_path(loc.control, vars, a, &out->control)) != ERR_OK ||
	    (e = expand_path(loc.volatile_dir != NULL ? loc.volatile_dir :
	    loc.index, vars, a, &out->index)) != ERR_OK)
		return e;
	if (out->root == NULL) {
		log_error("user %s: mail location \"%s\" names no directory",
		    log_text(span_of(vars->user)), log_text(span_of(location)));
		return ERR_SYNTAX;
	}
	return ERR_OK;
}

static enum err
make_missing(const char *path)
{
	char part[4096];
	size_t n = strlen(path);

	if (n >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return ERR_IO;
	}
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST &&
		    errno != EACCES && errno != EROFS)
			return fs_err(errno);
	}
	return ERR_OK;
}

enum err
place_open_dir(const char *path, int *fd_out)
{
	enum err e = ERR_OK;

	*fd_out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd_out < 0 && errno == ENOENT) {
		e = make_missing(path);
		if (e == ERR_OK)
			*fd_out = open(path,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (*fd_out >= 0)
		return ERR_OK;
	log_errno("cannot open the mail directory %s",
	    log_text(span_of(path)));
	return e != ERR_OK ? e : fs_err(errno);
}

enum err
place_uid(const char *name, uid_t *uid_out, gid_t *primary_out)
{
	uint64_t number;
	struct passwd *pw;

	*uid_out = (uid_t)-1;
	*primary_out = (gid_t)-1;
	if (span_to_u64(span_of(name), 4294967294U, &number)) {
		*uid_out = (uid_t)number;
		return ERR_OK;
	}
	if ((pw = getpwnam(name)) == NULL)
		return ERR_NOTFOUND;
	*uid_out = pw->pw_uid;
	*primary_out = pw->pw_gid;
	return ERR_OK;
}

enum err
place_gid(const char *name, gid_t *gid_out)
{
	uint64_t number;
	struct group *gr;

	*gid_out = (gid_t)-1;
	if (span_to_u64(span_of(name), 4294967294U, &number)) {
		*gid_out = (gid_t)number;
		return ERR_OK;
	}
	if ((gr = getgrnam(name)) == NULL)
		return ERR_NOTFOUND;
	*gid_out = gr->gr_gid;
	return ERR_OK;
}

/* The one uid and gid that every account has, if the configuration says so. */
static bool
fixed_owner(const struct config *cfg, const char **uid, const char **gid)
{
	*uid = cfg->mail_uid;
	*gid = cfg->mail_gid;
	for (const struct config_userdb *u = cfg->userdb; u != NULL;
	    u = u->next) {
		if (strcmp(u->driver, "static") != 0)
			return false;
		if (u->uid == NULL || *u->uid == '\0')
			continue;
		if (**uid != '\0' && strcmp(*uid, u->uid) != 0)
			return false;
		*uid = u->uid;
		if (u->gid != NULL && *u->gid != '\0')
			*gid = u->gid;
	}
	return **uid != '\0' && strchr(*uid, '%') == NULL &&
	    strchr(*gid, '%') == NULL;
}

enum err
place_worker(const struct config *cfg, uid_t *uid_out, gid_t *gid_out,
    bool *fixed_out)
{
	const char *uid, *gid;
	gid_t primary;

	*fixed_out = false;
	*uid_out = geteuid();
	*gid_out = getegid();
	if (*uid_out != 0)
		return ERR_OK;
	*fixed_out = fixed_owner(cfg, &uid, &gid);
	if (!*fixed_out) {
		uid = cfg->worker_user;
		gid = "";
	}
	if (place_uid(uid, uid_out, &primary) != ERR_OK) {
		if (*fixed_out) {
			log_error("user %s, the owner of all mail, does not "
			    "exist", log_text(span_of(uid)));
			return ERR_NOTFOUND;
		}
		log_warn("user %s (default_login_user) does not exist: "
		    "workers run as nobody", log_text(span_of(uid)));
		if (place_uid("nobody", uid_out, &primary) != ERR_OK) {
			*uid_out = 65534;
			primary = 65534;
		}
	}
	if (*gid != '\0') {
		if (place_gid(gid, &primary) != ERR_OK) {
			log_error("group %s, the owner of all mail, does not "
			    "exist", log_text(span_of(gid)));
			return ERR_NOTFOUND;
		}
	} else if (primary == (gid_t)-1) {
		struct passwd *pw = getpwuid(*uid_out);
		primary = pw != NULL ? pw->pw_gid : (gid_t)*uid_out;
	}
	*gid_out = primary;
	return ERR_OK;
}
