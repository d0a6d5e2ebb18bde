/*
 * The home role: opens account directories with the user's own rights and hands
 * the descriptors to workers. It hears auth and the master only.
 *
 * As root each directory becomes a detached mount (nosuid, nodev, noexec), where
 * `..` leads nowhere; id-mapped when its owner is not the worker: a user namespace
 * per owner that swaps the two, kept as long as it is in use now and then. Without
 * root, or on a kernel that cannot, it is a plain descriptor; where ids differ then,
 * the session is a process of its own, with its owner's identity.
 */
#include "common/arena.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/fsutil.h"
#include "common/handover.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/place.h"
#include "common/privs.h"
#include "common/sandbox.h"
#include "daemon/role.h"
#include "daemon/sharing.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMESPACES = 1024 };

/* Who asks for an account, as auth says. */
struct request {
	const char *user, *uid_text, *gid_text, *home, *mail;
	const char *remote, *local, *session, *mechanism, *tls;
	const char *folder;	/* only this one, by its storage name; "" the account */
	const char *groups;
	const char *settings;	/* of this user; passed on */
	bool is_public;		/* nobody's: that of who owns the directory */
	bool existing;		/* the root is not made */
	bool only_uid;		/* not handed out unless it belongs to asker_uid */
	uid_t asker_uid;
	uid_t uid;
	gid_t gid;
	bool relay;		/* its session is run with its own identity */
};

static struct {
	uid_t uid;
	gid_t gid;
	int fd;
	uint64_t used;
} namespaces[NAMESPACES];
static size_t n_namespaces;
static uint64_t uses;

static struct config *cfg;
static bool is_root, can_mount, can_map;
static uid_t worker_uid;
static gid_t worker_gid;
static struct ipc_message message;

/* ---- identity ---- */

/* Whether mail of this owner may be served: "user" anna, "directory" /var/mail. */
static enum err
permit(uid_t uid, const char *what, const char *name)
{
	if (uid < cfg->first_valid_uid || (cfg->last_valid_uid != 0 &&
	    uid > cfg->last_valid_uid)) {
		log_error("%s %s: uid %u is not permitted (first_valid_uid "
		    "%llu, last_valid_uid %llu)", what,
		    log_text(span_of(name)), (unsigned)uid,
		    (unsigned long long)cfg->first_valid_uid,
		    (unsigned long long)cfg->last_valid_uid);
		return ERR_PERM;
	}
	if (!is_root && uid != geteuid()) {
		log_error("%s %s: cannot serve uid %u, because loftd runs as "
		    "uid %u and not as root", what, log_text(span_of(name)),
		    (unsigned)uid, (unsigned)geteuid());
		return ERR_PERM;
	}
	return ERR_OK;
}

static enum err
identify(struct request *r)
{
	gid_t primary = (gid_t)-1;
	struct passwd *pw;

	r->uid = geteuid();
	r->gid = getegid();
	if (*r->uid_text == '\0') {
		if (!is_root)
			return ERR_OK;
		log_error("user %s has no uid: give userdb a uid, or set "
		    "mail_uid", log_text(span_of(r->user)));
		return ERR_NOTFOUND;
	}
	if (place_uid(r->uid_text, &r->uid, &primary) != ERR_OK ||
	    (*r->gid_text != '\0' &&
	    place_gid(r->gid_text, &r->gid) != ERR_OK)) {
		log_error("user %s: uid %s or gid %s does not exist",
		    log_text(span_of(r->user)), log_text(span_of(r->uid_text)),
		    log_text(span_of(r->gid_text)));
		return ERR_NOTFOUND;
	}
	if (*r->gid_text == '\0') {
		if (primary == (gid_t)-1 && (pw = getpwuid(r->uid)) != NULL)
			primary = pw->pw_gid;
		r->gid = primary == (gid_t)-1 ? (gid_t)r->uid : primary;
	}
	return permit(r->uid, "user", r->user);
}

