/* mailbox list|create|delete|rename|subscribe|unsubscribe, force-resync. */
#include "common/acl.h"
#include "common/utf7.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/subs.h"
#include "worker/commands.h"
#include "worker/mail.h"
#include "worker/mail_each.h"
#include "worker/namespace.h"

/* ---- list ---- */

static void
show(struct mail *m, const struct folder_entry *entry, struct span name,
    void *ctx)
{
	struct buf b = { 0 };

	(void)ctx;
	if (entry != NULL && mail_option(m, '7', &(struct span){ 0 })) {
		namespace_from_storage(m->s->cfg, entry->name, &b);
		name = buf_span(&b);
	}
	mail_cell(m, name);
	mail_row(m);
	buf_clear(&b);
}

static void
list_subscribed(struct mail *m)
{
	struct span *names;
	size_t n;
	enum err e = subs_read(m->s->account->control_fd, &m->arena, &names,
	    &n);

	mail_error(m, "The subscriptions cannot be read", SPAN_NONE, e);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		struct folder_entry entry = { .name = names[i] };
		struct buf b = { 0 };
		struct span name;

		if (namespace_is_subscribed(m->s->cfg, names[i]) != NULL) {
			namespace_from_subscribed(m->s->cfg, names[i], &b);
			name = mail_utf8(m, buf_span(&b));
		} else {
			name = mail_name(m, names[i]);
		}
		if (mail_is_asked_for(m, 0, name))
			show(m, b.n > 0 ? NULL : &entry, name, NULL);
		buf_clear(&b);
	}
}

void
mail_list(struct mail *m)
{
	struct span none;

	mail_names(m, "=mailbox");
	if (mail_option(m, 's', &none))
		list_subscribed(m);
	else
		mail_for_masks(m, 0, show, NULL);
}

/* ---- what IMAP's commands do ---- */

/* An IMAP command whose arguments are mailboxes; p NULL: there is no second one. */
static enum err
command(struct mail *m, enum err (*run)(struct session *s, struct cursor *in,
    bool by_uid), struct span name, struct span second)
{
	struct span names[2] = { name, second };
	struct buf text = { 0 }, utf7 = { 0 };
	enum err e = ERR_OK;

	for (size_t i = 0; i < 2 && e == ERR_OK && names[i].p != NULL; i++) {
		buf_reset(&utf7);
		e = utf7_from_utf8(names[i], &utf7);
		buf_addf(&text, "%s{%zu}\r\n", i > 0 ? " " : "", utf7.n);
		buf_add_span(&text, buf_span(&utf7));
	}
	if (e == ERR_OK) {
		struct cursor in = { .text = buf_span(&text),
			.arena = &m->s->command };

		e = run(m->s, &in, false);
	}
	buf_clear(&utf7);
	buf_clear(&text);
	return e;
}

/* The commands keep their texts until the tagged line: this is it. */
static void
report(struct mail *m, const char *what, struct span name, enum err e)
{
	mail_error(m, what, name, e);
	m->s->status_text = m->s->status_code = NULL;
	arena_clear(&m->s->command);
	account_tell_changed(m->s->account);
}

void
mail_create(struct mail *m)
{
	struct span none;
	bool subscribe = mail_option(m, 's', &none);
	struct target t;
	enum err e;

	for (size_t i = 0; i < m->n; i++) {
		if (mail_target(m, m->arg[i], &t) != ERR_OK) {
			mail_fail(m, MAIL_USAGE, "Can't create mailbox %.*s: "
			    "Invalid mailbox name", (int)m->arg[i].n,
			    m->arg[i].p);
			continue;
		}
		e = command(m, cmd_create, m->arg[i], SPAN_NONE);
		report(m, "Can't create mailbox", m->arg[i], e);
		if (e == ERR_OK && subscribe)
			report(m, "Can't subscribe to mailbox", m->arg[i],
			    command(m, cmd_subscribe, m->arg[i], SPAN_NONE));
	}
}

/* -e: only an empty one. */
static enum err
delete(struct mail *m, struct span name, bool only_empty)
{
	struct folder_status f = { 0 };
	struct target t;
	enum err e;

	if (only_empty && ((e = mail_target(m, name, &t)) != ERR_OK ||
	    (e = target_enter(m->s, &t, ACL_READ)) != ERR_OK ||
	    (e = folder_get_status(t.account, t.storage, false, &f)) !=
	    ERR_OK))
		return e;
	if (f.messages > 0) {
		m->s->status_text = "Mailbox isn't empty";
		return ERR_CANNOT;
	}
	return command(m, cmd_delete, name, SPAN_NONE);
}

