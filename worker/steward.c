/* What others may do in an account, done with its owner's rights. */
#include "worker/steward.h"

#include "common/acl.h"
#include "common/log.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/folder.h"
#include "maildir/name.h"
#include "worker/policy.h"
#include "worker/rights.h"

#include <sys/socket.h>

/* One request: who asks, for what. */
struct wish {
	struct admin *a;
	struct account *acc;
	struct acl_who who;
	struct span name[2];
};

/* Of a mailbox that has no list nobody else knows. */
static unsigned
rights_on(const struct wish *w, struct span storage)
{
	return alone_is(w->acc, storage) ?
	    rights_at(w->acc->root_fd, storage, &w->who) : 0;
}

static enum err
need(const struct wish *w, struct span storage, unsigned right)
{
	unsigned rights = rights_on(w, storage);

	return (rights & ACL_LOOKUP) == 0 ? ERR_NOTFOUND :
	    (rights & right) == 0 ? ERR_PERM : ERR_OK;
}

/*
 * On the nearest mailbox above that is there (RFC 4314 4). The account's top is its
 * owner's; that of nobody's account has a list, too.
 */
static enum err
need_above(const struct wish *w, struct span storage)
{
	while (name_up(&storage))
		if (folder_exists(w->acc, storage))
			return need(w, storage, ACL_CREATE);
	return *w->acc->user == '\0' && (rights_at(w->acc->root_fd, SPAN(""),
	    &w->who) & ACL_CREATE) != 0 ? ERR_OK : ERR_PERM;
}

static enum err
list(struct wish *w)
{
	struct folder_entry *entry;
	unsigned rights;
	size_t n;
	enum err e = folder_list(w->acc, &w->a->arena, &entry, &n);

	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		if (!entry[i].exists ||
		    ((rights = rights_on(w, entry[i].name)) & ACL_LOOKUP) == 0)
			continue;
		buf_add_span(&w->a->out, entry[i].name);
		buf_addf(&w->a->out, "\t%u\t%d\n", rights, entry[i].has_new);
	}
	return e;
}

static enum err
create(struct wish *w)
{
	enum err e = need_above(w, w->name[0]);

	return e != ERR_OK ? e : folder_create(w->acc, w->name[0]);
}

static enum err
delete(struct wish *w)
{
	struct policy p;
	uint32_t id;
	enum err e = need(w, w->name[0], ACL_DELETE);

	if (e != ERR_OK)
		return e;
	p = policy_for(w->a->cfg, w->acc, w->name[0]);
	return folder_delete(w->acc, w->name[0], policy_delete(&p), &id);
}

static enum others_how
rename_how(void *ctx, struct span name)
{
	const struct wish *w = ctx;
	struct policy p = policy_for(w->a->cfg, w->acc, name);

	return policy_rename(&p);
}

static enum err
rename_it(struct wish *w)
{
	const struct others_policy policy = { rename_how, w };
	enum err e;

	if ((e = need(w, w->name[0], ACL_DELETE)) != ERR_OK ||
	    (e = need_above(w, w->name[1])) != ERR_OK)
		return e;
	return folder_rename(w->acc, w->name[0], w->name[1], &policy);
}

static enum err
renamed(struct wish *w)
{
	struct span now;
	enum err e = folder_renamed_to(w->acc, w->name[0], &w->a->arena, &now);

	if (e == ERR_OK && (e = need(w, now, ACL_LOOKUP)) == ERR_OK)
		buf_add_span(&w->a->out, now);
	return e;
}

static const struct {
	const char *word;
	enum err (*run)(struct wish *w);
	size_t names;
} wishes[] = {
	{ "list", list, 0 },
	{ "create", create, 1 },
	{ "delete", delete, 1 },
	{ "rename", rename_it, 2 },
	{ "renamed", renamed, 1 },
};

/* The kernel says which process asks: its own session is in nobody's way. */
static pid_t
asker(int fd)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 ?
	    who.pid : 0;
}

int
steward_run(struct admin *a)
{
	struct wish w = { a, a->account, { a->arg[0], a->arg[1], false },
		{ a->n > 3 ? a->arg[3] : SPAN_NONE,
		a->n > 4 ? a->arg[4] : SPAN_NONE } };
	struct buf lines = { 0 };
	enum err e = ERR_SYNTAX;

	w.acc->asker = asker(a->fd);
	log_set_prefix(arena_printf(&a->arena, "imap(%s): in %s%s: ",
	    log_text(a->arg[0]), *w.acc->user == '\0' ?
	    "a public namespace" : "the account of ",
	    log_text(span_of(w.acc->user))));
	for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++)
		if (span_eq(a->arg[2], span_of(wishes[i].word)) &&
		    a->n == 3 + wishes[i].names)
			e = wishes[i].run(&w);
	/* Two mailboxes may be in use; only a name that is waited for can be named. */
	for (size_t i = 0; i < 2 && e == ERR_BUSY; i++)
		if (w.name[i].n > 0 && folder_is_reserved(w.acc, w.name[i]))
			buf_adds(&a->out, "reserved");
	lines = a->out;
	a->out = (struct buf){ 0 };
	buf_addf(&a->out, "%d\n", (int)e);
	buf_add_span(&a->out, buf_span(&lines));
	buf_clear(&lines);
	return ADMIN_OK;
}
