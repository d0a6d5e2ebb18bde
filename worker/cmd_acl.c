/*
 * SETACL DELETEACL GETACL LISTRIGHTS MYRIGHTS (RFC 4314). On disk identifiers are
 * Dovecot's ("user=anna"); clients say "anna", "$group", "anyone".
 */
#include "common/acl.h"
#include "common/config.h"
#include "common/fsutil.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "maildir/policy_file.h"
#include "worker/commands.h"
#include "worker/mailbox.h"
#include "worker/resp.h"
#include "worker/rights.h"
#include "worker/share.h"
#include "worker/status.h"
#include "worker/target.h"

#include <string.h>

static const struct {
	const char *said, *on_disk;
	bool is_prefix;
} kinds[] = {
	{ "anyone", "anyone", false },
	{ "anonymous", "anyone", false },
	{ "authenticated", "authenticated", false },
	{ "owner", "owner", false },
	{ "!$", "group-override=", true },
	{ "$", "group=", true },
	{ "", "user=", true },
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

/* What a client calls someone, as the file does. */
static struct span
to_disk(struct span said, struct arena *a)
{
	size_t i = 0;

	while (kinds[i].is_prefix ?
	    !span_starts(said, span_of(kinds[i].said)) :
	    !span_eq(said, span_of(kinds[i].said)))
		i++;
	if (!kinds[i].is_prefix)
		return span_of(kinds[i].on_disk);
	said.p += strlen(kinds[i].said);
	said.n -= strlen(kinds[i].said);
	return span_of(arena_printf(a, "%s%.*s", kinds[i].on_disk, (int)said.n,
	    said.p));
}

/* And back. */
static struct span
from_disk(struct span id, bool negative, struct arena *a)
{
	const char *sign = negative ? "-" : "";

	for (size_t i = 0; i < KINDS; i++) {
		struct span word = span_of(kinds[i].on_disk);

		if (!span_starts(id, word))
			continue;
		return span_of(arena_printf(a, "%s%s%.*s", sign, kinds[i].said,
		    kinds[i].is_prefix ? (int)(id.n - word.n) : 0,
		    id.p + word.n));
	}
	return id;
}

/* ---- arguments ---- */

/* One command: a mailbox, and whom it is about. */
struct acl_command {
	struct target t;
	enum err bad;
	struct span id;		/* as on disk */
	bool negative;
};

static enum err
read_mailbox(struct session *s, struct cursor *in, struct acl_command *c)
{
	if (s->cfg->acl == ACL_NO) {
		status_set(s, NULL, "Unknown command: no rights are kept here "
		    "(acl_driver).");
		return ERR_SYNTAX;
	}
	return mailbox_argument(s, in, &c->t, &c->bad);
}

static enum err
read_identifier(struct cursor *in, bool may_negate, struct acl_command *c)
{
	struct span said;
	enum err e;

	if ((e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_astring(in, &said)) != ERR_OK)
		return e;
	c->negative = may_negate && said.n > 0 && *said.p == '-';
	if (c->negative) {
		said.p++;
		said.n--;
	}
	if (said.n > 256)
		return cursor_fail(in, "identifier too long");
	c->id = to_disk(said, in->arena);
	return acl_is_identifier(c->id) ? ERR_OK :
	    cursor_fail(in, "not an identifier");
}

/*
 * Reaches it. What somebody may only look up is known to be there; what he may not, he
 * must not learn of (RFC 4314 6).
 */
static enum err
enter(struct session *s, struct acl_command *c, unsigned need)
{
	enum err e = c->bad == ERR_OK ? target_enter(s, &c->t, need) : c->bad;

	if (e == ERR_OK && !target_is_foreign(&c->t) &&
	    !folder_exists(s->account, c->t.storage))
		e = ERR_NOTFOUND;
	return e == ERR_NOTFOUND ? mailbox_missing(s, &c->t, NULL) : e;
}

/* ---- changing ---- */

/*
 * The directory of a mailbox whose list is changed. It has its UIDVALIDITY before it
 * becomes an account of its own, from the counter of ours.
 */
static enum err
open_list(struct session *s, const struct target *t, int *dir_fd)
{
	struct folder *f = NULL;
	char dir[256];
	enum err e;

	*dir_fd = -1;
	if (span_eq(t->storage, SPAN("INBOX"))) {
		status_set(s, NULL, "INBOX cannot be shared: it lies above all "
		    "other mailboxes.");
		return ERR_CANNOT;
	}
	if ((e = folder_open(t->account, t->storage, &f)) != ERR_OK)
		return e;
	folder_close(&f);
	if (target_is_foreign(t))
		return fs_open_dir(t->account->root_fd, ".", dir_fd);
	name_to_dir(t->storage, dir);
	return fs_open_dir(s->account->root_fd, dir, dir_fd);
}

static enum err
change(struct session *s, struct acl_command *c, char how, unsigned rights)
{
	int dir_fd;
	enum err e = open_list(s, &c->t, &dir_fd);

	if (e != ERR_OK)
		return e;
	e = rights_change(dir_fd, c->id, c->negative, how, rights,
	    s->account->sync);
	fs_close(&dir_fd);
	if (e == ERR_OK && how != '-' && how != 'x' && !c->negative &&
	    (rights & ACL_LOOKUP) != 0 && !target_is_foreign(&c->t))
		share_note(s, c->id);
	if (e == ERR_OK && !target_is_foreign(&c->t))
		policy_file_hand_down(s->account, c->t.storage);
	if (e == ERR_OK)
		log_info("Rights changed: mailbox %s, %s%s",
		    log_text(c->t.storage), c->negative ? "-" : "",
		    log_text(c->id));
	else if (e == ERR_LIMIT)
		status_set(s, NULL, "The list of rights is full.");
	return e;
}

enum err
cmd_setacl(struct session *s, struct cursor *in, bool by_uid)
{
	struct acl_command c = { 0 };
	struct span letters;
	unsigned rights;
	char how = '=';
	enum err e;

	(void)by_uid;
	if ((e = read_mailbox(s, in, &c)) != ERR_OK ||
	    (e = read_identifier(in, true, &c)) != ERR_OK ||
	    (e = cursor_space(in)) != ERR_OK ||
	    (e = cursor_astring(in, &letters)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	if (letters.n > 0 && (*letters.p == '+' || *letters.p == '-')) {
		how = *letters.p++;
		letters.n--;
	}
	if (acl_parse(letters, &rights) != ERR_OK)
		return cursor_fail(in, "unknown right");
	if ((e = enter(s, &c, ACL_ADMIN)) != ERR_OK)
		return e;
	return change(s, &c, how, rights);
}

enum err
cmd_deleteacl(struct session *s, struct cursor *in, bool by_uid)
{
	struct acl_command c = { 0 };
	enum err e;

	(void)by_uid;
	if ((e = read_mailbox(s, in, &c)) != ERR_OK ||
	    (e = read_identifier(in, true, &c)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK ||
	    (e = enter(s, &c, ACL_ADMIN)) != ERR_OK)
		return e;
	/* Nothing is said: nothing is to be made. */
	if (c.t.account->alone == NULL)
		return ERR_OK;
	return change(s, &c, 'x', 0);
}

/* ---- asking ---- */

static void
write_rights(struct session *s, struct span id, unsigned rights)
{
	resp_put(s, " ");
	resp_astring(s, id);
	resp_put(s, " ");
	resp_rights(s, rights);
}

/* Whose mailbox it is, as clients say it; "": nobody's. */
static struct span
owner_of(const struct session *s, const struct target *t)
{
	return target_is_foreign(t) ? t->owner : span_of(s->user);
}

/* The owner's rights are said, also where no line says them. */
static void
write_list(struct session *s, struct span owner, struct span text)
{
	struct span named = to_disk(owner, &s->command);
	struct acl_entry *entry;
	bool said = false;
	size_t n;

	acl_read(text, &s->command, &entry, &n);
	for (size_t i = 0; i < n; i++)
		said |= !entry[i].negative && (span_eq(entry[i].id, named) ||
		    span_eq(entry[i].id, SPAN("owner")));
	if (!said && owner.n > 0)
		write_rights(s, owner, ACL_ALL);
	for (size_t i = 0; i < n; i++)
		write_rights(s, from_disk(entry[i].id, entry[i].negative,
		    &s->command), entry[i].rights);
}

enum err
cmd_getacl(struct session *s, struct cursor *in, bool by_uid)
{
	struct acl_command c = { 0 };
	struct buf text = { 0 };
	enum err e;

	(void)by_uid;
	if ((e = read_mailbox(s, in, &c)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK ||
	    (e = enter(s, &c, ACL_ADMIN)) != ERR_OK)
		return e;
	if (c.t.account->alone != NULL)
		e = rights_read(c.t.account->root_fd, &text);
	if (e == ERR_OK) {
		resp_put(s, "* ACL ");
		resp_mailbox(s, &c.t);
		write_list(s, owner_of(s, &c.t), buf_span(&text));
		resp_put(s, "\r\n");
	}
	buf_clear(&text);
	return e;
}

/* All rights go by themselves; the owner's l and a cannot be taken away. */
enum err
cmd_listrights(struct session *s, struct cursor *in, bool by_uid)
{
	struct acl_command c = { 0 };
	unsigned always = 0;
	enum err e;

	(void)by_uid;
	if ((e = read_mailbox(s, in, &c)) != ERR_OK ||
	    (e = read_identifier(in, false, &c)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK ||
	    (e = enter(s, &c, ACL_ADMIN)) != ERR_OK)
		return e;
	if (span_eq(c.id, SPAN("owner")) ||
	    span_eq(c.id, to_disk(owner_of(s, &c.t), &s->command)))
		always = RIGHTS_OF_OWNER;
	resp_put(s, "* LISTRIGHTS ");
	resp_mailbox(s, &c.t);
	write_rights(s, from_disk(c.id, false, &s->command), always);
	for (unsigned right = 1; right <= ACL_ALL; right <<= 1) {
		if (right & always)
			continue;
		resp_put(s, " ");
		resp_rights(s, right);
	}
	resp_put(s, "\r\n");
	return ERR_OK;
}

enum err
cmd_myrights(struct session *s, struct cursor *in, bool by_uid)
{
	struct acl_command c = { 0 };
	enum err e;

	(void)by_uid;
	if ((e = read_mailbox(s, in, &c)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK ||
	    (e = enter(s, &c, 0)) != ERR_OK)
		return e;
	resp_myrights(s, &c.t, c.t.rights);
	return ERR_OK;
}
