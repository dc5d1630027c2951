/* metric/draft.h: what one look found replaces what the look before it did, as a whole. */
#include "guard.h"

#include "mailvane/metric/draft.h"

#define NOW     1000000000
#define DOMAINS 4

static const enum metric ids[] = {METRIC_QUEUE_MESSAGES, METRIC_QUEUE_RECIPIENTS,
                                  METRIC_QUEUE_OLDEST};

struct stage {
    struct metrics *m;
    struct draft *a, *b;
};

static struct draft *draft_of(struct metrics *m, const char *owner)
{
    return draft_new(m, ids, LEN(ids), metrics_label(m, LABEL_MTA, slice_str(owner)));
}

static void raise_stage(struct stage *s)
{
    s->m = metrics_new(
        &(struct metrics_options){.domains = DOMAINS, .sending_ips = 4, .codes = 50, .seed = 99});
    s->a = draft_of(s->m, "a");
    s->b = draft_of(s->m, "b");
}

static void strike_stage(struct stage *s)
{
    draft_free(s->a);
    draft_free(s->b);
    metrics_free(s->m);
}

static struct series_key queue_key(struct metrics *m, const char *queue)
{
    return (struct series_key){{0, metrics_label(m, LABEL_QUEUE, slice_str(queue))}};
}

static void add_domain(struct stage *s, struct draft *draft, const char *domain, double n)
{
    struct series_key key = queue_key(s->m, "deferred");
    key.value[2] = draft_domain(draft, slice_str(domain));
    draft_add(draft, METRIC_QUEUE_RECIPIENTS, key, n);
}

/* The sum of what has these texts of the labels at 0 and `at`; -1 where there is no series. */
static double shown(const struct stage *s, enum metric id, const char *owner, unsigned at,
                    const char *text)
{
    double sum = -1;
    for (uint32_t i = 0; i < metrics_series_count(s->m, id); i++) {
        struct series_view view = metrics_series(s->m, id, i);
        const uint8_t *labels = metric_rows[id].labels;
        if (slice_eq(metrics_label_text(s->m, labels[0], view.key.value[0]), slice_str(owner)) &&
            slice_eq(metrics_label_text(s->m, labels[at], view.key.value[at]), slice_str(text)))
            sum = (sum < 0 ? 0 : sum) + view.values->x;
    }
    return sum;
}

static void test_one_look_replaces_the_other(void **state)
{
    struct stage s;
    (void)state;
    raise_stage(&s);
    draft_begin(s.a);
    draft_add(s.a, METRIC_QUEUE_MESSAGES, queue_key(s.m, "active"), 1);
    draft_add(s.a, METRIC_QUEUE_MESSAGES, queue_key(s.m, "active"), 1);
    draft_add(s.a, METRIC_QUEUE_MESSAGES, queue_key(s.m, "hold"), 1);
    draft_max(s.a, METRIC_QUEUE_OLDEST, queue_key(s.m, "active"), 7);
    draft_max(s.a, METRIC_QUEUE_OLDEST, queue_key(s.m, "active"), 5);
    assert_int_equal(metrics_series_count(s.m, METRIC_QUEUE_MESSAGES), 0);
    draft_publish(s.a);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "active") == 2);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "hold") == 1);
    assert_true(shown(&s, METRIC_QUEUE_OLDEST, "a", 1, "active") == 7);
    draft_begin(s.a);
    draft_add(s.a, METRIC_QUEUE_MESSAGES, queue_key(s.m, "active"), 4);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "active") == 2);
    draft_publish(s.a);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "active") == 4);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "hold") == -1);
    assert_int_equal(metrics_series_count(s.m, METRIC_QUEUE_OLDEST), 0);
    strike_stage(&s);
}

static void test_owners_do_not_meet(void **state)
{
    struct stage s;
    (void)state;
    raise_stage(&s);
    for (unsigned look = 0; look < 3; look++) {
        draft_begin(s.a);
        draft_begin(s.b);
        draft_add(s.b, METRIC_QUEUE_MESSAGES, queue_key(s.m, "active"), 5);
        draft_add(s.a, METRIC_QUEUE_MESSAGES, queue_key(s.m, "active"), 3);
        draft_publish(s.a);
        draft_publish(s.b);
    }
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "active") == 3);
    draft_withdraw(s.a);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "active") == -1);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "b", 1, "active") == 5);
    strike_stage(&s);
}

