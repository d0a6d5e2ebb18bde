/* One test of a SEARCH program: what it is, what it costs, how it is asked. */
#ifndef WORKER_SEARCH_TEST_H
#define WORKER_SEARCH_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"
#include "worker/search.h"
#include "worker/search_text.h"
#include "worker/set.h"

enum search_argument { ARG_NONE, ARG_STRING, ARG_DATE, ARG_HEADER, ARG_KEYWORD,
	ARG_NUMBER, ARG_SET };

/* What kind of test a row is, where the program wants to know. */
enum search_kind { KIND_OTHER, KIND_ALL, KIND_FLAG, KIND_NO_FLAG, KIND_UIDS,
	KIND_NUMBERS };

struct search_row {
	const char *name;
	enum search_argument argument;
	enum search_cost cost;
	bool (*test)(struct search_message *m, const struct search_node *n);
	enum search_kind kind;
	uint32_t flag;
	enum envelope_field field;
	const char *source;
};

struct search_node {
	struct search_node *next;	/* sibling */
	const struct search_row *row;	/* NULL: children */
	struct search_node *child;	/* cheap ones first */
	bool any;			/* one of the children suffices */
	bool negate;
	enum search_cost cost;
	/* arguments */
	struct span text, name;
	struct set set;
	uint64_t number, keyword;
	uint32_t flag;
	int32_t day;
};

/* The row of a key (any case); NULL: none. */
const struct search_row *search_test_find(struct span name);

/* The row of a sequence set, which has no name. */
const struct search_row *search_test_numbers(void);

/* For HEADER with this field: one that asks the envelope where that has it. */
const struct search_row *search_test_header(struct span field);

/* Whether the message meets a node. */
bool search_test(struct search_message *m, const struct search_node *n);

#endif
