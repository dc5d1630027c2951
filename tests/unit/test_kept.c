/* metric/kept.c, format/correlate.h, classify/last_cause.h: what comes back from an image. */
#include "guard.h"

#include <stdlib.h>

#include "../../lib/format/correlate.h"
#include "mailvane/classify/last_cause.h"
#include "mailvane/expose/text.h"
#include "mailvane/metric/metrics.h"

#define STRETCHES 200

/* An image in memory: what is put comes back, unless a test has changed it. */
struct memory {
    struct image_writer writer;
    struct image_reader reader;
    unsigned count;
    char *names[STRETCHES];
    struct strbuf bytes[STRETCHES];
};

static void put(struct image_writer *writer, const char *name, struct slice bytes)
{
    struct memory *memory = (struct memory *)writer;
    unsigned at = memory->count++;
    assert_true(at < STRETCHES && strlen(name) <= IMAGE_NAME_MAX);
    memory->names[at] = strdup(name);
    strbuf_add_slice(&memory->bytes[at], bytes);
}

static struct slice get(struct image_reader *reader, const char *name)
{
    struct memory *memory =
        (struct memory *)(void *)((char *)reader - offsetof(struct memory, reader));
    for (unsigned i = 0; i < memory->count; i++) {
        if (strcmp(memory->names[i], name) == 0)
            return strbuf_slice(&memory->bytes[i]);
    }
    return SLICE_NONE;
}

static struct memory *memory_new(void)
{
    struct memory *memory = calloc(1, sizeof(*memory));
    memory->writer.put = put;
    memory->reader.get = get;
    return memory;
}

static void memory_free(struct memory *memory)
{
    for (unsigned i = 0; i < memory->count; i++) {
        free(memory->names[i]);
        strbuf_release(&memory->bytes[i]);
    }
    free(memory);
}

static struct strbuf *stretch(struct memory *memory, const char *prefix)
{
    for (unsigned i = 0; i < memory->count; i++) {
        if (strncmp(memory->names[i], prefix, strlen(prefix)) == 0)
            return &memory->bytes[i];
    }
    fail_msg("no stretch begins with \"%s\"", prefix);
    return NULL;
}

static struct metrics *new_metrics(uint32_t domains)
{
    return metrics_new(
        &(struct metrics_options){.domains = domains, .sending_ips = 4, .codes = 50, .seed = 99});
}

static void count_domain(struct metrics *m, const char *domain, const char *provider, uint64_t n)
{
    struct slice name = slice_str(domain);
    struct series_key key = {{metrics_domain(m, name, metrics_expect_domain(m, name)),
                              metrics_label(m, LABEL_PROVIDER, slice_str(provider))}};
    metrics_add(m, METRIC_DOMAIN_DELIVERIES, key, n);
}

/* Some of everything: counters, a histogram, domains, a gauge. */
static void fill(struct metrics *m)
{
    struct series_key key = {{metrics_label(m, LABEL_PROVIDER, SLICE("google"))}};
    count_domain(m, "a.example", "google", 5);
    count_domain(m, "b.example", "other", 7);
    metrics_add(m, METRIC_MESSAGES_RECEIVED, (struct series_key){{0}}, 12);
    metrics_observe(m, METRIC_DELIVERY_LATENCY, key, 1500000);
    metrics_set(m, METRIC_PROCESS_OPEN_FDS, (struct series_key){{0}}, 9);
    metrics_settle(m, 1000, true);
}

static uint64_t sum_of(const struct metrics *m, enum metric id)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < metrics_series_count(m, id); i++)
        sum += metrics_series(m, id, i).values->n;
    return sum;
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The page's samples in the order of their text, without what mailvane tells of itself. */
static char *page_of(const struct metrics *m)
{
    struct strbuf page = STRBUF_INIT, sorted = STRBUF_INIT;
    char *lines[4096], *rest = NULL;
    size_t count = 0;
    text_write(&page, m, TEXT_ALL_SEEN);
    for (char *line = strtok_r(page.buf, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] != '#' && strncmp(line, "process_", 8) != 0)
            lines[count++] = line;
    }
    qsort(lines, count, sizeof(*lines), by_line);
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&sorted, "%s\n", lines[i]);
    strbuf_release(&page);
    return sorted.buf;
}