/* Files are looked up as this user; capabilities to override go with it. */
static enum err
as_user(uid_t uid, gid_t gid)
{
	if (!is_root)
		return ERR_OK;
	setfsgid(gid);
	setfsuid(uid);
	/* The calls do not say whether they worked; asking does. */
	if ((uid_t)setfsuid((uid_t)-1) == uid &&
	    (gid_t)setfsgid((gid_t)-1) == gid)
		return ERR_OK;
	log_error("cannot take the rights of uid %u", (unsigned)uid);
	return ERR_PERM;
}

static void
as_myself(void)
{
	if (!is_root)
		return;
	setfsuid(0);
	setfsgid(0);
}

/* ---- mounts ---- */

static int
namespace_for(uid_t uid, gid_t gid)
{
	size_t oldest = 0, i;

	for (i = 0; i < n_namespaces; i++) {
		if (namespaces[i].uid == uid && namespaces[i].gid == gid) {
			namespaces[i].used = ++uses;
			return namespaces[i].fd;
		}
		if (namespaces[i].used < namespaces[oldest].used)
			oldest = i;
	}
	if (n_namespaces < NAMESPACES) {
		i = n_namespaces++;
	} else {
		i = oldest;
		close(namespaces[i].fd);
	}
	namespaces[i].uid = uid;
	namespaces[i].gid = gid;
	namespaces[i].used = ++uses;
	if (privs_swap_namespace(worker_uid, worker_gid, uid, gid,
	    &namespaces[i].fd) != ERR_OK) {
		namespaces[i] = namespaces[--n_namespaces];
		return -1;
	}
	return namespaces[i].fd;
}

/* A detached copy of the mount that dir is on, beginning at dir. */
static int
clone_tree(int dir, const char *path, struct mount_attr *attr)
{
	static const unsigned depths[] = { AT_RECURSIVE, 0 };

	/*
	 * A file system mounted further down may not allow id-mapping: then
	 * without it, and what is mounted there is not to be had.
	 */
	for (size_t i = 0; i < 2; i++) {
		int tree = open_tree(dir, "", AT_EMPTY_PATH | depths[i] |
		    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

		if (tree < 0) {
			log_errno("cannot make a mount of %s", path);
			return -1;
		}
		if (mount_setattr(tree, "", AT_EMPTY_PATH | depths[i], attr,
		    sizeof(*attr)) == 0)
			return tree;
		if (depths[i] == 0 || errno != EINVAL)
			log_errno("cannot confine the mount of %s (file "
			    "system without id-mapping?)", path);
		close(tree);
	}
	return -1;
}

/* Whether the files belong to another than the worker. */
static bool
is_foreign(const struct request *r)
{
	return is_root && (r->uid != worker_uid || r->gid != worker_gid);
}

/* Takes dir over; gives a descriptor for a worker, or -1. */
static int
confine(int dir, const char *path, const struct request *r)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
		    MOUNT_ATTR_NOEXEC,
	};
	bool foreign = is_foreign(r);
	int tree, fd = -1, ns;

	if (!is_root || r->relay || (!can_mount && !foreign))
		return dir;
	if (foreign) {
		if ((ns = namespace_for(r->uid, r->gid)) < 0) {
			close(dir);
			return -1;
		}
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)ns;
	}
	tree = clone_tree(dir, path, &attr);
	close(dir);
	if (tree < 0)
		return -1;
	/* One that can be read and synced, in the same mount. */
	fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		log_errno("cannot open the mount of %s", path);
	close(tree);
	return fd;
}

static enum err
open_there(const char *path, int *fd_out)
{
	*fd_out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd_out < 0 ? fs_err(errno) : ERR_OK;
}

/* The directory of a folder below another, with the owner's rights. */
static enum err
open_below(const char *path, const char *folder, bool make, int *fd_out)
{
	char name[256];
	int top;
	enum err e = open_there(path, &top);

	snprintf(name, sizeof(name), ".%s", folder);
	if (e == ERR_OK && make)
		e = fs_mkdir(top, name, 0700);
	if (e == ERR_OK)
		e = fs_open_dir(top, name, fd_out);
	if (top >= 0)
		close(top);
	return e;
}

