/* Error codes: the one way a function says that it failed. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

/*
 * What went wrong, seen from the caller. The place that knows why logs why,
 * once; everybody above passes the code up. worker/status.c alone knows what a
 * client sees.
 */
enum [[nodiscard]] err {
	ERR_OK,
	ERR_SYNTAX,	/* malformed input: BAD */
	ERR_STATE,	/* not now, not in this state: BAD */
	ERR_AUTH,	/* wrong credentials: NO [AUTHENTICATIONFAILED] */
	ERR_NOTFOUND,	/* no such thing: NO [NONEXISTENT] */
	ERR_EXISTS,	/* there already: NO [ALREADYEXISTS] */
	ERR_PERM,	/* not allowed: NO [NOPERM] */
	ERR_LIMIT,	/* over a limit that is a setting: NO [LIMIT] */
	ERR_QUOTA,	/* no space left for this account: NO [OVERQUOTA] */
	ERR_BUSY,	/* somebody else is at it: NO [INUSE] */
	ERR_GONE,	/* expunged meanwhile: NO [EXPUNGEISSUED] */
	ERR_CHARSET,	/* unknown charset: NO [BADCHARSET] */
	ERR_CANNOT,	/* can never work, e.g. this name: NO [CANNOT] */
	ERR_CORRUPT,	/* what is on disk makes no sense: NO [CORRUPTION] */
	ERR_UNAVAIL,	/* not to be had for the moment: NO [UNAVAILABLE] */
	ERR_IO,		/* disk or network failed: NO [UNAVAILABLE] */
};

/* Short plain name of a code for log lines, e.g. "not found". Never NULL. */
const char *err_name(enum err e);

#endif
