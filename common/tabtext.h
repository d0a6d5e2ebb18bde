/*
 * Words in a line, parted by TAB, as Dovecot writes them: "\001" and one of "01tnr"
 * stand for "\001", NUL, TAB, LF, CR.
 */
#ifndef COMMON_TABTEXT_H
#define COMMON_TABTEXT_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Appends a word as it stands in a line. */
void tabtext_escape(struct span word, struct buf *out);

/* What a word of a line stands for; in `a`. Errors: ERR_SYNTAX an escape that is none. */
enum err tabtext_unescape(struct span word, struct arena *a, struct span *out);

/* The byte that "\001" and `c` stand for. False: none. */
bool tabtext_byte(char c, char *out);

#endif
