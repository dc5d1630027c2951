/*
 * expose/scrapers.h. What a series is shown as follows from two numbers alone: it is 0 where
 * it was born after `seen`. So the tests speak of births, and of whom they are shown to.
 */
#include "guard.h"

#include "mailvane/expose/scrapers.h"
#include "mailvane/expose/text.h"

#define BASE 100 /* births of the first reading */
#define T0   50000

/* Two scrapers by their User-Agents, and two that are alike. */
#define PROM  "Prometheus/2.42.0"
#define AGENT "GrafanaAgent/v0.40"

static struct http_request request_of(const char *agent, uint64_t connection)
{
    return (struct http_request){
        .connection = connection,
        .peer = SLICE("192.0.2.7"),
        .user_agent = slice_str(agent),
        .query = SLICE(""),
    };
}

/* A table that began T0 ago with BASE births, all long known. */
static struct scrapers *new_scrapers(void)
{
    static struct scrapers s;
    scrapers_init(&s, 42);
    scrapers_note(&s, T0, BASE);
    scrapers_start(&s, BASE);
    return &s;
}

/* A whole scrape: what it had seen. */
static uint64_t scrape_at(struct scrapers *s, const char *agent, uint64_t connection, int64_t now,
                          uint64_t births)
{
    struct http_request request = request_of(agent, connection);
    struct scrape scrape = scrapers_visit(s, &request, now, births);
    scrapers_answered(s, connection, true);
    return scrape.seen;
}

static uint64_t scrape(struct scrapers *s, const char *agent, uint64_t connection, uint64_t births)
{
    return scrape_at(s, agent, connection, T0 + 1, births);
}

/* A scrape on a connection that is closed at once. */
static uint64_t visit_once(struct scrapers *s, const char *agent, uint64_t connection,
                           uint64_t births)
{
    uint64_t seen = scrape(s, agent, connection, births);
    scrapers_closed(s, connection);
    return seen;
}

static void expect(const char *name, uint64_t got, uint64_t want)
{
    expect_int(name, "seen", (long long)got, (long long)want);
}

static void test_one_scraper(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    expect("the first time: what was born meanwhile is 0", scrape(s, PROM, 1, 103), BASE);
    expect("then it has its value", scrape(s, PROM, 1, 103), 103);
    expect("a birth", scrape(s, PROM, 1, 104), 103);
    expect("and its value one scrape later, beside another birth", scrape(s, PROM, 1, 105), 104);
    expect("which is 0 once as well", scrape(s, PROM, 1, 105), 105);
    expect_int("one scraper", "count", scrapers_count(s), 1);
}

static void test_two_alternating(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    expect("A", scrape(s, PROM, 1, 100), 100);
    expect("B", scrape(s, AGENT, 2, 101), 100);
    expect("A sees it at 0 though B has seen it", scrape(s, PROM, 1, 102), 100);
    expect("B", scrape(s, AGENT, 2, 102), 101);
    expect("A", scrape(s, PROM, 1, 103), 102);
    expect("B", scrape(s, AGENT, 2, 103), 102);
    expect_int("two scrapers", "count", scrapers_count(s), 2);
}

/* Each part of the key tells scrapers apart, and no two parts run into one another. */
static void test_identity(void **state)
{
    static const struct http_request others[] = {
        {.connection = 9, .peer = SLICE_INIT("192.0.2.8"), .user_agent = SLICE_INIT("P")},
        {.connection = 9, .peer = SLICE_INIT("192.0.2.7"), .user_agent = SLICE_INIT("Q")},
        {.connection = 9,
         .peer = SLICE_INIT("192.0.2.7"),
         .user_agent = SLICE_INIT("P"),
         .query = SLICE_INIT("a")},
        {.connection = 9, .peer = SLICE_INIT("192.0.2.7P")},
        {.connection = 9, .peer = SLICE_INIT("192.0.2.7"), .query = SLICE_INIT("P")},
        {.connection = 9},
    };
    struct scrapers *s = new_scrapers();
    (void)state;
    visit_once(s, "P", 1, 101);
    for (unsigned i = 0; i < LEN(others); i++) {
        scrapers_visit(s, &others[i], T0 + 1, 101);
        scrapers_closed(s, 9);
        expect_int("another scraper", "count", scrapers_count(s), i + 2);
    }
}

