/*
 * maildirsize, in the control directory (the mail root):
 *
 *   1073741824S,1000C      limits: bytes and messages, either may lack; "0S" none
 *   25000 7                what there was when the file was written
 *   2048 1                 each line after it a change: bytes and messages
 *   -2048 -1
 *
 * The sum of all lines is what there is. Lines are appended, each by one write with
 * O_APPEND; a file of 5120 bytes or more, one that is damaged, or whose limits changed is
 * replaced by rename. Over quota nobody trusts a file with more than one line, or one older
 * than 15 minutes: it is replaced then, too, so that others need not count for themselves.
 *
 * Among our own processes one writes at a time, within a write transaction: it reads the
 * sum, and appends what our count differs from it by. So what others append for mail that
 * we find by a scan is not counted twice, whoever comes first, and a crash anywhere is made
 * good by the next one to come. "file-bytes" and "file-messages" are the sum as we last
 * left it: another one means that somebody else delivered or removed mail.
 */
#include "maildir/maildirsize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/fsutil.h"
#include "common/killpoint.h"
#include "common/log.h"
#include "common/quota_rules.h"
#include "maildir/account.h"
#include "maildir/quota.h"
#include "maildir/state.h"

enum { STALE_S = 15 * 60 };

static const char file_name[] = "maildirsize";

/* ---- the text ---- */

/* "1000S,10C": what is none is passed over, as Dovecot does. */
static void
parse_limits(struct span line, struct maildirsize *out)
{
	while (line.p != NULL) {
		struct span word = span_trim(span_cut(&line, ','));
		char unit = word.n > 0 ? word.p[word.n - 1] : '\0';
		uint64_t n;

		if (word.n < 2)
			continue;
		word.n--;
		if (!span_to_u64(word, INT64_MAX, &n) || n == 0)
			continue;
		if (unit == 'S')
			out->bytes_limit = n;
		else if (unit == 'C')
			out->messages_limit = n;
	}
}

/* A number with blanks before it and perhaps a sign. */
static bool
take_number(struct span *s, int64_t *out)
{
	while (s->n > 0 && (*s->p == ' ' || *s->p == '\t'))
		s->p++, s->n--;
	return span_take_i64(s, out);
}

bool
maildirsize_parse(struct span text, struct maildirsize *out)
{
	int64_t bytes = 0, messages = 0, b, m;
	struct span line;

	*out = (struct maildirsize){ 0 };
	if (span_find(text, '\n') == text.n)
		return false;
	parse_limits(span_cut(&text, '\n'), out);
	/* Behind the last line end there is to be nothing. */
	while (text.n > 0) {
		if (span_find(text, '\n') == text.n)
			return false;
		line = span_cut(&text, '\n');
		if (!take_number(&line, &b) || !take_number(&line, &m) ||
		    __builtin_add_overflow(bytes, b, &bytes) ||
		    __builtin_add_overflow(messages, m, &messages))
			return false;
		out->lines++;
	}
	if (bytes < 0 || messages < 0 || out->lines == 0)
		return false;
	out->bytes = (uint64_t)bytes;
	out->messages = (uint64_t)messages;
	return true;
}

/* ---- the file ---- */

struct file {
	int fd;			/* for appending; -1: there is none */
	bool usable;		/* a line can be appended */
	int64_t mtime;		/* seconds */
	struct maildirsize m;
};

static void
open_file(const struct account *acc, struct file *f)
{
	char text[MAILDIRSIZE_MAX + 1];
	struct stat st;
	ssize_t n = -1;

	*f = (struct file){ .fd = openat(acc->control_fd, file_name, O_RDWR |
	    O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) };
	if (f->fd < 0 || fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (n = pread(f->fd, text, sizeof(text), 0)) < 0)
		return;
	f->mtime = st.st_mtim.tv_sec;
	f->usable = maildirsize_parse((struct span){ text, (size_t)n },
	    &f->m) && n < MAILDIRSIZE_MAX;
}

