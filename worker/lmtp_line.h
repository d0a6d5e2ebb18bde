/* What a client of LMTP says: the grammar of commands (RFC 5321 4.1.2), nothing else. */
#ifndef WORKER_LMTP_LINE_H
#define WORKER_LMTP_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

/* Longer ones are refused (RFC 5321 4.5.3.1 says 256). */
enum { LMTP_PATH_MAX = 500, LMTP_DOMAIN_MAX = 255 };

/* A mailbox or the null path. Printable ASCII only, without "<" and ">". */
struct lmtp_path {
	struct span local;	/* unquoted; "" of the null path */
	struct span domain;	/* "": none */
	struct span text;	/* "local@domain", quoted where it has to be */
};

/*
 * Takes the command's word off the front of a line (without its end). Errors:
 * ERR_SYNTAX: no word, or a byte in the line that is not printable ASCII.
 */
enum err lmtp_line_word(struct span *line, struct span *word_out);

/*
 * "FROM:<path>", and blanks behind the colon where a client puts some; a source route is
 * skipped. keyword: "FROM:". Texts in `a`. Errors: ERR_SYNTAX, *why_out says why
 * ("Missing '<' at beginning of path").
 */
enum err lmtp_line_path(struct span *args, struct span keyword,
    struct arena *a, struct lmtp_path *out, const char **why_out);

/*
 * Takes the next " KEY" or " KEY=value" off the front; key_out->n is 0 at the end. value:
 * p NULL: there is none. Errors: ERR_SYNTAX
 */
enum err lmtp_line_parameter(struct span *args, struct span *key_out,
    struct span *value_out);

/*
 * xtext (RFC 3461 4): "+" and two hexadecimal digits stand for a byte. Errors:
 * ERR_SYNTAX, as of a NUL.
 */
enum err lmtp_line_xtext(struct span s, struct arena *a, struct span *out);

/* What a client calls itself: a name or an address in brackets. */
bool lmtp_line_is_domain(struct span s);

/* "1234" or "1234 LAST", of BDAT (RFC 3030 2). Errors: ERR_SYNTAX */
enum err lmtp_line_chunk(struct span args, uint64_t *n_out, bool *last_out);

/*
 * Parts a local part at the first of the delimiters that is not its first byte: user,
 * and detail ("": there is none).
 */
void lmtp_line_detail(struct span local, struct span delimiters,
    struct span *user_out, struct span *detail_out);

#endif