/* make: where it is missing; what a folder has beside its mail may be. */
static enum err
open_one(const char *path, const struct request *r, bool make, int *fd_out)
{
	enum err e;
	int dir;

	*fd_out = -1;
	if (path == NULL)
		return ERR_OK;
	if ((e = as_user(r->uid, r->gid)) == ERR_OK)
		e = *r->folder != '\0' ? open_below(path, r->folder, make,
		    &dir) : r->existing && !make ? open_there(path, &dir) :
		    place_open_dir(path, &dir);
	as_myself();
	if (e != ERR_OK)
		return e;
	*fd_out = confine(dir, path, r);
	return *fd_out >= 0 ? ERR_OK : ERR_UNAVAIL;
}

/* ---- requests ---- */

static void
close_all(int fd[3])
{
	for (int i = 0; i < 3; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

static enum err
open_paths(const struct place_paths *paths, struct request *r, int fd[3])
{
	enum err e;

	if ((e = open_one(paths->root, r, false, &fd[0])) == ERR_OK &&
	    (e = open_one(paths->control, r, true, &fd[1])) == ERR_OK)
		e = open_one(paths->index, r, true, &fd[2]);
	if (e != ERR_OK)
		close_all(fd);
	return e;
}

/* One level of a path, as mailboxes have names. */
static bool
is_folder(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f ||
		    name[i] == '/' || (name[i] == '.' &&
		    (i == 0 || i + 1 == n || name[i + 1] == '.')))
			return false;
	return n > 0 && n <= 200;
}

/* A public place belongs to who owns its directory. */
static enum err
identify_place(struct request *r, const char *root)
{
	struct stat st;

	if (stat(root, &st) != 0) {
		log_errno("public namespace: no directory %s", root);
		return ERR_NOTFOUND;
	}
	r->uid = st.st_uid;
	r->gid = st.st_gid;
	return permit(r->uid, "public directory", root);
}

/* Who the owner is, and where his mail. */
static enum err
find_place(struct request *r, struct arena *a, struct place_paths *paths)
{
	char uid[16] = "";
	struct config_vars vars = {
		.user = r->user, .home = *r->home != '\0' ? r->home : NULL,
		.service = "imap", .local_ip = r->local,
		.remote_ip = r->remote, .session = r->session,
		.mechanism = "", .uid = uid,
	};
	enum err e;

	if (*r->folder != '\0' && !is_folder(r->folder))
		return ERR_NOTFOUND;
	if (!r->is_public && (e = identify(r)) != ERR_OK)
		return e;
	if (r->only_uid && r->uid != r->asker_uid) {
		log_error("uid %u wants to deliver to user %s, whose mail "
		    "belongs to uid %u: only root and that uid may",
		    (unsigned)r->asker_uid, log_text(span_of(r->user)),
		    (unsigned)r->uid);
		return ERR_PERM;
	}
	snprintf(uid, sizeof(uid), "%u", (unsigned)r->uid);
	if ((e = place_find(cfg, &vars, r->mail, a, paths)) != ERR_OK)
		return e;
	return r->is_public ? identify_place(r, paths->root) : ERR_OK;
}

static enum err
open_all(struct request *r, struct arena *a, int fd[3])
{
	struct place_paths paths;
	enum err e;

	if ((e = find_place(r, a, &paths)) != ERR_OK)
		return e;
	r->relay = is_foreign(r) && !can_map;
	if (r->relay && *r->folder != '\0') {
		log_error("folder %s of user %s cannot be handed out: ids "
		    "cannot be mapped here", log_text(span_of(r->folder)),
		    log_text(span_of(r->user)));
		return ERR_UNAVAIL;
	}
	e = open_paths(&paths, r, fd);
	if (e == ERR_UNAVAIL && is_foreign(r) && !r->relay &&
	    *r->folder == '\0') {
		/* This file system cannot be id-mapped. */
		r->relay = true;
		e = open_paths(&paths, r, fd);
	}
	return e;
}

/*
 * Where ids differ and cannot be mapped: the session gets a process of its own with
 * the user's identity, started by the master, and the worker passes bytes on.
 */
static enum err
start_session(const struct request *r, int fd[3])
{
	struct ipc_run run = { .uid = r->uid, .gid = r->gid };
	const char *texts[] = {
		r->user, r->remote, r->local, r->session, r->mechanism, r->tls,
		r->settings,
	};
	struct buf tail = { 0 };
	int pair[2], fds[4];
	unsigned n = 1;
	enum err e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		log_errno("cannot make a pair of sockets");
		return ERR_IO;
	}
	fds[0] = pair[1];
	for (unsigned i = 0; i < 3; i++)
		if (fd[i] >= 0) {
			run.which |= 1U << i;
			fds[n++] = fd[i];
		}
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		buf_adds(&tail, texts[i]);
		buf_addc(&tail, '\0');
	}
	e = tail.n > 2048 ? ERR_LIMIT : ipc_send(FD_CONTROL, MSG_RUN, &run,
	    buf_span(&tail), fds, n);
	buf_clear(&tail);
	close(pair[1]);
	close_all(fd);
	fd[0] = pair[0];
	return e;
}

