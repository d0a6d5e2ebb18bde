/*
 * Turns an error code into OK, NO, BAD and a response code (RFC 3501 7.1,
 * RFC 5530). No other file knows what a client sees of an error.
 */
#include "worker/status.h"

#include "worker/resp.h"
#include "worker/session.h"

#include <stdio.h>

struct answer {
	const char *kind, *code, *text;
};

static struct answer
answer_for(enum err e)
{
	switch (e) {
	case ERR_OK:
		return (struct answer){ "OK", "", NULL };
	case ERR_SYNTAX:
		return (struct answer){ "BAD", "", "Syntax error." };
	case ERR_STATE:
		return (struct answer){ "BAD", "", "Not possible now." };
	case ERR_AUTH:
		return (struct answer){ "NO", "AUTHENTICATIONFAILED",
		    "Authentication failed." };
	case ERR_NOTFOUND:
		return (struct answer){ "NO", "NONEXISTENT",
		    "There is no such mailbox." };
	case ERR_EXISTS:
		return (struct answer){ "NO", "ALREADYEXISTS",
		    "A mailbox of this name exists." };
	case ERR_PERM:
		return (struct answer){ "NO", "NOPERM", "Permission denied." };
	case ERR_LIMIT:
		return (struct answer){ "NO", "LIMIT", "Over a limit." };
	case ERR_QUOTA:
		return (struct answer){ "NO", "OVERQUOTA",
		    "No space is left for this account." };
	case ERR_BUSY:
		return (struct answer){ "NO", "INUSE",
		    "In use by another session; try again later." };
	case ERR_GONE:
		return (struct answer){ "NO", "EXPUNGEISSUED",
		    "Some of the messages no longer exist." };
	case ERR_CHARSET:
		return (struct answer){ "NO", "BADCHARSET",
		    "Unknown character set." };
	case ERR_CANNOT:
		return (struct answer){ "NO", "CANNOT",
		    "This name is not possible." };
	case ERR_CORRUPT:
		return (struct answer){ "NO", "CORRUPTION",
		    "The data on disk is damaged." };
	case ERR_UNAVAIL:
		return (struct answer){ "NO", "UNAVAILABLE",
		    "Not available for the moment." };
	case ERR_IO:
		return (struct answer){ "NO", "UNAVAILABLE",
		    "Internal error; the administrator can find it in the log."
		};
	}
	return (struct answer){ "NO", "SERVERBUG", "Internal error." };
}

void
status_set(struct session *s, const char *code, const char *text)
{
	s->status_code = code;
	s->status_text = text;
}

/* " [code] text" and the line end. */
static void
write_rest(struct session *s, const char *code, const char *text)
{
	if (code != NULL && *code != '\0') {
		resp_put(s, " [");
		resp_put(s, code);
		resp_put(s, "]");
	}
	resp_put(s, " ");
	resp_put(s, text);
	resp_put(s, "\r\n");
}

void
status_write(struct session *s, struct span tag, const char *name, enum err e)
{
	struct answer a = answer_for(e);
	char completed[64];

	if (s->status_code != NULL)
		a.code = s->status_code;
	if (s->status_text != NULL)
		a.text = s->status_text;
	if (a.text == NULL) {
		snprintf(completed, sizeof(completed), "%s completed.", name);
		a.text = completed;
	}
	if (tag.n == 0)
		resp_put(s, "*");
	else
		resp_span(s, tag);
	resp_put(s, " ");
	resp_put(s, a.kind);
	write_rest(s, a.code, a.text);
}

void
status_untagged(struct session *s, const char *kind, const char *code,
    const char *text)
{
	resp_put(s, "* ");
	resp_put(s, kind);
	write_rest(s, code, text);
}
