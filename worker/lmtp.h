/* LMTP (RFC 2033): takes messages for many users and has them delivered. */
#ifndef WORKER_LMTP_H
#define WORKER_LMTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/span.h"
#include "worker/lmtp_dots.h"
#include "worker/lmtp_line.h"
#include "worker/recipient.h"
#include "worker/session.h"
#include "worker/spool.h"

struct config;
struct conn;
struct serve;
struct tls;

struct lmtp {
	const struct config *cfg;
	struct conn *conn;
	struct tls *tls;		/* NULL: no STARTTLS */
	int auth_fd, door;		/* to auth; the way to the next one */
	char ip[INET6_ADDRSTRLEN];		/* the client's; "" on a unix socket */
	char session_id[SESSION_ID_BYTES];
	char host[256];			/* ours */
	char client[LMTP_DOMAIN_MAX + 1];	/* as it calls itself, "" */
	bool closing;			/* QUIT */
	bool is_lda;			/* the client is loft-lda */
	bool only_uid;			/* and delivers only to accounts of `uid` */
	uid_t uid;
	unsigned n_bad;			/* commands since the last good one */
	struct arena line;		/* until the next command */

	/* the transaction; texts in `arena`, which ends with it */
	struct arena arena;
	bool has_mail;
	unsigned n_mails;		/* so far */
	struct span sender;		/* "" of the null path */
	struct recipient *first, *last;
	unsigned n_recipients;
	struct spool spool;
	bool chunking, chunks_failed;	/* BDAT has begun; and came to nothing */
	bool in_data;			/* for the log */
};

/*
 * Serves one connection to its end. Never returns. auth is reached through v's mail door.
 * lda: the client is loft-lda, which puts in no fields, says which mailbox it means
 * (XMAILBOX), and may deliver to accounts of its own uid only, unless it is root.
 */
__attribute__((noreturn)) void lmtp_serve(const struct serve *v, int fd,
    const struct sockaddr_storage *remote, bool lda);

/* "250 2.0.0 text", and the end of the line. */
void lmtp_reply(struct lmtp *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The transaction is over, or was never: nothing of it is left. */
void lmtp_reset(struct lmtp *l);

/*
 * What the client sent behind a command, after which it sends the next: reads it all
 * from the connection. An answer for each recipient, or one that says why there is none.
 */
void lmtp_take_data(struct lmtp *l);
void lmtp_take_chunk(struct lmtp *l, uint64_t n, bool last);

/* One row of lmtp_commands.def: args without the blank in front of them. */
#define LMTP(word, handler, ...) \
	void handler(struct lmtp *l, struct span args);
#include "worker/lmtp_commands.def"
#undef LMTP

#endif
