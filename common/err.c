/* Names of the error codes. */
#include "common/err.h"

const char *
err_name(enum err e)
{
	switch (e) {
	case ERR_OK:
		return "ok";
	case ERR_SYNTAX:
		return "syntax error";
	case ERR_STATE:
		return "wrong state";
	case ERR_AUTH:
		return "authentication failed";
	case ERR_NOTFOUND:
		return "not found";
	case ERR_EXISTS:
		return "exists already";
	case ERR_PERM:
		return "not permitted";
	case ERR_LIMIT:
		return "over a limit";
	case ERR_QUOTA:
		return "over quota";
	case ERR_BUSY:
		return "busy";
	case ERR_GONE:
		return "gone";
	case ERR_CHARSET:
		return "unknown charset";
	case ERR_CANNOT:
		return "cannot be done";
	case ERR_CORRUPT:
		return "corrupt";
	case ERR_UNAVAIL:
		return "unavailable";
	case ERR_IO:
		return "input/output error";
	}
	return "unknown error";
}
