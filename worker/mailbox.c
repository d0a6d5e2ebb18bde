/* Mailbox names as arguments of commands. */
#include "worker/mailbox.h"

#include "common/acl.h"
#include "common/buf.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "worker/cursor.h"
#include "worker/namespace.h"
#include "worker/resp.h"
#include "worker/session.h"
#include "worker/share.h"
#include "worker/status.h"
#include "worker/target.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum err
mailbox_argument(struct session *s, struct cursor *in, struct target *t_out,
    enum err *bad_out)
{
	struct span name;
	enum err e = cursor_mailbox(in, &name);

	*t_out = (struct target){ 0 };
	*bad_out = ERR_OK;
	if (e != ERR_OK)
		return e;
	*bad_out = namespace_find(s->cfg, name, &s->command, &t_out->ns,
	    &t_out->owner, &t_out->storage);
	return ERR_OK;
}

/* A name as the client writes it. Names hold no CR, LF or 8-bit. */
static void
add_astring(const struct target *t, struct buf *out)
{
	struct buf name = { 0 };

	target_name(t, &name);
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

/* The name now of a mailbox of somebody else. */
static bool
ask_name(struct session *s, struct target *t)
{
	struct span word[] = { SPAN("renamed"), t->storage };
	struct buf answer = { 0 };
	bool known = share_is_possible(s) &&
	    share_ask(s, t, word, 2, &answer) == ERR_OK;

	if (known)
		t->storage = arena_span(&s->command, buf_span(&answer));
	buf_clear(&answer);
	return known;
}

/* Where it went, to who may know (RFC 4314: l on the new name). */
static bool
was_renamed(struct session *s, const struct target *t, struct target *to)
{
	*to = *t;
	if (target_is_foreign(t))
		return ask_name(s, to) && target_enter(s, to, ACL_LOOKUP) ==
		    ERR_OK;
	return folder_renamed_to(s->account, t->storage, &s->command,
	    &to->storage) == ERR_OK && folder_exists(s->account, to->storage) &&
	    target_enter(s, to, ACL_LOOKUP) == ERR_OK;
}

enum err
mailbox_missing(struct session *s, const struct target *t,
    const char *otherwise)
{
	struct buf code = { 0 };
	struct target to;

	if (!was_renamed(s, t, &to)) {
		status_set(s, otherwise, NULL);
		return ERR_NOTFOUND;
	}
	buf_adds(&code, "NEWNAME ");
	add_astring(t, &code);
	buf_addc(&code, ' ');
	add_astring(&to, &code);
	status_set(s, arena_cstr(&s->command, buf_span(&code)),
	    "The mailbox has been renamed.");
	buf_clear(&code);
	return ERR_NOTFOUND;
}

enum err
mailbox_in_use(struct session *s, const struct target *t)
{
	bool reserved = target_is_foreign(t) ? t->reserved :
	    folder_is_reserved(s->account, t->storage);
	struct buf name = { 0 };

	target_name(t, &name);
	status_set(s, NULL, arena_printf(&s->command, reserved ?
	    "Mailbox %s is still in use. Try again later." :
	    "Mailbox %s is in use by another user.", buf_cstr(&name)));
	buf_clear(&name);
	return ERR_BUSY;
}

enum err
mailbox_selected_in_use(struct session *s)
{
	struct target t = target_selected(s);

	return mailbox_in_use(s, &t);
}