static void test_alike_on_two_connections(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    expect("A", scrape(s, PROM, 1, 100), 100);
    expect("B", scrape(s, PROM, 2, 101), 100);
    expect("A", scrape(s, PROM, 1, 102), 100);
    expect("B", scrape(s, PROM, 2, 102), 101);
    expect("A", scrape(s, PROM, 1, 102), 102);
    expect("B", scrape(s, PROM, 2, 103), 102);
    expect_int("two scrapers", "count", scrapers_count(s), 2);
}

static void test_connection_replaced(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    expect("first", visit_once(s, PROM, 1, 101), BASE);
    expect("again, on a new connection", visit_once(s, PROM, 2, 102), 101);
    expect("and again", scrape(s, PROM, 3, 103), 102);
    expect_int("one scraper", "count", scrapers_count(s), 1);
    /* Of two that are alike, one is still there: the other row is whose connection ended. */
    expect("B", scrape(s, PROM, 4, 104), 102);
    expect("A stays", scrape(s, PROM, 3, 105), 103);
    scrapers_closed(s, 4);
    expect("B is back", scrape(s, PROM, 5, 106), 104);
    expect("A", scrape(s, PROM, 3, 106), 105);
    expect_int("two scrapers", "count", scrapers_count(s), 2);
}

/* With a connection for each request, two that are alike come by turns. */
static void test_alike_without_connections(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrape(s, PROM, 1, 101);
    scrape(s, PROM, 2, 102);
    scrape(s, PROM, 1, 103);
    scrape(s, PROM, 2, 104);
    scrapers_closed(s, 1);
    scrapers_closed(s, 2);
    for (unsigned turn = 0; turn < 10; turn++) {
        expect("A has what it saw", visit_once(s, PROM, 10 + 2 * turn, 105 + 2 * turn),
               103 + 2 * turn);
        expect("B has what it saw", visit_once(s, PROM, 11 + 2 * turn, 106 + 2 * turn),
               104 + 2 * turn);
    }
}

/* A connection that died unnoticed: its scraper comes back while it seems to be there. */
static void test_dead_connection(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrape(s, PROM, 1, 110);
    expect("shown up to 110", scrape(s, PROM, 1, 120), 110);
    expect("no reset of what it was shown", scrape(s, PROM, 2, 130), 110);
    expect("at most one more 0", scrape(s, PROM, 2, 130), 130);
    scrapers_closed(s, 1);
    expect_int("the dead end is dropped", "count", scrapers_count(s), 1);
    /* The next one dies as well: nothing is left that would remember less. */
    expect("again", scrape(s, PROM, 3, 140), 130);
    scrapers_closed(s, 2);
    scrapers_closed(s, 3);
    expect("its own row", scrape(s, PROM, 4, 150), 140);
    expect_int("one scraper", "count", scrapers_count(s), 1);
}

/* But two that are alike and both alive are not taken for one. */
static void test_rival_that_lives(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrape(s, PROM, 1, 101);
    scrape(s, PROM, 2, 102);
    expect("the first comes again", scrape(s, PROM, 1, 103), 101);
    scrapers_closed(s, 1);
    expect_int("and is remembered", "count", scrapers_count(s), 2);
    expect("on its next connection", scrape(s, PROM, 3, 104), 103);
}

static void test_answer_that_was_lost(void **state)
{
    struct scrapers *s = new_scrapers();
    struct http_request request = request_of(PROM, 1);
    (void)state;
    scrape(s, PROM, 1, 101);
    expect("shown at 0", scrapers_visit(s, &request, T0 + 1, 102).seen, 101);
    scrapers_answered(s, 1, false);
    scrapers_closed(s, 1);
    expect("at 0 again, since it did not arrive", scrape(s, PROM, 2, 102), 101);
    expect("then not", scrape(s, PROM, 2, 102), 102);
    request.connection = 2;
    expect("closed in the middle", scrapers_visit(s, &request, T0 + 1, 103).seen, 102);
    scrapers_closed(s, 2);
    expect("is not whole either", scrape(s, PROM, 3, 103), 102);
}

