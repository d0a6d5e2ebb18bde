/* What every role does when it starts. */
#include "daemon/role.h"

#include "common/config.h"
#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/place.h"
#include "common/privs.h"
#include "common/sandbox.h"

#include <linux/capability.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum identity { ID_AUTH, ID_ROOT, ID_WORKER };
enum root { ROOT_REAL, ROOT_EMPTY };

static const struct role {
	const char *name;
	enum ipc_role bit;
	int (*run)(struct config *cfg);
	enum identity identity;
	enum root root;
	enum sandbox_profile calls;
} roles[] = {
#define ROLE(name, bit, run, id, root, calls, what) \
	{ #name, bit, run, id, root, calls },
#include "daemon/roles.def"
#undef ROLE
};

static const struct role *
find(const char *name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (strcmp(roles[i].name, name) == 0)
			return &roles[i];
	return NULL;
}

int
role_main(const char *name)
{
	const struct role *role = find(name);
	struct config *cfg;
	char prefix[32];

	log_open(STDERR_FILENO, true, NULL);
	if (role == NULL) {
		log_error("there is no role %s", name);
		return 64;
	}
	snprintf(prefix, sizeof(prefix), "%s: ", name);
	log_set_prefix(prefix);
	/* The master decides when we end, not the terminal. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (handover_config(FD_CONFIG, &cfg) != ERR_OK)
		return 78;
	close(FD_CONFIG);
	/* What a reload may need: a place, and a way to syslog. */
	if (fcntl(FD_INFO_LOG, F_GETFD) < 0)
		dup2(STDERR_FILENO, FD_INFO_LOG);
	log_open(-1, true, NULL);
	handover_log(cfg, prefix);
	return role->run(cfg);
}

static enum err
identity_of(const struct config *cfg, const struct role *role, bool is_helper,
    uid_t *uid, gid_t *gid)
{
	bool fixed;

	*uid = (uid_t)-1;
	*gid = (gid_t)-1;
	if (geteuid() != 0 || role->identity == ID_ROOT)
		return ERR_OK;
	if (role->identity == ID_WORKER)
		return place_worker(cfg, uid, gid, &fixed);
	if (place_uid(cfg->auth_user, uid, gid) == ERR_OK) {
		if (*gid == (gid_t)-1)
			*gid = (gid_t)*uid;
		return ERR_OK;
	}
	if (!is_helper)
		log_warn("user %s (default_internal_user) does not exist: auth "
		    "runs as nobody", log_text(span_of(cfg->auth_user)));
	if (place_uid("nobody", uid, gid) != ERR_OK) {
		*uid = 65534;
		*gid = 65534;
	}
	return ERR_OK;
}

/* Root that keeps only what mounting, swapping ids and reading need. */
static enum err
stay_root(unsigned *confined)
{
	*confined = CONFINED_NO_RIGHTS;
	if (geteuid() != 0)
		return ERR_OK;
	return privs_keep(1ULL << CAP_SYS_ADMIN | 1ULL << CAP_SETUID |
	    1ULL << CAP_SETGID | 1ULL << CAP_SETFCAP |
	    1ULL << CAP_DAC_READ_SEARCH);
}

static enum err
confine(const struct config *cfg, const struct role *role,
    enum sandbox_profile calls, unsigned *confined_out)
{
	bool off = cfg->confinement == CONFINEMENT_OFF;
	int empty = off || role->root == ROOT_REAL ? -1 : FD_EMPTY;
	uid_t uid;
	gid_t gid;
	enum err e;

	*confined_out = 0;
	if ((e = identity_of(cfg, role, calls == SANDBOX_HELPER,
	    &uid, &gid)) != ERR_OK)
		return e;
	if (role->identity == ID_ROOT) {
		e = stay_root(confined_out);
	} else {
		if (empty >= 0 && geteuid() != 0 &&
		    privs_namespace() != ERR_OK)
			log_debug("no user namespace, no chroot");
		e = privs_drop(empty, uid, gid, confined_out);
	}
	if (e != ERR_OK)
		return e;
	if (!off && sandbox_allow(calls) == ERR_OK)
		*confined_out |= CONFINED_SECCOMP;
	if (cfg->confinement == CONFINEMENT_REQUIRED &&
	    (*confined_out & CONFINED_SECCOMP) == 0) {
		log_error("confinement = required, but the kernel has no "
		    "system call filters");
		return ERR_UNAVAIL;
	}
	return ERR_OK;
}

enum err
role_confine(const struct config *cfg, const char *name)
{
	return role_confine_with(cfg, name, 0);
}

enum err
role_confine_with(const struct config *cfg, const char *name, unsigned more)
{
	const struct role *role = find(name);
	struct ipc_ready ready = { 0 };
	enum err e = confine(cfg, role, role->calls, &ready.confined);

	ready.confined |= more;
	if (e == ERR_OK && ipc_send(FD_CONTROL, MSG_READY, &ready, SPAN_NONE,
	    NULL, 0) != ERR_OK)
		log_debug("no master to report to");
	return e;
}

enum err
role_confine_as(const struct config *cfg, const char *name,
    enum sandbox_profile calls)
{
	unsigned confined;

	return confine(cfg, find(name), calls, &confined);
}

void
role_reconfigure(struct config **cfg, struct ipc_message *m,
    const char *prefix)
{
	struct config *next;

	if (m->n_fds > 1)
		dup3(m->fd[1], STDERR_FILENO, 0);
	if (m->n_fds > 2)
		dup3(m->fd[2], FD_INFO_LOG, 0);
	if (m->n_fds > 0 && handover_config(m->fd[0], &next) == ERR_OK) {
		config_free(cfg);
		*cfg = next;
		handover_log(next, prefix);
	} else {
		log_error("the new configuration cannot be read: the old one "
		    "stays in force");
	}
	ipc_close_fds(m);
}
