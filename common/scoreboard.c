/* What each worker of a pool is doing, one shared page each. */
#include "common/scoreboard.h"

#include "common/clock.h"
#include "common/log.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(struct scoreboard_slot) <= 4096, "a slot is a page");

struct scoreboard {
	char *pages;
	size_t n, page;
};

struct scoreboard *
scoreboard_new(size_t n)
{
	struct scoreboard *b = calloc(1, sizeof(*b));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (b == NULL || n > SIZE_MAX / page)
		fatal("no memory for the scoreboard");
	b->n = n;
	b->page = page;
	b->pages = mmap(NULL, n * page, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b->pages == MAP_FAILED)
		fatal_errno("no memory for the scoreboard");
	return b;
}

struct scoreboard_slot *
scoreboard_slot(struct scoreboard *b, size_t i)
{
	if (i >= b->n)
		panic("no slot %zu in the scoreboard", i);
	return (struct scoreboard_slot *)(void *)(b->pages + i * b->page);
}

void
scoreboard_keep_only(struct scoreboard *b, size_t i)
{
	if (i > 0)
		munmap(b->pages, i * b->page);
	if (i + 1 < b->n)
		munmap(b->pages + (i + 1) * b->page,
		    (b->n - i - 1) * b->page);
}

void
scoreboard_set(struct scoreboard_slot *slot, enum worker_state state)
{
	if (slot == NULL)
		return;
	atomic_store(&slot->since_ms, clock_mono_ms());
	atomic_store(&slot->state, (uint32_t)state);
}
