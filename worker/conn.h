/* Byte stream over socket, TLS and (later) deflate, with deadlines. */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

struct buf;
struct tls;
struct conn;

/* in_fd may equal out_fd. Takes both over. */
struct conn *conn_new(int in_fd, int out_fd);
void conn_free(struct conn **c);

/*
 * Makes room: gives read and write buffers, and free heap pages, back while the
 * connection is idle, so that a waiting session costs next to nothing.
 */
void conn_release_buffers(struct conn *c);

/*
 * Server side TLS from here on. Whatever the client sent in plain text before is
 * thrown away (no STARTTLS injection). Errors: ERR_IO (logged with the reason).
 */
enum err conn_start_tls(struct conn *c, struct tls *context, int timeout_ms);
bool conn_is_tls(const struct conn *c);
/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)", or "". */
const char *conn_tls_text(const struct conn *c);

/* Appends tls_exporter, NUL, tls_end_point, NUL, in hex: two NULs without TLS. */
void conn_add_bindings(const struct conn *c, struct buf *out);

/* ---- reading ---- */

enum conn_wait { CONN_READABLE, CONN_WOKEN, CONN_TIMEOUT, CONN_CLOSED };

/*
 * Waits until the client sent something (or something is buffered), until wake_fd
 * (-1: none) is readable, or until the time is over (-1: for ever). Sends buffered
 * output before it waits. CONN_READABLE promises at least one byte for conn_peek.
 * CONN_CLOSED: the connection is dead (closed, failed, or asked to stop).
 */
enum conn_wait conn_wait(struct conn *c, int wake_fd, int timeout_ms);

/* Whether bytes are there without waiting for the client (the kernel is asked). */
bool conn_has_input(struct conn *c);

/*
 * Looks at buffered input; fills the buffer first when it is empty (or when `more`
 * bytes beyond what is there are wanted), waiting at most the read timeout; sends
 * buffered output before it waits. *out is good until the next read.
 * Errors: ERR_IO closed, failed, timed out ("Inactivity") or asked to stop;
 *         ERR_LIMIT more was wanted and the buffer is full
 */
enum err conn_peek(struct conn *c, bool more, struct span *out);
/* Takes n bytes off the front of what conn_peek showed. */
void conn_take(struct conn *c, size_t n);

/* ---- writing ---- */

/*
 * Adds to the output buffer, sends when it is full (large blocks go straight out).
 * Blocks at most the write timeout without progress; then the connection is dead.
 * No result: the connection remembers its first error.
 */
void conn_write(struct conn *c, const char *p, size_t n);
void conn_flush(struct conn *c);

/* Asked once per message by loops: the client is gone or must go. */
bool conn_is_dead(const struct conn *c);

/* Why it died, for the log: "Connection closed", "Inactivity", an errno text. */
const char *conn_death(const struct conn *c);
/* Marks it dead. */
void conn_kill(struct conn *c, const char *why);

/* Called whenever it has to wait for a client that does not take what it is sent. */
void conn_on_block(struct conn *c, void (*blocked)(void *arg), void *arg);

/* Deadlines in milliseconds, -1: none. */
void conn_set_timeouts(struct conn *c, int read_ms, int write_ms);
/* No read waits beyond this moment (clock_mono_ms), 0: none. For the time to log in. */
void conn_set_deadline(struct conn *c, uint64_t mono_ms);

/*
 * An orderly stop: may be called in a signal handler. Whoever waits for the client
 * then (or next), sends the farewell and finds the connection dead. SIGTERM and
 * SIGHUP stay blocked but during such waits (session_run sees to it), so that none
 * is missed and writes are not disturbed.
 */
void conn_request_stop(void);
bool conn_stop_requested(void);
/*
 * What the client is sent before the end when a stop was requested, and when a read
 * timed out: whole lines, e.g. "* BYE Server shutting down.\r\n". Not copied.
 */
void conn_set_farewells(struct conn *c, const char *on_stop,
    const char *on_timeout);

/* Payload bytes read and written since the start: for the logout line. */
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);

#endif
