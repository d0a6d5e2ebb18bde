/* How far something long is. */
#include "daemon/progress.h"

#include "common/log.h"
#include "common/span.h"

enum { BAR_WIDTH = 40 };

void
progress_begin(struct progress *p, FILE *out, bool terminal, uint64_t now_ms)
{
	*p = (struct progress){ .out = out, .terminal = terminal,
		.began_ms = now_ms, .shown_ms = now_ms };
}

static void
write_bar(struct progress *p, double part)
{
	int full = (int)(part * BAR_WIDTH);

	fputs("\r\033[K[", p->out);
	for (int i = 0; i < BAR_WIDTH; i++)
		fputc(i < full ? '#' : ' ', p->out);
	fputs("] ", p->out);
}

void
progress_show(struct progress *p, size_t done, size_t all, const char *name,
    size_t part_done, size_t part_all, uint64_t now_ms)
{
	double part = part_all == 0 ? 0 :
	    (double)part_done / (double)part_all;
	uint64_t every = p->terminal ? PROGRESS_BAR_MS : PROGRESS_LINE_MS;

	if (now_ms - p->began_ms < PROGRESS_QUIET_MS ||
	    now_ms - p->shown_ms < every || all == 0)
		return;
	p->shown_ms = now_ms;
	part = ((double)done + part) / (double)all;
	if (p->terminal)
		write_bar(p, part);
	fprintf(p->out, "%3d%%  %zu of %zu users, %s", (int)(part * 100), done,
	    all, log_text(span_of(name)));
	if (part_all > 0)
		fprintf(p->out, ": %zu of %zu mailboxes", part_done, part_all);
	if (!p->terminal)
		fputc('\n', p->out);
	p->shown = p->terminal;
	fflush(p->out);
}

void
progress_hide(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", p->out);
	p->shown = false;
}
