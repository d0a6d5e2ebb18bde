/* Writes response syntax to the connection (RFC 9051 7, 9). */
#ifndef WORKER_RESP_H
#define WORKER_RESP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct session;
struct target;

/* A raw piece, and printf of small pieces (at most 1 KiB, no client text). */
void resp_put(struct session *s, const char *text);
void resp_span(struct session *s, struct span text);
void resp_f(struct session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void resp_number(struct session *s, uint64_t n);

/* string: quoted where possible, else a literal. p == NULL: NIL. */
void resp_nstring(struct session *s, struct span text);
/* astring: an atom where possible. */
void resp_astring(struct session *s, struct span text);
/* Whether a string may stand as an atom (no NIL, nothing special, not empty). */
bool resp_is_atom(struct span text);
/* A mailbox by the name that the client writes. */
void resp_mailbox(struct session *s, const struct target *t);
/* Letters of rights (RFC 4314 2.1). */
void resp_rights(struct session *s, unsigned rights);
/* "* MYRIGHTS mailbox letters" (RFC 4314 3.8). */
void resp_myrights(struct session *s, const struct target *t, unsigned rights);
/* "\Seen $Forwarded work", without parentheses; recent adds \Recent. */
void resp_flags(struct session *s, uint32_t flags, uint64_t keywords,
    bool recent);
/* "07-Feb-1994 21:52:25 -0800" with quotes. */
void resp_date_time(struct session *s, int64_t t);
/* "{n}CRLF", after which exactly n bytes are written. */
void resp_literal(struct session *s, uint64_t n);

#endif
