/*
 * The table of attempts, the lists they wait in, and how many sessions each user has
 * from each address.
 */
#include "daemon/attempt.h"

#include "common/digest.h"
#include "common/fsutil.h"
#include "common/log.h"
#include "daemon/auth.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUCKETS = 4096, ENDED_MAX = 256 };

/* Sessions of one user from one address. */
struct counter {
	struct counter *next;
	uint64_t hash;
	unsigned n;
};

/* A session that ended: the pool may find that its process died badly. */
struct ended {
	pid_t pid;
	struct attempt_opened *opened;
	size_t n_opened;
};

static struct ended ended[ENDED_MAX];
static size_t n_ended;			/* ever */
static struct attempt **attempts;	/* slot: the lower half of the id */
static size_t n_slots, free_hint;
static uint64_t generation = 1;
static struct counter *counters[BUCKETS];

/* ---- lists ---- */

void
attempt_enqueue(struct attempt_list *list, struct attempt *t,
    struct attempt *after)
{
	t->list = list;
	t->before = after;
	t->next = after == NULL ? list->first : after->next;
	if (t->next != NULL)
		t->next->before = t;
	else
		list->last = t;
	if (after != NULL)
		after->next = t;
	else
		list->first = t;
}

void
attempt_dequeue(struct attempt *t)
{
	if (t->list == NULL)
		return;
	if (t->before != NULL)
		t->before->next = t->next;
	else
		t->list->first = t->next;
	if (t->next != NULL)
		t->next->before = t->before;
	else
		t->list->last = t->before;
	t->list = NULL;
	t->next = t->before = NULL;
}

/* ---- the table ---- */

struct attempt *
attempt_by_id(uint64_t id)
{
	struct attempt *t;

	if (id < ATTEMPT_FIRST_ID || n_slots == 0)
		return NULL;
	t = attempts[(uint32_t)id % n_slots];
	return t != NULL && t->id == id ? t : NULL;
}

bool
attempt_at(size_t i, struct attempt **out)
{
	*out = i < n_slots ? attempts[i] : NULL;
	return i < n_slots;
}

struct attempt *
attempt_new(int fd)
{
	struct attempt *t = calloc(1, sizeof(*t));
	size_t i;

	for (i = free_hint; i < n_slots && attempts[i] != NULL; i++)
		;
	if (i == n_slots) {
		n_slots = n_slots == 0 ? 1024 : 2 * n_slots;
		attempts = realloc(attempts, n_slots * sizeof(*attempts));
		if (attempts != NULL)
			memset(attempts + i, 0, (n_slots - i) *
			    sizeof(*attempts));
	}
	if (t == NULL || attempts == NULL)
		fatal("no memory for another client");
	free_hint = i + 1;
	attempts[i] = t;
	/* The lower half finds the slot, the upper is never used twice. */
	t->id = ++generation << 32 | i;
	t->fd = fd;
	t->mail_fd = -1;
	return t;
}

void
attempt_uncount(struct attempt *t)
{
	struct counter **link;

	if (t->counter == NULL)
		return;
	if (--t->counter->n == 0) {
		link = &counters[t->counter->hash % BUCKETS];
		while (*link != t->counter)
			link = &(*link)->next;
		*link = t->counter->next;
		free(t->counter);
	}
	t->counter = NULL;
}

void
attempt_forget(struct attempt *t)
{
	sasl_clear(&t->sasl);
	arena_free(&t->arena);
	t->tried = t->user = t->session = t->remote = t->local = NULL;
	t->mechanism = t->folder = t->asker = t->asker_groups = NULL;
	t->groups = t->settings = NULL;
	t->stored = t->extra = t->question = t->words = SPAN_NONE;
	t->request = SPAN_NONE;
	t->derive = SPAN_NONE;
	t->binding = (struct sasl_binding){ 0 };
}

const char *
attempt_text(struct attempt *t, struct span *tail)
{
	return arena_cstr(&t->arena, span_of(ipc_text(tail)));
}

static void
forget_opened(struct attempt_opened *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)o[i].request.p);
	free(o);
}

void
attempt_keep(struct attempt *t, unsigned which, struct span request)
{
	char *p = malloc(request.n + 1);
	size_t i = t->n_opened;

	for (size_t k = 0; k < t->n_opened; k++)
		if (span_eq(t->opened[k].request, request)) {
			free(p);
			return;
		}
	if (i == ATTEMPT_OPENED_MAX) {
		free((char *)(uintptr_t)t->opened[1].request.p);
		memmove(&t->opened[1], &t->opened[2], (i - 2) *
		    sizeof(*t->opened));
		i--;
	} else {
		t->opened = realloc(t->opened, ++t->n_opened *
		    sizeof(*t->opened));
	}
	if (p == NULL || t->opened == NULL)
		fatal("no memory for a session");
	memcpy(p, request.p, request.n);
	t->opened[i] = (struct attempt_opened){ which, { p, request.n } };
}

size_t
attempt_opened_by(pid_t pid, const struct attempt_opened **out)
{
	for (size_t i = 0; i < n_slots; i++)
		if (attempts[i] != NULL && attempts[i]->pid == pid &&
		    attempts[i]->phase == PHASE_SESSION) {
			*out = attempts[i]->opened;
			return attempts[i]->n_opened;
		}
	/* The newest first: numbers of processes come again. */
	for (size_t i = 1; i <= ENDED_MAX; i++) {
		const struct ended *e = &ended[(n_ended - i) % ENDED_MAX];

		if (i <= n_ended && e->pid == pid) {
			*out = e->opened;
			return e->n_opened;
		}
	}
	return 0;
}

static void
remember_end(struct attempt *t)
{
	struct ended *e = &ended[n_ended % ENDED_MAX];

	if (t->phase == PHASE_SESSION) {
		forget_opened(e->opened, e->n_opened);
		*e = (struct ended){ t->pid, t->opened, t->n_opened };
		n_ended++;
	} else {
		forget_opened(t->opened, t->n_opened);
	}
	t->opened = NULL;
	t->n_opened = 0;
}

void
attempt_free(struct attempt *t)
{
	size_t i = (uint32_t)t->id % n_slots;

	remember_end(t);
	attempt_dequeue(t);
	attempt_uncount(t);
	attempt_forget(t);
	free(t->name);
	free(t->address);
	free(t->member_of);
	if (t->fd >= 0) {
		auth_unwatch(t->fd);
		close(t->fd);
	}
	fs_close(&t->mail_fd);
	attempts[i] = NULL;
	if (i < free_hint)
		free_hint = i;
	free(t);
}

/* ---- counting ---- */

static uint64_t
hash_text(uint64_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	while (*s++ != '\0');
	return h;
}

enum err
attempt_count(struct attempt *t, uint64_t limit)
{
	static uint64_t seed;
	struct counter **link, *c;
	uint64_t h;

	if (seed == 0)
		random_bytes(&seed, sizeof(seed));
	h = hash_text(hash_text(seed, t->user), t->remote);
	for (link = &counters[h % BUCKETS]; *link != NULL;
	    link = &(*link)->next)
		if ((*link)->hash == h)
			break;
	if (*link != NULL && limit > 0 && (*link)->n >= limit)
		return ERR_LIMIT;
	if (*link == NULL) {
		if ((c = calloc(1, sizeof(*c))) == NULL)
			fatal("no memory for a counter");
		c->hash = h;
		*link = c;
	}
	(*link)->n++;
	t->counter = *link;
	return ERR_OK;
}
