/* The quota of the user that this process serves. */
#ifndef WORKER_QUOTA_USER_H
#define WORKER_QUOTA_USER_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct config;
struct folder;
struct quota;
struct session;

/*
 * What the configuration says, and in its place what userdb says of him (settings:
 * "name=value" a line), which is wrong for him alone: logged, then the configuration's
 * counts. For account_place.quota; good until the next call. NULL: none is kept.
 */
const struct quota *quota_user(const struct config *cfg, const char *user,
    const char *settings);

/*
 * Before copies of messages are made in another mailbox: whether they fit. Where they
 * do not, the client is told so. Errors: as quota_fits (maildir/quota.h)
 */
enum err quota_user_fit(struct session *s, const uint32_t *uids, size_t n,
    struct folder *to);

/* Tells the client what the administrator wants him to hear (ERR_QUOTA); returns e. */
enum err quota_user_say(struct session *s, enum err e);

#endif
