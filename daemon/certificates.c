/*
 * Files of certificates and keys. What renews them replaces several files or links one
 * after the other, so that they are looked at only when it has been quiet for a while;
 * a pair that does not belong together even then is refused by the new pool, and the
 * next change is another try.
 */
#include "daemon/certificates.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUIET_MS = 1000, LOOK_MS = 60000 };

struct file {
	struct file *next;
	struct stat seen;
	char path[];
};

static struct file *files;
static int inotify_fd = -1;
static uint64_t due_ms;

/* Whether it is another file than at the last look, or was written to. */
static bool
look(struct file *f)
{
	struct stat now;
	bool changed;

	if (stat(f->path, &now) < 0)
		return false;
	changed = now.st_ino != f->seen.st_ino ||
	    now.st_dev != f->seen.st_dev ||
	    now.st_size != f->seen.st_size ||
	    now.st_mtim.tv_sec != f->seen.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != f->seen.st_mtim.tv_nsec;
	f->seen = now;
	return changed;
}

static void
add(const char *path)
{
	const uint32_t events = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE;
	char dir[PATH_MAX];
	const char *slash;
	struct file *f;

	if (path == NULL || (slash = strrchr(path, '/')) == NULL)
		return;
	if ((f = calloc(1, sizeof(*f) + strlen(path) + 1)) == NULL)
		fatal("no memory for the names of certificates");
	strcpy(f->path, path);
	f->next = files;
	files = f;
	snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
	if (inotify_fd >= 0 && inotify_add_watch(inotify_fd, dir, events) < 0)
		log_debug("%s cannot be watched: %s", dir,
		    strerrordesc_np(errno));
}

void
certificates_follow(const struct config *cfg)
{
	struct file *f;

	while ((f = files) != NULL) {
		files = f->next;
		free(f);
	}
	if (inotify_fd >= 0)
		close(inotify_fd);
	inotify_fd = -1;
	if (cfg->ssl == SSL_NO)
		return;
	inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	for (int i = 0; i < PEM_COUNT; i++)
		add(cfg->pem_path[i]);
	for (const struct config_host *h = cfg->hosts; h != NULL; h = h->next)
		for (int i = 0; i < PEM_COUNT; i++)
			add(h->pem[i].path);
	/* It may have been replaced since it was read: a first look is due. */
	due_ms = clock_mono_ms() + QUIET_MS;
}

int
certificates_fd(void)
{
	return inotify_fd;
}

void
certificates_hear(void)
{
	char events[4096];

	/* Which of the files it was does not matter. */
	while (read(inotify_fd, events, sizeof(events)) > 0)
		;
	due_ms = clock_mono_ms() + QUIET_MS;
}

int
certificates_due(void)
{
	uint64_t now = clock_mono_ms();

	return files == NULL ? -1 : due_ms <= now ? 0 : (int)(due_ms - now);
}

bool
certificates_changed(void)
{
	bool changed = false;

	if (certificates_due() != 0)
		return false;
	due_ms = clock_mono_ms() + LOOK_MS;
	for (struct file *f = files; f != NULL; f = f->next)
		changed |= look(f);
	return changed;
}
