/* From what changed in the folder to what the client is told. */
#include "worker/sync.h"

#include "common/acl.h"
#include "common/arena.h"
#include "common/buf.h"
#include "common/log.h"
#include "common/metrics.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "worker/input.h"
#include "worker/namespace.h"
#include "worker/policy.h"
#include "worker/resp.h"
#include "worker/rights.h"
#include "worker/session.h"
#include "worker/target.h"
#include "worker/wake.h"

/* The bits of all keywords the folder has names for. */
static uint64_t
known_keywords(const struct keywords *k)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < k->n && i < KEYWORD_MAX; i++)
		if (k->name[i].n > 0)
			bits |= UINT64_C(1) << i;
	return bits;
}

void
sync_write_flag_lists(struct session *s)
{
	uint64_t known = known_keywords(&s->folder->keywords);
	bool full = known == UINT64_MAX;

	resp_put(s, "* FLAGS (");
	resp_flags(s, FLAG_ALL, known, false);
	resp_put(s, ")\r\n* OK [PERMANENTFLAGS (");
	if (s->folder->read_only) {
		resp_put(s, ")] No permanent flags permitted.\r\n");
		return;
	}
	resp_flags(s, FLAG_ALL & ~s->folder->locked_flags,
	    s->folder->keywords_locked ? 0 : known, false);
	/* "\*" promises that new keywords can be made. */
	full |= s->folder->keywords_locked;
	resp_put(s, full ? ")] Flags permitted.\r\n" :
	    " \\*)] Flags permitted.\r\n");
}

void
sync_know_keywords(struct session *s, uint64_t keywords)
{
	if (folder_know_keywords(s->folder, keywords))
		sync_write_flag_lists(s);
}

void
sync_write_flags(struct session *s, uint32_t seq, uint32_t uid,
    uint32_t flags, uint64_t keywords)
{
	sync_know_keywords(s, keywords);
	resp_put(s, "* ");
	resp_number(s, seq);
	if (s->by_uid) {
		resp_put(s, " FETCH (UID ");
		resp_number(s, uid);
		resp_put(s, " FLAGS (");
	} else {
		resp_put(s, " FETCH (FLAGS (");
	}
	resp_flags(s, flags, keywords, view_is_recent(&s->view, uid));
	resp_put(s, "))\r\n");
}

/* BYE with the mailbox's name as the client knows it. */
static void
bye_mailbox(struct session *s, const char *storage, const char *what)
{
	struct target t = target_selected(s);
	struct arena a = { 0 };
	struct buf name = { .max = 1024 };

	t.storage = span_of(storage);
	target_name(&t, &name);
	session_bye(s, arena_printf(&a, "Mailbox %s has been %s.",
	    buf_cstr(&name), what), what[0] == 'd' ? "Mailbox was deleted" :
	    "Mailbox was renamed");
	buf_clear(&name);
	arena_free(&a);
}

/*
 * What others did to the mailbox as a whole (RFC 2180 3). Returns false when it
 * ended the session.
 */
static bool
check_mailbox(struct session *s, const struct folder_changes *c)
{
	/* Not by a DELETE of ours that lets it be kept: by another program. */
	if (c->deleted && (c->lost ||
	    policy_get(s).deletion != DELETE_GHOST)) {
		bye_mailbox(s, s->folder->name, "deleted");
		return false;
	}
	if (c->renamed_to == NULL)
		return true;
	if (policy_for(s->cfg, s->folder->acc,
	    span_of(c->renamed_from)).renaming == RENAME_DISCONNECT) {
		bye_mailbox(s, c->renamed_from, "renamed");
		return false;
	}
	/* Follow: the session is bound to the folder, only the name is new. */
	s->folder->name = arena_cstr(&s->folder->arena, span_of(c->renamed_to));
	return true;
}

bool
sync_rights(struct session *s)
{
	struct folder *f = s->folder;
	struct acl_who who;

	if (f == NULL || f->acc->alone == NULL)
		return true;
	who = rights_who(s, !namespace_is_foreign(s->folder_ns));
	s->folder_rights = rights_of(f->acc, &who);
	if ((s->folder_rights & ACL_READ) == 0) {
		/* Without the right to read there is no such mailbox for us. */
		log_info("Mailbox %s: the right to read it was taken away",
		    log_text(span_of(f->name)));
		bye_mailbox(s, f->name, "deleted");
		return false;
	}
	if (rights_apply(f, s->folder_rights) && !f->read_only)
		s->view.flags_untold = true;
	return true;
}

