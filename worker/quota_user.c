#include "worker/quota_user.h"

#include "common/arena.h"
#include "common/config.h"
#include "common/log.h"
#include "common/quota_rules.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/quota.h"
#include "worker/namespace.h"
#include "worker/session.h"
#include "worker/status.h"

/* The configuration's settings and behind them, so that they count, the user's. */
static struct quota_setting *
all_settings(const struct config *cfg, const char *settings, struct arena *a)
{
	struct quota_setting *first = NULL, **end = &first, *s;
	struct span rest = span_of(settings), value, name;

	for (const struct quota_setting *c = cfg->quota; c != NULL;
	    c = c->next) {
		*end = s = arena_alloc(a, sizeof(*s));
		s->name = c->name;
		s->value = c->value;
		end = &s->next;
	}
	while (rest.n > 0) {
		value = span_cut(&rest, '\n');
		name = span_cut(&value, '=');
		*end = s = arena_alloc(a, sizeof(*s));
		s->name = arena_cstr(a, name);
		s->value = arena_cstr(a, value);
		end = &s->next;
	}
	return first;
}

/* A mask as storage has names. What no mailbox can be called matches none. */
static const char *
storage_mask(const struct config_namespace *ns, const char *mask,
    struct arena *a)
{
	struct span text = span_of(mask), prefix = span_of(ns->prefix), out;

	if (prefix.n > 0 && span_starts(text, prefix)) {
		text.p += prefix.n;
		text.n -= prefix.n;
	}
	return namespace_pattern(ns, text, a, &out) == ERR_OK ?
	    arena_cstr(a, out) : "";
}

/* 2.3's rules have masks of clients' names; then the blocks of mailboxes (2.4). */
static void
finish_rules(const struct config *cfg, struct arena *a, struct quota *q)
{
	const struct config_namespace *ns = namespace_inbox(cfg);
	const char *name, *why;

	for (size_t i = 0; i < q->n_rules; i++)
		q->rule[i].mask = storage_mask(ns, q->rule[i].mask, a);
	for (const struct config_mailbox *m = ns->mailboxes; m != NULL;
	    m = m->next)
		if (m->quota != NULL && quota_rules_add(q, storage_mask(ns,
		    m->name, a), m->quota, a, &name, &why) != ERR_OK)
			log_error("mailbox %s: quota settings are not heeded: "
			    "too many", m->name);
}

const struct quota *
quota_user(const struct config *cfg, const char *user, const char *settings)
{
	static struct arena a;
	static struct quota q;
	const char *name, *why;

	arena_clear(&a);
	if (cfg->quota_plugin == QUOTA_NO)
		return NULL;
	if (quota_rules_read(all_settings(cfg, settings, &a), &a, &q, &name,
	    &why) != ERR_OK) {
		log_error("user %s: %s in userdb: the value %s; what the "
		    "configuration says counts", user, name, why);
		if (quota_rules_read(cfg->quota, &a, &q, &name, &why) !=
		    ERR_OK)
			return NULL;
	}
	if (!q.is_on)
		return NULL;
	finish_rules(cfg, &a, &q);
	return &q;
}

enum err
quota_user_say(struct session *s, enum err e)
{
	const struct quota *q = s->account->how.quota;
	struct span line;
	char *text;

	if (e != ERR_QUOTA || q == NULL)
		return e;
	/* A line of printable ASCII, whatever the administrator wrote. */
	line = span_of(q->exceeded);
	text = arena_cstr(&s->command, span_cut(&line, '\n'));
	for (char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	status_set(s, NULL, *text == '\0' ? NULL : text);
	return e;
}

/* In slices: there may be very many. */
enum err
quota_user_fit(struct session *s, const uint32_t *uids, size_t n,
    struct folder *to)
{
	enum { SLICE = 256 };
	struct message_info info[SLICE];
	struct arena a = { 0 };
	uint64_t bytes = 0, messages = 0;
	enum err e = ERR_OK;

	if (s->account->how.quota == NULL)
		return ERR_OK;
	for (size_t i = 0; i < n && e == ERR_OK; i += SLICE) {
		size_t slice = n - i < SLICE ? n - i : SLICE;

		e = folder_read(s->folder, uids + i, slice, 0, &a, info);
		for (size_t k = 0; k < slice && e == ERR_OK; k++) {
			bytes += info[k].size;
			messages += !info[k].gone;
		}
		arena_clear(&a);
	}
	arena_free(&a);
	if (e != ERR_OK || messages == 0)
		return e;
	return quota_user_say(s, quota_fits(to->acc, span_of(to->name), bytes,
	    messages));
}
