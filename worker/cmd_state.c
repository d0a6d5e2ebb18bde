/* CAPABILITY NOOP LOGOUT ID ENABLE. */
#include "common/log.h"
#include "common/net.h"
#include "worker/capability.h"
#include "worker/commands.h"
#include "worker/resp.h"
#include "worker/status.h"

#include <stdio.h>
#include <string.h>

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

/* ---- ID ---- */

/* What a proxy or web mail may say of its client: where it comes from. */
struct origin {
	struct span remote_ip, remote_port, local_ip, local_port, session;
};

/* True: it is one of those, or meant for another proxy (x-forward-*, x-proxy-ttl). */
static bool
take_origin(struct origin *o, struct span name, struct span value)
{
	const struct {
		struct span name;
		struct span *value;
	} known[] = {
		{ SPAN("x-originating-ip"), &o->remote_ip },
		{ SPAN("x-originating-port"), &o->remote_port },
		{ SPAN("x-connected-ip"), &o->local_ip },
		{ SPAN("x-connected-port"), &o->local_port },
		{ SPAN("x-session-id"), &o->session },
		{ SPAN("x-session-ext-id"), &o->session },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (span_ieq(name, known[i].name)) {
			*known[i].value = value;
			return true;
		}
	return name.n > 8 && (span_ieq((struct span){ name.p, 8 },
	    SPAN("x-proxy-")) || (name.n > 10 && span_ieq((struct span){
	    name.p, 10 }, SPAN("x-forward-"))) ||
	    span_ieq(name, SPAN("x-connected-name")));
}

static void
set_address(struct span ip, struct span port, struct sockaddr_storage *out)
{
	uint64_t n = 0;

	if (ip.n == 0)
		return;
	if (!span_to_u64(port, UINT16_MAX, &n))
		n = 0;
	if (!net_parse(ip, (uint16_t)n, out))
		log_warn("ID: %s is no address: ignored", log_text(ip));
}

/* The log, what auth is told and what is counted are of the client from now on. */
static void
use_origin(struct session *s, const struct origin *o)
{
	bool plain = o->session.n > 0 && o->session.n < SESSION_ID_BYTES;

	set_address(o->remote_ip, o->remote_port, &s->remote);
	set_address(o->local_ip, o->local_port, &s->local);
	/* It stands between < and > in log lines. */
	for (size_t i = 0; plain && i < o->session.n; i++)
		plain = o->session.p[i] > ' ' && o->session.p[i] < 0x7f &&
		    strchr("<>\"", o->session.p[i]) == NULL;
	if (plain)
		snprintf(s->session_id, SESSION_ID_BYTES, "%.*s",
		    (int)o->session.n, o->session.p);
}

/* "name" "value" pairs, for one log line. */
static enum err
read_id(struct cursor *in, struct buf *line, struct origin *origin)
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
		if (value.p != NULL &&
		    (origin == NULL || !take_origin(origin, name, value))) {
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
	bool heeded = s->is_trusted && s->state == ST_NOAUTH;
	struct buf line = { .max = 1000 };
	struct origin origin = { 0 };
	enum err e;

	(void)by_uid;
	if ((e = read_id(in, &line, heeded ? &origin : NULL)) == ERR_OK &&
	    (e = cursor_end(in)) == ERR_OK) {
		if (heeded)
			use_origin(s, &origin);
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
