/* Mail and IMAP dates. */
#ifndef COMMON_DATE_H
#define COMMON_DATE_H

#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

/*
 * An IMAP date-time, without its quotes: " 7-Feb-1994 21:52:25 -0800"
 * (RFC 9051 9: date-time). Errors: ERR_SYNTAX.
 * time_out: seconds since 1970 UTC; may be before 1970.
 */
enum err date_parse_imap(struct span s, int64_t *time_out);

/*
 * An IMAP date, "1-Feb-1994" (RFC 9051 9: date-text), as the day's number since
 * 1970-01-01, without any zone. Errors: ERR_SYNTAX.
 */
enum err date_parse_day(struct span s, int32_t *day_out);

/*
 * A Date: field (RFC 5322 3.3 and 4.3, comments and obsolete zones included,
 * lenient with what real mail does). day_out: the day as written, for SENTON
 * and friends (zone disregarded). Errors: ERR_SYNTAX.
 */
enum err date_parse_mail(struct span s, int64_t *time_out, int32_t *day_out);

/* The local-time day number of a time, for ON, BEFORE, SINCE. */
int32_t date_day_local(int64_t t);

/* Seconds to add to UTC for local time at t. Loaded before any chroot. */
int date_zone_offset(int64_t t);

/* "07-Feb-1994 21:52:25 -0800" (26 bytes and a NUL), in local time. */
void date_format_imap(int64_t t, char out[32]);

/* "Mon, 7 Feb 1994 21:52:25 -0800", in local time. */
void date_format_mail(int64_t t, char out[48]);

/* Loads the time zone, so that a chroot does not lose it. */
void date_init(void);

#endif