static void
read_request(struct request *r)
{
	const char **texts[] = {
		&r->user, &r->uid_text, &r->gid_text, &r->home, &r->mail,
		&r->remote, &r->local, &r->session, &r->mechanism, &r->tls,
		&r->folder, &r->groups, &r->settings,
	};

	*r = (struct request){ 0 };
	r->is_public = (message.body.request.which & IPC_PUBLIC) != 0;
	r->existing = (message.body.request.which & IPC_EXISTING) != 0;
	r->only_uid = (message.body.request.which & IPC_ONLY_UID) != 0;
	r->asker_uid = message.body.request.result;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		*texts[i] = ipc_text(&message.tail);
}

static void
hand_over(int worker, const struct request *r, int fd[3])
{
	struct ipc_request account = {
		.which = r->relay ? IPC_RELAY :
		    is_root && (can_mount || is_foreign(r)) ?
		    IPC_DETACHED : 0,
	};
	const char *texts[] = { r->user, r->groups, r->folder, r->settings };
	struct buf tail = { 0 };
	int given[3];
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		buf_adds(&tail, texts[i]);
		buf_addc(&tail, '\0');
	}
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0) {
			account.which |= r->relay ? 0 : 1U << i;
			given[n++] = fd[i];
		}
	if (tail.n > 4096 || ipc_send(worker, MSG_ACCOUNT, &account,
	    buf_span(&tail), given, n) != ERR_OK)
		log_error("cannot hand the account of user %s over",
		    log_text(span_of(r->user)));
	buf_clear(&tail);
}

/* Auth is told first: the worker may ask it for more at once. */
static void
open_account(int auth_fd)
{
	struct ipc_request answer = { .id = message.body.request.id };
	struct request r;
	struct arena a = { 0 };
	int fd[3] = { -1, -1, -1 }, worker = message.fd[0];
	enum err e;

	read_request(&r);
	e = worker < 0 ? ERR_SYNTAX : open_all(&r, &a, fd);
	if (e == ERR_OK && r.relay)
		e = start_session(&r, fd);
	answer.result = (uint32_t)e;
	if (ipc_send(auth_fd, MSG_OPENED, &answer, SPAN_NONE, NULL, 0) !=
	    ERR_OK)
		log_debug("auth does not hear");
	if (e == ERR_OK)
		hand_over(worker, &r, fd);
	close_all(fd);
	ipc_close_fds(&message);
	arena_free(&a);
}

/* Takes fd over; -1: there is none, and why. */
static void
send_file(int auth_fd, const struct ipc_request *answer, int fd)
{
	if (ipc_send(auth_fd, MSG_PASSWD, answer, SPAN_NONE, &fd,
	    fd >= 0 ? 1 : 0) != ERR_OK)
		log_debug("auth does not hear");
	if (fd >= 0)
		close(fd);
}

