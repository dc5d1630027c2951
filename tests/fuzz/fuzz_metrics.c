/*
 * The image of the metrics, as a state file may hold it (metric/metrics.h). It begins as that
 * of empty metrics; the lines of the input are those of memory.h and
 *
 *     label NAME TEXT            adds a label's value ("_" is none)
 *     series METRIC COUNT N,...  adds series, whose labels' numbers count down, each below its N
 *     births COUNT
 *
 * What is taken over holds the sums of the image, is counted on, shown and saved again; of
 * what is refused nothing is taken.
 */
#include <stdio.h>

#include "clear.h"
#include "counted.h"
#include "memory.h"

#define SERIES_MAX 12000 /* of one line */

static struct metrics *metrics;
static struct memory pristine, memory;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct metrics_options options = {.domains = 3, .sending_ips = 2, .codes = 4, .seed = 1};
    (void)argc;
    (void)argv;
    metrics = metrics_new(&options);
    memory_init(&pristine);
    memory_init(&memory);
    metrics_save(metrics, &pristine.writer);
    return 0;
}

static void add_label(struct slice line)
{
    char name[64];
    struct dict_value value = {0};
    struct topn_slot slot = {.seen = 2, .shown = true};
    struct slice label = word_take(&line);
    line = slice_head(line, DICT_VALUE_MAX);
    snprintf(name, sizeof(name), "label %.*s", SLICE_ARG(slice_head(label, 40)));
    struct strbuf *values = memory_region(&memory, slice_str(name));
    if (!values)
        return;
    if (!slice_eq(line, SLICE("_"))) {
        value.len = (uint8_t)line.len;
        memcpy(value.text, line.ptr, line.len);
    }
    strbuf_add(values, &value, sizeof(value));
    if (slice_eq(label, SLICE("domain")))
        strbuf_add(memory_region(&memory, SLICE("domains")), &slot, sizeof(slot));
}

/* The first label counts down fastest. */
static void add_series(struct slice line)
{
    char name[80];
    struct slice metric = slice_head(word_take(&line), 50);
    snprintf(name, sizeof(name), "series mailvane_%.*s", SLICE_ARG(metric));
    struct strbuf *bytes = memory_region(&memory, slice_str(name));
    uint64_t count = number_take(&line), bound[METRIC_LABELS_MAX] = {0};
    if (!bytes)
        return;
    const char *width = strstr(memory.names[bytes - memory.bytes], " x");
    uint64_t values[METRIC_VALUES_MAX];
    unsigned wide = width ? (unsigned)strtoul(width + 2, NULL, 10) : 1;
    for (unsigned i = 0; i < METRIC_LABELS_MAX && line.len; i++) {
        struct slice number = slice_cut(&line, ',');
        bound[i] = number_take(&number);
    }
    for (uint64_t n = 0; n < count && n < SERIES_MAX; n++) {
        struct series series = {.born = n};
        uint64_t rest = (count < SERIES_MAX ? count : SERIES_MAX) - 1 - n;
        for (unsigned i = 0; i < METRIC_LABELS_MAX; i++) {
            series.key.value[i] = bound[i] ? (uint16_t)(rest % bound[i]) : 0;
            rest = bound[i] ? rest / bound[i] : rest;
        }
        for (unsigned i = 0; i < wide; i++)
            values[i] = n + i + 1;
        strbuf_add(bytes, &series, sizeof(series));
        strbuf_add(bytes, values, wide * sizeof(values[0]));
    }
}

static void build(struct slice text)
{
    struct slice line;
    memory_copy(&memory, &pristine);
    while (lines_next(&text, &line)) {
        if (memory_edit(&memory, line))
            continue;
        struct slice word = word_take(&line);
        if (slice_eq(word, SLICE("label"))) {
            add_label(line);
        } else if (slice_eq(word, SLICE("series"))) {
            add_series(line);
        } else if (slice_eq(word, SLICE("births"))) {
            uint64_t births = number_take(&line);
            memory_put(&memory.writer, "births", slice_of((const char *)&births, sizeof(births)));
        }
    }
}

/* The same of the image, whose series stand as they lie in memory. */
static uint64_t sum_in_image(enum metric id)
{
    char name[IMAGE_NAME_MAX + 1];
    struct buckets buckets = metric_buckets(metric_rows[id].type);
    unsigned width = buckets.count ? buckets.count + 2 : 1;
    size_t stride = sizeof(struct series) + width * sizeof(uint64_t);
    uint64_t sum = 0, value;
    snprintf(name, sizeof(name), "series %s x", metric_rows[id].name);
    const struct strbuf *bytes = memory_region(&memory, slice_str(name));
    for (size_t at = 0; bytes && at + stride <= bytes->len; at += stride) {
        for (unsigned v = 0; v < width; v++) {
            memcpy(&value, bytes->buf + at + sizeof(struct series) + v * sizeof(value),
                   sizeof(value));
            sum += value;
        }
    }
    return sum;
}

static bool is_kept(enum metric id)
{
    return metric_rows[id].type != GAUGE && metric_rows[id].type != COUNTER_FLOAT;
}

static void check_sums(const uint64_t want[METRIC_COUNT], bool settled)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        /* What a settling itself counts. */
        if (is_kept((enum metric)i) && !(settled && i == METRIC_SERIES_FOLDED))
            bug_if(sum_of(metrics, (enum metric)i) != want[i]);
    }
}

/* Domains that come afterwards find room, and what was there is still counted. */
static void count_on(uint64_t want[METRIC_COUNT])
{
    static const char *const domains[] = {"a.example", "b.example", "c.example", "d.example",
                                          "e.example", "f.example", "g.example", "h.example",
                                          "i.example", "j.example", "k.example", "l.example",
                                          "m.example", "n.example", "o.example", "p.example"};
    for (unsigned i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
        struct slice domain = slice_str(domains[i]);
        uint64_t hash = metrics_expect_domain(metrics, domain);
        struct series_key key = {{metrics_domain(metrics, domain, hash),
                                  metrics_label(metrics, LABEL_PROVIDER, SLICE("google"))}};
        metrics_add(metrics, METRIC_DOMAIN_DELIVERIES, key, 3);
        want[METRIC_DOMAIN_DELIVERIES] += 3;
    }
}

static void check_taken(uint64_t want[METRIC_COUNT])
{
    check_sums(want, false);
    count_on(want);
    check_sums(want, false);
    metrics_settle(metrics, 1000, true);
    check_sums(want, true);
    check_page(metrics);
    metrics_save(metrics, &memory.writer);
    uint64_t folded = sum_of(metrics, METRIC_SERIES_FOLDED);
    metrics_clear(metrics);
    bug_if(!metrics_load(metrics, &memory.reader));
    want[METRIC_SERIES_FOLDED] = folded;
    check_sums(want, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t want[METRIC_COUNT] = {0}, nothing[METRIC_COUNT] = {0};
    metrics_clear(metrics);
    uint64_t births = metrics_births(metrics);
    build(input_of(data, size));
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        want[i] = is_kept((enum metric)i) ? sum_in_image((enum metric)i) : 0;
    if (metrics_load(metrics, &memory.reader)) {
        check_taken(want);
    } else {
        check_sums(nothing, false);
        bug_if(metrics_births(metrics) != births);
    }
    return 0;
}
