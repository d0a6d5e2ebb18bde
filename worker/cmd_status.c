/* STATUS. */
#include "common/acl.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/resp.h"
#include "worker/target.h"

/* RFC 9208 4.1.4: takes a walk over the messages, if there are any to be deleted. */
enum { I_DELETED_STORAGE = 6 };

/* What STATUS can tell, in the order in which it is told. */
static const struct {
	const char *name;
	size_t at, size;	/* of the number in struct folder_status */
} items[] = {
#define ITEM(name, field) { name, offsetof(struct folder_status, field), \
	sizeof(((struct folder_status *)NULL)->field) }
	ITEM("MESSAGES", messages),
	ITEM("RECENT", recent),
	ITEM("UIDNEXT", uidnext),
	ITEM("UIDVALIDITY", uidvalidity),
	ITEM("UNSEEN", unseen),
	ITEM("DELETED", deleted),
	[I_DELETED_STORAGE] = ITEM("DELETED-STORAGE", deleted_bytes),
#undef ITEM
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
		e = folder_get_status(t.account, t.storage,
		    (wanted & 1u << I_DELETED_STORAGE) != 0, &status);
	if (e == ERR_NOTFOUND)
		return mailbox_missing(s, &t, NULL);
	if (e != ERR_OK)
		return e;
	resp_put(s, "* STATUS ");
	resp_mailbox(s, &t);
	resp_put(s, " (");
	for (size_t i = 0; i < N_ITEMS; i++) {
		uint32_t small = 0;
		uint64_t value = 0;

		if ((wanted & 1u << i) == 0)
			continue;
		memcpy(items[i].size == sizeof(small) ? (void *)&small :
		    &value, (const char *)&status + items[i].at,
		    items[i].size);
		resp_f(s, "%s%s %llu", gap, items[i].name,
		    (unsigned long long)(value + small));
		gap = " ";
	}
	resp_put(s, ")\r\n");
	return ERR_OK;
}