static void test_other_pages_on_the_connection(void **state)
{
    struct scrapers *s = new_scrapers();
    struct http_request request = request_of(PROM, 1);
    (void)state;
    scrapers_answered(s, 1, true);
    scrapers_closed(s, 1);
    scrapers_visit(s, &request, T0 + 1, 102);
    scrapers_answered(s, 2, true);
    scrapers_closed(s, 2);
    scrapers_answered(s, 1, true);
    scrapers_answered(s, 1, false);
    expect("only its own answer counts", scrape(s, PROM, 1, 103), 102);
}

static void test_head(void **state)
{
    struct scrapers *s = new_scrapers();
    struct http_request request = request_of(PROM, 1);
    (void)state;
    request.head = true;
    expect("of somebody new", scrapers_visit(s, &request, T0 + 1, 102).seen, BASE);
    scrapers_answered(s, 1, true);
    expect_int("who is not remembered", "count", scrapers_count(s), 0);
    expect("GET", scrape(s, PROM, 1, 102), BASE);
    expect("HEAD tells the same as the next GET", scrapers_visit(s, &request, T0 + 1, 103).seen,
           102);
    scrapers_answered(s, 1, true);
    expect("GET", scrape(s, PROM, 1, 103), 102);
}

static void test_people(void **state)
{
    static const char *const people[] = {"curl/7.88.1", "Wget/1.21.3",
                                         "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"};
    static const char *const scrapers[] = {"", "curlew/1.0", "Go-http-client/1.1", "vm_promscrape",
                                           "Python-urllib/3.11"};
    struct scrapers *s = new_scrapers();
    (void)state;
    for (unsigned i = 0; i < LEN(people); i++)
        expect(people[i], scrape(s, people[i], 1, 102), TEXT_ALL_SEEN);
    expect_int("nobody", "count", scrapers_count(s), 0);
    for (unsigned i = 0; i < LEN(scrapers); i++)
        expect(scrapers[i], scrape(s, scrapers[i], 1, 102), BASE);
    expect_int("all of them", "count", scrapers_count(s), LEN(scrapers));
}

static const char *name_of(unsigned n)
{
    static char name[32];
    snprintf(name, sizeof(name), "scraper %u", n);
    return name;
}

static void test_seventeenth(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned n = 1; n <= SCRAPERS_MAX; n++)
            scrape(s, name_of(n), n, 101 + round);
    }
    struct http_request request = request_of(name_of(17), 17);
    struct scrape seventeenth = scrapers_visit(s, &request, T0 + 1, 103);
    scrapers_answered(s, 17, true);
    assert_true(seventeenth.forgot);
    expect("the new one", seventeenth.seen, BASE);
    expect_int("no more than there may be", "count", scrapers_count(s), SCRAPERS_MAX);
    expect("the second is still known", scrape(s, name_of(2), 2, 103), 102);
    /* The first gave way; it was shown everything up to 101. */
    expect("the first is new, and sees no reset", scrape(s, name_of(1), 18, 103), 101);
    /* It was the seventeenth that gave way for it: it came once, the others twice. */
    for (unsigned n = 3; n <= SCRAPERS_MAX; n++)
        expect(name_of(n), scrape(s, name_of(n), n, 103), 102);
}

/* Strangers under many names do not push out who comes regularly. */
static void test_strangers(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrape(s, PROM, 1, 101);
    scrape(s, PROM, 1, 102);
    for (unsigned n = 0; n < 1000; n++)
        visit_once(s, name_of(n), 100 + n, 102 + n);
    expect("still known", scrape(s, PROM, 1, 2000), 102);
    expect_int("bounded", "count", scrapers_count(s), SCRAPERS_MAX);
    expect("and somebody new is shown zeros as ever", scrape(s, AGENT, 2, 2000), BASE);
}

