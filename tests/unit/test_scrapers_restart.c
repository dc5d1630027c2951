/* expose/scrapers.h over restarts: what is saved, what is refused, and what no order breaks. */
#include "scrapers_stage.h"

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
        cmocka_unit_test(test_restore),        cmocka_unit_test(test_restore_alike),
        cmocka_unit_test(test_restore_stale),  cmocka_unit_test(test_restore_then_fewer_births),
        cmocka_unit_test(test_image_is_whole), cmocka_unit_test(test_hostile_images),
        cmocka_unit_test(test_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
