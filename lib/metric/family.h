/*
 * The series of one metric: an open-addressing table of fixed size.
 */
#ifndef MAILVANE_METRIC_FAMILY_H
#define MAILVANE_METRIC_FAMILY_H

#include "mailvane/metric/metrics.h"

/* A series: its labels, and behind them its values, so that both are fetched at once. */
struct series {
    struct series_key key;
    uint64_t born; /* its number among all series of all metrics, from 1 */
    union series_value values[];
};

/* What becomes of a series whose name goes (topn.h). */
enum family_keeping {
    FAMILY_COUNTS, /* counters: what was shown may not go to "other", where it would be a burst */
    FAMILY_LEVELS, /* gauges: what is there is there, and counts as "other" */
    FAMILY_DRAFT,  /* likewise; whether its name is shown matters later */
};

struct family {
    uint64_t seed;
    uint32_t limit;   /* series at most */
    uint32_t reserve; /* of them, kept for folded label sets */
    uint32_t count;
    uint32_t width; /* union series_value a series */
    uint32_t mask;
    uint32_t stride; /* bytes a series */
    uint16_t *index; /* number + 1; 0 is free */
    char *series;
    struct series_key fold; /* DICT_OTHER where a label's value may be folded, else 0 */
    struct series_key rest; /* DICT_OTHER for every label */
    uint64_t folded;        /* label sets that had to be folded, and were not reported yet */
    enum family_keeping keeping;
    uint64_t *births; /* series born so far, of all metrics; not owned */
};

/* births is what all families number their series by. */
void family_init(struct family *f, const struct metric_row *row, uint64_t seed, uint64_t *births);
void family_release(struct family *f);

static inline struct series *family_series(const struct family *f, uint32_t number)
{
    return (struct series *)(void *)(f->series + (size_t)number * f->stride);
}

/* Has a series fetched into the cache that will be counted soon. */
void family_expect(const struct family *f, const struct series_key *key);

/* A series, which is made if need be; folded where there is no room. */
struct series *family_series_at(struct family *f, const struct series_key *key);
/* Its values. */
union series_value *family_at(struct family *f, const struct series_key *key);

/* Ends the series with that value of the label at `position`; all series. */
void family_remove(struct family *f, unsigned position, uint16_t value);
void family_clear(struct family *f);

/* Empties the series whose label at `position` is marked (enum topn_mark, by value). */
bool family_apply(struct family *f, unsigned position, const uint8_t *marks);

#endif
