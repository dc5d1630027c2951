/*
 * What is counted: every metric of tables/metrics.def, as series in tables of
 * fixed size.
 *
 * A series is named by a metric and the numbers of its label values, in the order
 * of the metric's row. Counting looks one up by a hash of 16 bytes and allocates
 * nothing. A metric that has all the series it may have counts further label sets
 * with their free values folded to "other": the sum over a metric stays exact.
 *
 * The label `domain` is special: metric/topn.h says who has a value of its own.
 */
#ifndef MAILVANE_METRIC_METRICS_H
#define MAILVANE_METRIC_METRICS_H

#include "mailvane/base/image.h"
#include "mailvane/metric/dict.h"

#define METRIC(constant, name, type, series, labels, help) METRIC_##constant,
enum metric {
#include "mailvane/tables/metrics.def"
    METRIC_COUNT
};
#undef METRIC

#define LABEL(constant, name, limit) constant,
enum label {
#include "mailvane/tables/labels.def"
    LABEL_COUNT
};
#undef LABEL

enum metric_type {
    COUNTER,       /* whole numbers */
    COUNTER_FLOAT, /* set from elsewhere, never counted here */
    GAUGE,
    HISTOGRAM_SECONDS,
    HISTOGRAM_BYTES,
    HISTOGRAM_COUNT,
    METRIC_TYPES
};

#define METRIC_LABELS_MAX 8

struct metric_row {
    const char *name;
    const char *help;
    enum metric_type type;
    uint32_t series; /* at most */
    uint8_t label_count;
    uint8_t labels[METRIC_LABELS_MAX]; /* enum label */
};

extern const struct metric_row metric_rows[METRIC_COUNT];
extern const char *const label_names[LABEL_COUNT];

/*
 * Upper bounds of a histogram's buckets, without +Inf. It counts in whole parts of
 * its unit, `parts` of them make one: what is summed up over years stays exact.
 */
struct buckets {
    unsigned count;
    uint32_t parts; /* microseconds, for one */
    const uint64_t *bounds;
};
struct buckets metric_buckets(enum metric_type type);

/* The label values of a series, in the row's order; the rest is zero. */
struct series_key {
    uint16_t value[METRIC_LABELS_MAX];
};

/*
 * A key that is written by the word, as it is read: what was stored in pieces a moment
 * ago has to wait until it can be loaded as one.
 */
static inline struct series_key series_key_of(uint16_t a, uint16_t b, uint16_t c, uint16_t d,
                                              uint16_t e)
{
    struct series_key key = {{a, b, c, d, e}};
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word[2] = {a | (uint64_t)b << 16 | (uint64_t)c << 32 | (uint64_t)d << 48, e};
    memcpy(&key, word, sizeof(key));
#endif
    return key;
}

/*
 * A counter is n, a gauge x. A histogram is an array of n: a count a bucket (not
 * cumulative), +Inf's, then the sum in parts.
 */
union series_value {
    uint64_t n;
    double x;
};

/* The most values of a series: of a histogram. */
#define METRIC_VALUES_MAX 16

struct metrics_options {
    uint32_t domains;     /* recipient domains with a value of their own, 1 to 10000 */
    uint32_t sending_ips; /* 1 to 10000 */
    uint32_t codes;       /* enhanced status codes, 1 to 10000 */
    uint64_t seed;
};

struct metrics;

struct metrics *metrics_new(const struct metrics_options *options);
void metrics_free(struct metrics *m);

/* The number of a label value. */
uint16_t metrics_label(struct metrics *m, enum label label, struct slice value);
/* The number of a recipient domain, DICT_OTHER for one that is not among the busiest. */
uint16_t metrics_domain(struct metrics *m, struct slice domain, uint64_t hash);
/*
 * The hash that metrics_domain() wants. Like metrics_expect() it has fetched into the
 * cache what is looked at then: the tables are larger than it, and whoever asks early has
 * no need to wait.
 */
uint64_t metrics_expect_domain(const struct metrics *m, struct slice domain);
void metrics_expect(const struct metrics *m, enum metric id, const struct series_key *key);

void metrics_add(struct metrics *m, enum metric id, struct series_key key, uint64_t n);
/* Adds what a total that is kept elsewhere has grown by; *told is what was told of it before. */
static inline void metrics_add_growth(struct metrics *m, enum metric id, struct series_key key,
                                      uint64_t total, uint64_t *told)
{
    metrics_add(m, id, key, total - *told);
    *told = total;
}
/* Gauges, and counters that are no whole numbers. */
void metrics_set(struct metrics *m, enum metric id, struct series_key key, double value);
/* A value in parts of the histogram's unit. */
void metrics_observe(struct metrics *m, enum metric id, struct series_key key, uint64_t parts);

/*
 * A handle on a series, which is made if need be: for what is counted with every
 * line. It stays good as long as m, but for metrics with the label `domain`, whose
 * series come and go.
 */
union series_value *metrics_at(struct metrics *m, enum metric id, struct series_key key);
/* Observes a value on a handle of a histogram. */
void series_observe(const struct metrics *m, enum metric id, union series_value *at,
                    uint64_t parts);

/*
 * To be called before an exposition: settles which domains are shown (topn.h) and
 * writes the mailvane_series* metrics. True where something was decided or counted that
 * reading the same lines again would not bring about: it has to be saved before it is shown.
 */
bool metrics_settle(struct metrics *m, int64_t now, bool final);
/* The part of it that counts what was folded; to be called before metrics_save, too. */
void metrics_tell_limits(struct metrics *m);

/*
 * Series born so far, of all metrics. Each has the number of its birth, so that whoever
 * remembers this count knows later which series are new to him.
 */
uint64_t metrics_births(const struct metrics *m);

/*
 * Counters, histograms and the tracked domains, to be known again after a restart; gauges are
 * found out anew. metrics_load adds what was saved to what is there; where that is damaged it
 * is false and nothing was taken. What a smaller limit leaves no room for is folded.
 */
void metrics_save(const struct metrics *m, struct image_writer *out);
bool metrics_load(struct metrics *m, struct image_reader *in);

/* A series as a reader sees it; borrowed until something is counted. */
struct series_view {
    struct series_key key;
    uint64_t born;
    const union series_value *values;
};

/* Reading: the series of a metric are numbered from 0, in no order that lasts. */
uint32_t metrics_series_count(const struct metrics *m, enum metric id);
struct series_view metrics_series(const struct metrics *m, enum metric id, uint32_t number);
struct slice metrics_label_text(const struct metrics *m, enum label label, uint16_t number);

#endif
