/* Local delivery. Lines in the log are those of Dovecot 2.3. */
#include "worker/local.h"

#include "common/arena.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/utf7.h"
#include "maildir/account.h"
#include "maildir/alone.h"
#include "maildir/change.h"
#include "maildir/folder.h"
#include "maildir/mime.h"
#include "maildir/quota.h"
#include "maildir/subs.h"
#include "worker/namespace.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 16384, HEADER_LOOK = 65536 };

struct job {
	const struct config *cfg;
	struct account *acc;
	const struct local_mail *mail;
	struct arena arena;
	const char *id;		/* "msgid=<...>", for the log */
};

/* ---- what the message says of itself ---- */

static ssize_t
read_at(const struct local_mail *mail, char *out, size_t n, off_t at)
{
	ssize_t r;

	while ((r = pread(mail->fd, out, n, at)) < 0 &&
	    errno == EINTR)
		;
	return r;
}

static const char *
message_id(struct job *j)
{
	char *block = arena_alloc(&j->arena, HEADER_LOOK);
	ssize_t n = read_at(j->mail, block, HEADER_LOOK, 0);
	struct header_field field;
	struct span value = SPAN_NONE;

	if (n > 0 && header_find((struct span){ block, (size_t)n },
	    SPAN("Message-ID"), &field))
		value = span_trim(field.value);
	return value.n == 0 ? "unspecified" :
	    arena_cstr(&j->arena, span_of(log_text(value)));
}

/* ---- the mailbox ---- */

/* By the name that clients see; the configuration's may be in UTF-8. */
static enum err
find_storage(struct job *j, struct span name, struct span *storage_out)
{
	struct buf utf7 = { 0 };
	enum err e = utf7_from_utf8(name, &utf7);

	*storage_out = SPAN("INBOX");
	if (e == ERR_OK)
		e = namespace_to_storage(j->cfg, arena_span(&j->arena,
		    buf_span(&utf7)), &j->arena, storage_out);
	buf_clear(&utf7);
	return e;
}

/* A mailbox with a list of rights is an account of its own (alone.h). */
static enum err
open_storage(struct job *j, struct span storage, struct folder **out)
{
	struct account *in = j->acc;
	enum err e = ERR_OK;

	*out = NULL;
	if (alone_is(j->acc, storage))
		e = alone_get(j->acc, storage, &in);
	return e == ERR_OK ? folder_open(in, storage, out) : e;
}

static enum err
make_storage(struct job *j, struct span storage)
{
	enum err e = folder_create(j->acc, storage);
	bool changed;

	if (e == ERR_OK && (j->cfg->autosubscribe || j->mail->subscribe) &&
	    subs_set(
	    j->acc->control_fd, storage, true, j->acc->sync, &changed) !=
	    ERR_OK)
		log_warn("mailbox %s was made but not subscribed",
		    log_text(storage));
	/* Two messages at once: one of them makes it. */
	return e == ERR_EXISTS ? ERR_OK : e;
}

static enum err
open_mailbox(struct job *j, struct span name, struct folder **out)
{
	struct span storage;
	enum err e = find_storage(j, name, &storage);

	*out = NULL;
	if (e != ERR_OK)
		return e == ERR_SYNTAX ? ERR_CANNOT : e;
	e = open_storage(j, storage, out);
	if (e == ERR_NOTFOUND && (j->cfg->autocreate || j->mail->create) &&
	    (e = make_storage(j, storage)) == ERR_OK)
		e = open_storage(j, storage, out);
	return e;
}

/* ---- the message ---- */

static enum err
copy(const struct job *j, struct deliver *d)
{
	char block[BLOCK];
	off_t at = 0;
	ssize_t n;
	enum err e = deliver_write(d, j->mail->header.p, j->mail->header.n);

	while (e == ERR_OK && (n = read_at(j->mail, block, sizeof(block),
	    at)) != 0) {
		if (n < 0) {
			log_errno("the message cannot be read");
			return ERR_IO;
		}
		e = deliver_write(d, block, (size_t)n);
		at += n;
	}
	return e;
}

/* Before anything is written; what it says is made sure of by change_append. */
static enum err
check_quota(const struct job *j, struct folder *to)
{
	struct stat st;
	uint64_t bytes;
	enum err e;

	if (fstat(j->mail->fd, &st) < 0) {
		log_errno("the message cannot be looked at");
		return ERR_IO;
	}
	bytes = j->mail->header.n + (uint64_t)st.st_size;
	e = quota_fits(to->acc, span_of(to->name), bytes, 1);
	if (e == ERR_LIMIT)
		log_info("msgid=%s: %llu bytes are more than "
		    "quota_max_mail_size", j->id, (unsigned long long)bytes);
	return e == ERR_LIMIT ? ERR_QUOTA : e;
}

static enum err
save(const struct job *j, struct folder *to)
{
	struct deliver *d = NULL;
	enum err e;

	if ((e = check_quota(j, to)) != ERR_OK)
		return e;
	if ((e = deliver_begin(to, &d)) == ERR_OK &&
	    (e = copy(j, d)) == ERR_OK &&
	    (e = deliver_finish(d, 0, 0, clock_s())) == ERR_OK)
		e = change_append(to, &d, 1);
	deliver_free(&d);
	account_tell_changed(to->acc);
	return e;
}

static enum err
deliver_to(struct job *j, struct span name)
{
	struct folder *to;
	enum err e = open_mailbox(j, name, &to);

	if (e != ERR_OK) {
		log_info("msgid=%s: save failed to open mailbox %s: %s", j->id,
		    log_text(name), e == ERR_NOTFOUND ?
		    "Mailbox doesn't exist" : e == ERR_CANNOT ?
		    "Invalid mailbox name" : err_name(e));
		return e;
	}
	e = save(j, to);
	folder_close(&to);
	if (e == ERR_OK)
		log_info("msgid=%s: saved mail to %s", j->id, log_text(name));
	else
		log_info("msgid=%s: save failed to %s: %s", j->id,
		    log_text(name), err_name(e));
	return e;
}

enum err
local_deliver(const struct config *cfg, struct account *acc,
    const struct local_mail *mail)
{
	struct job j = { .cfg = cfg, .acc = acc, .mail = mail };
	struct span inbox = SPAN("INBOX");
	struct span name = mail->mailbox.n == 0 ? inbox : mail->mailbox;
	enum err e;

	j.id = message_id(&j);
	e = deliver_to(&j, name);
	/* What the disk refuses it would refuse there, too. */
	if ((e == ERR_NOTFOUND || e == ERR_CANNOT || e == ERR_PERM) &&
	    !span_ieq(name, inbox))
		e = deliver_to(&j, inbox);
	arena_free(&j.arena);
	return e;
}
