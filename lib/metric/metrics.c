#include "mailvane/metric/metrics.h"

#include <stdlib.h>

#include "mailvane/base/bug.h"
#include "metrics_private.h"

#define COUNT_ARGS(...) (sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
#define LABELS(...)     .label_count = COUNT_ARGS(__VA_ARGS__), .labels = {__VA_ARGS__}
#define NO_LABELS       .label_count = 0
#define METRIC(constant, metric_name, metric_type_, series_, labels_, help_)                       \
    [METRIC_##constant] = {                                                                        \
        .name = metric_name, .help = help_, .type = metric_type_, .series = series_, labels_},
const struct metric_row metric_rows[METRIC_COUNT] = {
#include "mailvane/tables/metrics.def"
};
#undef METRIC

#define LABEL(constant, name, limit) [constant] = name,
const char *const label_names[LABEL_COUNT] = {
#include "mailvane/tables/labels.def"
};
#undef LABEL

#define LABEL(constant, name, limit) [constant] = limit,
static const uint32_t label_limits[LABEL_COUNT] = {
#include "mailvane/tables/labels.def"
};
#undef LABEL

#define MS UINT64_C(1000) /* in microseconds */
#define S  (1000 * MS)
static const uint64_t bounds_seconds[] = {100 * MS, 500 * MS, 1 * S,     2500 * MS,
                                          5 * S,    10 * S,   30 * S,    60 * S,
                                          300 * S,  1800 * S, 14400 * S, 86400 * S};
#undef MS
#undef S
static const uint64_t bounds_bytes[] = {1024,    4096,    16384,    65536,   262144,
                                        1048576, 4194304, 16777216, 67108864};
static const uint64_t bounds_count[] = {1, 2, 5, 10, 20, 50, 100, 500, 1000};

#define BUCKETS(parts, bounds)                                                                     \
    {                                                                                              \
        sizeof(bounds) / sizeof((bounds)[0]), parts, bounds                                        \
    }
static const struct buckets bucket_rows[METRIC_TYPES] = {
    [HISTOGRAM_SECONDS] = BUCKETS(1000000, bounds_seconds),
    [HISTOGRAM_BYTES] = BUCKETS(1, bounds_bytes),
    [HISTOGRAM_COUNT] = BUCKETS(1, bounds_count),
};

/*
 * Where a value falls cannot be predicted, so its bucket is not searched for. No two
 * bounds lie in one octave [2^n, 2^(n+1)): the octave says how many bounds are below
 * it, and one comparison is left.
 */
static unsigned octave_of(uint64_t value)
{
    return 63 - (unsigned)__builtin_clzll(value | 1);
}

struct buckets metric_buckets(enum metric_type type)
{
    return bucket_rows[type];
}

static uint32_t limit_of(const struct metrics_options *options, enum label label)
{
    switch (label) {
    case LABEL_SENDING_IP:
        return options->sending_ips + 2;
    case LABEL_DSN:
        return options->codes + 2;
    default:
        return label_limits[label];
    }
}

static void fill_octaves(struct metrics *m)
{
    for (unsigned type = 0; type < METRIC_TYPES; type++) {
        const struct buckets *buckets = &bucket_rows[type];
        for (unsigned i = 0; i < buckets->count; i++) {
            unsigned octave = octave_of(buckets->bounds[i]);
            bug_if(i && octave_of(buckets->bounds[i - 1]) == octave);
            for (unsigned above = octave + 1; above < OCTAVES; above++)
                m->octaves[type][above] = (uint8_t)(i + 1);
        }
    }
}

struct metrics *metrics_new(const struct metrics_options *options)
{
    struct metrics *m = must_calloc(1, sizeof(*m));
    m->seed = options->seed;
    fill_octaves(m);
    for (unsigned i = 0; i < LABEL_COUNT; i++) {
        if (i != LABEL_DOMAIN)
            dict_init(&m->dicts[i], limit_of(options, (enum label)i), options->seed + i);
    }
    topn_init(&m->domains, options->domains, options->seed);
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        family_init(&m->families[i], &metric_rows[i], options->seed, &m->births);
        /* A metric without labels exists from the start. */
        if (metric_rows[i].label_count == 0 && metric_rows[i].type != GAUGE &&
            metric_rows[i].type != COUNTER_FLOAT)
            family_at(&m->families[i], &(struct series_key){{0}});
    }
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < LABEL_COUNT; i++)
        dict_release(&m->dicts[i]);
    topn_release(&m->domains);
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        family_release(&m->families[i]);
    free(m);
}

uint16_t metrics_label(struct metrics *m, enum label label, struct slice value)
{
    bug_if(label == LABEL_DOMAIN);
    return dict_intern(&m->dicts[label], value);
}