static void test_late_scraper(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    /* A birth every 10 seconds, for an hour, and nobody comes. */
    for (int i = 1; i <= 360; i++)
        scrapers_note(s, T0 + 10 * i, BASE + (uint64_t)i);
    uint64_t seen = scrape_at(s, PROM, 1, T0 + 3600, BASE + 360);
    /* Of the last 300 s, 30 were born; a slot of time may count as older than it is. */
    assert_true(seen >= BASE + 330);
    assert_true(seen <= BASE + 330 + SCRAPERS_SLOT / 10);
    expect("its next scrape", scrape_at(s, PROM, 1, T0 + 3610, BASE + 360), BASE + 360);
}

/* The series of a quiet host: old is old, though nothing happened since. */
static void test_quiet_host(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrapers_note(s, T0 + 30, BASE + 1);
    expect("299 s later", scrape_at(s, PROM, 1, T0 + 30 + SCRAPERS_RECENT - 1, BASE + 1), BASE);
    s = new_scrapers();
    scrapers_note(s, T0 + 30, BASE + 1);
    expect("300 s later", scrape_at(s, PROM, 1, T0 + 30 + SCRAPERS_RECENT, BASE + 1), BASE + 1);
}

/* Noted far more often than there are slots: the memory still reaches back. */
static void test_busy_host(void **state)
{
    struct scrapers *s = new_scrapers();
    uint64_t births = BASE;
    (void)state;
    for (int64_t now = T0; now < T0 + 1000; now++) {
        for (int i = 0; i < 5; i++)
            scrapers_note(s, now, ++births);
    }
    uint64_t seen = scrape_at(s, PROM, 1, T0 + 1000, births);
    uint64_t exact = births - 5 * SCRAPERS_RECENT;
    assert_true(seen >= exact && seen <= exact + 5 * SCRAPERS_SLOT);
}

static void test_first_reading(void **state)
{
    static struct scrapers s;
    (void)state;
    scrapers_init(&s, 42);
    scrapers_note(&s, T0, 10);
    expect("a scrape amid the backlog sees all as it is", scrape_at(&s, PROM, 1, T0 + 1, 5000),
           5000);
    scrapers_note(&s, T0 + 2, 9000);
    scrapers_start(&s, 9000);
    expect("who comes then, too", scrape_at(&s, AGENT, 2, T0 + 3, 9000), 9000);
    /* The first 5.7.1 of an agent on an empty log, before Prometheus ever came. */
    expect("what was born after it is 0", scrape_at(&s, "late", 3, T0 + 15, 9001), 9000);
    expect("whoever was there was told of what came in between",
           scrape_at(&s, PROM, 1, T0 + 15, 9001), 5000);
}

static void test_clock_back(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    for (int i = 1; i <= 50; i++)
        scrapers_note(s, T0 + 20 * i, BASE + (uint64_t)i);
    expect("a scraper before", scrape_at(s, AGENT, 2, T0 + 1000, BASE + 50), BASE + 35);
    /* Put back by 900 s: what was born 500 s ago is as old as it was. */
    expect("nobody sees old series at 0", scrape_at(s, PROM, 1, T0 + 100, BASE + 50), BASE + 35);
    expect("and goes on", scrape_at(s, PROM, 1, T0 + 110, BASE + 51), BASE + 50);
    expect("the other one", scrape_at(s, AGENT, 2, T0 + 110, BASE + 51), BASE + 50);
    expect("put back far below 0", scrape_at(s, "new", 3, -1000000, BASE + 51), BASE + 35);
}

/* To be saved before values are shown that would be 0 after a restart. */
static void test_save_first(void **state)
{
    struct scrapers *s = new_scrapers();
    struct http_request request = request_of(PROM, 1);
    static const struct {
        const char *name;
        uint64_t births;
        bool saved; /* before this scrape, by the clock */
        bool want;
    } rows[] = {
        {"somebody new", 101, false, false},
        {"who is in nothing that is saved, and would be new after a crash", 102, false, false},
        {"saved by the clock", 103, true, false},
        {"values of what was 0 then", 103, false, true},
        {"nothing new, and not saved yet", 103, false, true},
        {"saved", 103, true, false},
        {"nothing new", 101, false, false},
        {"a birth is shown at 0", 104, false, false},
        {"and now as it is", 105, false, true},
        {"saved meanwhile", 106, true, false},
        {"but not what was 0 since", 106, false, true},
    };
    (void)state;
    for (unsigned i = 0; i < LEN(rows); i++) {
        if (rows[i].saved)
            scrapers_saved(s);
        struct scrape scrape = scrapers_visit(s, &request, T0 + 1, rows[i].births);
        scrapers_answered(s, 1, true);
        expect_int(rows[i].name, "save_first", scrape.save_first, rows[i].want);
    }
}

