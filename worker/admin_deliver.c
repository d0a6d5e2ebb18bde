/* A message that LMTP took, into the account that this worker was handed. */
#include "worker/admin.h"

#include "common/err.h"
#include "common/log.h"
#include "common/quota_rules.h"
#include "maildir/account.h"
#include "worker/local.h"

#include <unistd.h>

/* What the sender is told (recipient.c reads it); all else is tried again. */
static int
exit_code(const struct account *acc, enum err e)
{
	const struct quota *quota = acc->how.quota;

	if (e == ERR_QUOTA)
		return quota != NULL && quota->tempfail ? ADMIN_CANTCREAT :
		    ADMIN_NOPERM;
	return e == ERR_OK ? ADMIN_OK : ADMIN_TEMPFAIL;
}

/*
 * Words: session id, fields to put in front, mailbox, and "lmtp" or "lda", behind which
 * "create" and "subscribe" may stand.
 */
int
admin_deliver(struct admin *a)
{
	struct local_mail mail = { .fd = a->message_fd, .header = a->arg[1],
		.mailbox = a->arg[2] };
	struct span rest = a->arg[3], service = span_cut(&rest, ' ');

	if (a->message_fd < 0)
		return ADMIN_USAGE;
	while (rest.n > 0) {
		struct span word = span_cut(&rest, ' ');

		mail.create |= span_eq(word, SPAN("create"));
		mail.subscribe |= span_eq(word, SPAN("subscribe"));
	}
	log_set_prefix(arena_printf(&a->arena, "%s(%s)<%ld><%s>: ",
	    log_text(service), log_text(span_of(a->account->user)),
	    (long)getpid(), log_text(a->arg[0])));
	return exit_code(a->account, local_deliver(a->cfg, a->account, &mail));
}