static bool apply_to(struct family *f, const struct metric_row *row, const uint8_t *marks)
{
    bool changed = false;
    for (unsigned at = 0; at < row->label_count; at++) {
        if (row->labels[at] == LABEL_DOMAIN)
            changed |= family_apply(f, at, marks);
    }
    return changed;
}

/* Brings the series in line with what topn.h marked. */
static bool apply_marks(struct metrics *m)
{
    bool changed = false;
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        changed |= apply_to(&m->families[i], &metric_rows[i], m->domains.marks);
    for (struct draft *draft = m->drafts; draft; draft = draft->next) {
        for (unsigned i = 0; i < draft->count; i++)
            apply_to(&draft->families[i], &metric_rows[draft->ids[i]], m->domains.marks);
    }
    topn_forget(&m->domains);
    return changed;
}

void metrics_prune(struct metrics *m)
{
    topn_prune(&m->domains);
    apply_marks(m);
}

uint64_t metrics_expect_domain(const struct metrics *m, struct slice domain)
{
    return topn_expect(&m->domains, domain);
}

uint16_t metrics_domain(struct metrics *m, struct slice domain, uint64_t hash)
{
    if (domain.len == 0)
        return DICT_EMPTY;
    uint16_t number = topn_touch(&m->domains, domain, hash);
    if (number == 0) {
        metrics_prune(m);
        number = topn_touch(&m->domains, domain, hash);
    }
    return number ? number : DICT_OTHER;
}

void metrics_expect(const struct metrics *m, enum metric id, const struct series_key *key)
{
    family_expect(&m->families[id], key);
}

void metrics_add(struct metrics *m, enum metric id, struct series_key key, uint64_t n)
{
    family_at(&m->families[id], &key)->n += n;
}

void metrics_set(struct metrics *m, enum metric id, struct series_key key, double value)
{
    bug_if(metric_rows[id].type == COUNTER);
    family_at(&m->families[id], &key)->x = value;
}

union series_value *metrics_at(struct metrics *m, enum metric id, struct series_key key)
{
    for (unsigned i = 0; i < metric_rows[id].label_count; i++)
        bug_if(metric_rows[id].labels[i] == LABEL_DOMAIN);
    return family_at(&m->families[id], &key);
}

void series_observe(const struct metrics *m, enum metric id, union series_value *at, uint64_t parts)
{
    enum metric_type type = metric_rows[id].type;
    const struct buckets *buckets = &bucket_rows[type];
    unsigned bucket = m->octaves[type][octave_of(parts)];
    bucket += bucket < buckets->count && parts > buckets->bounds[bucket];
    at[bucket].n++;
    at[buckets->count + 1].n += parts;
}

void metrics_observe(struct metrics *m, enum metric id, struct series_key key, uint64_t parts)
{
    series_observe(m, id, family_at(&m->families[id], &key), parts);
}

/* How full the tables are: limits that are hit must be seen. */
void metrics_tell_limits(struct metrics *m)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        struct family *f = &m->families[i];
        /* Not of metrics whose label sets are known beforehand. */
        if (metric_rows[i].series < 512)
            continue;
        struct series_key key = {{metrics_label(m, LABEL_METRIC, slice_str(metric_rows[i].name))}};
        metrics_set(m, METRIC_SERIES, key, f->count);
        metrics_set(m, METRIC_SERIES_LIMIT, key, f->limit);
        metrics_add(m, METRIC_SERIES_FOLDED, key, f->folded);
        f->folded = 0;
    }
}

/* Sums over series change with it, not only which series there are. */
static bool has_folded(const struct metrics *m)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        if (m->families[i].folded)
            return true;
    }
    return false;
}

bool metrics_settle(struct metrics *m, int64_t now, bool final)
{
    uint32_t shown = m->domains.shown;
    topn_settle(&m->domains, now, final);
    bool changed = apply_marks(m) || m->domains.shown != shown;
    changed |= has_folded(m);
    metrics_tell_limits(m);
    return changed;
}

uint64_t metrics_births(const struct metrics *m)
{
    return m->births;
}

uint32_t metrics_series_count(const struct metrics *m, enum metric id)
{
    return m->families[id].count;
}

struct series_view metrics_series(const struct metrics *m, enum metric id, uint32_t number)
{
    const struct family *f = &m->families[id];
    bug_if(number >= f->count);
    const struct series *series = family_series(f, number);
    return (struct series_view){.key = series->key, .born = series->born, .values = series->values};
}

struct slice metrics_label_text(const struct metrics *m, enum label label, uint16_t number)
{
    return dict_text(label == LABEL_DOMAIN ? &m->domains.dict : &m->dicts[label], number);
}
