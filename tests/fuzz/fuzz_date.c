/*
 * Dates of mail and of IMAP: no input is too odd, and what was understood is
 * the same after it was written and read again.
 */
#include "common/date.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
write_and_read(int64_t t)
{
	char imap[32], mail[48];
	int64_t back;
	int32_t day;

	/* Year 0 can be read, but is written as year 1. */
	if (t < -62135500000 || t > 253402210000)
		return;
	date_format_imap(t, imap);
	date_format_mail(t, mail);
	if (date_parse_imap(span_of(imap), &back) != ERR_OK || back != t ||
	    date_parse_mail(span_of(mail), &back, &day) != ERR_OK ||
	    back != t || day != date_day_local(t))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = { (const char *)data, n };
	int64_t t;
	int32_t day;

	if (date_parse_imap(in, &t) == ERR_OK)
		write_and_read(t);
	if (date_parse_mail(in, &t, &day) == ERR_OK) {
		/* The zone moves the day by one at most. */
		if (t / 86400 - day > 2 || day - t / 86400 > 2)
			abort();
		write_and_read(t);
	}
	if (date_parse_day(in, &day) == ERR_OK)
		write_and_read((int64_t)day * 86400);
	return 0;
}
