/* CAPABILITY NOOP LOGOUT ID ENABLE. */
#include "common/log.h"
#include "worker/capability.h"
#include "worker/commands.h"
#include "worker/resp.h"
#include "worker/status.h"

enum {
	ID_PAIRS_MAX = 30,	/* RFC 2971 3.3 */
	ID_NAME_MAX = 30,
	ID_VALUE_MAX = 1024,
};

enum err
cmd_capability(struct session *s, struct cursor *in, bool by_uid)
{
	struct buf list = { 0 };
	enum err e = cursor_end(in);

	(void)by_uid;
	if (e != ERR_OK)
		return e;
	capability_list(s, &list);
	resp_put(s, "* CAPABILITY ");
	resp_span(s, buf_span(&list));
	resp_put(s, "\r\n");
	buf_clear(&list);
	return ERR_OK;
}

/* News of the mailbox comes from dispatch: the row says SYNC_ALL. */
enum err
cmd_noop(struct session *s, struct cursor *in, bool by_uid)
{
	(void)s, (void)by_uid;
	return cursor_end(in);
}

enum err
cmd_logout(struct session *s, struct cursor *in, bool by_uid)
{
	enum err e = cursor_end(in);

	(void)by_uid;
	if (e != ERR_OK)
		return e;
	session_unselect(s);
	s->state = ST_LOGOUT;
	status_untagged(s, "BYE", NULL, "Logging out.");
	return ERR_OK;
}

/* "name" "value" pairs, for one log line. */
static enum err
read_id(struct cursor *in, struct buf *line)
{
	struct span name, value;
	unsigned pairs = 0;
	enum err e;

	if (cursor_take_word(in, "NIL"))
		return ERR_OK;
	if ((e = cursor_char(in, '(')) != ERR_OK)
		return e;
	if (cursor_take(in, ')'))
		return ERR_OK;
	do {
		if ((e = cursor_string(in, &name)) != ERR_OK ||
		    (e = cursor_space(in)) != ERR_OK ||
		    (e = cursor_nstring(in, &value)) != ERR_OK)
			return e;
		if (++pairs > ID_PAIRS_MAX || name.n > ID_NAME_MAX ||
		    value.n > ID_VALUE_MAX)
			return cursor_fail(in, "too much in an ID");
		if (value.p != NULL) {
			buf_addf(line, "%s%s=", line->n > 0 ? ", " : "",
			    log_text(name));
			buf_adds(line, log_text(value));
		}
	} while (cursor_take(in, ' '));
	return cursor_char(in, ')');
}

enum err
cmd_id(struct session *s, struct cursor *in, bool by_uid)
{
	struct buf line = { .max = 1000 };
	enum err e;

	(void)by_uid;
	if ((e = read_id(in, &line)) == ERR_OK &&
	    (e = cursor_end(in)) == ERR_OK) {
		if (line.n > 0 && !s->logged_id)
			log_info("ID sent: %s", buf_cstr(&line));
		s->logged_id = s->logged_id || line.n > 0;
		resp_put(s, "* ID (\"name\" \"Loft\")\r\n");
	}
	buf_clear(&line);
	return e;
}

/*
 * Nothing that is offered today needs to be switched on; unknown words are
 * ignored (RFC 5161 3.1).
 */
enum err
cmd_enable(struct session *s, struct cursor *in, bool by_uid)
{
	struct span word;
	enum err e;

	(void)by_uid;
	do {
		if ((e = cursor_atom(in, &word)) != ERR_OK)
			return e;
	} while (cursor_take(in, ' '));
	if ((e = cursor_end(in)) != ERR_OK)
		return e;
	resp_put(s, "* ENABLED\r\n");
	return ERR_OK;
}
