/* metric/record.h: which event counts where. */
#include "guard.h"

#include "mailvane/metric/record.h"

#define NOW 1000000000

struct bench {
    struct metrics *metrics;
    struct recorder *recorder;
};

static struct bench bench_new(void)
{
    struct bench b = {.metrics = metrics_new(&(struct metrics_options){
                          .domains = 100, .sending_ips = 10, .codes = 100, .seed = 3})};
    b.recorder = recorder_new(b.metrics);
    return b;
}

static void bench_free(struct bench *b)
{
    recorder_free(b->recorder);
    metrics_free(b->metrics);
}

/* The series of these label texts, in the row's order; NULL where there is none. */
static const union series_value *find(const struct bench *b, enum metric id,
                                      const char *const texts[METRIC_LABELS_MAX])
{
    const struct metric_row *row = &metric_rows[id];
    for (uint32_t i = 0; i < metrics_series_count(b->metrics, id); i++) {
        struct series_view series = metrics_series(b->metrics, id, i);
        unsigned same = 0;
        for (unsigned l = 0; l < row->label_count; l++)
            same += slice_eq(metrics_label_text(b->metrics, row->labels[l], series.key.value[l]),
                             slice_str(texts[l]));
        if (same == row->label_count)
            return series.values;
    }
    return NULL;
}

#define VALUE(b, id, ...) value_of(b, id, (const char *const[METRIC_LABELS_MAX]){__VA_ARGS__})

static long long value_of(const struct bench *b, enum metric id, const char *const *texts)
{
    const union series_value *value = find(b, id, texts);
    return value ? (long long)value->n : -1;
}

static struct event delivery(enum status status, const char *domain, const char *provider)
{
    return (struct event){
        .kind = EVENT_DELIVERY,
        .time = NOW,
        .delivery = {.status = status,
                     .dsn = {.klass = status == STATUS_SENT ? 2 : 4, .subject = 7, .detail = 500},
                     .first = true,
                     .domain = slice_str(domain),
                     .provider = slice_str(provider),
                     .sending_ip = SLICE("203.0.113.10")},
    };
}

static void test_deliveries(void **state)
{
    struct bench b = bench_new();
    struct event event = delivery(STATUS_DEFERRED, "shop.example", "google");
    (void)state;
    record_event(b.recorder, &event);
    event.delivery.first = false;
    record_event(b.recorder, &event);
    assert_int_equal(VALUE(&b, METRIC_DELIVERIES, "google", "203.0.113.10", "deferred", "4.7.500"),
                     2);
    assert_int_equal(VALUE(&b, METRIC_DOMAIN_DELIVERIES, "shop.example", "google", "203.0.113.10",
                           "deferred", "4.7.500"),
                     2);
    assert_int_equal(VALUE(&b, METRIC_FIRST_ATTEMPTS, "google", "203.0.113.10", "deferred"), 1);
    event = delivery(STATUS_EXPIRED, "", "other");
    event.delivery.first = false;
    record_event(b.recorder, &event);
    assert_int_equal(VALUE(&b, METRIC_DELIVERIES, "other", "203.0.113.10", "expired", "4.7.500"),
                     1);
    assert_int_equal(
        VALUE(&b, METRIC_DOMAIN_DELIVERIES, "", "other", "203.0.113.10", "expired", "4.7.500"), 1);
    bench_free(&b);
}

/* The memory of recent results must tell apart what differs in one label alone. */
static void test_every_combination(void **state)
{
    static const char *const providers[] = {"google", "yahoo", "other", "local"};
    static const char *const ips[] = {"203.0.113.10", "203.0.113.11", ""};
    struct bench b = bench_new();
    long long want = 0;
    char text[16];
    (void)state;
    for (unsigned pass = 0; pass < 3; pass++) {
        for (unsigned i = 0; i < 4 * 3 * 2 * 60; i++) {
            struct event e = delivery(i % 2 ? STATUS_DEFERRED : STATUS_BOUNCED, "d.example",
                                      providers[i / 2 % 4]);
            e.delivery.sending_ip = slice_str(ips[i / 8 % 3]);
            e.delivery.dsn = (struct dsn){
                .klass = 5, .subject = (uint16_t)(i / 24 % 6), .detail = (uint16_t)(i / 24 / 6)};
            record_event(b.recorder, &e);
            want++;
        }
    }
    for (unsigned i = 0; i < 4 * 3 * 2 * 60; i++) {
        snprintf(text, sizeof(text), "5.%u.%u", i / 24 % 6, i / 24 / 6);
        assert_int_equal(VALUE(&b, METRIC_DELIVERIES, providers[i / 2 % 4], ips[i / 8 % 3],
                               i % 2 ? "deferred" : "bounced", text),
                         3);
        want -= 3;
    }
    assert_int_equal(want, 0);
    bench_free(&b);
}

