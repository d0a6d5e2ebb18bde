/* Modified UTF-7, the form of mailbox names (RFC 3501 5.1.3). */
#ifndef COMMON_UTF7_H
#define COMMON_UTF7_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * To UTF-8. Errors: ERR_SYNTAX for a name that is not in the one valid form
 * (superfluous shifts, printable ASCII in base64, bad surrogates, 8-bit).
 */
enum err utf7_to_utf8(struct span s, struct buf *out);

/* From UTF-8. Errors: ERR_SYNTAX for invalid UTF-8 or a control character. */
enum err utf7_from_utf8(struct span s, struct buf *out);

/* Whether s is valid UTF-8 (RFC 3629: shortest form, no surrogates). */
bool utf8_is_valid(struct span s);

#endif
