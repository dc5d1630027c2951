/* line/envelope.h: who wrote a line and when. Times are those of date(1) -u. */
#include "guard.h"

#include <stdlib.h>
#include <time.h>

#include "mailvane/line/envelope.h"

#define NONE            INT64_MIN
#define NOV_22_03_27    INT64_C(1795318035) /* 2026-11-22T03:27:15Z */
#define NOV_22_NOON     INT64_C(1795348800) /* 2026-11-22T12:00:00Z */
#define TEXT            "1A2B3C4D5: to=<a@b.example>, status=sent (250 ok: [x] y: z)"
#define WHOLE(envelope) envelope "postfix/smtp[101]: " TEXT

static void set_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

struct row {
    const char *name;
    const char *line;
    int64_t time;
    const char *program;
    const char *text;
};

static const struct row rows[] = {
    /* RFC 3164 */
    {"padded day", WHOLE("Nov  2 03:27:15 mx1 "), NOV_22_03_27 - 20 * 86400, "postfix/smtp", TEXT},
    {"unpadded day", WHOLE("Nov 2 03:27:15 mx1 "), NOV_22_03_27 - 20 * 86400, "postfix/smtp", TEXT},
    {"two digits", WHOLE("Nov 22 03:27:15 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"year in front", WHOLE("2025 Nov 22 03:27:15 mx1 "), 1763782035, "postfix/smtp", TEXT},
    {"year in the middle", WHOLE("Nov 22 2025 03:27:15 mx1 "), 1763782035, "postfix/smtp", TEXT},
    {"year behind", WHOLE("Nov 22 03:27:15 2025 mx1 "), 1763782035, "postfix/smtp", TEXT},
    {"fraction", WHOLE("Nov 22 03:27:15.123456 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"fraction with a comma", WHOLE("Nov 22 03:27:15,123 mx1 "), NOV_22_03_27, "postfix/smtp",
     TEXT},
    {"priority", WHOLE("<22>Nov 22 03:27:15 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"no host", WHOLE("Nov 22 03:27:15 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"address as host", WHOLE("Nov 22 03:27:15 2001:db8::1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"several blanks", "Nov 22 03:27:15  mx1  postfix/smtp[101]:  " TEXT, NOV_22_03_27,
     "postfix/smtp", TEXT},
    {"Solaris", "Nov 22 03:27:15 mx1 postfix/smtp[101]: [ID 197553 mail.info] " TEXT, NOV_22_03_27,
     "postfix/smtp", TEXT},
    {"pid without colon", "Nov 22 03:27:15 mx1 postfix/smtp[101] " TEXT, NOV_22_03_27,
     "postfix/smtp", TEXT},
    {"no pid", "Nov 22 03:27:15 mx1 postfix/smtp: " TEXT, NOV_22_03_27, "postfix/smtp", TEXT},
    {"no text", "Nov 22 03:27:15 mx1 postfix/smtp[101]:", NOV_22_03_27, "postfix/smtp", ""},
    {"no stamp", WHOLE(""), NONE, "postfix/smtp", TEXT},
    {"no stamp, priority", WHOLE("<22>"), NONE, "postfix/smtp", TEXT},
    /* RFC 3339 */
    {"Z", WHOLE("2026-11-22T03:27:15Z mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"fraction and Z", WHOLE("2026-11-22T03:27:15.123456Z mx1 "), NOV_22_03_27, "postfix/smtp",
     TEXT},
    {"offset east", WHOLE("2026-11-22T05:27:15.1+02:00 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"offset west", WHOLE("2026-11-21T23:57:15-03:30 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"offset without colon", WHOLE("2026-11-22T05:27:15+0200 mx1 "), NOV_22_03_27, "postfix/smtp",
     TEXT},
    {"no zone", WHOLE("2026-11-22T03:27:15 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"blank for the T", WHOLE("2026-11-22 03:27:15 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"blank, fraction", WHOLE("2026-11-22 03:27:15.999 mx1 "), NOV_22_03_27, "postfix/smtp", TEXT},
    {"priority in front", WHOLE("<22>2026-11-22T03:27:15Z mx1 "), NOV_22_03_27, "postfix/smtp",
     TEXT},
    /* RFC 5424 */
    {"5424", "<22>1 2026-11-22T03:27:15Z mx1 postfix/smtp 101 - - " TEXT, NOV_22_03_27,
     "postfix/smtp", TEXT},
    {"5424, data", "<22>1 2026-11-22T03:27:15.003Z mx1 postfix/smtp 101 ID47 [a@1 b=\"c\"] " TEXT,
     NOV_22_03_27, "postfix/smtp", TEXT},
    {"5424, quotes and brackets",
     "<22>1 2026-11-22T03:27:15Z mx1 postfix/smtp 101 - [a b=\"\\]\\\" ] x\"][c d=\"[\"] " TEXT,
     NOV_22_03_27, "postfix/smtp", TEXT},
    {"5424, nothing but text", "<22>1 - - - - - - " TEXT, NONE, "", TEXT},
    {"5424, byte order mark",
     "<22>1 2026-11-22T03:27:15Z mx1 postfix/smtp 101 - - \xef\xbb\xbf" TEXT, NOV_22_03_27,
     "postfix/smtp", TEXT},
    {"5424, no text", "<22>1 2026-11-22T03:27:15Z mx1 postfix/smtp 101 - -", NOV_22_03_27,
     "postfix/smtp", ""},
    /* Dates that are none, and text that only looks like an envelope. */
    {"empty", "", NONE, "", ""},
    {"a sentence", "the quick brown fox", NONE, "", "the quick brown fox"},
    {"no blank behind the stamp", "Nov 22 03:27:15x mx1 postfix/smtp[101]: " TEXT, NONE, "",
     "Nov 22 03:27:15x mx1 postfix/smtp[101]: " TEXT},
    {"a host is no tag", "Nov 22 03:27:15 mx1 hello world", NOV_22_03_27, "", "mx1 hello world"},
};

static void expect_envelope(const struct row *row, const struct envelope *got)
{
    expect_int(row->name, "time", got->time, row->time);
    expect_slice(row->name, "program", got->program, slice_str(row->program));
    expect_slice(row->name, "text", got->text, slice_str(row->text));
}

/* Each by a parser of its own, then all by one that remembers, twice over. */
static void test_shapes(void **state)
{
    struct guard guard;
    struct envelope got;
    struct envelope_parser fresh, warm;
    (void)state;
    set_zone("UTC");
    guard_open(&guard, 512);
    envelope_parser_init(&warm, NOV_22_NOON);
    for (size_t i = 0; i < 2 * LEN(rows); i++) {
        const struct row *row = &rows[i % LEN(rows)];
        struct slice line = guard_put(&guard, slice_str(row->line));
        envelope_parser_init(&fresh, NOV_22_NOON);
        envelope_parse(&fresh, line, &got);
        expect_envelope(row, &got);
        for (int again = 0; again < 2; again++) {
            envelope_parse(&warm, line, &got);
            expect_envelope(row, &got);
        }
    }
    guard_close(&guard);
}

static void use_prefix(struct slice s, void *arg)
{
    struct envelope got;
    struct envelope_parser fresh;
    envelope_parser_init(&fresh, NOV_22_NOON);
    envelope_parse(&fresh, s, &got);
    assert_true(slice_within(got.program, s) && slice_within(got.text, s));
    envelope_parse(arg, s, &got);
    assert_true(slice_within(got.program, s) && slice_within(got.text, s));
}

static void test_every_prefix(void **state)
{
    struct envelope_parser warm;
    (void)state;
    set_zone("UTC");
    envelope_parser_init(&warm, NOV_22_NOON);
    for (size_t i = 0; i < LEN(rows); i++)
        guard_prefixes(slice_str(rows[i].line), use_prefix, &warm);
}

/* What is no date is no stamp: the line has none, or is read without it. */
static void test_no_dates(void **state)
{
    static const struct {
        const char *name, *line;
    } bad[] = {
        {"day 0", "Nov  0 03:27:15 mx1 postfix/smtp[1]: x"},
        {"day 32", "Nov 32 03:27:15 mx1 postfix/smtp[1]: x"},
        {"31 November", "Nov 31 03:27:15 mx1 postfix/smtp[1]: x"},
        {"30 February", "Feb 30 03:27:15 mx1 postfix/smtp[1]: x"},
        {"29 February 2025", "2025 Feb 29 03:27:15 mx1 postfix/smtp[1]: x"},
        {"hour 24", "Nov 22 24:27:15 mx1 postfix/smtp[1]: x"},
        {"minute 60", "Nov 22 03:60:15 mx1 postfix/smtp[1]: x"},
        {"second 61", "Nov 22 03:27:61 mx1 postfix/smtp[1]: x"},
        {"month", "Nov22 03:27:15 mx1 postfix/smtp[1]: x"},
        {"month 13", "2026-13-22T03:27:15Z mx1 postfix/smtp[1]: x"},
        {"month 0", "2026-00-22T03:27:15Z mx1 postfix/smtp[1]: x"},
        {"ISO day 0", "2026-11-00T03:27:15Z mx1 postfix/smtp[1]: x"},
        {"glued", "2026-11-22T03:27:15Zmx1 postfix/smtp[1]: x"},
        {"year 0000", "0000-11-22T03:27:15Z mx1 postfix/smtp[1]: x"},
    };
    struct envelope got;
    struct envelope_parser parser;
    (void)state;
    set_zone("UTC");
    for (size_t i = 0; i < LEN(bad); i++) {
        envelope_parser_init(&parser, NOV_22_NOON);
        envelope_parse(&parser, slice_str(bad[i].line), &got);
        expect_int(bad[i].name, "time", got.time, NONE);
    }
}

static int64_t time_of(const char *zone, int64_t reference, const char *stamp)
{
    struct envelope got;
    struct envelope_parser parser;
    char line[128];
    set_zone(zone);
    snprintf(line, sizeof(line), "%s mx1 postfix/smtp[1]: x", stamp);
    envelope_parser_init(&parser, reference);
    envelope_parse(&parser, slice_str(line), &got);
    return got.time;
}

#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define BERLIN   "CET-1CEST,M3.5.0,M10.5.0/3"
#define TOKYO    "JST-9"

static void test_years_and_zones(void **state)
{
    static const struct {
        const char *name, *zone;
        int64_t reference;
        const char *stamp;
        int64_t want;
    } years[] = {
        {"2 January: December is last year", "UTC", 1798891200 /* 2027-01-02T12Z */,
         "Dec 31 23:59:59", 1798761599},
        {"2 January: January is this year", "UTC", 1798891200, "Jan  1 00:00:00", 1798761600},
        {"the next day may be written already", "UTC", 1798891200, "Jan  3 11:59:59", 1798977599},
        {"two days later was last year", "UTC", 1798891200, "Jan  4 12:00:01", 1767528001},
        {"New Year's Eve: a minute after midnight", "UTC", 1798761590 /* 2026-12-31T23:59:50Z */,
         "Jan  1 00:01:00", 1798761660},
        {"a leap day read on the day", "UTC", 1835438400 /* 2028-02-29T12Z */, "Feb 29 10:00:00",
         1835431200},
        {"a leap day read in the year after", "UTC", 1866974400 /* 2029-02-28T12Z */,
         "Feb 29 10:00:00", 1835431200},
        {"a leap day read two years after", "UTC", 1795348800, "Feb 29 10:00:00", 1709200800},
        {"winter in Berlin", BERLIN, 1795348800, "Nov 22 04:27:15", NOV_22_03_27},
        {"summer in Berlin", BERLIN, 1795348800, "Jul  1 05:27:15", 1782876435},
        {"Tokyo", TOKYO, 1795348800, "Nov 22 12:27:15", NOV_22_03_27},
        {"New York", NEW_YORK, 1795348800, "Nov 21 22:27:15", NOV_22_03_27},
        {"no zone is local", NEW_YORK, 1795348800, "2026-11-21T22:27:15", NOV_22_03_27},
        {"Z is not local", NEW_YORK, 1795348800, "2026-11-22T03:27:15Z", NOV_22_03_27},
        {"New Year in Tokyo is still December in UTC", TOKYO, 1798725600 /* 2026-12-31T14Z */,
         "Jan  1 00:30:00", 1798731000},
        {"December in New York while UTC has January", NEW_YORK, 1798765200 /* 2027-01-01T01Z */,
         "Dec 31 20:00:00", 1798765200},
        {"31 December in New York, read in summer", NEW_YORK, 1814400000 /* 2027-07-01 */,
         "Dec 31 20:00:00", 1798765200},
    };
    (void)state;
    for (size_t i = 0; i < LEN(years); i++)
        expect_int(years[i].name, "time",
                   time_of(years[i].zone, years[i].reference, years[i].stamp), years[i].want);
}

struct stamped {
    const char *name, *stamp;
    int64_t want;
};

/* Lines of one log, one after another: what is remembered of one must not change the next. */
static void expect_times(const struct stamped *lines, size_t count)
{
    struct envelope got;
    struct envelope_parser parser;
    char line[128];
    set_zone("UTC");
    envelope_parser_init(&parser, 1798794000 /* 2027-01-01T09Z */);
    for (size_t i = 0; i < count; i++) {
        snprintf(line, sizeof(line), "%s mx1 postfix/smtp[1]: x", lines[i].stamp);
        envelope_parse(&parser, slice_str(line), &got);
        expect_int(lines[i].name, "time", got.time, lines[i].want);
        expect_slice(lines[i].name, "program", got.program, SLICE("postfix/smtp"));
    }
}

/* A year of log, then what comes after the turn: memory must not carry the year on. */
static void test_memory_of_the_year(void **state)
{
    static const struct stamped lines[] = {
        {"December before", "Dec 31 23:59:59", 1798761599},
        {"January", "Jan  1 00:00:00", 1798761600},
        {"within the day allowed", "Jan  2 09:00:00", 1798880400},
        {"two days later was the year before", "Jan  9 10:00:00", 1767952800},
        {"and back", "Jan  1 00:00:01", 1798761601},
        {"December again", "Dec 31 23:59:58", 1798761598},
    };
    (void)state;
    expect_times(lines, LEN(lines));
}

/* A year behind the clock is read, whatever the line before had there. */
static void test_memory_of_a_year_behind(void **state)
{
    static const struct stamped lines[] = {
        {"no year", "Nov 22 03:27:15", 1795318035},
        {"a year", "Nov 22 03:27:15 2025", 1763782035},
        {"a fraction", "Nov 22 03:27:15.5", 1795318035},
        {"a fraction and a year", "Nov 22 03:27:15.515 2025", 1763782035},
        {"a fraction behind a comma", "Nov 22 03:27:15,5", 1795318035},
        {"another year", "Nov 22 03:27:15 2024", 1732246035},
    };
    (void)state;
    expect_times(lines, LEN(lines));
}

/* The agent's reference moves on with the clock. */
static void test_refer(void **state)
{
    struct envelope got;
    struct envelope_parser parser;
    struct slice line = SLICE("Jan  9 10:00:00 mx1 postfix/smtp[1]: x");
    (void)state;
    set_zone("UTC");
    envelope_parser_init(&parser, 1798794000 /* 2027-01-01T09Z */);
    envelope_parse(&parser, line, &got);
    expect_int("nine days early", "time", got.time, 1767952800);
    envelope_parser_refer(&parser, 1799488800 /* 2027-01-09T10Z */);
    envelope_parse(&parser, line, &got);
    expect_int("on the day", "time", got.time, 1799488800);
}

/* Hours that clocks skip or repeat: any of the two readings, and no crash. */
static void test_summer_time(void **state)
{
    int64_t twice = time_of(BERLIN, 1795348800, "Oct 25 02:30:00");
    (void)state;
    assert_true(twice == 1792888200 || twice == 1792891800); /* 00:30Z, 01:30Z */
    assert_int_equal(time_of(BERLIN, 1795348800, "Oct 25 03:30:00"), 1792895400);
    assert_int_equal(time_of(BERLIN, 1795348800, "Mar 29 01:59:59"), 1774745999);
    assert_int_equal(time_of(BERLIN, 1795348800, "Mar 29 03:00:00"), 1774746000);
}

/* Every minute of the night in which the clock goes back, in the order of a log. */
static void test_memory_of_the_hour(void **state)
{
    struct envelope got;
    struct envelope_parser parser;
    char line[128];
    (void)state;
    set_zone("LHST-10:30LHDT-11,M10.1.0,M4.1.0"); /* Lord Howe: by half an hour */
    envelope_parser_init(&parser, 1795348800);
    for (int minute = 0; minute < 5 * 60; minute++) {
        snprintf(line, sizeof(line), "Oct  4 %02d:%02d:00 mx1 postfix/smtp[1]: x", minute / 60,
                 minute % 60);
        envelope_parse(&parser, slice_str(line), &got);
        /* 2026-10-04 02:00 +10:30 is 2026-10-03T15:30Z; the clock then shows 02:30 +11. */
        int64_t before = 1791034200 + minute * 60, after = before - 1800;
        if (minute >= 120 && minute < 150)
            assert_true(got.time == before || got.time == after);
        else
            expect_int(line, "time", got.time, minute < 120 ? before : after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_no_dates),
        cmocka_unit_test(test_years_and_zones),
        cmocka_unit_test(test_memory_of_the_year),
        cmocka_unit_test(test_memory_of_a_year_behind),
        cmocka_unit_test(test_refer),
        cmocka_unit_test(test_summer_time),
        cmocka_unit_test(test_memory_of_the_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
