/* date.c - dates of HTTP: one form is written, three are read. */
/* SPDX-License-Identifier: MIT */
#include "http/date.h"

#include "base/number.h"

#define DAY_SECONDS  86400
#define LAST_SECOND  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define FIRST_SECOND INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define ERA_DAYS     146097		   /* 400 years */
#define DAYS_TO_1970 719468		   /* since 0000-03-01 */

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "SunMonTueWedThuFriSat";
static const str long_day_names[] = {STR_INIT("Sunday"), STR_INIT("Monday"), STR_INIT("Tuesday"),
	STR_INIT("Wednesday"), STR_INIT("Thursday"), STR_INIT("Friday"), STR_INIT("Saturday")};

struct civil {
	unsigned year, month, day; /* month and day from 1 */
};

/* Proleptic Gregorian calendar.  Years are counted from March, so that the leap day is the last of
 * them and the days before month m (March is 0) are (153 m + 2) / 5. */
static struct civil civil_of_days(int64_t days_since_1970)
{
	uint64_t days = (uint64_t)(days_since_1970 + DAYS_TO_1970 + ERA_DAYS);
	unsigned era = (unsigned)(days / ERA_DAYS), day = (unsigned)(days % ERA_DAYS);
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	assert(day < 31 && month < 12);
	year += era * 400 + (month >= 10);
	return (struct civil){year - 400, month < 10 ? month + 3 : month - 9, day + 1};
}

static int64_t days_of_civil(struct civil c)
{
	unsigned year = c.year + 400 - (c.month <= 2), of_era = year % 400;
	unsigned month = c.month > 2 ? c.month - 3 : c.month + 9;
	unsigned day = 365 * of_era + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + c.day - 1;

	return (int64_t)(year / 400) * ERA_DAYS + day - ERA_DAYS - DAYS_TO_1970;
}

static unsigned month_length(unsigned year, unsigned month)
{
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	assert(month >= 1 && month <= 12);
	if (month == 2)
		return is_leap ? 29 : 28;
	return 30 + ((month + (month > 7)) & 1);
}

static char *put_two(char *out, unsigned v)
{
	out[0] = (char)('0' + v / 10);
	out[1] = (char)('0' + v % 10);
	return out + 2;
}

static char *put_bytes(char *out, const char *from, size_t n)
{
	memcpy(out, from, n);
	return out + n;
}

void date_write(char out[DATE_LENGTH], int64_t unix_seconds)
{
	int64_t clamped = MAX(FIRST_SECOND, MIN(unix_seconds, LAST_SECOND));
	uint64_t seconds = (uint64_t)(clamped - FIRST_SECOND); /* the year 0 began on a Saturday */
	unsigned of_day = (unsigned)(seconds % DAY_SECONDS);
	uint64_t days = seconds / DAY_SECONDS;
	struct civil c = civil_of_days((int64_t)days + FIRST_SECOND / DAY_SECONDS);
	const char *begin = out;

	out = put_bytes(out, day_names + 3 * ((days + 6) % 7), 3);
	out = put_two(put_bytes(out, ", ", 2), c.day);
	out = put_bytes(put_bytes(out, " ", 1), month_names + (size_t)3 * (c.month - 1), 3);
	out = put_two(put_bytes(out, " ", 1), c.year / 100);
	out = put_two(out, c.year % 100);
	out = put_two(put_bytes(out, " ", 1), of_day / 3600);
	out = put_two(put_bytes(out, ":", 1), of_day / 60 % 60);
	out = put_two(put_bytes(out, ":", 1), of_day % 60);
	out = put_bytes(out, " GMT", 4);
	assert(out == begin + DATE_LENGTH);
}

str date_cached(struct date_cache *c, int64_t unix_seconds)
{
	if (!c->length || c->unix_seconds != unix_seconds) {
		date_write(c->text, unix_seconds);
		c->unix_seconds = unix_seconds;
		c->length = DATE_LENGTH;
	}
	return (str){c->text, c->length};
}

/* The readers below take a piece from the front of *s, and are false when something else is
 * there. */

