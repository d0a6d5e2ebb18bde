/* The client's view of the mailbox: sequence numbers. */
#include "worker/view.h"

#include "common/log.h"
#include "worker/cursor.h"

#include <stdlib.h>
#include <string.h>

void
view_set(struct view *v, uint32_t *uids, size_t n)
{
	view_clear(v);
	v->uids = uids;
	v->n = v->cap = n;
}

void
view_clear(struct view *v)
{
	free(v->uids);
	free(v->recent);
	*v = (struct view){ 0 };
}

size_t
view_lower(const struct view *v, uint32_t uid)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->uids[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t
view_seq(const struct view *v, uint32_t uid)
{
	size_t i = view_lower(v, uid);

	return i < v->n && v->uids[i] == uid ? (uint32_t)i + 1 : 0;
}

void
view_add_recent(struct view *v, uint32_t from, uint32_t to)
{
	struct recent_range *more;

	if (from >= to)
		return;
	if (v->n_recent > 0 && v->recent[v->n_recent - 1].to >= from) {
		v->recent[v->n_recent - 1].to = to;
		return;
	}
	more = reallocarray(v->recent, v->n_recent + 1, sizeof(*more));
	if (more == NULL)
		fatal("no memory");
	v->recent = more;
	v->recent[v->n_recent++] = (struct recent_range){ from, to };
}

/* From the end: it is the newest messages that are asked for. */
bool
view_is_recent(const struct view *v, uint32_t uid)
{
	for (size_t i = v->n_recent; i > 0; i--)
		if (uid >= v->recent[i - 1].from)
			return uid < v->recent[i - 1].to;
	return false;
}

uint32_t
view_count_recent(const struct view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_recent; i++)
		n += view_lower(v, v->recent[i].to) -
		    view_lower(v, v->recent[i].from);
	return (uint32_t)n;
}

void
view_add(struct view *v, uint32_t uid)
{
	if (v->n > 0 && v->uids[v->n - 1] >= uid)
		panic("view: UID %u after %u", uid, v->uids[v->n - 1]);
	if (v->n == v->cap) {
		size_t cap = v->cap < 64 ? 64 : v->cap + v->cap / 2;
		uint32_t *p = reallocarray(v->uids, cap, sizeof(*p));

		if (p == NULL)
			fatal("no memory");
		v->uids = p;
		v->cap = cap;
	}
	v->uids[v->n++] = uid;
}

void
view_remove(struct view *v, uint32_t seq)
{
	if (seq == 0 || seq > v->n)
		panic("view: no message %u of %zu", seq, v->n);
	memmove(v->uids + seq - 1, v->uids + seq,
	    (v->n - seq) * sizeof(*v->uids));
	v->n--;
}

size_t
view_remove_uids(struct view *v, const uint32_t *uids, size_t n,
    uint32_t *removed)
{
	size_t gone = 0, from, to, at = 0;

	if (n == 0 || v->n == 0)
		return 0;
	from = to = view_lower(v, uids[0]);
	for (; from < v->n && at < n; from++) {
		while (at < n && uids[at] < v->uids[from])
			at++;
		if (at < n && uids[at] == v->uids[from]) {
			removed[gone] = (uint32_t)(from + 1 - gone);
			gone++;
		} else {
			v->uids[to++] = v->uids[from];
		}
	}
	memmove(v->uids + to, v->uids + from,
	    (v->n - from) * sizeof(*v->uids));
	v->n -= gone;
	return gone;
}

enum err
view_resolve_set(const struct view *v, struct set *set, bool by_uid)
{
	if (v->n == 0) {
		if (!by_uid && !set->has_star)
			return ERR_SYNTAX;
		set->n = 0;
		return ERR_OK;
	}
	set_resolve(set, by_uid ? v->uids[v->n - 1] : (uint32_t)v->n);
	if (!by_uid && set->n > 0 && set->range[set->n - 1].last > v->n)
		return ERR_SYNTAX;
	return ERR_OK;
}

/* Indices of the view that a range of the set names: [from, to). */
static void
range_bounds(const struct view *v, const struct set_range *r, bool by_uid,
    size_t *from, size_t *to)
{
	if (by_uid) {
		*from = view_lower(v, r->first);
		*to = r->last == UINT32_MAX ? v->n : view_lower(v, r->last + 1);
	} else {
		*from = r->first - 1;
		*to = r->last;
	}
}

enum err
view_resolve(const struct view *v, struct set *set, bool by_uid,
    struct arena *a, uint32_t **uids_out, size_t *n_out)
{
	size_t n = 0, from, to;
	enum err e;

	*uids_out = NULL;
	*n_out = 0;
	if ((e = view_resolve_set(v, set, by_uid)) != ERR_OK)
		return e;
	/* Counted first: one message of 100,000 must not cost 400 KB. */
	for (size_t i = 0; i < set->n; i++) {
		range_bounds(v, &set->range[i], by_uid, &from, &to);
		n += to - from;
	}
	if (n == 0)
		return ERR_OK;
	*uids_out = arena_array(a, n, sizeof(**uids_out));
	for (size_t i = 0; i < set->n; i++) {
		range_bounds(v, &set->range[i], by_uid, &from, &to);
		memcpy(*uids_out + *n_out, v->uids + from,
		    (to - from) * sizeof(**uids_out));
		*n_out += to - from;
	}
	return ERR_OK;
}

enum err
view_read(const struct view *v, struct cursor *in, bool by_uid,
    uint32_t **uids_out, size_t *n_out)
{
	size_t at = in->at;
	struct set set;
	enum err e;

	*uids_out = NULL;
	*n_out = 0;
	if ((e = cursor_set(in, &set)) != ERR_OK)
		return e;
	e = view_resolve(v, &set, by_uid, in->arena, uids_out, n_out);
	if (e == ERR_SYNTAX) {
		in->at = at;
		return cursor_fail(in, "no message has such a number");
	}
	return e;
}
