/* metric/dict.h: label values as numbers; bounded, and right after any removal. */
#include "guard.h"

#include "mailvane/metric/dict.h"

static struct slice name(char buf[32], unsigned number)
{
    return slice_of(buf, (size_t)snprintf(buf, 32, "value%u", number));
}

static void test_reserved(void **state)
{
    struct dict dict;
    (void)state;
    dict_init(&dict, 8, 1);
    assert_int_equal(dict_intern(&dict, SLICE("")), DICT_EMPTY);
    assert_int_equal(dict_intern(&dict, SLICE_NONE), DICT_EMPTY);
    assert_int_equal(dict_intern(&dict, SLICE("other")), DICT_OTHER);
    expect_slice("empty", "text", dict_text(&dict, DICT_EMPTY), SLICE(""));
    expect_slice("other", "text", dict_text(&dict, DICT_OTHER), SLICE("other"));
    dict_release(&dict);
}

static void test_full(void **state)
{
    struct dict dict;
    char buf[32];
    (void)state;
    dict_init(&dict, 10, 1);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(dict_intern(&dict, name(buf, i)), i + 2);
    for (unsigned i = 8; i < 1000; i++) {
        assert_int_equal(dict_intern(&dict, name(buf, i)), DICT_OTHER);
        assert_int_equal(dict_try(&dict, name(buf, i)), 0);
    }
    /* Those that are in stay in. */
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(dict_intern(&dict, name(buf, i)), i + 2);
        expect_slice("kept", "text", dict_text(&dict, (uint16_t)(i + 2)), name(buf, i));
    }
    dict_release(&dict);
}

static void test_remove_makes_room(void **state)
{
    struct dict dict;
    (void)state;
    dict_init(&dict, 4, 1);
    uint16_t a = dict_intern(&dict, SLICE("a")), b = dict_intern(&dict, SLICE("b"));
    assert_int_equal(dict_intern(&dict, SLICE("c")), DICT_OTHER);
    dict_remove(&dict, a);
    uint16_t c = dict_try(&dict, SLICE("c"));
    assert_int_equal(c, a);
    expect_slice("new", "text", dict_text(&dict, c), SLICE("c"));
    assert_int_equal(dict_intern(&dict, SLICE("b")), b);
    assert_int_equal(dict_try(&dict, SLICE("a")), 0);
    dict_release(&dict);
}

/* Longer values are cut at 255 bytes: two of them that begin alike are one. */
static void test_long_values(void **state)
{
    struct dict dict;
    char one[400], two[400];
    (void)state;
    memset(one, 'a', sizeof(one));
    memset(two, 'a', sizeof(two));
    two[254] = 'b';
    dict_init(&dict, 8, 1);
    uint16_t number = dict_intern(&dict, slice_of(one, 400));
    assert_int_equal(dict_text(&dict, number).len, DICT_VALUE_MAX);
    assert_int_equal(dict_intern(&dict, slice_of(one, 255)), number);
    assert_int_not_equal(dict_intern(&dict, slice_of(one, 254)), number);
    assert_int_not_equal(dict_intern(&dict, slice_of(two, 400)), number);
    dict_release(&dict);
}

/* Bytes are bytes: case, NUL and the order matter. */
static void test_any_bytes(void **state)
{
    struct dict dict;
    (void)state;
    dict_init(&dict, 16, 1);
    uint16_t a = dict_intern(&dict, slice_of("a\0b", 3));
    assert_int_not_equal(dict_intern(&dict, slice_of("a\0c", 3)), a);
    assert_int_not_equal(dict_intern(&dict, slice_of("a", 1)), a);
    assert_int_not_equal(dict_intern(&dict, slice_of("A\0b", 3)), a);
    assert_int_equal(dict_intern(&dict, slice_of("a\0b", 3)), a);
    dict_release(&dict);
}

/* A plain array as the model; many seeds, so that probes collide in every way. */
static void test_against_a_model(void **state)
{
    enum { VALUES = 40, LIMIT = 26, STEPS = 4000 };
    char buf[32];
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct dict dict;
        uint16_t model[VALUES] = {0};
        unsigned count = 0;
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
        dict_init(&dict, LIMIT, seed);
        for (unsigned step = 0; step < STEPS; step++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            unsigned v = (unsigned)(random % VALUES);
            if (model[v] && random >> 40 & 1) {
                dict_remove(&dict, model[v]);
                model[v] = 0;
                count--;
                continue;
            }
            uint16_t got = dict_try(&dict, name(buf, v));
            if (model[v])
                expect_int("known", "number", got, model[v]);
            else
                expect_int("new", "has a number", got != 0, count < LIMIT - 2);
            count += got && !model[v];
            model[v] = got;
        }
        for (unsigned v = 0; v < VALUES; v++) {
            if (model[v])
                expect_slice("at the end", "text", dict_text(&dict, model[v]), name(buf, v));
        }
        dict_release(&dict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserved),          cmocka_unit_test(test_full),
        cmocka_unit_test(test_remove_makes_room), cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_any_bytes),         cmocka_unit_test(test_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
