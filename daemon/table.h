/* Answers that are lists, as doveadm writes them: flow, tab, table, json. */
#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "common/span.h"

/* Whether there is a format of that name. */
bool table_is_format(const char *name);

/*
 * Writes rows (lines of words separated by TAB, the first line their names) in a
 * format. Words that a row lacks are empty, more than there are names are left out.
 */
void table_print(FILE *out, const char *format, struct span rows);

#endif
