#include "guard.h"

#include "../../lib/classify/places.h"

static bool has(const struct places *places, size_t at)
{
    return places_next(places, at) == at;
}

/* Beside the edges of words, and where a reply's text ends. */
static const size_t edges[] = {0, 1, 62, 63, 64, 65, 127, 128, 200, 319, 320, 382, 383};

static void test_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < LEN(edges); i++) {
        for (size_t j = i; j < LEN(edges); j++) {
            struct places places = {{0}};
            places_add(&places, edges[i], edges[j]);
            for (size_t at = 0; at < PLACES_MAX; at++)
                assert_true(has(&places, at) == (at >= edges[i] && at <= edges[j]));
            assert_int_equal(places_next(&places, 0), edges[i]);
            assert_int_equal(places_gap(&places, edges[i]), edges[j] + 1);
            assert_int_equal(places_next(&places, edges[j] + 1), PLACES_MAX);
        }
    }
}

static void test_an_empty_set(void **state)
{
    (void)state;
    struct places places = {{0}};
    assert_int_equal(places_next(&places, 0), PLACES_MAX);
    assert_int_equal(places_next(&places, PLACES_MAX), PLACES_MAX);
    assert_int_equal(places_gap(&places, 0), 0);
    assert_int_equal(places_gap(&places, PLACES_MAX), PLACES_MAX);
}

static void test_what_is_in_both(void **state)
{
    (void)state;
    struct places a = {{0}}, b = {{0}}, c = {{0}};
    places_add(&a, 10, 100);
    places_add(&a, 300, 310);
    places_add(&b, 90, 305);
    assert_true(places_keep(&a, &b));
    for (size_t at = 0; at < PLACES_MAX; at++)
        assert_true(has(&a, at) == ((at >= 90 && at <= 100) || (at >= 300 && at <= 305)));
    places_add(&c, 101, 299);
    assert_false(places_keep(&a, &c));
    assert_int_equal(places_next(&a, 0), PLACES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_an_empty_set),
        cmocka_unit_test(test_what_is_in_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
