/* loftctl sessions, ghosts, ghosts release: what goes on between the clients. */
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/census.h"
#include "maildir/folder.h"
#include "worker/admin.h"
#include "worker/namespace.h"
#include "worker/policy.h"

#include <string.h>
#include <time.h>

static void
add_mailbox(struct admin *a, struct span storage)
{
	struct buf b = { 0 };

	namespace_from_storage(a->cfg, storage, &b);
	admin_word(a, buf_span(&b));
	buf_clear(&b);
}

static int
unreadable(struct admin *a, enum err e)
{
	buf_reset(&a->out);
	buf_addf(&a->out, "the account's state cannot be read (%s); the log "
	    "says why\n", err_name(e));
	return ADMIN_TEMPFAIL;
}

/* The mailbox that is the first argument, if any; storage name. */
static int
mailbox_argument(struct admin *a, struct span *name_out)
{
	*name_out = SPAN_NONE;
	if (a->n == 0)
		return ADMIN_OK;
	if (namespace_to_storage(a->cfg, a->arg[0], &a->arena, name_out) ==
	    ERR_OK)
		return ADMIN_OK;
	buf_addf(&a->out, "%s: no mailbox can have this name\n",
	    log_text(a->arg[0]));
	return ADMIN_USAGE;
}

/* "delete=disconnect rename=follow expunge=ghost ..." */
static void
add_policy(struct admin *a, struct span storage)
{
	struct buf b = { 0 };
	struct span lines, prefix = SPAN("multiaccess_");
	const char *gap = "";

	policy_describe(a->cfg, a->account, storage, &b);
	for (lines = buf_span(&b); lines.n > 0; gap = " ") {
		struct span line = span_cut(&lines, '\n');
		struct span name = span_cut(&line, '\t');

		if (span_starts(name, prefix))
			name = (struct span){ name.p + prefix.n,
				name.n - prefix.n };
		buf_adds(&a->out, gap);
		admin_word(a, name);
		buf_addc(&a->out, '=');
		admin_word(a, span_cut(&line, '\t'));
	}
	buf_clear(&b);
}

static void
add_session(struct admin *a, const struct census_session *s)
{
	admin_word(a, s->user);
	buf_addf(&a->out, "\t%llu\t", (unsigned long long)s->pid);
	admin_word(a, s->client);
	buf_addc(&a->out, '\t');
	if (s->folder_id == 0) {
		buf_adds(&a->out, "-\t-\t-\t-\t-\n");
		return;
	}
	add_mailbox(a, s->mailbox);
	buf_addf(&a->out, "%s%s\t", s->deleted ? " (deleted)" : "",
	    s->read_only ? " (read-only)" : "");
	add_policy(a, s->mailbox);
	buf_addf(&a->out, "\t%llu\t%llu\t%llu\n",
	    (unsigned long long)s->cursor, (unsigned long long)s->backlog,
	    (unsigned long long)s->ghosts);
}

/* ---- the accounts of which an account consists ---- */

/*
 * Calls one() with the account, then with that of each folder that has a state of its
 * own (alone.h); name: only of this mailbox (p NULL: all).
 */
static enum err
for_each(struct admin *a, struct span name, enum err (*one)(struct admin *a,
    struct account *acc, struct span name, void *ctx), void *ctx)
{
	struct folder_entry *entry;
	struct account *in;
	size_t n;
	enum err e = one(a, a->account, name, ctx);

