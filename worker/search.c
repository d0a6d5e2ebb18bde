/* Reads SEARCH keys into a program. */
#include "worker/search.h"

#include "common/charset.h"
#include "common/fold.h"
#include "worker/cursor.h"
#include "worker/search_test.h"
#include "worker/view.h"

#include <string.h>
#include <strings.h>

struct reader {
	struct cursor *in;
	const struct view *view;
	const struct keywords *keywords;
	struct span charset;
	size_t n_keys;
	unsigned costs;
};

static enum err read_key(struct reader *r, unsigned depth,
    struct search_node **out);

static struct search_node *
new_node(struct reader *r)
{
	return arena_alloc(r->in->arena, sizeof(struct search_node));
}

/* A string in the command's charset, as folded UTF-8. */
static enum err
read_text(struct reader *r, struct span *out)
{
	struct buf utf8 = { 0 }, folded = { 0 };
	struct span text;
	enum err e;

	if ((e = cursor_space(r->in)) != ERR_OK ||
	    (e = cursor_astring(r->in, &text)) != ERR_OK)
		return e;
	charset_to_utf8(r->charset, text, &utf8);
	fold_utf8(buf_span(&utf8), &folded);
	*out = arena_span(r->in->arena, buf_span(&folded));
	buf_clear(&utf8);
	buf_clear(&folded);
	return ERR_OK;
}

static enum err
read_header(struct reader *r, struct search_node *n)
{
	enum err e;

	if ((e = cursor_space(r->in)) != ERR_OK ||
	    (e = cursor_astring(r->in, &n->name)) != ERR_OK ||
	    (e = read_text(r, &n->text)) != ERR_OK)
		return e;
	n->row = search_test_header(n->name);
	return ERR_OK;
}

/* One that the mailbox does not have is on no message. */
static enum err
read_keyword(struct reader *r, struct search_node *n)
{
	struct span name;
	enum err e;
	int number;

	if ((e = cursor_space(r->in)) != ERR_OK ||
	    (e = cursor_atom(r->in, &name)) != ERR_OK)
		return e;
	n->flag = flags_from_wire(name);
	if ((number = keywords_find(r->keywords, name)) >= 0)
		n->keyword = UINT64_C(1) << number;
	return ERR_OK;
}

static enum err
read_set(struct reader *r, bool by_uid, struct set *set)
{
	size_t at = r->in->at;
	enum err e;

	if ((e = cursor_set(r->in, set)) != ERR_OK ||
	    (e = view_resolve_set(r->view, set, by_uid)) == ERR_OK)
		return e;
	r->in->at = at;
	return cursor_fail(r->in, "no message has such a number");
}

static enum err
read_argument(struct reader *r, struct search_node *n)
{
	enum err e;

	switch (n->row->argument) {
	case ARG_NONE:
		return ERR_OK;
	case ARG_STRING:
		return read_text(r, &n->text);
	case ARG_HEADER:
		return read_header(r, n);
	case ARG_KEYWORD:
		return read_keyword(r, n);
	case ARG_DATE:
		if ((e = cursor_space(r->in)) != ERR_OK)
			return e;
		return cursor_date(r->in, &n->day);
	case ARG_NUMBER:
		if ((e = cursor_space(r->in)) != ERR_OK)
			return e;
		return cursor_number64(r->in, &n->number);
	case ARG_SET:
		if ((e = cursor_space(r->in)) != ERR_OK)
			return e;
		return read_set(r, true, &n->set);
	}
	return ERR_SYNTAX;
}

/* Children by cost: what is cheap decides first. */
struct children {
	struct search_node *first[COST_BODY + 1];
};

static void
add_child(struct children *l, struct search_node *c)
{
	c->next = l->first[c->cost];
	l->first[c->cost] = c;
}

static void
join_children(const struct children *l, struct search_node *parent)
{
	for (int cost = COST_BODY; cost >= COST_INDEX; cost--) {
		struct search_node *next;

		for (struct search_node *c = l->first[cost]; c != NULL;
		    c = next) {
			next = c->next;
			c->next = parent->child;
			parent->child = c;
			if (c->cost > parent->cost)
				parent->cost = c->cost;
		}
	}
}

/* search-key *(SP search-key), to the end or a ")". */
static enum err
read_list(struct reader *r, unsigned depth, struct search_node **out)
{
	struct children list = { 0 };
	struct search_node *c;
	enum err e;

	*out = new_node(r);
	do {
		if ((e = read_key(r, depth, &c)) != ERR_OK)
			return e;
		add_child(&list, c);
	} while (cursor_take(r->in, ' '));
	join_children(&list, *out);
	return ERR_OK;
}

/*
 * OR key key. Clients chain hundreds: OR a OR b OR c d is one node with four
 * children and no deeper than one.
 */
static enum err
read_or(struct reader *r, unsigned depth, struct search_node **out)
{
	struct children list = { 0 };
	struct search_node *c;
	enum err e;

	*out = new_node(r);
	(*out)->any = true;
	do {
		if ((e = cursor_space(r->in)) != ERR_OK ||
		    (e = read_key(r, depth, &c)) != ERR_OK)
			return e;
		add_child(&list, c);
		if ((e = cursor_space(r->in)) != ERR_OK)
			return e;
	} while (cursor_take_word(r->in, "OR"));
	if ((e = read_key(r, depth, &c)) != ERR_OK)
		return e;
	add_child(&list, c);
	join_children(&list, *out);
	return ERR_OK;
}

