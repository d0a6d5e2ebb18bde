/*
 * SEARCH keys (the first line) against a message (the rest): a key and its
 * negation never agree, and the envelope that was remembered gives the same
 * answer.
 */
#include "worker/search.h"

#include "maildir/message.h"
#include "worker/cursor.h"
#include "worker/view.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum err
open_text(struct search_message *m, int *fd_out)
{
	const struct span *text = m->ctx;

	*fd_out = memfd_create("message", MFD_CLOEXEC);
	if (*fd_out < 0 || write(*fd_out, text->p, text->n) != (ssize_t)text->n)
		abort();
	return ERR_OK;
}

/* 1 a match, 0 none, -1 the keys are not good. */
static int
run(struct span keys, struct span *text, const struct view *view,
    struct message_info *info)
{
	struct arena a = { 0 }, slice = { 0 };
	struct cursor in = { .text = keys, .arena = &a };
	struct keywords keywords = { .name[1] = SPAN("work"), .n = 2 };
	struct search_program p;
	struct search_message m = { .view = view, .open = open_text,
	    .ctx = text, .arena = &slice };
	struct span envelope = info->envelope;
	int match = -1;

	if (search_parse(&in, view, &keywords, &p) == ERR_OK) {
		search_begin(&m, info);
		match = !p.never &&
		    ((info->flags ^ p.flag_want) & p.flag_mask) == 0 &&
		    (!p.has_uids || (p.n_uids > 0 && p.uids[0] == info->uid)) &&
		    search_matches(&p, &m);
		if (m.failed != ERR_OK)
			match = -1;
		/* Asked again, from what was learned. */
		if (match == 1 && !search_matches(&p, &m))
			abort();
	}
	search_end(&m);
	info->envelope = envelope;
	arena_free(&a);
	arena_free(&slice);
	return match;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = { (const char *)data, n };
	struct span keys = span_cut(&text, '\n');
	struct message_info info = { .uid = 7, .flags = FLAG_SEEN,
	    .keywords = 2, .size = n, .wire_size = 1000,
	    .internal_date = 1000000000 };
	struct view view = { 0 };
	struct buf negated = { 0 };
	int yes, no;

	if (text.p == NULL)
		text = SPAN("");
	view_add(&view, 7);
	view_add_recent(&view, 7, 8);
	yes = run(keys, &text, &view, &info);
	buf_adds(&negated, "NOT (");
	buf_add_span(&negated, keys);
	buf_addc(&negated, ')');
	no = run(buf_span(&negated), &text, &view, &info);
	if (yes >= 0 && no >= 0 && yes == no)
		abort();
	buf_clear(&negated);
	view_clear(&view);
	return 0;
}
