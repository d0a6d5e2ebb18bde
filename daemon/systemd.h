/* systemd's notify protocol, sd_notify(3): datagrams, no library. */
#ifndef DAEMON_SYSTEMD_H
#define DAEMON_SYSTEMD_H

/* Ready, or ready again after a reload; status is what `systemctl status` shows. */
void systemd_ready(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A reload begins. systemd_ready must follow, whether it succeeds or not. */
void systemd_reloading(void);

/* The end begins; what it still takes, the unit allows (TimeoutStopSec). */
void systemd_stopping(void);

/*
 * Says that we are alive, if that is due. Returns milliseconds until it is due again;
 * -1: systemd does not ask (WATCHDOG_USEC, WATCHDOG_PID).
 */
int systemd_watchdog(void);

#endif
