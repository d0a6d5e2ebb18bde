/*
 * A message on its way in: a file without a name, in memory, that workers of all
 * recipients read; sealed before the first of them gets it.
 */
#include "worker/spool.h"

#include "common/fsutil.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

enum { BLOCK = 16384 };

void
spool_open(struct spool *sp, uint64_t max_bytes)
{
	*sp = (struct spool){ .max_bytes = max_bytes };
	sp->fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (sp->fd < 0) {
		log_errno("no room for a message");
		sp->failed = ERR_IO;
	}
}

static void
store(struct spool *sp, const char *p, size_t n)
{
	if (n > sp->max_bytes - sp->size_bytes) {
		sp->failed = ERR_LIMIT;
		return;
	}
	if (fs_write(sp->fd, p, n) != ERR_OK) {
		log_errno("a message cannot be kept while it comes in");
		sp->failed = fs_err(errno);
		return;
	}
	sp->size_bytes += n;
}

void
spool_add(struct spool *sp, struct span piece)
{
	char block[BLOCK];

	while (piece.n > 0 && sp->failed == ERR_OK) {
		size_t n = line_ends_convert(&sp->line_ends, &piece, block,
		    sizeof(block));

		store(sp, block, n);
	}
}

enum err
spool_finish(struct spool *sp)
{
	if (sp->failed == ERR_OK && line_ends_finish(&sp->line_ends))
		store(sp, "\r", 1);
	if (sp->failed == ERR_OK && fcntl(sp->fd, F_ADD_SEALS, F_SEAL_SEAL |
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
		log_errno("a message cannot be sealed");
		sp->failed = ERR_IO;
	}
	return sp->failed;
}

void
spool_close(struct spool *sp)
{
	fs_close(&sp->fd);
	*sp = (struct spool){ .fd = -1 };
}
