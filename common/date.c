/* Mail and IMAP dates, without libc's mktime: that one asks the environment. */
#include "common/date.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

enum { DAY_S = 86400 };

/* Years 1 to 9999, a day short at both ends for the zone to shift. */
static const int64_t least_time = -62135510400, most_time = 253402214400;

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct civil {
	int year, month, day;	/* month and day from 1 */
};

static bool
is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
month_days(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

static bool
is_date(struct civil c)
{
	return c.year >= 0 && c.year <= 9999 && c.month >= 1 && c.month <= 12 &&
	    c.day >= 1 && c.day <= month_days(c.year, c.month);
}

/* Days from 0000-01-01 to 1970-01-01. */
enum { EPOCH_DAYS = 719528 };

/* Days from 0000-01-01 to the first of January of a year. */
static int64_t
days_before_year(int64_t year)
{
	int64_t before = year - 1;

	if (year == 0)
		return 0;
	return year * 365 + before / 4 - before / 100 + before / 400 + 1;
}

static int64_t
day_number(struct civil c)
{
	int64_t days = days_before_year(c.year) + c.day - 1;

	for (int m = 1; m < c.month; m++)
		days += month_days(c.year, m);
	return days - EPOCH_DAYS;
}

static struct civil
civil_of(int64_t day)
{
	int64_t days = day + EPOCH_DAYS;
	/* At most one too large: the mean year is a little shorter. */
	int64_t year = days * 400 / 146097;
	struct civil c = { .month = 1 };

	while (days_before_year(year) > days)
		year--;
	while (days_before_year(year + 1) <= days)
		year++;
	days -= days_before_year(year);
	c.year = (int)year;
	while (days >= month_days(c.year, c.month))
		days -= month_days(c.year, c.month++);
	c.day = (int)days + 1;
	return c;
}

static int64_t
floor_day(int64_t t)
{
	return t >= 0 ? t / DAY_S : -((-t + DAY_S - 1) / DAY_S);
}

/* ---- reading: little steps that eat from a span ---- */

static bool
is_digit(struct span s, size_t i)
{
	return i < s.n && s.p[i] >= '0' && s.p[i] <= '9';
}

static bool
eat(struct span *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	s->p++;
	s->n--;
	return true;
}

/* A number of least to most digits, not one more; -1 without one. */
static int
eat_number(struct span *s, size_t least, size_t most)
{
	int v = 0;
	size_t n = 0;

	while (n < most && is_digit(*s, n))
		v = v * 10 + (s->p[n++] - '0');
	if (n < least || is_digit(*s, n))
		return -1;
	s->p += n;
	s->n -= n;
	return v;
}

/* 1 to 12, or 0. */
static int
month_of(struct span word)
{
	if (word.n < 3)
		return 0;
	word.n = 3;
	for (int i = 0; i < 12; i++)
		if (span_ieq(word, (struct span){ months[i], 3 }))
			return i + 1;
	return 0;
}

static int
eat_month(struct span *s)
{
	int month = month_of((struct span){ s->p, s->n < 3 ? 0 : 3 });

	if (month != 0) {
		s->p += 3;
		s->n -= 3;
	}
	return month;
}

/* "-Feb-1994" after the day. */
static bool
eat_month_year(struct span *s, struct civil *c)
{
	if (!eat(s, '-'))
		return false;
	c->month = eat_month(s);
	if (c->month == 0 || !eat(s, '-'))
		return false;
	c->year = eat_number(s, 4, 4);
	return is_date(*c);
}

enum err
date_parse_day(struct span s, int32_t *day_out)
{
	struct civil c = { .day = eat_number(&s, 1, 2) };

	*day_out = 0;
	if (!eat_month_year(&s, &c) || s.n != 0)
		return ERR_SYNTAX;
	*day_out = (int32_t)day_number(c);
	return ERR_OK;
}

/* Seconds since midnight, -1 for a time that no clock shows. */
static int
seconds_of(int h, int m, int s)
{
	/* 60: a leap second. */
	if (h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60)
		return -1;
	return h * 3600 + m * 60 + s;
}

enum err
date_parse_imap(struct span s, int64_t *time_out)
{
	struct civil c = { 0 };
	int h, m = -1, sec = -1, zone, of_day;
	bool west;

	*time_out = 0;
	c.day = eat(&s, ' ') ? eat_number(&s, 1, 1) : eat_number(&s, 2, 2);
	if (!eat_month_year(&s, &c) || !eat(&s, ' '))
		return ERR_SYNTAX;
	h = eat_number(&s, 2, 2);
	if (eat(&s, ':'))
		m = eat_number(&s, 2, 2);
	if (eat(&s, ':'))
		sec = eat_number(&s, 2, 2);
	of_day = seconds_of(h, m, sec);
	if (of_day < 0 || !eat(&s, ' '))
		return ERR_SYNTAX;
	west = eat(&s, '-');
	if (!west && !eat(&s, '+'))
		return ERR_SYNTAX;
	zone = eat_number(&s, 4, 4);
	if (zone < 0 || zone % 100 > 59 || s.n != 0)
		return ERR_SYNTAX;
	zone = zone / 100 * 3600 + zone % 100 * 60;
	*time_out = day_number(c) * DAY_S + of_day + (west ? zone : -zone);
	return ERR_OK;
}

/* ---- Date: fields ---- */

/*
 * What was found so far. Mail has its date, time and zone in any order and
 * with any punctuation, so each piece is known by its looks: a number before a
 * colon is a time, a sign after a time is a zone, letters are a month or a
 * zone, other numbers are a day first and then a year.
 */
struct found {
	struct civil c;		/* 0: not yet; year -1 */
	int of_day;		/* -1: not yet */
	int zone_s;
	bool numeric_zone;
};

/* RFC 5322 4.3, and those that are common and mean one thing only. */
static const struct {
	char name[5];
	int hours;
} zones[] = {
	{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
	{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
	{ "CET", 1 }, { "CEST", 2 }, { "MET", 1 }, { "MEST", 2 },
	{ "EET", 2 }, { "EEST", 3 }, { "MSK", 3 }, { "JST", 9 },
};

/* Past blanks, commas, comments and whatever else means nothing. */
static void
skip_noise(struct span *s)
{
	unsigned depth = 0;

	while (s->n > 0) {
		unsigned char c = (unsigned char)s->p[0];
		size_t step = 1;

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (c == '\\' && depth > 0 && s->n > 1)
			step = 2;
		else if (depth == 0 && ((c >= '0' && c <= '9') || c == '+' ||
		    c == '-' || ((c | 32) >= 'a' && (c | 32) <= 'z')))
			return;
		s->p += step;
		s->n -= step;
	}
}

static size_t
digits_at(struct span s, size_t i)
{
	size_t n = 0;

	while (is_digit(s, i + n))
		n++;
	return n;
}

/* hh:mm, hh:mm:ss, hh.mm.ss, fractions of a second dropped. */
static bool
take_time(struct span *s, struct found *f)
{
	int h = eat_number(s, 1, 2), m, sec = 0;

	if (!eat(s, ':'))
		(void)eat(s, '.');
	m = eat_number(s, 1, 2);
	if ((eat(s, ':') || eat(s, '.')) && (sec = eat_number(s, 1, 2)) >= 0 &&
	    s->n > 1 && (s->p[0] == '.' || s->p[0] == ',') && is_digit(*s, 1)) {
		size_t n = 1 + digits_at(*s, 1);

		s->p += n;
		s->n -= n;
	}
	f->of_day = seconds_of(h, m, sec);
	return f->of_day >= 0;
}

/* The sign is there: +0100, +01:00, +100, +1. Nonsense is UTC. */
static bool
take_zone(struct span *s, struct found *f)
{
	bool west = s->p[0] == '-';
	size_t n = digits_at(*s, 1);
	int v, h, m;

	s->p++;
	s->n--;
	if (n == 0)
		return true;
	v = eat_number(s, 1, 4);
	if (v < 0)
		return false;
	h = n > 2 ? v / 100 : v;
	m = n > 2 ? v % 100 : 0;
	if (n <= 2 && eat(s, ':') && (m = eat_number(s, 2, 2)) < 0)
		return false;
	f->numeric_zone = true;
	f->zone_s = 0;
	if (h < 24 && m < 60)
		f->zone_s = (h * 3600 + m * 60) * (west ? -1 : 1);
	return true;
}

static void
take_word(struct span *s, struct found *f)
{
	struct span word = { s->p, 0 };
	int month;

	while (word.n < s->n && (word.p[word.n] | 32) >= 'a' &&
	    (word.p[word.n] | 32) <= 'z')
		word.n++;
	s->p += word.n;
	s->n -= word.n;
	month = f->c.month == 0 ? month_of(word) : 0;
	if (month != 0) {
		f->c.month = month;
		return;
	}
	if (f->of_day >= 0 && span_ieq(word, SPAN("PM")) &&
	    f->of_day < DAY_S / 2)
		f->of_day += DAY_S / 2;
	else if (f->of_day >= DAY_S / 2 && span_ieq(word, SPAN("AM")))
		f->of_day -= DAY_S / 2;
	if (f->numeric_zone)
		return;
	/* Any other name, GMT and the military letters too, is UTC. */
	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++)
		if (span_ieq(word, span_of(zones[i].name)))
			f->zone_s = zones[i].hours * 3600;
}

/* RFC 5322 4.3: two digits up to 49 are 20xx, others and three are 19xx. */
static int
full_year(int year, size_t digits)
{
	if (digits >= 4)
		return year;
	return year + (digits <= 2 && year < 50 ? 2000 : 1900);
}

static bool
take_number(struct span *s, struct found *f)
{
	size_t n = digits_at(*s, 0);
	char next = n < s->n ? s->p[n] : '\0';
	int v;

	if (n > 4)
		return false;
	if (n <= 2 && f->of_day < 0 && (next == ':' || (next == '.' &&
	    f->c.year >= 0 && is_digit(*s, n + 1))))
		return take_time(s, f);
	v = eat_number(s, 1, 4);
	if (n == 4 && next == '-' && is_digit(*s, 1) && f->c.month == 0) {
		/* ISO 8601: 1994-02-07. */
		f->c.year = v;
		(void)eat(s, '-');
		f->c.month = eat_number(s, 1, 2);
		if (!eat(s, '-'))
			return false;
		f->c.day = eat_number(s, 1, 2);
		return f->c.day > 0;
	}
	if (n <= 2 && f->c.day == 0)
		f->c.day = v;
	else if (f->c.year < 0)
		f->c.year = full_year(v, n);
	return true;
}

enum err
date_parse_mail(struct span s, int64_t *time_out, int32_t *day_out)
{
	struct found f = { .c.year = -1, .of_day = -1 };
	bool ok = true;

	*time_out = 0;
	*day_out = 0;
	for (skip_noise(&s); s.n > 0 && ok; skip_noise(&s)) {
		char c = s.p[0];

		if (is_digit(s, 0))
			ok = take_number(&s, &f);
		else if (c != '+' && c != '-')
			take_word(&s, &f);
		else if (f.of_day >= 0)
			ok = take_zone(&s, &f);
		else	/* 7-Feb-1994 */
			(void)eat(&s, c);
	}
	if (!ok || !is_date(f.c))
		return ERR_SYNTAX;
	*day_out = (int32_t)day_number(f.c);
	*time_out = (int64_t)*day_out * DAY_S +
	    (f.of_day < 0 ? 0 : f.of_day) - f.zone_s;
	return ERR_OK;
}

/* ---- writing ---- */

static int64_t
bounded(int64_t t)
{
	return t < least_time ? least_time : t > most_time ? most_time : t;
}

int
date_zone_offset(int64_t t)
{
	time_t at = (time_t)bounded(t);
	struct tm tm;

	return localtime_r(&at, &tm) == NULL ? 0 : (int)tm.tm_gmtoff;
}

int32_t
date_day_local(int64_t t)
{
	t = bounded(t);
	return (int32_t)floor_day(t + date_zone_offset(t));
}

/* Broken down in local time, for both formats. */
struct local {
	struct civil c;
	int64_t day;
	int h, m, s;
	char zone[6];
};

static struct local
local_of(int64_t t)
{
	struct local l;
	int offset, of_day;
	unsigned minutes;

	t = bounded(t);
	offset = date_zone_offset(t);
	l.day = floor_day(t + offset);
	l.c = civil_of(l.day);
	of_day = (int)(t + offset - l.day * DAY_S);
	l.h = of_day / 3600;
	l.m = of_day / 60 % 60;
	l.s = of_day % 60;
	/* Zones of long ago had seconds; no mail date can say so. */
	minutes = (unsigned)(offset < 0 ? -offset : offset) / 60;
	snprintf(l.zone, sizeof(l.zone), "%c%02u%02u", offset < 0 ? '-' : '+',
	    minutes / 60 % 100, minutes % 60);
	return l;
}

void
date_format_imap(int64_t t, char out[32])
{
	struct local l = local_of(t);

	snprintf(out, 32, "%02d-%s-%04d %02d:%02d:%02d %s", l.c.day,
	    months[l.c.month - 1], l.c.year, l.h, l.m, l.s, l.zone);
}

void
date_format_mail(int64_t t, char out[48])
{
	static const char days[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon",
		"Tue", "Wed" };
	struct local l = local_of(t);

	snprintf(out, 48, "%s, %d %s %04d %02d:%02d:%02d %s",
	    days[((l.day % 7) + 7) % 7], l.c.day, months[l.c.month - 1],
	    l.c.year, l.h, l.m, l.s, l.zone);
}

void
date_init(void)
{
	tzset();
	/* glibc reads the file with the first conversion. */
	(void)date_zone_offset(0);
}
