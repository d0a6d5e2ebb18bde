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

/* Words: session id, mailbox, fields to put in front. */
int
admin_deliver(struct admin *a)
{
	struct local_mail mail = { .fd = a->message_fd, .mailbox = a->arg[1],
		.header = a->arg[2] };

	if (a->message_fd < 0)
		return ADMIN_USAGE;
	log_set_prefix(arena_printf(&a->arena, "lmtp(%s)<%ld><%s>: ",
	    log_text(span_of(a->account->user)), (long)getpid(),
	    log_text(a->arg[0])));
	return exit_code(a->account, local_deliver(a->cfg, a->account, &mail));
}
