#include "stamp.h"

#include <time.h>

#define DAY_SECONDS 86400

/* A date and time of day as written; year 0: not written. */
struct fields {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
};

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar. */
static int64_t days_from_civil(int year, int month, int day)
{
    int y = year - (month <= 2);
    int era = y / 400;
    int yoe = y - era * 400;
    int doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return (int64_t)era * 146097 + doe - 719468;
}

static int64_t fields_utc(const struct fields *f)
{
    return days_from_civil(f->year, f->month, f->day) * DAY_SECONDS + f->hour * 3600 +
           f->minute * 60 + f->second;
}

/*
 * mktime(3) gives one or the other time of an hour that clocks go through twice, depending on
 * what it was asked before: the first is taken here. Of an hour that they leave out it may give
 * the time before it: what is taken is as far behind the change as the stamp says.
 */
static int64_t settle_local(const struct fields *f, const struct tm *tm, time_t time)
{
    static const int shifts[] = {3600, 1800};
    int missing = f->hour * 60 + f->minute - tm->tm_hour * 60 - tm->tm_min;
    if (tm->tm_mday == f->day && missing > 0)
        return time + missing * 60;
    for (unsigned i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
        time_t earlier = time - shifts[i];
        struct tm at;
        localtime_r(&earlier, &at);
        if (at.tm_hour == tm->tm_hour && at.tm_min == tm->tm_min && at.tm_mday == tm->tm_mday)
            return earlier;
    }
    return time;
}

/* Asks the C library what a local time is: slow, and done once an hour of log. */
static bool convert_local(const struct fields *f, int year, int64_t *out)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = f->month - 1,
                    .tm_mday = f->day,
                    .tm_hour = f->hour,
                    .tm_min = f->minute,
                    .tm_sec = f->second,
                    .tm_isdst = -1};
    time_t time = mktime(&tm);
    *out = settle_local(f, &tm, time);
    return tm.tm_mday == f->day; /* 29 February exists in some years only */
}

/*
 * Clocks change at whole hours of some zone, so that minutes and seconds need no
 * time zone: they are added to the hour's beginning, which is remembered. The hour
 * in which a zone changes by less than an hour is not remembered.
 */
static bool fields_local(struct envelope_parser *parser, const struct fields *f, int year,
                         int64_t *out)
{
    int64_t hour = ((year * 13 + f->month) * 32 + f->day) * 24 + f->hour;
    int64_t within = f->minute * 60 + f->second;
    if (hour != parser->hour) {
        struct fields begin = *f, end = *f;
        int64_t last;
        begin.minute = begin.second = 0;
        end.minute = end.second = 59;
        if (!convert_local(&begin, year, &parser->hour_time) || !convert_local(&end, year, &last) ||
            last != parser->hour_time + 3599) {
            parser->hour = 0;
            return convert_local(f, year, out);
        }
        parser->hour = hour;
    }
    *out = parser->hour_time + within;
    return true;
}

/* The last year in which the stamp is not more than a day later than the reference. */
static bool fields_infer_year(struct envelope_parser *parser, const struct fields *f, int64_t *out)
{
    time_t reference = parser->reference;
    int64_t latest = parser->reference + DAY_SECONDS;
    struct tm tm;
    /* The year of the line before: nearly always right, and a year more is too late then. */
    if (parser->year && fields_local(parser, f, parser->year, out) && *out <= latest &&
        *out > latest - 365 * DAY_SECONDS)
        return true;
    localtime_r(&reference, &tm);
    for (int year = tm.tm_year + 1901; year > tm.tm_year + 1901 - 10; year--) {
        if (fields_local(parser, f, year, out) && *out <= latest) {
            parser->year = year;
            return true;
        }
    }
    return false;
}

/* Exactly `digits` digits. */
static bool take_digits(struct slice *s, int digits, int *out)
{
    int value = 0;
    if (s->len < (size_t)digits)
        return false;
    for (int i = 0; i < digits; i++) {
        if (!byte_is_digit(s->ptr[i]))
            return false;
        value = value * 10 + (s->ptr[i] - '0');
    }
    *s = slice_skip(*s, (size_t)digits);
    *out = value;
    return true;
}