static bool
holds(const uint32_t *uids, size_t n, uint32_t uid)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (uids[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && uids[lo] == uid;
}

/* Flags that others changed. Not for what is expunged, told or not. */
static void
tell_flags(struct session *s, const struct folder_changes *c)
{
	for (size_t i = 0; i < c->n_changed; i++) {
		const struct changed_message *m = &c->changed[i];
		uint32_t seq = view_seq(&s->view, m->uid);

		if (seq != 0 && !holds(c->expunged, c->n_expunged, m->uid))
			sync_write_flags(s, seq, m->uid, m->flags, m->keywords);
	}
}

static void
tell_expunges(struct session *s, const struct folder_changes *c,
    struct arena *a)
{
	uint32_t *seqs = arena_array(a, c->n_expunged, sizeof(*seqs));
	size_t n = view_remove_uids(&s->view, c->expunged, c->n_expunged, seqs);

	for (size_t i = 0; i < n; i++) {
		resp_put(s, "* ");
		resp_number(s, seqs[i]);
		resp_put(s, " EXPUNGE\r\n");
	}
}

static void
tell_new(struct session *s, const struct folder_changes *c)
{
	struct view *v = &s->view;
	bool any = false;

	for (size_t i = 0; i < c->n_added; i++) {
		uint32_t uid = c->added[i];

		if (uid < v->uidnext)
			continue;
		view_add(v, uid);
		v->uidnext = uid + 1;
		any = true;
	}
	if (c->uidnext > v->uidnext)
		v->uidnext = c->uidnext;
	if (c->recent_from != 0)
		view_add_recent(v, c->recent_from, v->uidnext);
	if (!any)
		return;
	resp_put(s, "* ");
	resp_number(s, v->n);
	resp_put(s, " EXISTS\r\n* ");
	resp_number(s, view_count_recent(v));
	resp_put(s, " RECENT\r\n");
}

enum err
sync_client(struct session *s, enum sync_kind kind)
{
	struct arena a = { 0 };
	struct folder_changes c = { 0 };
	struct view *v = &s->view;
	enum err e;

	if (kind == SYNC_NONE || s->folder == NULL || s->state != ST_SELECTED)
		return ERR_OK;
	if (!sync_rights(s))
		return ERR_OK;
	e = folder_look(s->folder, v->told, v->expunged_told, v->uidnext, &a,
	    &c);
	if (e == ERR_UNAVAIL) {
		session_bye(s, "[UNAVAILABLE] The mailbox is not available for "
		    "the moment.", "State was lost");
		goto out;
	}
	/*
	 * The disk could not be read: said in the log, tried again next time.
	 */
	if (e != ERR_OK) {
		e = ERR_OK;
		goto out;
	}
	if (!check_mailbox(s, &c))
		goto out;
	if (kind == SYNC_ALL && c.n_expunged > 0 && !v->expunges_now &&
	    input_has_pipelined_numbers(s))
		kind = SYNC_KEEP;
	v->expunges_now = false;
	if (c.keywords_changed || v->flags_untold)
		sync_write_flag_lists(s);
	v->flags_untold = false;
	tell_flags(s, &c);
	if (kind == SYNC_ALL && c.n_expunged > 0)
		tell_expunges(s, &c, &a);
	tell_new(s, &c);
	v->told = c.modseq;
	if (kind == SYNC_ALL || c.n_expunged == 0) {
		v->expunged_told = c.modseq;
		folder_told(s->folder, v->expunged_told);
	}
	metrics_set_untold(kind == SYNC_ALL ? 0 : (uint32_t)c.n_expunged);
out:
	arena_free(&a);
	return e;
}

void
sync_woken(struct session *s)
{
	struct arena a = { 0 };
	struct folder_changes c = { 0 };

	wake_clear(s);
	if (s->folder == NULL || s->state != ST_SELECTED)
		return;
	/* Asks for no changes: they wait for the next command. */
	if (folder_look(s->folder, UINT64_MAX, UINT64_MAX, UINT32_MAX, &a,
	    &c) == ERR_OK && check_mailbox(s, &c))
		s->view.flags_untold |= c.keywords_changed;
	arena_free(&a);
}