	if (e != ERR_OK ||
	    (e = folder_list(a->account, &a->arena, &entry, &n)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		if ((name.p != NULL && !span_eq(name, entry[i].name)) ||
		    !alone_is(a->account, entry[i].name) ||
		    !alone_has_state(a->account, entry[i].name))
			continue;
		e = alone_get(a->account, entry[i].name, &in);
		if (e == ERR_OK)
			e = one(a, in, name, ctx);
	}
	return e;
}

/* ---- sessions ---- */

struct rows {
	struct census_session *v;
	size_t n;
};

static enum err
collect_sessions(struct admin *a, struct account *acc, struct span name,
    void *ctx)
{
	struct rows *r = ctx, more = { 0 }, all;
	enum err e = census_sessions(acc, &a->arena, &more.v, &more.n);

	(void)name;
	if (e != ERR_OK)
		return e;
	all.v = arena_array(&a->arena, r->n + more.n + 1, sizeof(*all.v));
	if (r->n > 0)
		memcpy(all.v, r->v, r->n * sizeof(*all.v));
	if (more.n > 0)
		memcpy(all.v + r->n, more.v, more.n * sizeof(*all.v));
	r->v = all.v;
	r->n += more.n;
	return ERR_OK;
}

/* In its account as one that has nothing open, and in the folder's. */
static bool
is_elsewhere(const struct rows *r, const struct census_session *s)
{
	if (s->folder_id != 0)
		return false;
	for (const struct census_session *o = r->v; o < r->v + r->n; o++)
		if (o->pid == s->pid && (o->folder_id != 0 || o < s))
			return true;
	return false;
}

int
admin_sessions(struct admin *a)
{
	struct rows r = { 0 };
	struct span name;
	enum err e;
	int code;

	if ((code = mailbox_argument(a, &name)) != ADMIN_OK)
		return code;
	if ((e = for_each(a, name, collect_sessions, &r)) != ERR_OK)
		return unreadable(a, e);
	buf_adds(&a->out, "username\tpid\tip\tmailbox\tpolicy\tcursor\t"
	    "backlog\tghosts\n");
	for (size_t i = 0; i < r.n; i++)
		if ((name.p == NULL || span_eq(name, r.v[i].mailbox)) &&
		    !is_elsewhere(&r, &r.v[i]))
			add_session(a, &r.v[i]);
	return ADMIN_OK;
}

/* ---- ghosts ---- */

/* The processes that may still name it: "77,78". */
static void
add_holders(struct admin *a, const struct census_ghost *g,
    const struct census_session *s, size_t n)
{
	const char *gap = "";

	for (size_t i = 0; i < n; i++)
		if (s[i].folder_id == g->folder_id && s[i].cursor < g->modseq) {
			buf_addf(&a->out, "%s%llu", gap,
			    (unsigned long long)s[i].pid);
			gap = ",";
		}
	if (*gap == '\0')
		buf_addc(&a->out, '-');
}

static void
add_ghost(struct admin *a, const struct census_ghost *g)
{
	char since[32] = "-";
	time_t t = (time_t)(g->since_us / 1000000);
	struct tm tm;

	/* UTC: the time zone's file is out of reach. */
	if (g->since_us != 0 && gmtime_r(&t, &tm) != NULL)
		strftime(since, sizeof(since), "%FT%TZ", &tm);
	add_mailbox(a, g->mailbox);
	if (g->uid == 0)
		buf_adds(&a->out, " (deleted)\t-");
	else
		buf_addf(&a->out, "\t%u", g->uid);
	buf_addf(&a->out, "\t%s\t%llu\t", since, (unsigned long long)g->bytes);
}

static enum err
write_ghosts(struct admin *a, struct account *acc, struct span name, void *ctx)
{
	struct census_session *s;
	struct census_ghost *g;
	size_t n, n_sessions;
	enum err e;

	(void)ctx;
	if ((e = census_sessions(acc, &a->arena, &s, &n_sessions)) !=
	    ERR_OK || (e = census_ghosts(acc, name, &a->arena, &g,
	    &n)) != ERR_OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		add_ghost(a, &g[i]);
		add_holders(a, &g[i], s, n_sessions);
		buf_addc(&a->out, '\n');
	}
	return ERR_OK;
}

int
admin_ghosts(struct admin *a)
{
	struct span name;
	enum err e;
	int code;

	if ((code = mailbox_argument(a, &name)) != ADMIN_OK)
		return code;
	buf_adds(&a->out, "mailbox\tuid\tsince\tbytes\tpids\n");
	if ((e = for_each(a, name, write_ghosts, NULL)) != ERR_OK)
		return unreadable(a, e);
	return ADMIN_OK;
}

static enum err
release(struct admin *a, struct account *acc, struct span name, void *ctx)
{
	size_t *all = ctx, n = 0;
	enum err e = census_release(acc, name, &n);

	(void)a;
	*all += n;
	return e;
}

int
admin_ghosts_release(struct admin *a)
{
	struct span name;
	size_t n = 0;
	enum err e;
	int code;

	if ((code = mailbox_argument(a, &name)) != ADMIN_OK)
		return code;
	if ((e = for_each(a, name, release, &n)) != ERR_OK)
		return unreadable(a, e);
	buf_addf(&a->out, "%zu expunged message%s released\n", n,
	    n == 1 ? "" : "s");
	return ADMIN_OK;
}