/* The list of rights of a folder: what it says, auth judges. */
static void
open_list(int auth_fd)
{
	struct ipc_request answer = { .id = message.body.request.id };
	struct place_paths paths;
	struct request r;
	struct arena a = { 0 };
	int dir = -1, fd = -1;
	enum err e;

	read_request(&r);
	e = *r.folder == '\0' ? ERR_NOTFOUND : find_place(&r, &a, &paths);
	if (e == ERR_OK && (e = as_user(r.uid, r.gid)) == ERR_OK &&
	    (e = open_below(paths.root, r.folder, false, &dir)) == ERR_OK &&
	    (fd = openat(dir, "dovecot-acl", O_RDONLY | O_CLOEXEC |
	    O_NONBLOCK | O_NOCTTY | O_NOFOLLOW)) < 0)
		e = fs_err(errno);
	as_myself();
	if (dir >= 0)
		close(dir);
	answer.result = (uint32_t)e;
	send_file(auth_fd, &answer, fd);
	arena_free(&a);
}

/* Where it is written down who shares with whom; NULL: nowhere. */
static const char *
sharing_path(void)
{
	return *cfg->acl_shared_dict == '\0' ? NULL :
	    cfg->acl_shared_dict + strlen("file:");
}

/* Whether the configuration names this file for this user, or for all. */
static bool
is_for_auth(const char *path, const char *user, struct arena *a)
{
	struct config_vars vars = { .user = user, .service = "imap" };
	const char *named = sharing_path();

	if (named != NULL && strcmp(path, named) == 0)
		return true;
	for (const struct config_passdb *p = cfg->passdb; p != NULL;
	    p = p->next)
		if (p->path != NULL && config_expand(p->path, &vars, a,
		    &named) == ERR_OK && strcmp(named, path) == 0)
			return true;
	for (const struct config_userdb *u = cfg->userdb; u != NULL;
	    u = u->next)
		if (u->path != NULL && config_expand(u->path, &vars, a,
		    &named) == ERR_OK && strcmp(named, path) == 0)
			return true;
	return false;
}

static void
open_passwd(int auth_fd)
{
	struct ipc_request answer = { .id = message.body.request.id };
	struct arena a = { 0 };
	const char *user = ipc_text(&message.tail);
	const char *path = ipc_text(&message.tail);
	int fd = -1;

	answer.result = ERR_OK;
	if (!is_for_auth(path, user, &a)) {
		log_error("auth asks for %s, which is no passwd-file of the "
		    "configuration", log_text(span_of(path)));
		answer.result = ERR_PERM;
	} else if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY)) < 0) {
		answer.result = (uint32_t)fs_err(errno);
		if (errno != ENOENT || sharing_path() == NULL ||
		    strcmp(path, sharing_path()) != 0)
			log_errno("cannot open the passwd-file %s", path);
	}
	send_file(auth_fd, &answer, fd);
	arena_free(&a);
}

/*
 * An entry at the end of the file of acl_shared_dict, in one write. What is made
 * belongs to who owns the directory.
 */
static void
write_sharing(struct span key)
{
	const char *path = sharing_path();
	struct buf entry = { 0 };
	struct arena a = { 0 };
	struct stat st;
	char *slash;
	char *dir;
	int fd = -1;

	if (path == NULL || !sharing_is_key(key))
		return;
	dir = arena_cstr(&a, span_of(path));
	if ((slash = strrchr(dir, '/')) != NULL)
		slash[slash == dir] = '\0';
	if (stat(dir, &st) == 0 && as_user(st.st_uid, st.st_gid) == ERR_OK)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
		    O_NOFOLLOW | O_NONBLOCK, 0660);
	as_myself();
	buf_add_span(&entry, key);
	buf_adds(&entry, "\n1\n");
	if (fd < 0 || fs_write(fd, entry.p, entry.n) != ERR_OK)
		log_errno("acl_shared_dict: cannot write %s; what is shared is "
		    "not listed for others", path);
	if (fd >= 0)
		close(fd);
	buf_clear(&entry);
	arena_free(&a);
}