static enum err
read_not(struct reader *r, unsigned depth, struct search_node **out)
{
	bool negate = true;
	enum err e;

	if ((e = cursor_space(r->in)) != ERR_OK)
		return e;
	while (cursor_take_word(r->in, "NOT")) {
		negate = !negate;
		if ((e = cursor_space(r->in)) != ERR_OK)
			return e;
	}
	e = read_key(r, depth, out);
	if (e == ERR_OK && negate)
		(*out)->negate = !(*out)->negate;
	return e;
}

static enum err
read_named(struct reader *r, struct search_node *n)
{
	size_t from = r->in->at;
	struct span name;
	char c = cursor_peek(r->in);

	n->row = search_test_numbers();
	if ((c >= '0' && c <= '9') || c == '*')
		return read_set(r, false, &n->set);
	if (cursor_atom(r->in, &name) == ERR_OK &&
	    (n->row = search_test_find(name)) != NULL)
		return read_argument(r, n);
	r->in->at = from;
	return cursor_fail(r->in, "unknown SEARCH key");
}

static enum err
read_key(struct reader *r, unsigned depth, struct search_node **out)
{
	struct search_node *n;
	enum err e;

	*out = NULL;
	if (depth == SEARCH_DEPTH_MAX || r->n_keys++ == SEARCH_KEYS_MAX)
		return ERR_LIMIT;
	if (cursor_take(r->in, '(')) {
		if ((e = read_list(r, depth + 1, out)) != ERR_OK)
			return e;
		return cursor_char(r->in, ')');
	}
	if (cursor_take_word(r->in, "OR"))
		return read_or(r, depth + 1, out);
	if (cursor_take_word(r->in, "NOT"))
		return read_not(r, depth + 1, out);
	*out = n = new_node(r);
	if ((e = read_named(r, n)) != ERR_OK)
		return e;
	n->cost = n->row->cost;
	r->costs |= 1U << n->cost;
	return ERR_OK;
}

/* CHARSET SP astring SP */
static enum err
read_charset(struct reader *r)
{
	enum err e;

	r->charset = SPAN("UTF-8");
	if (!cursor_take_word(r->in, "CHARSET"))
		return ERR_OK;
	if ((e = cursor_space(r->in)) != ERR_OK ||
	    (e = cursor_astring(r->in, &r->charset)) != ERR_OK ||
	    (e = cursor_space(r->in)) != ERR_OK)
		return e;
	return charset_is_known(r->charset) ? ERR_OK : ERR_CHARSET;
}

/* Takes a condition on flags out of the tree. */
static bool
take_flags(struct search_program *p, const struct search_node *n)
{
	uint32_t flag = n->row->flag, want;

	if (n->row->kind != KIND_FLAG && n->row->kind != KIND_NO_FLAG)
		return false;
	want = (n->row->kind == KIND_FLAG) != n->negate ? flag : 0;
	if (p->flag_mask & flag && (p->flag_want & flag) != want)
		p->never = true;
	p->flag_mask |= flag;
	p->flag_want |= want;
	return true;
}

/* Takes the first set of messages out of the tree: only they are looked at. */
static enum err
take_uids(struct reader *r, struct search_program *p, struct search_node *n,
    bool *taken)
{
	bool by_uid = n->row->kind == KIND_UIDS;

	*taken = !p->has_uids && !n->negate &&
	    (by_uid || n->row->kind == KIND_NUMBERS);
	if (!*taken)
		return ERR_OK;
	p->has_uids = true;
	return view_resolve(r->view, &n->set, by_uid, r->in->arena, &p->uids,
	    &p->n_uids);
}

static enum err
simplify(struct reader *r, struct search_program *p)
{
	struct search_node **at = &p->root->child, *n;
	enum err e;

	while ((n = *at) != NULL) {
		bool taken = false;

		if (n->row != NULL) {
			taken = take_flags(p, n) ||
			    (n->row->kind == KIND_ALL && !n->negate);
			if (!taken &&
			    (e = take_uids(r, p, n, &taken)) != ERR_OK)
				return e;
		}
		if (taken)
			*at = n->next;
		else
			at = &n->next;
	}
	if (p->root->child == NULL)
		p->root = NULL;
	return ERR_OK;
}

enum err
search_parse(struct cursor *in, const struct view *view,
    const struct keywords *keywords, struct search_program *out)
{
	struct reader r = { .in = in, .view = view, .keywords = keywords };
	enum err e;

	*out = (struct search_program){ 0 };
	if ((e = read_charset(&r)) != ERR_OK ||
	    (e = read_list(&r, 0, &out->root)) != ERR_OK ||
	    (e = cursor_end(in)) != ERR_OK)
		return e;
	out->costs = r.costs;
	return simplify(&r, out);
}

const char *
search_charsets(struct arena *a)
{
	struct buf b = { .max = 4000 };
	const char *name, *text;

	buf_adds(&b, "BADCHARSET (US-ASCII UTF-8");
	for (size_t i = 0; (name = charset_name(i)) != NULL; i++)
		if (strcasecmp(name, "US-ASCII") != 0 &&
		    strcasecmp(name, "UTF-8") != 0 &&
		    b.n + strlen(name) + 2 < b.max)
			buf_addf(&b, " %s", name);
	buf_addc(&b, ')');
	text = arena_cstr(a, buf_span(&b));
	buf_clear(&b);
	return text;
}
