/*
 * SEARCH and UID SEARCH (RFC 3501 6.4.4). Expunged messages never match (RFC
 * 2180 4.3).
 */
#include "maildir/folder.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/search.h"
#include "worker/search_run.h"
#include "worker/status.h"

#include <string.h>

enum { BLOCK = 16384, NUMBER_ROOM = 16 };

struct numbers {
	struct session *s;
	char out[BLOCK];
	size_t out_n;
	uint32_t seq;		/* of the match before */
};

/* The number of a match; mostly the one after the last. */
static uint32_t
next_seq(struct numbers *q, uint32_t uid)
{
	const struct view *v = &q->s->view;

	if (q->seq < v->n && v->uids[q->seq] == uid)
		q->seq++;
	else
		q->seq = view_seq(v, uid);
	return q->seq;
}

/*
 * " 17". Always NUMBER_ROOM bytes are copied, most of them in vain: that is a
 * few instructions, where a copy of the right length is a call.
 */
static void
add_number(struct numbers *q, uint32_t number)
{
	char room[2 * NUMBER_ROOM], *p = room + NUMBER_ROOM;

	if (q->out_n + NUMBER_ROOM > sizeof(q->out)) {
		conn_write(q->s->conn, q->out, q->out_n);
		q->out_n = 0;
	}
	do
		*--p = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	*--p = ' ';
	memcpy(q->out + q->out_n, p, NUMBER_ROOM);
	q->out_n += (size_t)(room + NUMBER_ROOM - p);
}

enum err
cmd_search(struct session *s, struct cursor *in, bool by_uid)
{
	struct search_program program;
	struct numbers q = { .s = s };
	uint32_t *uids;
	size_t n;
	enum err e, unreadable;

	sync_know_keywords(s, UINT64_MAX);
	e = search_parse(in, &s->view, &s->folder->keywords, &program);
	if (e == ERR_CHARSET)
		status_set(s, search_charsets(&s->command), NULL);
	if (e != ERR_OK)
		return e;
	e = search_run(s, &program, &s->command, &uids, &n, &unreadable);
	conn_write(s->conn, "* SEARCH", 8);
	for (size_t i = 0; i < n; i++)
		add_number(&q, by_uid ? uids[i] : next_seq(&q, uids[i]));
	conn_write(s->conn, q.out, q.out_n);
	conn_write(s->conn, "\r\n", 2);
	if (e == ERR_OK && unreadable != ERR_OK) {
		status_set(s, NULL, "Some messages could not be read.");
		e = unreadable;
	}
	return e;
}
