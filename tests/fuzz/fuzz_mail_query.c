/*
 * What loftctl sends a worker: a request's words, and a search query among them; the
 * keys that it becomes are read as those of SEARCH.
 */
#include "worker/mail_query.h"

#include "maildir/flags.h"
#include "worker/cursor.h"
#include "worker/mail.h"
#include "worker/search.h"
#include "worker/view.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Keys of a query are whole: SEARCH may refuse one, but reads to a key's end. */
static void
search(struct span keys, struct arena *a)
{
	static uint32_t uids[] = { 3, 5, 6, 7, 100, 4000000000 };
	struct view view = { .uids = uids, .n = 6, .uidnext = 4000000001 };
	struct keywords keywords = { .name = { SPAN("work") }, .n = 1 };
	struct cursor c = { .text = keys, .arena = a, .utf8 = true };
	struct search_program program;

	if (search_parse(&c, &view, &keywords, &program) == ERR_OK &&
	    c.at != keys.n)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mail m = { 0 };
	const struct mail_query *q;
	struct span names[4];
	const char *problem;
	struct buf keys = { 0 };

	if (mail_read_request((struct span){ (const char *)data, n }, &m) ==
	    ERR_OK && mail_query_read(m.arg, m.n, &m.arena, &q, &problem) ==
	    ERR_OK) {
		if (mail_query_names(q, names, 4) > 4)
			abort();
		mail_query_is_bound(q);
		mail_query_is_narrowed(q);
		if (mail_query_for(q, SPAN("INBOX"), SPAN("abc"), '/',
		    &keys) == MAIL_QUERY_SOME)
			search(buf_span(&keys), &m.arena);
	}
	buf_clear(&keys);
	arena_free(&m.arena);
	return 0;
}
