/*
 * metric/topn.h: bounded, the busiest survive, and who is shown stays shown. Driven
 * as metrics.c does: touch; where there is no room, prune, apply, forget, touch.
 */
#include "guard.h"

#include "mailvane/metric/topn.h"

#define NOW 1000000000

/* How often each mark was given, since the last look. */
static unsigned count_marks(const struct topn *topn, enum topn_mark mark)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < topn->dict.count; i++)
        count += topn->marks[i] == mark;
    return count;
}

static uint16_t touch(struct topn *topn, const char *name)
{
    uint16_t number = topn_touch(topn, slice_str(name), topn_expect(topn, slice_str(name)));
    if (number == 0) {
        topn_prune(topn);
        assert_true(count_marks(topn, TOPN_EVICT) > 0);
        topn_forget(topn);
        number = topn_touch(topn, slice_str(name), topn_expect(topn, slice_str(name)));
    }
    return number;
}

static void touch_many(struct topn *topn, const char *name, unsigned times)
{
    while (times--)
        assert_int_not_equal(touch(topn, name), 0);
}

static void settle(struct topn *topn, int64_t now, bool final)
{
    topn_settle(topn, now, final);
    topn_forget(topn);
}

static bool is_shown(struct topn *topn, const char *name)
{
    for (uint32_t i = DICT_OTHER + 1; i < topn->dict.count; i++) {
        if (slice_eq(dict_text(&topn->dict, (uint16_t)i), slice_str(name)))
            return topn->slots[i].shown;
    }
    return false;
}

static unsigned shown_count(const struct topn *topn)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < topn->dict.count; i++)
        count += topn->slots[i].shown;
    return count;
}

/* A million names of one delivery each; among them five that have a twenty-fifth of all each. */
static void test_busiest_survive(void **state)
{
    enum { LIMIT = 20, BUSY = 5 };
    struct topn topn;
    char name[32];
    (void)state;
    topn_init(&topn, LIMIT, 7);
    for (unsigned i = 0; i < 1000000; i++) {
        snprintf(name, sizeof(name), "once%u.example", i);
        assert_int_not_equal(touch(&topn, name), 0);
        if (i % 4 == 0) {
            snprintf(name, sizeof(name), "busy%u.example", i / 4 % BUSY);
            assert_int_not_equal(touch(&topn, name), 0);
        }
        assert_true(topn.dict.count <= 4 * LIMIT + 2);
    }
    settle(&topn, NOW, false);
    for (unsigned i = 0; i < BUSY; i++) {
        snprintf(name, sizeof(name), "busy%u.example", i);
        expect_int(name, "is shown", is_shown(&topn, name), true);
    }
    assert_true(shown_count(&topn) <= LIMIT);
    topn_release(&topn);
}

/* Bounded even where a scrape comes after every name. */
static void test_never_more_than_limit(void **state)
{
    enum { LIMIT = 5 };
    struct topn topn;
    char name[32];
    (void)state;
    topn_init(&topn, LIMIT, 7);
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "d%u.example", i % 700);
        touch(&topn, name);
        settle(&topn, NOW + i, i % 17 == 0);
        assert_true(shown_count(&topn) <= LIMIT);
        assert_int_equal(shown_count(&topn), topn.shown);
    }
    topn_release(&topn);
}

/* A name that is shown keeps its place, whoever comes, until the silence is over. */
static void test_sticky(void **state)
{
    enum { LIMIT = 4 };
    struct topn topn;
    (void)state;
    topn_init(&topn, LIMIT, 7);
    touch_many(&topn, "a", 10);
    touch_many(&topn, "b", 10);
    touch_many(&topn, "c", 10);
    touch_many(&topn, "d", 10);
    settle(&topn, NOW, true);
    assert_int_equal(shown_count(&topn), LIMIT);
    touch_many(&topn, "newcomer", 100000);
    settle(&topn, NOW + 60, false);
    assert_false(is_shown(&topn, "newcomer"));
    settle(&topn, NOW + TOPN_SILENCE, false);
    assert_true(is_shown(&topn, "a") && is_shown(&topn, "d"));
    assert_false(is_shown(&topn, "newcomer"));
    /* One of the four was heard of in the meantime: the others may go. */
    touch(&topn, "b");
    touch_many(&topn, "newcomer", 10);
    topn_settle(&topn, NOW + TOPN_SILENCE + 1, false);
    assert_true(count_marks(&topn, TOPN_DROP) >= 1);
    topn_forget(&topn);
    assert_true(is_shown(&topn, "b"));
    assert_true(is_shown(&topn, "newcomer"));
    topn_release(&topn);
}

/* Silent or not: as long as there is room nobody is retired. */
static void test_silence_alone_retires_nobody(void **state)
{
    struct topn topn;
    (void)state;
    topn_init(&topn, 10, 7);
    touch_many(&topn, "a", 10);
    settle(&topn, NOW, false);
    touch_many(&topn, "b", 1);
    settle(&topn, NOW + 100 * TOPN_SILENCE, false);
    assert_true(is_shown(&topn, "a"));
    topn_release(&topn);
}

