/*
 * Folders of somebody else: who asks, auth knows by the socket that he logged in on;
 * what he may, says the list in the folder (common/acl.h).
 */
#include "daemon/auth.h"

#include "common/acl.h"
#include "common/fsutil.h"
#include "common/log.h"
#include "daemon/sharing.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct config_namespace *
namespace_at(unsigned number)
{
	const struct config_namespace *ns = auth_cfg->namespaces;

	while (ns != NULL && number-- > 0)
		ns = ns->next;
	return ns == NULL || ns->disabled || strcmp(ns->type, "private") == 0 ?
	    NULL : ns;
}

/* Of what a session asks: whose account, in which namespace. Takes fd over. */
static struct attempt *
begin(struct attempt *session, struct ipc_message *m, int fd)
{
	struct attempt *t = attempt_new(fd);

	t->aside = t->shares = t->once = true;
	t->session_id = session->id;
	t->session = t->local = t->remote = t->mechanism = "";
	t->tried = attempt_text(t, &m->tail);
	t->folder = "";
	t->asker = arena_cstr(&t->arena, span_of(session->name));
	t->asker_groups = arena_cstr(&t->arena, span_of(session->member_of));
	return t;
}

static void
find_account(struct attempt *t, const struct config_namespace *ns)
{
	t->is_public = ns != NULL && strcmp(ns->type, "public") == 0;
	if (ns == NULL || t->is_public != (*t->tried == '\0')) {
		auth_fail(t, FAILURE_PASSWORD);
	} else if (t->is_public) {
		t->user = t->groups = "";
		auth_open_account(t, "", "", "", ns->location);
	} else {
		auth_look_up(t);
	}
}

void
auth_share(struct attempt *session, struct ipc_message *m)
{
	int fd = fcntl(session->fd, F_DUPFD_CLOEXEC, 0);
	struct attempt *t;

	if (fd < 0) {
		log_errno("no descriptor for a question");
		return;
	}
	t = begin(session, m, fd);
	t->folder = attempt_text(t, &m->tail);
	if (*t->folder == '\0')
		auth_fail(t, FAILURE_PASSWORD);
	else
		find_account(t, namespace_at(m->body.request.which));
}

void
auth_ask_owner(struct attempt *session, struct ipc_message *m)
{
	struct attempt *t;

	if (m->n_fds != 1)
		return;
	t = begin(session, m, m->fd[0]);
	m->fd[0] = -1;
	t->words = arena_span(&t->arena, m->tail);
	find_account(t, namespace_at(m->body.request.which));
}

/* The steward is told for whom it works. */
static enum err
call_steward(struct attempt *t)
{
	const char *texts[] = { "for", t->asker, t->asker_groups };
	struct buf words = { 0 };
	enum err e;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		buf_adds(&words, texts[i]);
		buf_addc(&words, '\0');
	}
	buf_add_span(&words, t->words);
	e = auth_call_worker(t, buf_span(&words));
	buf_clear(&words);
	return e;
}

static enum err
may_enter(struct attempt *t, struct span request)
{
	struct acl_who who = { span_of(t->asker), span_of(t->asker_groups),
		false };
	struct acl_entry *entry;
	struct buf text = { 0 };
	size_t n;
	int fd;
	enum err e = auth_open_list(t, request, &fd);

	if (e != ERR_OK)
		return e;
	if ((e = fs_read_fd(fd, ACL_FILE_MAX, &text)) == ERR_OK) {
		acl_read(buf_span(&text), &t->arena, &entry, &n);
		if ((acl_rights(entry, n, &who) & ACL_LOOKUP) == 0)
			e = ERR_NOTFOUND;
	}
	close(fd);
	buf_clear(&text);
	return e;
}

enum err
auth_admit(struct attempt *t, struct span request)
{
	if (t->mail_fd >= 0)
		return auth_call_worker(t, t->words);
	return t->words.p != NULL ? call_steward(t) : may_enter(t, request);
}

/* ---- who shares with whom ---- */

static const char *
sharing_path(void)
{
	return *auth_cfg->acl_shared_dict == '\0' ? NULL :
	    auth_cfg->acl_shared_dict + strlen("file:");
}

/* The file's text; empty where there is none. */
static enum err
read_sharing(const char *user, struct buf *out)
{
	const char *path = sharing_path();
	int fd = -1;
	enum err e;

	if (path == NULL)
		return ERR_OK;
	if ((e = auth_open_passwd(path, user, &fd)) == ERR_OK)
		e = fs_read_fd(fd, SHARING_FILE_MAX, out);
	if (fd >= 0)
		close(fd);
	if (e == ERR_LIMIT)
		log_error("acl_shared_dict: %s is larger than %d bytes; what "
		    "others share is not listed", path, SHARING_FILE_MAX);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

void
auth_tell_sharers(struct attempt *session)
{
	struct span user = span_of(session->name);
	struct ipc_request r = { 0 };
	struct buf text = { 0 }, names = { 0 };

	r.result = (uint32_t)read_sharing(session->name, &text);
	if (r.result == ERR_OK && !sharing_owners(buf_span(&text), user,
	    span_of(session->member_of), &names))
		log_warn("acl_shared_dict: more users share with user %s than "
		    "are listed", log_text(user));
	if (ipc_send(session->fd, MSG_SHARERS, &r, buf_span(&names), NULL,
	    0) != ERR_OK)
		log_debug("who asked does not hear");
	buf_clear(&text);
	buf_clear(&names);
}

void
auth_note_sharer(struct attempt *session, struct ipc_message *m)
{
	struct buf text = { 0 }, key = { 0 };

	if (sharing_path() != NULL && sharing_key(span_of(session->name),
	    m->tail, &key) && read_sharing(session->name, &text) == ERR_OK &&
	    !sharing_has(buf_span(&text), buf_span(&key)))
		auth_write_sharing(buf_span(&key));
	buf_clear(&text);
	buf_clear(&key);
}