void
maildirsize_read_limits(struct account *acc)
{
	struct file f;

	open_file(acc, &f);
	acc->file_limits.bytes = f.m.bytes_limit;
	acc->file_limits.messages = f.m.messages_limit;
	fs_close(&f.fd);
}

static enum err
replace(const struct account *acc, struct usage limits, struct usage now)
{
	struct buf text = { 0 };
	enum err e;

	if (limits.bytes != 0 || limits.messages == 0)
		buf_addf(&text, "%lluS", (unsigned long long)limits.bytes);
	if (limits.messages != 0)
		buf_addf(&text, "%s%lluC", text.n > 0 ? "," : "",
		    (unsigned long long)limits.messages);
	buf_addf(&text, "\n%llu %llu\n", (unsigned long long)now.bytes,
	    (unsigned long long)now.messages);
	e = fs_replace(acc->control_fd, file_name, buf_span(&text),
	    acc->file_mode, false);
	buf_clear(&text);
	return e;
}

static enum err
append(const struct file *f, struct usage now)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%lld %lld\n",
	    (long long)(now.bytes - f->m.bytes),
	    (long long)(now.messages - f->m.messages));

	if (write(f->fd, line, (size_t)n) == n)
		return ERR_OK;
	log_errno("cannot append to maildirsize");
	return fs_err(errno);
}

static bool
is_over(struct usage limits, struct usage now)
{
	return (limits.bytes != 0 && now.bytes > limits.bytes) ||
	    (limits.messages != 0 && now.messages > limits.messages);
}

static bool
is_same(struct usage a, struct usage b)
{
	return a.bytes == b.bytes && a.messages == b.messages;
}

/* What to do, in the transaction that keeps our others away. */
static enum err
write_file(struct db_txn *t, struct account *acc, bool looked,
    bool *look_out)
{
	struct usage now, limits, sum, left;
	struct file f;
	bool stale, over;
	enum err e = quota_usage(t, acc, &now);

	if (e != ERR_OK)
		return e;
	open_file(acc, &f);
	acc->file_limits.bytes = f.m.bytes_limit;
	acc->file_limits.messages = f.m.messages_limit;
	limits = quota_limits_of_all(acc);
	sum = (struct usage){ f.m.bytes, f.m.messages };
	left = (struct usage){ meta_get(t, "file-bytes"),
		meta_get(t, "file-messages") };
	over = is_over(limits, now);
	stale = over && clock_s() - f.mtime > STALE_S;
	*look_out = !looked && f.fd >= 0 && ((f.usable && !is_same(sum,
	    left) && !is_same(sum, now)) || stale);
	if (*look_out) {
		fs_close(&f.fd);
		return ERR_OK;
	}
	if (!f.usable || f.m.bytes_limit != limits.bytes ||
	    f.m.messages_limit != limits.messages || stale ||
	    (over && (f.m.lines > 1 || !is_same(sum, now))))
		e = replace(acc, limits, now);
	else if (!is_same(sum, now))
		e = append(&f, now);
	fs_close(&f.fd);
	KILL_POINT("maildirsize-written");
	if (e == ERR_OK && !is_same(left, now) &&
	    (e = meta_put(t, "file-bytes", now.bytes)) == ERR_OK)
		e = meta_put(t, "file-messages", now.messages);
	return e;
}

enum err
maildirsize_agree(struct account *acc)
{
	struct db_txn *t;
	bool look = false;
	enum err e;

	for (bool looked = false;; looked = true) {
		if ((e = account_write(acc, &t)) != ERR_OK)
			return e;
		if ((e = write_file(t, acc, looked, &look)) != ERR_OK ||
		    look)
			db_abort(&t);
		else
			e = db_commit(&t);
		if (e != ERR_OK || !look)
			return e;
		if ((e = quota_look(acc)) != ERR_OK)
			return e;
	}
}
