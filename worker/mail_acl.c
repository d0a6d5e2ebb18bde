/* acl get|set|add|remove|delete|rights|debug: doveadm's words for lists of rights. */
#include "common/acl.h"
#include "common/config.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/mail.h"
#include "worker/namespace.h"
#include "worker/rights.h"

static const struct {
	const char *name;
	unsigned right;
} names[] = {
	{ "lookup", ACL_LOOKUP }, { "read", ACL_READ }, { "write", ACL_WRITE },
	{ "write-seen", ACL_SEEN }, { "write-deleted", ACL_DELETED },
	{ "insert", ACL_INSERT }, { "post", ACL_POST },
	{ "expunge", ACL_EXPUNGE }, { "create", ACL_CREATE },
	{ "delete", ACL_DELETE }, { "admin", ACL_ADMIN },
};

/* Identifiers as the file has them, and as SETACL does. */
static const struct {
	const char *on_disk, *said;
	bool is_prefix;
} kinds[] = {
	{ "anyone", "anyone", false },
	{ "authenticated", "authenticated", false },
	{ "owner", "owner", false },
	{ "group-override=", "!$", true },
	{ "group=", "$", true },
	{ "user=", "", true },
};

static void
add_names(unsigned rights, struct buf *out)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (rights & names[i].right)
			buf_addf(out, "%s%s", out->n > 0 ? " " : "",
			    names[i].name);
}

/* Reaches the mailbox that is the first argument. */
static bool
enter(struct mail *m, struct target *t)
{
	enum err e = m->s->cfg->acl == ACL_NO ? ERR_CANNOT :
	    mail_target(m, m->arg[0], t);

	if (m->s->cfg->acl == ACL_NO)
		m->s->status_text = "No rights are kept here (acl_driver)";
	if (e == ERR_OK && !target_is_foreign(t) &&
	    !folder_exists(m->s->account, t->storage))
		e = ERR_NOTFOUND;
	if (e == ERR_OK)
		e = target_enter(m->s, t, 0);
	mail_error(m, "Can't open mailbox", m->arg[0], e);
	return e == ERR_OK;
}

/* ---- asking ---- */

static void
show_own(struct mail *m, unsigned rights)
{
	struct buf b = { 0 };

	add_names(rights, &b);
	mail_cell(m, buf_span(&b));
	mail_row(m);
	buf_clear(&b);
}

void
mail_acl_rights(struct mail *m)
{
	struct target t;

	mail_names(m, "rights:Rights");
	if (enter(m, &t))
		show_own(m, t.rights);
}

static void
show_entry(struct mail *m, const struct acl_entry *entry)
{
	struct buf b = { 0 };

	mail_cell_f(m, "%s%.*s", entry->negative ? "-" : "",
	    (int)entry->id.n, entry->id.p);
	mail_cell(m, SPAN(""));	/* no global lists */
	add_names(entry->rights, &b);
	mail_cell(m, buf_span(&b));
	mail_row(m);
	buf_clear(&b);
}

void
mail_acl_get(struct mail *m)
{
	struct buf text = { 0 };
	struct acl_entry *entry;
	struct target t;
	size_t n;
	enum err e = ERR_OK;

	mail_names(m, "id:ID global:Global rights:Rights");
	if (!enter(m, &t))
		return;
	if (t.account->alone != NULL)
		e = rights_read(t.account->root_fd, &text);
	mail_error(m, "Can't read the rights on mailbox", m->arg[0], e);
	acl_read(buf_span(&text), &m->arena, &entry, &n);
	for (size_t i = 0; i < n; i++)
		show_entry(m, &entry[i]);
	buf_clear(&text);
}

static void
say(struct mail *m, const char *text)
{
	mail_text(m, span_of(text));
}