static bool take_month(struct slice *s, int *out)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; s->len >= 3 && i < 12; i++) {
        if (memcmp(s->ptr, names + i * 3, 3) == 0) {
            *s = slice_skip(*s, 3);
            *out = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_clock(struct slice *s, struct fields *f)
{
    return take_digits(s, 2, &f->hour) && slice_take(s, SLICE(":")) &&
           take_digits(s, 2, &f->minute) && slice_take(s, SLICE(":")) &&
           take_digits(s, 2, &f->second) && f->hour < 24 && f->minute < 60 && f->second <= 60;
}

/* Four digits that can only be a year. */
static bool take_year(struct slice *s, int *out)
{
    struct slice rest = *s;
    if (!take_digits(&rest, 4, out) || *out < 1970 || *out > 2199)
        return false;
    *s = rest;
    return true;
}

/* "22", " 2" or "2", from 1 to 31. */
static bool take_day(struct slice *s, int *out)
{
    slice_take(s, SLICE(" "));
    return (take_digits(s, 2, out) || take_digits(s, 1, out)) && *out >= 1 && *out <= 31;
}

/* "[2026 ]Nov 22 [2026 ]03:27:15". */
static bool take_rfc3164(struct slice *s, struct fields *f)
{
    if (take_year(s, &f->year) && !slice_take(s, SLICE(" ")))
        return false;
    if (!take_month(s, &f->month) || !slice_take(s, SLICE(" ")) || !take_day(s, &f->day) ||
        !slice_take(s, SLICE(" ")))
        return false;
    if (f->year == 0 && take_year(s, &f->year) && !slice_take(s, SLICE(" ")))
        return false;
    return take_clock(s, f);
}

/* "2026-11-22T03:27:15"; a blank may stand for the T. */
static bool take_rfc3339(struct slice *s, struct fields *f)
{
    return take_year(s, &f->year) && slice_take(s, SLICE("-")) && take_digits(s, 2, &f->month) &&
           slice_take(s, SLICE("-")) && take_digits(s, 2, &f->day) && f->month >= 1 &&
           f->month <= 12 && f->day >= 1 && f->day <= 31 &&
           (slice_take(s, SLICE("T")) || slice_take(s, SLICE(" ")) || slice_take(s, SLICE("t"))) &&
           take_clock(s, f);
}

/* Fractions are not kept: counters have no use for them. */
static void skip_fraction(struct slice *s)
{
    size_t at = 1;
    if (s->len < 2 || (s->ptr[0] != '.' && s->ptr[0] != ',') || !byte_is_digit(s->ptr[1]))
        return;
    while (at < s->len && byte_is_digit(s->ptr[at]))
        at++;
    *s = slice_skip(*s, at);
}

/* "Z", "+02:00" or "+0200"; seconds east of UTC. */
static bool take_zone(struct slice *s, int32_t *out)
{
    *out = 0;
    if (slice_take(s, SLICE("Z")) || slice_take(s, SLICE("z")))
        return true;
    struct slice rest = slice_skip(*s, 1);
    int hours, minutes;
    if (s->len == 0 || (s->ptr[0] != '+' && s->ptr[0] != '-') || !take_digits(&rest, 2, &hours))
        return false;
    slice_take(&rest, SLICE(":"));
    if (!take_digits(&rest, 2, &minutes))
        return false;
    *out = (hours * 3600 + minutes * 60) * (s->ptr[0] == '-' ? -1 : 1);
    *s = rest;
    return true;
}

/* The cached form of take_zone: nearly every line has the zone of the one before. */
static bool take_known_zone(struct envelope_parser *parser, struct slice *s, int32_t *out)
{
    struct slice known = slice_of(parser->zone, parser->zone_len);
    if (known.len && slice_take(s, known)) {
        *out = parser->zone_seconds;
        return true;
    }
    const char *from = s->ptr;
    if (!take_zone(s, out))
        return false;
    parser->zone_len =
        (size_t)(s->ptr - from) <= sizeof(parser->zone) ? (size_t)(s->ptr - from) : 0;
    memcpy(parser->zone, from, parser->zone_len);
    parser->zone_seconds = *out;
    return true;
}

static void remember_date(struct envelope_parser *parser, const char *from, const char *to,
                          int64_t time)
{
    size_t len = (size_t)(to - from);
    parser->date_len = len <= sizeof(parser->date) ? len : 0;
    memcpy(parser->date, from, parser->date_len);
    parser->date_time = time;
}

static bool take_3339_stamp(struct envelope_parser *parser, struct slice *s, int64_t *time)
{
    struct slice rest = *s;
    struct slice known = slice_of(parser->date, parser->date_len);
    struct fields f = {0};
    int32_t zone;
    if (known.len > 4 && known.ptr[4] == '-' && slice_take(&rest, known)) {
        *time = parser->date_time;
    } else {
        if (!take_rfc3339(&rest, &f))
            return false;
        *time = fields_utc(&f);
        remember_date(parser, s->ptr, rest.ptr, *time);
    }
    skip_fraction(&rest);
    if (take_known_zone(parser, &rest, &zone)) {
        *time -= zone;
    } else {
        /* No zone: local time, as syslog daemons write it. */
        struct slice again = *s;
        take_rfc3339(&again, &f);
        fields_local(parser, &f, f.year, time);
    }
    *s = rest;
    return true;
}

/* "03:27:15 2026 host": what follows may be a year, which the line before need not have had. */
static bool may_have_year(struct slice behind_clock)
{
    return behind_clock.len > 1 && (behind_clock.ptr[1] == '1' || behind_clock.ptr[1] == '2');
}

/* A date that is the one of the line before. */
static bool take_known_3164(const struct envelope_parser *parser, struct slice *s, int64_t *time)
{
    struct slice rest = *s, known = slice_of(parser->date, parser->date_len);
    if (!known.len || !slice_take(&rest, known))
        return false;
    skip_fraction(&rest);
    if (may_have_year(rest))
        return false;
    *time = parser->date_time;
    *s = rest;
    return true;
}

static bool take_3164_stamp(struct envelope_parser *parser, struct slice *s, int64_t *time)
{
    struct slice rest = *s;
    struct fields f = {0};
    if (take_known_3164(parser, s, time))
        return true;
    if (!take_rfc3164(&rest, &f))
        return false;
    const char *end = rest.ptr;
    skip_fraction(&rest);
    bool dated = f.year != 0;
    struct slice behind = slice_skip(rest, 1);
    if (!dated && slice_starts(rest, SLICE(" ")) && take_year(&behind, &f.year) &&
        slice_starts(behind, SLICE(" ")))
        rest = behind;
    else if (!dated)
        f.year = 0;
    bool known_time =
        f.year ? fields_local(parser, &f, f.year, time) : fields_infer_year(parser, &f, time);
    if (!known_time)
        return false;
    /* A year behind the clock would not be compared with the next line's. */
    if (dated || f.year == 0)
        remember_date(parser, s->ptr, end, *time);
    else
        parser->date_len = 0;
    *s = rest;
    return true;
}

/* The stamp of the line before, to the second: most lines of a busy host have it. */
static bool take_same_stamp(const struct envelope_parser *parser, struct slice *s, int64_t *time)
{
    size_t len = parser->date_len;
    if (len != sizeof("Nov 22 03:27:15") - 1 || s->len <= len || s->ptr[len] != ' ' ||
        memcmp(s->ptr, parser->date, sizeof("Nov 22 03:27:15") - 1) != 0 ||
        may_have_year(slice_skip(*s, len)))
        return false;
    *time = parser->date_time;
    *s = slice_skip(*s, len);
    return true;
}

bool stamp_take(struct envelope_parser *parser, struct slice *s, int64_t *time)
{
    int64_t value;
    if (take_same_stamp(parser, s, time))
        return true;
    bool iso = s->len > 4 && s->ptr[4] == '-';
    struct slice rest = *s;
    bool found =
        iso ? take_3339_stamp(parser, &rest, &value) : take_3164_stamp(parser, &rest, &value);
    if (!found || (rest.len && rest.ptr[0] != ' '))
        return false;
    *s = rest;
    *time = value;
    return true;
}