/* Numbers of labels differ, as others were asked for first; the page is the same. */
static void test_page_comes_back(void **state)
{
    struct metrics *before = new_metrics(10), *after = new_metrics(10);
    struct memory *memory = memory_new();
    (void)state;
    fill(before);
    metrics_save(before, &memory->writer);
    metrics_label(after, LABEL_PROVIDER, SLICE("yahoo"));
    metrics_label(after, LABEL_METRIC, SLICE("x"));
    assert_true(metrics_load(after, &memory->reader));
    metrics_settle(after, 1000, true);
    char *want = page_of(before), *got = page_of(after);
    assert_string_equal(got, want);
    free(want);
    free(got);
    metrics_free(before);
    metrics_free(after);
    memory_free(memory);
}

/* Versions come and go with upgrades: what no kept series bears takes no place for good. */
static void test_only_what_is_kept_is_remembered(void **state)
{
    struct metrics *m = new_metrics(10);
    (void)state;
    for (unsigned version = 0; version < 20; version++) {
        char text[16];
        struct memory *memory = memory_new();
        snprintf(text, sizeof(text), "1.%u", version);
        uint16_t number = metrics_label(m, LABEL_VERSION, slice_str(text));
        if (number == DICT_OTHER)
            fail_msg("version %s has no place", text);
        metrics_label(m, LABEL_PROVIDER, SLICE("google"));
        metrics_set(m, METRIC_BUILD_INFO, (struct series_key){{number}}, 1);
        metrics_save(m, &memory->writer);
        metrics_free(m);
        m = new_metrics(10);
        assert_true(metrics_load(m, &memory->reader));
        memory_free(memory);
    }
    metrics_free(m);
}

/* A series keeps the number of its birth, and what comes is younger than all that was. */
static void test_births_come_back(void **state)
{
    struct metrics *before = new_metrics(10), *after = new_metrics(10);
    struct memory *memory = memory_new();
    (void)state;
    fill(before);
    uint64_t births = metrics_births(before);
    uint64_t born = metrics_series(before, METRIC_DELIVERY_LATENCY, 0).born;
    metrics_save(before, &memory->writer);
    assert_true(metrics_load(after, &memory->reader));
    assert_int_equal(metrics_series(after, METRIC_DELIVERY_LATENCY, 0).born, born);
    count_domain(after, "c.example", "other", 1);
    uint32_t last = metrics_series_count(after, METRIC_DOMAIN_DELIVERIES) - 1;
    assert_true(metrics_series(after, METRIC_DOMAIN_DELIVERIES, last).born > births);
    metrics_free(before);
    metrics_free(after);
    memory_free(memory);
}

/* Fewer domains are allowed than were saved: those left out are other's, and nothing is lost. */
static void test_smaller_limit(void **state)
{
    struct metrics *before = new_metrics(100), *after = new_metrics(2);
    struct memory *memory = memory_new();
    char domain[32];
    uint64_t sum = 0;
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(domain, sizeof(domain), "d%u.example", i);
        count_domain(before, domain, "other", i + 1);
        sum += i + 1;
    }
    metrics_settle(before, 1000, true);
    metrics_save(before, &memory->writer);
    assert_true(metrics_load(after, &memory->reader));
    metrics_settle(after, 1000, true);
    assert_int_equal(sum_of(after, METRIC_DOMAIN_DELIVERIES), sum);
    assert_true(metrics_series_count(after, METRIC_DOMAIN_DELIVERIES) <= 3);
    metrics_free(before);
    metrics_free(after);
    memory_free(memory);
}

/* Shown domains stay shown: the table was full of them before the restart. */
static void test_membership_is_sticky(void **state)
{
    struct metrics *before = new_metrics(1), *after = new_metrics(1);
    struct memory *memory = memory_new();
    (void)state;
    count_domain(before, "first.example", "other", 1);
    metrics_settle(before, 1000, true);
    for (unsigned i = 0; i < 50; i++)
        count_domain(before, "busier.example", "other", 1);
    metrics_settle(before, 1001, true);
    metrics_save(before, &memory->writer);
    assert_true(metrics_load(after, &memory->reader));
    count_domain(after, "first.example", "other", 1);
    metrics_settle(after, 1002, true);
    char *page = page_of(after);
    assert_non_null(strstr(page, "domain=\"first.example\",provider=\"other\"} 2"));
    assert_null(strstr(page, "busier"));
    free(page);
    metrics_free(before);
    metrics_free(after);
    memory_free(memory);
}

static void test_nothing_saved(void **state)
{
    struct metrics *m = new_metrics(10);
    struct memory *memory = memory_new();
    (void)state;
    assert_true(metrics_load(m, &memory->reader));
    assert_int_equal(metrics_series_count(m, METRIC_DELIVERIES), 0);
    metrics_free(m);
    memory_free(memory);
}

