/* lib/queue/seen.h: a set that is forgotten with each message, and has a bound. */
#include "guard.h"

#include <stdlib.h>

#include "../../lib/queue/seen.h"
#include "mailvane/base/bug.h"

static struct slice name(char buf[24], unsigned number)
{
    return slice_of(buf, (size_t)snprintf(buf, 24, "%u@a.example", number));
}

static struct seen *seen_new(void)
{
    struct seen *seen = must_calloc(1, sizeof(*seen));
    seen_init(seen);
    return seen;
}

static void test_forgotten_with_each_round(void **state)
{
    struct seen *seen = seen_new();
    (void)state;
    assert_false(seen_has(seen, SLICE("a")));
    assert_true(seen_add(seen, SLICE("a")));
    assert_true(seen_has(seen, SLICE("a")));
    assert_false(seen_has(seen, SLICE("A")));
    seen_reset(seen);
    assert_true(seen_add(seen, SLICE("b")));
    assert_false(seen_has(seen, SLICE("a")));
    free(seen);
}

/* Those who are there already need no more room. */
static void test_full(void **state)
{
    char buf[24];
    struct seen *seen = seen_new();
    (void)state;
    for (unsigned twice = 0; twice < 2; twice++) {
        for (unsigned i = 0; i < SEEN_MAX; i++)
            assert_true(seen_add(seen, name(buf, i)));
    }
    assert_false(seen_add(seen, name(buf, SEEN_MAX)));
    assert_false(seen_has(seen, name(buf, SEEN_MAX)));
    for (unsigned i = 0; i < SEEN_MAX; i++)
        assert_true(seen_has(seen, name(buf, i)));
    free(seen);
}

/* The rounds' numbers begin anew: nobody comes back from the first of them. */
static void test_many_rounds(void **state)
{
    struct seen *seen = seen_new();
    (void)state;
    assert_int_equal(seen->round, 1);
    assert_true(seen_add(seen, SLICE("a")));
    seen->round = UINT32_MAX;
    seen_reset(seen);
    assert_int_equal(seen->round, 1);
    assert_true(seen_add(seen, SLICE("b")));
    assert_false(seen_has(seen, SLICE("a")));
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forgotten_with_each_round),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_many_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