/* What counts for this user, step by step. */
void
mail_acl_debug(struct mail *m)
{
	struct span name = m->arg[0];
	struct buf b = { 0 };
	struct target t;

	if (!enter(m, &t))
		return;
	say(m, arena_printf(&m->arena, "Mailbox '%.*s' is in namespace '%.*s'",
	    (int)name.n, name.p, (int)namespace_root(t.ns).n,
	    namespace_root(t.ns).p));
	say(m, t.account->alone != NULL ?
	    "It has a list of rights (dovecot-acl) and a state of its own" :
	    "It has no list of rights: its owner has all, others have none");
	say(m, t.account->private_seen ?
	    "The flag \\Seen is private" :
	    "All message flags are shared across users in mailbox");
	add_names(t.rights, &b);
	say(m, arena_printf(&m->arena, "User %s has rights: %s", m->s->user,
	    buf_cstr(&b)));
	say(m, "Mailbox in user's private namespace");
	say(m, arena_printf(&m->arena, "Mailbox %.*s is %s in LIST",
	    (int)name.n, name.p, t.rights & ACL_LOOKUP ? "visible" :
	    "not visible"));
	buf_clear(&b);
}

/* ---- changing ---- */

/* An identifier of the file as SETACL takes it, "-" in front or not. */
static bool
to_said(struct mail *m, struct span id, struct buf *out)
{
	bool negative = id.n > 0 && *id.p == '-';
	struct span rest = negative ? (struct span){ id.p + 1, id.n - 1 } : id;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct span word = span_of(kinds[i].on_disk);

		if (kinds[i].is_prefix ? !span_starts(rest, word) :
		    !span_eq(rest, word))
			continue;
		buf_addf(out, "%s%s%.*s", negative ? "-" : "", kinds[i].said,
		    kinds[i].is_prefix ? (int)(rest.n - word.n) : 0,
		    rest.p + (kinds[i].is_prefix ? word.n : 0));
		return true;
	}
	mail_fail(m, MAIL_USAGE, "Invalid ID: %.*s", (int)id.n, id.p);
	return false;
}

/* The names from the third argument on; also letters, as ":lrs". */
static bool
read_rights(struct mail *m, unsigned *out)
{
	*out = 0;
	for (size_t i = 2; i < m->n; i++) {
		struct span word = m->arg[i];
		unsigned some = 0;

		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
			if (span_eq(word, span_of(names[k].name)))
				some = names[k].right;
		if (some == 0 && word.n > 1 && *word.p == ':' &&
		    acl_parse((struct span){ word.p + 1, word.n - 1 },
		    &some) != ERR_OK)
			some = 0;
		if (some == 0 && !span_eq(word, SPAN("none"))) {
			mail_fail(m, MAIL_USAGE, "Invalid right '%.*s'",
			    (int)word.n, word.p);
			return false;
		}
		*out |= some;
	}
	return true;
}

static void
add_literal(struct buf *out, struct span text)
{
	buf_addf(out, "{%zu}\r\n", text.n);
	buf_add_span(out, text);
}

/* SETACL, or DELETEACL where `how` is 0. */
static void
change(struct mail *m, char how)
{
	struct buf name = { 0 }, said = { 0 }, letters = { 0 }, text = { 0 };
	struct cursor in = { .arena = &m->s->command };
	struct target t;
	unsigned rights;
	enum err e;

	if (!enter(m, &t) || !to_said(m, m->arg[1], &said) ||
	    !read_rights(m, &rights))
		goto out;
	target_name(&t, &name);
	add_literal(&text, buf_span(&name));
	buf_addc(&text, ' ');
	add_literal(&text, buf_span(&said));
	if (how != 0) {
		if (how != '=')
			buf_addc(&letters, how);
		acl_letters(rights, &letters);
		buf_addc(&text, ' ');
		add_literal(&text, letters.n > 0 ? buf_span(&letters) :
		    SPAN(""));
	}
	in.text = buf_span(&text);
	e = how != 0 ? cmd_setacl(m->s, &in, false) :
	    cmd_deleteacl(m->s, &in, false);
	mail_error(m, "Failed to set ACL of mailbox", m->arg[0], e);
out:
	buf_clear(&name);
	buf_clear(&said);
	buf_clear(&letters);
	buf_clear(&text);
}

void
mail_acl_set(struct mail *m)
{
	change(m, '=');
}

void
mail_acl_add(struct mail *m)
{
	change(m, '+');
}

void
mail_acl_remove(struct mail *m)
{
	change(m, '-');
}

void
mail_acl_delete(struct mail *m)
{
	change(m, 0);
}
