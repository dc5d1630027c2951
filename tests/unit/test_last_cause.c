/* classify/last_cause.h: the last one counts, and what was never told is not known. */
#include "guard.h"

#include "mailvane/classify/last_cause.h"

static void test_last_one_counts(void **state)
{
    struct last_causes *causes = last_causes_new(7);
    (void)state;
    expect_int("never told", "cause", last_cause_of(causes, SLICE("3F2C41A2B")), CAUSE_NONE);
    last_cause_set(causes, SLICE("3F2C41A2B"), CAUSE_GREYLISTED);
    last_cause_set(causes, SLICE("3F2C41A2C"), CAUSE_NETWORK);
    expect_int("told", "cause", last_cause_of(causes, SLICE("3F2C41A2B")), CAUSE_GREYLISTED);
    last_cause_set(causes, SLICE("3F2C41A2B"), CAUSE_THROTTLED);
    expect_int("told again", "cause", last_cause_of(causes, SLICE("3F2C41A2B")), CAUSE_THROTTLED);
    expect_int("another", "cause", last_cause_of(causes, SLICE("3F2C41A2C")), CAUSE_NETWORK);
    last_causes_free(causes);
}

/* Ten times as many messages as there is room for: the youngest are known, none wrongly. */
static void test_more_than_there_is_room_for(void **state)
{
    struct last_causes *causes = last_causes_new(7);
    unsigned known = 0, total = LAST_CAUSE_MESSAGES * 10;
    char id[16];
    (void)state;
    for (unsigned i = 0; i < total; i++) {
        int len = snprintf(id, sizeof(id), "%010X", i * 2654435761u);
        last_cause_set(causes, slice_of(id, (size_t)len), 1 + i % (CAUSE_COUNT - 1));
    }
    for (unsigned i = 0; i < total; i++) {
        int len = snprintf(id, sizeof(id), "%010X", i * 2654435761u);
        enum cause cause = last_cause_of(causes, slice_of(id, (size_t)len));
        known += cause != CAUSE_NONE;
        if (cause != CAUSE_NONE)
            expect_int(id, "cause", cause, 1 + i % (CAUSE_COUNT - 1));
    }
    assert_in_range(known, LAST_CAUSE_MESSAGES / 2, LAST_CAUSE_MESSAGES);
    last_causes_free(causes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_one_counts),
        cmocka_unit_test(test_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