/* A draft that was not finished leaves nothing behind. */
static void test_begun_anew(void **state)
{
    struct stage s;
    (void)state;
    raise_stage(&s);
    draft_begin(s.a);
    draft_add(s.a, METRIC_QUEUE_MESSAGES, queue_key(s.m, "hold"), 9);
    draft_begin(s.a);
    draft_add(s.a, METRIC_QUEUE_MESSAGES, queue_key(s.m, "active"), 1);
    draft_publish(s.a);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "active") == 1);
    assert_true(shown(&s, METRIC_QUEUE_MESSAGES, "a", 1, "hold") == -1);
    strike_stage(&s);
}

/* More domains than have places: the sum stays, and the greatest are shown. */
static void test_domains_are_bounded(void **state)
{
    struct stage s;
    char name[32];
    (void)state;
    raise_stage(&s);
    for (unsigned look = 0; look < 4; look++) {
        draft_begin(s.a);
        for (unsigned i = 0; i < 100; i++) {
            snprintf(name, sizeof(name), "once%u.example", i);
            add_domain(&s, s.a, name, 1);
            add_domain(&s, s.a, "big.example", 1);
            /* A scrape in the middle of a look changes what is shown, not the sum. */
            if (i == 50)
                metrics_settle(s.m, NOW + look, false);
        }
        draft_publish(s.a);
        metrics_settle(s.m, NOW + look, false);
        assert_true(shown(&s, METRIC_QUEUE_RECIPIENTS, "a", 1, "deferred") == 200);
        assert_true(metrics_series_count(s.m, METRIC_QUEUE_RECIPIENTS) <= DOMAINS + 1);
    }
    assert_true(shown(&s, METRIC_QUEUE_RECIPIENTS, "a", 2, "big.example") == 100);
    assert_true(shown(&s, METRIC_QUEUE_RECIPIENTS, "a", 2, "other") >= 90);
    strike_stage(&s);
}

/* Whoever is delivered to needs the room of names that only wait, also while they are drafted. */
static void test_deliveries_take_places(void **state)
{
    struct stage s;
    char name[32];
    (void)state;
    raise_stage(&s);
    draft_begin(s.a);
    add_domain(&s, s.a, "waits.example", 3);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "sent%u.example", i);
        struct slice domain = slice_str(name);
        metrics_domain(s.m, domain, metrics_expect_domain(s.m, domain));
    }
    draft_publish(s.a);
    metrics_settle(s.m, NOW, false);
    assert_true(shown(&s, METRIC_QUEUE_RECIPIENTS, "a", 1, "deferred") == 3);
    strike_stage(&s);
}

static double sum_of(const struct stage *s, enum metric id)
{
    double sum = 0;
    for (uint32_t i = 0; i < metrics_series_count(s->m, id); i++)
        sum += metrics_series(s->m, id, i).values->x;
    return sum;
}

/* More queues' series than there is room for: look after look no more than at the first. */
static void test_owners_that_crowd_each_other(void **state)
{
    enum { EACH = 700 }; /* of 1024 */
    struct stage s;
    double first = 0;
    (void)state;
    raise_stage(&s);
    for (unsigned look = 0; look < 4; look++) {
        struct draft *drafts[] = {s.a, s.b};
        for (unsigned d = 0; d < 2; d++) {
            draft_begin(drafts[d]);
            for (uint16_t i = 0; i < EACH; i++)
                draft_add(drafts[d], METRIC_QUEUE_MESSAGES, (struct series_key){{0, i}}, 1);
            draft_publish(drafts[d]);
        }
        double sum = sum_of(&s, METRIC_QUEUE_MESSAGES);
        first = look ? first : sum;
        assert_true(sum > EACH && sum <= first && first <= 2 * EACH);
    }
    draft_withdraw(s.a);
    draft_withdraw(s.b);
    expect_int("crowded", "sum behind all", (long)sum_of(&s, METRIC_QUEUE_MESSAGES), 0);
    strike_stage(&s);
}

/* One queue's alone: all of it is there, be it under other labels. */
static void test_an_owner_that_crowds_itself(void **state)
{
    struct stage s;
    (void)state;
    raise_stage(&s);
    for (unsigned look = 0; look < 3; look++) {
        draft_begin(s.a);
        for (uint16_t i = 0; i < 3000; i++)
            draft_add(s.a, METRIC_QUEUE_MESSAGES, (struct series_key){{0, i}}, 1);
        draft_publish(s.a);
        expect_int("crowd", "sum", (long)sum_of(&s, METRIC_QUEUE_MESSAGES), 3000);
    }
    strike_stage(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_look_replaces_the_other),
        cmocka_unit_test(test_owners_do_not_meet),
        cmocka_unit_test(test_begun_anew),
        cmocka_unit_test(test_domains_are_bounded),
        cmocka_unit_test(test_deliveries_take_places),
        cmocka_unit_test(test_owners_that_crowd_each_other),
        cmocka_unit_test(test_an_owner_that_crowds_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
