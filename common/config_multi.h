/* The policies of RFC 2180 as settings of one mailbox or of many. */
#ifndef COMMON_CONFIG_MULTI_H
#define COMMON_CONFIG_MULTI_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/config.h"

/* In place of a value: nothing is said. Values are an enum's, or milliseconds. */
enum { MULTI_UNSET = -1 };

/* "multiaccess_delete". */
const char *config_multi_name(enum config_multi m);

/* The policy of that name, or MULTI_COUNT. */
enum config_multi config_multi_find(const char *name);

/*
 * Takes a value from its text. False: *why_out says what is wrong with it, to be put
 * after "name = value: the value "; it lives in `a`.
 */
bool config_multi_parse(enum config_multi m, const char *text, struct arena *a,
    int64_t *value_out, const char **why_out);

/* Appends a value as config_multi_parse reads it. */
void config_multi_text(enum config_multi m, int64_t value, struct buf *out);

/* The value for mailboxes of which nothing else is said. */
int64_t config_multi_global(const struct config *cfg, enum config_multi m);

/* Sets all to MULTI_UNSET. */
void config_multi_clear(int64_t value[MULTI_COUNT]);

/*
 * A sentence about values that contradict each other (MULTI_UNSET: not said), or NULL.
 */
const char *config_multi_contradiction(const int64_t value[MULTI_COUNT]);

#endif
