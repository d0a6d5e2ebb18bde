/* A folder's keywords: dovecot-keywords and the record. Internal to maildir/. */
#ifndef MAILDIR_FOLDER_KEYWORDS_H
#define MAILDIR_FOLDER_KEYWORDS_H

#include <stdbool.h>

#include "common/err.h"

struct folder;
struct folder_rec;

/*
 * Takes dovecot-keywords over into the record when the file changed. Letters mean
 * what the file says; numbers from 26 on live in the record only.
 */
enum err folder_keywords_refresh(struct folder *f);

/* Copies the record's keywords into the open folder; true: they are new. */
bool folder_keywords_take(struct folder *f, const struct folder_rec *r);

#endif
