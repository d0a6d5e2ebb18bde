/* Answers that are lists, as doveadm writes them: flow, tab, table, pager, json. */
#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "common/span.h"

struct table;

/* Whether there is a format of that name. */
bool table_is_format(const char *name);

/* A list to be written to `out`, row by row as they come (but for "table"). */
struct table *table_open(FILE *out, const char *format);

/* What is left to be written: a list without rows has an end, too. Accepts NULL. */
void table_close(struct table **t);

/*
 * The names of the columns, parted by TAB; the first time. "=name": shown without it,
 * "+name": a text that stands below it, "name:Title": json has the name, others the
 * title.
 */
void table_names(struct table *t, struct span line);

/*
 * Bytes of rows: words as in common/tabtext.h, parted by TAB, a row ends with LF. They
 * may end anywhere. Words that a row lacks are empty, more than there are names are
 * left out.
 */
void table_feed(struct table *t, struct span bytes);

/* One list at once: rows, the first of them the names. */
void table_print(FILE *out, const char *format, struct span rows);

#endif