/* What is restored is a copy: the image may go. */
static struct scrapers *restart(const struct scrapers *s)
{
    static struct scrapers after;
    size_t len;
    const void *image = scrapers_image(s, &len);
    char *copy = test_malloc(len);
    memcpy(copy, image, len);
    scrapers_init(&after, 77);
    assert_true(scrapers_restore(&after, copy, len));
    memset(copy, 0xff, len);
    test_free(copy);
    return &after;
}

static void test_restore(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrape(s, PROM, 1, 101);
    scrape(s, AGENT, 2, 103);
    struct scrapers *after = restart(s);
    /* Lines of the time between made 7 series more: they are new to who was here. */
    scrapers_note(after, 5, 103);
    scrapers_note(after, 6, 110);
    scrapers_start(after, 110);
    expect("a known one, though connections are counted anew", scrape_at(after, AGENT, 1, 7, 110),
           103);
    expect("the other one", scrape_at(after, PROM, 2, 7, 110), 101);
    expect("somebody new", scrape_at(after, "new", 3, 7, 111), 110);
    expect("a known one, again", scrape_at(after, AGENT, 1, 8, 111), 110);
    expect_int("three", "count", scrapers_count(after), 3);
}

/* After a restart nobody knows which of two that are alike comes first. */
static void test_restore_alike(void **state)
{
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        struct scrapers *s = new_scrapers();
        scrape(s, PROM, 1, 101);
        scrape(s, PROM, 2, 101);
        scrape(s, PROM, 1, 102); /* A was shown up to 101, and has seen 102 */
        scrape(s, PROM, 2, 105); /* B was shown up to 101, and has seen 105 */
        struct scrapers *after = restart(s);
        scrapers_start(after, 105);
        const char *names[] = {"A first", "B first"};
        expect(names[swapped], scrape(after, PROM, 1, 106), 102);
        expect("the other one", scrape(after, PROM, 2, 106), 102);
        expect("from then on by their connections", scrape(after, PROM, 1, 107), 106);
        expect("from then on by their connections", scrape(after, PROM, 2, 107), 106);
    }
    (void)state;
}

/* A row of long ago is no reason to show a 0 after a value. */
static void test_restore_stale(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrape(s, PROM, 1, 101);
    scrape(s, PROM, 2, 102);
    scrape(s, PROM, 1, 102);
    scrapers_closed(s, 1); /* and never comes again */
    for (uint64_t births = 103; births <= 150; births++)
        scrape(s, PROM, 2, births);
    struct scrapers *after = restart(s);
    scrapers_start(after, 150);
    expect("shown up to 149", scrape(after, PROM, 1, 150), 149);
    expect("goes on", scrape(after, PROM, 1, 151), 150);
}

static void test_restore_then_fewer_births(void **state)
{
    struct scrapers *s = new_scrapers();
    (void)state;
    scrape(s, PROM, 1, 500);
    struct scrapers *after = restart(s);
    scrapers_start(after, 20);
    expect("counters began anew without it", scrape(after, PROM, 1, 21), 21);
    expect("and go on", scrape(after, PROM, 1, 22), 21);
}

static void test_image_is_whole(void **state)
{
    struct scrapers *s = new_scrapers();
    size_t len, again;
    (void)state;
    scrape(s, PROM, 1, 101);
    const void *image = scrapers_image(s, &len);
    assert_int_equal(len, sizeof(struct scrapers_table));
    /* No padding: every byte of it is a number of 64 bits. */
    assert_int_equal(len, (4 + 6 * SCRAPERS_MAX) * sizeof(uint64_t));
    struct scrapers *after = restart(s);
    assert_memory_equal(scrapers_image(after, &again), image, len);
}

