/* Shared by config_expand.c and config_filter.c only. */
#ifndef COMMON_CONFIG_EXPAND_H
#define COMMON_CONFIG_EXPAND_H

#include "common/config.h"

/*
 * A variable by its long name; the value may be empty. from_user: it holds
 * what a client said. False: there is no such variable.
 */
bool expand_lookup(const struct config_vars *v, struct span name,
    struct arena *a, struct span *out, bool *from_user);

/* Copies in the other case, and with the bytes turned round. */
struct span expand_case(struct arena *a, struct span s, bool up);
struct span expand_reverse(struct arena *a, struct span s);

/* The "}" of the "{" at p, quotes minded; NULL: there is none. */
const char *expand_brace_end(const char *p);

/*
 * What is within %{}: "user", "md5:user" (2.3), "user | username | lower"
 * (2.4). False: *why_out says what is wrong, to be put after the expression.
 */
bool expand_braces(const struct config_vars *v, struct span inner,
    struct arena *a, struct span *out, bool *from_user,
    const char **why_out);

#endif
