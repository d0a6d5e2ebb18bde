/* The ten log calls: one event, one line, one write(2). */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

#include "common/span.h"

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG };

/* Something we should have done failed. The second adds strerror(errno). */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A client or another program did something odd. */
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Login, logout, folder made or removed, reload. */
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Command names and durations, never literals. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The machine's fault: logs, exits with 75 (EX_TEMPFAIL). */
__attribute__((noreturn)) void fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
__attribute__((noreturn)) void fatal_errno(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* Our fault: logs, aborts. */
__attribute__((noreturn)) void panic(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* Messages above `level` are dropped. Default: LOG_L_INFO. */
void log_set_level(enum log_level level);

/*
 * The text in front of each message, Dovecot 2.3's shape: "imap-login: ",
 * "imap(anna)<4711><Xf3q>: ". Copied; cut at 200 bytes.
 */
void log_set_prefix(const char *prefix);

/*
 * Where lines go: a descriptor that stays open (file or stderr; lines begin
 * with "Mon DD HH:MM:SS " when `stamped`), or syslog when fd is -1, with tag
 * "dovecot" unless `tag` says otherwise, facility mail. Connects to syslog at
 * once, so call it before a chroot or a filter. A descriptor that is journald's
 * ($JOURNAL_STREAM) gets each line with its priority in front instead of a date.
 */
void log_open(int fd, bool stamped, const char *tag);

/*
 * Another place for info and debug lines: a descriptor, -1 for syslog, LOG_SAME (so it
 * is at first). After log_open, whose `stamped` and `tag` hold here too.
 */
enum { LOG_SAME = -2 };
void log_open_info(int fd);

/* The descriptor log_open got, -1 for syslog: for children to inherit. */
int log_fd(void);

/*
 * Foreign text made safe for a log line: control and non-UTF-8 bytes escaped
 * as \xHH, cut at 200 bytes with "...". Static storage, four calls in turn.
 */
const char *log_text(struct span s);

#endif
