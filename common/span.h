/* Text that owns nothing: a pointer and a length. */
#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *p;
	size_t n;
};

#define SPAN(literal) ((struct span){ (literal), sizeof(literal) - 1 })
#define SPAN_NONE ((struct span){ NULL, 0 })

/* A NUL-terminated string as a span; NULL gives SPAN_NONE. */
struct span span_of(const char *s);

/* Same bytes. */
bool span_eq(struct span a, struct span b);

/* Same bytes but for the case of ASCII letters. */
bool span_ieq(struct span a, struct span b);

/* memcmp order, shorter first when one is the beginning of the other. */
int span_cmp(struct span a, struct span b);

/* Whether s begins (ends) with what. */
bool span_starts(struct span s, struct span what);
bool span_istarts(struct span s, struct span what);
bool span_ends(struct span s, struct span what);

/* Without spaces, tabs, CR and LF at both ends. */
struct span span_trim(struct span s);

/*
 * Takes everything before the first `sep` off the front of *s; the separator
 * goes too. Without a separator takes all and leaves *s empty with p == NULL,
 * so that `while (s.p != NULL) { w = span_cut(&s, ' '); ...}` sees each word.
 */
struct span span_cut(struct span *s, char sep);

/* Index of the first byte c, or s.n when there is none. */
size_t span_find(struct span s, char c);

/*
 * A decimal number that fills the whole span, at most max. Leading zeros are
 * allowed, signs and spaces not. False: not such a number, *out untouched.
 */
bool span_to_u64(struct span s, uint64_t max, uint64_t *out);

/*
 * Takes a decimal number off the front of *s, perhaps with a sign. False: there is none,
 * or it is above INT64_MAX either way; *out is untouched, a sign may be taken.
 */
bool span_take_i64(struct span *s, int64_t *out);

/*
 * Length of the valid UTF-8 sequence that s begins with (RFC 3629: shortest
 * form, no surrogates): 1 to 4; 0 when there is none.
 */
size_t span_utf8(struct span s);

#endif
