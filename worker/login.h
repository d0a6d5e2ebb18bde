/* The way from a SASL exchange to an opened account, seen from the worker. */
#ifndef WORKER_LOGIN_H
#define WORKER_LOGIN_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

struct account;
struct config;
struct ipc_message;
struct session;

enum login_step { LOGIN_CONTINUE, LOGIN_OK, LOGIN_FAILED };

/*
 * Sends the first message of a SASL mechanism to auth and waits for the answer.
 * initial.p == NULL: no initial response. CONTINUE: *challenge (raw bytes, in
 * s->command) is to be sent to the client. OK: the account's descriptors are
 * here, the second confinement is in force, the account is open and
 * session_logged_in was called. FAILED: status_set says why (auth has waited
 * its delay already).
 */
enum login_step login_begin(struct session *s, struct span mechanism,
    struct span initial, struct span *challenge);

/* The client's answer to a challenge, raw bytes. cancel: the client sent "*". */
enum login_step login_answer(struct session *s, struct span response,
    bool cancel, struct span *challenge);

/* LOGIN user password: the PLAIN mechanism in one step. */
enum login_step login_plain(struct session *s, struct span user,
    struct span password);

/*
 * Without auth: an account whose directories were handed down (taken over; ones
 * that are not open descriptors do not count). client: its address.
 */
enum err login_with(struct session *s, const char *user, const char *client,
    const char *settings, int root_fd, int control_fd, int index_fd);

/*
 * Takes no client: waits until home hands over the account of somebody who died, and the
 * folders of others that he was in, opens and closes each, so that what he left goes at
 * once. Errors are only logged.
 */
void login_sweep(const struct config *cfg, int auth_fd, int notify_fd);

/*
 * Takes an account that home handed over (message ACCOUNT) for a process that is no
 * session: confines the process to it and opens it. The dead of the account are swept.
 * delivers: mail is put there as delivery may (quota.h); otherwise it is for loftctl.
 * Errors: ERR_CANNOT its sessions have processes of their own (a relay; nothing is
 * confined); as account_open.
 */
enum err login_take(const struct config *cfg, struct ipc_message *m,
    bool delivers, int notify_fd, struct account **account_out);

/*
 * Root, control and index directory (-1: none) out of a message ACCOUNT, whose
 * descriptors are taken. False: it makes no sense (logged).
 */
bool login_directories(struct ipc_message *m, int fd[3]);

/* Without auth: the account of the calling user (tunnel). */
enum err login_as_caller(struct session *s);

/* "PLAIN LOGIN ...": what auth offers, for CAPABILITY. Space separated. */
const char *login_mechanisms(const struct session *s);

#endif