struct hostile_case {
    const char *name;
    size_t at; /* of the number that is written over */
    uint64_t value;
};

#define AT(member) (offsetof(struct scrapers_table, member))
static const struct hostile_case hostile_cases[] = {
    {"another form", AT(form), 1},
    {"turns that nobody has counted", AT(turn), UINT64_MAX},
    {"a floor that nobody has reached", AT(floor), UINT64_MAX},
    {"a row that came later than now", AT(rows[0].came), 3},
    {"two rows that came at once", AT(rows[0].came), 2},
    {"more shown than seen", AT(rows[0].shown), 102},
    {"less seen than shown", AT(rows[0].seen), 1},
    {"seen beyond all births", AT(rows[0].seen), UINT64_MAX},
    {"a flag that is none", AT(rows[1].again), 2},
    {"another one", AT(rows[1].rival), UINT64_MAX},
    {"a free row with a key", AT(rows[2].key), 1},
    {"a free row that has seen something", AT(rows[2].seen), 1},
    {"a free row that was shown something", AT(rows[2].shown), 1},
    {"a free row with a flag", AT(rows[15].rival), 1},
    {"a used row without its turn", AT(rows[1].came), 0},
};
#undef AT

static void test_hostile_images(void **state)
{
    struct scrapers *s = new_scrapers();
    static struct scrapers after, before;
    struct scrapers_table image;
    struct guard guard;
    size_t len;
    (void)state;
    scrape(s, PROM, 1, 101);
    scrape(s, AGENT, 2, 101);
    scrapers_init(&after, 77);
    scrape(&after, "here", 5, 3);
    before = after;
    const void *good = scrapers_image(s, &len);
    for (unsigned i = 0; i < LEN(hostile_cases); i++) {
        memcpy(&image, good, len);
        memcpy((char *)&image + hostile_cases[i].at, &hostile_cases[i].value, sizeof(uint64_t));
        if (scrapers_restore(&after, &image, len))
            fail_msg("%s: was taken", hostile_cases[i].name);
        assert_memory_equal(&after, &before, sizeof(after));
    }
    guard_open(&guard, len + 1);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(scrapers_restore(&after, guard_put(&guard, slice_of(good, cut)).ptr, cut));
    assert_false(scrapers_restore(&after, good, len + 1));
    assert_memory_equal(&after, &before, sizeof(after));
    assert_true(scrapers_restore(&after, guard_put(&guard, slice_of(good, len)).ptr, len));
    guard_close(&guard);
}

/*
 * Prometheis that do all that can happen to them, in any order: births, connections that are
 * closed or die unnoticed, answers that are lost, strangers, crashes. Each knows what it was
 * shown and what was shown to it at 0.
 */
struct prometheus {
    const char *agent;
    uint64_t connection; /* 0: none */
    uint64_t shown;      /* births that it was shown as they are */
    uint64_t told;       /* births that answers told it of */
};

struct world {
    struct scrapers s;
    struct scrapers_table saved;
    struct prometheus proms[5];
    uint64_t dead[8]; /* connections that died unnoticed; 0: none */
    uint64_t connections, births, random;
    int64_t now;
    bool rough; /* with what may cost a 0 */
    unsigned zeros;
};

static uint64_t draw(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random >> 11) % below;
}

static void save_world(struct world *w)
{
    size_t len;
    memcpy(&w->saved, scrapers_image(&w->s, &len), sizeof(w->saved));
    scrapers_saved(&w->s);
}

/* What was counted since the last save is read again before anybody comes. */
static void crash_world(struct world *w)
{
    scrapers_init(&w->s, 1);
    assert_true(scrapers_restore(&w->s, &w->saved, sizeof(w->saved)));
    scrapers_note(&w->s, w->now, w->births);
    scrapers_start(&w->s, w->births);
    memset(w->dead, 0, sizeof(w->dead));
    for (unsigned i = 0; i < LEN(w->proms); i++)
        w->proms[i].connection = 0;
}