/* dsn 4.7.28 and 4.72.8 and the like are different codes. */
static void test_codes_apart(void **state)
{
    struct bench b = bench_new();
    char text[16];
    (void)state;
    for (uint16_t subject = 0; subject < 8; subject++) {
        for (uint16_t detail = 0; detail < 12; detail++) {
            struct event e = delivery(STATUS_DEFERRED, "d.example", "other");
            e.delivery.dsn = (struct dsn){.klass = 4,
                                          .subject = (uint16_t)(subject * 128),
                                          .detail = (uint16_t)(detail * 83)};
            record_event(b.recorder, &e);
        }
    }
    for (unsigned subject = 0; subject < 8; subject++) {
        for (unsigned detail = 0; detail < 12; detail++) {
            snprintf(text, sizeof(text), "4.%u.%u", subject * 128, detail * 83);
            assert_int_equal(
                VALUE(&b, METRIC_DELIVERIES, "other", "203.0.113.10", "deferred", text), 1);
        }
    }
    bench_free(&b);
}

static void test_delays(void **state)
{
    struct bench b = bench_new();
    struct buckets buckets = metric_buckets(HISTOGRAM_SECONDS);
    struct event event = delivery(STATUS_SENT, "d.example", "google");
    static const char *const stages[] = {"before_queue", "in_queue", "connect", "transmit"};
    (void)state;
    event.delivery.has_delay = event.delivery.has_delays = true;
    event.delivery.delay = 10000000;
    for (int i = 0; i < 4; i++)
        event.delivery.delays[i] = (uint64_t)i + 1;
    record_event(b.recorder, &event);
    event.delivery.status = STATUS_DEFERRED; /* no latency: it did not get there */
    record_event(b.recorder, &event);
    event.delivery.status = STATUS_SENT;
    event.delivery.has_delays = event.delivery.has_delay = false;
    record_event(b.recorder, &event);
    for (int i = 0; i < 4; i++) {
        const union series_value *got = find(
            &b, METRIC_DELIVERY_DELAY, (const char *const[METRIC_LABELS_MAX]){"google", stages[i]});
        assert_non_null(got);
        assert_true(got[buckets.count + 1].n == 2 * ((uint64_t)i + 1));
    }
    const union series_value *latency =
        find(&b, METRIC_DELIVERY_LATENCY, (const char *const[METRIC_LABELS_MAX]){"google"});
    assert_non_null(latency);
    assert_true(latency[buckets.count + 1].n == 10000000);
    bench_free(&b);
}

static void test_other_kinds(void **state)
{
    struct bench b = bench_new();
    (void)state;
    const struct event events[] = {
        {.kind = EVENT_PROBE, .delivery = {.status = STATUS_DELIVERABLE}},
        {.kind = EVENT_RECEIVED},
        {.kind = EVENT_REMOVED},
        {.kind = EVENT_SMTPD, .session = SESSION_TIMEOUT},
        {.kind = EVENT_REJECTION, .rejection = {PHASE_RCPT, 550}},
        {.kind = EVENT_REJECTION, .rejection = {PHASE_NONE, 0}},
        {.kind = EVENT_SASL_FAILURE, .severity = SEVERITY_WARNING},
        {.kind = EVENT_MTA, .severity = SEVERITY_FATAL},
        {.kind = EVENT_CLEANUP_REJECTION},
        {.kind = EVENT_POSTSCREEN, .screening = SCREENING_PASS_NEW},
        {.kind = EVENT_TLS,
         .tls = {.outbound = true,
                 .trust = TRUST_VERIFIED,
                 .protocol = SLICE_INIT("TLSv1.3"),
                 .provider = SLICE_INIT("google")}},
        {.kind = EVENT_TLS, .tls = {.trust = TRUST_ANONYMOUS, .protocol = SLICE_INIT("TLSv1.2")}},
    };
    for (size_t i = 0; i < LEN(events); i++)
        record_event(b.recorder, &events[i]);
    assert_int_equal(VALUE(&b, METRIC_ADDRESS_PROBES, "deliverable"), 1);
    assert_int_equal(VALUE(&b, METRIC_MESSAGES_RECEIVED, ""), 1);
    assert_int_equal(VALUE(&b, METRIC_MESSAGES_REMOVED, ""), 1);
    assert_int_equal(VALUE(&b, METRIC_SMTPD_CONNECTIONS, "timeout"), 1);
    assert_int_equal(VALUE(&b, METRIC_SMTPD_CONNECTIONS, "connect"), 0);
    assert_int_equal(VALUE(&b, METRIC_SMTPD_REJECTIONS, "rcpt", "550"), 1);
    assert_int_equal(VALUE(&b, METRIC_SMTPD_REJECTIONS, "", ""), 1);
    assert_int_equal(VALUE(&b, METRIC_SASL_FAILURES, ""), 1);
    assert_int_equal(VALUE(&b, METRIC_MTA_MESSAGES, "warning"), 1);
    assert_int_equal(VALUE(&b, METRIC_MTA_MESSAGES, "fatal"), 1);
    assert_int_equal(VALUE(&b, METRIC_CLEANUP_REJECTIONS, ""), 1);
    assert_int_equal(VALUE(&b, METRIC_POSTSCREEN, "pass_new"), 1);
    assert_int_equal(VALUE(&b, METRIC_TLS_CONNECTIONS, "out", "google", "verified", "TLSv1.3"), 1);
    assert_int_equal(VALUE(&b, METRIC_TLS_CONNECTIONS, "in", "", "anonymous", "TLSv1.2"), 1);
    assert_int_equal(metrics_series_count(b.metrics, METRIC_DELIVERIES), 0);
    bench_free(&b);
}

