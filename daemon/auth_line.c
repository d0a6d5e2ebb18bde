/* Lines of the auth socket. */
#include "daemon/auth_line.h"

#include "common/base64.h"
#include "common/tabtext.h"

#include <stddef.h>
#include <string.h>

/* NULL: it has a NUL, which no text has, or an escape that is none. */
static const char *
unescape(struct span value, struct arena *a)
{
	struct span text;

	return tabtext_unescape(value, a, &text) == ERR_OK &&
	    memchr(text.p, '\0', text.n) == NULL ? arena_cstr(a, text) : NULL;
}

static enum err
decode(struct span base64, struct arena *a, struct span *out)
{
	struct buf b = { .secret = true };
	enum err e = base64_decode(base64, &b);

	*out = arena_span(a, b.n > 0 ? buf_span(&b) : SPAN(""));
	buf_clear(&b);
	return e;
}

static enum err
read_auth(struct span rest, struct arena *a, struct auth_line *out)
{
	const struct {
		const char *name;
		const char **value;
	} known[] = {
		{ "service", &out->service }, { "rip", &out->remote },
		{ "lip", &out->local }, { "session", &out->session },
	};

	if ((out->mechanism = unescape(span_cut(&rest, '\t'), a)) == NULL ||
	    *out->mechanism == '\0')
		return ERR_SYNTAX;
	while (rest.n > 0) {
		struct span value, name;

		/*
		 * The response is the last, and may have any "=". Exim sends an
		 * empty one where its client sent none.
		 */
		if (span_starts(rest, SPAN("resp="))) {
			rest.p += 5;
			rest.n -= 5;
			return rest.n == 0 ? ERR_OK :
			    decode(rest, a, &out->response);
		}
		value = span_cut(&rest, '\t');
		name = span_cut(&value, '=');
		out->secured |= span_eq(name, SPAN("secured"));
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (span_eq(name, span_of(known[i].name)) &&
			    (*known[i].value = unescape(value, a)) == NULL)
				return ERR_SYNTAX;
	}
	return ERR_OK;
}

enum err
auth_line_read(struct span line, struct arena *a, struct auth_line *out)
{
	static const char *const verbs[] = {
		[AUTH_LINE_VERSION] = "VERSION", [AUTH_LINE_CPID] = "CPID",
		[AUTH_LINE_AUTH] = "AUTH", [AUTH_LINE_CONT] = "CONT",
		[AUTH_LINE_CANCEL] = "CANCEL",
	};
	struct span word = span_cut(&line, '\t');
	uint64_t number;
	int verb = 0;

	*out = (struct auth_line){ .mechanism = "", .service = "",
		.remote = "", .local = "", .session = "" };
	while (verb < AUTH_LINE_OTHER && !span_eq(word, span_of(verbs[verb])))
		verb++;
	out->verb = (enum auth_verb)verb;
	if (verb == AUTH_LINE_OTHER)
		return ERR_OK;
	if (!span_to_u64(span_cut(&line, '\t'), UINT32_MAX, &number))
		return ERR_SYNTAX;
	out->number = (uint32_t)number;
	if (verb == AUTH_LINE_AUTH)
		return read_auth(line, a, out);
	return verb == AUTH_LINE_CONT ? decode(line, a, &out->response) :
	    ERR_OK;
}