static void end_connection(struct world *w, struct prometheus *p)
{
    uint64_t *dead = &w->dead[draw(w, LEN(w->dead))];
    if (!p->connection)
        return;
    if (w->rough && draw(w, 4) == 0) {
        if (*dead)
            scrapers_closed(&w->s, *dead);
        *dead = p->connection;
    } else {
        scrapers_closed(&w->s, p->connection);
    }
    p->connection = 0;
}

static void scrape_world(struct world *w, struct prometheus *p)
{
    if (!p->connection)
        p->connection = ++w->connections;
    struct http_request request = request_of(p->agent, p->connection);
    struct scrape scrape = scrapers_visit(&w->s, &request, w->now, w->births);
    if (scrape.seen < p->shown)
        fail_msg("%s: a reset: sees %llu, was shown %llu", p->agent,
                 (unsigned long long)scrape.seen, (unsigned long long)p->shown);
    if (!w->rough && p->told && scrape.seen > p->told)
        fail_msg("%s: a birth without its 0: sees %llu, was told of %llu", p->agent,
                 (unsigned long long)scrape.seen, (unsigned long long)p->told);
    if (scrape.save_first)
        save_world(w);
    w->zeros += w->births > scrape.seen;
    p->shown = scrape.seen;
    bool whole = draw(w, 8) != 0;
    scrapers_answered(&w->s, p->connection, whole);
    if (whole)
        p->told = w->births;
    else
        end_connection(w, p);
}

static void step_world(struct world *w)
{
    struct prometheus *p = &w->proms[draw(w, LEN(w->proms))];
    w->now += (int64_t)draw(w, 40);
    switch (draw(w, 8)) {
    case 0:
        w->births += draw(w, 4);
        scrapers_note(&w->s, w->now, w->births);
        break;
    case 1:
        end_connection(w, p);
        break;
    case 2:
        if (w->rough && draw(w, 8) == 0)
            crash_world(w);
        else if (draw(w, 4) == 0)
            save_world(w);
        break;
    case 3:
        if (w->rough)
            scrape_at(&w->s, name_of((unsigned)draw(w, 30)), ++w->connections, w->now, w->births);
        break;
    default:
        scrape_world(w, p);
    }
}

/* rough: three of them are alike. Else each is known by its name. */
static void run_world(uint64_t seed, bool rough)
{
    static struct world w;
    static const char *const alike[] = {"P", "P", "P", "Q", "R"};
    static const char *const apart[] = {"P", "Q", "R", "S", "T"};
    w = (struct world){.random = seed * 2654435761u + 88172645463325252u, .now = T0};
    w.births = BASE;
    w.rough = rough;
    for (unsigned i = 0; i < LEN(w.proms); i++)
        w.proms[i].agent = rough ? alike[i] : apart[i];
    scrapers_init(&w.s, seed);
    scrapers_note(&w.s, w.now, w.births);
    scrapers_start(&w.s, w.births);
    save_world(&w);
    for (int i = 0; i < 2000; i++)
        step_world(&w);
    assert_true(w.zeros > 10);
}

static void test_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        run_world(seed, false);
        run_world(seed, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_scraper),
        cmocka_unit_test(test_two_alternating),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_alike_on_two_connections),
        cmocka_unit_test(test_connection_replaced),
        cmocka_unit_test(test_alike_without_connections),
        cmocka_unit_test(test_dead_connection),
        cmocka_unit_test(test_rival_that_lives),
        cmocka_unit_test(test_answer_that_was_lost),
        cmocka_unit_test(test_other_pages_on_the_connection),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_people),
        cmocka_unit_test(test_seventeenth),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_late_scraper),
        cmocka_unit_test(test_quiet_host),
        cmocka_unit_test(test_busy_host),
        cmocka_unit_test(test_first_reading),
        cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_save_first),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_restore_alike),
        cmocka_unit_test(test_restore_stale),
        cmocka_unit_test(test_restore_then_fewer_births),
        cmocka_unit_test(test_image_is_whole),
        cmocka_unit_test(test_hostile_images),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
