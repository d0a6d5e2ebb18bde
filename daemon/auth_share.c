/*
 * Folders of somebody else: who asks, auth knows by the socket that he logged in on;
 * what he may, says the list in the folder (common/acl.h).
 */
#include "daemon/auth.h"

#include "common/acl.h"
#include "common/fsutil.h"
#include "common/log.h"

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

void
auth_share(struct attempt *session, struct ipc_message *m)
{
	const struct config_namespace *ns =
	    namespace_at(m->body.request.which);
	struct attempt *t;
	int fd = fcntl(session->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0) {
		log_errno("no descriptor for a question");
		return;
	}
	t = attempt_new(fd);
	t->aside = t->shares = true;
	t->session = t->local = t->remote = t->mechanism = "";
	t->tried = attempt_text(t, &m->tail);
	t->folder = attempt_text(t, &m->tail);
	t->asker = arena_cstr(&t->arena, span_of(session->name));
	t->is_public = ns != NULL && strcmp(ns->type, "public") == 0;
	if (ns == NULL || *t->folder == '\0' ||
	    t->is_public != (*t->tried == '\0')) {
		auth_fail(t, FAILURE_PASSWORD);
	} else if (t->is_public) {
		t->user = "";
		auth_open_account(t, "", "", "", ns->location);
	} else {
		auth_look_up(t);
	}
}

enum err
auth_may_enter(struct attempt *t, struct span request)
{
	struct acl_who who = { span_of(t->asker), SPAN_NONE, false };
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