/* Size and recipients count once a message, however often it is tried. */
static void test_active(void **state)
{
    struct bench b = bench_new();
    struct event event = {.kind = EVENT_ACTIVE, .active = {.size = 5000, .recipients = 3}};
    (void)state;
    record_event(b.recorder, &event);
    event.active.again = true;
    record_event(b.recorder, &event);
    unsigned at = metric_buckets(HISTOGRAM_BYTES).count + 1;
    assert_true(metrics_series(b.metrics, METRIC_MESSAGE_SIZE, 0).values[at].n == 5000);
    at = metric_buckets(HISTOGRAM_COUNT).count + 1;
    assert_true(metrics_series(b.metrics, METRIC_MESSAGE_RECIPIENTS, 0).values[at].n == 3);
    bench_free(&b);
}

/* One stretch of an image. */
struct stretch {
    struct image_writer writer;
    struct image_reader reader;
    char name[IMAGE_NAME_MAX + 1];
    char bytes[256];
    size_t len;
};

static void put(struct image_writer *writer, const char *name, struct slice bytes)
{
    struct stretch *stretch = (struct stretch *)writer;
    assert_true(bytes.len <= sizeof(stretch->bytes));
    snprintf(stretch->name, sizeof(stretch->name), "%s", name);
    memcpy(stretch->bytes, bytes.ptr, bytes.len);
    stretch->len = bytes.len;
}

static struct slice get(struct image_reader *reader, const char *name)
{
    struct stretch *stretch =
        (struct stretch *)(void *)((char *)reader - offsetof(struct stretch, reader));
    assert_string_equal(name, stretch->name);
    return slice_of(stretch->bytes, stretch->len);
}

static void expect_change(const char *what, const struct bench *b, const char *change,
                          long long want)
{
    const union series_value *got =
        find(b, METRIC_LAST_CHANGE, (const char *const[METRIC_LABELS_MAX]){change});
    expect_int(what, change, got ? (long long)got->x : -1, want);
}

/* The last one, in whatever order they are read. */
static void test_changes(void **state)
{
    static const struct {
        const char *name;
        enum change change;
        int64_t time;
        long long start, reload;
    } rows[] = {
        {"the first", CHANGE_MTA_START, NOW, NOW, -1},
        {"another kind", CHANGE_MTA_RELOAD, NOW - 5, NOW, NOW - 5},
        {"an earlier one", CHANGE_MTA_START, NOW - 1, NOW, NOW - 5},
        {"without a time", CHANGE_MTA_START, TIME_UNKNOWN, NOW, NOW - 5},
        {"a later one", CHANGE_MTA_START, NOW + 1, NOW + 1, NOW - 5},
    };
    struct bench b = bench_new();
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct event event = {.kind = EVENT_CHANGE, .change = rows[i].change, .time = rows[i].time};
        record_event(b.recorder, &event);
        expect_change(rows[i].name, &b, "mta_start", rows[i].start);
        expect_change(rows[i].name, &b, "mta_reload", rows[i].reload);
    }
    expect_change("nobody said", &b, "mta_configuration", -1);
    bench_free(&b);
}

static void test_changes_outlive_a_restart(void **state)
{
    struct stretch stretch = {.writer = {put}, .reader = {get}};
    struct bench b = bench_new();
    (void)state;
    record_change(b.recorder, CHANGE_MTA_START, NOW);
    record_change(b.recorder, CHANGE_MTA_CONFIGURATION, NOW + 7);
    recorder_save(b.recorder, &stretch.writer);
    bench_free(&b);
    b = bench_new();
    record_change(b.recorder, CHANGE_MTA_START, NOW + 1);
    recorder_load(b.recorder, &stretch.reader);
    expect_change("what is newer stays", &b, "mta_start", NOW + 1);
    expect_change("kept", &b, "mta_configuration", NOW + 7);
    expect_change("nobody said", &b, "mta_reload", -1);
    stretch.len--;
    bench_free(&b);
    b = bench_new();
    recorder_load(b.recorder, &stretch.reader);
    expect_change("damaged", &b, "mta_configuration", -1);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deliveries),  cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_codes_apart), cmocka_unit_test(test_delays),
        cmocka_unit_test(test_other_kinds), cmocka_unit_test(test_active),
        cmocka_unit_test(test_changes),     cmocka_unit_test(test_changes_outlive_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
