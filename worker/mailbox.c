/* Mailbox names as arguments of commands. */
#include "worker/mailbox.h"

#include "common/buf.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "worker/cursor.h"
#include "worker/namespace.h"
#include "worker/resp.h"
#include "worker/session.h"
#include "worker/status.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum err
mailbox_argument(struct session *s, struct cursor *in, struct span *storage_out,
    enum err *bad_out)
{
	struct span name;
	enum err e = cursor_mailbox(in, &name);

	*storage_out = SPAN_NONE;
	if (bad_out != NULL)
		*bad_out = ERR_OK;
	if (e != ERR_OK)
		return e;
	e = namespace_to_storage(s->cfg, name, &s->command, storage_out);
	if (bad_out == NULL)
		return e;
	*bad_out = e;
	return ERR_OK;
}

/* A storage name as the client writes it. Names hold no CR, LF or 8-bit. */
static void
add_astring(struct session *s, struct span storage, struct buf *out)
{
	struct buf name = { 0 };

	namespace_from_storage(s->cfg, storage, &name);
	/* "]" would end the response code. */
	if (resp_is_atom(buf_span(&name)) &&
	    span_find(buf_span(&name), ']') == name.n) {
		buf_add_span(out, buf_span(&name));
		buf_clear(&name);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, name.p[i]);
	}
	buf_addc(out, '"');
	buf_clear(&name);
}

enum err
mailbox_missing(struct session *s, struct span storage, const char *otherwise)
{
	struct buf code = { 0 };
	struct span to;

	if (folder_renamed_to(s->account, storage, &s->command, &to) !=
	    ERR_OK || !mailbox_exists(s, to)) {
		status_set(s, otherwise, NULL);
		return ERR_NOTFOUND;
	}
	buf_adds(&code, "NEWNAME ");
	add_astring(s, storage, &code);
	buf_addc(&code, ' ');
	add_astring(s, to, &code);
	status_set(s, arena_cstr(&s->command, buf_span(&code)),
	    "The mailbox has been renamed.");
	buf_clear(&code);
	return ERR_NOTFOUND;
}

enum err
mailbox_in_use(struct session *s, struct span storage)
{
	bool reserved = folder_is_reserved(s->account, storage);
	struct buf name = { 0 };

	namespace_from_storage(s->cfg, storage, &name);
	status_set(s, NULL, arena_printf(&s->command, reserved ?
	    "Mailbox %s is still in use. Try again later." :
	    "Mailbox %s is in use by another user.", buf_cstr(&name)));
	buf_clear(&name);
	return ERR_BUSY;
}

bool
mailbox_exists(struct session *s, struct span storage)
{
	char dir[256], cur[264];

	name_to_dir(storage, dir);
	snprintf(cur, sizeof(cur), "%s/cur", dir);
	return faccessat(s->account->root_fd, cur, F_OK, 0) == 0;
}
