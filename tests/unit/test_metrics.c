/* metric/metrics.h: no label set is lost at a limit, and no sum is. */
#include "guard.h"

#include "mailvane/metric/metrics.h"

#define NOW 1000000000

static struct metrics *new_metrics(uint32_t domains)
{
    return metrics_new(
        &(struct metrics_options){.domains = domains, .sending_ips = 4, .codes = 50, .seed = 99});
}

static uint64_t sum_of(const struct metrics *m, enum metric id)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < metrics_series_count(m, id); i++)
        sum += metrics_series(m, id, i).values->n;
    return sum;
}

static uint16_t numbered(struct metrics *m, enum label label, unsigned number)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "v%u", number);
    return metrics_label(m, label, slice_of(text, (size_t)len));
}

/* Of a counter with these label texts; UINT64_MAX where there is no such series. */
static uint64_t value_of(const struct metrics *m, enum metric id, const char *const *texts)
{
    const struct metric_row *row = &metric_rows[id];
    for (uint32_t i = 0; i < metrics_series_count(m, id); i++) {
        struct series_view series = metrics_series(m, id, i);
        unsigned same = 0;
        for (unsigned l = 0; l < row->label_count; l++)
            same += slice_eq(metrics_label_text(m, row->labels[l], series.key.value[l]),
                             slice_str(texts[l]));
        if (same == row->label_count)
            return series.values->n;
    }
    return UINT64_MAX;
}

static void test_counting(void **state)
{
    struct metrics *m = new_metrics(10);
    (void)state;
    struct series_key a = {{numbered(m, LABEL_PHASE, 1), numbered(m, LABEL_CODE, 1)}};
    struct series_key b = {{numbered(m, LABEL_PHASE, 1), numbered(m, LABEL_CODE, 2)}};
    metrics_add(m, METRIC_SMTPD_REJECTIONS, a, 3);
    metrics_add(m, METRIC_SMTPD_REJECTIONS, b, 1);
    metrics_add(m, METRIC_SMTPD_REJECTIONS, a, 4);
    const char *const first[] = {"v1", "v1"}, *const second[] = {"v1", "v2"};
    assert_int_equal(value_of(m, METRIC_SMTPD_REJECTIONS, first), 7);
    assert_int_equal(value_of(m, METRIC_SMTPD_REJECTIONS, second), 1);
    assert_int_equal(metrics_series_count(m, METRIC_SMTPD_REJECTIONS), 2);
    metrics_free(m);
}

/* Births are numbered over all metrics; what was there already is not born again. */
static void test_births(void **state)
{
    struct metrics *m = new_metrics(10);
    struct series_key key = {{numbered(m, LABEL_STATUS, 1)}};
    (void)state;
    uint64_t before = metrics_births(m);
    metrics_add(m, METRIC_FIRST_ATTEMPTS, key, 1);
    assert_int_equal(metrics_births(m), before + 1);
    metrics_add(m, METRIC_FIRST_ATTEMPTS, key, 1);
    assert_int_equal(metrics_births(m), before + 1);
    metrics_add(m, METRIC_DELIVERIES, key, 1);
    assert_int_equal(metrics_births(m), before + 2);
    assert_int_equal(metrics_series(m, METRIC_FIRST_ATTEMPTS, 0).born, before + 1);
    assert_int_equal(metrics_series(m, METRIC_DELIVERIES, 0).born, before + 2);
    metrics_free(m);
}

/* What an exposition decides is told, so that it is saved before it is shown. */
static void test_decisions_are_told(void **state)
{
    struct metrics *m = new_metrics(2);
    (void)state;
    metrics_settle(m, NOW, false);
    expect_int("nothing", "decided", metrics_settle(m, NOW, false), false);
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        struct slice domain =
            slice_of(name, (size_t)snprintf(name, sizeof(name), "d%u.example", i));
        uint16_t number = metrics_domain(m, domain, metrics_expect_domain(m, domain));
        metrics_add(m, METRIC_DOMAIN_DELIVERIES, (struct series_key){{number}}, 1);
    }
    expect_int("shown and folded", "decided", metrics_settle(m, NOW, false), true);
    expect_int("nothing since", "decided", metrics_settle(m, NOW, false), false);
    metrics_free(m);
}

/* Counters without labels are there from the start. */
static void test_born(void **state)
{
    struct metrics *m = new_metrics(10);
    (void)state;
    assert_int_equal(metrics_series_count(m, METRIC_MESSAGES_RECEIVED), 1);
    assert_int_equal(metrics_series(m, METRIC_MESSAGES_RECEIVED, 0).values->n, 0);
    assert_int_equal(metrics_series_count(m, METRIC_DELIVERIES), 0);
    metrics_free(m);
}

