/* The mailboxes and messages that a query is about. */
#include "worker/mail_each.h"

#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "worker/cursor.h"
#include "worker/mail.h"
#include "worker/mail_query.h"
#include "worker/namespace.h"
#include "worker/search.h"
#include "worker/search_run.h"
#include "worker/select.h"
#include "worker/session.h"

#include <string.h>

enum { NAMES_MAX = 1000, GUID_SIZE = 40 };

struct each {
	struct mail *m;
	const struct mail_query *query;
	bool read_only;
	void (*use)(struct mail *m, const struct mail_found *found, void *ctx);
	void *ctx;
	size_t n_searched;
};

const struct mail_query *
mail_each_query(struct mail *m, size_t from)
{
	const struct mail_query *q = NULL;
	const char *problem = "Missing search query";

	if (m->n > from && mail_query_read(m->arg + from, m->n - from,
	    &m->arena, &q, &problem) == ERR_OK)
		return q;
	mail_fail(m, MAIL_TEMPFAIL, "%s", problem);
	m->stopped = true;
	return NULL;
}

static enum err
find(struct each *w, struct span keys, struct mail_found *found)
{
	struct session *s = w->m->s;
	struct cursor in = { .text = keys, .arena = &s->command, .utf8 = true };
	struct search_program program;
	enum err e, unreadable;

	e = search_parse(&in, &s->view, &s->folder->keywords, &program);
	/* A number that no message has is an error in IMAP alone. */
	if (e == ERR_SYNTAX && in.problem != NULL &&
	    strncmp(in.problem, "no message", 10) == 0)
		return ERR_OK;
	if (e == ERR_SYNTAX) {
		mail_fail(w->m, MAIL_TEMPFAIL, "Invalid search query: %s",
		    in.problem == NULL ? "" : in.problem);
		w->m->stopped = true;
		return ERR_OK;
	}
	if (e != ERR_OK || (e = search_run(s, &program, &s->command,
	    &found->uids, &found->n, &unreadable)) != ERR_OK)
		return e;
	return unreadable;
}

static void
search_mailbox(struct each *w, struct target *t, struct span keys,
    struct span name)
{
	struct session *s = w->m->s;
	struct mail_found found = { .name = name };
	struct folder_snapshot snap;
	enum err e = select_target(s, t, w->read_only, &snap);

	if (e == ERR_OK) {
		found.guid = s->folder->guid;
		e = find(w, keys, &found);
	}
	mail_error(w->m, "Mailbox", name, e);
	if (found.n > 0)
		w->use(w->m, &found, w->ctx);
	session_unselect(s);
	account_tell_changed(s->account);
	arena_clear(&s->command);
}

static void
look_into(struct each *w, const struct folder_entry *entry)
{
	struct mail *m = w->m;
	struct span name = mail_name(m, entry->name), guid = SPAN("");
	struct folder_status status = { 0 };
	struct buf keys = { 0 };
	struct target t;
	enum err e = mail_target(m, name, &t);

	if (e == ERR_OK && mail_query_needs_guid(w->query) &&
	    (e = target_enter(m->s, &t, 0)) == ERR_OK &&
	    (e = folder_get_status(t.account, t.storage, false, &status)) ==
	    ERR_OK)
		guid = span_of(status.guid);
	if (e != ERR_OK)
		mail_error(m, "Mailbox", name, e);
	else if (mail_query_for(w->query, name, guid,
	    namespace_separator(m->s->cfg), &keys) == MAIL_QUERY_SOME) {
		w->n_searched++;
		search_mailbox(w, &t, buf_span(&keys), name);
	}
	buf_clear(&keys);
}

/* A query that was about no mailbox at all names one that is not there. */
static void
miss(struct each *w)
{
	struct mail *m = w->m;
	struct span *name = arena_array(&m->arena, NAMES_MAX, sizeof(*name));
	size_t n = mail_query_names(w->query, name, NAMES_MAX);
	struct target t;

	for (size_t i = 0; i < n; i++)
		if (mail_target(m, name[i], &t) != ERR_OK ||
		    target_is_foreign(&t) ||
		    !folder_exists(m->s->account, t.storage))
			mail_error(m, "Mailbox", name[i], ERR_NOTFOUND);
}

void
mail_each(struct mail *m, const struct mail_query *q, bool read_only,
    void (*use)(struct mail *m, const struct mail_found *found, void *ctx),
    void *ctx)
{
	struct each w = { m, q, read_only, use, ctx, 0 };
	struct folder_entry *entry;
	size_t n;
	enum err e = folder_list(m->s->account, &m->arena, &entry, &n);

	if (e != ERR_OK) {
		mail_error(m, "The mailboxes cannot be listed", SPAN_NONE, e);
		return;
	}
	for (size_t i = 0; i < n && !mail_is_over(m); i++) {
		mail_progress(m, i, n);
		if (entry[i].exists)
			look_into(&w, &entry[i]);
	}
	if (w.n_searched == 0)
		miss(&w);
}

/* ---- masks ---- */

bool
mail_is_asked_for(const struct mail *m, size_t from, struct span name)
{
	char sep = namespace_separator(m->s->cfg);

	for (size_t i = from; i < m->n; i++)
		if (name_matches(name, span_ieq(m->arg[i], SPAN("INBOX")) ?
		    SPAN("INBOX") : m->arg[i], sep))
			return true;
	return m->n <= from;
}

void
mail_for_masks(struct mail *m, size_t from, void (*use)(struct mail *m,
    const struct folder_entry *entry, struct span name, void *ctx), void *ctx)
{
	struct folder_entry *entry;
	size_t n;
	enum err e = folder_list(m->s->account, &m->arena, &entry, &n);

	mail_error(m, "The mailboxes cannot be listed", SPAN_NONE, e);
	for (size_t i = 0; e == ERR_OK && i < n && !mail_is_over(m); i++) {
		struct span name = mail_name(m, entry[i].name);

		if (mail_is_asked_for(m, from, name))
			use(m, &entry[i], name, ctx);
	}
}
