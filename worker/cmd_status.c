/* STATUS. */
#include "common/acl.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/resp.h"
#include "worker/target.h"

/* What STATUS can tell, in the order in which it is told. */
static const struct {
	const char *name;
	size_t at;	/* of a uint32_t in struct folder_status */
} items[] = {
	{ "MESSAGES", offsetof(struct folder_status, messages) },
	{ "RECENT", offsetof(struct folder_status, recent) },
	{ "UIDNEXT", offsetof(struct folder_status, uidnext) },
	{ "UIDVALIDITY", offsetof(struct folder_status, uidvalidity) },
	{ "UNSEEN", offsetof(struct folder_status, unseen) },
};

enum { N_ITEMS = sizeof(items) / sizeof(*items) };

/* "(" status-att *(SP status-att) ")", as bits. */
static enum err
read_items(struct cursor *in, unsigned *wanted)
{
	size_t i;
	enum err e;

	*wanted = 0;
	if ((e = cursor_char(in, '(')) != ERR_OK)
		return e;
	do {
		for (i = 0; i < N_ITEMS; i++)
			if (cursor_take_word(in, items[i].name))
				break;
		if (i == N_ITEMS)
			return cursor_fail(in, "STATUS item expected");
		*wanted |= 1u << i;
	} while (cursor_take(in, ' '));
	return cursor_char(in, ')');
}

enum err
cmd_status(struct session *s, struct cursor *in, bool by_uid)
{
	struct folder_status status = { 0 };
	const char *gap = "";
	struct target t;
	unsigned wanted;
	enum err e, bad;

	(void)by_uid;
	if ((e = mailbox_argument(s, in, &t, &bad)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = read_items(in, &wanted)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (bad != ERR_OK)
		return bad;
	if ((e = target_enter(s, &t, ACL_READ)) == ERR_OK)
		e = folder_get_status(t.account, t.storage, &status);
	if (e == ERR_NOTFOUND)
		return mailbox_missing(s, &t, NULL);
	if (e != ERR_OK)
		return e;
	resp_put(s, "* STATUS ");
	resp_mailbox(s, &t);
	resp_put(s, " (");
	for (size_t i = 0; i < N_ITEMS; i++) {
		uint32_t value;

		if ((wanted & 1u << i) == 0)
			continue;
		memcpy(&value, (const char *)&status + items[i].at,
		    sizeof(value));
		resp_f(s, "%s%s %u", gap, items[i].name, value);
		gap = " ";
	}
	resp_put(s, ")\r\n");
	return ERR_OK;
}