static void
delete_and_say(struct mail *m, struct span name)
{
	struct span none;
	enum err e = delete(m, name, mail_option(m, 'e', &none));

	report(m, "Can't delete mailbox", name, e);
	if (e == ERR_OK && mail_option(m, 's', &none))
		report(m, "Can't unsubscribe from mailbox", name,
		    command(m, cmd_unsubscribe, name, SPAN_NONE));
}

/* -r: those below it first. */
static void
delete_below(struct mail *m, struct span name)
{
	char sep = namespace_separator(m->s->cfg);
	struct folder_entry *entry;
	struct span below = span_of(arena_printf(&m->arena, "%.*s%c",
	    (int)name.n, name.p, sep));
	size_t n;

	if (folder_list(m->s->account, &m->arena, &entry, &n) != ERR_OK)
		return;
	while (n-- > 0) {
		struct span child = mail_name(m, entry[n].name);

		if (entry[n].exists && span_starts(child, below))
			delete_and_say(m, child);
	}
}

void
mail_delete(struct mail *m)
{
	struct span none;

	for (size_t i = 0; i < m->n; i++) {
		if (mail_option(m, 'r', &none))
			delete_below(m, m->arg[i]);
		delete_and_say(m, m->arg[i]);
	}
}

void
mail_rename(struct mail *m)
{
	struct span none, from = m->arg[0], to = m->arg[1];
	enum err e = command(m, cmd_rename, from, to);

	report(m, arena_printf(&m->arena, "Can't rename mailbox %.*s to",
	    (int)from.n, from.p), to, e);
	if (e != ERR_OK || !mail_option(m, 's', &none))
		return;
	report(m, "Can't unsubscribe from mailbox", from,
	    command(m, cmd_unsubscribe, from, SPAN_NONE));
	report(m, "Can't subscribe to mailbox", to,
	    command(m, cmd_subscribe, to, SPAN_NONE));
}

/* doveadm subscribes to what is not there, too: so do its scripts. */
static void
subscribe(struct mail *m, bool yes)
{
	for (size_t i = 0; i < m->n; i++) {
		struct target t;
		bool changed;
		enum err e = mail_target(m, m->arg[i], &t);

		if (e == ERR_OK && !target_is_foreign(&t))
			e = subs_set(m->s->account->control_fd, t.storage, yes,
			    m->s->account->sync, &changed);
		else if (e == ERR_OK)
			e = command(m, yes ? cmd_subscribe : cmd_unsubscribe,
			    m->arg[i], SPAN_NONE);
		report(m, yes ? "Can't subscribe to mailbox" :
		    "Can't unsubscribe from mailbox", m->arg[i], e);
	}
}

void
mail_subscribe(struct mail *m)
{
	subscribe(m, true);
}

void
mail_unsubscribe(struct mail *m)
{
	subscribe(m, false);
}

/* ---- force-resync ---- */

struct resync {
	size_t n, n_done;
};

static void
count(struct mail *m, const struct folder_entry *entry, struct span name,
    void *ctx)
{
	struct resync *r = ctx;

	(void)m;
	(void)name;
	r->n += entry->exists;
}

/* All of it is listed and compared, whether something seems to have changed or not. */
static void
resync(struct mail *m, const struct folder_entry *entry, struct span name,
    void *ctx)
{
	struct resync *r = ctx;
	struct folder *f = NULL;
	struct target t;
	enum err e;

	if (!entry->exists)
		return;
	if ((e = mail_target(m, name, &t)) == ERR_OK &&
	    (e = target_enter(m->s, &t, 0)) == ERR_OK &&
	    (e = folder_open(t.account, t.storage, &f)) == ERR_OK)
		e = folder_resync(f);
	folder_close(&f);
	report(m, "Can't resync mailbox", name, e);
	mail_progress(m, ++r->n_done, r->n);
}

void
mail_resync(struct mail *m)
{
	struct resync r = { 0 };

	mail_for_masks(m, 0, count, &r);
	mail_for_masks(m, 0, resync, &r);
}
