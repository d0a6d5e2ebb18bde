/* Mail and IMAP dates. */
#include "common/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* Tuesday, 8 Feb 1994 05:52:25 UTC: what most examples here mean. */
enum { WHEN = 760686745, DAY_7 = 8803 };

static void
set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	date_init();
}

static void
imap_date_times(void **state)
{
	static const struct {
		const char *text;
		int64_t t;
	} good[] = {
		{ " 7-Feb-1994 21:52:25 -0800", WHEN },
		{ "07-feb-1994 21:52:25 -0800", WHEN },
		{ "08-FEB-1994 11:37:25 +0545", WHEN },
		{ " 1-Jan-1970 00:00:00 +0000", 0 },
		{ "31-Dec-1969 23:59:59 +0000", -1 },
		{ "29-Feb-2000 12:00:00 +0000", 951825600 },
		{ "30-Jun-2015 23:59:60 +0000", 1435708800 },
		{ "19-Jan-2038 03:14:08 +0000", 2147483648 },
		{ " 1-Mar-1900 00:00:00 +0000", -2203891200 },
		{ "31-Dec-9999 23:59:59 +0000", 253402300799 },
	};
	static const char *const bad[] = { "", "7-Feb-1994 21:52:25 -0800",
		"  7-Feb-1994 21:52:25 -0800", " 7-Feb-1994 21:52:25",
		" 7-Feb-1994 21:52:25 -080", " 7-Feb-1994 21:52:25 -08000",
		" 7-Feb-1994 21:52:25 0800", " 7-Feb-1994 21:52:25  -0800",
		" 7-Feb-1994 24:52:25 -0800", " 7-Feb-1994 21:60:25 -0800",
		" 7-Feb-1994 21:52:61 -0800", " 7-Feb-94 21:52:25 -0800",
		"29-Feb-1900 00:00:00 +0000", "31-Apr-2000 00:00:00 +0000",
		" 0-Feb-1994 21:52:25 -0800", "00-Feb-1994 21:52:25 -0800",
		" 7-Foo-1994 21:52:25 -0800", " 7 Feb 1994 21:52:25 -0800",
		" 7-Feb-1994 21:52:25 -0860", " 7-Feb-1994T21:52:25 -0800",
		" 7-Feb-1994 1:52:25 -0800", " 7-Feb-1994 21:52:25 -0800 " };
	int64_t t;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		t = 4711;
		if (date_parse_imap(span_of(good[i].text), &t) != ERR_OK ||
		    t != good[i].t)
			fail_msg("%s gave %lld", good[i].text, (long long)t);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (date_parse_imap(span_of(bad[i]), &t) != ERR_SYNTAX)
			fail_msg("%s was taken", bad[i]);
}

