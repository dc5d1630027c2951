/* expose/scrapers.h: who is a scraper, and what each of them has seen. */
#include "scrapers_stage.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