/* A handle is the series, however many more come. */
static void test_handles_stay(void **state)
{
    struct metrics *m = new_metrics(10);
    (void)state;
    struct series_key key = {{numbered(m, LABEL_PROVIDER, 1)}};
    union series_value *at = metrics_at(m, METRIC_DELIVERIES, key);
    at->n = 5;
    for (unsigned i = 0; i < 20000; i++) {
        struct series_key other = {
            {numbered(m, LABEL_PROVIDER, i % 900 + 2), 0, 0, numbered(m, LABEL_DSN, i / 900)}};
        metrics_add(m, METRIC_DELIVERIES, other, 1);
    }
    metrics_settle(m, NOW, false);
    assert_ptr_equal(metrics_at(m, METRIC_DELIVERIES, key), at);
    assert_int_equal(at->n, 5);
    metrics_free(m);
}

/* Every metric with labels, driven past its limit: bounded, and the sum is exact. */
static void test_limits_fold(void **state)
{
    (void)state;
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_rows[id];
        if (row->type != COUNTER || row->label_count == 0)
            continue;
        struct metrics *m = new_metrics(10);
        uint64_t before = sum_of(m, (enum metric)id), added = 0;
        for (unsigned i = 0; i < 3 * row->series + 100; i++) {
            struct series_key key = {{0}};
            for (unsigned l = 0, rest = i; l < row->label_count; l++, rest /= 37) {
                char text[32];
                int len = snprintf(text, sizeof(text), "v%u",
                                   l + 1 < row->label_count ? rest % 37 : rest);
                struct slice value = slice_of(text, (size_t)len);
                key.value[l] = row->labels[l] == LABEL_DOMAIN
                                   ? metrics_domain(m, value, metrics_expect_domain(m, value))
                                   : metrics_label(m, (enum label)row->labels[l], value);
            }
            metrics_add(m, (enum metric)id, key, i % 5);
            added += i % 5;
        }
        expect_int(row->name, "sum", (long long)(sum_of(m, (enum metric)id) - before),
                   (long long)added);
        metrics_settle(m, NOW, true);
        if (id != METRIC_SERIES_FOLDED)
            expect_int(row->name, "sum when settled",
                       (long long)(sum_of(m, (enum metric)id) - before), (long long)added);
        expect_int(row->name, "series are within the limit",
                   metrics_series_count(m, (enum metric)id) <= row->series, true);
        metrics_free(m);
    }
}

/* What was folded is told. */
static void test_folding_is_reported(void **state)
{
    struct metrics *m = new_metrics(10);
    const char *const texts[] = {"mailvane_tls_connections_total"};
    (void)state;
    metrics_settle(m, NOW, false);
    assert_int_equal(value_of(m, METRIC_SERIES_FOLDED, texts), 0);
    for (unsigned i = 0; i < 5000; i++) {
        struct series_key key = {
            {0, numbered(m, LABEL_PROVIDER, i % 1000), numbered(m, LABEL_TRUST, i / 1000)}};
        metrics_add(m, METRIC_TLS_CONNECTIONS, key, 1);
    }
    metrics_settle(m, NOW, false);
    uint64_t folded = value_of(m, METRIC_SERIES_FOLDED, texts);
    assert_true(folded != UINT64_MAX && folded >= 5000 - 2048);
    assert_int_equal(sum_of(m, METRIC_TLS_CONNECTIONS), 5000);
    metrics_free(m);
}

static void count_domain(struct metrics *m, const char *name, unsigned dsn, uint64_t n)
{
    uint16_t provider = metrics_label(m, LABEL_PROVIDER, SLICE("other"));
    uint16_t domain = metrics_domain(m, slice_str(name), metrics_expect_domain(m, slice_str(name)));
    struct series_key key = {
        {domain, provider, 0, numbered(m, LABEL_STATUS, 1), numbered(m, LABEL_DSN, dsn)}};
    metrics_add(m, METRIC_DOMAIN_DELIVERIES, key, n);
}