static bool take_expected(str *s, str expected)
{
	if (!str_starts(*s, expected))
		return false;
	*s = str_slice(*s, expected.n, s->n);
	return true;
}

static bool take_digits(str *s, size_t n, unsigned *ret)
{
	uint64_t v;

	if (s->n < n || number_parse(str_slice(*s, 0, n), 9999, &v) < 0)
		return false;
	*s = str_slice(*s, n, s->n);
	*ret = (unsigned)v;
	return true;
}

static bool take_name(str *s, const char *names, unsigned *ret)
{
	if (s->n < 3)
		return false;
	for (size_t i = 0; names[3 * i]; i++) {
		if (memcmp(s->p, names + 3 * i, 3) == 0) {
			*s = str_slice(*s, 3, s->n);
			*ret = (unsigned)i;
			return true;
		}
	}
	return false;
}

static bool take_long_day(str *s)
{
	for (size_t i = 0; i < NITEMS(long_day_names); i++)
		if (take_expected(s, long_day_names[i]))
			return true;
	return false;
}

static bool take_time(str *s, unsigned *ret_second)
{
	unsigned hour, minute, second;

	if (!take_digits(s, 2, &hour) || !take_expected(s, STR(":")) ||
		!take_digits(s, 2, &minute) || !take_expected(s, STR(":")) ||
		!take_digits(s, 2, &second))
		return false;
	/* A leap second is the one after it. */
	*ret_second = hour * 3600 + minute * 60 + second;
	return hour < 24 && minute < 60 && second <= 60;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool read_imf(str s, struct civil *c, unsigned *second)
{
	unsigned unused;

	return take_name(&s, day_names, &unused) && take_expected(&s, STR(", ")) &&
	       take_digits(&s, 2, &c->day) && take_expected(&s, STR(" ")) &&
	       take_name(&s, month_names, &c->month) && take_expected(&s, STR(" ")) &&
	       take_digits(&s, 4, &c->year) && take_expected(&s, STR(" ")) &&
	       take_time(&s, second) && str_eq(s, STR(" GMT"));
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool read_rfc850(str s, struct civil *c, unsigned *second)
{
	return take_long_day(&s) && take_expected(&s, STR(", ")) && take_digits(&s, 2, &c->day) &&
	       take_expected(&s, STR("-")) && take_name(&s, month_names, &c->month) &&
	       take_expected(&s, STR("-")) && take_digits(&s, 2, &c->year) &&
	       take_expected(&s, STR(" ")) && take_time(&s, second) && str_eq(s, STR(" GMT"));
}

/* Sun Nov  6 08:49:37 1994 */
static bool read_asctime(str s, struct civil *c, unsigned *second)
{
	unsigned unused;

	return take_name(&s, day_names, &unused) && take_expected(&s, STR(" ")) &&
	       take_name(&s, month_names, &c->month) && take_expected(&s, STR(" ")) &&
	       take_digits(&s, take_expected(&s, STR(" ")) ? 1 : 2, &c->day) &&
	       take_expected(&s, STR(" ")) && take_time(&s, second) &&
	       take_expected(&s, STR(" ")) && take_digits(&s, 4, &c->year) && !s.n;
}

static unsigned full_year(unsigned two_digits, int64_t now)
{
	unsigned this_year = civil_of_days(now / DAY_SECONDS).year;
	unsigned year = this_year - this_year % 100 + two_digits;

	return year > this_year + 50 ? year - 100 : year;
}

int date_parse(str s, int64_t now, int64_t *ret_unix_seconds)
{
	struct civil c;
	unsigned second;

	if (read_rfc850(s, &c, &second))
		c.year = full_year(c.year, now);
	else if (!read_imf(s, &c, &second) && !read_asctime(s, &c, &second))
		return -EINVAL;
	c.month++;
	if (!c.day || c.day > month_length(c.year, c.month))
		return -EINVAL;
	*ret_unix_seconds = days_of_civil(c) * DAY_SECONDS + second;
	return 0;
}
