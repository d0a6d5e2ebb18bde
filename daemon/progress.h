/* How far something long is: a bar on a terminal, a line now and then on a pipe. */
#ifndef DAEMON_PROGRESS_H
#define DAEMON_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *out;
	bool terminal;
	uint64_t began_ms, shown_ms;	/* clock_mono_ms */
	bool shown;			/* there is a bar to wipe */
};

/* What takes less than PROGRESS_QUIET_MS shows nothing. */
enum { PROGRESS_QUIET_MS = 1000, PROGRESS_BAR_MS = 100,
	PROGRESS_LINE_MS = 5000 };

/* terminal: `out` is one. */
void progress_begin(struct progress *p, FILE *out, bool terminal,
    uint64_t now_ms);

/*
 * `done` of `all`, of which the next one is `name` and has come to part_done of
 * part_all (0: not known). Writes when the time has come.
 */
void progress_show(struct progress *p, size_t done, size_t all,
    const char *name, size_t part_done, size_t part_all, uint64_t now_ms);

/* Wipes the bar: before something else is written, and at the end. */
void progress_hide(struct progress *p);

#endif