/* The first half of the places is free; the rest is for names with a share of 1/limit. */
static void test_second_half_must_be_earned(void **state)
{
    enum { LIMIT = 10 };
    struct topn topn;
    char name[32];
    (void)state;
    topn_init(&topn, LIMIT, 7);
    touch_many(&topn, "big", 1000);
    for (unsigned i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "small%u", i);
        touch(&topn, name);
    }
    topn_settle(&topn, NOW, false);
    assert_int_equal(shown_count(&topn), LIMIT / 2);
    assert_true(is_shown(&topn, "big"));
    assert_int_equal(count_marks(&topn, TOPN_FOLD), 31 - LIMIT / 2);
    topn_forget(&topn);
    /* "new" has a tenth of what was seen. */
    touch_many(&topn, "new", 200);
    settle(&topn, NOW, false);
    assert_true(is_shown(&topn, "new"));
    assert_int_equal(shown_count(&topn), LIMIT / 2 + 1);
    topn_release(&topn);
}

/* The last exposition of a file fills all places, with the busiest first. */
static void test_final_fills_all(void **state)
{
    enum { LIMIT = 10 };
    struct topn topn;
    char name[32];
    (void)state;
    topn_init(&topn, LIMIT, 7);
    for (unsigned i = 0; i < 25; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        touch_many(&topn, name, i + 1);
    }
    settle(&topn, NOW, true);
    assert_int_equal(shown_count(&topn), LIMIT);
    for (unsigned i = 0; i < 25; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        expect_int(name, "is shown", is_shown(&topn, name), i >= 15);
    }
    topn_release(&topn);
}

/* Four names that have all places, and a fifth that waits for one. */
static void take_all_places(struct topn *topn)
{
    topn_init(topn, 4, 7);
    for (const char *name = "a\0b\0c\0d\0"; *name; name += 2)
        touch_many(topn, name, 10);
    settle(topn, NOW, true);
    touch_many(topn, "waits", 30);
}

/* Seen while nobody asked for an exposition is not silent, however long that was. */
static void test_seen_between_expositions(void **state)
{
    struct topn topn;
    (void)state;
    take_all_places(&topn);
    for (const char *name = "a\0b\0c\0"; *name; name += 2)
        touch(&topn, name);
    settle(&topn, NOW + 10 * TOPN_SILENCE, false);
    assert_true(is_shown(&topn, "a") && is_shown(&topn, "b") && is_shown(&topn, "c"));
    assert_false(is_shown(&topn, "d"));
    assert_true(is_shown(&topn, "waits"));
    topn_release(&topn);
}

/* Seen by a clock that was wrong for a while, and put right: nobody is older for that. */
static void test_clock_put_back_and_right(void **state)
{
    struct topn topn;
    (void)state;
    take_all_places(&topn);
    for (int i = 0; i < 2; i++) {
        settle(&topn, NOW - 50 * TOPN_SILENCE + i, false);
        for (const char *name = "a\0b\0c\0d\0"; *name; name += 2)
            touch(&topn, name);
    }
    settle(&topn, NOW - 50 * TOPN_SILENCE + 2, false);
    settle(&topn, NOW + 1, false);
    expect_int("shown", "names", shown_count(&topn), 4);
    assert_false(is_shown(&topn, "waits"));
    topn_release(&topn);
}

static void test_smallest_limit(void **state)
{
    struct topn topn;
    char name[32];
    (void)state;
    topn_init(&topn, 1, 7);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "d%u", i);
        assert_int_not_equal(touch(&topn, name), 0);
    }
    touch_many(&topn, "busy", 20);
    settle(&topn, NOW, true);
    assert_true(is_shown(&topn, "busy"));
    assert_int_equal(shown_count(&topn), 1);
    topn_release(&topn);
}

/* Lines without a stamp, and clocks that go back. */
static void test_odd_times(void **state)
{
    struct topn topn;
    (void)state;
    topn_init(&topn, 1, 7);
    touch(&topn, "a");
    settle(&topn, INT64_MIN, false);
    touch(&topn, "a");
    settle(&topn, INT64_MAX - 1, false);
    touch(&topn, "a");
    settle(&topn, NOW, true);
    assert_true(shown_count(&topn) <= 1);
    topn_release(&topn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busiest_survive),
        cmocka_unit_test(test_never_more_than_limit),
        cmocka_unit_test(test_sticky),
        cmocka_unit_test(test_silence_alone_retires_nobody),
        cmocka_unit_test(test_second_half_must_be_earned),
        cmocka_unit_test(test_final_fills_all),
        cmocka_unit_test(test_seen_between_expositions),
        cmocka_unit_test(test_clock_put_back_and_right),
        cmocka_unit_test(test_smallest_limit),
        cmocka_unit_test(test_odd_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