/* Domains come and go, scrapes in between: the sum is that of all that was counted. */
static void test_domains_sum(void **state)
{
    struct metrics *m = new_metrics(3);
    uint64_t total = 0;
    char name[32];
    (void)state;
    for (unsigned i = 0; i < 30000; i++) {
        snprintf(name, sizeof(name), "d%u", i % 7 ? i : i % 5);
        count_domain(m, name, i % 4, i % 3 + 1);
        total += i % 3 + 1;
        if (i % 997 == 0) {
            metrics_settle(m, NOW, false);
            assert_int_equal(sum_of(m, METRIC_DOMAIN_DELIVERIES), total);
        }
    }
    metrics_settle(m, NOW, true);
    assert_int_equal(sum_of(m, METRIC_DOMAIN_DELIVERIES), total);
    assert_true(metrics_series_count(m, METRIC_DOMAIN_DELIVERIES) <= (3 + 1) * 4);
    metrics_free(m);
}

/* Counters never fall while a domain is shown, and "other" never does. */
static void test_monotonic(void **state)
{
    struct metrics *m = new_metrics(4);
    const char *const other[] = {"other", "other", "", "v1", "v1"};
    const char *const busy[] = {"busy", "other", "", "v1", "v1"};
    uint64_t last_other = 0, last_busy = 0;
    char name[32];
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "stranger%u", i);
        count_domain(m, name, 1, 1);
        count_domain(m, "busy", 1, 1);
        if (i % 10)
            continue;
        metrics_settle(m, NOW, false);
        uint64_t now_other = value_of(m, METRIC_DOMAIN_DELIVERIES, other);
        uint64_t now_busy = value_of(m, METRIC_DOMAIN_DELIVERIES, busy);
        assert_true(now_busy != UINT64_MAX && now_busy >= last_busy);
        assert_true(now_other == UINT64_MAX ? last_other == 0 : now_other >= last_other);
        last_busy = now_busy;
        last_other = now_other == UINT64_MAX ? 0 : now_other;
    }
    assert_int_equal(last_busy, 2991);
    metrics_free(m);
}

/* An empty domain is a label that is absent, never "other" and never a place taken. */
static void test_no_domain(void **state)
{
    struct metrics *m = new_metrics(1);
    (void)state;
    assert_int_equal(metrics_domain(m, SLICE(""), 0), DICT_EMPTY);
    assert_int_equal(metrics_domain(m, SLICE_NONE, 0), DICT_EMPTY);
    metrics_free(m);
}

static void test_histogram(void **state)
{
    /* Microseconds. */
    static const uint64_t values[] = {0,       1,           99999,       100000,
                                      100001,  1000000,     86400000000, 86400000001,
                                      2500000, 14400000000, 14400000001, 1000000000000000000};
    /* Upper bounds are inclusive. */
    struct buckets buckets = metric_buckets(HISTOGRAM_SECONDS);
    struct metrics *m = new_metrics(1);
    struct series_key key = {{numbered(m, LABEL_PROVIDER, 1)}};
    uint64_t sum = 0;
    (void)state;
    for (size_t i = 0; i < LEN(values); i++) {
        metrics_observe(m, METRIC_DELIVERY_LATENCY, key, values[i]);
        sum += values[i];
    }
    const union series_value *got = metrics_series(m, METRIC_DELIVERY_LATENCY, 0).values;
    for (unsigned b = 0; b <= buckets.count; b++) {
        uint64_t want = 0;
        for (size_t i = 0; i < LEN(values); i++)
            want += (b == buckets.count || values[i] <= buckets.bounds[b]) &&
                    (b == 0 || values[i] > buckets.bounds[b - 1]);
        expect_int("bucket", "count", (long long)got[b].n, (long long)want);
    }
    assert_true(got[buckets.count + 1].n == sum);
    metrics_free(m);
}

/* Rows that a page is made of: HELP texts and names follow the rules of the format. */
static void test_rows(void **state)
{
    (void)state;
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_rows[id];
        struct slice name = slice_str(row->name);
        bool counter = row->type == COUNTER || row->type == COUNTER_FLOAT;
        expect_int(row->name, "ends in _total", slice_ends(name, SLICE("_total")), counter);
        expect_int(row->name, "HELP ends a sentence",
                   strchr(".?", row->help[strlen(row->help) - 1]) != NULL, true);
        for (unsigned l = 1; l < row->label_count; l++)
            expect_int(row->name, "labels differ", row->labels[l] != row->labels[l - 1], true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_born),
        cmocka_unit_test(test_births),
        cmocka_unit_test(test_decisions_are_told),
        cmocka_unit_test(test_handles_stay),
        cmocka_unit_test(test_limits_fold),
        cmocka_unit_test(test_folding_is_reported),
        cmocka_unit_test(test_domains_sum),
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_no_domain),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
