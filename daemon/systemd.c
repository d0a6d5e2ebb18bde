/*
 * systemd's notify protocol. Where nobody listens (NOTIFY_SOCKET is not set, or is of
 * another kind than a unix socket) nothing is sent.
 */
#include "daemon/systemd.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/span.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* One datagram of lines "NAME=value". */
static void
tell(const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path == NULL ? 0 : strlen(path);
	int fd;

	if (n == 0 || n >= sizeof(to.sun_path) || strchr("/@", *path) == NULL)
		return;
	memcpy(to.sun_path, path, n);
	if (*path == '@')
		to.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (void *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		log_debug("systemd does not listen");
	close(fd);
}

void
systemd_ready(const char *fmt, ...)
{
	char status[512], text[640];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(status, sizeof(status), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%ld\nSTATUS=%s",
	    (long)getpid(), status);
	tell(text);
}

void
systemd_reloading(void)
{
	struct timespec t;
	char text[128];

	/* The time tells it from a READY of before that is still under way. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu\n"
	    "STATUS=Reading the configuration again",
	    (unsigned long long)t.tv_sec * 1000000 +
	    (unsigned long long)t.tv_nsec / 1000);
	tell(text);
}

void
systemd_stopping(void)
{
	tell("STOPPING=1\nSTATUS=Ending sessions");
}

/* How often it wants to hear of us, halved; 0: it does not. */
static uint64_t
watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid =
	    getenv("WATCHDOG_PID");
	uint64_t n;

	if (usec == NULL || (pid != NULL && atol(pid) != (long)getpid()) ||
	    !span_to_u64(span_of(usec), UINT64_MAX, &n) || n == 0)
		return 0;
	return n < 2000 ? 1 : n / 2000;
}

int
systemd_watchdog(void)
{
	static uint64_t due_ms;
	uint64_t every = watchdog_ms(), now = clock_mono_ms();

	if (every == 0)
		return -1;
	if (now >= due_ms) {
		tell("WATCHDOG=1");
		due_ms = now + every;
	}
	return due_ms - now > 3600000 ? 3600000 : (int)(due_ms - now);
}