/* Of a damaged image nothing is taken. */
static void test_damage(void **state)
{
    static const struct {
        const char *name, *where;
        size_t at;
        unsigned char byte;
        size_t cut;
    } rows[] = {
        {"a label number that nobody has", "series mailvane_delivery_latency", 0, 0xff, 0},
        {"a label where there is none", "series mailvane_delivery_latency", 6, 1, 0},
        {"half a series", "series mailvane_domain_deliveries", 0, 2, 7},
        {"half a value", "label provider", 0, 0, 1},
        {"a domain without its slot", "domains", 0, 0, 16},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct metrics *before = new_metrics(10), *after = new_metrics(10);
        struct memory *memory = memory_new();
        fill(before);
        metrics_save(before, &memory->writer);
        struct strbuf *bytes = stretch(memory, rows[i].where);
        bytes->buf[rows[i].at] = (char)rows[i].byte;
        bytes->len -= rows[i].cut;
        expect_int(rows[i].name, "load", metrics_load(after, &memory->reader), false);
        expect_int(rows[i].name, "sum", (long long)sum_of(after, METRIC_DOMAIN_DELIVERIES), 0);
        metrics_free(before);
        metrics_free(after);
        memory_free(memory);
    }
}

static const struct destination shop = {.domain = SLICE_INIT("shop.example"),
                                        .host = SLICE_INIT("mx.shop.example"),
                                        .origin = SLICE_INIT("postfix"),
                                        .connected = true};

static void test_correlation_comes_back(void **state)
{
    struct correlate *before = correlate_new(7), *after = correlate_new(7);
    struct memory *memory = memory_new();
    struct destination got;
    struct slice q = SLICE("4F2C41A2B9");
    (void)state;
    correlate_born(before, q);
    correlate_deferred(before, q, SLICE("a@shop.example"), &shop);
    correlate_save(before, &memory->writer);
    correlate_load(after, &memory->reader);
    assert_int_equal(correlate_attempt(after, q, SLICE("a@shop.example")), ATTEMPT_RETRY);
    assert_true(correlate_destination(after, q, &got));
    expect_slice("restored", "host", got.host, shop.host);
    correlate_free(before);
    correlate_free(after);
    memory_free(memory);
}

/* Whatever the bytes are, no answer leads out of a table; one table alone is none. */
static void test_correlation_of_noise(void **state)
{
    struct correlate *c = correlate_new(7);
    struct memory *memory = memory_new();
    struct destination got;
    char id[16];
    (void)state;
    correlate_save(c, &memory->writer);
    srandom(5);
    for (unsigned i = 0; i < memory->count; i++) {
        for (size_t at = 0; at < memory->bytes[i].len; at++)
            memory->bytes[i].buf[at] = (char)random();
    }
    correlate_load(c, &memory->reader);
    for (unsigned i = 0; i < 200000; i++) {
        snprintf(id, sizeof(id), "%08X", i);
        correlate_destination(c, slice_str(id), &got);
    }
    strbuf_reset(stretch(memory, "correlate messages"));
    correlate_load(c, &memory->reader);
    assert_false(correlate_destination(c, SLICE("00000001"), &got));
    correlate_free(c);
    memory_free(memory);
}

static void test_last_cause_comes_back(void **state)
{
    struct last_causes *before = last_causes_new(7), *after = last_causes_new(7);
    struct memory *memory = memory_new();
    (void)state;
    last_cause_set(before, SLICE("4F2C41A2B9"), CAUSE_GREYLISTED);
    last_causes_save(before, &memory->writer);
    last_causes_load(after, &memory->reader);
    assert_int_equal(last_cause_of(after, SLICE("4F2C41A2B9")), CAUSE_GREYLISTED);
    memset(memory->bytes[0].buf, 0xff, memory->bytes[0].len);
    last_causes_load(after, &memory->reader);
    assert_int_equal(last_cause_of(after, SLICE("4F2C41A2B9")), CAUSE_NONE);
    last_causes_free(before);
    last_causes_free(after);
    memory_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_comes_back),
        cmocka_unit_test(test_births_come_back),
        cmocka_unit_test(test_only_what_is_kept_is_remembered),
        cmocka_unit_test(test_smaller_limit),
        cmocka_unit_test(test_membership_is_sticky),
        cmocka_unit_test(test_nothing_saved),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_correlation_comes_back),
        cmocka_unit_test(test_correlation_of_noise),
        cmocka_unit_test(test_last_cause_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