static void
imap_days(void **state)
{
	static const char *const bad[] = { "", "1-Feb", "1-Feb-94",
		"001-Feb-1994", " 1-Feb-1994", "1-Feb-1994 ", "30-Feb-1994",
		"0-Feb-1994", "1-2-1994", "1-February-1994", "-1-Feb-1994" };
	int32_t day;

	(void)state;
	assert_int_equal(date_parse_day(SPAN("7-Feb-1994"), &day), ERR_OK);
	assert_int_equal(day, DAY_7);
	assert_int_equal(date_parse_day(SPAN("07-FEB-1994"), &day), ERR_OK);
	assert_int_equal(day, DAY_7);
	assert_int_equal(date_parse_day(SPAN("31-Dec-1969"), &day), ERR_OK);
	assert_int_equal(day, -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (date_parse_day(span_of(bad[i]), &day) != ERR_SYNTAX)
			fail_msg("%s was taken", bad[i]);
}

static void
mail_dates_as_they_come(void **state)
{
	static const char *const good[] = {
		"Mon, 7 Feb 1994 21:52:25 -0800",
		"Mon,  7 Feb 94 21:52:25 PST",
		"7 Feb 1994 21:52:25 -0800 (PST)",
		"\r\n Mon (a (nested \\) one)), 7 (x) Feb 1994\r\n 21:52:25 -0800",
		"Mon, 07 February 1994 21:52:25 -08:00",
		"Mon Feb  7 21:52:25 1994 -0800",
		"Mon Feb  7 21:52:25 PST 1994",
		"7-Feb-1994 21:52:25 -0800",
		"Mon, 7 Feb 1994 09:52:25 PM -0800",
		"1994-02-07T21:52:25.123-08:00",
		"1994-02-07 21:52:25 -0800",
		"Mon, 7 Feb 1994 21.52.25 -0800",
		"Mon, 7 Feb 1994 21:52:25 GMT-0800",
		"Mon, 7 Feb 1994 21:52:25 -800",
		"Mon, 7 Feb 1994 21:52:25 -0800 (unfinished",
		"Mon, 7 Feb 094 21:52:25 -0800",
	};
	static const struct {
		const char *text;
		int64_t t;
	} utc[] = {
		{ "Tue, 8 Feb 1994 05:52:25", WHEN },
		{ "Tue, 8 Feb 1994 05:52:25 -0000", WHEN },
		{ "Tue, 8 Feb 1994 05:52:25 GMT", WHEN },
		{ "Tue, 8 Feb 1994 05:52:25 Z", WHEN },
		{ "Tue, 8 Feb 1994 05:52:25 A", WHEN },
		{ "Tue, 8 Feb 1994 05:52:25 XYZT", WHEN },
		{ "Tue, 8 Feb 1994 05:52:25 +9999", WHEN },
		{ "Tue, 8 Feb 1994 5:52", WHEN - 25 },
		{ "Tue, 8 Feb 1994", WHEN - 5 * 3600 - 52 * 60 - 25 },
		{ "Tue, 8 Feb 1994 12:00:00 AM", 760665600 },
		{ "Tue, 8 Feb 1994 12:00:00 PM", 760708800 },
		{ "1 Jan 49 00:00:00 +0000", 2493072000 },
		{ "1 Jan 50 00:00:00 +0000", -631152000 },
		{ "1 Jan 103 00:00:00 +0000", 1041379200 },
		{ "1 Jul 1994 00:00:00 CEST", 773013600 },
	};
	static const char *const bad[] = { "", "hello", "Mon, 7 1994 21:52:25",
		"Mon, 7 Feb 21:52:25 -0800", "31 Feb 1994 21:52:25 -0800",
		"7 Feb 1994 25:00:00", "7 Feb 1994 21:x:25",
		"7 Feb 19940 21:52:25", "7 Feb 1994 21:52:25 -08000",
		"99999999999999999999", "1994-13-07 21:52:25",
		"7 Feb 1994 21:52:25 +01:0", "()", "(((((", "\\" };
	int64_t t;
	int32_t day;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (date_parse_mail(span_of(good[i]), &t, &day) != ERR_OK ||
		    t != WHEN || day != DAY_7)
			fail_msg("%s gave %lld, day %d", good[i], (long long)t,
			    day);
	for (size_t i = 0; i < sizeof(utc) / sizeof(*utc); i++)
		if (date_parse_mail(span_of(utc[i].text), &t, &day) != ERR_OK ||
		    t != utc[i].t)
			fail_msg("%s gave %lld", utc[i].text, (long long)t);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (date_parse_mail(span_of(bad[i]), &t, &day) != ERR_SYNTAX)
			fail_msg("%s was taken as %lld", bad[i], (long long)t);
}

static void
written_in_local_time(void **state)
{
	char imap[32], mail[48];

	(void)state;
	set_zone("PST8");
	date_format_imap(WHEN, imap);
	assert_string_equal(imap, "07-Feb-1994 21:52:25 -0800");
	date_format_mail(WHEN, mail);
	assert_string_equal(mail, "Mon, 7 Feb 1994 21:52:25 -0800");
	assert_int_equal(date_day_local(WHEN), DAY_7);
	assert_int_equal(date_zone_offset(WHEN), -8 * 3600);
	set_zone("NPT-5:45");
	date_format_imap(WHEN, imap);
	assert_string_equal(imap, "08-Feb-1994 11:37:25 +0545");
	assert_int_equal(date_day_local(WHEN), DAY_7 + 1);
	date_format_mail(-1, mail);
	assert_string_equal(mail, "Thu, 1 Jan 1970 05:44:59 +0545");
	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_int_equal(date_zone_offset(773013600), 7200);
	assert_int_equal(date_zone_offset(WHEN), 3600);
	set_zone("UTC0");
	date_format_mail(-1, mail);
	assert_string_equal(mail, "Wed, 31 Dec 1969 23:59:59 +0000");
	assert_int_equal(date_day_local(-1), -1);
	assert_int_equal(date_day_local(-86400), -1);
	assert_int_equal(date_day_local(-86401), -2);
}

static void
written_and_read_is_the_same(void **state)
{
	static const char *const zones[] = { "UTC0", "XXX11:30",
		"CET-1CEST,M3.5.0,M10.5.0/3" };

	(void)state;
	for (size_t z = 0; z < 3; z++) {
		set_zone(zones[z]);
		for (int64_t t = -61000000000; t < 253000000000;
		    t += 7654321 * 37) {
			char imap[32], mail[48];
			int64_t back = 0, back2 = 0;
			int32_t day = 0;
			time_t at = t;
			struct tm tm;

			date_format_imap(t, imap);
			date_format_mail(t, mail);
			if (date_parse_imap(span_of(imap), &back) != ERR_OK ||
			    date_parse_mail(span_of(mail), &back2, &day) !=
			    ERR_OK || back != t || back2 != t)
				fail_msg("%s, %s, %lld", imap, mail,
				    (long long)t);
			/* libc's opinion on the weekday and the day. */
			localtime_r(&at, &tm);
			assert_int_equal(((day + 4) % 7 + 7) % 7, tm.tm_wday);
			assert_int_equal(day, date_day_local(t));
		}
	}
}

static void
times_past_all_years_are_cut(void **state)
{
	char out[32], mail[48];

	(void)state;
	set_zone("XXX-14");
	date_format_imap(INT64_MAX, out);
	date_format_mail(INT64_MAX, mail);
	assert_true(span_ends(span_of(out), SPAN("-9999 14:00:00 +1400")));
	set_zone("XXX12");
	date_format_imap(INT64_MIN, out);
	date_format_mail(INT64_MIN, mail);
	assert_string_equal(out, "01-Jan-0001 12:00:00 -1200");
	assert_true(date_day_local(INT64_MIN) < -700000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(imap_date_times),
		cmocka_unit_test(imap_days),
		cmocka_unit_test(mail_dates_as_they_come),
		cmocka_unit_test(written_in_local_time),
		cmocka_unit_test(written_and_read_is_the_same),
		cmocka_unit_test(times_past_all_years_are_cut),
	};

	return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
