/*
 * The series of one metric: an open-addressing table of fixed size.
 */
#ifndef MAILVANE_METRIC_FAMILY_H
#define MAILVANE_METRIC_FAMILY_H

#include "mailvane/metric/metrics.h"

struct family {
    uint64_t seed;
    uint32_t limit;   /* series at most */
    uint32_t reserve; /* of them, kept for folded label sets */
    uint32_t count;
    uint32_t width; /* union series_value a series */
    uint32_t mask;
    uint32_t *index; /* number + 1; 0 is free */
    struct series_key *keys;
    union series_value *values;
    struct series_key fold; /* DICT_OTHER where a label's value may be folded, else 0 */
    uint64_t folded;        /* label sets that had to be folded */
};

void family_init(struct family *f, const struct metric_row *row, uint64_t seed);
void family_release(struct family *f);

/* The values of a series, which is made if need be; folded where there is no room. */
union series_value *family_at(struct family *f, const struct series_key *key);

/* Empties the series whose label at `position` is marked (enum topn_mark, by value). */
void family_apply(struct family *f, unsigned position, const uint8_t *marks);

#endif
