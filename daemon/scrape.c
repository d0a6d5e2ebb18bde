/*
 * Sums of what was counted, over pools that come and go: counters never step back. What
 * a killed pool counted since it was asked last is lost.
 */
#include "daemon/scrape.h"

#include "common/ipc.h"
#include "common/log.h"
#include "common/metrics.h"
#include "daemon/master.h"

#include <ctype.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct metrics_sum *of_pool[POOLS_MAX];	/* NULL: not heard of yet */
static struct metrics_sum ended;		/* of pools that are no more */
static uint64_t served, crashes, hung;		/* so too */
static uint64_t logins[LOGIN_COUNT], logins_ended[LOGIN_COUNT];
static struct ipc_message last_words;

/* ---- hearing ---- */

static bool
is_word(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '*')
			return false;
	return true;
}

/* Records of a message; those whose name is none are left out. */
static void
take_records(const struct ipc_message *msg, struct metrics_sum *out)
{
	struct metrics_record r;

	out->n = 0;
	for (size_t at = 0; at + sizeof(r) <= msg->tail.n &&
	    out->n < METRICS_RECORDS; at += sizeof(r)) {
		memcpy(&r, msg->tail.p + at, sizeof(r));
		r.name[sizeof(r.name) - 1] = '\0';
		if (is_word(r.name))
			out->at[out->n++] = r;
	}
}

void
scrape_hear_pool(struct master *m, struct pool *p,
    const struct ipc_message *msg)
{
	struct metrics_sum **sum = &of_pool[p - m->pools];

	if (*sum == NULL && (*sum = malloc(sizeof(**sum))) == NULL)
		fatal("no memory for metrics");
	take_records(msg, *sum);
}

void
scrape_hear_auth(const struct ipc_message *msg)
{
	struct metrics_sum sum;

	take_records(msg, &sum);
	if (sum.n == 1)
		memcpy(logins, sum.at[0].value, sizeof(logins));
}

void
scrape_auth_ended(void)
{
	for (int i = 0; i < LOGIN_COUNT; i++)
		logins_ended[i] += logins[i];
	memset(logins, 0, sizeof(logins));
}

void
scrape_pool_ended(struct master *m, struct pool *p)
{
	struct metrics_sum **sum = &of_pool[p - m->pools];
	struct pollfd fd = { p->control_fd, POLLIN, 0 };

	while (p->control_fd >= 0 && poll(&fd, 1, 0) > 0 &&
	    (fd.revents & POLLIN) != 0 && ipc_receive(p->control_fd, ROLE_POOL,
	    ROLE_MASTER, &last_words) == ERR_OK) {
		if (last_words.kind == MSG_METRICS)
			scrape_hear_pool(m, p, &last_words);
		else if (last_words.kind == MSG_POOL)
			p->last = last_words.body.pool;
		ipc_close_fds(&last_words);
	}
	served += p->last.served;
	crashes += p->last.crashes;
	hung += p->last.hung;
	p->last = (struct ipc_pool){ 0 };
	if (*sum != NULL) {
		metrics_find(*sum, METRICS_EVENTS)->value[EVENT_UNTOLD] = 0;
		metrics_add(&ended, *sum);
	}
	free(*sum);
	*sum = NULL;
}

static void
ask(struct master *m)
{
	struct child *auth = master_role(m, ROLE_AUTH);
	struct ipc_pool pool = { 0 };
	struct ipc_none none = { 0 };
	struct ipc_message *reply = ipc_message_new();

	for (int i = 0; i < POOLS_MAX; i++) {
		struct pool *p = &m->pools[i];

		if (p->pid == 0 || p->control_fd < 0 || !p->ready ||
		    ipc_send(p->control_fd, MSG_POOL, &pool, SPAN_NONE, NULL,
		    0) != ERR_OK || ipc_send(p->control_fd, MSG_METRICS, &none,
		    SPAN_NONE, NULL, 0) != ERR_OK)
			continue;
		if (master_await(m, p->control_fd, ROLE_POOL, MSG_METRICS,
		    reply) != ERR_OK)
			log_debug("a pool does not say what it counted");
	}
	if (auth->pid != 0 && ipc_send(auth->control_fd, MSG_METRICS, &none,
	    SPAN_NONE, NULL, 0) == ERR_OK && master_await(m, auth->control_fd,
	    ROLE_AUTH, MSG_METRICS, reply) != ERR_OK)
		log_debug("auth does not say what it counted");
	ipc_message_free(&reply);
}

/* ---- writing ---- */

static void
family(struct buf *out, const char *name, const char *type, const char *unit,
    const char *help)
{
	buf_addf(out, "# TYPE %s %s\n", name, type);
	if (*unit != '\0')
		buf_addf(out, "# UNIT %s %s\n", name, unit);
	buf_addf(out, "# HELP %s %s\n", name, help);
}

static void
counter(struct buf *out, const char *name, uint64_t value, const char *help)
{
	family(out, name, "counter", "", help);
	buf_addf(out, "%s_total %" PRIu64 "\n", name, value);
}