/* ---- start ---- */

/* What this kernel and these rights allow, by trying on the root directory. */
static unsigned
try_mounts(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };
	unsigned confined = 0;
	int tree = -1, ns = -1;

	if (!is_root || cfg->confinement == CONFINEMENT_OFF)
		return 0;
	tree = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH, &attr,
	    sizeof(attr)) == 0)
		confined |= CONFINED_MOUNTS;
	if (confined != 0 && privs_swap_namespace(worker_uid, worker_gid,
	    worker_uid + 1, worker_gid + 1, &ns) == ERR_OK) {
		attr.attr_set = MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)ns;
		if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr,
		    sizeof(attr)) == 0)
			confined |= CONFINED_IDMAP;
		close(ns);
	}
	if (tree >= 0)
		close(tree);
#ifdef LOFT_TEST_HOOKS
	/* As a kernel would be that cannot. */
	if (getenv("LOFT_NO_IDMAP") != NULL)
		confined &= ~(unsigned)CONFINED_IDMAP;
#endif
	can_mount = (confined & CONFINED_MOUNTS) != 0;
	can_map = (confined & CONFINED_IDMAP) != 0;
	if (confined != (CONFINED_MOUNTS | CONFINED_IDMAP))
		log_warn("accounts are handed out %s: the kernel or the rights "
		    "of this process allow no more", can_mount ?
		    "as mounts that cannot be id-mapped (sessions of other "
		    "uids are relayed)" : "as plain directories");
	return confined;
}

static bool
hear_auth(int fd)
{
	if (ipc_receive(fd, ROLE_AUTH, ROLE_HOME, &message) != ERR_OK)
		return false;
	if (message.kind == MSG_OPEN_ACCOUNT)
		open_account(fd);
	else if (message.kind == MSG_OPEN_PASSWD)
		open_passwd(fd);
	else if (message.kind == MSG_OPEN_LIST)
		open_list(fd);
	else if (message.kind == MSG_SHARES)
		write_sharing(message.tail);
	ipc_close_fds(&message);
	return true;
}

static bool
hear_master(int *auth_fd)
{
	if (ipc_receive(FD_CONTROL, ROLE_MASTER, ROLE_HOME, &message) !=
	    ERR_OK)
		return false;
	if (message.kind == MSG_CONFIG) {
		role_reconfigure(&cfg, &message, "home: ");
	} else if (message.kind == MSG_PEER && message.fd[0] >= 0) {
		if (*auth_fd >= 0)
			close(*auth_fd);
		*auth_fd = message.fd[0];
		message.fd[0] = -1;
	}
	ipc_close_fds(&message);
	return true;
}

int
home_main(struct config *config)
{
	struct pollfd fds[2] = {
		{ FD_CONTROL, POLLIN, 0 }, { FD_PEER, POLLIN, 0 },
	};
	bool fixed;

	cfg = config;
	is_root = geteuid() == 0;
	umask(077);
	if (is_root && setgroups(0, NULL) < 0)
		fatal_errno("cannot give up supplementary groups");
	if (place_worker(cfg, &worker_uid, &worker_gid, &fixed) != ERR_OK)
		return 78;
	privs_allow_files(4096);
	/* Name services are loaded on first use: before the filter. */
	if (getpwnam("no-such-user") != NULL ||
	    getgrnam("no-such-group") != NULL)
		log_debug("strange names are known here");
	if (role_confine_with(cfg, "home", try_mounts()) != ERR_OK)
		return 75;
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			fatal_errno("cannot wait");
		if (fds[0].revents != 0 && !hear_master(&fds[1].fd))
			return 0;
		if (fds[1].fd >= 0 && fds[1].revents != 0 &&
		    !hear_auth(fds[1].fd)) {
			close(fds[1].fd);
			fds[1].fd = -1;
		}
	}
}
