/*
 * The grammar of commands: every rule on any text, in any order, and the whole
 * arguments of FETCH, SEARCH, STORE and the section of BODY. Input: a byte that
 * chooses, then the text; literals stand in it as input.c leaves them.
 */
#include "maildir/flags.h"
#include "worker/body.h"
#include "worker/cursor.h"
#include "worker/fetch_item.h"
#include "worker/search.h"
#include "worker/view.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

/* One rule; false when it refused. */
static bool
one_rule(struct cursor *c, unsigned which)
{
	struct flag_list flags;
	struct span out = SPAN_NONE;
	struct set set;
	uint64_t n64;
	uint32_t n;
	int64_t t;
	int32_t day;
	enum err e = ERR_SYNTAX;

	switch (which % 18) {
	case 0: e = cursor_space(c); break;
	case 1: e = cursor_atom(c, &out); break;
	case 2: e = cursor_string(c, &out); break;
	case 3: e = cursor_astring(c, &out); break;
	case 4: e = cursor_nstring(c, &out); break;
	case 5: e = cursor_list_mailbox(c, &out); break;
	case 6: e = cursor_mailbox(c, &out); break;
	case 7: e = cursor_number(c, &n); break;
	case 8: e = cursor_nz_number(c, &n); check(e != ERR_OK || n > 0); break;
	case 9: e = cursor_number64(c, &n64); break;
	case 10: e = cursor_date_time(c, &t); break;
	case 11: e = cursor_date(c, &day); break;
	case 12: e = cursor_flags(c, true, true, &flags); break;
	case 13: e = cursor_flags(c, false, false, &flags); break;
	case 14: return cursor_take_word(c, "NIL");
	case 15: return cursor_take(c, '(') || cursor_take(c, ')');
	case 16: return cursor_take(c, cursor_peek(c));
	case 17:
		if ((e = cursor_set(c, &set)) != ERR_OK)
			break;
		for (size_t i = 0; i < set.n; i++)
			check(set.range[i].first > 0 &&
			    set.range[i].first <= set.range[i].last);
		set_resolve(&set, 1000);
		for (size_t i = 1; i < set.n; i++)
			check(set.range[i].first > set.range[i - 1].last + 1);
		break;
	}
	/* All of it must be readable. */
	for (size_t i = 0; e == ERR_OK && i < out.n; i++)
		check(out.p[i] != '\0' || which % 18 <= 6);
	return e == ERR_OK;
}

static void
any_rules(struct cursor *c, struct span choice)
{
	for (size_t i = 0; i < choice.n && !cursor_is_end(c); i++) {
		size_t before = c->at;
		bool ok = one_rule(c, (unsigned char)choice.p[i]);

		check(c->at <= c->text.n && c->at >= before);
		check(ok || c->at == before || c->problem != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint32_t uids[] = { 3, 5, 6, 7, 100, 4000000000 };
	struct view view = { .uids = uids, .n = 6, .uidnext = 4000000001 };
	struct keywords keywords = { .name = { SPAN("work") }, .n = 1 };
	struct arena arena = { 0 };
	struct body_section section;
	struct fetch_program fetch;
	struct search_program search;
	struct cursor c = { .arena = &arena };
	struct span text;
	uint32_t *found;
	size_t n_found;

	if (n == 0)
		return 0;
	text = (struct span){ (const char *)data + 1, n - 1 };
	c.text = text;
	switch (data[0] % 5) {
	case 0:
		c.text.n = text.n / 2;
		any_rules(&c, (struct span){ text.p + c.text.n,
		    text.n - c.text.n });
		break;
	case 1:
		if (view_read(&view, &c, data[0] & 128, &found,
		    &n_found) == ERR_OK && cursor_space(&c) == ERR_OK &&
		    fetch_parse(&c, data[0] & 128, &fetch) == ERR_OK)
			check(c.at <= c.text.n);
		break;
	case 2:
		if (search_parse(&c, &view, &keywords, &search) == ERR_OK)
			check(cursor_is_end(&c));
		break;
	case 3:
		if (body_parse(&c, false, &section) == ERR_OK)
			check(section.label.n > 0);
		break;
	case 4:
		for (unsigned rule = 0; rule < 18; rule++) {
			c.at = 0;
			one_rule(&c, rule);
			check(c.at <= c.text.n);
		}
		break;
	}
	arena_free(&arena);
	return 0;
}