static void
gauge(struct buf *out, const char *name, uint64_t value, const char *help)
{
	family(out, name, "gauge", "", help);
	buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

static void
seconds(struct buf *out, uint64_t us)
{
	buf_addf(out, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static bool
is_command(const struct metrics_record *r)
{
	return r->name[0] != '*';
}

static void
histogram(struct buf *out, const struct metrics_record *r)
{
	static const char name[] = "loft_command_duration_seconds";
	uint64_t n = 0;

	for (int i = 0; i <= METRICS_BOUNDS; i++) {
		n += r->value[i];
		buf_addf(out, "%s_bucket{command=\"%s\",le=\"", name, r->name);
		if (i < METRICS_BOUNDS)
			seconds(out, metrics_bound_us[i]);
		else
			buf_adds(out, "+Inf");
		buf_addf(out, "\"} %" PRIu64 "\n", n);
	}
	buf_addf(out, "%s_count{command=\"%s\"} %" PRIu64 "\n", name, r->name,
	    n);
	buf_addf(out, "%s_sum{command=\"%s\"} ", name, r->name);
	seconds(out, r->value[METRICS_VALUES - 1]);
	buf_addc(out, '\n');
}

static void
commands(struct buf *out, const struct metrics_sum *sum)
{
	static const char *const replies[] = { [REPLY_OK] = "ok",
		[REPLY_NO] = "no", [REPLY_BAD] = "bad" };

	family(out, "loft_command_duration_seconds", "histogram", "seconds",
	    "From a command's last byte to its tagged answer. That of IDLE is "
	    "how long it lasted.");
	for (size_t i = 0; i < sum->n; i++)
		if (is_command(&sum->at[i]))
			histogram(out, &sum->at[i]);
	family(out, "loft_command_replies", "counter", "",
	    "Tagged answers by what they say.");
	for (size_t i = 0; i < sum->n; i++)
		for (int k = 0; k < REPLY_COUNT && is_command(&sum->at[i]); k++)
			buf_addf(out, "loft_command_replies_total{command="
			    "\"%s\",reply=\"%s\"} %" PRIu64 "\n",
			    sum->at[i].name, replies[k],
			    sum->at[i].value[METRICS_BOUNDS + 1 + k]);
}

static void
workers(struct buf *out, const struct master *m)
{
	struct ipc_pool all = { 0 };

	all.served = served;
	for (int i = 0; i < POOLS_MAX; i++) {
		const struct ipc_pool *p = &m->pools[i].last;

		if (m->pools[i].pid == 0)
			continue;
		all.idle += p->idle;
		all.login += p->login;
		all.session += p->session;
		all.limit = p->limit != 0 ? p->limit : all.limit;
		all.served += p->served;
		all.crashes += p->crashes;
		all.hung += p->hung;
	}
	family(out, "loft_workers", "gauge", "", "Processes that wait for a "
	    "connection, for a login, or serve a session.");
	buf_addf(out, "loft_workers{state=\"idle\"} %u\n"
	    "loft_workers{state=\"login\"} %u\n"
	    "loft_workers{state=\"session\"} %u\n", all.idle, all.login,
	    all.session);
	gauge(out, "loft_workers_limit", all.limit, "service imap { "
	    "process_limit } of the newest pool.");
	counter(out, "loft_connections", all.served, "Connections taken.");
	counter(out, "loft_worker_crashes", crashes + all.crashes,
	    "Workers that died of SIGSEGV, SIGABRT and the like.");
	counter(out, "loft_workers_hung", hung + all.hung,
	    "Workers killed because others waited for them.");
}

static void
auth(struct buf *out)
{
	static const char *const results[LOGIN_COUNT] = {
		[LOGIN_SUCCESS] = "success", [LOGIN_PASSWORD] = "password",
		[LOGIN_TEMPORARY] = "temporary", [LOGIN_LIMIT] = "limit",
		[LOGIN_DISABLED] = "disabled",
		[LOGIN_MECHANISM] = "mechanism", [LOGIN_SYNTAX] = "syntax",
		[LOGIN_CANCELLED] = "cancelled",
	};

	family(out, "loft_auth_attempts", "counter", "",
	    "Attempts to log in, of IMAP clients and of MTAs, by their end.");
	for (int i = 0; i < LOGIN_COUNT; i++)
		buf_addf(out, "loft_auth_attempts_total{result=\"%s\"} %" PRIu64
		    "\n", results[i], logins[i] + logins_ended[i]);
}

static void
events(struct buf *out, struct metrics_sum *sum)
{
	static const uint64_t none[EVENT_COUNT];
	const struct metrics_record *r = metrics_find(sum, METRICS_EVENTS);
	const uint64_t *v = r == NULL ? none : r->value;

	counter(out, "loft_messages_stored", v[EVENT_STORED],
	    "Messages that were appended or delivered by Loft itself.");
	counter(out, "loft_messages_expunged", v[EVENT_EXPUNGED],
	    "Messages that clients expunged.");
	counter(out, "loft_ghosts_made", v[EVENT_GHOST_MADE],
	    "Expunged messages kept for sessions that did not know yet.");
	counter(out, "loft_ghosts_removed", v[EVENT_GHOST_GONE],
	    "Those that were removed since.");
	gauge(out, "loft_expunges_untold", v[EVENT_UNTOLD],
	    "Expunge backlog: what clients were not told of when their "
	    "sessions looked last, over all sessions.");
}

void
scrape_text(struct master *m, struct buf *out)
{
	struct metrics_sum *sum = malloc(sizeof(*sum));

	if (sum == NULL)
		fatal("no memory for metrics");
	ask(m);
	*sum = ended;
	for (int i = 0; i < POOLS_MAX; i++)
		if (of_pool[i] != NULL)
			metrics_add(sum, of_pool[i]);
	family(out, "loft_build", "info", "", "What runs.");
	buf_addf(out, "loft_build_info{version=\"%s\"} 1\n", LOFT_VERSION);
	family(out, "loft_start_time_seconds", "gauge", "seconds",
	    "When it was started, since 1970.");
	buf_addf(out, "loft_start_time_seconds %" PRIu64 "\n", m->started_s);
	workers(out, m);
	auth(out);
	commands(out, sum);
	events(out, sum);
	buf_adds(out, "# EOF\n");
	free(sum);
}
