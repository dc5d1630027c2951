/* classify/route.h: who got the mail of a domain last; bounded, and never the wrong domain's. */
#include "guard.h"

#include "mailvane/classify/route.h"

static void test_the_last_one_counts(void **state)
{
    struct routes *routes = routes_new(7);
    (void)state;
    expect_slice("unknown", "provider", route_of(routes, SLICE("a.example")), SLICE_NONE);
    route_set(routes, SLICE("a.example"), SLICE("google"));
    route_set(routes, SLICE("a.example"), SLICE("yahoo"));
    expect_slice("a", "provider", route_of(routes, SLICE("a.example")), SLICE("yahoo"));
    expect_slice("b", "provider", route_of(routes, SLICE("b.example")), SLICE_NONE);
    routes_free(routes);
}

/* Ten times as many domains as there are places: some are forgotten, none is confused. */
static void test_more_than_places(void **state)
{
    static const struct slice providers[] = {SLICE_INIT("p0"), SLICE_INIT("p1"), SLICE_INIT("p2")};
    struct routes *routes = routes_new(7);
    char name[32];
    unsigned known = 0;
    (void)state;
    for (unsigned i = 0; i < 10 * ROUTES_MAX; i++) {
        int len = snprintf(name, sizeof(name), "d%u.example", i);
        route_set(routes, slice_of(name, (size_t)len), providers[i % 3]);
    }
    for (unsigned i = 0; i < 10 * ROUTES_MAX; i++) {
        int len = snprintf(name, sizeof(name), "d%u.example", i);
        struct slice got = route_of(routes, slice_of(name, (size_t)len));
        known += got.len != 0;
        if (got.len)
            expect_slice(name, "provider", got, providers[i % 3]);
    }
    assert_in_range(known, ROUTES_MAX / 2, ROUTES_MAX);
    routes_free(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_one_counts),
        cmocka_unit_test(test_more_than_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
