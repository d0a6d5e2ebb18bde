/*
 * dovecot-uidlist from anybody: whatever the text, what is read keeps its
 * promises, and what is written of it reads back as the same.
 */
#include "maildir/uidlist.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int dir = -1;
static char name[] = "/tmp/fuzz_uidlist.XXXXXX";

static void
remove_dir(void)
{
	(void)unlinkat(dir, "dovecot-uidlist", 0);
	(void)rmdir(name);
}

static void
open_dir(void)
{
	log_set_level(LOG_L_ERROR);
	log_open(open("/dev/null", O_WRONLY), false, NULL);
	if (mkdtemp(name) == NULL ||
	    (dir = open(name, O_RDONLY | O_DIRECTORY)) < 0)
		abort();
	atexit(remove_dir);
}

static void
check(const struct uidlist *l)
{
	uint32_t last = 0;

	if (l->uidvalidity == 0 || l->next_uid == 0)
		abort();
	for (size_t i = 0; i < l->n; i++) {
		const struct uidlist_entry *e = &l->entry[i];
		if (e->uid <= last || e->base.n == 0 || e->base.n > 255 ||
		    memchr(e->base.p, '/', e->base.n) != NULL)
			abort();
		/* Names are unique; the quadratic way, for small inputs. */
		for (size_t k = 0; k < i && l->n < 50; k++)
			if (span_eq(l->entry[k].base, e->base))
				abort();
		last = e->uid;
	}
	if (last >= l->next_uid)
		abort();
}

static void
same(const struct uidlist *a, const struct uidlist *b)
{
	if (a->uidvalidity != b->uidvalidity || a->next_uid != b->next_uid ||
	    a->n != b->n || b->dead != 0 || b->version != 3 ||
	    a->modseq_floor != b->modseq_floor || !span_eq(a->other, b->other) ||
	    strcmp(a->guid, b->guid) != 0)
		abort();
	for (size_t i = 0; i < a->n; i++)
		if (a->entry[i].uid != b->entry[i].uid ||
		    !span_eq(a->entry[i].base, b->entry[i].base) ||
		    !span_eq(a->entry[i].keys, b->entry[i].keys))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = { (const char *)data, n };
	struct uidlist l, again;

	if (dir < 0)
		open_dir();
	if (uidlist_parse(text, &l) != ERR_OK)
		return 0;
	check(&l);
	if (l.whole > n)
		abort();
	if (uidlist_write(dir, &l, l.entry, l.n, false) != ERR_OK ||
	    uidlist_read(dir, &again) != ERR_OK)
		abort();
	check(&again);
	same(&l, &again);
	if (!uidlist_is_current(dir, &l))
		abort();
	uidlist_clear(&again);
	uidlist_clear(&l);
	return 0;
}
