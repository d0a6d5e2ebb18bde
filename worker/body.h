/* BODY[section]<partial>: from a section to bytes on the wire. */
#ifndef WORKER_BODY_H
#define WORKER_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"
#include "maildir/message.h"

struct session;
struct cursor;

enum body_what {
	BODY_ALL, BODY_HEADER, BODY_TEXT, BODY_MIME, BODY_FIELDS,
	BODY_FIELDS_NOT
};

/* A parsed section: BODY[1.2.HEADER.FIELDS (A B)]<0.100>. */
struct body_section {
	uint32_t *numbers;	/* part numbers */
	size_t n_numbers;
	enum body_what what;
	struct span *fields;	/* names asked for, any case */
	size_t n_fields;
	bool peek;
	bool partial;
	uint64_t from, max;	/* of <from.max> */
	struct span label;	/* "BODY[1.2.HEADER.FIELDS (A B)]<0>": as echoed */
};

/*
 * Reads what follows "BODY" or "BODY.PEEK": "[...]" and "<...>". Builds label from
 * the client's own words, keywords in capitals.
 */
enum err body_parse(struct cursor *in, bool peek, struct body_section *out);

/* True when the header block alone is enough (no need to map the whole file). */
bool body_needs_header_only(const struct body_section *b);

/* Writes "label nstring" of a message. NIL for a part that is not there. */
void body_write(struct session *s, const struct body_section *b,
    struct message *m);

/* The same out of a header block (body_needs_header_only). */
void body_write_header(struct session *s, const struct body_section *b,
    struct span header);

#endif
