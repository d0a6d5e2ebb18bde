/*
 * IDLE (RFC 2177): the one place that waits for the client and for others at
 * once.
 */
#include "common/clock.h"
#include "common/db.h"
#include "maildir/account.h"
#include "maildir/folder.h"
#include "maildir/message.h"
#include "worker/commands.h"
#include "worker/conn.h"
#include "worker/resp.h"
#include "worker/wake.h"

#include <strings.h>

enum {
	/*
	 * Wake-ups are hints and may get lost: the state is looked at now and
	 * then all the same. Costs a read transaction, and no network.
	 */
	RECHECK_MS = 30 * 1000,
	/* Nobody can wake us. */
	POLL_MS = 2 * 1000,
	/*
	 * A sign of life keeps the way open and finds dead clients. Each one
	 * wakes a phone's radio, so not more often than clients themselves must
	 * begin IDLE anew (RFC 2177 3).
	 */
	SIGN_OF_LIFE_MS = 29 * 60 * 1000,
};

/* What the client sent while idling. */
enum idle_input { IDLE_MORE, IDLE_DONE, IDLE_OTHER };

/*
 * Looks at it without taking it. Anything but DONE is the next command: iOS
 * Mail sends one without ending IDLE first. It stays in the stream and runs
 * after the OK to the IDLE.
 */
static enum idle_input
classify(struct span in, size_t *taken)
{
	static const char done[] = "DONE";
	size_t n = in.n < 4 ? in.n : 4;

	*taken = 0;
	if (strncasecmp(in.p, done, n) != 0)
		return IDLE_OTHER;
	if (in.n < 5)
		return IDLE_MORE;
	if (in.p[4] == '\n') {
		*taken = 5;
		return IDLE_DONE;
	}
	if (in.p[4] != '\r')
		return IDLE_OTHER;
	if (in.n < 6)
		return IDLE_MORE;
	*taken = in.p[5] == '\n' ? 6 : 5;
	return IDLE_DONE;
}

static enum err
read_end(struct session *s)
{
	struct span in;
	size_t taken;
	bool more = false;
	enum err e;

	for (;;) {
		if ((e = conn_peek(s->conn, more, &in)) != ERR_OK)
			return e;
		switch (classify(in, &taken)) {
		case IDLE_MORE:
			more = true;
			continue;
		case IDLE_DONE:
			conn_take(s->conn, taken);
			return ERR_OK;
		case IDLE_OTHER:
			return ERR_OK;
		}
	}
}

/* Tells what changed. False: that ended the session. */
static bool
tell(struct session *s, uint64_t *spoke_ms)
{
	uint64_t before = s->view.told;

	if (sync_client(s, SYNC_ALL) != ERR_OK)
		return false;
	if (s->view.told != before)
		*spoke_ms = clock_mono_ms();
	return !conn_is_dead(s->conn);
}

/* What was put off, and all memory that the next wake-up can do without. */
static void
settle(struct session *s)
{
	while (!conn_has_input(s->conn) && account_late_work(s->account))
		continue;
	conn_release_buffers(s->conn);
	message_trim();
	db_release_pages((s->folder != NULL ? s->folder->acc :
		    s->account)->db);
}

static enum err
wait_for_end(struct session *s)
{
	uint64_t now = clock_mono_ms(), spoke_ms = now, settle_ms = now;
	uint64_t later_ms;

	while (tell(s, &spoke_ms)) {
		now = clock_mono_ms();
		later_ms = account_late_after_ms(s->account);
		if (now - spoke_ms >= SIGN_OF_LIFE_MS) {
			resp_put(s, "* OK Still here\r\n");
			spoke_ms = now;
		}
		conn_flush(s->conn);
		account_tell_changed(s->account);
		if (now >= settle_ms) {
			settle(s);
			settle_ms = now + RECHECK_MS;
		} else if (account_has_late_work(s->account) &&
		    settle_ms > now + later_ms) {
			settle_ms = now + later_ms;
		}
		switch (conn_wait(s->conn, wake_fd(s), wake_fd(s) == -1 ?
		    POLL_MS : (int)(settle_ms - now))) {
		case CONN_READABLE:
			return read_end(s);
		case CONN_WOKEN:
			wake_clear(s);
			break;
		case CONN_TIMEOUT:
			break;
		case CONN_CLOSED:
			return ERR_IO;
		}
	}
	return ERR_IO;
}

enum err
cmd_idle(struct session *s, struct cursor *in, bool by_uid)
{
	enum err e;

	(void)by_uid;
	if ((e = cursor_end(in)) != ERR_OK)
		return e;
	/* Watched first: what changes from here on wakes us. */
	s->idling = true;
	wake_idle(s, 1);
	resp_put(s, "+ idling\r\n");
	e = wait_for_end(s);
	wake_idle(s, 0);
	s->idling = false;
	return e;
}
